// A segment's file on disk and the maps over it, apart from what the file holds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "native/base/file_ops.h"
#include "native/base/status.h"

namespace millrace::log {

class SegmentPool;

// One file of the data directory. Shared by everything that uses the file: the shard that owns its
// bytes, its writer, every map over it. A file is only ever recycled or unlinked by the last of
// them, so no map can see its bytes change hands.
class SegmentFile {
 public:
  SegmentFile(base::FileOps* file_ops, std::string directory, uint64_t id, uint64_t bytes);
  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  static std::string NameOf(uint64_t id);

  uint64_t id() const { return id_; }

  uint64_t bytes() const { return bytes_; }

  const std::string& path() const { return path_; }

  const std::string& directory() const { return directory_; }

  base::FileOps* file_ops() const { return file_ops_; }

  // Its directory entry is durable, so that whoever uses the file next need not see to that.
  void MarkEntrySynced() { entry_synced_.store(true, std::memory_order_relaxed); }

  bool entry_synced() const { return entry_synced_.load(std::memory_order_relaxed); }

  // The shard no longer needs the file, and that is durable: its last user gives it back to the
  // pool, or unlinks it when the pool is gone or full.
  void Retire(std::weak_ptr<SegmentPool> pool);

 private:
  base::FileOps* const file_ops_;
  const std::string directory_;
  const uint64_t id_;
  const uint64_t bytes_;
  const std::string path_;
  std::atomic<bool> entry_synced_{false};
  std::atomic<bool> retired_{false};
  std::weak_ptr<SegmentPool> pool_;  // set before retired_
};

// The path of the index file of a sealed segment (segment_index.h).
std::string IndexPathOf(const SegmentFile& file);

// A read-only map over a whole segment file. The bytes stay valid while the Mapping lives, whatever
// happens to the shard, the file or the core.
class Mapping {
 public:
  // Maps the file. LIMIT_EXCEEDED, LOG_FAILED or LOG_CORRUPT (the file is missing or has another
  // size). Sets `*no_map_left` where it was the map that was too much: too many open files are
  // LIMIT_EXCEEDED, too, but a map that is given up frees none of those.
  static base::Status Open(const std::shared_ptr<SegmentFile>& file,
                           std::shared_ptr<const Mapping>* mapping, bool* no_map_left = nullptr);

  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const uint8_t* data() const { return data_; }

  uint64_t bytes() const { return file_->bytes(); }

  // Faults [offset, offset + bytes) in, so that a failing disk is an error and not a signal.
  base::Status Touch(uint64_t offset, uint64_t bytes) const;

  // The same for a reader that goes on from there. `*upto` is how far it may go: at least over the
  // bytes that it knows it will need, and further over those that happen to be in memory. What has
  // been looked at a moment ago, by this reader or another, is not looked at again: asking the
  // kernel takes as long as a third of the checksum of 64 KiB.
  struct Ahead {
    uint64_t bytes;  // needed now
    uint64_t ahead;  // needed soon; from the same start on, as all three
    uint64_t hope;   // perhaps needed
  };

  base::Status TouchAhead(uint64_t offset, const Ahead& range, uint64_t* upto) const;

  // Maps of this process that are alive. For tests of lifetimes.
  static int64_t live_count();

 private:
  Mapping(std::shared_ptr<SegmentFile> file, uint8_t* data);

  base::Status Populate(uint64_t offset, uint64_t bytes) const;

  const std::shared_ptr<SegmentFile> file_;
  uint8_t* const data_;

  mutable std::mutex seen_mutex_;   // a leaf
  mutable uint64_t seen_from_ = 0;  // under seen_mutex_; was in memory at seen_at_
  mutable uint64_t seen_upto_ = 0;  // under seen_mutex_
  mutable std::chrono::steady_clock::time_point seen_at_{};  // under seen_mutex_
};

}  // namespace millrace::log
