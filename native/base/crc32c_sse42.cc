// The kernel for x86-64 with SSE4.2 and PCLMULQDQ. A crc32 instruction takes three cycles, and one
// can start in each cycle, so a single chain reaches a third of the speed. By size:
//
//   below 48 bytes    one chain: cheaper than putting lanes together
//   below 512 bytes   three lanes of crc32
//   above             four lanes of crc32, and beside them a fifth that folds 16 bytes by
//                     carry-less multiplication, which other execution units do (on Zen 5, 4 KiB:
//                     44 GB/s, against 30 with three lanes of crc32)
//
// Lanes lie one after the other in the data. Their CRCs are shifted by what follows them and added
// to the last word.
//
// The fused loop asks for the memory of the block that follows. The processor looks ahead by
// itself, but only within a page, and five lanes come to the ends of their pages all the time:
// bytes that were in memory alone went by at 9.5 GB/s, and now do at 22.
#include "native/base/cpu.h"
#include "native/base/crc32c_kernels.h"

#if defined(__x86_64__)

#include <nmmintrin.h>
#include <wmmintrin.h>

#include "native/base/bytes.h"

#define MILLRACE_SSE42 __attribute__((target("sse4.2,pclmul")))
#define MILLRACE_SSE42_INLINE __attribute__((target("sse4.2,pclmul"), always_inline)) inline

namespace millrace::base {

namespace {

constexpr size_t kWordBytes = 8;
constexpr size_t kVectorBytes = 16;

constexpr size_t kShortLanes = 3;
constexpr size_t kShortBytesMin = 48;
constexpr size_t kFusedBytesMin = 512;

// One step of the fused loop: two words from each of four lanes, sixteen bytes from the fifth. Both
// take the same time.
constexpr size_t kFusedLanes = 4;
constexpr size_t kFusedLaneBytes = 2 * kWordBytes;
static_assert(kFusedLaneBytes == kVectorBytes, "one index walks all five lanes");
constexpr size_t kFusedStepBytes = kFusedLanes * kFusedLaneBytes + kVectorBytes;
constexpr size_t kFusedStepsMax = 64;

// Of a cache. A step is shorter than two of them.
constexpr size_t kLineBytes = 64;
static_assert(kFusedStepBytes <= 2 * kLineBytes);

constexpr size_t kShortWordsMax = kFusedBytesMin / (kShortLanes * kWordBytes);

// By the words of a lane, and by the steps of a block: the shifts of the lanes of crc32, but for
// the last short one.
constexpr auto kShortShifts = MakeLaneShifts<kShortWordsMax>({2 * kWordBytes, kWordBytes});
constexpr auto kFusedShifts = MakeLaneShifts<kFusedStepsMax>({
    3 * kFusedLaneBytes + kVectorBytes,
    2 * kFusedLaneBytes + kVectorBytes,
    kFusedLaneBytes + kVectorBytes,
    kVectorBytes,
});

// What moves the two halves of a 128-bit remainder ahead by one vector. The low half stands 64 bits
// higher.
constexpr long long kFoldLow = PowerOfX(8 * kVectorBytes + 64 - 33);
constexpr long long kFoldHigh = PowerOfX(8 * kVectorBytes - 33);

MILLRACE_SSE42_INLINE uint64_t Shifted(uint64_t crc, uint32_t shift) {
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(crc)),
                                               _mm_cvtsi32_si128(static_cast<int>(shift)), 0x00);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

MILLRACE_SSE42_INLINE void Ask(const uint8_t* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
}

MILLRACE_SSE42_INLINE uint64_t OneLane(uint64_t state, const uint8_t* at, size_t bytes) {
  for (; bytes >= kWordBytes; bytes -= kWordBytes, at += kWordBytes) {
    state = _mm_crc32_u64(state, LoadLittle64(at));
  }
  uint32_t rest = static_cast<uint32_t>(state);
  if ((bytes & 4) != 0) {
    rest = _mm_crc32_u32(rest, LoadLittle32(at));
    at += 4;
  }
  if ((bytes & 2) != 0) {
    rest = _mm_crc32_u16(rest, LoadLittle16(at));
    at += 2;
  }
  if ((bytes & 1) != 0) {
    rest = _mm_crc32_u8(rest, *at);
  }
  return rest;
}

// Three lanes of `words` words each.
MILLRACE_SSE42_INLINE uint64_t ShortLanes(uint64_t state, const uint8_t* at, size_t words) {
  const uint8_t* at1 = at + words * kWordBytes;
  const uint8_t* at2 = at1 + words * kWordBytes;
  uint64_t crc0 = state;
  uint64_t crc1 = 0;
  uint64_t crc2 = 0;
  const size_t last = (words - 1) * kWordBytes;
  for (size_t i = 0; i < last; i += kWordBytes) {
    crc0 = _mm_crc32_u64(crc0, LoadLittle64(at + i));
    crc1 = _mm_crc32_u64(crc1, LoadLittle64(at1 + i));
    crc2 = _mm_crc32_u64(crc2, LoadLittle64(at2 + i));
  }
  crc0 = _mm_crc32_u64(crc0, LoadLittle64(at + last));
  crc1 = _mm_crc32_u64(crc1, LoadLittle64(at1 + last));
  const uint64_t carried =
      Shifted(crc0, kShortShifts[words][0]) ^ Shifted(crc1, kShortShifts[words][1]);
  return _mm_crc32_u64(crc2, LoadLittle64(at2 + last) ^ carried);
}

// `steps` steps of the fused loop. The lanes are written out, for compilers that do not unroll over
// an array keep the four CRCs in memory.
MILLRACE_SSE42_INLINE uint64_t FusedLanes(uint64_t state, const uint8_t* at, size_t steps) {
  const size_t lane_bytes = steps * kFusedLaneBytes;
  const uint8_t* at1 = at + lane_bytes;
  const uint8_t* at2 = at1 + lane_bytes;
  const uint8_t* at3 = at2 + lane_bytes;
  const uint8_t* vectors = at3 + lane_bytes;
  const uint8_t* following = vectors + lane_bytes;  // need not be there: nothing is read from it
  const __m128i fold = _mm_set_epi64x(kFoldHigh, kFoldLow);
  __m128i remainder = _mm_setzero_si128();
  uint64_t crc0 = state;
  uint64_t crc1 = 0;
  uint64_t crc2 = 0;
  uint64_t crc3 = 0;
  for (size_t i = 0; i < lane_bytes; i += kFusedLaneBytes) {
    Ask(following + i * kFusedStepBytes / kFusedLaneBytes);
    Ask(following + i * kFusedStepBytes / kFusedLaneBytes + kLineBytes);
    const __m128i low = _mm_clmulepi64_si128(remainder, fold, 0x00);
    const __m128i high = _mm_clmulepi64_si128(remainder, fold, 0x11);
    const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(vectors + i));
    remainder = _mm_xor_si128(_mm_xor_si128(low, next), high);
    crc0 = _mm_crc32_u64(crc0, LoadLittle64(at + i));
    crc1 = _mm_crc32_u64(crc1, LoadLittle64(at1 + i));
    crc2 = _mm_crc32_u64(crc2, LoadLittle64(at2 + i));
    crc3 = _mm_crc32_u64(crc3, LoadLittle64(at3 + i));
    crc0 = _mm_crc32_u64(crc0, LoadLittle64(at + i + kWordBytes));
    crc1 = _mm_crc32_u64(crc1, LoadLittle64(at1 + i + kWordBytes));
    crc2 = _mm_crc32_u64(crc2, LoadLittle64(at2 + i + kWordBytes));
    crc3 = _mm_crc32_u64(crc3, LoadLittle64(at3 + i + kWordBytes));
  }
  const uint64_t low_half = static_cast<uint64_t>(_mm_cvtsi128_si64(remainder));
  const uint64_t high_half = static_cast<uint64_t>(_mm_extract_epi64(remainder, 1));
  const auto& shifts = kFusedShifts[steps];
  const uint64_t carried = Shifted(crc0, shifts[0]) ^ Shifted(crc1, shifts[1]) ^
                           Shifted(crc2, shifts[2]) ^ Shifted(crc3, shifts[3]);
  return _mm_crc32_u64(_mm_crc32_u64(0, low_half), high_half ^ carried);
}

}  // namespace

MILLRACE_SSE42 uint32_t Crc32cSse42(uint32_t crc, const void* data, size_t bytes) {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  uint64_t state = ~crc;
  while (bytes >= kFusedBytesMin) {
    const size_t whole = bytes / kFusedStepBytes;
    const size_t steps = whole < kFusedStepsMax ? whole : kFusedStepsMax;
    state = FusedLanes(state, at, steps);
    at += steps * kFusedStepBytes;
    bytes -= steps * kFusedStepBytes;
  }
  if (bytes >= kShortBytesMin) {
    const size_t words = bytes / (kShortLanes * kWordBytes);
    state = ShortLanes(state, at, words);
    at += words * kShortLanes * kWordBytes;
    bytes -= words * kShortLanes * kWordBytes;
  }
  return ~static_cast<uint32_t>(OneLane(state, at, bytes));
}

Crc32cKernel Crc32cSse42Kernel() {
  return {"sse42_pclmul", Cpu().x86_sse42 && Cpu().x86_pclmul, &Crc32cSse42};
}

}  // namespace millrace::base

#else

namespace millrace::base {

Crc32cKernel Crc32cSse42Kernel() {
  return {"sse42_pclmul", false, nullptr};
}

}  // namespace millrace::base

#endif
