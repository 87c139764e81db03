// The MessagePack type bytes that Millrace's own formats use. The names follow the MessagePack
// specification.
#pragma once

#include <cstdint>

namespace millrace::format {

inline constexpr uint8_t kFixArray = 0x90;  // | element count, up to 15
inline constexpr uint8_t kFixStr = 0xa0;    // | byte count, up to 31
inline constexpr uint8_t kNil = 0xc0;
inline constexpr uint8_t kBin8 = 0xc4;
inline constexpr uint8_t kBin16 = 0xc5;
inline constexpr uint8_t kBin32 = 0xc6;
inline constexpr uint8_t kUint8 = 0xcc;
inline constexpr uint8_t kUint16 = 0xcd;
inline constexpr uint8_t kUint32 = 0xce;
inline constexpr uint8_t kUint64 = 0xcf;
inline constexpr uint8_t kInt8 = 0xd0;
inline constexpr uint8_t kInt64 = 0xd3;
inline constexpr uint8_t kStr8 = 0xd9;
inline constexpr uint8_t kStr16 = 0xda;
inline constexpr uint8_t kStr32 = 0xdb;
inline constexpr uint8_t kArray16 = 0xdc;
inline constexpr uint8_t kArray32 = 0xdd;

}  // namespace millrace::format
