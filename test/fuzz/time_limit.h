// A fuzz target that takes too long for one input has found a hang. Measured in processor time, so
// that a busy machine is none.
#pragma once

#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace millrace::fuzz {

// Lives as long as one input is looked at.
class TimeLimit {
 public:
  TimeLimit() : start_nanos_(Now()) {}

  ~TimeLimit() {
    const uint64_t nanos = Now() - start_nanos_;
    if (nanos > kNanosMax) {
      std::fprintf(stderr, "one input took %.1f s\n", static_cast<double>(nanos) / 1e9);
      std::abort();
    }
  }

  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  static constexpr uint64_t kNanosMax = 1'000'000'000;

  static uint64_t Now() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  }

  const uint64_t start_nanos_;
};

}  // namespace millrace::fuzz
