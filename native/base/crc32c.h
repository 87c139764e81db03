// CRC32C (Castagnoli; RFC 3720), the checksum of every batch and block. It finds each burst of up
// to 32 bits and each error of up to 3 bits at Millrace's sizes, and others but for one in 2^32; it
// does not protect against intent.
//
// All functions are pure and safe to use from any thread, before main too. The fastest kernel that
// the processor can run is chosen once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::base {

// The CRC of the bytes that `crc` is the CRC of, followed by `data`. The CRC of no bytes is 0, so
// Crc32c(0, ...) starts, and Crc32c(Crc32c(0, a), b) == Crc32c(0, ab).
uint32_t Crc32c(uint32_t crc, const void* data, size_t bytes);

// The CRC of ab from those of a and b, without the bytes: about 40 ns for each bit that is set in
// `bytes_b`, so up to 0.6 us for a megabyte.
uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t bytes_b);

// Copies `bytes` from `from` to `to`, and is Crc32c(crc, from, bytes) in the same pass through the
// cache. The two ranges must not overlap, and nobody may change `from` meanwhile: the copy and the
// CRC would differ.
uint32_t Crc32cCopy(uint32_t crc, void* to, const void* from, size_t bytes);

using Crc32cFunction = uint32_t (*)(uint32_t crc, const void* data, size_t bytes);

// One implementation of Crc32c. Tests run them all against each other.
struct Crc32cKernel {
  const char* name;
  bool available;           // on this processor
  Crc32cFunction function;  // null where the kernel is of another architecture
};

// All kernels, best first: Crc32c is the first available one. Valid for the life of the process.
std::span<const Crc32cKernel> Crc32cKernels();

}  // namespace millrace::base
