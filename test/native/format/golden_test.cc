// Directories that released versions wrote stay readable: test/format/golden/ holds one that was
// closed and one whose process was killed, both of format N. A new format adds its own pair;
// MILLRACE_WRITE_GOLDEN=1 writes those of the present one.
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "test/support/log_harness.h"

#ifndef MILLRACE_SOURCE_DIR
#define MILLRACE_SOURCE_DIR "."
#endif

namespace millrace {
namespace {

using support::LogHarness;

constexpr int kBatches = 40;

std::string RecordsOf(int batch) {
  return "batch " + std::to_string(batch) + ": " +
         std::string(static_cast<size_t>(batch * 61 % 2500), static_cast<char>('a' + batch % 26));
}

log::AppendRequest RequestOf(int batch, const log::Piece& piece) {
  log::AppendRequest request = LogHarness::Request(piece, static_cast<uint32_t>(batch % 3 + 1));
  request.producer_id = batch % 2 == 0 ? 9 : 0;
  request.producer_sequence = static_cast<uint32_t>(batch / 2 + 1);
  return request;
}

void Fill(LogHarness* harness) {
  harness->options.segment_bytes_max = harness->options.segment_bytes_min = 32 * 1024;
  harness->options.spare_segments = 0;
  harness->Open();
  harness->Create(1);
  harness->Create(1000);
  for (int batch = 0; batch < kBatches; ++batch) {
    harness->clock.wall_millis += 7;
    const std::string records = RecordsOf(batch);
    const log::Piece piece = LogHarness::PieceOf(records);
    log::AppendResult result{};
    ASSERT_TRUE(harness->core->Append(0, RequestOf(batch, piece), &result).ok());
  }
  harness->Append(1, "the other shard");
  ASSERT_TRUE(harness->core->SealShards({harness->Stats(1).shard}).ok());
  ASSERT_TRUE(harness->core->Trim(0, 20).ok());
  harness->core->RunChores();
}

void Check(const std::string& golden) {
  LogHarness harness;
  std::filesystem::copy(golden, harness.path, std::filesystem::copy_options::recursive);
  std::filesystem::create_directories(harness.path + "/aside");  // git keeps no empty folder
  harness.Open();
  const log::ShardStats stats = harness.Stats(0);
  EXPECT_TRUE(stats.damaged.empty());
  EXPECT_EQ(stats.first_sequence, 20u);
  std::vector<std::string> wanted;
  uint64_t sequence = 1;
  for (int batch = 0; batch < kBatches; ++batch) {
    if (sequence >= stats.first_sequence) {
      wanted.push_back(RecordsOf(batch));
    }
    sequence += static_cast<uint64_t>(batch % 3 + 1);
  }
  EXPECT_EQ(harness.ReadAll(0, stats.trimmed_start).batches, wanted);
  EXPECT_EQ(stats.next_sequence, sequence);
  EXPECT_EQ(harness.ReadAll(1).batches, std::vector<std::string>{"the other shard"});
  EXPECT_TRUE(harness.Stats(1).sealed);

  const std::string repeated = RecordsOf(kBatches - 2);
  const log::Piece piece = LogHarness::PieceOf(repeated);
  log::AppendResult result{};
  ASSERT_TRUE(harness.core->Append(0, RequestOf(kBatches - 2, piece), &result).ok());
  EXPECT_TRUE(result.duplicate);
  EXPECT_EQ(harness.Append(0, "and on").first_sequence, sequence);
  EXPECT_TRUE(harness.core->Close().ok());
}

std::string GoldenPath(const char* name) {
  return std::string(MILLRACE_SOURCE_DIR) + "/test/format/golden/format-1/" + name;
}

TEST(GoldenTest, AClosedDirectoryOfFormat1IsReadable) {
  Check(GoldenPath("closed"));
}

TEST(GoldenTest, AKilledDirectoryOfFormat1IsReadable) {
  Check(GoldenPath("killed"));
}

TEST(GoldenTest, WhatIsWrittenTodayIsReadable) {
  LogHarness harness;
  Fill(&harness);
  const std::string killed = harness.CopyAsAfterCrash();
  ASSERT_TRUE(harness.core->Close().ok());
  Check(killed);
  Check(harness.path);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the tests sets variables
  if (std::getenv("MILLRACE_WRITE_GOLDEN") != nullptr) {
    const auto options = std::filesystem::copy_options::recursive |
                         std::filesystem::copy_options::overwrite_existing;
    std::filesystem::create_directories(GoldenPath(""));
    std::filesystem::copy(killed, GoldenPath("killed"), options);
    std::filesystem::copy(harness.path, GoldenPath("closed"), options);
  }
}

}  // namespace
}  // namespace millrace
