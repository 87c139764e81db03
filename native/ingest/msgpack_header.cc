#include "native/ingest/msgpack_header.h"

namespace millrace::ingest {

namespace {

// The big-endian integer of `width` (1, 2, 4 or 8) bytes at `at`.
uint64_t LoadInteger(const uint8_t* at, uint32_t width) {
  switch (width) {
    case 1:
      return *at;
    case 2:
      return base::LoadBig16(at);
    case 4:
      return base::LoadBig32(at);
    default:
      return base::LoadBig64(at);
  }
}

bool IsUnsignedType(uint8_t type) {
  return type >= format::kUint8 && type <= format::kUint64;
}

bool IsSignedType(uint8_t type) {
  return type >= format::kInt8 && type <= format::kInt64;
}

// The types from 0xc0 to 0xdf that need no length to be described.
const char* PlainTypeName(uint8_t type) {
  static constexpr const char* kNames[] = {"nil",      "the reserved byte 0xc1",
                                           "false",    "true",
                                           nullptr,    nullptr,
                                           nullptr,    "ext 8",
                                           "ext 16",   "ext 32",
                                           "float 32", "float 64",
                                           "uint 8",   "uint 16",
                                           "uint 32",  "uint 64",
                                           "int 8",    "int 16",
                                           "int 32",   "int 64",
                                           "fixext 1", "fixext 2",
                                           "fixext 4", "fixext 8",
                                           "fixext 16"};
  const size_t place = static_cast<size_t>(type) - format::kNil;
  return place < sizeof kNames / sizeof kNames[0] ? kNames[place] : nullptr;
}

std::string DescribeMap(const uint8_t* at, const uint8_t* end) {
  const Header header = (*at & 0xf0) == 0x80 ? Header{HeaderFault::kNone, 1, *at & 0x0fu}
                                             : ReadLength(at, end, *at == 0xde ? 2 : 4);
  return header.fault == HeaderFault::kNone ? base::Format("map of %u", header.length)
                                            : std::string("the header of a map, cut short");
}

std::string DescribeSized(const Header& header, const char* type, const char* unit) {
  return header.fault == HeaderFault::kNone
             ? base::Format("%s of %u%s", type, header.length, unit)
             : base::Format("the header of a value of type %s, cut short", type);
}

}  // namespace

UnsignedValue ReadUnsigned(const uint8_t* at, const uint8_t* end) {
  if (at == end) {
    return {HeaderFault::kCutShort, 0, 0};
  }
  const uint8_t type = *at;
  if (type < 0x80) {
    return {HeaderFault::kNone, 1, type};
  }
  const bool is_signed = IsSignedType(type);
  if (!is_signed && !IsUnsignedType(type)) {
    return {HeaderFault::kWrongType, 0, 0};
  }
  const uint32_t width = 1u << (type - (is_signed ? format::kInt8 : format::kUint8));
  if (static_cast<size_t>(end - at) < 1 + width) {
    return {HeaderFault::kCutShort, 0, 0};
  }
  if (is_signed && (at[1] & 0x80) != 0) {
    return {HeaderFault::kWrongType, 0, 0};
  }
  return {HeaderFault::kNone, 1 + width, LoadInteger(at + 1, width)};
}

std::string DescribeValue(const uint8_t* at, const uint8_t* end) {
  if (at == end) {
    return "the end of the input";
  }
  const uint8_t type = *at;
  if (type < 0x80) {
    return base::Format("the integer %u", type);
  }
  if (type >= 0xe0) {
    return base::Format("the integer %d", static_cast<int8_t>(type));
  }
  if (const char* name = PlainTypeName(type)) {
    const bool negative = IsSignedType(type) && end - at > 1 && (at[1] & 0x80) != 0;
    return negative ? std::string("a negative ") + name : name;
  }
  if ((type & 0xf0) == 0x80 || type == 0xde || type == 0xdf) {
    return DescribeMap(at, end);
  }
  if ((type & 0xf0) == format::kFixArray || type == format::kArray16 || type == format::kArray32) {
    return DescribeSized(ReadArrayHeader(at, end), "array", "");
  }
  return type >= format::kBin8 && type <= format::kBin32
             ? DescribeSized(ReadBinHeader(at, end), "bin", " bytes")
             : DescribeSized(ReadStrHeader(at, end), "str", " bytes");
}

base::Status FormViolation(const Input& input, const uint8_t* at, const std::string& wanted,
                           const std::string& found) {
  return base::Status(
      base::Code::kProtocolViolation,
      base::Format("byte %zu: wanted %s, found %s", static_cast<size_t>(at - input.start),
                   wanted.c_str(), found.c_str()));
}

base::Status HeaderViolation(const Input& input, const uint8_t* at, const std::string& wanted,
                             HeaderFault fault) {
  return FormViolation(
      input, at, wanted,
      fault == HeaderFault::kCutShort ? "the end of the input" : DescribeValue(at, input.end));
}

}  // namespace millrace::ingest
