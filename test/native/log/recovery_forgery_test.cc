// Bytes that look like batches of the log and are none: copies inside records, batches out of
// place, bytes of an earlier life of the file. None is ever served, and none gives out numbers.
#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "native/base/bytes.h"
#include "native/log/recovery.h"
#include "test/support/scan_judge.h"
#include "test/support/segment_builder.h"

namespace millrace::log {
namespace {

using support::BuildBatch;
using support::Bytes;
using support::EncodeRecords;
using support::FindForged;
using support::FindUnsound;
using support::JudgedScan;
using support::RunScan;
using support::SegmentBuilder;
using support::ToString;

constexpr uint64_t kBase = 10000;
constexpr uint64_t kForgedNumber = uint64_t{1} << 60;

// What a record would hold to look like a batch of shard 7.
struct Planted {
  uint64_t first_sequence;
  uint32_t count;
  uint64_t synced_upto;
  uint32_t epoch = 3;

  Bytes bytes() const {
    BatchHeader header;
    header.shard = 7;
    header.first_sequence = first_sequence;
    header.count = count;
    header.synced_upto = synced_upto;
    header.epoch = epoch;
    return BuildBatch(header, count == 0 ? Bytes{} : EncodeRecords({"forged"}));
  }

  std::string text() const { return ToString(bytes()); }
};

void ExpectSound(const SegmentBuilder& original, const ScanInput& input, const std::string& what) {
  const JudgedScan scan = RunScan(input);
  ASSERT_EQ(FindForged(original, scan), "") << what;
  ASSERT_EQ(FindUnsound(input, scan), "") << what;
  ASSERT_LT(scan.result.next_sequence, kForgedNumber) << what;
  ASSERT_LE(scan.result.epoch, 3u) << what;
}

// Every byte flipped, every sector and every small stretch zeroed, sealed and open.
void DamageEverywhere(const SegmentBuilder& original, const std::string& what) {
  struct Stretch {
    uint64_t bytes;
    uint8_t fill;
  };

  SegmentBuilder damaged = original;
  const uint64_t used = original.end() - kBase;
  for (const Stretch stretch : {Stretch{1, 0}, Stretch{1, 0xff}, Stretch{4, 0}, Stretch{76, 0},
                                Stretch{100, 0xff}, Stretch{512, 0}}) {
    for (uint64_t at = 0; at < used; ++at) {
      const auto start = damaged.data().begin() + static_cast<std::ptrdiff_t>(at);
      const uint64_t bytes = std::min(stretch.bytes, used - at);
      std::fill(start, start + static_cast<std::ptrdiff_t>(bytes), stretch.fill);
      const std::string place = what + ", " + std::to_string(bytes) + " bytes at " +
                                std::to_string(at) + " set to " + std::to_string(stretch.fill);
      ASSERT_NO_FATAL_FAILURE(ExpectSound(original, damaged.Sealed(), place));
      ASSERT_NO_FATAL_FAILURE(ExpectSound(original, damaged.Open(), place));
      damaged.data() = original.data();
    }
  }
  for (uint64_t at = 0; at < used; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      damaged.data()[at] ^= static_cast<uint8_t>(1 << bit);
      const std::string place = what + ", bit " + std::to_string(bit) + " of " + std::to_string(at);
      ASSERT_NO_FATAL_FAILURE(ExpectSound(original, damaged.Sealed(), place));
      ASSERT_NO_FATAL_FAILURE(ExpectSound(original, damaged.Open(), place));
      damaged.data()[at] ^= static_cast<uint8_t>(1 << bit);
    }
  }
}

// A batch of numbers 2 to 4 whose second record is `payload`, among others.
SegmentBuilder Around(const std::string& payload, bool synced) {
  SegmentBuilder segment({.data_bytes = 2048});
  segment.Append({"before"});
  if (!synced) {
    segment.FixSyncedUpto(segment.end());
  }
  segment.Append({"one", payload, "x"});
  segment.Append({"after"});
  segment.Append({"and after"});
  return segment;
}

TEST(RecoveryForgery, NoCopyInARecordIsServed) {
  for (const uint64_t first :
       {uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{5}, uint64_t{6}, kForgedNumber}) {
    for (const uint64_t synced_upto : {uint64_t{0}, kBase + 100, UINT64_MAX}) {
      for (const uint32_t count : {0u, 1u, 3u}) {
        const Planted planted{first, count, synced_upto, 9};
        const std::string what = "planted " + std::to_string(first) + " count " +
                                 std::to_string(count) + " su " + std::to_string(synced_upto);
        const SegmentBuilder segment = Around(planted.text(), true);
        ASSERT_NO_FATAL_FAILURE(ExpectSound(segment, segment.Open(), what));
        SegmentBuilder damaged = segment;
        for (uint64_t at = 0; at < segment.end() - kBase; ++at) {
          damaged.data()[at] ^= 0x10;
          ASSERT_NO_FATAL_FAILURE(ExpectSound(segment, damaged.Open(), what));
          ASSERT_NO_FATAL_FAILURE(ExpectSound(segment, damaged.Sealed(), what));
          damaged.data()[at] ^= 0x10;
        }
      }
    }
  }
}

// The record ends the batch, and the copy ends the record: what is planted chains to the real batch
// behind it.
TEST(RecoveryForgery, NoCopyThatChainsToTheNextBatchIsServed) {
  for (const bool synced : {true, false}) {
    for (const uint32_t planted_count : {0u, 1u, 2u}) {
      SegmentBuilder segment({.data_bytes = 2048});
      segment.Append({"before"});
      if (!synced) {
        segment.FixSyncedUpto(kBase);
      }
      // Numbers 2 to 4 are the damaged batch's; the copy claims the last of them.
      const Planted planted{5 - planted_count, planted_count, kBase + 50};
      segment.Append({"one", "two", "junk" + planted.text()});
      segment.Append({"after"});
      segment.Append({"and after"});
      DamageEverywhere(segment, "chaining copy of " + std::to_string(planted_count));
      ASSERT_FALSE(HasFatalFailure());
    }
  }
}

// Two places claim the number behind the damage. The one from which batches lead to a start that
// the index knows is the right one, and nothing but the damaged batch is refused.
TEST(RecoveryForgery, ACopyThatClaimsTheNextNumberCostsNoOtherBatch) {
  SegmentBuilder segment = Around(Planted{5, 1, 0}.text(), true);
  const std::vector<uint64_t> starts = segment.Positions();
  ASSERT_EQ(starts.size(), 4u);
  const uint64_t vouched = starts[3];
  const uint64_t vouched_sequence = 6;
  const SegmentBuilder original = segment;
  for (uint64_t at = starts[1] - kBase; at < starts[2] - kBase; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      segment.data()[at] ^= static_cast<uint8_t>(1 << bit);
      ScanInput input = segment.Sealed();
      input.vouched = &vouched;
      input.vouched_sequences = &vouched_sequence;
      input.vouched_count = 1;
      const JudgedScan scan = RunScan(input);
      ASSERT_EQ(FindForged(original, scan), "") << at;
      ASSERT_EQ(scan.result.damaged.size(), 1u) << at;
      ASSERT_EQ(scan.result.damaged[0].start, starts[1]) << at;
      ASSERT_EQ(scan.result.damaged[0].end, starts[2]) << at << " bit " << bit;
      segment.data()[at] ^= static_cast<uint8_t>(1 << bit);
    }
  }
}

TEST(RecoveryForgery, NoChainOfCopiesIsServed) {
  std::string chain;
  for (uint64_t number = 2; number < 6; ++number) {
    chain += Planted{number, 1, kBase + 200}.text();
  }
  DamageEverywhere(Around(chain, true), "chain of copies");
}

// Puts a copy of the planted batch wherever a flipped bit of a batch's length would make it end:
// into its own payload `inside`, and into the payload `behind` of the batch after it.
class LandingPlan {
 public:
  explicit LandingPlan(uint32_t flags) : flags_(flags) {
    const SegmentBuilder plan = Build();
    const uint32_t length = plan.batches()[0].header.records_bytes;
    const Bytes planted = Planted{2, 1, kBase}.bytes();
    const uint64_t inside_at = length - inside_.size();
    const uint64_t behind_at = plan.batches()[1].end() - behind_.size() - plan.batches()[0].end();
    for (uint32_t bit = 7; bit < 15; ++bit) {
      const uint64_t landing = uint64_t{length} ^ (1u << bit);
      if (landing >= inside_at && landing + planted.size() <= length) {
        inside_.replace(landing - inside_at, planted.size(), ToString(planted));
      } else if (landing >= length + behind_at) {
        behind_.replace(landing - length - behind_at, planted.size(), ToString(planted));
      }
    }
  }

  SegmentBuilder Build() const {
    SegmentBuilder segment({.data_bytes = 65536});
    segment.AppendRecords(EncodeRecords({inside_}), 1, flags_);
    segment.AppendRecords(EncodeRecords({behind_}), 1, flags_);
    segment.Append({"after"});
    return segment;
  }

 private:
  uint32_t flags_;
  std::string inside_ = std::string(6000, 'p');
  std::string behind_ = std::string(20000, 'q');
};

// Every length that one flipped bit makes lands on a copy that continues with the right number.
// Records that are compressed say nothing against it; the real batch behind does.
TEST(RecoveryForgery, AFlippedLengthThatLandsOnACopyIsFoundOut) {
  for (const uint32_t flags : {0u, 1u}) {
    const SegmentBuilder segment = LandingPlan(flags).Build();
    const uint32_t length = segment.batches()[0].header.records_bytes;
    SegmentBuilder damaged = segment;
    int landed = 0;
    for (uint32_t bit = 0; bit < 32; ++bit) {
      const uint32_t flipped = length ^ (1u << bit);
      base::StoreBig32(damaged.At(kBase + format::kBatchRecordsLengthAt), flipped);
      BatchHeader header;
      const uint64_t landing = format::kBatchHeaderBytes + uint64_t{flipped};
      landed += landing < damaged.data().size() &&
                CheckBatch(damaged.data().data() + landing, damaged.data().size() - landing,
                           &header) == BatchCheck::kWhole;
      for (const ScanInput& input : {damaged.Open(), damaged.Sealed()}) {
        ASSERT_NO_FATAL_FAILURE(ExpectSound(segment, input, "bit " + std::to_string(bit)));
      }
    }
    EXPECT_GE(landed, 6);
  }
}

// Compressed records are not checked when they are taken, so they can imitate anything, records
// included.
TEST(RecoveryForgery, NoCopyInACompressedPayloadIsServed) {
  for (const bool imitates_records : {false, true}) {
    Bytes payload = imitates_records ? EncodeRecords({"one", "two"}) : Bytes{};
    const Bytes planted = Planted{imitates_records ? 4u : 2u, 2, kBase + 60}.bytes();
    payload.insert(payload.end(), planted.begin(), planted.end());
    SegmentBuilder segment({.data_bytes = 2048});
    segment.Append({"before"});
    segment.AppendRecords(payload, 4, 1);
    segment.Append({"after"});
    DamageEverywhere(segment, imitates_records ? "imitated records" : "bare copy");
    ASSERT_FALSE(HasFatalFailure());
  }
}

// A crash in the middle of a batch whose records claim that everything was durable, and use up the
// numbers.
TEST(RecoveryForgery, ATornBatchCannotUseTheNumbersUp) {
  const Planted planted{kForgedNumber, 1, UINT64_MAX, 77};
  SegmentBuilder segment({});
  segment.Append({"before"});
  segment.Append({planted.text(), std::string(500, 'z')});
  const auto& torn = segment.batches()[1];
  SegmentBuilder damaged = segment;
  std::fill(damaged.At(torn.end() - 300), damaged.At(torn.end()), uint8_t{0});
  const JudgedScan scan = RunScan(damaged.Open());
  EXPECT_EQ(FindForged(segment, scan), "");
  EXPECT_EQ(FindUnsound(damaged.Open(), scan), "");
  EXPECT_LT(scan.result.next_sequence, kForgedNumber);
  EXPECT_EQ(scan.result.epoch, 3u);
  EXPECT_EQ(scan.visitor.seen().size(), 1u);

  // With the header gone nothing contradicts the copy, so it keeps its bytes from being cut, and no
  // more.
  std::fill(damaged.At(torn.position), damaged.At(torn.position + format::kBatchHeaderBytes),
            uint8_t{0});
  ASSERT_NO_FATAL_FAILURE(ExpectSound(segment, damaged.Open(), "header and end lost"));
  EXPECT_EQ(RunScan(damaged.Open()).result.damaged.size(), 1u);
}

}  // namespace
}  // namespace millrace::log
