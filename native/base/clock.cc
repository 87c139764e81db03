#include "native/base/clock.h"

#include <ctime>

namespace millrace::base {

namespace {

constexpr uint64_t kMillisPerSecond = 1000;
constexpr uint64_t kNanosPerMilli = 1000 * 1000;

// Linux stops CLOCK_MONOTONIC while the machine sleeps, and macOS does not. Both clocks are read
// without entering the kernel.
#if defined(__linux__)
constexpr clockid_t kSteadyClock = CLOCK_BOOTTIME;
#else
constexpr clockid_t kSteadyClock = CLOCK_MONOTONIC;
#endif

uint64_t Millis(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * kMillisPerSecond +
         static_cast<uint64_t>(now.tv_nsec) / kNanosPerMilli;
}

class MachineClock final : public Clock {
 public:
  uint64_t WallMillis() override { return Millis(CLOCK_REALTIME); }

  uint64_t SteadyMillis() override { return Millis(kSteadyClock); }
};

}  // namespace

// Never destroyed, so that a thread may ask for the time until the process ends.
Clock* SystemClock() {
  static Clock* const clock = new MachineClock;
  return clock;
}

}  // namespace millrace::base
