// The budget of a shard on a clock of its own: KINESIS 4.4, and what else limits mean.
#include "native/ingest/shard_budget.h"

#include <algorithm>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/seeded_random.h"

namespace millrace::ingest {
namespace {

using support::SeededRandom;
using support::TestCount;

constexpr uint64_t kMiB = 1024 * 1024;
constexpr ThroughputLimits kKinesis = {1000, kMiB, 10 * kMiB};
constexpr uint64_t kStart = 1'000'000;

class BudgetTest : public ::testing::Test {
 protected:
  BudgetTest() { budget_.Advance(kKinesis, now_); }

  void Pass(uint64_t millis) {
    now_ += millis;
    budget_.Advance(kKinesis, now_);
  }

  bool Take(uint64_t records, uint64_t bytes) { return budget_.Take(kKinesis, records, bytes); }

  uint64_t Wait(uint64_t records, uint64_t bytes) const {
    return budget_.WaitMillis(kKinesis, records, bytes);
  }

  ShardBudget budget_;
  uint64_t now_ = kStart;
};

// Kinesis 4.4, row 1: 1001 records of one byte within one second, however they are spread over it.
TEST_F(BudgetTest, TheThousandAndFirstRecordOfASecondIsRefused) {
  for (const uint64_t gap : {0u, 1u, 100u, 250u, 333u}) {
    const uint64_t records = gap == 0 ? 1 : gap;  // that many every `gap` ms: 1000 in 999 ms
    uint64_t taken = 0;
    while (taken < 1000) {
      const uint64_t now = std::min<uint64_t>(records, 1000 - taken);
      ASSERT_TRUE(Take(now, now)) << taken << " taken, gap " << gap;
      taken += now;
      Pass(taken < 1000 && taken % (gap == 0 ? 1001 : gap) == 0 ? gap : 0);
    }
    EXPECT_FALSE(Take(1, 1)) << gap;
    EXPECT_GT(Wait(1, 1), 0u);
    Pass(Wait(1, 1));
    EXPECT_TRUE(Take(1, 1));
    Pass(60'000);
  }
}

// Kinesis 4.4, row 1: a second begins anywhere, so nothing can be gained around its border.
TEST_F(BudgetTest, NoSecondTakesMoreWhereverItBegins) {
  EXPECT_TRUE(Take(1, 1));
  Pass(999);
  EXPECT_TRUE(Take(999, 999));
  EXPECT_FALSE(Take(1, 1));
  EXPECT_EQ(Wait(1, 1), 1u);
  EXPECT_EQ(Wait(2, 2), 1000u);
  Pass(1);
  EXPECT_TRUE(Take(1, 1));  // in place of the first one
  EXPECT_FALSE(Take(1, 1));
  Pass(998);
  EXPECT_FALSE(Take(1, 1));
  Pass(1);
  EXPECT_TRUE(Take(999, 999));
  EXPECT_FALSE(Take(1, 1));
}

// Who keeps to the limit is never refused: 1000 a second, in whatever pieces.
TEST_F(BudgetTest, ASteadyStreamAtTheLimitIsTaken) {
  for (const uint64_t every : {1u, 2u, 8u, 125u, 500u, 1000u}) {
    for (uint64_t millis = 0; millis < 5000; millis += every) {
      ASSERT_TRUE(Take(every, every)) << millis << " ms, a piece every " << every;
      Pass(every);
    }
    Pass(1000);
  }
}

// Kinesis 4.4, row 2: 1 MiB + 1 B within one second is a burst, with a full tank.
TEST_F(BudgetTest, AFullTankTakesABurst) {
  EXPECT_TRUE(Take(1, kMiB));
  EXPECT_TRUE(Take(1, 1));
  EXPECT_TRUE(Take(1, 9 * kMiB - 1));
  EXPECT_FALSE(Take(1, 1));
}

// Kinesis 4.4, row 2: 2 MiB/s for more than 10 s: half of it is refused in the long run.
TEST_F(BudgetTest, HalfOfTwiceTheLimitIsRefused) {
  constexpr uint64_t kRecord = 16 * 1024;
  uint64_t taken = 0;
  uint64_t refused = 0;
  for (uint64_t millis = 0; millis < 60'000; ++millis) {
    Pass(1);
    // 128 records a second.
    if (millis % 125 % 8 == 0) {
      const bool counts = millis >= 20'000;
      (Take(1, kRecord) ? taken : refused) += counts ? 1 : 0;
    }
  }
  const double share = static_cast<double>(refused) / static_cast<double>(taken + refused);
  EXPECT_NEAR(share, 0.5, 0.01);
  EXPECT_NEAR(static_cast<double>(taken * kRecord) / 40, static_cast<double>(kMiB), kMiB / 100.0);
}

TEST_F(BudgetTest, ALargeRecordDrainsTheTankAndSmallOnesGoInAsItRefills) {
  EXPECT_TRUE(Take(1, 10 * kMiB));
  EXPECT_FALSE(Take(1, 1));
  Pass(1);
  EXPECT_TRUE(Take(1, kMiB / 1000));
  EXPECT_FALSE(Take(1, 2));
  EXPECT_EQ(Wait(1, 10 * kMiB), 10'000u);
  Pass(Wait(1, 10 * kMiB));
  EXPECT_TRUE(Take(1, 10 * kMiB));
}

TEST_F(BudgetTest, ARefusalTakesNothing) {
  EXPECT_TRUE(Take(999, 10 * kMiB - 10));
  EXPECT_FALSE(Take(1, 11));
  EXPECT_FALSE(Take(2, 1));
  EXPECT_TRUE(Take(1, 10));
}

TEST_F(BudgetTest, WhatIsGivenBackCanBeTakenAgain) {
  EXPECT_TRUE(Take(1000, 10 * kMiB));
  budget_.GiveBack(1000, 10 * kMiB);
  EXPECT_TRUE(Take(1000, 10 * kMiB));
  budget_.GiveBack(5000, 50 * kMiB);  // never more than there was
  EXPECT_TRUE(Take(1000, 10 * kMiB));
  EXPECT_FALSE(Take(1, 0));
}

TEST_F(BudgetTest, WhatIsLargerThanALimitIsPaidForAfterwards) {
  EXPECT_TRUE(Take(1, 5));
  EXPECT_FALSE(Take(1500, 100));
  EXPECT_FALSE(Take(1, 30 * kMiB));
  Pass(1000);
  EXPECT_TRUE(Take(2500, 100));
  EXPECT_EQ(Wait(1, 0), 3000u);
  Pass(2999);
  EXPECT_FALSE(Take(1, 0));
  Pass(1);
  EXPECT_TRUE(Take(1, 30 * kMiB));
  EXPECT_EQ(Wait(1, 0), 20'000u);
  EXPECT_EQ(Wait(1, 1), 20'001u);
  EXPECT_EQ(Wait(1, 10 * kMiB), 30'000u);
  EXPECT_EQ(Wait(1, 40 * kMiB), 30'000u);
}

TEST_F(BudgetTest, AClockThatGoesBackStandsStill) {
  EXPECT_TRUE(Take(1000, 10 * kMiB));
  budget_.Advance(kKinesis, kStart - 5000);
  EXPECT_FALSE(Take(1, 1));
  budget_.Advance(kKinesis, kStart + 999);
  EXPECT_FALSE(Take(1, 0));
  budget_.Advance(kKinesis, UINT64_MAX / 2);
  EXPECT_TRUE(Take(1000, 10 * kMiB));
}

TEST(ShardBudget, KeepsWithinItsBitsAtTheHighestLimits) {
  constexpr ThroughputLimits kHighest = {kThroughputLimitMax, kThroughputLimitMax,
                                         kThroughputLimitMax};
  ShardBudget budget;
  budget.Advance(kHighest, 1);
  EXPECT_TRUE(budget.Take(kHighest, kThroughputLimitMax, kThroughputLimitMax));
  EXPECT_FALSE(budget.Take(kHighest, 1, 1));
  EXPECT_EQ(budget.WaitMillis(kHighest, 1, kThroughputLimitMax), 1000u);
  budget.Advance(kHighest, UINT64_MAX);
  EXPECT_TRUE(budget.Take(kHighest, kThroughputLimitMax, kThroughputLimitMax));
}

// Against the limits themselves: in no stretch of time is more taken than the tank and what refills
// within it, and no refusal comes with room for what was refused.
TEST(ShardBudget, NeverTakesMoreThanTheLimitsSay) {
  SeededRandom random;
  const uint64_t runs = TestCount(2000) / 100 + 1;
  for (uint64_t run = 0; run < runs; ++run) {
    const ThroughputLimits limits = {1 + random.Below(50), 1 + random.Below(5000),
                                     1 + random.Below(20'000)};
    ShardBudget budget;
    uint64_t now = 1 + random.Below(1'000'000);
    std::vector<std::pair<uint64_t, uint64_t>> taken;  // when, bytes
    for (int step = 0; step < 400; ++step) {
      now += random.OneIn(3) ? random.Below(300) : 0;
      budget.Advance(limits, now);
      const uint64_t bytes = random.Below(static_cast<uint32_t>(limits.bytes_burst) + 1);
      const uint64_t wait = budget.WaitMillis(limits, 1, bytes);
      ASSERT_EQ(budget.Take(limits, 1, bytes), wait == 0);
      if (wait == 0) {
        taken.emplace_back(now, bytes);
      } else {
        ShardBudget later = budget;
        later.Advance(limits, now + wait - 1);
        ASSERT_FALSE(later.Take(limits, 1, bytes)) << "a wait of " << wait << " ms is too long";
        later.Advance(limits, now + wait);
        ASSERT_TRUE(later.Take(limits, 1, bytes)) << "a wait of " << wait << " ms is too short";
      }
    }
    for (size_t from = 0; from < taken.size(); ++from) {
      uint64_t bytes = 0;
      for (size_t to = from; to < taken.size(); ++to) {
        bytes += taken[to].second;
        const uint64_t millis = taken[to].first - taken[from].first;
        ASSERT_LE(bytes * 1000, limits.bytes_burst * 1000 + millis * limits.bytes_per_second);
        ASSERT_LE(to - from + 1, limits.records_per_second * (millis / 1000 + 1));
      }
    }
  }
}

}  // namespace
}  // namespace millrace::ingest
