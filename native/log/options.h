// What the owner of a log decides when it is opened, and the requests and answers of its
// operations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "native/base/clock.h"
#include "native/base/crypto.h"
#include "native/base/file_ops.h"
#include "native/format/batch_format.h"
#include "native/format/segment_format.h"
#include "native/log/recovery.h"

namespace millrace::log {

// What "acknowledged" means for an append: on disk (fdatasync semantics), or in the page cache of
// the operating system, where it survives the process but not a power cut.
enum class Durability : uint8_t { kDisk = 0, kOs = 1 };

struct CoreOptions {
  uint64_t segment_bytes_min = format::kSegmentBytesMin;
  uint64_t segment_bytes_max = format::kSegmentBytesMax;

  // Prepared segments that are kept ready, of the largest size in use.
  uint32_t spare_segments = 2;

  // Appends are refused with DISK_FULL while the file system has less free space than this. 0 = the
  // larger of 5 % of the file system and two segments of segment_bytes_max.
  uint64_t disk_low_water_bytes = 0;

  // A shard that has not been appended to for this long is synced, and its tail is proven by a
  // marker batch.
  uint32_t idle_marker_millis = 100;

  // Producers remembered per shard for answering repeats.
  uint32_t producers_max = 1024;

  // Memory maps of segments kept for readers; 0 = a quarter of the process's limits on maps.
  uint32_t mapped_segments_max = 0;

  // Pace of the background scrub of sealed segments, in bytes per second; 0 = none.
  uint64_t scrub_bytes_per_second = 16 * 1024 * 1024;

  // Fill each group commit to a page with a marker batch, so that a page with acknowledged bytes is
  // never written again. For disks that may tear a sector which is being rewritten.
  bool align_commits = false;

  // A commit round is put off at most this long for a listener that shares the committer's
  // processor and has not heard of the round before; see listener_turn.h.
  uint32_t listener_wait_micros_max = 1000;

  // Nobody else in this process may have the directory open: for a user that keeps state of its own
  // beside the log, as a second one would not know it.
  bool exclusive = false;

  // No threads: an append with Durability::kDisk syncs before it returns, chores run in
  // Core::RunChores. For tests that must see one deterministic order of system calls.
  bool inline_mode = false;

  // Borrowed; must outlive the core. Null = the operating system's.
  base::FileOps* file_ops = nullptr;
  base::Clock* clock = nullptr;
  int (*current_processor)() = nullptr;

  // Null = that of the process, where it has one.
  base::Crypto* crypto = nullptr;
};

// A run of bytes to append; borrowed for the call.
struct Piece {
  const uint8_t* data;
  uint32_t bytes;
};

struct AppendRequest {
  // The records, verbatim, in `piece_count` pieces that add up to `records_bytes`. The caller has
  // checked that they are `count` well-formed records (ingest/record_scanner.h); the log never
  // looks inside.
  const Piece* pieces = nullptr;
  size_t piece_count = 0;
  uint32_t records_bytes = 0;
  uint32_t count = 0;  // at least 1
  uint32_t flags = 0;  // format::kCodec...

  uint64_t producer_id = 0;  // 0 = not idempotent
  uint32_t producer_sequence = 0;
  bool repeats_only = false;  // what is new is SHARD_CLOSED, also where the shard is not sealed yet
  bool producer_gaps_allowed =
      false;  // a producer whose numbers are shared by several shards skips some here

  uint32_t epoch = 0;  // 0 = the shard's own; below the shard's: WRITER_FENCED; above: raises it
  uint64_t expected_sequence =
      0;  // 0 = any; else the first sequence number must be this: WRITER_FENCED if not

  Durability durability = Durability::kDisk;

  // Appended below the low-water mark of the disk too: for what an owner has to write to free
  // space. Where the file system itself is full it is refused like any other.
  bool uses_reserve = false;
};

struct AppendResult {
  uint64_t first_sequence;
  uint32_t count;
  uint64_t end_position;  // acknowledged once the shard's committed end has reached this
  bool duplicate;         // a repeat: the numbers are those of the first time
  bool committed;  // acknowledged already (Durability::kOs with nothing unsynced before it, or
                   // inline mode)
  Durability durability;  // that of the acknowledgement: kDisk too where a kOs append waits for a
                          // sync before it
};

// Part of a file in memory, read-only. Keeps the bytes valid while it lives, also after trim and
// close.
class Mapping;

// What readers get of batches that are encrypted on disk.
enum class ReadForm : uint8_t {
  kPlain,   // what was appended, which needs the key
  kStored,  // what is on disk: for who only looks at headers
};

// A run of whole, verified batches: bytes_max at most, unless the first batch alone is larger.
// Where batches have been decrypted, they are fewer bytes than their positions are apart.
struct ReadResult {
  std::shared_ptr<const Mapping> mapping;  // owns the bytes, or else this does:
  std::shared_ptr<const uint8_t[]> decrypted;
  const uint8_t* data = nullptr;
  uint32_t bytes = 0;  // 0 = nothing more is committed
  uint64_t position = 0;
  uint64_t next_position = 0;
  uint64_t first_sequence = 0;  // of the first batch
  uint64_t next_sequence = 0;   // one past the last record
  uint32_t batch_count = 0;
  uint32_t record_count = 0;
};

struct ShardStats {
  uint64_t shard;
  uint32_t slot;
  uint64_t trimmed_start;  // positions
  uint64_t committed_end;
  uint64_t appended_end;
  uint64_t synced_end;
  uint64_t first_sequence;  // oldest that can be read
  uint64_t next_sequence;   // of the next append
  uint64_t committed_next_sequence;
  uint64_t last_arrival_millis;
  uint32_t epoch;
  uint32_t segment_count;
  uint64_t segment_bytes;  // on disk
  uint64_t index_bytes;    // in memory
  uint32_t producer_count;
  bool sealed;
  bool failed;
  std::vector<DamagedRange> damaged;
};

struct CoreStats {
  uint64_t shard_count;
  uint64_t append_count;
  uint64_t append_bytes;
  uint64_t sync_count;        // of segments
  uint64_t sync_group_count;  // rounds of the committer
  uint64_t sync_wait_count;   // of those, put off for a listener
  uint64_t sync_micros_total;
  uint64_t disk_bytes_free;
  uint64_t disk_low_water_bytes;
  bool disk_full;
  uint32_t spare_segment_count;
  uint64_t mapped_segment_count;
  uint64_t scrubbed_bytes;
  uint64_t scrub_pass_count;
  uint64_t damaged_range_count;
  bool opened_clean;
  uint64_t open_micros;
  uint64_t recovered_torn_shards;  // tails cut at this open
  uint64_t recovered_torn_bytes;
  uint64_t proven_bytes;  // tail bytes rewritten and synced at this open
};

struct DamageReport {
  uint64_t shard;
  DamagedRange range;
  std::string reason;
};

struct ScrubReport {
  uint64_t segment_count = 0;
  uint64_t batch_count = 0;
  uint64_t record_count = 0;
  uint64_t bytes = 0;
  uint64_t torn_shards = 0;    // verify alone: tails that an open will cut
  uint64_t free_segments = 0;  // verify alone: files that belong to no shard
  std::vector<DamageReport> damaged;
};

}  // namespace millrace::log
