// What a data directory must hold after a crash: the history of everything that was sent to it and
// of every promise it made, kept outside of it.
//
// A promise is a floor: a number of batches of a shard, from the first on, that must still be
// there. What was sent and not promised may be there or not, but only in its place. Operations
// under way, or ended with an error, leave a "maybe" that the next open decides for good.
//
// Plain data, not safe for use from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::torture {

struct SentBatch {
  uint64_t first_sequence;
  uint64_t end_position;  // 0 = not known yet
  uint64_t hash;          // of the records
  uint64_t producer_id;
  uint32_t producer_sequence;
  uint32_t count;
  uint32_t records_bytes;
  uint32_t epoch;
  uint8_t disk;  // sent with Durability::kDisk: it may not be visible before it is durable

  uint64_t next_sequence() const { return first_sequence + count; }
};

enum class Presence : uint8_t { kThere, kMaybe, kGone };

// What happened to the machine between two opens.
enum class Crash : uint8_t {
  kClosed,  // nothing: the log was closed and said that it had
  kKill,    // the process died, the page cache lives
  kCut,     // the power went: only what was durable has to be there
};

struct ShardModel {
  uint64_t shard = 0;
  uint64_t created_sequence = 1;  // of its first record
  uint64_t trim_floor = 1;        // the first sequence number that an acknowledged trim left
  uint64_t trim_ceiling = 1;      // the highest one that a trim may have left
  uint64_t failed_since = 0;      // while `failed`: the end of what is not in doubt, a position
  size_t disk_floor = 0;          // batches that a power cut may not take
  size_t kill_floor = 0;          // batches that the death of the process may not take
  uint32_t slot = 0;              // in the core that is open
  uint32_t epoch = 1;
  Presence presence = Presence::kThere;
  bool sealed = false;
  bool maybe_sealed = false;
  bool failed = false;  // refuses appends until the log is opened again

  std::vector<SentBatch> batches;  // in order, back to back

  uint64_t next_sequence() const {
    return batches.empty() ? created_sequence : batches.back().next_sequence();
  }

  // The number of batches before `sequence`, which must be the first of a batch or the next number:
  // false if not.
  bool CountBefore(uint64_t sequence, size_t* count) const;

  // Everything that ends at `position` or before it is durable.
  void RaiseDiskFloor(uint64_t position);
};

struct DirectoryModel {
  bool initialized = false;  // an open has said that the directory exists
  uint64_t next_shard = 1;   // the id that the next shard must get
  std::vector<ShardModel> shards;

  ShardModel* Find(uint64_t shard);

  // Into `bytes` and back, for a parent process that survives the one with the model. False when it
  // does not fit.
  bool Encode(uint8_t* bytes, size_t bytes_max) const;
  void Decode(const uint8_t* bytes);
};

}  // namespace millrace::torture
