#include "native/log/segment.h"

#include <utility>
#include <vector>

#include "native/log/segment_blocks.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

Status SegmentCache::Map(Segment* segment, std::shared_ptr<const Mapping>* mapping) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (segment->mapping_ != nullptr) {
      TouchLocked(segment);
      *mapping = segment->mapping_;
      return Status();
    }
  }
  // Outside of the lock: opening waits for the file system. Two readers may both do it; one map is
  // kept.
  std::shared_ptr<const Mapping> opened;
  Status status;
  bool no_map_left;
  do {
    no_map_left = false;
    status = Mapping::Open(segment->file, &opened, &no_map_left);
    // Once may not do: those that readers hold stay until they let go of them.
  } while (no_map_left && DropHalf());
  if (status.ok()) {
    status = CheckIdentity(*segment, *opened);
  }
  if (!status.ok()) {
    return status.code() == Code::kLogCorrupt
               ? Status(Code::kLogCorrupt, status.message(), segment->base_position,
                        segment->end_position)
               : status;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (segment->dropped_) {
    *mapping = std::move(opened);
    return Status();
  }
  if (segment->mapping_ == nullptr) {
    segment->mapping_ = std::move(opened);
  }
  TouchLocked(segment);
  *mapping = segment->mapping_;
  return Status();
}

Status SegmentCache::CheckIdentity(const Segment& segment, const Mapping& mapping) const {
  const uint64_t trailer = mapping.bytes() - format::kSegmentTrailerBlockBytes;
  Status status = mapping.Touch(0, format::kSegmentHeaderBlockBytes);
  if (status.ok()) {
    status = mapping.Touch(trailer, format::kSegmentTrailerBlockBytes);
  }
  if (!status.ok()) {
    return status;
  }
  for (const uint64_t at : {uint64_t{0}, trailer}) {
    format::SegmentHeader header;
    if (CheckSegmentHeader(mapping.data() + at, directory_id_, &header) == HeaderCheck::kGood &&
        header.shard == segment.shard && header.base_position == segment.base_position) {
      return Status();
    }
  }
  format::SegmentHeader wanted{};
  wanted.shard = segment.shard;
  wanted.first_sequence = segment.first_sequence;
  if (BeginsWith(mapping.data() + format::kSegmentHeaderBlockBytes, wanted)) {
    return Status();
  }
  return Status(
      Code::kLogCorrupt,
      Format("%s is not segment %llu of shard %llu: its headers and its first batch are damaged "
             "or those of another segment",
             segment.file->path().c_str(), static_cast<unsigned long long>(segment.ordinal),
             static_cast<unsigned long long>(segment.shard)));
}

std::shared_ptr<const SegmentIndex> SegmentCache::FindIndex(Segment* segment) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (segment->index_ != nullptr) {
    TouchLocked(segment);
  }
  return segment->index_;
}

void SegmentCache::StoreIndex(Segment* segment, std::shared_ptr<const SegmentIndex> index) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!segment->dropped_) {
    segment->index_ = std::move(index);
    TouchLocked(segment);
  }
}

void SegmentCache::TouchLocked(Segment* segment) {
  segment->used_at_sweep_ = sweep_;
  if (segment->cached_) {
    by_use_.splice(by_use_.begin(), by_use_, segment->place_);
    return;
  }
  by_use_.push_front(segment);
  segment->place_ = by_use_.begin();
  segment->cached_ = true;
  if (by_use_.size() > segments_max_) {
    DropLocked(by_use_.back());
  }
}

void SegmentCache::DropLocked(Segment* segment) {
  if (!segment->cached_) {
    return;
  }
  by_use_.erase(segment->place_);
  segment->cached_ = false;
  segment->mapping_.reset();
  segment->index_.reset();
}

void SegmentCache::Drop(Segment* segment) {
  const std::lock_guard<std::mutex> lock(mutex_);
  DropLocked(segment);
  segment->dropped_ = true;
}

// The process has fewer maps left than the limits promised. Says whether there was one to give up.
bool SegmentCache::DropHalf() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const size_t kept = by_use_.size() / 2;
  const bool any = by_use_.size() > kept;
  while (by_use_.size() > kept) {
    DropLocked(by_use_.back());
  }
  return any;
}

void SegmentCache::Sweep() {
  const std::lock_guard<std::mutex> lock(mutex_);
  while (!by_use_.empty() && by_use_.back()->used_at_sweep_ + 1 < sweep_) {
    DropLocked(by_use_.back());
  }
  ++sweep_;
}

uint64_t SegmentCache::mapped_count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return by_use_.size();
}

}  // namespace millrace::log
