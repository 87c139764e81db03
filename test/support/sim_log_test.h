// A log with one shard of small segments on a simulated disk, for tests that derive from it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/core.h"
#include "test/support/log_harness.h"
#include "test/support/sim_file_ops.h"

namespace millrace::support {

class SimLogTest : public testing::Test {
 protected:
  static constexpr const char* kRoot = "/sim";
  static constexpr const char* kLog = "/sim/log";

  // `fault` is met from the first open on.
  explicit SimLogTest(const SimFault* fault = nullptr) : files_(kRoot) {
    if (fault != nullptr) {
      files_.AddFault(*fault);
    }
    options_.inline_mode = true;
    options_.clock = &clock_;
    options_.segment_bytes_max = options_.segment_bytes_min;
    options_.disk_low_water_bytes = 1;
    options_.spare_segments = 0;
    options_.file_ops = &files_;
    Open();
    slot_ = Create();
  }

  ~SimLogTest() override {
    files_.Kill();
    core_.reset();
  }

  // Of a file system that keeps no blocks, for want of them or for ever.
  static SimFault NoReservation(int error) {
    SimFault refused;
    refused.kind = SimCallKind::kReserve;
    refused.for_ever = true;
    refused.error = error;
    return refused;
  }

  void Open() { EXPECT_TRUE(log::Core::Open(kLog, options_, &core_).ok()); }

  // Answers its slot.
  uint32_t Create() {
    std::vector<uint64_t> shards;
    EXPECT_TRUE(core_->CreateShards({1}, &shards).ok());
    shards_.push_back(shards.at(0));
    return SlotOf(core_.get(), shards_.back());
  }

  static uint32_t SlotOf(log::Core* core, uint64_t shard) {
    uint32_t slot = 0;
    EXPECT_TRUE(core->FindShard(shard, &slot).ok());
    return slot;
  }

  log::ShardStats Stats(uint32_t slot) const {
    log::ShardStats stats{};
    EXPECT_TRUE(core_->GetShardStats(slot, &stats).ok());
    return stats;
  }

  log::ShardStats Stats() const { return Stats(slot_); }

  base::Status TryAppend(uint32_t slot, log::Durability durability = log::Durability::kOs) {
    const std::string records(5000, 'r');
    const log::Piece piece = LogHarness::PieceOf(records);
    log::AppendRequest request = LogHarness::Request(piece);
    request.durability = durability;
    log::AppendResult result{};
    const base::Status status = core_->Append(slot, request, &result);
    EXPECT_EQ(result.committed, status.ok());
    return status;
  }

  void Append(log::Durability durability = log::Durability::kOs) {
    EXPECT_TRUE(TryAppend(slot_, durability).ok());
  }

  // Leaves so many bytes of the disk, of all that there are now.
  static void LeaveOnDisk(SimFileOps* files, uint64_t bytes) {
    base::FileSystemSpace space{};
    EXPECT_EQ(files->FreeSpace(kRoot, &space), 0);
    files->SetCapacity(space.bytes_total - space.bytes_free + bytes);
  }

  // Appends until the shard has begun so many segments more.
  void FillSegments(uint32_t slot, uint32_t count) {
    const uint32_t wanted = Stats(slot).segment_count + count;
    do {
      EXPECT_TRUE(TryAppend(slot).ok());
    } while (Stats(slot).segment_count < wanted);
  }

  ManualClock clock_;
  log::CoreOptions options_;
  SimFileOps files_;
  std::shared_ptr<log::Core> core_;
  std::vector<uint64_t> shards_;
  uint32_t slot_ = 0;
};

}  // namespace millrace::support
