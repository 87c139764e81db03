// What a scan is told, how far it may look, and what it costs.
#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "native/log/recovery.h"
#include "test/support/scan_judge.h"
#include "test/support/segment_builder.h"

namespace millrace::log {
namespace {

using support::Bytes;
using support::FindForged;
using support::FindUnsound;
using support::JudgedScan;
using support::RunScan;
using support::SegmentBuilder;

constexpr uint64_t kBase = 10000;
constexpr uint64_t kHugeNumber = uint64_t{1} << 60;

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

void ExpectClean(const ScanResult& result, RecoveryCase expected, uint64_t end, uint64_t next) {
  EXPECT_EQ(result.tail, TailVerdict::kClean);
  EXPECT_EQ(result.tail_case, expected) << RecoveryCaseName(result.tail_case);
  EXPECT_EQ(result.end, end);
  EXPECT_EQ(result.torn_bytes_end, end);
  EXPECT_EQ(result.next_sequence, next);
  EXPECT_TRUE(result.damaged.empty());
}

TEST(RecoveryScan, AcceptsMarkersAndRisingEpochs) {
  SegmentBuilder segment({});
  segment.AppendMarker();
  segment.Append({Payload(40)});
  segment.SetEpoch(4);
  segment.AppendMarker(200);
  segment.AppendMarker();
  segment.Append({""});
  const ScanResult result = ScanSegment(segment.Open(), nullptr);
  ExpectClean(result, RecoveryCase::kZeros, segment.end(), 3);
  EXPECT_EQ(result.batch_count, 5u);
  EXPECT_EQ(result.epoch, 4u);
}

TEST(RecoveryScan, StartsInTheMiddle) {
  const SegmentBuilder segment = ThreeBatches();
  ScanInput input = segment.Open();
  input.start_position = segment.batches()[1].position;
  input.expected_sequence = 2;
  input.epoch_min = 3;
  const ScanResult result = ScanSegment(input, nullptr);
  ExpectClean(result, RecoveryCase::kZeros, segment.end(), 7);
  EXPECT_EQ(result.batch_count, 2u);

  input.start_position = segment.end();
  input.expected_sequence = 7;
  ExpectClean(ScanSegment(input, nullptr), RecoveryCase::kZeros, segment.end(), 7);
}

TEST(RecoveryScan, ARecordedEndBeyondTheDataIsDamageUpToIt) {
  SegmentBuilder segment = ThreeBatches();
  ScanInput input = segment.Sealed();
  input.bytes = segment.batches()[2].position + 100 - kBase;
  const ScanResult result = ScanSegment(input, nullptr);
  EXPECT_EQ(result.damaged,
            (std::vector<DamagedRange>{{segment.batches()[2].position, segment.end(), 4, 7}}));
  EXPECT_EQ(result.end, segment.end());
}

TEST(RecoveryScan, NamesWhatIsWorthCopyingAsideUpToItsBound) {
  SegmentBuilder segment({.data_bytes = kTornCopyBytesMax + 8192});
  segment.Append({Payload(40)});
  std::fill(segment.data().begin() + static_cast<std::ptrdiff_t>(segment.end() - kBase),
            segment.data().end(), uint8_t{0x11});
  const ScanResult result = ScanSegment(segment.Open(), nullptr);
  EXPECT_EQ(result.tail, TailVerdict::kTorn);
  EXPECT_EQ(result.torn_bytes_end, segment.end() + kTornCopyBytesMax);
}

// Behind a lost sector without any witness only what is longer than a batch can be is trusted.
TEST(RecoveryScan, ARunLongerThanABatchVouchesForItsRest) {
  constexpr uint64_t kRecordBytes = 256 * 1024;
  SegmentBuilder segment({.data_bytes = uint64_t{16} * 1024 * 1024});
  for (int i = 0; i < 60; ++i) {
    segment.Append({std::string(kRecordBytes, 'r')});
  }
  SegmentBuilder damaged = segment;
  std::fill(damaged.At(segment.batches()[3].position),
            damaged.At(segment.batches()[3].position + 512), uint8_t{0});
  for (const ScanInput& input : {damaged.Open(), damaged.Sealed()}) {
    const JudgedScan scan = RunScan(input);
    EXPECT_EQ(FindForged(segment, scan), "");
    EXPECT_EQ(FindUnsound(input, scan), "");
    ASSERT_EQ(scan.result.damaged.size(), 1u);
    EXPECT_GE(scan.result.damaged[0].end - scan.result.damaged[0].start, format::kBatchBytesMax);
    EXPECT_GT(scan.result.batch_count, 10u);
    EXPECT_EQ(scan.result.next_sequence, segment.next_sequence());
  }
}

// Headers without end that each claim eleven megabytes: the work runs out, and then nothing is cut.
TEST(RecoveryScan, HostileBytesCannotMakeAScanEndless) {
  constexpr uint64_t kAreaBytes = uint64_t{16} * 1024 * 1024;
  SegmentBuilder segment({.data_bytes = kAreaBytes});
  segment.Append({"before"});
  BatchHeader header = segment.NextHeader();
  header.records_bytes = format::kBatchRecordsBytesMax;
  Bytes hostile(format::kBatchHeaderBytes);
  WriteBatchHeader(hostile.data(), header);
  for (uint64_t at = segment.end(); at + hostile.size() <= kBase + kAreaBytes;
       at += hostile.size()) {
    segment.Put(at, hostile);
  }
  const JudgedScan scan = RunScan(segment.Open());
  EXPECT_EQ(scan.result.tail, TailVerdict::kClean);
  EXPECT_EQ(scan.result.end, kBase + kAreaBytes);
  ASSERT_EQ(scan.result.damaged.size(), 1u);
  EXPECT_EQ(scan.result.damaged[0].start, segment.end());
  EXPECT_GT(scan.result.next_sequence, kAreaBytes / format::kBatchHeaderBytes);
  EXPECT_LT(scan.result.next_sequence, kHugeNumber);
}

// The same in the payload of a sealed segment: one damaged batch does not cost what an index
// vouches for.
TEST(RecoveryScan, HostileRecordsDoNotKeepAnIndexFromVouching) {
  SegmentBuilder segment({.data_bytes = uint64_t{24} * 1024 * 1024});
  BatchHeader header = segment.NextHeader();
  header.first_sequence = 100;
  header.records_bytes = 8 * 1024 * 1024;
  Bytes hostile(format::kBatchHeaderBytes);
  WriteBatchHeader(hostile.data(), header);
  std::string payload;
  while (payload.size() < 1024 * 1024) {
    payload += support::ToString(hostile);
  }
  for (int i = 0; i < 20; ++i) {
    segment.Append({payload});
  }
  SegmentBuilder damaged = segment;
  std::fill(damaged.At(segment.batches()[2].position),
            damaged.At(segment.batches()[2].position + 512), uint8_t{0});
  const std::vector<uint64_t> vouched = segment.Positions();
  ScanInput input = damaged.Sealed();
  input.vouched = vouched.data();
  input.vouched_count = vouched.size();
  const JudgedScan scan = RunScan(input);
  EXPECT_EQ(FindForged(segment, scan), "");
  EXPECT_EQ(FindUnsound(input, scan), "");
  EXPECT_EQ(scan.result.batch_count, 19u);
  EXPECT_EQ(scan.result.damaged.size(), 1u);
}

}  // namespace
}  // namespace millrace::log
