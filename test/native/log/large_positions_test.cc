// Positions and sequence numbers that 32 bits, or a JavaScript number, cannot hold: a shard whose
// log begins just below such a bound and crosses it, against a model that knows every batch.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/directory.h"
#include "native/log/manifest.h"
#include "test/support/log_harness.h"
#include "test/support/seeded_random.h"

namespace millrace::log {
namespace {

using base::Code;
using support::LogHarness;

constexpr uint64_t kBelowBound =
    150 * 1024;  // so that several segments lie on either side of the bound
constexpr uint64_t kEndBeyond = 300 * 1024;
constexpr uint32_t kRecordsBytesMax = 6000;

struct KnownBatch {
  uint64_t position;
  uint64_t first_sequence;
  uint64_t arrival_millis;
  std::string records;
};

class LargePositionsTest : public testing::TestWithParam<uint64_t> {
 protected:
  // A trim that is durable when the bytes it trimmed are not there is how a log comes to begin at
  // any position.
  void SetUp() override {
    first_sequence_ = GetParam() - 40;
    start_ = GetParam() - kBelowBound;
    log_.options.segment_bytes_max = log_.options.segment_bytes_min;
    log_.Open();
    log_.Create(first_sequence_);
    const uint64_t shard = log_.core->ListShards().at(0);
    ASSERT_TRUE(log_.core->Close().ok());
    Directory directory(base::PosixFileOps(), log_.path);
    bool fresh = true;
    ASSERT_TRUE(directory.Acquire(&fresh).ok());
    Manifest manifest(base::PosixFileOps(), &directory);
    ASSERT_TRUE(manifest.Load().ok());
    ASSERT_TRUE(
        manifest.TrimShards({{shard, {first_sequence_, start_, first_sequence_, false}}}).ok());
    manifest.Close();
    directory.Release();
    log_.Open();
    ASSERT_EQ(log_.Stats(0).trimmed_start, start_);
    ASSERT_EQ(log_.Stats(0).appended_end, start_);
  }

  void Fill(uint64_t end, support::SeededRandom* random) {
    while (log_.Stats(0).appended_end < end) {
      const auto bytes = size_t{1} + random->Below(kRecordsBytesMax);
      const auto count = 1 + random->Below(3);
      const std::string records(bytes, static_cast<char>('a' + batches_.size() % 26));
      log_.clock.wall_millis += 5;
      const uint64_t position = log_.Stats(0).appended_end;
      const Durability durability = random->OneIn(16) ? Durability::kDisk : Durability::kOs;
      const AppendResult result = log_.Append(0, records, count, durability);
      EXPECT_EQ(result.end_position, position + format::kBatchHeaderBytes + bytes);
      batches_.push_back({position, result.first_sequence, log_.clock.wall_millis, records});
      next_sequence_ = result.first_sequence + count;
    }
  }

  void ExpectBatch(const KnownBatch& batch, uint64_t next_sequence) {
    ReadResult result;
    ASSERT_TRUE(log_.core->Read(0, batch.position, 1, &result).ok()) << batch.position;
    ASSERT_EQ(result.batch_count, 1u) << batch.position;
    EXPECT_EQ(result.position, batch.position);
    EXPECT_EQ(result.first_sequence, batch.first_sequence);
    EXPECT_EQ(result.next_sequence, next_sequence);
    BatchHeader header;
    ASSERT_EQ(CheckBatch(result.data, result.bytes, &header), BatchCheck::kWhole);
    EXPECT_LE(header.synced_upto, batch.position);
    EXPECT_GE(header.synced_upto, synced_upto_) << "what was durable does not become less";
    synced_upto_ = header.synced_upto;
    const auto* const text = reinterpret_cast<const char*>(result.data + format::kBatchHeaderBytes);
    EXPECT_EQ(std::string(text, header.records_bytes), batch.records);
    uint64_t position = 0;
    ASSERT_TRUE(log_.core->Seek(0, next_sequence - 1, &position).ok());
    EXPECT_EQ(position, batch.position);
    ASSERT_TRUE(log_.core->SeekTime(0, batch.arrival_millis, &position).ok());
    EXPECT_EQ(position, batch.position);
  }

  // Every batch from number `first` on, and nothing but them.
  void ExpectLog(size_t first) {
    synced_upto_ = start_;
    for (size_t at = first; at < batches_.size(); ++at) {
      const bool last = at + 1 == batches_.size();
      ExpectBatch(batches_[at], last ? next_sequence_ : batches_[at + 1].first_sequence);
      if (HasFatalFailure()) {
        return;
      }
    }
    const ShardStats stats = log_.Stats(0);
    EXPECT_EQ(stats.next_sequence, next_sequence_);
    EXPECT_EQ(stats.trimmed_start, batches_[first].position);
    EXPECT_EQ(stats.first_sequence, batches_[first].first_sequence);
    EXPECT_TRUE(stats.damaged.empty());
    EXPECT_EQ(log_.ReadAll(0, stats.trimmed_start).batches.size(), batches_.size() - first);
    ScrubReport report;
    EXPECT_TRUE(log_.core->Scrub(0, 0, &report).ok());
    EXPECT_TRUE(report.damaged.empty());
  }

  void Reopen(bool clean) {
    ASSERT_TRUE(log_.core->Close().ok());
    log_.Open();
    EXPECT_EQ(log_.core->GetStats().opened_clean, clean);
  }

  LogHarness log_;
  uint64_t first_sequence_ = 0;
  uint64_t start_ = 0;
  uint64_t next_sequence_ = 0;
  uint64_t synced_upto_ = 0;
  std::vector<KnownBatch> batches_;
};

TEST_P(LargePositionsTest, CrossesTheBoundAndIsThereAfterEveryStop) {
  support::SeededRandom random(GetParam());
  Fill(GetParam() + kEndBeyond, &random);
  ASSERT_GT(log_.Stats(0).segment_count, 5u);
  ExpectLog(0);

  const std::string crashed = log_.CopyAsAfterCrash();
  Reopen(/*clean=*/true);
  ExpectLog(0);
  ASSERT_TRUE(log_.core->Close().ok());

  log_.path = crashed;
  log_.Open();
  EXPECT_FALSE(log_.core->GetStats().opened_clean);
  ExpectLog(0);
  Fill(log_.Stats(0).appended_end + kEndBeyond, &random);
  ExpectLog(0);
}

TEST_P(LargePositionsTest, IsTrimmedAcrossTheBound) {
  support::SeededRandom random(GetParam() + 1);
  Fill(GetParam() + kEndBeyond, &random);
  const uint32_t segments = log_.Stats(0).segment_count;
  size_t first = 0;
  while (batches_[first].position <= GetParam()) {
    ++first;
  }
  ASSERT_TRUE(log_.core->Trim(0, batches_[first].first_sequence).ok());
  EXPECT_LT(log_.Stats(0).segment_count, segments);
  ReadResult result;
  const base::Status trimmed = log_.core->Read(0, batches_[first - 1].position, 1, &result);
  EXPECT_EQ(trimmed.code(), Code::kSequenceNumberTrimmed);
  EXPECT_EQ(trimmed.range_start(), batches_[first].position);
  ExpectLog(first);
  Reopen(/*clean=*/true);
  ExpectLog(first);
}

// A sequence number is refused, not wrapped, and a position of another width names no batch.
TEST_P(LargePositionsTest, TakesNoNumberForItsLowBits) {
  support::SeededRandom random(GetParam() + 2);
  Fill(GetParam() + kEndBeyond, &random);
  ReadResult result;
  const uint64_t position = batches_.back().position;
  const uint64_t low = static_cast<uint32_t>(position);
  ASSERT_NE(low, position);
  EXPECT_EQ(log_.core->Read(0, low, 1, &result).code(), Code::kSequenceNumberTrimmed);
  uint64_t found = 0;
  const uint64_t sequence = batches_.back().first_sequence;
  EXPECT_EQ(log_.core->Seek(0, static_cast<uint32_t>(sequence), &found).code(),
            Code::kSequenceNumberTrimmed);
}

INSTANTIATE_TEST_SUITE_P(Bounds, LargePositionsTest,
                         testing::Values(uint64_t{1} << 32, uint64_t{1} << 53, uint64_t{1} << 63));

}  // namespace
}  // namespace millrace::log
