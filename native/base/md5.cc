#include "native/base/md5.h"

#include <atomic>

#include "native/base/md5_kernels.h"

namespace millrace::base {

namespace {

void ChooseAndHash(const Md5Input* inputs, size_t count, Digest* digests);

// As in crc32c.cc: constant-initialised, so that static initialisers of other files may hash;
// relaxed, as every thread that stores stores the same.
constinit std::atomic<Md5BatchFunction> chosen_batch = &ChooseAndHash;

Md5BatchFunction ChooseBatch() {
  for (const Md5Kernel& kernel : Md5Kernels()) {
    if (kernel.available) {
      return kernel.function;
    }
  }
  return Md5PortableKernel().function;
}

void ChooseAndHash(const Md5Input* inputs, size_t count, Digest* digests) {
  const Md5BatchFunction function = ChooseBatch();
  chosen_batch.store(function, std::memory_order_relaxed);
  function(inputs, count, digests);
}

}  // namespace

void Md5Batch(const Md5Input* inputs, size_t count, Digest* digests) {
  chosen_batch.load(std::memory_order_relaxed)(inputs, count, digests);
}

std::span<const Md5Kernel> Md5Kernels() {
  static const Md5Kernel kernels[] = {Md5Avx2Kernel(), Md5PortableKernel()};
  return kernels;
}

}  // namespace millrace::base
