// Real batches where they do not belong: out of order, of another shard, of an earlier life of the
// file.
#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "native/base/bytes.h"
#include "native/log/recovery.h"
#include "test/support/scan_judge.h"
#include "test/support/seeded_random.h"
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

TEST(RecoveryMisplaced, SwappedBatchesAreRefusedAndNothingElse) {
  for (const bool sealed : {true, false}) {
    SegmentBuilder segment({});
    segment.Append({"before"});
    const uint64_t a = segment.Append({"aaaa"});
    const uint64_t b = segment.Append({"bbbb"});
    segment.Append({"after"});
    ASSERT_EQ(segment.batches()[1].header.bytes(), segment.batches()[2].header.bytes());
    SegmentBuilder swapped = segment;
    std::swap_ranges(swapped.At(a), swapped.At(b), swapped.At(b));
    const ScanInput input = sealed ? swapped.Sealed() : swapped.Open();
    const JudgedScan scan = RunScan(input);
    EXPECT_EQ(FindForged(segment, scan), "");
    EXPECT_EQ(FindUnsound(input, scan), "");
    EXPECT_EQ(scan.result.damaged,
              (std::vector<DamagedRange>{{a, segment.batches()[2].end(), 2, 4}}));
    EXPECT_EQ(scan.result.batch_count, 2u);
  }
}

// A page as it was before, when the file held an earlier part of the same shard's log.
TEST(RecoveryMisplaced, AStalePagePutBackIsRefused) {
  constexpr uint64_t kPageBytes = 4096;
  SegmentBuilder old_life({.data_bytes = 4 * kPageBytes});
  SegmentBuilder segment({.data_bytes = 4 * kPageBytes, .first_sequence = 5000});
  for (int i = 0; i < 90; ++i) {
    old_life.Append({std::string(60, 'o')});
    segment.Append({std::string(60, 'n')});
  }
  for (uint64_t page = 0; page < 4; ++page) {
    SegmentBuilder damaged = segment;
    const auto start = static_cast<std::ptrdiff_t>(page * kPageBytes);
    std::copy_n(old_life.data().begin() + start, kPageBytes, damaged.data().begin() + start);
    for (const ScanInput& input : {damaged.Open(), damaged.Sealed()}) {
      const JudgedScan scan = RunScan(input);
      ASSERT_EQ(FindForged(segment, scan), "") << "page " << page;
      ASSERT_EQ(FindUnsound(input, scan), "") << "page " << page;
      // In the open segment nothing behind the last page tells rot from a tail that was never
      // synced.
      const bool provable = page < 3 || input.has_recorded_end;
      EXPECT_EQ(scan.result.damaged.size(), provable ? 1u : 0u);
    }
  }
}

TEST(RecoveryMisplaced, AnotherSegmentInPlaceOfThisOneIsRefusedWhole) {
  SegmentBuilder segment({});
  SegmentBuilder other_shard({.shard = 8});
  SegmentBuilder other_part({.first_sequence = 900});
  for (SegmentBuilder* each : {&segment, &other_shard, &other_part}) {
    each->Append({"one", "two"});
    each->Append({"three"});
  }
  for (const SegmentBuilder* wrong : {&other_shard, &other_part}) {
    ScanInput input = segment.Sealed();
    input.data = wrong->data().data();
    const JudgedScan scan = RunScan(input);
    EXPECT_EQ(scan.result.batch_count, 0u);
    EXPECT_EQ(scan.result.damaged, (std::vector<DamagedRange>{{kBase, segment.end(), 1, 4}}));
  }
}

// A batch that may stand behind damage: of the same length as the last one of the segment, so that
// it fits into its place.
Bytes StrayInPlaceOfLast(const SegmentBuilder& segment, uint64_t first_sequence, uint32_t count) {
  const BatchHeader& last = segment.batches().back().header;
  BatchHeader header = last;
  header.first_sequence = first_sequence;
  header.count = count;
  return support::BuildBatch(header, Bytes(last.records_bytes, uint8_t{0x92}));
}

// The next segment gives the numbers from the recorded one on, so none of them is served here: not
// where a damaged count calls for it, not as more records than there can have been.
TEST(RecoveryMisplaced, BehindDamageNothingBeyondTheRecordedEndIsServed) {
  struct Stray {
    const char* what;
    uint32_t damaged_count;  // of the batch before it
    uint64_t first_sequence;
    uint32_t count;
  };

  // Numbers 1, 2 and 3; the end is recorded with 4.
  for (const Stray& stray : {Stray{"a count that leads to it", 1000, 1002, 1},
                             Stray{"the right number, more records", 1, 3, 2},
                             Stray{"the right number, very many records", 1, 3, 1000},
                             Stray{"a number of the next segment", 1, 4, 1}}) {
    for (const bool vouched : {false, true}) {
      SegmentBuilder segment({});
      segment.Append({"first"});
      const uint64_t damaged = segment.Append({"second"});
      const uint64_t last = segment.Append({"third"});
      base::StoreBig32(segment.At(damaged) + format::kBatchCountAt, stray.damaged_count);
      segment.At(last)[-1] ^= 1;
      segment.Put(last, StrayInPlaceOfLast(segment, stray.first_sequence, stray.count));
      ScanInput input = segment.Sealed();
      if (vouched) {
        input.vouched = &last;
        input.vouched_count = 1;
      }
      const JudgedScan scan = RunScan(input);
      EXPECT_EQ(FindUnsound(input, scan), "") << stray.what;
      EXPECT_EQ(scan.result.damaged, (std::vector<DamagedRange>{{damaged, segment.end(), 2, 4}}))
          << stray.what;
      EXPECT_EQ(scan.result.batch_count, 1u) << stray.what;
    }
  }
}

// More whole batches in a row than a record can hold are believed, unless they are those of a later
// segment.
TEST(RecoveryMisplaced, BehindDamageNoRunOfALaterSegmentIsServed) {
  constexpr uint64_t kSegmentBytes = 16u * 1024 * 1024;
  constexpr size_t kPayloadBytes = 1024 * 1024 - 256;
  constexpr uint64_t kFirstOfLater = 5000;
  SegmentBuilder segment({.data_bytes = kSegmentBytes});
  SegmentBuilder later({.data_bytes = kSegmentBytes, .first_sequence = kFirstOfLater});
  for (int i = 0; i < 15; ++i) {
    segment.Append({std::string(kPayloadBytes, 'n')});
    later.Append({std::string(kPayloadBytes, 'l')});
  }
  const uint64_t second = segment.batches()[1].position;
  const auto stray = later.data().begin() + static_cast<std::ptrdiff_t>(second - kBase);
  segment.Put(second, Bytes(stray, later.data().end()));
  ScanInput input = segment.Sealed();
  EXPECT_EQ(RunScan(input).result.damaged,
            (std::vector<DamagedRange>{{second, segment.end(), 2, 16}}));
  EXPECT_EQ(FindUnsound(input, RunScan(input)), "");
  // Were it not for the number, the run would be believed.
  input.recorded_next_sequence = later.next_sequence();
  EXPECT_GT(RunScan(input).result.batch_count, 1u);
}

// The tail of a segment holds anything that its file held before. Nothing of it is ever part of the
// log.
TEST(RecoveryMisplaced, RandomTailsHoldNoPhantom) {
  support::SeededRandom random;
  const uint64_t rounds = support::TestCount(20000);
  SegmentBuilder own_life({.data_bytes = 2048});
  SegmentBuilder other_life({.data_bytes = 2048, .shard = 8});
  for (int i = 0; i < 12; ++i) {
    own_life.Append({std::string(5 + 7 * static_cast<size_t>(i), 'o')});
    other_life.Append({std::string(3 + 9 * static_cast<size_t>(i), 's')});
  }
  for (uint64_t round = 0; round < rounds; ++round) {
    SegmentBuilder segment({.data_bytes = 2048, .first_sequence = 1000});
    switch (random.Below(5)) {
      case 0:
        segment.data() = own_life.data();
        break;
      case 1:
        segment.data() = other_life.data();
        break;
      case 2:
        std::fill(segment.data().begin(), segment.data().end(), uint8_t{0xff});
        break;
      case 3:
        std::generate(segment.data().begin(), segment.data().end(),
                      [&random] { return random.Byte(); });
        break;
      default:
        break;
    }
    const uint32_t batches = random.Below(6);
    for (uint32_t i = 0; i < batches; ++i) {
      segment.Append({std::string(random.Below(150), 'n')});
    }
    const JudgedScan scan = RunScan(segment.Open());
    ASSERT_EQ(FindForged(segment, scan), "") << "round " << round;
    ASSERT_EQ(FindUnsound(segment.Open(), scan), "") << "round " << round;
    ASSERT_EQ(scan.result.batch_count, batches) << "round " << round;
    ASSERT_EQ(scan.result.end, segment.end()) << "round " << round;
    ASSERT_EQ(scan.result.next_sequence, segment.next_sequence()) << "round " << round;
    ASSERT_TRUE(scan.result.damaged.empty()) << "round " << round;
  }
}

}  // namespace
}  // namespace millrace::log
