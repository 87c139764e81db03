// The segment file: a fixed number of bytes, fully allocated, that holds a run of batches of one
// shard. FORMAT.md is the specification; these constants are its only home.
//
//   [0, 4096)              header block: the segment header at 0, the rest zero
//   [4096, size - 4096)    batches, back to back, then zeros or bytes of an earlier life
//   [size - 4096, size)    trailer block: a copy of the header at 0, the seal at 512
//
// A position is a byte place in a shard's log, across its segments: the batch at file offset o of a
// segment has the position base_position + (o - 4096). The next segment of the shard begins where
// the last batch of this one ends. Integers are little-endian: only Millrace reads these blocks.
// Each structure ends with the masked CRC32C of what stands before it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::format {

inline constexpr uint32_t kFormatVersion = 1;

inline constexpr uint64_t kSegmentHeaderBlockBytes = 4096;
inline constexpr uint64_t kSegmentTrailerBlockBytes = 4096;
inline constexpr uint64_t kSegmentOverheadBytes =
    kSegmentHeaderBlockBytes + kSegmentTrailerBlockBytes;
inline constexpr uint64_t kSegmentSealAt = 512;  // within the trailer block

inline constexpr uint64_t kSegmentBytesMin = 64 * 1024;
inline constexpr uint64_t kSegmentBytesMax = 64 * 1024 * 1024;
inline constexpr uint64_t kSegmentGrowthFactor = 4;  // the sizes: 64 KiB, 256 KiB, 1, 4, 16, 64 MiB

inline constexpr uint64_t kSegmentMagic = 0x0a31474553524c4d;  // "MLRSEG1\n"
inline constexpr uint64_t kSealMagic = 0x0a314c4145535243;     // "CRSEAL1\n"

// Says whose bytes the file holds. Written when a shard takes the file, before its first batch.
struct SegmentHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t reserved;
  uint64_t directory_id;  // of the data directory, random: a file copied from elsewhere is foreign
  uint64_t shard;
  uint64_t ordinal;  // of the segment in its shard, from 0
  uint64_t base_position;
  uint64_t first_sequence;
  uint64_t file_bytes;
  uint64_t created_millis;
  uint32_t reserved2;
  uint32_t crc32c;
};

static_assert(sizeof(SegmentHeader) == 80);
static_assert(offsetof(SegmentHeader, crc32c) == 76);

// Written when the segment is full and all of its batches are durable; so its presence proves that
// every batch up to end_position was on disk, and damage before it is corruption, never a torn
// tail.
struct SegmentSeal {
  uint64_t magic;
  uint64_t shard;
  uint64_t base_position;
  uint64_t end_position;
  uint64_t first_sequence;
  uint64_t next_sequence;  // one past the last
  uint64_t batch_count;
  uint64_t first_arrival_millis;
  uint64_t last_arrival_millis;
  uint64_t chain_hash;  // over position and checksum of every batch, in order (segment_index.h)
  uint32_t epoch;       // the highest
  uint32_t flags;       // kSealEndsLog
  uint32_t reserved;
  uint32_t crc32c;
};

// A segment is sealed once the next one exists, so a last segment with a seal tells that its
// successor is lost. This flag says that there may be none: the shard was sealed, or recovery ended
// the segment.
inline constexpr uint32_t kSealEndsLog = 1;

static_assert(sizeof(SegmentSeal) == 96);
static_assert(offsetof(SegmentSeal, crc32c) == 92);
static_assert(kSegmentSealAt + sizeof(SegmentSeal) <= kSegmentTrailerBlockBytes);

}  // namespace millrace::format
