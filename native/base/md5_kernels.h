// Inside of md5: its kernels, each in a file of its own that compiles on every platform, and the 64
// steps of a block, written once for a single message (Word is uint32_t) and for messages side by
// side (Word is a vector of uint32_t).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "native/base/md5.h"

namespace millrace::base {

Md5Kernel Md5PortableKernel();
Md5Kernel Md5Avx2Kernel();  // x86-64 with AVX2: two interleaved sets of eight lanes

inline constexpr size_t kMd5BlockBytes = 64;
inline constexpr size_t kMd5BlockWords = 16;
inline constexpr size_t kMd5StateWords = 4;
inline constexpr size_t kMd5BitCountAt = 56;  // in the last block, a little-endian u64
inline constexpr uint8_t kMd5PaddingStart = 0x80;

inline constexpr uint32_t kMd5Initial[kMd5StateWords] = {0x67452301, 0xefcdab89, 0x98badcfe,
                                                         0x10325476};

// floor(2^32 * |sin(step + 1)|), the step in radians.
inline constexpr uint32_t kMd5Sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

inline constexpr int kMd5Rotations[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

// The word of the block that a step takes.
constexpr size_t Md5MessageWord(size_t step) {
  constexpr size_t kStride[4] = {1, 5, 3, 7};
  constexpr size_t kStart[4] = {0, 1, 5, 0};
  return (kStart[step / 16] + step * kStride[step / 16]) % kMd5BlockWords;
}

#define MILLRACE_MD5_INLINE __attribute__((always_inline)) inline

// The four words of the state change roles with each step: word (64 - step) % 4 is what RFC 1321
// calls a. Vectors go by reference, for a function that is compiled without AVX2 cannot pass them
// by value. In the second round the two terms share no bit, so they may be added one at a time:
// only the one that depends on the previous step is waited for.
template <size_t kStep, typename Word>
MILLRACE_MD5_INLINE void Md5Step(Word (&state)[kMd5StateWords], const Word* message) {
  Word& a = state[(64 - kStep) % 4];
  const Word& b = state[(65 - kStep) % 4];
  const Word& c = state[(66 - kStep) % 4];
  const Word& d = state[(67 - kStep) % 4];
  constexpr size_t kRound = kStep / 16;
  constexpr int kLeft = kMd5Rotations[kRound][kStep % 4];
  Word sum = a + message[Md5MessageWord(kStep)] + kMd5Sines[kStep];
  if constexpr (kRound == 0) {
    sum += d ^ (b & (c ^ d));
  } else if constexpr (kRound == 1) {
    sum += ~d & c;
    sum += d & b;
  } else if constexpr (kRound == 2) {
    sum += (c ^ d) ^ b;
  } else {
    sum += c ^ (b | ~d);
  }
  a = b + ((sum << kLeft) | (sum >> (32 - kLeft)));
}

// One block each of kSets independent messages, step by step in turn: the processor has no time to
// wait for one.
template <size_t kSets, typename Word, size_t... kSteps>
MILLRACE_MD5_INLINE void Md5Steps(Word (&states)[kSets][kMd5StateWords],
                                  const Word (&messages)[kSets][kMd5BlockWords],
                                  std::index_sequence<kSteps...>) {
  if constexpr (kSets == 1) {
    (Md5Step<kSteps>(states[0], messages[0]), ...);
  } else {
    static_assert(kSets == 2);
    ((Md5Step<kSteps>(states[0], messages[0]), Md5Step<kSteps>(states[1], messages[1])), ...);
  }
}

// Compresses a block: `states` goes from one to the next.
template <size_t kSets, typename Word>
MILLRACE_MD5_INLINE void Md5Compress(Word (&states)[kSets][kMd5StateWords],
                                     const Word (&messages)[kSets][kMd5BlockWords]) {
  Word next[kSets][kMd5StateWords];
  for (size_t set = 0; set < kSets; set++) {
    for (size_t word = 0; word < kMd5StateWords; word++) {
      next[set][word] = states[set][word];
    }
  }
  Md5Steps(next, messages, std::make_index_sequence<64>());
  for (size_t set = 0; set < kSets; set++) {
    for (size_t word = 0; word < kMd5StateWords; word++) {
      states[set][word] += next[set][word];
    }
  }
}

}  // namespace millrace::base
