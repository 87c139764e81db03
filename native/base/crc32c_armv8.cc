// The kernels for 64-bit ARM. The CRC32 extension alone gives one chain, which waits two or three
// cycles for each instruction; with PMULL, the carry-less multiplication, three lanes run at once
// and are put together at the end.
#include "native/base/cpu.h"
#include "native/base/crc32c_kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#include "native/base/bytes.h"

// The two compilers differ in the spelling of target attributes; and clang's arm_acle.h hides its
// functions unless the whole file is compiled for the extension.
#if defined(__clang__)
#define MILLRACE_CRC_WORD __builtin_arm_crc32cd
#define MILLRACE_CRC_BYTE __builtin_arm_crc32cb
#else
#include <arm_acle.h>
#define MILLRACE_CRC_WORD __crc32cd
#define MILLRACE_CRC_BYTE __crc32cb
#endif

#if defined(__APPLE__)
#define MILLRACE_ARM_CRC
#define MILLRACE_ARM_CRC_PMULL
#elif defined(__clang__)
#define MILLRACE_ARM_CRC __attribute__((target("crc")))
#define MILLRACE_ARM_CRC_PMULL __attribute__((target("crc,aes")))
#else
#define MILLRACE_ARM_CRC __attribute__((target("+crc")))
#define MILLRACE_ARM_CRC_PMULL __attribute__((target("+crc+crypto")))
#endif

namespace millrace::base {

namespace {

constexpr size_t kWordBytes = 8;
constexpr size_t kLanes = 3;
constexpr size_t kLanesBytesMin = 48;
constexpr size_t kLaneWordsMax = 128;

// By the words of a lane: the shifts of all lanes but the last.
constexpr auto kShifts = MakeLaneShifts<kLaneWordsMax>({2 * kWordBytes, kWordBytes});

MILLRACE_ARM_CRC uint32_t OneLane(uint32_t state, const uint8_t* at, size_t bytes) {
  for (; bytes >= kWordBytes; bytes -= kWordBytes, at += kWordBytes) {
    state = MILLRACE_CRC_WORD(state, LoadLittle64(at));
  }
  for (; bytes > 0; bytes--, at++) {
    state = MILLRACE_CRC_BYTE(state, *at);
  }
  return state;
}

MILLRACE_ARM_CRC_PMULL uint64_t Shifted(uint32_t crc, uint32_t shift) {
  const poly128_t product = vmull_p64(static_cast<poly64_t>(crc), static_cast<poly64_t>(shift));
  return vgetq_lane_u64(vreinterpretq_u64_p128(product), 0);
}

// Three lanes of `words` words each.
MILLRACE_ARM_CRC_PMULL uint32_t ThreeLanes(uint32_t state, const uint8_t* at, size_t words) {
  const uint8_t* at1 = at + words * kWordBytes;
  const uint8_t* at2 = at1 + words * kWordBytes;
  uint32_t crc0 = state;
  uint32_t crc1 = 0;
  uint32_t crc2 = 0;
  const size_t last = (words - 1) * kWordBytes;
  for (size_t i = 0; i < last; i += kWordBytes) {
    crc0 = MILLRACE_CRC_WORD(crc0, LoadLittle64(at + i));
    crc1 = MILLRACE_CRC_WORD(crc1, LoadLittle64(at1 + i));
    crc2 = MILLRACE_CRC_WORD(crc2, LoadLittle64(at2 + i));
  }
  crc0 = MILLRACE_CRC_WORD(crc0, LoadLittle64(at + last));
  crc1 = MILLRACE_CRC_WORD(crc1, LoadLittle64(at1 + last));
  const uint64_t carried = Shifted(crc0, kShifts[words][0]) ^ Shifted(crc1, kShifts[words][1]);
  return MILLRACE_CRC_WORD(crc2, LoadLittle64(at2 + last) ^ carried);
}

MILLRACE_ARM_CRC uint32_t Crc32cArmv8(uint32_t crc, const void* data, size_t bytes) {
  return ~OneLane(~crc, static_cast<const uint8_t*>(data), bytes);
}

MILLRACE_ARM_CRC_PMULL uint32_t Crc32cArmv8Pmull(uint32_t crc, const void* data, size_t bytes) {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  uint32_t state = ~crc;
  while (bytes >= kLanesBytesMin) {
    const size_t whole = bytes / (kLanes * kWordBytes);
    const size_t words = whole < kLaneWordsMax ? whole : kLaneWordsMax;
    state = ThreeLanes(state, at, words);
    at += words * kLanes * kWordBytes;
    bytes -= words * kLanes * kWordBytes;
  }
  return ~OneLane(state, at, bytes);
}

}  // namespace

Crc32cKernel Crc32cArmv8Kernel() {
  return {"armv8_crc", Cpu().arm_crc32, &Crc32cArmv8};
}

Crc32cKernel Crc32cArmv8PmullKernel() {
  return {"armv8_crc_pmull", Cpu().arm_crc32 && Cpu().arm_pmull, &Crc32cArmv8Pmull};
}

}  // namespace millrace::base

#else

namespace millrace::base {

Crc32cKernel Crc32cArmv8Kernel() {
  return {"armv8_crc", false, nullptr};
}

Crc32cKernel Crc32cArmv8PmullKernel() {
  return {"armv8_crc_pmull", false, nullptr};
}

}  // namespace millrace::base

#endif
