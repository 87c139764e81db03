// What the processor of this machine offers to the hash kernels, detected once, then read-only; and
// on which of its processors a thread runs. Safe from any thread, and from initialisers that run
// before main.
#pragma once

namespace millrace::base {

// The fields of another architecture are false. A wider register set counts only where the
// operating system saves it.
struct CpuFeatures {
  bool x86_sse42;   // crc32 of 8 bytes
  bool x86_pclmul;  // carry-less multiplication of 64 bits
  bool x86_avx2;
  bool x86_avx512_vpclmul;  // AVX-512 F and VL, and carry-less multiplication of its vectors
  bool arm_crc32;           // crc32c of 8 bytes
  bool arm_pmull;           // carry-less multiplication of 64 bits
};

const CpuFeatures& Cpu();

// The number of the processor that runs the caller now; -1 where the system does not say.
int CurrentProcessor();

}  // namespace millrace::base
