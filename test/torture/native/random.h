// Random numbers that a seed repeats, quick enough to fill records with.
#pragma once

#include <cstdint>

namespace millrace::torture {

// SplitMix64: every seed is good, and a stream can be split by seeding another with one of its
// numbers.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }

  // In [0, bound); `bound` is small beside 2^64, so the bias does not matter.
  uint64_t Below(uint64_t bound) { return Next() % bound; }

  // In [first, last].
  uint64_t Between(uint64_t first, uint64_t last) { return first + Below(last - first + 1); }

  // True once in `n` times.
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};

}  // namespace millrace::torture
