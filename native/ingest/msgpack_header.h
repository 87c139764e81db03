// Reads the header of one MessagePack value: its type and its length in any legal encoding, also a
// longer one than needed. Nothing is read at or after `end`. Pure functions; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "native/base/bytes.h"
#include "native/base/status.h"
#include "native/format/msgpack_format.h"

namespace millrace::ingest {

enum class HeaderFault : uint8_t {
  kNone,
  kWrongType,  // another type, or (integers) a negative one
  kCutShort,   // the input ends before or within the header
};

struct Header {
  HeaderFault fault;
  uint32_t bytes;   // of the header itself
  uint32_t length;  // elements of an array, bytes of a str or bin; nothing is said about their
                    // being there
};

struct UnsignedValue {
  HeaderFault fault;
  uint32_t bytes;
  uint64_t value;
};

// A length of `width` (1, 2 or 4) bytes after the type byte.
inline Header ReadLength(const uint8_t* at, const uint8_t* end, uint32_t width) {
  if (static_cast<size_t>(end - at) < 1 + width) {
    return {HeaderFault::kCutShort, 0, 0};
  }
  const uint32_t length = width == 1   ? at[1]
                          : width == 2 ? base::LoadBig16(at + 1)
                                       : base::LoadBig32(at + 1);
  return {HeaderFault::kNone, 1 + width, length};
}

inline Header ReadArrayHeader(const uint8_t* at, const uint8_t* end) {
  if (at == end) {
    return {HeaderFault::kCutShort, 0, 0};
  }
  if ((*at & 0xf0) == format::kFixArray) {
    return {HeaderFault::kNone, 1, *at & 0x0fu};
  }
  if (*at == format::kArray16 || *at == format::kArray32) {
    return ReadLength(at, end, *at == format::kArray16 ? 2 : 4);
  }
  return {HeaderFault::kWrongType, 0, 0};
}

inline Header ReadStrHeader(const uint8_t* at, const uint8_t* end) {
  if (at == end) {
    return {HeaderFault::kCutShort, 0, 0};
  }
  if ((*at & 0xe0) == format::kFixStr) {
    return {HeaderFault::kNone, 1, *at & 0x1fu};
  }
  if (*at >= format::kStr8 && *at <= format::kStr32) {
    return ReadLength(at, end, 1u << (*at - format::kStr8));
  }
  return {HeaderFault::kWrongType, 0, 0};
}

inline Header ReadBinHeader(const uint8_t* at, const uint8_t* end) {
  if (at == end) {
    return {HeaderFault::kCutShort, 0, 0};
  }
  if (*at >= format::kBin8 && *at <= format::kBin32) {
    return ReadLength(at, end, 1u << (*at - format::kBin8));
  }
  return {HeaderFault::kWrongType, 0, 0};
}

// An integer that is not negative. The signed encodings are taken too: MessagePack has one integer
// type, and there are encoders (msgpackr with a BigInt) that write a positive number as int 64.
UnsignedValue ReadUnsigned(const uint8_t* at, const uint8_t* end);

// What stands at `at`, for messages: "map of 3", "str of 5 bytes", "uint 16", "the end of the
// input".
std::string DescribeValue(const uint8_t* at, const uint8_t* end);

// The bytes that a value is looked for in. `start` is what the byte numbers in messages count from.
struct Input {
  const uint8_t* start;
  const uint8_t* end;
};

// PROTOCOL_VIOLATION: "byte <at - start>: wanted <wanted>, found <found>".
base::Status FormViolation(const Input& input, const uint8_t* at, const std::string& wanted,
                           const std::string& found);

// The same, with what a header fault found at `at`.
base::Status HeaderViolation(const Input& input, const uint8_t* at, const std::string& wanted,
                             HeaderFault fault);

}  // namespace millrace::ingest
