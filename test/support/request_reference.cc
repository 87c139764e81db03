#include "test/support/request_reference.h"

#include <algorithm>

namespace millrace::support {

namespace {

using base::Code;

enum class Kind : uint8_t { kNil, kInteger, kStr, kBin, kArray, kOther };

struct Value {
  Kind kind = Kind::kOther;
  bool negative = false;
  uint64_t integer = 0;
  std::vector<uint8_t> bytes;
  std::vector<Value> elements;
};

constexpr int kDepthMax = 4;  // deeper than anything that is accepted

class Parser {
 public:
  explicit Parser(const std::vector<uint8_t>& input) : input_(input) {}

  size_t place() const { return place_; }

  bool at_end() const { return place_ == input_.size(); }

  size_t left() const { return input_.size() - place_; }

  bool ParseArrayHeader(uint64_t* count) {
    if (at_end()) {
      return false;
    }
    const uint8_t type = input_[place_];
    if (type >= 0x90 && type <= 0x9f) {
      *count = type - 0x90u;
      place_ += 1;
      return true;
    }
    if (type != 0xdc && type != 0xdd) {
      return false;
    }
    place_ += 1;
    return TakeInteger(type == 0xdc ? 2 : 4, count);
  }

  bool Parse(Value* value, int depth = 0) {
    if (at_end()) {
      return false;
    }
    const uint8_t type = input_[place_];
    uint64_t count = 0;
    if ((type >= 0x90 && type <= 0x9f) || type == 0xdc || type == 0xdd) {
      return depth < kDepthMax && ParseArrayHeader(&count) && ParseElements(count, value, depth);
    }
    place_ += 1;
    if (type < 0x80 || type >= 0xe0) {
      value->kind = Kind::kInteger;
      value->negative = type >= 0xe0;
      value->integer = type;
      return true;
    }
    return ParseScalar(type, value);
  }

 private:
  bool ParseElements(uint64_t count, Value* value, int depth) {
    value->kind = Kind::kArray;
    for (uint64_t i = 0; i < count; ++i) {
      value->elements.emplace_back();
      if (!Parse(&value->elements.back(), depth + 1)) {
        return false;
      }
    }
    return true;
  }

  // Maps, extensions, floats and the rest are "other": no place takes one, so how far they reach
  // does not matter.
  bool ParseScalar(uint8_t type, Value* value) {
    if (type == 0xc0) {
      value->kind = Kind::kNil;
      return true;
    }
    if (type >= 0xa0 && type <= 0xbf) {
      return TakeSized(type - 0xa0u, Kind::kStr, value);
    }
    if (type >= 0xcc && type <= 0xd3) {
      const bool is_signed = type >= 0xd0;
      const int width = 1 << ((type - 0xcc) % 4);
      value->kind = Kind::kInteger;
      if (!TakeInteger(width, &value->integer)) {
        return false;
      }
      value->negative = is_signed && (value->integer >> (8 * width - 1)) == 1;
      return true;
    }
    const bool is_str = type >= 0xd9 && type <= 0xdb;
    if (is_str || (type >= 0xc4 && type <= 0xc6)) {
      uint64_t length = 0;
      return TakeInteger(1 << (type - (is_str ? 0xd9 : 0xc4)), &length) &&
             TakeSized(length, is_str ? Kind::kStr : Kind::kBin, value);
    }
    return true;
  }

  bool TakeInteger(int width, uint64_t* integer) {
    if (left() < static_cast<size_t>(width)) {
      return false;
    }
    *integer = 0;
    for (int i = 0; i < width; ++i) {
      *integer = *integer * 256 + input_[place_++];
    }
    return true;
  }

  bool TakeSized(uint64_t length, Kind kind, Value* value) {
    value->kind = kind;
    if (length > left()) {
      return false;
    }
    const auto begin = input_.begin() + static_cast<std::ptrdiff_t>(place_);
    value->bytes.assign(begin, begin + static_cast<std::ptrdiff_t>(length));
    place_ += length;
    return true;
  }

  const std::vector<uint8_t>& input_;
  size_t place_ = 0;
};

Code JudgeRecord(const Value& value, const ingest::ScanLimits& limits) {
  if (value.kind != Kind::kArray || value.elements.size() != 2 ||
      value.elements[1].kind != Kind::kBin) {
    return Code::kProtocolViolation;
  }
  const Kind key = value.elements[0].kind;
  if (key != Kind::kStr && key != Kind::kNil) {
    return Code::kProtocolViolation;
  }
  const int64_t characters = ReferenceCharacters(value.elements[0].bytes);
  if (key == Kind::kStr && (characters < 1 || characters > 256)) {
    return Code::kInvalidArgument;
  }
  const size_t payload = value.elements[0].bytes.size() + value.elements[1].bytes.size();
  if (payload > limits.record_bytes_max) {
    return Code::kRecordTooLarge;
  }
  return key == Kind::kNil && limits.keys_required ? Code::kInvalidArgument : Code::kOk;
}

Code TakeRecords(Parser* parser, const std::vector<uint8_t>& input, uint64_t count,
                 const ingest::ScanLimits& limits, std::vector<ReferenceRecord>* records) {
  uint64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const auto begin = input.begin() + static_cast<std::ptrdiff_t>(parser->place());
    Value value;
    if (!parser->Parse(&value)) {
      return Code::kProtocolViolation;
    }
    const Code code = JudgeRecord(value, limits);
    if (code != Code::kOk) {
      return code;
    }
    const auto end = input.begin() + static_cast<std::ptrdiff_t>(parser->place());
    records->push_back({{begin, end}, value.elements[0].bytes, value.elements[1].bytes, {}});
    total += value.elements[0].bytes.size() + value.elements[1].bytes.size();
    if (total > limits.total_bytes_max) {
      return Code::kInvalidArgument;
    }
  }
  return Code::kOk;
}

Code TakeHashKeys(Parser* parser, std::vector<ReferenceRecord>* records) {
  Value value;
  if (!parser->Parse(&value)) {
    return Code::kProtocolViolation;
  }
  if (value.kind == Kind::kNil) {
    return Code::kOk;
  }
  if (value.kind != Kind::kArray || value.elements.size() != records->size()) {
    return Code::kProtocolViolation;
  }
  for (size_t i = 0; i < records->size(); ++i) {
    const Value& key = value.elements[i];
    if (key.kind != Kind::kNil && (key.kind != Kind::kBin || key.bytes.size() != 16)) {
      return Code::kProtocolViolation;
    }
    (*records)[i].explicit_hash_key = key.bytes;
  }
  return Code::kOk;
}

Code TakeUnsigned(Parser* parser, uint64_t* integer) {
  Value value;
  if (!parser->Parse(&value) || value.kind != Kind::kInteger || value.negative) {
    return Code::kProtocolViolation;
  }
  *integer = value.integer;
  return Code::kOk;
}

Code TakeProducer(Parser* parser, ReferenceRequest* request) {
  uint64_t sequence = 0;
  if (TakeUnsigned(parser, &request->producer_id) != Code::kOk ||
      TakeUnsigned(parser, &sequence) != Code::kOk) {
    return Code::kProtocolViolation;
  }
  request->producer_sequence = static_cast<uint32_t>(sequence);
  return sequence > 0xffffffff ? Code::kInvalidArgument : Code::kOk;
}

Code TakeRequest(const std::vector<uint8_t>& body, const ingest::ScanLimits& limits,
                 ReferenceRequest* request) {
  Parser parser(body);
  uint64_t count = 0;
  if (!parser.ParseArrayHeader(&count) || count * 4 > parser.left()) {
    return Code::kProtocolViolation;
  }
  if (count == 0 || count > limits.records_max) {
    return Code::kInvalidArgument;
  }
  Code code = TakeRecords(&parser, body, count, limits, &request->records);
  if (code == Code::kOk) {
    code = TakeHashKeys(&parser, &request->records);
  }
  if (code == Code::kOk) {
    code = TakeProducer(&parser, request);
  }
  return code == Code::kOk && !parser.at_end() ? Code::kProtocolViolation : code;
}

}  // namespace

ReferenceRequest ReferenceScan(const std::vector<uint8_t>& body, const ingest::ScanLimits& limits) {
  ReferenceRequest request;
  request.code = TakeRequest(body, limits, &request);
  return request;
}

Code ReferenceScanRecords(const std::vector<uint8_t>& data, const ingest::ScanLimits& limits,
                          uint32_t count_expected) {
  if (count_expected == 0) {
    return Code::kInvalidArgument;
  }
  if (uint64_t{count_expected} * 4 > data.size()) {
    return Code::kProtocolViolation;
  }
  Parser parser(data);
  std::vector<ReferenceRecord> records;
  const Code code = TakeRecords(&parser, data, count_expected, limits, &records);
  return code == Code::kOk && !parser.at_end() ? Code::kProtocolViolation : code;
}

int64_t ReferenceCharacters(const std::vector<uint8_t>& text) {
  static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  int64_t characters = 0;
  for (size_t i = 0; i < text.size(); ++characters) {
    const uint8_t first = text[i++];
    const int ones = __builtin_clz(static_cast<unsigned>(static_cast<uint8_t>(~first)) << 24 | 1);
    if (ones == 0) {
      continue;
    }
    if (ones < 2 || ones > 4) {
      return -1;
    }
    uint32_t point = first & (0x7fu >> ones);
    for (int k = 1; k < ones; ++k) {
      if (i == text.size() || (text[i] >> 6) != 2) {
        return -1;
      }
      point = point << 6 | (text[i++] & 0x3fu);
    }
    if (point < kSmallest[ones] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
      return -1;
    }
  }
  return characters;
}

}  // namespace millrace::support
