#include "native/base/cpu.h"

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace millrace::base {

namespace {

#if defined(__x86_64__)

CpuFeatures Detect() {
  // Needed where the first call comes from a static initialiser.
  __builtin_cpu_init();
  CpuFeatures features = {};
  features.x86_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  features.x86_pclmul = __builtin_cpu_supports("pclmul") != 0;
  features.x86_avx512_vpclmul = __builtin_cpu_supports("avx512f") != 0 &&
                                __builtin_cpu_supports("avx512vl") != 0 &&
                                __builtin_cpu_supports("vpclmulqdq") != 0;
  features.x86_avx2 = __builtin_cpu_supports("avx2") != 0;
  return features;
}

#elif defined(__aarch64__) && defined(__linux__)

// The bits of AT_HWCAP, fixed by the kernel's interface; not every C library has them all in its
// headers.
constexpr unsigned long kHwcapPmull = 1ul << 4;
constexpr unsigned long kHwcapCrc32 = 1ul << 7;

CpuFeatures Detect() {
  const unsigned long capabilities = getauxval(AT_HWCAP);
  CpuFeatures features = {};
  features.arm_crc32 = (capabilities & kHwcapCrc32) != 0;
  features.arm_pmull = (capabilities & kHwcapPmull) != 0;
  return features;
}

#elif defined(__aarch64__) && defined(__APPLE__)

// Every 64-bit processor that macOS runs on has both.
CpuFeatures Detect() {
  CpuFeatures features = {};
  features.arm_crc32 = true;
  features.arm_pmull = true;
  return features;
}

#else

CpuFeatures Detect() {
  return {};
}

#endif

}  // namespace

const CpuFeatures& Cpu() {
  static const CpuFeatures features = Detect();
  return features;
}

int CurrentProcessor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

}  // namespace millrace::base
