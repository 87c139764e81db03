// The verified end: what a clean close leaves so that the next open scans nothing. It is written
// after the last sync has succeeded and removed, durably, before the directory is opened for
// appending again; so when it is there, everything it says is on disk.
//
// The file `verified-end`, little-endian: u64 magic "MLRVEND1", u32 version, u32 shard count, u64
// directory id, u64 manifest generation, u64 manifest record count; per shard its fields and
// segments in the order of the structs below, then the index of its last segment and its duplicate
// table as lengths (u32) and bytes; last, u32 masked CRC32C over all before it. Any doubt counts as
// "missing": the open then scans.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::log {

inline constexpr const char* kVerifiedEndName = "verified-end";

struct VerifiedSegment {
  uint64_t file_id;
  uint64_t file_bytes;
  uint64_t ordinal;
  uint64_t base_position;
  uint64_t first_sequence;
  uint64_t created_millis;
  uint64_t end_position;
  uint64_t next_sequence;
  uint64_t last_arrival_millis;
  uint64_t epoch;
  uint64_t sealed;  // 0 or 1
};

struct VerifiedShard {
  uint64_t shard = 0;
  uint64_t end_position = 0;
  uint64_t next_sequence = 0;
  uint64_t last_arrival_millis = 0;
  uint64_t epoch = 0;
  uint64_t tail_proven = 0;  // 1: the log ends with a marker batch
  std::vector<VerifiedSegment> segments;
  std::vector<uint8_t> last_index;  // segment_index.h; empty when the last segment is sealed
  std::vector<uint8_t> duplicates;  // duplicate_table.h
};

struct VerifiedEnd {
  uint64_t directory_id = 0;
  uint64_t manifest_generation = 0;
  uint64_t manifest_record_count = 0;
  std::vector<VerifiedShard> shards;
};

std::vector<uint8_t> EncodeVerifiedEnd(const VerifiedEnd& end);

// False at any doubt.
bool DecodeVerifiedEnd(const uint8_t* data, size_t size, VerifiedEnd* end);

}  // namespace millrace::log
