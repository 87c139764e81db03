// Inside of crc32c: its kernels, each in a file of its own that compiles on every platform, and the
// arithmetic that they share.
//
// A CRC is a polynomial over GF(2) modulo P, of degree 31 at most, kept reflected: bit 31 is the
// coefficient of x^0, as the instructions of x86 and ARM want it. Appending n zero bytes to a
// message multiplies its CRC by x^8n. That is how CRCs of separate lanes become one, and how a lane
// that carries a remainder of 128 bits moves ahead.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "native/base/crc32c.h"

namespace millrace::base {

Crc32cKernel Crc32cPortableKernel();
Crc32cKernel Crc32cAvx512Kernel();      // x86-64 with AVX-512 and VPCLMULQDQ
Crc32cKernel Crc32cSse42Kernel();       // x86-64 with SSE4.2 and PCLMULQDQ
Crc32cKernel Crc32cArmv8PmullKernel();  // 64-bit ARM with CRC32 and PMULL: three lanes
Crc32cKernel Crc32cArmv8Kernel();       // 64-bit ARM with CRC32 alone: one lane

// That of x86-64 with SSE4.2, for a kernel that leaves short data to it; there alone.
uint32_t Crc32cSse42(uint32_t crc, const void* data, size_t bytes);

inline constexpr uint32_t kCrc32cPolynomial = 0x82f63b78;

// value * x modulo P.
constexpr uint32_t TimesX(uint32_t value) {
  return (value >> 1) ^ ((value & 1) != 0 ? kCrc32cPolynomial : 0);
}

// a * b modulo P.
constexpr uint32_t MultiplyModulo(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) {
      product ^= b;
    }
    b = TimesX(b);
  }
  return product;
}

// x^exponent modulo P.
constexpr uint32_t PowerOfX(uint64_t exponent) {
  uint32_t power = 1u << 31;
  uint32_t square = 1u << 30;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) {
      power = MultiplyModulo(power, square);
    }
    square = MultiplyModulo(square, square);
  }
  return power;
}

// What to multiply the CRC of a lane with (carry-less, 32 by 32 bits), so that the product can be
// added to the last eight bytes of a message in which `bytes` bytes follow the lane. The product of
// two reflected polynomials stands one bit too low and the CRC instruction multiplies what it reads
// by x^32: hence 33.
constexpr uint32_t LaneShift(uint64_t bytes) {
  return PowerOfX(8 * bytes - 33);
}

// shifts[n][lane] is LaneShift(n * bytes_after[lane]), for n from 1.
template <size_t kSteps, size_t kLanes>
constexpr std::array<std::array<uint32_t, kLanes>, kSteps + 1> MakeLaneShifts(
    const uint64_t (&bytes_after)[kLanes]) {
  std::array<std::array<uint32_t, kLanes>, kSteps + 1> shifts = {};
  for (size_t lane = 0; lane < kLanes; lane++) {
    const uint32_t one_step = PowerOfX(8 * bytes_after[lane]);
    uint32_t shift = LaneShift(bytes_after[lane]);
    for (size_t steps = 1; steps <= kSteps; steps++) {
      shifts[steps][lane] = shift;
      shift = MultiplyModulo(shift, one_step);
    }
  }
  return shifts;
}

}  // namespace millrace::base
