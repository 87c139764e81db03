#include "native/base/clock.h"

#include <chrono>
#include <cstdint>
#include <ctime>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::base {

namespace {

uint64_t SystemMillis() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

TEST(Clock, IsOneForTheProcess) {
  ASSERT_NE(SystemClock(), nullptr);
  EXPECT_EQ(SystemClock(), SystemClock());
}

TEST(Clock, WallMillisIsTheTimeOfDay) {
  const uint64_t before = SystemMillis();
  const uint64_t now = SystemClock()->WallMillis();
  const uint64_t after = SystemMillis();
  EXPECT_LE(before, now);
  EXPECT_LE(now, after);
}

TEST(Clock, SteadyMillisNeverGoesBack) {
  uint64_t last = SystemClock()->SteadyMillis();
  for (int i = 0; i < 100'000; i++) {
    const uint64_t now = SystemClock()->SteadyMillis();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(Clock, SteadyMillisAdvancesAsTimePasses) {
  using SteadyClock = std::chrono::steady_clock;
  const SteadyClock::time_point start_time = SteadyClock::now();
  const uint64_t start = SystemClock()->SteadyMillis();
  while (SystemClock()->SteadyMillis() < start + 20) {
    ASSERT_LT(SteadyClock::now() - start_time, std::chrono::seconds(10)) << "the clock stands";
  }
  // One millisecond less, as both readings are rounded down.
  EXPECT_GE(SteadyClock::now() - start_time, std::chrono::milliseconds(19));
}

#if defined(__linux__)

TEST(Clock, SteadyMillisCountsTheTimeAsleep) {
  timespec before = {};
  ASSERT_EQ(clock_gettime(CLOCK_BOOTTIME, &before), 0);
  const uint64_t now = SystemClock()->SteadyMillis();
  timespec after = {};
  ASSERT_EQ(clock_gettime(CLOCK_BOOTTIME, &after), 0);
  EXPECT_GE(now, static_cast<uint64_t>(before.tv_sec) * 1000);
  EXPECT_LE(now, static_cast<uint64_t>(after.tv_sec) * 1000 + 1000);
}

#endif

TEST(Clock, IsSafeFromSeveralThreads) {
  std::vector<std::thread> threads;
  std::vector<uint64_t> steps_back(4, 0);
  for (uint64_t& count : steps_back) {
    threads.emplace_back([&count] {
      uint64_t last = 0;
      for (int i = 0; i < 10'000; i++) {
        const uint64_t now = SystemClock()->SteadyMillis();
        count += now < last ? 1 : 0;
        last = now;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(steps_back, std::vector<uint64_t>(4, 0));
}

}  // namespace

}  // namespace millrace::base
