// What frees a disk works on one that is full: a trim has to say so in the manifest before it gives
// anything back.
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/core.h"
#include "test/support/log_harness.h"
#include "test/support/sim_file_ops.h"

namespace millrace::log {
namespace {

using base::Code;
using support::LogHarness;
using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;

constexpr const char* kRoot = "/sim";
constexpr const char* kLog = "/sim/log";
constexpr uint32_t kSegments = 5;

class FullDiskTest : public testing::Test {
 protected:
  FullDiskTest() : files_(kRoot) {
    options_.inline_mode = true;
    options_.clock = &clock_;
    options_.segment_bytes_max = options_.segment_bytes_min;
    options_.disk_low_water_bytes = 1;
    options_.spare_segments = 0;
    options_.file_ops = &files_;
    Open();
    EXPECT_TRUE(core_->CreateShards({1}, &shards_).ok());
    EXPECT_TRUE(core_->FindShard(shards_.at(0), &slot_).ok());
    do {
      Append();
    } while (Stats().segment_count < kSegments);
    EXPECT_TRUE(core_->Flush().ok());
  }

  ~FullDiskTest() override {
    files_.Kill();
    core_.reset();
  }

  void Open() { EXPECT_TRUE(Core::Open(kLog, options_, &core_).ok()); }

  void Reopen() {
    EXPECT_TRUE(core_->Close().ok());
    core_.reset();
    Open();
    EXPECT_TRUE(core_->FindShard(shards_.at(0), &slot_).ok());
  }

  ShardStats Stats() const {
    ShardStats stats{};
    EXPECT_TRUE(core_->GetShardStats(slot_, &stats).ok());
    return stats;
  }

  void Append() {
    const std::string records(5000, 'r');
    const Piece piece = LogHarness::PieceOf(records);
    AppendRequest request = LogHarness::Request(piece);
    request.durability = Durability::kOs;
    AppendResult result{};
    EXPECT_TRUE(core_->Append(slot_, request, &result).ok());
  }

  // Leaves not a byte.
  void FillDisk() {
    base::FileSystemSpace space{};
    EXPECT_EQ(files_.FreeSpace(kRoot, &space), 0);
    files_.SetCapacity(space.bytes_total - space.bytes_free);
  }

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
    uint32_t slot = 0;
    ShardStats stats{};
    EXPECT_TRUE(core->FindShard(shards_.at(0), &slot).ok());
    EXPECT_TRUE(core->GetShardStats(slot, &stats).ok());
    return stats.first_sequence;
  }

  support::ManualClock clock_;
  CoreOptions options_;
  SimFileOps files_;
  std::shared_ptr<Core> core_;
  std::vector<uint64_t> shards_;
  uint32_t slot_ = 0;
};

TEST_F(FullDiskTest, TrimsNeedNoRoom) {
  FillDisk();
  // None of the first ones frees a segment.
  for (uint64_t sequence = 2; sequence < 10; ++sequence) {
    TrimTo(sequence);
    EXPECT_EQ(FirstSequenceAfterDeath(), sequence);
  }
  EXPECT_EQ(Stats().segment_count, kSegments);
  TrimTo(Stats().committed_next_sequence);
  EXPECT_EQ(Stats().segment_count, 1u);
  core_->RunChores();
  Append();
}

TEST_F(FullDiskTest, WhatFoundNoRoomIsDoneWhenThereIsSome) {
  Reopen();
  SimFault full;
  full.kind = SimCallKind::kReserve;
  full.for_ever = true;
  full.error = ENOSPC;
  files_.AddFault(full);
  TrimTo(Stats().committed_next_sequence);
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

TEST_F(FullDiskTest, AFileSystemThatKeepsNoBlocksWillDo) {
  Reopen();
  SimFault missing;
  missing.kind = SimCallKind::kReserve;
  missing.for_ever = true;
  missing.error = EOPNOTSUPP;
  files_.AddFault(missing);
  TrimTo(Stats().committed_next_sequence);
  EXPECT_EQ(Stats().segment_count, 1u);
}

}  // namespace
}  // namespace millrace::log
