// An open log in a temporary directory, with the few verbs that tests of the core repeat.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/core.h"
#include "test/support/temp_directory.h"

namespace millrace::support {

class ManualClock : public base::Clock {
 public:
  uint64_t WallMillis() override { return wall_millis; }

  uint64_t SteadyMillis() override { return steady_millis; }

  uint64_t wall_millis = 1700000000000;
  uint64_t steady_millis = 1000;
};

// The records of a read, as one string per batch.
struct ReadBack {
  std::vector<std::string> batches;
  uint64_t next_sequence = 0;
  uint64_t next_position = 0;
};

class LogHarness {
 public:
  LogHarness() {
    options.inline_mode = true;
    options.clock = &clock;
    options.segment_bytes_max = 1024 * 1024;
    options.disk_low_water_bytes = 1;
    path = directory.File("log");
  }

  void Open() {
    const base::Status status = log::Core::Open(path, options, &core);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  uint32_t Create(uint64_t first_sequence = 1) {
    std::vector<uint64_t> shards;
    const base::Status status = core->CreateShards({first_sequence}, &shards);
    EXPECT_TRUE(status.ok()) << status.message();
    return SlotOf(shards.at(0));
  }

  uint32_t SlotOf(uint64_t shard) const {
    uint32_t slot = UINT32_MAX;
    EXPECT_TRUE(core->FindShard(shard, &slot).ok());
    return slot;
  }

  static log::AppendRequest Request(const log::Piece& piece, uint32_t count = 1) {
    log::AppendRequest request;
    request.pieces = &piece;
    request.piece_count = 1;
    request.records_bytes = piece.bytes;
    request.count = count;
    return request;
  }

  // Borrows the bytes.
  static log::Piece PieceOf(std::string_view records) {
    return {reinterpret_cast<const uint8_t*>(records.data()),
            static_cast<uint32_t>(records.size())};
  }

  log::AppendResult Append(uint32_t slot, const std::string& records, uint32_t count = 1,
                           log::Durability durability = log::Durability::kDisk) {
    const log::Piece piece = PieceOf(records);
    log::AppendRequest request = Request(piece, count);
    request.durability = durability;
    log::AppendResult result{};
    const base::Status status = core->Append(slot, request, &result);
    EXPECT_TRUE(status.ok()) << status.message();
    return result;
  }

  // Everything from `position`, marker batches left out.
  ReadBack ReadAll(uint32_t slot, uint64_t position = 0) {
    ReadBack all;
    for (;;) {
      log::ReadResult result;
      const base::Status status = core->Read(slot, position, 64 * 1024, &result);
      EXPECT_TRUE(status.ok()) << status.message();
      if (!status.ok() || result.bytes == 0) {
        all.next_position = position;
        all.next_sequence = result.next_sequence;
        return all;
      }
      for (uint64_t at = 0; at < result.bytes;) {
        log::BatchHeader header;
        EXPECT_EQ(log::CheckBatch(result.data + at, result.bytes - at, &header),
                  log::BatchCheck::kWhole);
        if (header.count != 0) {
          all.batches.emplace_back(
              reinterpret_cast<const char*>(result.data + at + format::kBatchHeaderBytes),
              header.records_bytes);
        }
        at += header.bytes();
      }
      position = result.next_position;
    }
  }

  log::ShardStats Stats(uint32_t slot) const {
    log::ShardStats stats{};
    EXPECT_TRUE(core->GetShardStats(slot, &stats).ok());
    return stats;
  }

  // What is on disk now, opened as after a crash of the process: a copy, as the original is still
  // in use.
  std::string CopyAsAfterCrash() {
    const std::string copy = directory.File("copy" + std::to_string(++copies_));
    std::filesystem::copy(path, copy, std::filesystem::copy_options::recursive);
    return copy;
  }

  TempDirectory directory;
  std::string path;
  ManualClock clock;
  log::CoreOptions options;
  std::shared_ptr<log::Core> core;

 private:
  int copies_ = 0;
};

}  // namespace millrace::support
