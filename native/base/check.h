// CHECK ends the process when an invariant of Millrace itself is broken. It is always on: an append
// log that goes on with a broken invariant acknowledges what it cannot keep. It is never used on
// input.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace millrace::base {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "millrace: broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace millrace::base

#define MILLRACE_CHECK(condition)                                    \
  do {                                                               \
    if (__builtin_expect(!(condition), 0)) {                         \
      ::millrace::base::CheckFailed(#condition, __FILE__, __LINE__); \
    }                                                                \
  } while (false)
