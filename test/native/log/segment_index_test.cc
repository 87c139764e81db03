#include "native/log/segment_index.h"

#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "native/base/bytes.h"
#include "native/base/crc32c.h"
#include "test/support/seeded_random.h"
#include "test/support/segment_builder.h"

namespace millrace::log {
namespace {

constexpr uint64_t kBase = uint64_t{1} << 40;
constexpr uint64_t kFirst = uint64_t{1} << 50;

struct Placed {
  uint64_t position;
  BatchHeader header;
};

// Batches of `bytes` each, two records a batch, three milliseconds apart, every fifth a marker.
std::vector<Placed> Batches(size_t count, uint32_t bytes) {
  std::vector<Placed> batches;
  uint64_t position = kBase;
  uint64_t sequence = kFirst;
  for (size_t i = 0; i < count; ++i) {
    BatchHeader header;
    header.first_sequence = sequence;
    header.count = i % 5 == 4 ? 0 : 2;
    header.arrival_millis = 5000 + 3 * i;
    header.records_bytes = bytes;
    header.crc32c = static_cast<uint32_t>(i * 77);
    batches.push_back({position, header});
    position += header.bytes();
    sequence = header.next_sequence();
  }
  return batches;
}

SegmentIndex IndexOf(const std::vector<Placed>& batches) {
  SegmentIndex index(kBase, kFirst);
  for (const Placed& batch : batches) {
    EXPECT_TRUE(index.Add(batch.position, batch.header));
  }
  return index;
}

IndexIdentity Identity() {
  return {
      .directory_id = 11, .shard = 22, .base_position = kBase, .end_position = kBase + (8 << 20)};
}

bool Same(const SegmentIndex& a, const SegmentIndex& b) {
  if (a.point_count() != b.point_count() || a.chain_hash() != b.chain_hash() ||
      a.batch_count() != b.batch_count() || a.base_position() != b.base_position() ||
      a.first_sequence() != b.first_sequence() ||
      a.first_arrival_millis() != b.first_arrival_millis() ||
      a.last_arrival_millis() != b.last_arrival_millis()) {
    return false;
  }
  for (size_t i = 0; i < a.point_count(); ++i) {
    if (a.point(i) != b.point(i)) {
      return false;
    }
  }
  return true;
}

TEST(SegmentIndex, AnEmptyIndexHoldsNoHeapAndStartsAtTheSegment) {
  const SegmentIndex index(kBase, kFirst);
  EXPECT_EQ(index.heap_bytes(), 0u);
  EXPECT_EQ(index.FindSequence(kFirst + 9), IndexPoint{});
  EXPECT_EQ(index.FindPosition(kBase + 9), IndexPoint{});
  EXPECT_EQ(index.FindTime(9), IndexPoint{});
  EXPECT_EQ(index.PositionOf(IndexPoint{}), kBase);
  EXPECT_TRUE(index.VouchedPositions().empty());
}

TEST(SegmentIndex, KeepsAPointPerInterval) {
  const std::vector<Placed> batches = Batches(2000, 924);
  const SegmentIndex index = IndexOf(batches);
  EXPECT_EQ(index.batch_count(), batches.size());
  EXPECT_EQ(index.first_arrival_millis(), 5000u);
  EXPECT_EQ(index.last_arrival_millis(), batches.back().header.arrival_millis);
  ASSERT_GT(index.point_count(), 100u);
  EXPECT_EQ(index.point(0).relative_position, 0u);
  std::set<uint64_t> starts;
  for (const Placed& batch : batches) {
    starts.insert(batch.position);
  }
  for (size_t i = 0; i < index.point_count(); ++i) {
    EXPECT_TRUE(starts.count(index.PositionOf(index.point(i))) == 1);
    if (i > 0) {
      const uint64_t step = index.point(i).relative_position - index.point(i - 1).relative_position;
      EXPECT_GE(step, kIndexIntervalBytes);
      EXPECT_LT(step, kIndexIntervalBytes + 1000);
    }
  }
  EXPECT_EQ(index.VouchedPositions().size(), index.point_count());
  EXPECT_EQ(index.VouchedPositions()[1], index.PositionOf(index.point(1)));
}

// From each point a walk finds what was asked for, and does not have to walk further than two
// intervals.
TEST(SegmentIndex, EveryLookupStartsAtOrBeforeItsAnswer) {
  const std::vector<Placed> batches = Batches(1500, 333);
  const SegmentIndex index = IndexOf(batches);
  for (size_t i = 0; i < batches.size(); ++i) {
    const Placed& batch = batches[i];
    const uint64_t by_position = index.PositionOf(index.FindPosition(batch.position + 1));
    EXPECT_LE(by_position, batch.position);
    EXPECT_LT(batch.position - by_position, 2 * kIndexIntervalBytes);

    if (batch.header.count > 0) {
      const IndexPoint point = index.FindSequence(batch.header.next_sequence() - 1);
      EXPECT_LE(index.PositionOf(point), batch.position);
      EXPECT_LE(kFirst + point.relative_sequence, batch.header.first_sequence);
      EXPECT_LT(batch.position - index.PositionOf(point), 2 * kIndexIntervalBytes);
    }

    const IndexPoint time = index.FindTime(batch.header.arrival_millis);
    EXPECT_TRUE(time == IndexPoint{} || time.arrival_millis < batch.header.arrival_millis ||
                time == index.point(0));
    EXPECT_LE(index.PositionOf(time), batch.position);
  }
  EXPECT_EQ(index.FindSequence(0), index.point(0));
  EXPECT_EQ(index.FindPosition(0), index.point(0));
  EXPECT_EQ(index.FindTime(0), IndexPoint{});
  EXPECT_EQ(index.FindTime(UINT64_MAX), index.point(index.point_count() - 1));
  EXPECT_EQ(index.FindSequence(UINT64_MAX), index.point(index.point_count() - 1));
}

// All batches of one millisecond: the first of them must be found, so the point before them is the
// answer.
TEST(SegmentIndex, FindTimeStartsBeforeEqualTimes) {
  std::vector<Placed> batches = Batches(300, 1000);
  for (size_t i = 50; i < batches.size(); ++i) {
    batches[i].header.arrival_millis = 9000;
  }
  const SegmentIndex index = IndexOf(batches);
  EXPECT_LE(index.PositionOf(index.FindTime(9000)), batches[50].position);
}

TEST(SegmentIndex, FarNumbersAreLeftOut) {
  SegmentIndex index(kBase, kFirst);
  BatchHeader header;
  header.first_sequence = kFirst;
  header.records_bytes = 20000;
  EXPECT_TRUE(index.Add(kBase, header));
  header.first_sequence = kFirst + UINT32_MAX;
  EXPECT_TRUE(index.Add(kBase + 20076, header));
  header.first_sequence = kFirst + UINT32_MAX + 1;
  EXPECT_TRUE(index.Add(kBase + 2 * 20076, header));
  EXPECT_EQ(index.point_count(), 2u);
  EXPECT_EQ(index.batch_count(), 3u);
  EXPECT_EQ(index.FindSequence(kFirst + UINT32_MAX + 1).relative_position, 20076u);
}

TEST(SegmentIndex, ChainHashSeesOrderPositionAndChecksum) {
  const uint64_t a = ExtendChainHash(ExtendChainHash(0, 100, 1), 200, 2);
  EXPECT_EQ(a, ExtendChainHash(ExtendChainHash(0, 100, 1), 200, 2));
  EXPECT_NE(a, ExtendChainHash(ExtendChainHash(0, 200, 2), 100, 1));
  EXPECT_NE(a, ExtendChainHash(ExtendChainHash(0, 100, 2), 200, 1));
  EXPECT_NE(a, ExtendChainHash(ExtendChainHash(0, 100, 1), 201, 2));
  EXPECT_NE(a, ExtendChainHash(0, 200, 2));
  EXPECT_NE(ExtendChainHash(0, 0, 0), ExtendChainHash(ExtendChainHash(0, 0, 0), 0, 1));
  std::set<uint64_t> hashes;
  for (uint32_t i = 0; i < 10000; ++i) {
    hashes.insert(ExtendChainHash(7, i * 100, i));
    hashes.insert(ExtendChainHash(7, 5, 1u << 31 | i));
  }
  EXPECT_EQ(hashes.size(), 20000u);
}

TEST(IndexFile, ReadsWhatItWrote) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{700}}) {
    const SegmentIndex index = IndexOf(Batches(count, 924));
    const support::Bytes snapshot = {1, 2, 3, 4, 5};
    const std::vector<uint8_t> bytes =
        EncodeIndex(index, Identity(), {snapshot.data(), snapshot.size()});
    SegmentIndex decoded;
    DuplicateSnapshotView view;
    ASSERT_TRUE(DecodeIndex(bytes.data(), bytes.size(), Identity(), &decoded, &view));
    EXPECT_TRUE(Same(decoded, index));
    EXPECT_EQ(support::Bytes(view.data, view.data + view.size), snapshot);
    ASSERT_TRUE(DecodeIndex(bytes.data(), bytes.size(), Identity(), &decoded, nullptr));
  }
}

TEST(IndexFile, AnythingOfAnotherSegmentCountsAsMissing) {
  const SegmentIndex index = IndexOf(Batches(100, 924));
  const std::vector<uint8_t> bytes = EncodeIndex(index, Identity(), {});
  SegmentIndex decoded;
  for (uint64_t IndexIdentity::*field :
       {&IndexIdentity::directory_id, &IndexIdentity::shard, &IndexIdentity::base_position,
        &IndexIdentity::end_position}) {
    IndexIdentity other = Identity();
    other.*field += 1;
    EXPECT_FALSE(DecodeIndex(bytes.data(), bytes.size(), other, &decoded, nullptr));
  }
  EXPECT_TRUE(DecodeIndex(bytes.data(), bytes.size(), Identity(), &decoded, nullptr));
}

TEST(IndexFile, EveryChangedByteAndEveryCutCountsAsMissing) {
  const SegmentIndex index = IndexOf(Batches(100, 924));
  const support::Bytes snapshot = {9, 9, 9};
  const std::vector<uint8_t> bytes =
      EncodeIndex(index, Identity(), {snapshot.data(), snapshot.size()});
  SegmentIndex decoded(1, 2);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::vector<uint8_t> changed = bytes;
    changed[at] ^= 0x40;
    ASSERT_FALSE(DecodeIndex(changed.data(), changed.size(), Identity(), &decoded, nullptr)) << at;
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    ASSERT_FALSE(DecodeIndex(cut.data(), cut.size(), Identity(), &decoded, nullptr)) << at;
  }
  EXPECT_EQ(decoded.base_position(), 1u);
  EXPECT_EQ(decoded.point_count(), 0u);
}

// A right checksum over points that no index has.
TEST(IndexFile, PointsOutOfOrderCountAsMissing) {
  constexpr size_t kPointsAt = 96;
  const SegmentIndex index = IndexOf(Batches(100, 924));
  ASSERT_GE(index.point_count(), 4u);
  const std::vector<uint8_t> bytes = EncodeIndex(index, Identity(), {});
  for (const size_t field : {size_t{0}, size_t{4}, size_t{8}}) {
    std::vector<uint8_t> changed = bytes;
    base::StoreLittle32(changed.data() + kPointsAt + 2 * 16 + field, 0);
    const size_t checked = changed.size() - 4;
    base::StoreLittle32(changed.data() + checked,
                        format::MaskCrc(base::Crc32c(0, changed.data(), checked)));
    SegmentIndex decoded;
    EXPECT_FALSE(DecodeIndex(changed.data(), changed.size(), Identity(), &decoded, nullptr))
        << field;
  }
}

// What the index vouches for is where a scan resumes: only the damaged stretch between two points
// is refused.
TEST(IndexFile, VouchesForAScan) {
  support::SegmentBuilder segment({.data_bytes = 1 << 20});
  SegmentIndex index(segment.base_position(), 1);
  for (int i = 0; i < 600; ++i) {
    segment.Append({std::string(900, 'v')});
    index.Add(segment.batches().back().position, segment.batches().back().header);
  }
  support::SegmentBuilder damaged = segment;
  std::fill(damaged.At(segment.batches()[200].position - 100),
            damaged.At(segment.batches()[200].position + 412), uint8_t{0});
  ScanInput input = damaged.Sealed();
  const std::vector<uint64_t> vouched = index.VouchedPositions();
  input.vouched = vouched.data();
  input.vouched_count = vouched.size();
  const ScanResult result = ScanSegment(input, nullptr);
  ASSERT_EQ(result.damaged.size(), 1u);
  EXPECT_EQ(result.damaged[0].start, segment.batches()[199].position);
  EXPECT_LT(result.damaged[0].end - result.damaged[0].start, 2 * kIndexIntervalBytes);
  EXPECT_EQ(result.next_sequence, segment.next_sequence());
  EXPECT_GT(result.batch_count, 575u);
}

}  // namespace
}  // namespace millrace::log
