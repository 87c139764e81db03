// One message at a time, in plain C++.
#include <cstring>

#include "native/base/bytes.h"
#include "native/base/md5_kernels.h"

namespace millrace::base {

namespace {

void CompressBlock(uint32_t (&state)[1][kMd5StateWords], const uint8_t* block) {
  uint32_t message[1][kMd5BlockWords];
  for (size_t word = 0; word < kMd5BlockWords; word++) {
    message[0][word] = LoadLittle32(block + word * sizeof(uint32_t));
  }
  Md5Compress(state, message);
}

void Md5BatchPortable(const Md5Input* inputs, size_t count, Digest* digests) {
  for (size_t i = 0; i < count; i++) {
    Md5(inputs[i].data, inputs[i].bytes, digests[i].bytes);
  }
}

}  // namespace

void Md5(const void* data, size_t bytes, uint8_t digest[16]) {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  uint32_t state[1][kMd5StateWords] = {
      {kMd5Initial[0], kMd5Initial[1], kMd5Initial[2], kMd5Initial[3]}};
  size_t rest = bytes;
  for (; rest >= kMd5BlockBytes; rest -= kMd5BlockBytes, at += kMd5BlockBytes) {
    CompressBlock(state, at);
  }
  uint8_t block[kMd5BlockBytes] = {};
  if (rest > 0) {
    std::memcpy(block, at, rest);
  }
  block[rest] = kMd5PaddingStart;
  if (rest > kMd5OneBlockBytes) {
    CompressBlock(state, block);
    std::memset(block, 0, sizeof block);
  }
  StoreLittle64(block + kMd5BitCountAt, uint64_t{bytes} * 8);
  CompressBlock(state, block);
  for (size_t word = 0; word < kMd5StateWords; word++) {
    StoreLittle32(digest + word * sizeof(uint32_t), state[0][word]);
  }
}

Md5Kernel Md5PortableKernel() {
  return {"portable", true, &Md5BatchPortable};
}

}  // namespace millrace::base
