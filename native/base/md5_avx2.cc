// The kernel for x86-64 with AVX2. A vector holds the same word of eight messages. One set of eight
// spends most of its time waiting, each step for the one before; a second set fills the gaps, so
// sixteen keys take little longer.
//
// Only one-block keys run in lanes; a longer one is hashed alone, as its neighbours would have to
// wait for it.
#include "native/base/cpu.h"
#include "native/base/md5_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "native/base/bytes.h"

#define MILLRACE_AVX2 __attribute__((target("avx2")))
#define MILLRACE_AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace millrace::base {

namespace {

constexpr size_t kLanes = 8;
constexpr size_t kSets = 2;
constexpr size_t kGroup = kSets * kLanes;

// Below this, hashing one by one is cheaper than a set with empty lanes.
constexpr size_t kLanesWorthIt = 2;

// The same word of eight messages. The operators of the compiler's own vectors keep the steps
// readable.
typedef uint32_t Lanes __attribute__((vector_size(kLanes * sizeof(uint32_t))));

// Copies up to 32 bytes by two overlapping moves of a size that fits: a call of memcpy costs more
// than the hash of a lane, and nothing outside the key is touched.
MILLRACE_AVX2_INLINE void CopyUpTo32(uint8_t* to, const uint8_t* from, size_t bytes) {
  if (bytes >= 16) {
    std::memcpy(to, from, 16);
    std::memcpy(to + bytes - 16, from + bytes - 16, 16);
  } else if (bytes >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + bytes - 8, from + bytes - 8, 8);
  } else if (bytes >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + bytes - 4, from + bytes - 4, 4);
  } else if (bytes > 0) {
    to[0] = from[0];
    to[bytes / 2] = from[bytes / 2];
    to[bytes - 1] = from[bytes - 1];
  }
}

// The one block of a key: the key, the start of the padding, zeros, the count of bits.
MILLRACE_AVX2_INLINE void PadBlock(uint8_t* block, const Md5Input& key) {
  std::memset(block, 0, kMd5BlockBytes);
  if (key.bytes > 32) {
    std::memcpy(block, key.data, 32);
    std::memcpy(block + key.bytes - 32, key.data + key.bytes - 32, 32);
  } else {
    CopyUpTo32(block, key.data, key.bytes);
  }
  block[key.bytes] = kMd5PaddingStart;
  StoreLittle32(block + kMd5BitCountAt, key.bytes * 8);
}

// Row r of two blocks that are four lanes apart, so that a transposition within halves sorts the
// lanes.
MILLRACE_AVX2_INLINE __m256i LoadRows(const uint8_t* row) {
  const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(row));
  const uint8_t* four_lanes_on = row + kLanes / 2 * kMd5BlockBytes;
  const __m128i high = _mm_load_si128(reinterpret_cast<const __m128i*>(four_lanes_on));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

// Four successive words of eight blocks, which begin at `rows`: word by word instead of block by
// block.
MILLRACE_AVX2_INLINE void TransposeFourWords(const uint8_t* rows, Lanes* words) {
  const __m256i row0 = LoadRows(rows);
  const __m256i row1 = LoadRows(rows + kMd5BlockBytes);
  const __m256i row2 = LoadRows(rows + 2 * kMd5BlockBytes);
  const __m256i row3 = LoadRows(rows + 3 * kMd5BlockBytes);
  const __m256i low01 = _mm256_unpacklo_epi32(row0, row1);
  const __m256i high01 = _mm256_unpackhi_epi32(row0, row1);
  const __m256i low23 = _mm256_unpacklo_epi32(row2, row3);
  const __m256i high23 = _mm256_unpackhi_epi32(row2, row3);
  words[0] = reinterpret_cast<Lanes>(_mm256_unpacklo_epi64(low01, low23));
  words[1] = reinterpret_cast<Lanes>(_mm256_unpackhi_epi64(low01, low23));
  words[2] = reinterpret_cast<Lanes>(_mm256_unpacklo_epi64(high01, high23));
  words[3] = reinterpret_cast<Lanes>(_mm256_unpackhi_epi64(high01, high23));
}

// Turns four words of eight lanes into eight digests.
MILLRACE_AVX2_INLINE void StoreDigests(const Lanes (&state)[kMd5StateWords], Digest* digests) {
  const __m256i a = reinterpret_cast<__m256i>(state[0]);
  const __m256i b = reinterpret_cast<__m256i>(state[1]);
  const __m256i c = reinterpret_cast<__m256i>(state[2]);
  const __m256i d = reinterpret_cast<__m256i>(state[3]);
  const __m256i ab_low = _mm256_unpacklo_epi32(a, b);
  const __m256i ab_high = _mm256_unpackhi_epi32(a, b);
  const __m256i cd_low = _mm256_unpacklo_epi32(c, d);
  const __m256i cd_high = _mm256_unpackhi_epi32(c, d);
  const __m256i digest[4] = {
      _mm256_unpacklo_epi64(ab_low, cd_low), _mm256_unpackhi_epi64(ab_low, cd_low),
      _mm256_unpacklo_epi64(ab_high, cd_high), _mm256_unpackhi_epi64(ab_high, cd_high)};
  for (size_t i = 0; i < 4; i++) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(&digests[i]), _mm256_castsi256_si128(digest[i]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(&digests[i + 4]),
                     _mm256_extracti128_si256(digest[i], 1));
  }
}

// Hashes kUsedSets * 8 padded blocks.
template <size_t kUsedSets>
MILLRACE_AVX2_INLINE void HashBlocks(const uint8_t* blocks, Digest* digests) {
  Lanes messages[kUsedSets][kMd5BlockWords];
  Lanes states[kUsedSets][kMd5StateWords];
  for (size_t set = 0; set < kUsedSets; set++) {
    const uint8_t* rows = blocks + set * kLanes * kMd5BlockBytes;
    for (size_t word = 0; word < kMd5BlockWords; word += 4) {
      TransposeFourWords(rows + word * sizeof(uint32_t), &messages[set][word]);
    }
    for (size_t word = 0; word < kMd5StateWords; word++) {
      states[set][word] = Lanes{} + kMd5Initial[word];
    }
  }
  Md5Compress(states, messages);
  for (size_t set = 0; set < kUsedSets; set++) {
    StoreDigests(states[set], digests + set * kLanes);
  }
}

// The one-block keys that wait for a full group, by their places in the batch.
struct Group {
  size_t places[kGroup];
  size_t count;
};

MILLRACE_AVX2 void HashGroup(const Md5Input* inputs, const Group& group, Digest* digests) {
  alignas(32) uint8_t blocks[kGroup * kMd5BlockBytes];
  Digest hashed[kGroup];
  for (size_t i = 0; i < group.count; i++) {
    PadBlock(blocks + i * kMd5BlockBytes, inputs[group.places[i]]);
  }
  // Lanes without a key are hashed too, and dropped; they only have to be initialised.
  const size_t lanes = group.count <= kLanes ? kLanes : kGroup;
  std::memset(blocks + group.count * kMd5BlockBytes, 0, (lanes - group.count) * kMd5BlockBytes);
  if (lanes == kLanes) {
    HashBlocks<1>(blocks, hashed);
  } else {
    HashBlocks<kSets>(blocks, hashed);
  }
  for (size_t i = 0; i < group.count; i++) {
    digests[group.places[i]] = hashed[i];
  }
}

MILLRACE_AVX2 void Md5BatchAvx2(const Md5Input* inputs, size_t count, Digest* digests) {
  Group group;
  group.count = 0;
  for (size_t i = 0; i < count; i++) {
    if (inputs[i].bytes > kMd5OneBlockBytes) {
      Md5(inputs[i].data, inputs[i].bytes, digests[i].bytes);
      continue;
    }
    group.places[group.count++] = i;
    if (group.count == kGroup) {
      HashGroup(inputs, group, digests);
      group.count = 0;
    }
  }
  if (group.count >= kLanesWorthIt) {
    HashGroup(inputs, group, digests);
    return;
  }
  for (size_t i = 0; i < group.count; i++) {
    const size_t place = group.places[i];
    Md5(inputs[place].data, inputs[place].bytes, digests[place].bytes);
  }
}

}  // namespace

Md5Kernel Md5Avx2Kernel() {
  return {"avx2", Cpu().x86_avx2, &Md5BatchAvx2};
}

}  // namespace millrace::base

#else

namespace millrace::base {

Md5Kernel Md5Avx2Kernel() {
  return {"avx2", false, nullptr};
}

}  // namespace millrace::base

#endif
