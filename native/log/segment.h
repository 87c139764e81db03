// One segment of a shard, as the shard knows it, and the cache of what readers need of it.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "native/base/status.h"
#include "native/format/segment_format.h"
#include "native/log/segment_file.h"
#include "native/log/segment_index.h"

namespace millrace::log {

class SegmentCache;

struct Segment {
  // Fixed for the segment's life.
  std::shared_ptr<SegmentFile> file;
  uint64_t shard = 0;
  uint64_t ordinal = 0;
  uint64_t base_position = 0;
  uint64_t first_sequence = 0;
  uint64_t created_millis = 0;

  // Under the lock of the shard, as long as the segment is its last; fixed afterwards.
  uint64_t end_position = 0;
  uint64_t next_sequence = 0;
  uint64_t last_arrival_millis = 0;
  uint32_t epoch = 0;
  std::unique_ptr<SegmentIndex> active_index;  // moves to the cache when the segment is full

  // Under the lock of the shard. Set when the seal is durable.
  bool sealed = false;

 private:
  friend class SegmentCache;

  // Under the lock of the cache.
  std::shared_ptr<const Mapping> mapping_;
  std::shared_ptr<const SegmentIndex> index_;
  std::list<Segment*>::iterator place_;
  uint64_t used_at_sweep_ = 0;
  bool cached_ = false;
  bool dropped_ = false;
};

// The maps and indexes of the segments that were read last. Bounded: what has not been used longest
// goes first, and what nobody has used for a while goes too, so that an idle shard holds no memory.
//
// Safe to call from any thread. A segment must be dropped before it dies.
class SegmentCache {
 public:
  explicit SegmentCache(uint32_t segments_max, uint64_t directory_id)
      : segments_max_(segments_max), directory_id_(directory_id) {}

  // The map of a segment, opened when it is not there. LOG_CORRUPT with the segment's range when
  // the file is missing, has another size or belongs to another segment. Where the process may have
  // no more maps, others are given up for it; LIMIT_EXCEEDED when there are none, or no more files
  // can be open.
  base::Status Map(Segment* segment, std::shared_ptr<const Mapping>* mapping);

  // The index of a full segment, or null when it has to be loaded first.
  std::shared_ptr<const SegmentIndex> FindIndex(Segment* segment);
  void StoreIndex(Segment* segment, std::shared_ptr<const SegmentIndex> index);

  // For good: the segment belongs to no log any more. A reader that still holds it gets maps of its
  // own, as the segment dies with the last of them, and nobody would drop it again.
  void Drop(Segment* segment);

  // Drops what has not been used since the last call but one.
  void Sweep();

  uint64_t mapped_count() const;

 private:
  base::Status CheckIdentity(const Segment& segment, const Mapping& mapping) const;
  void TouchLocked(Segment* segment);
  void DropLocked(Segment* segment);
  bool DropHalf();

  const uint32_t segments_max_;
  const uint64_t directory_id_;

  mutable std::mutex mutex_;
  std::list<Segment*> by_use_;  // under mutex_; the most recently used in front
  uint64_t sweep_ = 0;          // under mutex_
};

}  // namespace millrace::log
