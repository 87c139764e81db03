// T-R1: everything at once on one open log, for a thread sanitizer to watch: writers in both
// durabilities, readers that follow the tail, seeks, trims, seals, deletions, creations, scrubs,
// flushes and statistics.
//   --dir D      an empty directory
//   --seconds N  how long
//   --seed N
// Without a sanitizer it still checks what it reads: every batch once, in order, up to the trimmed
// start.
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "native/log/batch_view.h"
#include "native/log/core.h"
#include "test/torture/native/arguments.h"
#include "test/torture/native/random.h"

namespace {

using namespace millrace;
using base::Code;
using base::Status;

constexpr uint32_t kShards = 6;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "violation: %s\n", what.c_str());
  std::exit(1);
}

class Race {
 public:
  Race(std::shared_ptr<log::Core> core, uint64_t seed, double seconds)
      : core_(std::move(core)),
        seed_(seed),
        deadline_(std::chrono::steady_clock::now() +
                  std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6))) {}

  void Run() {
    std::vector<uint64_t> shards;
    Need(core_->CreateShards(std::vector<uint64_t>(kShards, 1), &shards), "create");
    std::vector<std::thread> threads;
    for (uint32_t writer = 0; writer < 2; ++writer) {
      threads.emplace_back([this, writer] { Write(writer); });
    }
    for (uint32_t reader = 0; reader < 8; ++reader) {
      threads.emplace_back([this, reader] { Read(reader % kShards); });
    }
    threads.emplace_back([this] { Trim(); });
    threads.emplace_back([this] { Govern(); });
    threads.emplace_back([this] { Watch(); });
    for (std::thread& thread : threads) {
      thread.join();
    }
    Need(core_->Close(), "close");
  }

  uint64_t batches_read() const { return batches_read_.load(); }

  uint64_t appends() const { return appends_.load(); }

 private:
  bool Over() const { return std::chrono::steady_clock::now() >= deadline_; }

  static void Need(const Status& status, const char* what) {
    if (!status.ok()) {
      Fail(std::string(what) + ": " + status.message());
    }
  }

  void Write(uint32_t writer) {
    torture::Random random(seed_ * 100 + writer);
    std::vector<uint8_t> records(20000);
    for (uint8_t& byte : records) {
      byte = static_cast<uint8_t>(random.Next());
    }
    while (!Over()) {
      const log::Piece piece{records.data(), static_cast<uint32_t>(random.Between(1, 20000))};
      log::AppendRequest request;
      request.pieces = &piece;
      request.piece_count = 1;
      request.records_bytes = piece.bytes;
      request.count = static_cast<uint32_t>(random.Between(1, 9));
      request.durability = random.OneIn(2) ? log::Durability::kDisk : log::Durability::kOs;
      request.producer_id = random.OneIn(3) ? writer + 1 : 0;
      request.producer_sequence = producer_sequence_[writer];
      request.producer_gaps_allowed = true;
      producer_sequence_[writer] += request.producer_id == 0 ? 0 : 1;
      log::AppendResult result{};
      Need(core_->Append(static_cast<uint32_t>(random.Below(kShards)), request, &result), "append");
      appends_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void Read(uint32_t slot) {
    uint64_t position = 0;
    uint64_t expected = 1;
    while (!Over()) {
      log::ReadResult result;
      const Status status = core_->Read(slot, position, 64 * 1024, &result);
      if (status.code() == Code::kSequenceNumberTrimmed) {
        position = status.range_start();
        expected = 0;
        continue;
      }
      Need(status, "read");
      if (result.bytes == 0) {
        std::this_thread::yield();
        continue;
      }
      if (expected != 0 && result.first_sequence != expected) {
        Fail(base::Format("shard in slot %u goes on at %" PRIu64 ", not %" PRIu64, slot,
                          result.first_sequence, expected));
      }
      for (uint64_t at = 0; at < result.bytes;) {
        log::BatchHeader header;
        if (log::CheckBatch(result.data + at, result.bytes - at, &header) !=
            log::BatchCheck::kWhole) {
          Fail("a batch that was served is damaged");
        }
        at += header.bytes();
      }
      batches_read_.fetch_add(result.batch_count, std::memory_order_relaxed);
      position = result.next_position;
      expected = result.next_sequence;
    }
  }

  void Trim() {
    torture::Random random(seed_ * 100 + 50);
    while (!Over()) {
      const uint32_t slot = static_cast<uint32_t>(random.Below(kShards));
      log::ShardStats stats{};
      Need(core_->GetShardStats(slot, &stats), "stats");
      const uint64_t span = stats.committed_next_sequence - stats.first_sequence;
      Need(core_->Trim(slot, stats.first_sequence + span / 2), "trim");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  // Shards that come and go beside the busy ones.
  void Govern() {
    torture::Random random(seed_ * 100 + 51);
    const uint8_t record[] = "beside";
    const log::Piece piece{record, sizeof record};
    while (!Over()) {
      std::vector<uint64_t> shards;
      uint32_t slot = 0;
      Need(core_->CreateShards({random.Between(1, 1000)}, &shards), "create");
      Need(core_->FindShard(shards[0], &slot), "find");
      log::AppendRequest request;
      request.pieces = &piece;
      request.piece_count = 1;
      request.records_bytes = piece.bytes;
      request.count = 1;
      log::AppendResult result{};
      Need(core_->Append(slot, request, &result), "append beside");
      Need(core_->SealShards({shards[0]}), "seal");
      if (core_->Append(slot, request, &result).code() != Code::kShardClosed) {
        Fail("a sealed shard took an append");
      }
      Need(core_->DeleteShard(shards[0]), "delete");
    }
  }

  void Watch() {
    torture::Random random(seed_ * 100 + 52);
    while (!Over()) {
      log::ScrubReport report;
      Need(core_->Scrub(0, 0, &report), "scrub");
      if (!report.damaged.empty()) {
        Fail("scrub found damage: " + report.damaged[0].reason);
      }
      Need(core_->Flush(), "flush");
      static_cast<void>(core_->GetStats());
      uint64_t position = 0;
      const uint32_t slot = static_cast<uint32_t>(random.Below(kShards));
      const Status status = core_->Seek(slot, random.Between(1, 1000), &position);
      if (!status.ok() && status.code() != Code::kSequenceNumberTrimmed &&
          status.code() != Code::kSequenceNumberInFuture) {
        Fail("seek: " + status.message());
      }
      Need(core_->SeekTime(slot, random.Next() >> 20, &position), "seek by time");
    }
  }

  const std::shared_ptr<log::Core> core_;
  const uint64_t seed_;
  const std::chrono::steady_clock::time_point deadline_;
  uint32_t producer_sequence_[2] = {1, 1};  // each its writer's
  std::atomic<uint64_t> batches_read_{0};
  std::atomic<uint64_t> appends_{0};
};

}  // namespace

int main(int argc, char** argv) {
  const torture::Arguments arguments(argc, argv);
  const uint64_t seconds = arguments.Number("seconds", 10);
  log::CoreOptions options;
  options.segment_bytes_max = 1024 * 1024;
  options.idle_marker_millis = 5;
  options.disk_low_water_bytes = 1;
  std::shared_ptr<log::Core> core;
  const Status status = log::Core::Open(arguments.Needed("dir"), options, &core);
  if (!status.ok()) {
    Fail(status.message());
  }
  Race race(std::move(core), arguments.Number("seed", 1), static_cast<double>(seconds));
  race.Run();
  std::printf("result {\"trials\":%" PRIu64 ",\"appends\":%" PRIu64 ",\"batchesRead\":%" PRIu64
              "}\n",
              seconds, race.appends(), race.batches_read());
  return 0;
}
