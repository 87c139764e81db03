#include "native/log/segment_index.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "native/base/bytes.h"
#include "native/base/crc32c.h"

namespace millrace::log {
namespace {

constexpr uint64_t kIndexMagic = 0x0a31584449524c4d;  // "MLRIDX1\n"
constexpr uint32_t kIndexVersion = 1;
constexpr size_t kIndexHeaderBytes = 96;
constexpr size_t kIndexPointBytes = 16;
constexpr size_t kIndexChecksumBytes = 4;
constexpr uint32_t kFirstPoints = 8;

enum HeaderAt : size_t {
  kMagicAt = 0,
  kVersionAt = 8,
  kPointCountAt = 12,
  kDirectoryIdAt = 16,
  kShardAt = 24,
  kBasePositionAt = 32,
  kEndPositionAt = 40,
  kFirstSequenceAt = 48,
  kChainHashAt = 56,
  kBatchCountAt = 64,
  kFirstArrivalAt = 72,
  kLastArrivalAt = 80,
  kSnapshotBytesAt = 88,
};

bool IdentityMatches(const uint8_t* data, const IndexIdentity& expected) {
  return base::LoadLittle64(data + kMagicAt) == kIndexMagic &&
         base::LoadLittle32(data + kVersionAt) == kIndexVersion &&
         base::LoadLittle64(data + kDirectoryIdAt) == expected.directory_id &&
         base::LoadLittle64(data + kShardAt) == expected.shard &&
         base::LoadLittle64(data + kBasePositionAt) == expected.base_position &&
         base::LoadLittle64(data + kEndPositionAt) == expected.end_position;
}

bool ChecksumMatches(const uint8_t* data, size_t size) {
  const size_t checked = size - kIndexChecksumBytes;
  return base::LoadLittle32(data + checked) == format::MaskCrc(base::Crc32c(0, data, checked));
}

IndexPoint LoadPoint(const uint8_t* at) {
  return {.relative_position = base::LoadLittle32(at),
          .relative_sequence = base::LoadLittle32(at + 4),
          .arrival_millis = base::LoadLittle64(at + 8)};
}

void StorePoint(uint8_t* at, const IndexPoint& point) {
  base::StoreLittle32(at, point.relative_position);
  base::StoreLittle32(at + 4, point.relative_sequence);
  base::StoreLittle64(at + 8, point.arrival_millis);
}

// The checksum says that the bytes are those that were written; this says that they were worth
// writing.
bool PointsAreOrdered(const IndexPoint* points, size_t count, uint64_t segment_bytes) {
  for (size_t i = 0; i < count; ++i) {
    if (points[i].relative_position >= segment_bytes) {
      return false;
    }
    if (i > 0 && (points[i].relative_position <= points[i - 1].relative_position ||
                  points[i].relative_sequence < points[i - 1].relative_sequence ||
                  points[i].arrival_millis < points[i - 1].arrival_millis)) {
      return false;
    }
  }
  return true;
}

template <typename Before>
IndexPoint LastPoint(const IndexPoint* points, size_t count, Before before) {
  const IndexPoint* end = std::partition_point(points, points + count, before);
  return end == points ? IndexPoint{} : end[-1];
}

}  // namespace

uint64_t ExtendChainHash(uint64_t hash, uint64_t position, uint32_t crc32c) {
  hash ^= position * 0x9e3779b97f4a7c15u;
  hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u;
  hash ^= crc32c;
  hash = (hash ^ (hash >> 32)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

SegmentIndex::SegmentIndex(SegmentIndex&& other) noexcept {
  *this = std::move(other);
}

SegmentIndex& SegmentIndex::operator=(SegmentIndex&& other) noexcept {
  points_ = std::move(other.points_);
  point_count_ = std::exchange(other.point_count_, 0);
  point_capacity_ = std::exchange(other.point_capacity_, 0);
  base_position_ = other.base_position_;
  first_sequence_ = other.first_sequence_;
  chain_hash_ = std::exchange(other.chain_hash_, 0);
  batch_count_ = std::exchange(other.batch_count_, 0);
  first_arrival_millis_ = std::exchange(other.first_arrival_millis_, 0);
  last_arrival_millis_ = std::exchange(other.last_arrival_millis_, 0);
  return *this;
}

bool SegmentIndex::Add(uint64_t position, const BatchHeader& header) {
  chain_hash_ = ExtendChainHash(chain_hash_, position, header.crc32c);
  if (batch_count_++ == 0) {
    first_arrival_millis_ = header.arrival_millis;
  }
  last_arrival_millis_ = header.arrival_millis;
  const uint64_t relative_position = position - base_position_;
  const uint64_t relative_sequence = header.first_sequence - first_sequence_;
  const bool due =
      point_count_ == 0 ||
      relative_position - points_[point_count_ - 1].relative_position >= kIndexIntervalBytes;
  // A segment is far smaller than 4 GiB; the numbers in it need not be close to each other.
  if (!due || relative_position > UINT32_MAX || relative_sequence > UINT32_MAX) {
    return true;
  }
  if (point_count_ == point_capacity_ &&
      !Reserve(std::max(kFirstPoints, point_capacity_ + point_capacity_))) {
    return false;
  }
  points_[point_count_++] = {.relative_position = static_cast<uint32_t>(relative_position),
                             .relative_sequence = static_cast<uint32_t>(relative_sequence),
                             .arrival_millis = header.arrival_millis};
  return true;
}

bool SegmentIndex::Reserve(uint32_t count) {
  std::unique_ptr<IndexPoint[]> points(new (std::nothrow) IndexPoint[count]);
  if (points == nullptr) {
    return false;
  }
  std::copy_n(points_.get(), point_count_, points.get());
  points_ = std::move(points);
  point_capacity_ = count;
  return true;
}

IndexPoint SegmentIndex::FindSequence(uint64_t sequence) const {
  const uint64_t relative = std::max(sequence, first_sequence_) - first_sequence_;
  return LastPoint(points_.get(), point_count_, [relative](const IndexPoint& point) {
    return point.relative_sequence <= relative;
  });
}

IndexPoint SegmentIndex::FindPosition(uint64_t position) const {
  const uint64_t relative = std::max(position, base_position_) - base_position_;
  return LastPoint(points_.get(), point_count_, [relative](const IndexPoint& point) {
    return point.relative_position <= relative;
  });
}

IndexPoint SegmentIndex::FindTime(uint64_t millis) const {
  return LastPoint(points_.get(), point_count_,
                   [millis](const IndexPoint& point) { return point.arrival_millis < millis; });
}

std::vector<uint64_t> SegmentIndex::VouchedPositions() const {
  std::vector<uint64_t> positions(point_count_);
  std::transform(points_.get(), points_.get() + point_count_, positions.begin(),
                 [this](const IndexPoint& point) { return PositionOf(point); });
  return positions;
}

std::vector<uint64_t> SegmentIndex::VouchedSequences() const {
  std::vector<uint64_t> sequences;
  sequences.reserve(point_count_);
  for (uint32_t i = 0; i < point_count_; ++i) {
    sequences.push_back(first_sequence_ + points_[i].relative_sequence);
  }
  return sequences;
}

std::vector<uint8_t> EncodeIndex(const SegmentIndex& index, const IndexIdentity& identity,
                                 const DuplicateSnapshotView& duplicates) {
  const size_t points_bytes = index.point_count() * kIndexPointBytes;
  std::vector<uint8_t> out(kIndexHeaderBytes + points_bytes + duplicates.size +
                           kIndexChecksumBytes);
  uint8_t* data = out.data();
  base::StoreLittle64(data + kMagicAt, kIndexMagic);
  base::StoreLittle32(data + kVersionAt, kIndexVersion);
  base::StoreLittle32(data + kPointCountAt, static_cast<uint32_t>(index.point_count()));
  base::StoreLittle64(data + kDirectoryIdAt, identity.directory_id);
  base::StoreLittle64(data + kShardAt, identity.shard);
  base::StoreLittle64(data + kBasePositionAt, identity.base_position);
  base::StoreLittle64(data + kEndPositionAt, identity.end_position);
  base::StoreLittle64(data + kFirstSequenceAt, index.first_sequence());
  base::StoreLittle64(data + kChainHashAt, index.chain_hash());
  base::StoreLittle64(data + kBatchCountAt, index.batch_count());
  base::StoreLittle64(data + kFirstArrivalAt, index.first_arrival_millis());
  base::StoreLittle64(data + kLastArrivalAt, index.last_arrival_millis());
  base::StoreLittle64(data + kSnapshotBytesAt, duplicates.size);
  for (size_t i = 0; i < index.point_count(); ++i) {
    StorePoint(data + kIndexHeaderBytes + i * kIndexPointBytes, index.point(i));
  }
  if (duplicates.size > 0) {
    std::memcpy(data + kIndexHeaderBytes + points_bytes, duplicates.data, duplicates.size);
  }
  const size_t checked = out.size() - kIndexChecksumBytes;
  base::StoreLittle32(data + checked, format::MaskCrc(base::Crc32c(0, data, checked)));
  return out;
}

bool DecodeIndex(const uint8_t* data, size_t size, const IndexIdentity& expected,
                 SegmentIndex* index, DuplicateSnapshotView* duplicates) {
  constexpr size_t kFixedBytes = kIndexHeaderBytes + kIndexChecksumBytes;
  if (size < kFixedBytes || !IdentityMatches(data, expected) || !ChecksumMatches(data, size)) {
    return false;
  }
  const uint32_t count = base::LoadLittle32(data + kPointCountAt);
  const uint64_t snapshot_bytes = base::LoadLittle64(data + kSnapshotBytesAt);
  const uint64_t batch_count = base::LoadLittle64(data + kBatchCountAt);
  const uint64_t points_bytes = uint64_t{count} * kIndexPointBytes;
  if (points_bytes > size - kFixedBytes || snapshot_bytes != size - kFixedBytes - points_bytes ||
      count > batch_count || expected.end_position < expected.base_position) {
    return false;
  }
  SegmentIndex decoded(expected.base_position, base::LoadLittle64(data + kFirstSequenceAt));
  if (count > 0 && !decoded.Reserve(count)) {
    return false;
  }
  for (uint32_t i = 0; i < count; ++i) {
    decoded.points_[i] = LoadPoint(data + kIndexHeaderBytes + i * kIndexPointBytes);
  }
  decoded.point_count_ = count;
  decoded.chain_hash_ = base::LoadLittle64(data + kChainHashAt);
  decoded.batch_count_ = batch_count;
  decoded.first_arrival_millis_ = base::LoadLittle64(data + kFirstArrivalAt);
  decoded.last_arrival_millis_ = base::LoadLittle64(data + kLastArrivalAt);
  if (!PointsAreOrdered(decoded.points_.get(), count,
                        expected.end_position - expected.base_position)) {
    return false;
  }
  *index = std::move(decoded);
  if (duplicates != nullptr) {
    *duplicates = {.data = data + kIndexHeaderBytes + points_bytes,
                   .size = static_cast<size_t>(snapshot_bytes)};
  }
  return true;
}

}  // namespace millrace::log
