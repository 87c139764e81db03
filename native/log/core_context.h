// What the parts of one open log share. Owned by the Core; outlives its shards and threads.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "native/base/file_ops.h"
#include "native/log/committed_table.h"
#include "native/log/directory.h"
#include "native/log/keyring.h"
#include "native/log/listener_turn.h"
#include "native/log/manifest.h"
#include "native/log/options.h"
#include "native/log/segment.h"
#include "native/log/segment_pool.h"

namespace millrace::log {

class CommitListener;
class SegmentWriter;
class ShardLog;

// What a shard asks of the threads. Every call is quick and may come under the lock of the shard.
class Chores {
 public:
  virtual ~Chores() = default;

  // The shard has bytes whose acknowledgement waits for a sync.
  virtual void RequestCommit(ShardLog* shard) = 0;

  // The shard has bytes that nobody waits for, or an unproven tail: to be looked at once it is
  // idle.
  virtual void RequestIdleCheck(ShardLog* shard) = 0;

  // Records that a shard trimmed are to be made durable, and its segments freed.
  virtual void RequestTrim(ShardLog* shard) = 0;

  virtual void RequestPopulate(std::shared_ptr<SegmentWriter> writer) = 0;
  virtual void RequestSpare() = 0;

  // A sealed segment wants its index file; `snapshot` is the duplicate table at its end.
  virtual void RequestIndexFile(std::shared_ptr<Segment> segment,
                                std::vector<uint8_t> snapshot) = 0;
};

struct CoreCounters {
  std::atomic<uint64_t> sync_count{0};
  std::atomic<uint64_t> sync_group_count{0};
  std::atomic<uint64_t> sync_wait_count{0};
  std::atomic<uint64_t> sync_micros_total{0};
  std::atomic<uint64_t> scrubbed_bytes{0};
  std::atomic<uint64_t> scrub_pass_count{0};
  std::atomic<uint64_t> disk_bytes_free{0};

  // Of this open; written before any thread starts.
  bool opened_clean = false;
  uint64_t open_micros = 0;
  uint64_t torn_shards = 0;
  uint64_t torn_bytes = 0;
  uint64_t proven_bytes = 0;
};

class CoreContext {
 public:
  CoreContext(std::string path, const CoreOptions& core_options);

  // Once the directory's id is known.
  void MakeCache();

  // Tells every listener that positions have moved.
  void NotifyCommitted();

  // Measures free space and decides whether appends are refused: below the low-water mark they are,
  // and again allowed only above a higher one, or the edge would flap.
  void MeasureSpace();

  // An allocation failed for want of space: refuse appends until MeasureSpace finds some.
  // Spares and retired files stop taking up space until then.
  void NoteDiskFull();

  // What the log can do without goes: the disk is full, and something needs room that frees more.
  void GiveSpaceBack();

  // A sync has failed. No other segment of the directory is to be trusted either: when the journal
  // of a file system has aborted, later syncs may claim to have worked. The first failure counts,
  // until the directory is opened again.
  void Fail(const base::Status& status);
  base::Status failure() const;

  base::Status DiskFullStatus() const;

  const CoreOptions options;
  base::FileOps* const file_ops;
  base::Clock* const clock;
  Keyring keyring;

  Directory directory;
  Manifest manifest;  // under Core::shards_mutex_
  const std::shared_ptr<SegmentPool> pool;
  std::unique_ptr<SegmentCache> cache;
  const std::shared_ptr<CommittedTable> committed;
  ListenerTurn listener_turn;
  Chores* chores = nullptr;  // set once, before the first append

  std::atomic<bool> disk_full{false};
  std::atomic<bool> failed{false};
  std::atomic<uint32_t> open_writers{0};  // segments mapped for writing
  const uint32_t open_writers_max;
  std::atomic<uint64_t> disk_low_water{0};
  CoreCounters counters;

  std::mutex listeners_mutex;              // a leaf
  std::vector<CommitListener*> listeners;  // under listeners_mutex

 private:
  mutable std::mutex failure_mutex_;  // a leaf
  base::Status failure_;              // under failure_mutex_
};

}  // namespace millrace::log
