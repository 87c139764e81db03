// What readers, trims and the end of a shard's life need of it.
#include <algorithm>
#include <utility>

#include "native/log/shard_log.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

}  // namespace

std::shared_ptr<Segment> ShardLog::SegmentOfLocked(uint64_t position) const {
  const auto after = std::upper_bound(
      segments_.begin(), segments_.end(), position,
      [](uint64_t wanted, const auto& segment) { return wanted < segment->base_position; });
  return after == segments_.begin() ? nullptr : *(after - 1);
}

void ShardLog::LimitLocked(SegmentView* view) const {
  const Segment& segment = *view->segment;
  view->active = segment.active_index != nullptr;
  if (segment.end_position <= committed_end_) {
    view->limit = segment.end_position;
    view->limit_sequence = segment.next_sequence;
  } else {
    view->limit = committed_end_;
    view->limit_sequence = committed_next_sequence_;
  }
}

Status ShardLog::ViewOfPosition(uint64_t position, SegmentView* view) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (position < trimmed_start_) {
    return Status(Code::kSequenceNumberTrimmed,
                  Format("position %llu of shard %llu has been trimmed; reading can go on at %llu "
                         "(sequence number %llu)",
                         static_cast<ull>(position), static_cast<ull>(shard_),
                         static_cast<ull>(trimmed_start_), static_cast<ull>(first_sequence_)),
                  trimmed_start_, trimmed_start_);
  }
  if (position > committed_end_) {
    return Status(Code::kSequenceNumberInFuture,
                  Format("position %llu of shard %llu is beyond its committed end, %llu",
                         static_cast<ull>(position), static_cast<ull>(shard_),
                         static_cast<ull>(committed_end_)));
  }
  if (failed_ && position >= synced_end_ && position < committed_end_) {
    return refusal_;
  }
  view->segment = position == committed_end_ ? nullptr : SegmentOfLocked(position);
  if (view->segment == nullptr || view->segment->end_position <= position) {
    // At the end, or in a gap that a lost segment left.
    view->segment = nullptr;
    view->limit = committed_end_;
    view->limit_sequence = committed_next_sequence_;
    return Status();
  }
  LimitLocked(view);
  if (failed_) {
    view->limit = std::min(view->limit, std::max(synced_end_, position));
  }
  if (view->active) {
    view->start = view->segment->active_index->FindPosition(position);
  }
  return Status();
}

Status ShardLog::ViewOfSequence(uint64_t sequence, SegmentView* view) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (sequence < first_sequence_) {
    return Status(Code::kSequenceNumberTrimmed,
                  Format("sequence number %llu of shard %llu has been trimmed; the oldest is %llu",
                         static_cast<ull>(sequence), static_cast<ull>(shard_),
                         static_cast<ull>(first_sequence_)),
                  trimmed_start_, trimmed_start_);
  }
  if (sequence > committed_next_sequence_) {
    return Status(Code::kSequenceNumberInFuture,
                  Format("sequence number %llu of shard %llu is beyond its last, %llu",
                         static_cast<ull>(sequence), static_cast<ull>(shard_),
                         static_cast<ull>(committed_next_sequence_ - 1)));
  }
  view->segment = nullptr;
  view->limit = committed_end_;
  view->limit_sequence = committed_next_sequence_;
  if (sequence == committed_next_sequence_) {
    return Status();
  }
  const auto after = std::upper_bound(
      segments_.begin(), segments_.end(), sequence,
      [](uint64_t wanted, const auto& segment) { return wanted < segment->first_sequence; });
  if (after == segments_.begin()) {
    return Status();
  }
  view->segment = *(after - 1);
  LimitLocked(view);
  if (view->active) {
    view->start = view->segment->active_index->FindSequence(sequence);
  }
  return Status();
}

void ShardLog::ViewOfTime(uint64_t millis, uint64_t from, SegmentView* view) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  view->segment = nullptr;
  view->limit = committed_end_;
  view->limit_sequence = committed_next_sequence_;
  const auto found =
      std::find_if(segments_.begin(), segments_.end(), [millis, from](const auto& segment) {
        return segment->last_arrival_millis >= millis && segment->end_position > from;
      });
  if (found == segments_.end() || (*found)->base_position >= committed_end_) {
    return;
  }
  view->segment = *found;
  LimitLocked(view);
  if (view->active) {
    view->start = view->segment->active_index->FindTime(millis);
  }
}

bool ShardLog::GetActiveVouched(const Segment& segment, VouchedStarts* vouched) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (segment.active_index == nullptr) {
    return false;
  }
  *vouched = VouchedStarts(*segment.active_index);
  return true;
}

std::vector<SegmentView> ShardLog::Views() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<SegmentView> views;
  for (const auto& segment : segments_) {
    if (segment->base_position >= committed_end_) {
      break;
    }
    SegmentView view;
    view.segment = segment;
    LimitLocked(&view);
    views.push_back(std::move(view));
  }
  return views;
}

uint64_t ShardLog::committed_end() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return committed_end_;
}

void ShardLog::AddDamage(const DamagedRange& range) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (IsTrimmedAway(range, trimmed_start_)) {
    return;
  }
  if (std::find(damaged_.begin(), damaged_.end(), range) == damaged_.end()) {
    damaged_.insert(
        std::upper_bound(damaged_.begin(), damaged_.end(), range,
                         [](const auto& a, const auto& b) { return a.start < b.start; }),
        range);
  }
}

// Two scans may name the same damage differently, as one of them had more to vouch for what
// follows: the narrowest range counts.
bool ShardLog::FindDamage(uint64_t position, DamagedRange* range) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  bool found = false;
  for (const DamagedRange& one : damaged_) {
    const bool covers = one.start <= position && position < one.end;
    if (covers && (!found || one.end - one.start < range->end - range->start)) {
      *range = one;
      found = true;
    }
  }
  return found;
}

size_t ShardLog::damage_count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return damaged_.size();
}

bool ShardLog::FindDamagedSequence(uint64_t sequence, DamagedRange* range) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const DamagedRange& one : damaged_) {
    if (one.expected_sequence <= sequence && sequence < one.next_sequence) {
      *range = one;
      return true;
    }
  }
  return false;
}

void ShardLog::SetTrimmed(uint64_t position, uint64_t first_sequence) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (position <= trimmed_start_) {
    return;
  }
  trimmed_start_ = position;
  first_sequence_ = std::max(first_sequence_, first_sequence);
  PublishLocked();
  // A segment is freed once it is sealed: the round that seals it comes before the trim.
  if (!full_.empty() && !commit_requested_.exchange(true)) {
    context_->chores->RequestCommit(this);
  }
  context_->chores->RequestTrim(this);
}

ManifestShard ShardLog::TrimState() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return {first_sequence_, trimmed_start_, first_sequence_, sealed_};
}

bool ShardLog::FreesSegment() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return CanReleaseLocked(trimmed_start_);
}

// The last segment stays while it may take batches, and one that is not sealed yet is still in a
// commit round.
bool ShardLog::CanReleaseLocked(uint64_t trimmed_start) const {
  return !segments_.empty() && segments_.front()->end_position <= trimmed_start &&
         segments_.front()->sealed;
}

void ShardLog::ReleaseTrimmed(uint64_t trimmed_start) {
  std::vector<std::shared_ptr<Segment>> released;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (CanReleaseLocked(trimmed_start)) {
      released.push_back(std::move(segments_.front()));
      segments_.pop_front();
    }
    const auto gone =
        std::remove_if(damaged_.begin(), damaged_.end(),
                       [trimmed_start](const auto& range) { return range.end <= trimmed_start; });
    damaged_.erase(gone, damaged_.end());
  }
  for (const auto& segment : released) {
    context_->cache->Drop(segment.get());
    static_cast<void>(context_->file_ops->Unlink(IndexPathOf(*segment->file)));
    segment->file->Retire(context_->pool);
  }
}

void ShardLog::RefuseAppends(Status status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!failed_) {
    refusal_ = std::move(status);
  }
  PublishLocked();
}

void ShardLog::Seal() {
  const std::lock_guard<std::mutex> lock(mutex_);
  sealed_ = true;
  if (!ResumeWriterLocked().ok()) {
    return;  // the segment stays without a seal, which costs a scan of it after an unclean stop
  }
  RetireWriterLocked();
}

void ShardLog::ReleaseAll() {
  std::deque<std::shared_ptr<Segment>> released;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    released.swap(segments_);
    writer_.reset();
    full_.clear();
    duplicates_.Clear();
    damaged_.clear();
    synced_end_ = committed_end_ = appended_end_;
    committed_next_sequence_ = next_sequence_;
    trimmed_start_ = appended_end_;
    first_sequence_ = next_sequence_;
    PublishLocked();
  }
  for (const auto& segment : released) {
    context_->cache->Drop(segment.get());
    static_cast<void>(context_->file_ops->Unlink(IndexPathOf(*segment->file)));
    segment->file->Retire(context_->pool);
  }
}

bool ShardLog::GetVerified(VerifiedShard* verified) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failed_ || synced_end_ != appended_end_ || !full_.empty()) {
    return false;
  }
  verified->shard = shard_;
  verified->end_position = appended_end_;
  verified->next_sequence = next_sequence_;
  verified->last_arrival_millis = last_arrival_millis_;
  verified->epoch = epoch_;
  verified->tail_proven = tail_proven_ ? 1 : 0;
  for (const auto& segment : segments_) {
    verified->segments.push_back({segment->file->id(), segment->file->bytes(), segment->ordinal,
                                  segment->base_position, segment->first_sequence,
                                  segment->created_millis, segment->end_position,
                                  segment->next_sequence, segment->last_arrival_millis,
                                  segment->epoch, segment->sealed ? uint64_t{1} : 0});
  }
  if (!segments_.empty() && segments_.back()->active_index != nullptr) {
    const Segment& last = *segments_.back();
    verified->last_index =
        EncodeIndex(*last.active_index,
                    {context_->directory.id(), shard_, last.base_position, last.end_position}, {});
  }
  verified->duplicates = duplicates_.Encode();
  return true;
}

Status ShardLog::state() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return refusal_;
}

bool ShardLog::failed() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failed_;
}

void ShardLog::GetStats(ShardStats* stats) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  stats->shard = shard_;
  stats->slot = slot_;
  stats->trimmed_start = trimmed_start_;
  stats->committed_end = committed_end_;
  stats->appended_end = appended_end_;
  stats->synced_end = synced_end_;
  stats->first_sequence = first_sequence_;
  stats->next_sequence = next_sequence_;
  stats->committed_next_sequence = committed_next_sequence_;
  stats->last_arrival_millis = last_arrival_millis_;
  stats->epoch = epoch_;
  stats->segment_count = static_cast<uint32_t>(segments_.size());
  stats->segment_bytes = 0;
  stats->index_bytes = 0;
  for (const auto& segment : segments_) {
    stats->segment_bytes += segment->file->bytes();
    stats->index_bytes += segment->active_index ? segment->active_index->heap_bytes() : 0;
  }
  stats->producer_count = static_cast<uint32_t>(duplicates_.size());
  stats->sealed = sealed_;
  stats->failed = failed_;
  stats->damaged = damaged_;
}

}  // namespace millrace::log
