// Walking over the batches of one segment: fast, by the lengths in their headers, and thorough, by
// a scan that knows damage from data.
#pragma once

#include <cstdint>
#include <memory>

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/shard_log.h"

namespace millrace::log {

// Faulted in ahead in one call, so that a walk over headers does not make a system call for each
// page.
inline constexpr uint64_t kWalkAheadBytes = 256 * 1024;

// A place in a segment that moves from batch to batch. It trusts headers that nobody has
// checksummed, which is fine for finding a place; whoever uses what stands there verifies it.
class SegmentWalk {
 public:
  // Begins at an index point of the view's segment. `ahead_bytes` is how much it is about to walk
  // over, as far as the caller knows.
  base::Status Open(CoreContext* context, const SegmentView& view, const IndexPoint& start,
                    uint64_t ahead_bytes = kWalkAheadBytes);

  bool at_end() const { return position_ >= limit_; }

  uint64_t position() const { return position_; }

  uint64_t sequence() const { return sequence_; }  // expected at `position`

  const uint8_t* data() const { return base_ + (position_ - base_position_); }

  // The header here. False when no batch of this shard with the expected sequence number begins
  // here; a failing disk is a status.
  base::Status Peek(BatchHeader* header, bool* good);

  // The same, checksum included.
  base::Status Verify(BatchHeader* header, bool* good);

  void StepOver(const BatchHeader& header) {
    position_ += header.bytes();
    sequence_ = header.next_sequence();
  }

  void MoveTo(uint64_t position, uint64_t sequence) {
    position_ = position;
    sequence_ = sequence;
  }

  std::shared_ptr<const Mapping> TakeMapping() { return std::move(mapping_); }

 private:
  base::Status Touch(uint64_t bytes);

  std::shared_ptr<const Mapping> mapping_;
  const uint8_t* base_ = nullptr;  // of base_position_
  uint64_t base_position_ = 0;
  uint64_t shard_ = 0;
  uint64_t position_ = 0;
  uint64_t sequence_ = 0;
  uint64_t limit_ = 0;
  bool active_ = false;
  uint64_t ahead_bytes_ = 0;
  uint64_t touched_from_ = 0;  // positions
  uint64_t touched_upto_ = 0;
};

// What a thorough scan looks for: the first batch that `Matches`.
class BatchFinder : public BatchVisitor {
 public:
  void OnBatch(uint64_t position, const BatchHeader& header, const uint8_t* batch) final;

  bool found() const { return found_; }

  uint64_t position() const { return position_; }

  uint64_t first_sequence() const { return first_sequence_; }

 protected:
  virtual bool Matches(uint64_t position, const BatchHeader& header) const = 0;

 private:
  bool found_ = false;
  uint64_t position_ = 0;
  uint64_t first_sequence_ = 0;
};

// Scans the view's whole segment with all that vouches for its batches. Damage goes to the shard.
base::Status FindThoroughly(CoreContext* context, ShardLog* shard, const SegmentView& view,
                            BatchFinder* finder);

}  // namespace millrace::log
