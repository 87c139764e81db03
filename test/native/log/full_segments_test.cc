// When full segments are synced: with what waits for a sync, a few at a time behind a burst that
// waits for none, and without the segment that the burst is in.
#include <cstdint>

#include <gtest/gtest.h>

#include "native/log/segment_file.h"
#include "test/support/sim_log_test.h"

namespace millrace::log {
namespace {

using support::SimCall;
using support::SimCallKind;

class FullSegmentsTest : public support::SimLogTest {
 protected:
  FullSegmentsTest() { files_.TakeCalls(); }

  void FillSegments(uint32_t count) { SimLogTest::FillSegments(slot_, count); }

  // Since the last call: how many segments were synced as a whole (each full one is, and once more
  // for its seal), and how much of others.
  void TakeSyncs(uint64_t* whole, uint64_t* bytes_of_others) {
    *whole = *bytes_of_others = 0;
    for (const SimCall& call : files_.TakeCalls()) {
      *whole += call.kind == SimCallKind::kSyncData && call.path.ends_with(".seg") ? 1 : 0;
      *bytes_of_others += call.kind == SimCallKind::kSyncRange ? call.bytes : 0;
    }
  }

  uint64_t whole_ = 0;
  uint64_t others_ = 0;
};

constexpr uint64_t kHeaders = format::kSegmentHeaderBlockBytes + format::kSegmentTrailerBlockBytes;

TEST_F(FullSegmentsTest, ABurstThatWaitsForNoSyncHasNone) {
  FillSegments(4);  // the first of them begins the log
  core_->RunChores();
  TakeSyncs(&whole_, &others_);
  EXPECT_EQ(whole_ + others_, 0u);
}

TEST_F(FullSegmentsTest, FourAreSyncedTogetherAndOfTheActiveOneItsHeaders) {
  FillSegments(5);
  core_->RunChores();
  TakeSyncs(&whole_, &others_);
  EXPECT_EQ(whole_, 8u);
  EXPECT_EQ(others_, kHeaders);
  EXPECT_LT(Stats().synced_end, Stats().committed_end);
}

TEST_F(FullSegmentsTest, ABusyShardDoesNotPutOneOffForEver) {
  FillSegments(2);
  for (int look = 0; look < 3; ++look) {
    Append(Durability::kOs);
    core_->RunChores();
  }
  TakeSyncs(&whole_, &others_);
  EXPECT_EQ(whole_, 2u);
  EXPECT_EQ(others_, kHeaders);
}

TEST_F(FullSegmentsTest, AnIdleShardIsSyncedToItsEnd) {
  FillSegments(2);
  for (int look = 0; look < 4; ++look) {
    core_->RunChores();
  }
  EXPECT_EQ(Stats().synced_end, Stats().appended_end);
}

TEST_F(FullSegmentsTest, AnAppendThatWaitsTakesThemAlong) {
  FillSegments(3);
  Append(Durability::kDisk);
  TakeSyncs(&whole_, &others_);
  EXPECT_EQ(whole_, 4u);
  EXPECT_GT(others_, kHeaders);
  EXPECT_EQ(Stats().synced_end, Stats().appended_end);
}

TEST_F(FullSegmentsTest, AFlushSyncsEverything) {
  FillSegments(3);
  ASSERT_TRUE(core_->Flush().ok());
  EXPECT_EQ(Stats().synced_end, Stats().appended_end);
}

TEST_F(FullSegmentsTest, ATrimFreesThemAtOnce) {
  FillSegments(3);
  ASSERT_TRUE(core_->Trim(slot_, Stats().committed_next_sequence).ok());
  core_->RunChores();
  EXPECT_EQ(Stats().segment_count, 1u);
}

}  // namespace
}  // namespace millrace::log
