// The kernel for processors without a CRC instruction: eight bytes per step through eight tables.
#include <array>

#include "native/base/bytes.h"
#include "native/base/crc32c_kernels.h"

namespace millrace::base {

namespace {

constexpr size_t kSlices = 8;

using SliceTables = std::array<std::array<uint32_t, 256>, kSlices>;

// tables[k][b] is the CRC state that byte b leaves behind when k zero bytes follow it.
constexpr SliceTables MakeTables() {
  SliceTables tables = {};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t state = byte;
    for (int bit = 0; bit < 8; bit++) {
      state = TimesX(state);
    }
    tables[0][byte] = state;
  }
  for (size_t slice = 1; slice < kSlices; slice++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr SliceTables kTables = MakeTables();

uint32_t EightBytes(uint32_t state, const uint8_t* at) {
  const uint32_t low = state ^ LoadLittle32(at);
  const uint32_t high = LoadLittle32(at + 4);
  return kTables[7][low & 0xff] ^ kTables[6][(low >> 8) & 0xff] ^ kTables[5][(low >> 16) & 0xff] ^
         kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^ kTables[2][(high >> 8) & 0xff] ^
         kTables[1][(high >> 16) & 0xff] ^ kTables[0][high >> 24];
}

uint32_t Crc32cPortable(uint32_t crc, const void* data, size_t bytes) {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  uint32_t state = ~crc;
  for (; bytes >= kSlices; bytes -= kSlices, at += kSlices) {
    state = EightBytes(state, at);
  }
  for (; bytes > 0; bytes--, at++) {
    state = (state >> 8) ^ kTables[0][(state ^ *at) & 0xff];
  }
  return ~state;
}

}  // namespace

Crc32cKernel Crc32cPortableKernel() {
  return {"portable", true, &Crc32cPortable};
}

}  // namespace millrace::base
