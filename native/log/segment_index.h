// The sparse index of one segment: from a sequence number, a time or a position to the start of a
// batch at or before it. Built while batches are appended or scanned, saved beside the segment when
// it is sealed, and rebuilt from the segment whenever the saved one is missing or wrong; so it may
// lack points, and a lookup then starts further back.
//
// Owned by its segment. Not thread-safe: the owner's lock covers Add and the lookups. An empty
// index holds no heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/log/batch_view.h"

namespace millrace::log {

// A point is kept for the first batch and then for each batch that starts at least this far behind
// the last point.
inline constexpr uint64_t kIndexIntervalBytes = 4 * 1024;

struct IndexPoint {
  uint32_t relative_position = 0;  // to the base position of the segment
  uint32_t relative_sequence = 0;  // to the first sequence number of the segment
  uint64_t arrival_millis = 0;

  friend bool operator==(const IndexPoint&, const IndexPoint&) = default;
};

static_assert(sizeof(IndexPoint) == 16);

// Folds one batch into the hash that names the content of a segment (SegmentSeal::chain_hash).
// Order matters. Starts from 0.
uint64_t ExtendChainHash(uint64_t hash, uint64_t position, uint32_t crc32c);

// What an index file must belong to, or it counts as missing.
struct IndexIdentity {
  uint64_t directory_id = 0;
  uint64_t shard = 0;
  uint64_t base_position = 0;
  uint64_t end_position = 0;  // of the sealed segment
};

// Opaque bytes that travel in the index file: the duplicate table as it was at the end of the
// segment. The view points into the bytes given to DecodeIndex.
struct DuplicateSnapshotView {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

class SegmentIndex {
 public:
  SegmentIndex() = default;

  SegmentIndex(uint64_t base_position, uint64_t first_sequence)
      : base_position_(base_position), first_sequence_(first_sequence) {}

  SegmentIndex(SegmentIndex&&) noexcept;
  SegmentIndex& operator=(SegmentIndex&&) noexcept;
  SegmentIndex(const SegmentIndex&) = delete;
  SegmentIndex& operator=(const SegmentIndex&) = delete;
  ~SegmentIndex() = default;

  // Takes in the batch at `position`; batches come in the order of the log. False when there was no
  // memory for its point, which is harmless: everything else is taken in, and the next batch tries
  // again.
  bool Add(uint64_t position, const BatchHeader& header);

  // The last point at or before what is asked for, or a point at the start of the segment when
  // there is none.
  IndexPoint FindSequence(uint64_t sequence) const;
  IndexPoint FindPosition(uint64_t position) const;

  // The last point whose batch arrived before `millis`: a scan for the first batch that arrived at
  // or after `millis` starts there.
  IndexPoint FindTime(uint64_t millis) const;

  uint64_t PositionOf(const IndexPoint& point) const {
    return base_position_ + point.relative_position;
  }

  uint64_t base_position() const { return base_position_; }

  uint64_t first_sequence() const { return first_sequence_; }

  uint64_t chain_hash() const { return chain_hash_; }

  uint64_t batch_count() const { return batch_count_; }

  uint64_t first_arrival_millis() const { return first_arrival_millis_; }  // 0 while empty

  uint64_t last_arrival_millis() const { return last_arrival_millis_; }  // 0 while empty

  size_t point_count() const { return point_count_; }

  const IndexPoint& point(size_t at) const { return points_[at]; }

  size_t heap_bytes() const { return point_capacity_ * sizeof(IndexPoint); }

  // The positions of all points, ascending, and their sequence numbers, as ScanInput wants them.
  std::vector<uint64_t> VouchedPositions() const;
  std::vector<uint64_t> VouchedSequences() const;

 private:
  friend bool DecodeIndex(const uint8_t* data, size_t size, const IndexIdentity& expected,
                          SegmentIndex* index, DuplicateSnapshotView* duplicates);

  bool Reserve(uint32_t count);

  std::unique_ptr<IndexPoint[]> points_;
  uint32_t point_count_ = 0;
  uint32_t point_capacity_ = 0;
  uint64_t base_position_ = 0;
  uint64_t first_sequence_ = 0;
  uint64_t chain_hash_ = 0;
  uint64_t batch_count_ = 0;
  uint64_t first_arrival_millis_ = 0;
  uint64_t last_arrival_millis_ = 0;
};

// The bytes of an index file (.idx), little-endian:
//
//   byte  0  u64 magic "MLRIDX1\n"
//         8  u32 version
//        12  u32 point count
//        16  u64 directory id
//        24  u64 shard
//        32  u64 base position
//        40  u64 end position
//        48  u64 first sequence
//        56  u64 chain hash
//        64  u64 batch count
//        72  u64 first arrival millis
//        80  u64 last arrival millis
//        88  u64 snapshot bytes
//        96  points: u32 relative position, u32 relative sequence, u64 arrival millis
//            snapshot of the duplicate table
//            u32 masked CRC32C over all before it
std::vector<uint8_t> EncodeIndex(const SegmentIndex& index, const IndexIdentity& identity,
                                 const DuplicateSnapshotView& duplicates);

// Reads an index file. False, with nothing changed, at any doubt: the caller then rebuilds the
// index from the segment. `duplicates` may be null.
bool DecodeIndex(const uint8_t* data, size_t size, const IndexIdentity& expected,
                 SegmentIndex* index, DuplicateSnapshotView* duplicates);

}  // namespace millrace::log
