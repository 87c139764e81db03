// The segments of a shard: one begins, becomes full, is sealed.
#include <algorithm>
#include <utility>

#include "native/log/segment_blocks.h"
#include "native/log/shard_log.h"

namespace millrace::log {

using base::Code;
using base::Status;

namespace {

// Full segments that may wait for their sync while nobody waits for them: an unsealed segment holds
// a map and a descriptor, and is scanned after a crash.
constexpr size_t kFullSegmentsMax = 4;

}  // namespace

// Makes sure that writer_ has room for the batch, and that storing it can neither fault nor fail.
Status ShardLog::PrepareWriterLocked(uint64_t batch_bytes, bool visible, Way* way) {
  Status resumed = ResumeWriterLocked();
  if (!resumed.ok()) {
    return resumed;
  }
  if (writer_ == nullptr || writer_->room() < batch_bytes + kMarkerBytes) {
    // A marker that nobody waits for may still be staged, and is about to have visible batches
    // behind it.
    Status status = visible && writer_ != nullptr ? writer_->WriteStaged() : Status();
    status = status.ok() ? BeginSegmentLocked(batch_bytes + kMarkerBytes, visible) : status;
    if (!status.ok()) {
      return status;
    }
  }
  *way = visible ? writer_->WayForVisible() : Way::kStaged;
  bool wants_populate = false;
  Status status = writer_->Prepare(batch_bytes, *way, &wants_populate);
  if (wants_populate && !context_->options.inline_mode) {
    context_->chores->RequestPopulate(writer_);
  }
  return status;
}

// Opens the file of the last segment again, when it may take batches and an idle shard has let go
// of it.
Status ShardLog::ResumeWriterLocked() {
  if (writer_ != nullptr || segments_.empty() || segments_.back()->active_index == nullptr) {
    return Status();
  }
  const Segment& last = *segments_.back();
  Status status = SegmentWriter::Resume(last.file, last.base_position, appended_end_, &writer_);
  if (status.ok()) {
    writer_->CountIn(&context_->open_writers);
  }
  return status;
}

Status ShardLog::BeginSegmentLocked(uint64_t batch_bytes, bool visible) {
  const Segment* const last = segments_.empty() ? nullptr : segments_.back().get();
  const uint64_t now = context_->clock->WallMillis();
  const uint64_t fill_millis =
      last == nullptr || now < last->created_millis ? 0 : now - last->created_millis;
  const uint64_t bytes =
      NextSegmentBytes(last == nullptr ? 0 : last->file->bytes(), fill_millis, batch_bytes,
                       context_->options.segment_bytes_min, context_->options.segment_bytes_max);
  SpareSegment spare;
  bool prepared = false;
  Status status = context_->pool->Take(bytes, /*stores=*/visible, &spare, &prepared);
  if (!status.ok()) {
    if (status.code() == Code::kDiskFull) {
      context_->NoteDiskFull();
    }
    return status;
  }
  auto segment = std::make_shared<Segment>();
  segment->file = spare.file;
  segment->shard = shard_;
  segment->ordinal = last == nullptr ? 0 : last->ordinal + 1;
  segment->base_position = appended_end_;
  segment->first_sequence = next_sequence_;
  segment->created_millis = now;
  segment->end_position = appended_end_;
  segment->next_sequence = next_sequence_;
  segment->epoch = epoch_;
  segment->active_index = std::make_unique<SegmentIndex>(appended_end_, next_sequence_);

  format::SegmentHeader header{};
  header.directory_id = context_->directory.id();
  header.shard = shard_;
  header.ordinal = segment->ordinal;
  header.base_position = segment->base_position;
  header.first_sequence = segment->first_sequence;
  header.created_millis = now;
  std::shared_ptr<SegmentWriter> writer;
  const Way way = visible ? Way::kMapped : Way::kStaged;
  status = SegmentWriter::Begin(std::move(spare), appended_end_, way, &writer);
  if (!status.ok()) {
    return status;
  }
  status = writer->WriteHeaders(header);
  if (!status.ok()) {
    // Two files with this header, and recovery could take the wrong one.
    PoisonLocked(status);
    return refusal_;
  }
  RetireWriterLocked();
  writer_ = std::move(writer);
  writer_->CountIn(&context_->open_writers);
  segments_.push_back(std::move(segment));
  context_->chores->RequestSpare();
  return Status();
}

// The last segment takes no more batches: what is left is to sync and to seal it.
void ShardLog::RetireWriterLocked() {
  if (segments_.empty() || segments_.back()->active_index == nullptr || writer_ == nullptr) {
    return;
  }
  const std::shared_ptr<Segment>& segment = segments_.back();
  FullSegment full;
  full.segment = segment;
  full.writer = std::move(writer_);
  writer_ = nullptr;
  const SegmentIndex& index = *segment->active_index;
  full.seal.shard = shard_;
  full.seal.base_position = segment->base_position;
  full.seal.end_position = segment->end_position;
  full.seal.first_sequence = segment->first_sequence;
  full.seal.next_sequence = segment->next_sequence;
  full.seal.batch_count = index.batch_count();
  full.seal.first_arrival_millis = index.first_arrival_millis();
  full.seal.last_arrival_millis = index.last_arrival_millis();
  full.seal.chain_hash = index.chain_hash();
  full.seal.epoch = segment->epoch;
  full.seal.flags = sealed_ ? format::kSealEndsLog : 0;
  FinishSegmentSeal(&full.seal);
  full.duplicates = duplicates_.Encode();
  context_->cache->StoreIndex(
      segment.get(), std::shared_ptr<const SegmentIndex>(std::move(segment->active_index)));
  full_.push_back(std::move(full));
  // Write-back takes the memory bus and a processor from whoever appends. Where nobody waits for
  // it, it comes behind a burst, at the second look at idle shards (CheckIdle) at the latest.
  const bool too_many =
      full_.size() >= kFullSegmentsMax ||
      context_->open_writers.load(std::memory_order_relaxed) > context_->open_writers_max;
  const bool waits = disk_end_ > committed_end_ || sealed_ || too_many;
  if (waits && !commit_requested_.exchange(true)) {
    context_->chores->RequestCommit(this);
  }
  AskForIdleCheckLocked();
}

void ShardLog::SealSegments(CommitPlan* plan) {
  for (FullSegment& full : plan->full) {
    const Status status = full.writer->SyncSeal(full.seal);
    full.writer.reset();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!status.ok()) {
      PoisonLocked(status);
      return;
    }
    full.segment->sealed = true;
    context_->chores->RequestIndexFile(full.segment, std::move(full.duplicates));
  }
}

}  // namespace millrace::log
