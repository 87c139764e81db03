// Time as the log sees it. Tests inject a clock of their own.
#pragma once

#include <cstdint>

namespace millrace::base {

class Clock {
 public:
  virtual ~Clock() = default;

  // Milliseconds since 1970; may step in either direction.
  virtual uint64_t WallMillis() = 0;

  // Milliseconds since an arbitrary start; never steps, and goes on while the machine sleeps.
  virtual uint64_t SteadyMillis() = 0;
};

// The machine's clock. Lives as long as the process.
Clock* SystemClock();

}  // namespace millrace::base
