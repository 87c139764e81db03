// MD5 (RFC 1321) of partition keys: it maps a key to a point of the hash range, as Kinesis does.
// Not for security.
//
// All functions are pure and safe to use from any thread, before main too. The fastest kernel that
// the processor can run is chosen once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::base {

// The hash key is these bytes read as a big-endian number of 128 bits; memcmp orders digests as
// numbers.
struct Digest {
  uint8_t bytes[16];
};

static_assert(sizeof(Digest) == 16);

// A key of a batch. The bytes stay the caller's; not one beyond them is read. `data` may be null
// when there are none.
struct Md5Input {
  const uint8_t* data;
  uint32_t bytes;
};

void Md5(const void* data, size_t bytes, uint8_t digest[16]);

// digests[i] becomes the MD5 of inputs[i]. Keys of up to kMd5OneBlockBytes run side by side, so
// whole batches cost a fraction of what single keys do; the order of short and long keys does not
// matter.
void Md5Batch(const Md5Input* inputs, size_t count, Digest* digests);

// The longest message that MD5 pads to a single block.
inline constexpr uint32_t kMd5OneBlockBytes = 55;

using Md5BatchFunction = void (*)(const Md5Input* inputs, size_t count, Digest* digests);

// One implementation of Md5Batch. Tests run them all against each other.
struct Md5Kernel {
  const char* name;
  bool available;             // on this processor
  Md5BatchFunction function;  // null where the kernel is of another architecture
};

// All kernels, best first: Md5Batch is the first available one. Valid for the life of the process.
std::span<const Md5Kernel> Md5Kernels();

}  // namespace millrace::base
