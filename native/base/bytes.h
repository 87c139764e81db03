// Loads and stores of integers at unaligned places. Big-endian is MessagePack's order;
// little-endian is that of the files which only Millrace reads.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace millrace::base {

static_assert(std::endian::native == std::endian::little,
              "Millrace runs on little-endian machines");

inline uint16_t LoadBig16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap16(value);
}

inline uint32_t LoadBig32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap32(value);
}

inline uint64_t LoadBig64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap64(value);
}

inline void StoreBig16(uint8_t* at, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(at, &value, sizeof value);
}

inline void StoreBig32(uint8_t* at, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(at, &value, sizeof value);
}

inline void StoreBig64(uint8_t* at, uint64_t value) {
  value = __builtin_bswap64(value);
  std::memcpy(at, &value, sizeof value);
}

inline uint16_t LoadLittle16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline uint32_t LoadLittle32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline uint64_t LoadLittle64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline void StoreLittle32(uint8_t* at, uint32_t value) {
  std::memcpy(at, &value, sizeof value);
}

inline void StoreLittle64(uint8_t* at, uint64_t value) {
  std::memcpy(at, &value, sizeof value);
}

}  // namespace millrace::base
