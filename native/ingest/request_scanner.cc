#include "native/ingest/request_scanner.h"

#include <new>
#include <utility>

#include "native/base/check.h"

namespace millrace::ingest {

namespace {

using base::Code;
using base::Format;
using base::Status;

// Offsets are kept in 32 bits. A body that the limits admit is a few KiB longer than its payload.
constexpr size_t kBodyBytesMax = UINT32_MAX;

Status JudgeRecordCount(const Input& input, const uint8_t* at, const Header& header,
                        uint32_t records_max) {
  const size_t bytes_left = static_cast<size_t>(input.end - at) - header.bytes;
  if (header.length > bytes_left / kRecordEncodedBytesMin) {
    return FormViolation(input, at, Format("%u records", header.length),
                         Format("%zu bytes behind the header, too few for that many", bytes_left));
  }
  if (header.length == 0) {
    return Status(Code::kInvalidArgument,
                  Format("a request with 0 records; it needs 1 to %u", records_max));
  }
  if (header.length > records_max) {
    return Status(Code::kInvalidArgument,
                  Format("a request with %u records, the limit is %u; send several requests",
                         header.length, records_max));
  }
  return Status();
}

Status HashKeysViolation(const Input& input, const uint8_t* at, uint32_t record_count,
                         HeaderFault fault) {
  return HeaderViolation(
      input, at, Format("the explicit hash keys (nil or an array of %u)", record_count), fault);
}

// The hash key at *at, or null for nil; moves *at behind it.
Status TakeHashKey(const Input& input, uint32_t index, const uint8_t** at, const uint8_t** key) {
  *key = nullptr;
  if (*at < input.end && **at == format::kNil) {
    *at += 1;
    return Status();
  }
  const Header header = ReadBinHeader(*at, input.end);
  const char* wanted = "the explicit hash key (nil or a bin of 16 bytes) of record %u";
  if (header.fault != HeaderFault::kNone || header.length != kHashKeyBytes) {
    return HeaderViolation(input, *at, Format(wanted, index), header.fault);
  }
  if (static_cast<size_t>(input.end - *at) < header.bytes + kHashKeyBytes) {
    return HeaderViolation(input, *at, Format(wanted, index), HeaderFault::kCutShort);
  }
  *key = *at + header.bytes;
  *at = *key + kHashKeyBytes;
  return Status();
}

// JavaScript encoders write a number above 2^32 as a float 64: hence the hint.
Status TakeUnsigned(const Input& input, const char* what, const uint8_t** at, uint64_t* value) {
  const UnsignedValue taken = ReadUnsigned(*at, input.end);
  if (taken.fault != HeaderFault::kNone) {
    return HeaderViolation(
        input, *at,
        Format("the %s (an integer, not negative; in JavaScript a BigInt above 2^32)", what),
        taken.fault);
  }
  *value = taken.value;
  *at += taken.bytes;
  return Status();
}

}  // namespace

std::unique_ptr<ScannedRequest> ScannedRequest::Create(uint32_t records_max) {
  std::unique_ptr<ScannedRecord[]> records(new (std::nothrow) ScannedRecord[records_max]);
  std::unique_ptr<const uint8_t*[]> keys(new (std::nothrow) const uint8_t*[records_max]);
  if (records == nullptr || keys == nullptr) {
    return nullptr;
  }
  return std::unique_ptr<ScannedRequest>(
      new (std::nothrow) ScannedRequest(records_max, std::move(records), std::move(keys)));
}

ScannedRequest::ScannedRequest(uint32_t capacity, std::unique_ptr<ScannedRecord[]> records,
                               std::unique_ptr<const uint8_t*[]> explicit_hash_keys)
    : capacity_(capacity),
      records_(std::move(records)),
      explicit_hash_keys_(std::move(explicit_hash_keys)) {}

Status ScannedRequest::Scan(const uint8_t* body, size_t bytes, const ScanLimits& limits) {
  MILLRACE_CHECK(limits.records_max <= capacity_);
  body_ = body;
  record_count_ = 0;
  has_explicit_hash_keys_ = false;
  producer_sequence_ = 0;
  producer_id_ = 0;
  payload_bytes_ = 0;
  Status status = TakeAll({body, body + bytes}, limits);
  if (!status.ok()) {
    record_count_ = 0;
    has_explicit_hash_keys_ = false;
  }
  return status;
}

Status ScannedRequest::TakeAll(const Input& input, const ScanLimits& limits) {
  if (static_cast<size_t>(input.end - input.start) > kBodyBytesMax) {
    return FormViolation(input, input.start, "a body below 4 GiB", "a longer one");
  }
  const uint8_t* at = input.start;
  Status status = TakeRecords(input, limits, &at);
  if (status.ok()) {
    status = TakeExplicitHashKeys(input, &at);
  }
  if (status.ok()) {
    status = TakeProducer(input, &at);
  }
  if (status.ok() && at != input.end) {
    return FormViolation(input, at, "the end of the request", DescribeValue(at, input.end));
  }
  return status;
}

Status ScannedRequest::TakeRecords(const Input& input, const ScanLimits& limits,
                                   const uint8_t** next) {
  const Header header = ReadArrayHeader(*next, input.end);
  if (header.fault != HeaderFault::kNone) {
    return HeaderViolation(input, *next, "the array of records", header.fault);
  }
  Status status = JudgeRecordCount(input, *next, header, limits.records_max);
  if (!status.ok()) {
    return status;
  }
  const uint8_t* at = *next + header.bytes;
  uint64_t total_bytes = 0;
  for (uint32_t index = 0; index < header.length; ++index) {
    ScannedRecord& record = records_[index];
    record.offset = static_cast<uint32_t>(at - input.start);
    if (!ScanRecord(at, input.end, limits.record_bytes_max, &record.shape)) {
      return ExplainRecord(input, at, index, limits.record_bytes_max);
    }
    if (record.shape.key_bytes == 0 && limits.keys_required) {
      return KeyMissing(index);
    }
    at += record.shape.bytes;
    total_bytes += record.shape.payload_bytes;
    if (total_bytes > limits.total_bytes_max) {
      return TotalTooLarge(index, total_bytes, limits.total_bytes_max);
    }
  }
  *next = at;
  record_count_ = header.length;
  payload_bytes_ = total_bytes;
  return Status();
}

Status ScannedRequest::TakeExplicitHashKeys(const Input& input, const uint8_t** next) {
  const uint8_t* at = *next;
  if (at < input.end && *at == format::kNil) {
    *next = at + 1;
    return Status();
  }
  const Header header = ReadArrayHeader(at, input.end);
  if (header.fault != HeaderFault::kNone || header.length != record_count_) {
    return HashKeysViolation(input, at, record_count_, header.fault);
  }
  at += header.bytes;
  if (header.length > static_cast<size_t>(input.end - at)) {
    return HashKeysViolation(input, at, record_count_, HeaderFault::kCutShort);
  }
  for (uint32_t index = 0; index < header.length; ++index) {
    Status status = TakeHashKey(input, index, &at, &explicit_hash_keys_[index]);
    if (!status.ok()) {
      return status;
    }
  }
  *next = at;
  has_explicit_hash_keys_ = true;
  return Status();
}

Status ScannedRequest::TakeProducer(const Input& input, const uint8_t** at) {
  Status status = TakeUnsigned(input, "producer id", at, &producer_id_);
  if (!status.ok()) {
    return status;
  }
  uint64_t sequence = 0;
  status = TakeUnsigned(input, "producer sequence", at, &sequence);
  if (status.ok() && sequence > UINT32_MAX) {
    return Status(Code::kInvalidArgument,
                  Format("the producer sequence is %llu, the limit is 4294967295; take a new "
                         "producer id",
                         static_cast<unsigned long long>(sequence)));
  }
  producer_sequence_ = static_cast<uint32_t>(sequence);
  return status;
}

}  // namespace millrace::ingest
