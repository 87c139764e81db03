// Reading and searching one shard: every batch is verified before it is handed out, and damage is
// named with its range.
//
// Stateless apart from its shard, and safe to call from any thread.
#pragma once

#include <cstdint>

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/segment_walk.h"
#include "native/log/shard_log.h"

namespace millrace::log {

class ShardReader {
 public:
  ShardReader(CoreContext* context, ShardLog* shard) : context_(context), shard_(shard) {}

  // The contracts are those of Core.
  base::Status Read(uint64_t position, uint32_t bytes_max, ReadResult* result, ReadForm form);
  base::Status Seek(uint64_t sequence, uint64_t* position);
  base::Status SeekTime(uint64_t millis, uint64_t* position);
  base::Status Trim(uint64_t sequence);

  // Verifies the whole of a view against checksums, order and seal. Damage goes to the shard and to
  // the report.
  base::Status Scrub(const SegmentView& view, ScrubReport* report);

 private:
  base::Status StartPoint(const SegmentView& view, IndexPoint (SegmentIndex::*find)(uint64_t) const,
                          uint64_t wanted, IndexPoint* point);
  base::Status OpenAt(const SegmentView& view, uint64_t position, uint64_t ahead_bytes,
                      SegmentWalk* walk);
  base::Status OpenThoroughly(const SegmentView& view, uint64_t position, SegmentWalk* walk);
  base::Status FindBatch(uint64_t sequence, uint64_t* position, uint64_t* first_sequence);
  base::Status WalkToSequence(const SegmentView& view, uint64_t sequence, SegmentWalk* walk,
                              bool* found);
  base::Status WalkToTime(const SegmentView& view, uint64_t millis, uint64_t from,
                          SegmentWalk* walk, bool* found);
  base::Status Damaged(const DamagedRange& range) const;
  base::Status Forged(const ReadResult& result, const base::Status& found);

  CoreContext* const context_;
  ShardLog* const shard_;
};

}  // namespace millrace::log
