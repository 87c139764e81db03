#include "native/base/crc32c.h"

#include <array>
#include <atomic>
#include <cstring>

#include "native/base/crc32c_kernels.h"

namespace millrace::base {

namespace {

// What a copy takes through the cache at a time. Measured: where the destination is cold, as a log
// is, blocks of this size are as fast as a kernel that stores while it reads, or faster, because
// the C library's copy can take ownership of whole cache lines without loading them.
constexpr size_t kCopyBlockBytes = 4096;

uint32_t ChooseAndRun(uint32_t crc, const void* data, size_t bytes);

// Constant-initialised, so that a static initialiser in another file may call Crc32c; after that,
// one indirect call. Relaxed: whichever thread stores, all store the same, and functions are there
// before any thread is.
constinit std::atomic<Crc32cFunction> chosen_kernel = &ChooseAndRun;

Crc32cFunction Choose() {
  for (const Crc32cKernel& kernel : Crc32cKernels()) {
    if (kernel.available) {
      return kernel.function;
    }
  }
  return Crc32cPortableKernel().function;
}

uint32_t ChooseAndRun(uint32_t crc, const void* data, size_t bytes) {
  const Crc32cFunction function = Choose();
  chosen_kernel.store(function, std::memory_order_relaxed);
  return function(crc, data, bytes);
}

// powers[k] is x^(2^k) modulo P: up to 2^66, the bits of 2^63 bytes.
constexpr auto MakeSquaredPowers() {
  std::array<uint32_t, 67> powers = {};
  uint32_t power = 1u << 30;
  for (uint32_t& slot : powers) {
    slot = power;
    power = MultiplyModulo(power, power);
  }
  return powers;
}

constexpr auto kSquaredPowers = MakeSquaredPowers();
constexpr size_t kBitsOfByteLog2 = 3;

}  // namespace

uint32_t Crc32c(uint32_t crc, const void* data, size_t bytes) {
  return chosen_kernel.load(std::memory_order_relaxed)(crc, data, bytes);
}

// The inversions before and after cancel each other, so crc_a only has to move up by the length of
// b.
uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t bytes_b) {
  uint32_t shifted = crc_a;
  for (size_t k = kBitsOfByteLog2; bytes_b != 0; bytes_b >>= 1, k++) {
    if ((bytes_b & 1) != 0) {
      shifted = MultiplyModulo(shifted, kSquaredPowers[k]);
    }
  }
  return shifted ^ crc_b;
}

uint32_t Crc32cCopy(uint32_t crc, void* to, const void* from, size_t bytes) {
  const Crc32cFunction kernel = chosen_kernel.load(std::memory_order_relaxed);
  uint8_t* target = static_cast<uint8_t*>(to);
  const uint8_t* source = static_cast<const uint8_t*>(from);
  while (bytes > 0) {
    size_t block = bytes < kCopyBlockBytes ? bytes : kCopyBlockBytes;
    // Hides the bound: gcc would copy by a string instruction in place, which takes 10 ns to start
    // for a short record. The C library chooses by size and processor.
    asm("" : "+r"(block));
    std::memcpy(target, source, block);
    crc = kernel(crc, source, block);
    target += block;
    source += block;
    bytes -= block;
  }
  return crc;
}

std::span<const Crc32cKernel> Crc32cKernels() {
  static const Crc32cKernel kernels[] = {
      Crc32cAvx512Kernel(), Crc32cSse42Kernel(),    Crc32cArmv8PmullKernel(),
      Crc32cArmv8Kernel(),  Crc32cPortableKernel(),
  };
  return kernels;
}

}  // namespace millrace::base
