// When full segments are synced: with what waits for a sync, a few at a time behind a burst that
// waits for none, and without the segment that the burst is in.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/core.h"
#include "native/log/segment_file.h"
#include "test/support/log_harness.h"
#include "test/support/sim_file_ops.h"

namespace millrace::log {
namespace {

using support::LogHarness;
using support::SimCall;
using support::SimCallKind;
using support::SimFileOps;

constexpr const char* kRoot = "/sim";
constexpr const char* kLog = "/sim/log";

class FullSegmentsTest : public testing::Test {
 protected:
  FullSegmentsTest() : files_(kRoot) {
    options_.inline_mode = true;
    options_.clock = &clock_;
    options_.segment_bytes_max = options_.segment_bytes_min;
    options_.disk_low_water_bytes = 1;
    options_.spare_segments = 0;
    options_.file_ops = &files_;
    EXPECT_TRUE(Core::Open(kLog, options_, &core_).ok());
    std::vector<uint64_t> shards;
    EXPECT_TRUE(core_->CreateShards({1}, &shards).ok());
    EXPECT_TRUE(core_->FindShard(shards.at(0), &slot_).ok());
    files_.TakeCalls();
  }

  ~FullSegmentsTest() override {
    files_.Kill();
    core_.reset();
  }

  ShardStats Stats() const {
    ShardStats stats{};
    EXPECT_TRUE(core_->GetShardStats(slot_, &stats).ok());
    return stats;
  }

  void Append(Durability durability) {
    const std::string records(5000, 'r');
    const Piece piece = LogHarness::PieceOf(records);
    AppendRequest request = LogHarness::Request(piece);
    request.durability = durability;
    AppendResult result{};
    EXPECT_TRUE(core_->Append(slot_, request, &result).ok());
    EXPECT_TRUE(result.committed);
  }

  void FillSegments(uint32_t count) {
    const uint32_t wanted = Stats().segment_count + count;
    do {
      Append(Durability::kOs);
    } while (Stats().segment_count < wanted);
  }

  // Since the last call: how many segments were synced as a whole (each full one is, and once more
  // for its seal), and how much of others.
  void TakeSyncs(uint64_t* whole, uint64_t* bytes_of_others) {
    *whole = *bytes_of_others = 0;
    for (const SimCall& call : files_.TakeCalls()) {
      *whole += call.kind == SimCallKind::kSyncData && call.path.ends_with(".seg") ? 1 : 0;
      *bytes_of_others += call.kind == SimCallKind::kSyncRange ? call.bytes : 0;
    }
  }

  support::ManualClock clock_;
  CoreOptions options_;
  SimFileOps files_;
  std::shared_ptr<Core> core_;
  uint32_t slot_ = 0;
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
