// A process with a log on a simulated disk, whose calls can be watched, and what is left of it.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "native/format/segment_format.h"
#include "native/log/core.h"
#include "test/support/log_harness.h"
#include "test/support/seeded_random.h"
#include "test/support/sim_file_ops.h"

namespace millrace::support {

inline constexpr const char* kPath = "/sim/data";
inline constexpr uint64_t kSegmentBytes = 16 * 1024;

// Time stands still: segments keep their size.
class StillClock final : public base::Clock {
 public:
  uint64_t WallMillis() override { return 1'700'000'000'000; }

  uint64_t SteadyMillis() override { return 1; }
};

inline log::CoreOptions SmallOptions() {
  log::CoreOptions options;
  options.inline_mode = true;
  options.segment_bytes_min = options.segment_bytes_max = kSegmentBytes;
  options.spare_segments = 1;
  options.disk_low_water_bytes = 1;
  return options;
}

// A process with the log of a simulated machine open.
class Process {
 public:
  explicit Process(std::unique_ptr<SimFileOps> files, log::CoreOptions options = SmallOptions())
      : files_(std::move(files)) {
    options.file_ops = files_.get();
    options.clock = &clock_;
    status_ = log::Core::Open(kPath, options, &core_);
  }

  ~Process() {
    files_->SetBeforeCall(nullptr);
    files_->Kill();
  }

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const base::Status& status() const { return status_; }

  log::Core* core() { return core_.get(); }

  SimFileOps* files() { return files_.get(); }

  uint32_t Create() {
    std::vector<uint64_t> shards;
    EXPECT_TRUE(core_->CreateShards({1}, &shards).ok());
    uint32_t slot = UINT32_MAX;
    EXPECT_TRUE(core_->FindShard(shards.at(0), &slot).ok());
    return slot;
  }

  base::Status Append(uint32_t slot, log::Durability durability, uint64_t producer_id = 0,
                      uint32_t producer_sequence = 0) {
    static const std::string records(1000, 'r');
    const log::Piece piece = LogHarness::PieceOf(records);
    log::AppendRequest request = LogHarness::Request(piece);
    request.producer_id = producer_id;
    request.producer_sequence = producer_sequence;
    request.durability = durability;
    log::AppendResult result{};
    base::Status status = core_->Append(slot, request, &result);
    files_->Observe();
    return status;
  }

  log::ShardStats Stats(uint32_t slot) const {
    log::ShardStats stats{};
    EXPECT_TRUE(core_->GetShardStats(slot, &stats).ok());
    return stats;
  }

  // Calls `at` before each system call that `run` makes.
  void AtEachCall(const std::function<void(const SimCall&)>& at, const std::function<void()>& run) {
    files_->SetBeforeCall(at);
    run();
    files_->SetBeforeCall(nullptr);
  }

 private:
  StillClock clock_;
  std::unique_ptr<SimFileOps> files_;
  base::Status status_;
  std::shared_ptr<log::Core> core_;
};

class CoreFaultsTest : public ::testing::Test {
 protected:
  CoreFaultsTest() : random_(seeds_.Any()) {}

  static std::unique_ptr<SimFileOps> NewMachine() { return std::make_unique<SimFileOps>("/sim"); }

  // Opens the machine and looks for damage where none can be.
  static void ExpectNoDamage(std::unique_ptr<SimFileOps> files) {
    log::ScrubReport report;
    ASSERT_TRUE(log::VerifyDirectory(kPath, files.get(), &report).ok());
    for (const log::DamageReport& damage : report.damaged) {
      EXPECT_EQ(damage.shard, 0u) << damage.reason;
    }
    Process process(std::move(files));
    ASSERT_TRUE(process.status().ok()) << process.status().message();
    EXPECT_EQ(process.core()->GetStats().damaged_range_count, 0u);
  }

  // The files of a shard's segments, by their place in the log.
  static std::map<uint64_t, std::string> SegmentsOf(SimFileOps* files, uint64_t shard) {
    std::map<uint64_t, std::string> paths;
    for (const std::string& path : files->FilePaths()) {
      const std::vector<uint8_t> bytes = files->ReadFile(path);
      format::SegmentHeader header;
      if (path.ends_with(".seg") && bytes.size() >= sizeof header) {
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.magic == format::kSegmentMagic && header.shard == shard) {
          paths[header.base_position] = path;
        }
      }
    }
    return paths;
  }

  static std::string FirstSegmentOf(SimFileOps* files, uint64_t shard) {
    return SegmentsOf(files, shard).begin()->second;
  }

  static std::string LastSegmentOf(SimFileOps* files, uint64_t shard) {
    return SegmentsOf(files, shard).rbegin()->second;
  }

  SeededRandom seeds_;
  Random random_;
};

}  // namespace millrace::support
