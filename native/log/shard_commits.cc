// A shard's part in the rounds of group commit, and what is done for it when it has gone idle.
#include <algorithm>
#include <utility>

#include "native/log/shard_log.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

const uint8_t kZeros[2 * base::kPageBytes] = {};

}  // namespace

bool ShardLog::BeginCommit(bool everything, CommitPlan* plan) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // In this round already: the idle check takes shards past the queue, which may hold one twice
  // then. Two plans could sync a segment in part that the second of them finishes.
  if (committing_) {
    return false;
  }
  commit_requested_.store(false);
  if (failed_ || (synced_end_ == appended_end_ && full_.empty())) {
    return false;
  }
  // Full segments alone, while nobody waits: a sync of the active one as well would take the right
  // to write away from pages that somebody is storing to.
  const bool only_full = !everything && !full_.empty() && disk_end_ <= committed_end_;
  if (context_->options.align_commits && !only_full) {
    AlignLocked();
  }
  plan->shard = this;
  plan->end = only_full ? full_.back().segment->end_position : appended_end_;
  plan->next_sequence = only_full ? full_.back().segment->next_sequence : next_sequence_;
  plan->full = std::move(full_);
  full_.clear();
  for (const FullSegment& full : plan->full) {
    const uint64_t from = std::max(synced_end_, full.segment->base_position);
    if (from < full.segment->end_position) {
      plan->ranges.push_back({full.writer, from, full.segment->end_position, /*whole=*/true});
    }
  }
  if (writer_ == nullptr && plan->full.empty()) {
    // The proven but unsynced tail of an idle shard: its file is opened again to be synced. Where
    // that fails nothing is lost, and the next look at idle shards tries again.
    if (!ResumeWriterLocked().ok()) {
      return false;
    }
  }
  if (writer_ != nullptr) {
    const uint64_t from = std::max(synced_end_, writer_->base_position());
    // A full segment may only be sealed once the header of the next is durable, even if that is
    // still empty: a seal without a successor tells recovery that a segment was lost.
    if (from < plan->end || !plan->full.empty()) {
      if (!only_full) {
        writer_->HandOver();
      }
      plan->ranges.push_back({writer_, from, std::max(from, plan->end), /*whole=*/false});
    }
  }
  committing_ = true;
  return true;
}

// Pads the group to the end of a page, so that no page which holds acknowledged bytes is ever
// written again.
void ShardLog::AlignLocked() {
  if (writer_ == nullptr || synced_end_ == appended_end_) {
    return;
  }
  const uint64_t in_page = (appended_end_ - writer_->base_position()) % base::kPageBytes;
  if (in_page == 0) {
    return;
  }
  uint64_t padding = base::kPageBytes - in_page;
  if (padding < kMarkerBytes) {
    padding += base::kPageBytes;
  }
  bool wants_populate = false;
  // Up to the very end of a segment, too: what is left of its last page would take a small batch.
  // Where even this marker has no room, nothing else has, and what follows begins in another file.
  if (writer_->room() < padding || !writer_->Prepare(padding, Way::kStaged, &wants_populate).ok()) {
    return;
  }
  // Padding is nothing that needs a proof, or an idle shard would never come to rest.
  const bool proven = tail_proven_;
  AppendMarkerLocked(static_cast<uint32_t>(padding - kMarkerBytes));
  tail_proven_ = proven;
}

void ShardLog::FinishCommit(const CommitPlan& plan, const Status& status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  committing_ = false;
  if (!status.ok()) {
    PoisonLocked(status);
    return;
  }
  synced_end_ = plan.end;
  // Behind the synced end only appends that need no sync may be visible, and only while none that
  // does stands between.
  if (std::max(disk_end_, marker_end_) <= plan.end) {
    committed_end_ = appended_end_;
    committed_next_sequence_ = next_sequence_;
  } else if (plan.end > committed_end_) {
    committed_end_ = plan.end;
    committed_next_sequence_ = plan.next_sequence;
  }
  PublishLocked();
  // Too many files are open: this one is opened again by the next append.
  if (synced_end_ == appended_end_ &&
      context_->open_writers.load(std::memory_order_relaxed) > context_->open_writers_max) {
    writer_.reset();
  }
}

// After a failed sync the kernel may have dropped the dirty pages and will call the next sync a
// success. So what was being synced is in doubt for as long as this log is open, and nothing of it
// is acknowledged or served.
void ShardLog::PoisonLocked(const Status& status) {
  context_->Fail(
      Status(Code::kLogFailed, Format("%s; the log takes no more appends until it is opened again",
                                      status.message().c_str())));
  failed_ = true;
  refusal_ = context_->failure();
  PublishLocked();
  context_->NotifyCommitted();
}

// A marker batch takes no sequence number. Its `synced upto` proves all that was synced before it;
// padding makes it end at a page.
void ShardLog::AppendMarkerLocked(uint32_t padding) {
  const Piece zeros{kZeros, padding};
  AppendRequest marker;
  marker.records_bytes = padding;
  StoreLocked(HeaderLocked(marker, last_arrival_millis_), &zeros, padding == 0 ? 0 : 1,
              Way::kStaged);
  marker_end_ = appended_end_;
}

// Appends a marker behind what is synced. False when there is no place for one: a segment that is
// full is proven by its seal, and without a file to write to the tail stays as it is.
bool ShardLog::ProveTailLocked() {
  if (!ResumeWriterLocked().ok() || writer_ == nullptr) {
    return false;
  }
  bool wants_populate = false;
  if (writer_->room() < kMarkerBytes ||
      !writer_->Prepare(kMarkerBytes, Way::kStaged, &wants_populate).ok()) {
    return false;
  }
  AppendMarkerLocked(0);
  tail_proven_ = true;
  PublishLocked();
  return true;
}

void ShardLog::AskForIdleCheck() {
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_check_ = true;
  context_->chores->RequestIdleCheck(this);
}

void ShardLog::AskForIdleCheckLocked() {
  if (!idle_check_) {
    idle_check_ = true;
    context_->chores->RequestIdleCheck(this);
  }
}

IdleVerdict ShardLog::CheckIdle() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (touched_) {
    touched_ = false;
    if (full_waited_ && !full_.empty() && !commit_requested_.exchange(true)) {
      context_->chores->RequestCommit(this);
    }
    full_waited_ = !full_.empty();
    return IdleVerdict::kBusy;
  }
  if (failed_) {
    idle_check_ = false;
    return IdleVerdict::kIdle;
  }
  if (synced_end_ < appended_end_ || !full_.empty()) {
    return IdleVerdict::kCommit;
  }
  if (!tail_proven_ && ProveTailLocked()) {
    return IdleVerdict::kCommit;
  }
  idle_check_ = false;
  writer_.reset();  // everything is synced: the next append opens the file again
  return IdleVerdict::kIdle;
}

}  // namespace millrace::log
