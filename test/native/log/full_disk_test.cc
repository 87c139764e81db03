// What frees a disk works on one that is full: a trim has to say so in the manifest before it gives
// anything back.
#include <cerrno>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "native/format/manifest_format.h"
#include "native/log/directory.h"
#include "native/log/manifest.h"
#include "test/support/sim_log_test.h"

namespace millrace::log {
namespace {

using base::Code;
using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;

constexpr uint32_t kSegments = 5;
constexpr uint64_t kRecordOfBothBytes = 2 * sizeof(format::ManifestRecord);

class FullDiskTest : public support::SimLogTest {
 protected:
  explicit FullDiskTest(const SimFault* fault = nullptr) : SimLogTest(fault) {
    FillSegments(slot_, kSegments);
    EXPECT_TRUE(core_->Flush().ok());
  }

  void Close() {
    EXPECT_TRUE(core_->Close().ok());
    core_.reset();
  }

  void Reopen() {
    Close();
    Open();
    slot_ = SlotOf(core_.get(), shards_.at(0));
  }

  void LeaveOnDisk(uint64_t bytes) { SimLogTest::LeaveOnDisk(&files_, bytes); }

  void FillDisk() { LeaveOnDisk(0); }

  uint64_t End(uint32_t slot) const { return Stats(slot).committed_next_sequence; }

  void TrimTo(uint64_t sequence) {
    EXPECT_TRUE(core_->Trim(slot_, sequence).ok());
    core_->RunChores();
  }

  // What the next process finds.
  uint64_t FirstSequenceAfterDeath() {
    const std::unique_ptr<SimFileOps> next = files_.KillCopy();
    CoreOptions options = options_;
    options.file_ops = next.get();
    std::shared_ptr<Core> core;
    EXPECT_TRUE(Core::Open(kLog, options, &core).ok());
    ShardStats stats{};
    EXPECT_TRUE(core->GetShardStats(SlotOf(core.get(), shards_.at(0)), &stats).ok());
    return stats.first_sequence;
  }
};

// The manifest has no blocks ahead: none could be kept so far.
class NoRoomTest : public FullDiskTest {
 protected:
  NoRoomTest() : FullDiskTest(&kUnsupported) {}

  void RefuseReservations() {
    files_.ClearFaults();
    files_.AddFault(NoReservation(ENOSPC));
  }

 private:
  inline static const SimFault kUnsupported = NoReservation(EOPNOTSUPP);
};

TEST_F(FullDiskTest, TrimsNeedNoRoom) {
  FillDisk();
  // None of the first ones frees a segment.
  for (uint64_t sequence = 2; sequence < 10; ++sequence) {
    TrimTo(sequence);
    EXPECT_EQ(FirstSequenceAfterDeath(), sequence);
  }
  EXPECT_EQ(Stats().segment_count, kSegments);
  TrimTo(End(slot_));
  EXPECT_EQ(Stats().segment_count, 1u);
  core_->RunChores();
  Append();
}

TEST_F(NoRoomTest, AnOpenKeepsRoomBeforeTheFirstRecord) {
  files_.ClearFaults();
  Reopen();
  FillDisk();
  TrimTo(End(slot_));
  EXPECT_EQ(Stats().segment_count, 1u);
}

TEST_F(NoRoomTest, NoMoreIsAskedForThanARecordNeeds) {
  files_.ClearFaults();
  LeaveOnDisk(kRecordOfBothBytes);
  TrimTo(End(slot_));
  EXPECT_EQ(Stats().segment_count, 1u);
}

TEST_F(NoRoomTest, WhatIsLeftGoesToBothCopies) {
  Close();
  files_.ClearFaults();
  LeaveOnDisk(2 * base::kPageBytes);
  Open();
  FillDisk();
  TrimTo(End(slot_));
  EXPECT_EQ(Stats().segment_count, 1u);
}

// Also what only one of the copies has: the next attempt needs the rest alone.
TEST_F(NoRoomTest, WhatARefusedAttemptGotIsThereForTheNext) {
  Close();
  Directory directory(&files_, kLog);
  bool fresh = false;
  ASSERT_TRUE(directory.Acquire(&fresh).ok());
  Manifest manifest(&files_, &directory);
  ASSERT_TRUE(manifest.Load().ok());
  files_.ClearFaults();
  constexpr uint64_t kPages = 10;
  LeaveOnDisk((2 * kPages - 1) * base::kPageBytes);
  const std::vector<uint64_t> many(kPages * base::kPageBytes / sizeof(format::ManifestRecord), 1);
  std::vector<uint64_t> created;
  EXPECT_EQ(manifest.CreateShards(many, &created).code(), Code::kDiskFull);
  FillDisk();
  EXPECT_TRUE(manifest.CreateShards({1, 1, 1}, &created).ok());
  EXPECT_TRUE(manifest.DeleteShards(created).ok());
  EXPECT_EQ(manifest.CreateShards(many, &created).code(), Code::kDiskFull);
  LeaveOnDisk(base::kPageBytes + 6 * kRecordOfBothBytes);
  EXPECT_TRUE(manifest.CreateShards(many, &created).ok());
}

TEST_F(NoRoomTest, WhatFoundNoRoomIsDoneWhenThereIsSome) {
  RefuseReservations();
  TrimTo(End(slot_));
  EXPECT_EQ(Stats().segment_count, kSegments);
  EXPECT_EQ(FirstSequenceAfterDeath(), 1u);
  std::vector<uint64_t> more;
  EXPECT_EQ(core_->CreateShards({1}, &more).code(), Code::kDiskFull);
  core_->RunChores();
  EXPECT_EQ(Stats().segment_count, kSegments);

  files_.ClearFaults();
  core_->RunChores();
  EXPECT_EQ(Stats().segment_count, 1u);
  EXPECT_EQ(FirstSequenceAfterDeath(), Stats().first_sequence);
  EXPECT_TRUE(core_->CreateShards({1}, &more).ok());
}

// There is room for some of the records alone, and the one that frees segments was asked for last.
TEST_F(NoRoomTest, TrimsThatFreeSegmentsGoFirst) {
  std::vector<uint32_t> others;
  for (uint64_t count = 0; count < base::kPageBytes / sizeof(format::ManifestRecord); ++count) {
    others.push_back(Create());
    ASSERT_TRUE(TryAppend(others.back(), Durability::kDisk).ok());
    ASSERT_TRUE(TryAppend(others.back(), Durability::kDisk).ok());
  }
  RefuseReservations();
  for (const uint32_t other : others) {
    ASSERT_TRUE(core_->Trim(other, 2).ok());
  }
  ASSERT_TRUE(core_->Trim(slot_, End(slot_)).ok());
  files_.ClearFaults();
  LeaveOnDisk(2 * base::kPageBytes);
  core_->RunChores();
  EXPECT_EQ(Stats().segment_count, 1u);
  EXPECT_EQ(FirstSequenceAfterDeath(), Stats().first_sequence);
  Reopen();
  for (size_t at = 0; at < others.size(); ++at) {
    EXPECT_EQ(Stats(SlotOf(core_.get(), shards_.at(at + 1))).first_sequence, 2u);
  }
}

TEST_F(NoRoomTest, SpareSegmentsMakeRoomForTrims) {
  options_.spare_segments = 2;
  Reopen();
  FillSegments(slot_, 1);
  core_->RunChores();
  ASSERT_GT(core_->GetStats().spare_segment_count, 0u);
  FillDisk();
  files_.ClearFaults();
  EXPECT_TRUE(core_->Trim(slot_, End(slot_)).ok());
  EXPECT_EQ(Stats().segment_count, 1u);
  EXPECT_EQ(core_->GetStats().spare_segment_count, 0u);
}

TEST_F(NoRoomTest, AShardThatCannotBeSealedOrDeletedStaysUsable) {
  RefuseReservations();
  EXPECT_EQ(core_->SealShards({shards_.at(0)}).code(), Code::kDiskFull);
  EXPECT_EQ(core_->DeleteShard(shards_.at(0)).code(), Code::kDiskFull);
  core_->RunChores();  // there is room for segments
  Append();
  files_.ClearFaults();
  EXPECT_TRUE(core_->SealShards({shards_.at(0)}).ok());
  EXPECT_EQ(TryAppend(slot_).code(), Code::kShardClosed);
  EXPECT_TRUE(core_->DeleteShard(shards_.at(0)).ok());
}

// Everything is on disk; who is told that it failed could do nothing about it.
TEST_F(FullDiskTest, ACloseNeedsNoRoom) {
  Append();
  const uint64_t end = End(slot_);
  FillDisk();
  EXPECT_TRUE(core_->Close().ok());
  EXPECT_FALSE(files_.Exists("/sim/log/verified-end"));
  EXPECT_FALSE(files_.Exists("/sim/log/verified-end.new"));
  Open();
  EXPECT_FALSE(core_->GetStats().opened_clean);
  EXPECT_EQ(End(SlotOf(core_.get(), shards_.at(0))), end);
}

TEST_F(FullDiskTest, ACloseWhoseMarkFailsLosesNothing) {
  const uint64_t end = End(slot_);
  for (const SimCallKind kind : {SimCallKind::kOpen, SimCallKind::kWrite, SimCallKind::kSyncData,
                                 SimCallKind::kClose, SimCallKind::kRename}) {
    SimFault failing;
    failing.kind = kind;
    failing.path_part = "verified-end.new";
    files_.AddFault(failing);
    EXPECT_TRUE(core_->Close().ok());
    Open();
    EXPECT_FALSE(core_->GetStats().opened_clean);
    EXPECT_EQ(End(SlotOf(core_.get(), shards_.at(0))), end);
  }
  EXPECT_EQ(files_.fault_hits(), 5u);
}

TEST_F(FullDiskTest, ACloseThatCannotSyncWhatWasAppendedFailsAndCloses) {
  Append();
  SimFault failing;
  failing.kind = SimCallKind::kSyncRange;
  files_.AddFault(failing);
  EXPECT_EQ(core_->Close().code(), Code::kLogFailed);
  EXPECT_EQ(core_->Flush().code(), Code::kLogClosed);
  Open();
  EXPECT_FALSE(core_->GetStats().opened_clean);
}

TEST_F(NoRoomTest, AFileSystemThatKeepsNoBlocksWillDo) {
  TrimTo(End(slot_));
  EXPECT_EQ(Stats().segment_count, 1u);
}

}  // namespace
}  // namespace millrace::log
