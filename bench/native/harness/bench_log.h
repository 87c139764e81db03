// An open log in a scratch folder, with shards, and the way in which benches put its segments into
// a known state.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/harness/measure.h"
#include "native/base/check.h"
#include "native/format/batch_format.h"
#include "native/format/segment_format.h"
#include "native/log/core.h"

namespace millrace::bench {

// Ends the bench with the reason when something fails that has to work.
inline void MustWork(const base::Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "bench: %s: %s\n", base::CodeName(status.code()),
                 status.message().c_str());
    std::exit(1);
  }
}

class BenchLog {
 public:
  BenchLog(const std::string& path, const log::CoreOptions& options, uint32_t shard_count) {
    LeaveLastProcessor();  // for the threads of the core
    MustWork(log::Core::Open(path, options, &core_));
    MustWork(core_->CreateShards(std::vector<uint64_t>(shard_count, 1), &shards_));
    for (const uint64_t shard : shards_) {
      uint32_t slot = 0;
      MustWork(core_->FindShard(shard, &slot));
      slots_.push_back(slot);
    }
  }

  ~BenchLog() { MustWork(core_->Close()); }

  BenchLog(const BenchLog&) = delete;
  BenchLog& operator=(const BenchLog&) = delete;

  log::Core* core() const { return core_.get(); }

  const std::vector<uint64_t>& shards() const { return shards_; }

  const std::vector<uint32_t>& slots() const { return slots_; }

  log::AppendResult Append(uint32_t slot, const std::vector<uint8_t>& records, uint32_t count,
                           log::Durability durability = log::Durability::kOs) const {
    const log::Piece piece{records.data(), static_cast<uint32_t>(records.size())};
    log::AppendRequest request;
    request.pieces = &piece;
    request.piece_count = 1;
    request.records_bytes = piece.bytes;
    request.count = count;
    request.durability = durability;
    log::AppendResult result{};
    MustWork(core_->Append(slot, request, &result));
    return result;
  }

  log::ShardStats StatsOf(uint32_t slot) const {
    log::ShardStats stats{};
    MustWork(core_->GetShardStats(slot, &stats));
    return stats;
  }

  // Frees all segments but the last of each shard, and waits until they are.
  void TrimAll() const {
    MustWork(core_->Flush());
    for (const uint32_t slot : slots_) {
      MustWork(core_->Trim(slot, StatsOf(slot).committed_next_sequence));
    }
    for (const uint32_t slot : slots_) {
      for (int wait = 0; wait < 5000 && StatsOf(slot).segment_count > 1; ++wait) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }

  // Appends until the shard has begun a new segment.
  void FillSegment(uint32_t slot, const std::vector<uint8_t>& records, uint32_t count) const {
    const uint32_t segments = StatsOf(slot).segment_count;
    do {
      Append(slot, records, count);
    } while (StatsOf(slot).segment_count == segments);
  }

  void WaitForSpares(uint32_t count) const {
    for (int wait = 0; wait < 60'000 && core_->GetStats().spare_segment_count < count; ++wait) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    MILLRACE_CHECK(core_->GetStats().spare_segment_count >= count);
  }

 private:
  std::shared_ptr<log::Core> core_;
  std::vector<uint64_t> shards_;
  std::vector<uint32_t> slots_;
};

// One size of segment from the start, no scrub, and no low-water mark that a small disk would meet.
inline log::CoreOptions BenchOptions(uint64_t segment_bytes) {
  log::CoreOptions options;
  options.segment_bytes_min = segment_bytes;
  options.segment_bytes_max = segment_bytes;
  options.scrub_bytes_per_second = 0;
  options.disk_low_water_bytes = 1;
  return options;
}

}  // namespace millrace::bench
