#include "native/log/segment_walk.h"

#include <algorithm>
#include <vector>

#include "native/log/segment_loader.h"

namespace millrace::log {

using base::Status;

namespace {

// Who reads usually goes on reading, and one look at a longer range costs less than several.
constexpr uint64_t kReadsAhead = 4;

}  // namespace

Status SegmentWalk::Open(CoreContext* context, const SegmentView& view, const IndexPoint& start,
                         uint64_t ahead_bytes) {
  ahead_bytes_ = std::min(kReadsAhead * ahead_bytes, kWalkAheadBytes);
  Status status = context->cache->Map(view.segment.get(), &mapping_);
  if (!status.ok()) {
    return status;
  }
  base_ = mapping_->data() + format::kSegmentHeaderBlockBytes;
  base_position_ = view.segment->base_position;
  shard_ = view.segment->shard;
  position_ = base_position_ + start.relative_position;
  sequence_ = view.segment->first_sequence + start.relative_sequence;
  limit_ = view.limit;
  active_ = view.active;
  touched_from_ = touched_upto_ = position_;
  return Status();
}

Status SegmentWalk::Touch(uint64_t bytes) {
  const uint64_t end = std::min(limit_, position_ + bytes);
  if (position_ >= touched_from_ && end <= touched_upto_) {
    return Status();
  }
  const uint64_t from =
      position_ >= touched_from_ && position_ < touched_upto_ ? touched_upto_ : position_;
  if (from == position_) {
    touched_from_ = position_;
  }
  const uint64_t offset = format::kSegmentHeaderBlockBytes + (from - base_position_);
  const uint64_t ahead = std::min(limit_ - from, std::max(end - from, ahead_bytes_));
  // What will be appended next is in memory already, as a rule: who reads at the tail need not look
  // again for each batch.
  const uint64_t hope = active_ ? std::max(ahead, kWalkAheadBytes) : ahead;
  uint64_t upto = 0;
  Status status = mapping_->TouchAhead(offset, {end - from, ahead, hope}, &upto);
  touched_upto_ = from + (upto - offset);
  return status;
}

Status SegmentWalk::Peek(BatchHeader* header, bool* good) {
  Status status = Touch(format::kBatchHeaderBytes);
  *good = status.ok() &&
          ReadBatchHeader(data(), limit_ - position_, header) == BatchCheck::kWhole &&
          header->shard == shard_ && header->first_sequence == sequence_;
  return status;
}

Status SegmentWalk::Verify(BatchHeader* header, bool* good) {
  Status status = Peek(header, good);
  if (*good) {
    status = Touch(header->bytes());
    *good = status.ok() && CheckBatch(data(), limit_ - position_, header) == BatchCheck::kWhole;
  }
  return status;
}

void BatchFinder::OnBatch(uint64_t position, const BatchHeader& header, const uint8_t*) {
  if (!found_ && Matches(position, header)) {
    found_ = true;
    position_ = position;
    first_sequence_ = header.first_sequence;
  }
}

Status FindThoroughly(CoreContext* context, ShardLog* shard, const SegmentView& view,
                      BatchFinder* finder) {
  std::shared_ptr<const Mapping> mapping;
  Status status = context->cache->Map(view.segment.get(), &mapping);
  status = status.ok() ? mapping->Touch(0, mapping->bytes()) : status;
  if (!status.ok()) {
    return status;
  }
  VouchedStarts vouched;
  const auto index = context->cache->FindIndex(view.segment.get());
  if (!shard->GetActiveVouched(*view.segment, &vouched) && index != nullptr) {
    vouched = VouchedStarts(*index);
  }
  ScanInput input = ScanInputOf(*view.segment, *mapping, view.limit, view.limit_sequence);
  vouched.Lend(&input);
  for (const DamagedRange& range : ScanSegment(input, finder).damaged) {
    shard->AddDamage(range);
  }
  return Status();
}

}  // namespace millrace::log
