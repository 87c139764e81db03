// The twelve cases and the rows that complete the table (recovery_table.h), each as a hand-made
// segment.
#include "native/log/recovery.h"

#include <string>

#include <gtest/gtest.h>

#include "native/base/bytes.h"
#include "test/support/segment_builder.h"

namespace millrace::log {
namespace {

using support::BuildBatch;
using support::Bytes;
using support::CollectingVisitor;
using support::SegmentBuilder;

constexpr uint64_t kBase = 10000;

std::string Payload(size_t bytes) {
  return std::string(bytes, 'p');
}

// Three batches of one, two and three records; numbers 1 to 6.
SegmentBuilder ThreeBatches() {
  SegmentBuilder segment({});
  segment.Append({Payload(40)});
  segment.Append({Payload(30), Payload(31)});
  segment.Append({Payload(20), Payload(21), Payload(22)});
  return segment;
}

// The batch at `index` damaged in its data, its header as it was.
void SpoilData(SegmentBuilder* segment, size_t index) {
  segment->At(segment->batches()[index].end())[-1] ^= 0x55;
}

void ExpectClean(const ScanResult& result, RecoveryCase expected, uint64_t end, uint64_t next) {
  EXPECT_EQ(result.tail, TailVerdict::kClean);
  EXPECT_EQ(result.tail_case, expected) << RecoveryCaseName(result.tail_case);
  EXPECT_EQ(result.end, end);
  EXPECT_EQ(result.torn_bytes_end, end);
  EXPECT_EQ(result.next_sequence, next);
  EXPECT_TRUE(result.damaged.empty());
}

void ExpectTorn(const ScanResult& result, RecoveryCase expected, uint64_t end, uint64_t next) {
  EXPECT_EQ(result.tail, TailVerdict::kTorn);
  EXPECT_EQ(result.tail_case, expected) << RecoveryCaseName(result.tail_case);
  EXPECT_EQ(result.end, end);
  EXPECT_GT(result.torn_bytes_end, end);
  EXPECT_EQ(result.next_sequence, next);
  EXPECT_TRUE(result.damaged.empty());
}

TEST(RecoveryCases, Case1EndOfTheSegment) {
  SegmentBuilder measure({});
  measure.Append({Payload(40)});
  SegmentBuilder segment({.data_bytes = measure.end() - kBase});
  segment.Append({Payload(40)});
  ExpectClean(ScanSegment(segment.Open(), nullptr), RecoveryCase::kEndOfData, segment.end(), 2);
}

TEST(RecoveryCases, Case2Zeros) {
  const SegmentBuilder segment = ThreeBatches();
  CollectingVisitor visitor;
  const ScanResult result = ScanSegment(segment.Open(), &visitor);
  ExpectClean(result, RecoveryCase::kZeros, segment.end(), 7);
  EXPECT_EQ(result.batch_count, 3u);
  EXPECT_EQ(result.epoch, 3u);
  EXPECT_EQ(result.arrival_millis_max, segment.batches()[2].header.arrival_millis);
  EXPECT_EQ(result.synced_upto_max, segment.batches()[2].position);
  ASSERT_EQ(visitor.seen().size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(visitor.seen()[i].position, segment.batches()[i].position);
  }
}

TEST(RecoveryCases, Case2EmptySegment) {
  const SegmentBuilder segment({});
  ExpectClean(ScanSegment(segment.Open(), nullptr), RecoveryCase::kZeros, kBase, 1);
}

TEST(RecoveryCases, Case3AnotherShard) {
  SegmentBuilder segment = ThreeBatches();
  BatchHeader stale = segment.NextHeader();
  stale.shard = 99;
  stale.count = 1;
  segment.Put(segment.end(), BuildBatch(stale, support::EncodeRecords({"stale"})));
  ExpectClean(ScanSegment(segment.Open(), nullptr), RecoveryCase::kOtherShard, segment.end(), 7);
}

TEST(RecoveryCases, Case4OwnRecycledBytes) {
  SegmentBuilder segment = ThreeBatches();
  BatchHeader stale = segment.NextHeader();
  stale.first_sequence = 2;
  stale.count = 1;
  segment.Put(segment.end(), BuildBatch(stale, support::EncodeRecords({"stale"})));
  ExpectClean(ScanSegment(segment.Open(), nullptr), RecoveryCase::kLowerSequence, segment.end(), 7);
}

TEST(RecoveryCases, Case5HeaderCutShort) {
  SegmentBuilder measure = ThreeBatches();
  SegmentBuilder segment({.data_bytes = measure.end() - kBase + 40});
  segment.Append({Payload(40)});
  segment.Append({Payload(30), Payload(31)});
  segment.Append({Payload(20), Payload(21), Payload(22)});
  *segment.At(segment.end()) = format::kBatchMarker;
  ExpectTorn(ScanSegment(segment.Open(), nullptr), RecoveryCase::kHeaderCutShort, segment.end(), 7);
}

TEST(RecoveryCases, Case5HeaderOfWhichOnlyTheStartWasWritten) {
  SegmentBuilder segment = ThreeBatches();
  const uint64_t last = segment.batches()[2].position;
  std::fill(segment.At(last + 20), segment.At(segment.end()), uint8_t{0});
  const ScanResult result = ScanSegment(segment.Open(), nullptr);
  ExpectTorn(result, RecoveryCase::kNoHeader, last, 4);
  EXPECT_LE(result.torn_bytes_end, last + 20);
}

TEST(RecoveryCases, Case6LengthBeyond) {
  for (const uint32_t length : {4000u, format::kBatchRecordsBytesMax + 1, UINT32_MAX}) {
    SegmentBuilder segment = ThreeBatches();
    const uint64_t last = segment.batches()[2].position;
    base::StoreBig32(segment.At(last + format::kBatchRecordsLengthAt), length);
    ExpectTorn(ScanSegment(segment.Open(), nullptr), RecoveryCase::kLengthBeyond, last, 4);
  }
}

TEST(RecoveryCases, Case7ChecksumWrong) {
  SegmentBuilder segment = ThreeBatches();
  SpoilData(&segment, 2);
  const ScanResult result = ScanSegment(segment.Open(), nullptr);
  ExpectTorn(result, RecoveryCase::kChecksumWrong, segment.batches()[2].position, 4);
  EXPECT_EQ(result.torn_bytes_end, segment.end());
}

TEST(RecoveryCases, Case8LaterBatchInTheUnsyncedWindow) {
  SegmentBuilder segment({});
  segment.Append({Payload(40)});
  segment.FixSyncedUpto(segment.end());
  segment.Append({Payload(30), Payload(31)});
  segment.Append({Payload(20)});
  SpoilData(&segment, 1);
  const ScanResult result = ScanSegment(segment.Open(), nullptr);
  ExpectTorn(result, RecoveryCase::kUnsyncedWindow, segment.batches()[1].position, 2);
  EXPECT_EQ(result.torn_bytes_end, segment.end());
}

TEST(RecoveryCases, Case9DurableBytesBad) {
  SegmentBuilder segment = ThreeBatches();
  SpoilData(&segment, 1);
  CollectingVisitor visitor;
  const ScanResult result = ScanSegment(segment.Open(), &visitor);
  EXPECT_EQ(result.tail, TailVerdict::kClean);
  EXPECT_EQ(result.end, segment.end());
  EXPECT_EQ(result.next_sequence, 7u);
  const DamagedRange expected{segment.batches()[1].position, segment.batches()[1].end(), 2, 4};
  EXPECT_EQ(result.damaged, std::vector<DamagedRange>{expected});
  ASSERT_EQ(visitor.seen().size(), 2u);
  EXPECT_EQ(visitor.seen()[1].header.first_sequence, 4u);
}

TEST(RecoveryCases, Case9ByALaterSegment) {
  SegmentBuilder segment = ThreeBatches();
  SpoilData(&segment, 2);
  ScanInput input = segment.Open();
  input.later_synced_upto = segment.end();
  const ScanResult result = ScanSegment(input, nullptr);
  EXPECT_EQ(result.tail, TailVerdict::kClean);
  EXPECT_EQ(result.end, segment.end());
  ASSERT_EQ(result.damaged.size(), 1u);
  EXPECT_EQ(result.damaged[0].start, segment.batches()[2].position);

  input.later_synced_upto = segment.batches()[2].position;
  ExpectTorn(ScanSegment(input, nullptr), RecoveryCase::kChecksumWrong,
             segment.batches()[2].position, 4);
}

TEST(RecoveryCases, Case10ZerosThenALaterBatch) {
  for (const bool synced : {true, false}) {
    SegmentBuilder segment({});
    segment.Append({Payload(40)});
    if (!synced) {
      segment.FixSyncedUpto(segment.end());
    }
    segment.Append({Payload(30), Payload(31)});
    segment.Append({Payload(20)});
    const auto& lost = segment.batches()[1];
    std::fill(segment.At(lost.position), segment.At(lost.end()), uint8_t{0});
    ScanInput input = segment.Open();
    if (!synced) {
      ExpectTorn(ScanSegment(input, nullptr), RecoveryCase::kZerosThenLater, lost.position, 2);
      continue;
    }
    // Nothing says where a batch starts behind the zeros, so it is refused as well, and its number
    // is not given again.
    const ScanResult alone = ScanSegment(input, nullptr);
    EXPECT_EQ(alone.tail, TailVerdict::kClean);
    EXPECT_EQ(alone.damaged, (std::vector<DamagedRange>{{lost.position, segment.end(), 2, 5}}));
    const std::vector<uint64_t> vouched = segment.Positions();
    input.vouched = vouched.data();
    input.vouched_count = vouched.size();
    const ScanResult result = ScanSegment(input, nullptr);
    EXPECT_EQ(result.damaged, (std::vector<DamagedRange>{{lost.position, lost.end(), 2, 4}}));
    EXPECT_EQ(result.next_sequence, 5u);
  }
}

TEST(RecoveryCases, Case11SequenceSkipsAhead) {
  for (const bool synced : {true, false}) {
    SegmentBuilder segment({});
    segment.Append({Payload(40)});
    BatchHeader ahead = segment.NextHeader();
    ahead.first_sequence = 5;
    ahead.count = 1;
    ahead.synced_upto = synced ? segment.end() + 1 : segment.end();
    const Bytes batch = BuildBatch(ahead, support::EncodeRecords({"ahead"}));
    segment.Put(segment.end(), batch);
    const ScanResult result = ScanSegment(segment.Open(), nullptr);
    if (!synced) {
      ExpectTorn(result, RecoveryCase::kSequenceAhead, segment.end(), 2);
      continue;
    }
    EXPECT_EQ(result.tail, TailVerdict::kClean);
    EXPECT_EQ(result.batch_count, 1u);
    const DamagedRange expected{segment.end(), segment.end() + batch.size(), 2, 6};
    EXPECT_EQ(result.damaged, std::vector<DamagedRange>{expected});
  }
}

TEST(RecoveryCases, Case12NothingBeforeARecordedEndIsTorn) {
  for (size_t spoiled = 0; spoiled < 3; ++spoiled) {
    SegmentBuilder segment = ThreeBatches();
    SpoilData(&segment, spoiled);
    CollectingVisitor visitor;
    const ScanResult result = ScanSegment(segment.Sealed(), &visitor);
    EXPECT_EQ(result.tail, TailVerdict::kClean);
    EXPECT_EQ(result.tail_case, RecoveryCase::kRecordedEnd);
    EXPECT_EQ(result.end, segment.end());
    EXPECT_EQ(result.next_sequence, 7u);
    ASSERT_EQ(result.damaged.size(), 1u);
    EXPECT_EQ(result.damaged[0].start, segment.batches()[spoiled].position);
    EXPECT_EQ(result.damaged[0].end, segment.batches()[spoiled].end());
    EXPECT_EQ(visitor.seen().size(), 2u);
  }
}

TEST(RecoveryCases, Case12AppliesToEveryThingFound) {
  const SegmentBuilder whole = ThreeBatches();
  const uint64_t last = whole.batches()[2].position;
  std::vector<SegmentBuilder> segments(7, whole);
  std::fill(segments[0].At(last), segments[0].At(whole.end()), uint8_t{0});
  std::fill(segments[1].At(last), segments[1].At(whole.end() - 1), uint8_t{0});
  std::fill(segments[2].At(last), segments[2].At(whole.end()), uint8_t{0xff});
  base::StoreBig64(segments[3].At(last + format::kBatchShardAt), 99);
  base::StoreBig64(segments[4].At(last + format::kBatchFirstSequenceAt), 1);
  base::StoreBig64(segments[5].At(last + format::kBatchFirstSequenceAt), 50);
  base::StoreBig32(segments[6].At(last + format::kBatchEpochAt), 1);
  for (size_t i = 3; i < segments.size(); ++i) {
    support::FixChecksum(segments[i].At(last));
  }
  for (size_t i = 0; i < segments.size(); ++i) {
    const ScanResult result = ScanSegment(segments[i].Sealed(), nullptr);
    EXPECT_EQ(result.tail, TailVerdict::kClean) << i;
    EXPECT_EQ(result.damaged, (std::vector<DamagedRange>{{last, whole.end(), 4, 7}})) << i;
    EXPECT_EQ(result.next_sequence, 7u) << i;
  }
}

TEST(RecoveryCases, Case13RecordedEndReachedThoughBytesFollow) {
  SegmentBuilder segment = ThreeBatches();
  const ScanInput input = segment.Sealed();
  std::fill(segment.At(segment.end()), segment.At(segment.end() + 500), uint8_t{0xab});
  ExpectClean(ScanSegment(input, nullptr), RecoveryCase::kRecordedEnd, segment.end(), 7);
}

TEST(RecoveryCases, Case13NumbersMissingAtTheRecordedEnd) {
  const SegmentBuilder segment = ThreeBatches();
  ScanInput input = segment.Sealed();
  input.recorded_next_sequence = 9;
  const ScanResult result = ScanSegment(input, nullptr);
  EXPECT_EQ(result.damaged, (std::vector<DamagedRange>{{segment.end(), segment.end(), 7, 9}}));
  EXPECT_EQ(result.next_sequence, 9u);
  input.recorded_next_sequence = 5;
  ExpectClean(ScanSegment(input, nullptr), RecoveryCase::kRecordedEnd, segment.end(), 7);
}

TEST(RecoveryCases, Case14ZerosWhereTheLogHadBeenDurable) {
  const SegmentBuilder segment = ThreeBatches();
  ScanInput input = segment.Open();
  input.later_synced_upto = segment.end() + 100;
  const ScanResult result = ScanSegment(input, nullptr);
  EXPECT_EQ(result.damaged,
            (std::vector<DamagedRange>{{segment.end(), segment.end() + 100, 7, 7}}));
  EXPECT_EQ(result.end, segment.end() + 100);
  EXPECT_EQ(result.tail, TailVerdict::kClean);
}

TEST(RecoveryCases, Case15ZerosThenOtherBytes) {
  SegmentBuilder segment = ThreeBatches();
  *segment.At(segment.end() + 300) = 0x77;
  const ScanResult result = ScanSegment(segment.Open(), nullptr);
  ExpectTorn(result, RecoveryCase::kZerosThenBytes, segment.end(), 7);
  EXPECT_EQ(result.torn_bytes_end, segment.end() + 301);
}

// Bytes of another shard, or of an earlier life, in place of a batch that others follow.
TEST(RecoveryCases, Cases16And17StaleBytesBeforeALaterBatch) {
  for (const bool other_shard : {true, false}) {
    for (const bool synced : {true, false}) {
      SegmentBuilder segment({.first_sequence = 100});
      segment.Append({Payload(40)});
      if (!synced) {
        segment.FixSyncedUpto(segment.end());
      }
      const uint64_t stale = segment.Append({Payload(30)});
      segment.Append({Payload(20)});
      base::StoreBig64(
          segment.At(stale + (other_shard ? format::kBatchShardAt : format::kBatchFirstSequenceAt)),
          3);
      support::FixChecksum(segment.At(stale));
      const ScanResult result = ScanSegment(segment.Open(), nullptr);
      if (synced) {
        EXPECT_EQ(result.tail, TailVerdict::kClean);
        EXPECT_EQ(result.damaged, (std::vector<DamagedRange>{{stale, segment.end(), 101, 103}}));
      } else {
        ExpectTorn(result, RecoveryCase::kStaleInUnsyncedWindow, stale, 101);
      }
    }
  }
}

TEST(RecoveryCases, Cases19And20LowerEpoch) {
  for (const bool synced : {true, false}) {
    SegmentBuilder segment({});
    segment.Append({Payload(40)});
    BatchHeader fenced = segment.NextHeader();
    fenced.epoch = 2;
    fenced.count = 1;
    fenced.synced_upto = synced ? segment.end() + 1 : segment.end();
    segment.Put(segment.end(), BuildBatch(fenced, support::EncodeRecords({"fenced"})));
    const ScanResult result = ScanSegment(segment.Open(), nullptr);
    if (synced) {
      EXPECT_EQ(result.damaged.size(), 1u);
      EXPECT_EQ(result.batch_count, 1u);
    } else {
      ExpectTorn(result, RecoveryCase::kLowerEpoch, segment.end(), 2);
    }
  }
}

}  // namespace
}  // namespace millrace::log
