#include "native/ingest/record_scanner.h"

#include <string>

namespace millrace::ingest {

namespace {

using base::Code;
using base::Format;
using base::Status;

enum class FaultKind : uint8_t {
  kNone,
  kPairHeader,    // header: not an array
  kPairLength,    // value: elements
  kKeyHeader,     // header: not a str
  kKeyBeyondEnd,  // value: bytes announced
  kKeyEmpty,
  kKeyTooLong,  // value: characters, or 0 when it was too long to be worth counting
  kKeyNotUtf8,  // at: the first byte that fits nowhere
  kDataHeader,  // header: not a bin
  kDataBeyondEnd,
  kTooLarge,  // value: bytes of key and data
};

struct Fault {
  FaultKind kind = FaultKind::kNone;
  HeaderFault header = HeaderFault::kNone;
  const uint8_t* at = nullptr;
  uint64_t value = 0;
};

Fault JudgeKey(const uint8_t* key, uint32_t bytes) {
  if (bytes == 0) {
    return {FaultKind::kKeyEmpty, HeaderFault::kNone, key, 0};
  }
  if (bytes > kKeyBytesMax) {
    return {FaultKind::kKeyTooLong, HeaderFault::kNone, key, 0};
  }
  const Utf8Scan text = ScanUtf8(key, bytes);
  if (text.valid_bytes != bytes) {
    return {FaultKind::kKeyNotUtf8, HeaderFault::kNone, key + text.valid_bytes, 0};
  }
  if (text.characters > kKeyCharactersMax) {
    return {FaultKind::kKeyTooLong, HeaderFault::kNone, key, text.characters};
  }
  return {};
}

// The whole rule of a record, in the order of its bytes. Form comes before bounds: a key is judged
// when all of its bytes are there, the size when all of the record is there.
Fault JudgeRecord(const uint8_t* start, const uint8_t* end, uint32_t record_bytes_max,
                  RecordShape* shape) {
  const Header pair = ReadArrayHeader(start, end);
  if (pair.fault != HeaderFault::kNone) {
    return {FaultKind::kPairHeader, pair.fault, start, 0};
  }
  if (pair.length != 2) {
    return {FaultKind::kPairLength, HeaderFault::kNone, start, pair.length};
  }
  const uint8_t* at = start + pair.bytes;
  const bool has_key = at == end || *at != format::kNil;
  const Header key = has_key ? ReadStrHeader(at, end) : Header{HeaderFault::kNone, 1, 0};
  if (key.fault != HeaderFault::kNone) {
    return {FaultKind::kKeyHeader, key.fault, at, 0};
  }
  if (key.length > static_cast<size_t>(end - at) - key.bytes) {
    return {FaultKind::kKeyBeyondEnd, HeaderFault::kNone, at + key.bytes, key.length};
  }
  at += key.bytes;
  const uint8_t* key_at = at;
  at += key.length;
  const Header data = ReadBinHeader(at, end);
  if (data.fault != HeaderFault::kNone) {
    return {FaultKind::kDataHeader, data.fault, at, 0};
  }
  if (data.length > static_cast<size_t>(end - at) - data.bytes) {
    return {FaultKind::kDataBeyondEnd, HeaderFault::kNone, at + data.bytes, data.length};
  }
  at += data.bytes + data.length;
  const Fault fault = has_key ? JudgeKey(key_at, key.length) : Fault{};
  if (fault.kind != FaultKind::kNone) {
    return fault;
  }
  const uint64_t payload_bytes = uint64_t{key.length} + data.length;
  if (payload_bytes > record_bytes_max) {
    return {FaultKind::kTooLarge, HeaderFault::kNone, start, payload_bytes};
  }
  *shape = {static_cast<uint32_t>(at - start), static_cast<uint32_t>(payload_bytes),
            static_cast<uint16_t>(key_at - start), static_cast<uint16_t>(key.length)};
  return {};
}

std::string BytesToEnd(const Input& input, const uint8_t* at) {
  return Format("%zu bytes before the end of the input", static_cast<size_t>(input.end - at));
}

// `what` with its record: "the partition key (str) of record 3".
std::string OfRecord(const char* what, uint64_t index) {
  return Format("%s of record %llu", what, static_cast<unsigned long long>(index));
}

Status DescribeForm(const Input& input, const Fault& fault, uint64_t index) {
  const auto value = static_cast<unsigned long long>(fault.value);
  const auto record = static_cast<unsigned long long>(index);
  switch (fault.kind) {
    case FaultKind::kPairHeader:
      return HeaderViolation(input, fault.at,
                             Format("record %llu, an array of partition key and data", record),
                             fault.header);
    case FaultKind::kPairLength:
      return FormViolation(input, fault.at,
                           Format("record %llu, an array of 2 (partition key and data)", record),
                           Format("an array of %llu", value));
    case FaultKind::kKeyHeader:
      return HeaderViolation(input, fault.at, OfRecord("the partition key (str or nil)", index),
                             fault.header);
    case FaultKind::kKeyBeyondEnd:
      return FormViolation(
          input, fault.at,
          OfRecord(Format("the %llu bytes of the partition key", value).c_str(), index),
          BytesToEnd(input, fault.at));
    case FaultKind::kDataHeader:
      return HeaderViolation(input, fault.at, OfRecord("the data (bin)", index), fault.header);
    default:
      return FormViolation(input, fault.at,
                           OfRecord(Format("the %llu bytes of the data", value).c_str(), index),
                           BytesToEnd(input, fault.at));
  }
}

Status DescribeKeyTooLong(uint64_t characters, uint64_t index) {
  const std::string size =
      characters == 0 ? Format("more than %u bytes", kKeyBytesMax)
                      : Format("%llu characters", static_cast<unsigned long long>(characters));
  return Status(Code::kInvalidArgument,
                Format("record %llu: the partition key has %s, the limit is %u characters; use a "
                       "shorter key, or its hash",
                       static_cast<unsigned long long>(index), size.c_str(), kKeyCharactersMax));
}

Status DescribeBound(const Input& input, const Fault& fault, uint64_t index,
                     uint32_t record_bytes_max) {
  const auto record = static_cast<unsigned long long>(index);
  switch (fault.kind) {
    case FaultKind::kKeyEmpty:
      return Status(Code::kInvalidArgument,
                    Format("record %llu: the partition key is empty, it needs 1 to %u characters; "
                           "use a random key when the order does not matter",
                           record, kKeyCharactersMax));
    case FaultKind::kKeyTooLong:
      return DescribeKeyTooLong(fault.value, index);
    case FaultKind::kKeyNotUtf8:
      return Status(
          Code::kInvalidArgument,
          Format("record %llu: the partition key is not valid UTF-8 at byte %zu (0x%02x); "
                 "encode it as UTF-8, and bytes as hex or base64",
                 record, static_cast<size_t>(fault.at - input.start), *fault.at));
    default:
      return Status(Code::kRecordTooLarge,
                    Format("record %llu: key and data have %llu bytes, the limit of this stream is "
                           "%u; split the record, or create a stream for larger ones (up to 10 "
                           "MiB)",
                           record, static_cast<unsigned long long>(fault.value), record_bytes_max));
  }
}

Status CheckCount(const Input& input, uint32_t count_expected) {
  const size_t bytes = static_cast<size_t>(input.end - input.start);
  if (count_expected == 0) {
    return Status(Code::kInvalidArgument,
                  "a packed batch of 0 records; it needs at least one, send nothing instead");
  }
  if (count_expected > bytes / kRecordEncodedBytesMin) {
    return FormViolation(input, input.start, Format("%u records", count_expected),
                         Format("%zu bytes, too few for that many", bytes));
  }
  return Status();
}

}  // namespace

bool ScanAnyRecord(const uint8_t* at, const uint8_t* end, uint32_t record_bytes_max,
                   RecordShape* shape) {
  return JudgeRecord(at, end, record_bytes_max, shape).kind == FaultKind::kNone;
}

Status ExplainRecord(const Input& input, const uint8_t* at, uint64_t index,
                     uint32_t record_bytes_max) {
  RecordShape shape;
  const Fault fault = JudgeRecord(at, input.end, record_bytes_max, &shape);
  switch (fault.kind) {
    case FaultKind::kNone:
      return Status(Code::kInternal, "a valid record was to be explained as refused");
    case FaultKind::kKeyEmpty:
    case FaultKind::kKeyTooLong:
    case FaultKind::kKeyNotUtf8:
    case FaultKind::kTooLarge:
      return DescribeBound(input, fault, index, record_bytes_max);
    default:
      return DescribeForm(input, fault, index);
  }
}

Status KeyMissing(uint64_t index) {
  return Status(
      Code::kInvalidArgument,
      Format("record %llu: it has no partition key, and a stream in PROVISIONED mode asks "
             "for one; give it a key of 1 to %u characters, or set the stream to ON_DEMAND",
             static_cast<unsigned long long>(index), kKeyCharactersMax));
}

Status TotalTooLarge(uint64_t index, uint64_t total_bytes, uint32_t total_bytes_max) {
  return Status(Code::kInvalidArgument,
                Format("record %llu: keys and data add up to %llu bytes with it, the limit of a "
                       "request is %u; send fewer records at once",
                       static_cast<unsigned long long>(index),
                       static_cast<unsigned long long>(total_bytes), total_bytes_max));
}

Status ScanRecords(const uint8_t* data, size_t bytes, const ScanLimits& limits,
                   uint32_t count_expected, uint64_t* payload_bytes) {
  const Input input = {data, data + bytes};
  Status status = CheckCount(input, count_expected);
  if (!status.ok()) {
    return status;
  }
  const uint8_t* at = data;
  uint64_t total_bytes = 0;
  for (uint32_t index = 0; index < count_expected; ++index) {
    RecordShape shape;
    if (!ScanRecord(at, input.end, limits.record_bytes_max, &shape)) {
      return ExplainRecord(input, at, index, limits.record_bytes_max);
    }
    if (shape.key_bytes == 0 && limits.keys_required) {
      return KeyMissing(index);
    }
    at += shape.bytes;
    total_bytes += shape.payload_bytes;
    if (total_bytes > limits.total_bytes_max) {
      return TotalTooLarge(index, total_bytes, limits.total_bytes_max);
    }
  }
  if (at != input.end) {
    return FormViolation(input, at, Format("the end of the batch after %u records", count_expected),
                         DescribeValue(at, input.end));
  }
  if (payload_bytes != nullptr) {
    *payload_bytes = total_bytes;
  }
  return Status();
}

}  // namespace millrace::ingest
