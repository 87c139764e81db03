// The kernel for x86-64 with AVX-512 and VPCLMULQDQ: four lanes of 64 bytes, each of which folds
// four remainders of 128 bits at a time by carry-less multiplication. What is short, and what is
// left behind the lanes, is for the kernel with SSE4.2, which every such processor can run.
//
// Measured on an Intel Xeon: 95 GB/s in the cache, where the other does 38; from memory as fast as
// the other.
#include "native/base/cpu.h"
#include "native/base/crc32c_kernels.h"

#if defined(__x86_64__)

// gcc 12 takes what its own header leaves undefined on purpose for a mistake of who includes it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#define MILLRACE_AVX512 __attribute__((target("avx512f,avx512vl,vpclmulqdq,sse4.2,pclmul")))
#define MILLRACE_AVX512_INLINE \
  __attribute__((target("avx512f,avx512vl,vpclmulqdq,sse4.2,pclmul"), always_inline)) inline

namespace millrace::base {

namespace {

constexpr size_t kRemainderBytes = 16;
constexpr size_t kWideVectorBytes = 64;
constexpr size_t kWideLanes = 4;
constexpr size_t kWideStepBytes = kWideLanes * kWideVectorBytes;

// Below, putting the remainders together costs more than the lanes save.
constexpr size_t kWideBytesMin = 2 * kWideStepBytes;

// What is asked for ahead, in steps of the loop: a page ends every sixteenth.
constexpr size_t kWideAheadBytes = 8 * kWideStepBytes;

// What moves the two halves of a remainder of 128 bits ahead by `bytes`. The low half stands 64
// bits higher.
constexpr long long FoldLow(uint64_t bytes) {
  return PowerOfX(8 * bytes + 64 - 33);
}

constexpr long long FoldHigh(uint64_t bytes) {
  return PowerOfX(8 * bytes - 33);
}

// `remainders` moved ahead and added to `next`.
MILLRACE_AVX512_INLINE __m512i Fold(__m512i remainders, __m512i factors, __m512i next) {
  constexpr int kXorOfThree = 0x96;
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(remainders, factors, 0x00),
                                   _mm512_clmulepi64_epi128(remainders, factors, 0x11), next,
                                   kXorOfThree);
}

MILLRACE_AVX512_INLINE __m128i Fold(__m128i remainder, __m128i factors, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(remainder, factors, 0x00);
  const __m128i high = _mm_clmulepi64_si128(remainder, factors, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

template <uint64_t kBytes>
MILLRACE_AVX512_INLINE __m512i Factors() {
  constexpr long long kLow = FoldLow(kBytes);
  constexpr long long kHigh = FoldHigh(kBytes);
  return _mm512_set_epi64(kHigh, kLow, kHigh, kLow, kHigh, kLow, kHigh, kLow);
}

MILLRACE_AVX512_INLINE __m512i LoadWide(const uint8_t* at) {
  return _mm512_loadu_si512(at);
}

MILLRACE_AVX512_INLINE void AskAhead(const uint8_t* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
}

// The remainders of a vector become one, and that a CRC.
MILLRACE_AVX512_INLINE uint32_t Reduce(__m512i remainders) {
  const __m128i factors = _mm512_castsi512_si128(Factors<kRemainderBytes>());
  __m128i sum = _mm512_extracti32x4_epi32(remainders, 0);
  sum = Fold(sum, factors, _mm512_extracti32x4_epi32(remainders, 1));
  sum = Fold(sum, factors, _mm512_extracti32x4_epi32(remainders, 2));
  sum = Fold(sum, factors, _mm512_extracti32x4_epi32(remainders, 3));
  const uint64_t low = static_cast<uint64_t>(_mm_cvtsi128_si64(sum));
  const uint64_t high = static_cast<uint64_t>(_mm_extract_epi64(sum, 1));
  return static_cast<uint32_t>(_mm_crc32_u64(_mm_crc32_u64(0, low), high));
}

// `bytes` is a multiple of a step, and at least one. Nothing is read from what is asked for ahead:
// it need not be there.
MILLRACE_AVX512_INLINE uint32_t WideLanes(uint32_t state, const uint8_t* at, size_t bytes) {
  const __m512i first = _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(state)));
  __m512i lane0 = _mm512_xor_si512(LoadWide(at), first);
  __m512i lane1 = LoadWide(at + kWideVectorBytes);
  __m512i lane2 = LoadWide(at + 2 * kWideVectorBytes);
  __m512i lane3 = LoadWide(at + 3 * kWideVectorBytes);
  const __m512i step = Factors<kWideStepBytes>();
  for (size_t done = kWideStepBytes; done < bytes; done += kWideStepBytes) {
    const uint8_t* const next = at + done;
    AskAhead(next + kWideAheadBytes);
    AskAhead(next + kWideAheadBytes + kWideVectorBytes);
    AskAhead(next + kWideAheadBytes + 2 * kWideVectorBytes);
    AskAhead(next + kWideAheadBytes + 3 * kWideVectorBytes);
    lane0 = Fold(lane0, step, LoadWide(next));
    lane1 = Fold(lane1, step, LoadWide(next + kWideVectorBytes));
    lane2 = Fold(lane2, step, LoadWide(next + 2 * kWideVectorBytes));
    lane3 = Fold(lane3, step, LoadWide(next + 3 * kWideVectorBytes));
  }
  const __m512i vector = Factors<kWideVectorBytes>();
  return Reduce(Fold(Fold(Fold(lane0, vector, lane1), vector, lane2), vector, lane3));
}

MILLRACE_AVX512 uint32_t Crc32cAvx512(uint32_t crc, const void* data, size_t bytes) {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  if (bytes >= kWideBytesMin) {
    const size_t wide = bytes - bytes % kWideStepBytes;
    crc = ~WideLanes(~crc, at, wide);
    at += wide;
    bytes -= wide;
  }
  return Crc32cSse42(crc, at, bytes);
}

}  // namespace

Crc32cKernel Crc32cAvx512Kernel() {
  return {"avx512_vpclmul", Cpu().x86_avx512_vpclmul && Crc32cSse42Kernel().available,
          &Crc32cAvx512};
}

}  // namespace millrace::base

#else

namespace millrace::base {

Crc32cKernel Crc32cAvx512Kernel() {
  return {"avx512_vpclmul", false, nullptr};
}

}  // namespace millrace::base

#endif
