// For every byte of a small segment: cut there, change it, zero its sector. The result is exactly
// the committed prefix or a named damaged range, and no more than the damaged batch is refused
// where anything still says how long it was.
#include <algorithm>
#include <functional>
#include <string>

#include <gtest/gtest.h>

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
constexpr uint64_t kSectorBytes = 512;

std::string Payload(size_t bytes, char seed) {
  std::string payload(bytes, seed);
  for (size_t i = 0; i < bytes; ++i) {
    payload[i] = static_cast<char>(seed + static_cast<char>(i % 23));
  }
  return payload;
}

// Batches of all shapes: one record, several, empty data, a marker with and without padding, one
// that spans sectors.
SegmentBuilder MixedSegment(bool synced) {
  SegmentBuilder segment({.data_bytes = 4096});
  if (!synced) {
    segment.FixSyncedUpto(kBase);
  }
  segment.Append({Payload(40, 'a')});
  segment.Append({Payload(10, 'b'), Payload(20, 'c'), ""});
  segment.AppendMarker();
  segment.Append({Payload(700, 'd'), Payload(300, 'e')});
  segment.AppendMarker(50);
  segment.Append({Payload(5, 'f')});
  segment.Append({Payload(260, 'g'), Payload(1, 'h')});
  segment.Append({Payload(33, 'i')});
  return segment;
}

enum class Vouch { kNothing, kEveryBatch };

struct Setting {
  const char* name;
  bool synced;  // each batch knew everything before it durable; else none knew anything
  bool sealed;
  Vouch vouch;
};

const Setting kSettings[] = {
    {"SyncedSealed", true, true, Vouch::kNothing},
    {"SyncedSealedVouched", true, true, Vouch::kEveryBatch},
    {"SyncedOpen", true, false, Vouch::kNothing},
    {"SyncedOpenVouched", true, false, Vouch::kEveryBatch},
    {"UnsyncedSealed", false, true, Vouch::kNothing},
    {"UnsyncedOpen", false, false, Vouch::kNothing},
};

class DamageTest : public testing::TestWithParam<Setting> {
 protected:
  DamageTest()
      : original_(MixedSegment(GetParam().synced)),
        damaged_(original_),
        vouched_(original_.Positions()) {}

  ScanInput Input() const {
    ScanInput input = GetParam().sealed ? damaged_.Sealed() : damaged_.Open();
    if (GetParam().vouch == Vouch::kEveryBatch) {
      input.vouched = vouched_.data();
      input.vouched_count = vouched_.size();
    }
    return input;
  }

  // The batches with a changed byte in [start, end), as [first, last).
  std::pair<size_t, size_t> Hit() const {
    const auto& batches = original_.batches();
    size_t first = batches.size();
    size_t last = 0;
    for (size_t i = 0; i < batches.size(); ++i) {
      const uint64_t start = batches[i].position - kBase;
      const uint64_t end = batches[i].end() - kBase;
      const auto at = original_.data().begin();
      if (!std::equal(at + static_cast<std::ptrdiff_t>(start),
                      at + static_cast<std::ptrdiff_t>(end),
                      damaged_.data().begin() + static_cast<std::ptrdiff_t>(start))) {
        first = std::min(first, i);
        last = i + 1;
      }
    }
    return {first, last};
  }

  // Whether batch `index` was proven durable by a batch behind `last`, or by the recorded end.
  bool Proven(size_t index, size_t last) const {
    const auto& batches = original_.batches();
    return GetParam().sealed ||
           (last < batches.size() && batches.back().header.synced_upto > batches[index].position);
  }

  void ExpectPrefix(const ScanResult& result, size_t index) {
    const auto& batch = original_.batches()[index];
    EXPECT_TRUE(result.damaged.empty());
    EXPECT_EQ(result.end, batch.position);
    EXPECT_EQ(result.next_sequence, batch.header.first_sequence);
    EXPECT_EQ(result.batch_count, index);
  }

  void ExpectOnlyRefused(const ScanResult& result, size_t first, size_t last) {
    const auto& batches = original_.batches();
    const DamagedRange expected{batches[first].position, batches[last - 1].end(),
                                batches[first].header.first_sequence,
                                batches[last - 1].header.next_sequence()};
    EXPECT_EQ(result.damaged, std::vector<DamagedRange>{expected});
    EXPECT_EQ(result.tail, TailVerdict::kClean);
    EXPECT_EQ(result.end, original_.end());
    EXPECT_EQ(result.next_sequence, original_.next_sequence());
    EXPECT_EQ(result.batch_count, batches.size() - (last - first));
  }

  // `exact`: something still says how long the damaged batches were.
  void Judge(bool exact) {
    const JudgedScan scan = RunScan(Input());
    ASSERT_EQ(FindForged(original_, scan), "");
    ASSERT_EQ(FindUnsound(Input(), scan), "");
    const auto [first, last] = Hit();
    if (first >= last) {
      EXPECT_EQ(scan.result.batch_count, original_.batches().size());
      EXPECT_TRUE(scan.result.damaged.empty());
    } else if (!Proven(first, last)) {
      ExpectPrefix(scan.result, first);
    } else if (exact) {
      ExpectOnlyRefused(scan.result, first, last);
    } else {
      ASSERT_EQ(scan.result.damaged.size(), 1u);
      EXPECT_EQ(scan.result.damaged[0].start, original_.batches()[first].position);
      EXPECT_GE(scan.result.end, original_.batches().back().end());
      EXPECT_GE(scan.result.next_sequence, original_.next_sequence());
    }
  }

  void Restore() { damaged_.data() = original_.data(); }

  const SegmentBuilder original_;
  SegmentBuilder damaged_;
  std::vector<uint64_t> vouched_;
};

// A marker with padding has no records that could stand in for its length.
constexpr size_t kPaddedMarker = 4;

TEST_P(DamageTest, EveryBitAndByteChanged) {
  const uint64_t padded_length =
      original_.batches()[kPaddedMarker].position - kBase + format::kBatchRecordsLengthAt;
  for (uint64_t at = 0; at < original_.end() - kBase; ++at) {
    const uint8_t byte = original_.data()[at];
    for (int bit = 0; bit < 10; ++bit) {
      uint8_t changed = static_cast<uint8_t>(byte ^ (1 << (bit % 8)));
      changed = bit == 8 ? uint8_t{0} : changed;
      changed = bit == 9 ? uint8_t{0xff} : changed;
      damaged_.data()[at] = changed;
      Judge(at < padded_length || at >= padded_length + sizeof(uint32_t) ||
            GetParam().vouch == Vouch::kEveryBatch);
      if (HasFailure()) {
        FAIL() << "byte " << at << " set to " << int{changed};
      }
    }
    damaged_.data()[at] = byte;
  }
}

TEST_P(DamageTest, EveryCut) {
  for (uint64_t at = 0; at < original_.end() - kBase; ++at) {
    std::fill(damaged_.data().begin() + static_cast<std::ptrdiff_t>(at), damaged_.data().end(),
              uint8_t{0});
    const JudgedScan scan = RunScan(Input());
    ASSERT_EQ(FindForged(original_, scan), "") << at;
    ASSERT_EQ(FindUnsound(Input(), scan), "") << at;
    const auto first = Hit().first;
    if (first == original_.batches().size()) {
      ASSERT_TRUE(scan.result.damaged.empty());  // zeros were cut from the padding of the last
    } else if (GetParam().sealed) {
      ExpectOnlyRefused(scan.result, first, original_.batches().size());
    } else {
      ExpectPrefix(scan.result, first);
      const uint64_t start = original_.batches()[first].position - kBase;
      EXPECT_EQ(scan.result.tail, start < at ? TailVerdict::kTorn : TailVerdict::kClean);
      EXPECT_LE(scan.result.torn_bytes_end, kBase + std::max(at, start));
    }
    ASSERT_FALSE(HasFailure()) << "cut at " << at;
    Restore();
  }
}

// At every place, not only at multiples of a sector: segments place batches anywhere.
TEST_P(DamageTest, EverySectorLost) {
  for (const uint8_t fill : {uint8_t{0}, uint8_t{0xff}, uint8_t{format::kBatchMarker}}) {
    for (uint64_t at = 0; at < original_.end() - kBase; ++at) {
      const uint64_t end = std::min<uint64_t>(at + kSectorBytes, original_.end() - kBase);
      std::fill(damaged_.data().begin() + static_cast<std::ptrdiff_t>(at),
                damaged_.data().begin() + static_cast<std::ptrdiff_t>(end), fill);
      Judge(GetParam().vouch == Vouch::kEveryBatch);
      ASSERT_FALSE(HasFailure()) << "sector at " << at << " filled with " << int{fill};
      Restore();
    }
  }
}

TEST_P(DamageTest, EveryShortBurst) {
  for (uint64_t at = 0; at + 4 <= original_.end() - kBase; ++at) {
    for (uint64_t i = at; i < at + 4; ++i) {
      damaged_.data()[i] ^= static_cast<uint8_t>(0xa5 + i);
    }
    // A burst can spoil the length together with the first record, or two batches at once: not
    // always exact.
    Judge(GetParam().vouch == Vouch::kEveryBatch);
    ASSERT_FALSE(HasFailure()) << "burst at " << at;
    Restore();
  }
}

TEST_P(DamageTest, RandomDamage) {
  support::SeededRandom random;
  const uint64_t rounds = support::TestCount(3000);
  for (uint64_t round = 0; round < rounds; ++round) {
    const uint32_t changes = 1u << random.Below(7);
    for (uint32_t i = 0; i < changes; ++i) {
      const uint32_t at = random.Below(static_cast<uint32_t>(original_.end() - kBase));
      damaged_.data()[at] ^= static_cast<uint8_t>(1 << random.Below(8));
    }
    const JudgedScan scan = RunScan(Input());
    ASSERT_EQ(FindForged(original_, scan), "") << "round " << round;
    ASSERT_EQ(FindUnsound(Input(), scan), "") << "round " << round;
    Restore();
  }
}

std::string NameOf(const testing::TestParamInfo<Setting>& setting) {
  return setting.param.name;
}

INSTANTIATE_TEST_SUITE_P(Recovery, DamageTest, testing::ValuesIn(kSettings), NameOf);

TEST(RecoveryDamage, TwoDamagedBatchesAreTwoRanges) {
  const SegmentBuilder original = MixedSegment(true);
  for (const bool sealed : {true, false}) {
    SegmentBuilder damaged = original;
    for (const size_t index : {size_t{1}, size_t{3}}) {
      damaged.At(original.batches()[index].end())[-1] ^= 1;
    }
    const ScanInput input = sealed ? damaged.Sealed() : damaged.Open();
    const JudgedScan scan = RunScan(input);
    EXPECT_EQ(FindUnsound(input, scan), "");
    EXPECT_EQ(scan.result.damaged.size(), 2u);
    EXPECT_EQ(scan.result.batch_count, original.batches().size() - 2);
  }
}

TEST(RecoveryDamage, NeighboursAreOneRange) {
  const SegmentBuilder original = MixedSegment(true);
  SegmentBuilder damaged = original;
  damaged.At(original.batches()[5].end())[-1] ^= 1;
  damaged.At(original.batches()[6].end())[-1] ^= 1;
  const JudgedScan scan = RunScan(damaged.Sealed());
  const DamagedRange expected{original.batches()[5].position, original.batches()[6].end(),
                              original.batches()[5].header.first_sequence,
                              original.batches()[6].header.next_sequence()};
  EXPECT_EQ(scan.result.damaged, std::vector<DamagedRange>{expected});
}

}  // namespace
}  // namespace millrace::log
