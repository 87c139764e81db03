// One shard: its positions, its segments, the batch that is appended next. Reading is in
// shard_reader.h. Appends are in shard_log.cc, repeats in shard_producers.cc, commits in
// shard_commits.cc, the life of segments in shard_segments.cc; positions for readers, trims and the
// end of a shard's life in shard_views.cc.
//
// Three positions, one invariant: appended_end >= committed_end >= trimmed_start. Readers see
// nothing past the committed end. The synced end is what is known to be on disk; with
// Durability::kOs the committed end runs ahead of it.
//
// Threads: everything is safe to call from any thread, except for the three commit calls, which
// only the one running a commit round may make (Committer).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/duplicate_table.h"
#include "native/log/keyring.h"
#include "native/log/options.h"
#include "native/log/segment.h"
#include "native/log/segment_loader.h"
#include "native/log/segment_writer.h"
#include "native/log/verified_end.h"

namespace millrace::log {

// A marker batch without padding. An ordinary batch leaves room for one, so that a full segment's
// tail can be proven too.
inline constexpr uint64_t kMarkerBytes = format::kBatchHeaderBytes;

// What recovery, the verified end or a creation knows of a shard.
struct ShardStart {
  uint64_t shard = 0;
  uint64_t end_position = 0;
  uint64_t next_sequence = 1;
  uint64_t trimmed_start = 0;
  uint64_t first_sequence = 1;  // oldest readable
  uint64_t last_arrival_millis = 0;
  uint32_t epoch = 1;
  bool sealed = false;
  bool tail_proven = true;  // nothing after the last marker batch
  uint64_t synced_end = 0;  // end_position, unless only the synced part of the tail could be proven
  std::deque<std::shared_ptr<Segment>> segments;
  DuplicateTable duplicates;
  std::vector<DamagedRange> damaged;
};

// A segment that takes no more batches: its seal, once its bytes are durable.
struct FullSegment {
  std::shared_ptr<Segment> segment;
  std::shared_ptr<SegmentWriter> writer;
  format::SegmentSeal seal;
  std::vector<uint8_t> duplicates;  // snapshot at its end
};

// One shard's part of a commit round.
struct CommitPlan {
  ShardLog* shard = nullptr;

  struct Range {
    std::shared_ptr<SegmentWriter> writer;
    uint64_t from;
    uint64_t to;
    bool whole;  // of a segment that takes no more batches
  };

  std::vector<Range> ranges;  // in order
  std::vector<FullSegment> full;
  uint64_t end = 0;            // position that will be durable
  uint64_t next_sequence = 0;  // at `end`
};

// A consistent look at the segment that holds a position, for a reader that then works without the
// lock.
struct SegmentView {
  std::shared_ptr<Segment> segment;
  uint64_t limit = 0;           // readable up to this position
  uint64_t limit_sequence = 0;  // the sequence number at the limit
  bool active = false;          // its index is the shard's
  IndexPoint start;             // when active: where a walk to the wanted place may start
};

enum class IdleVerdict : uint8_t { kBusy, kCommit, kIdle };

class ShardLog {
 public:
  ShardLog(CoreContext* context, uint32_t slot, ShardStart start);
  ~ShardLog();
  ShardLog(const ShardLog&) = delete;
  ShardLog& operator=(const ShardLog&) = delete;

  uint64_t shard() const { return shard_; }

  uint32_t slot() const { return slot_; }

  base::Status Append(const AppendRequest& request, AppendResult* result);

  // As Core::FindRepeat.
  base::Status FindRepeat(uint64_t producer_id, uint32_t producer_sequence,
                          DuplicateVerdict* verdict, AppendResult* result) const;

  // As Core::SetEncryption.
  void SetEncryption(const KeyName& name);

  // The keys of the log are others.
  void RenewEncryption();

  // Positions for readers

  // Where a wanted place lies. The status is that of Core::Read for a position out of range.
  base::Status ViewOfPosition(uint64_t position, SegmentView* view) const;
  base::Status ViewOfSequence(uint64_t sequence, SegmentView* view) const;

  // The first segment that ends behind `from` with a batch that arrived at `millis` or later; null
  // when there is none.
  void ViewOfTime(uint64_t millis, uint64_t from, SegmentView* view) const;

  uint64_t committed_end() const;
  void AddDamage(const DamagedRange& range);
  bool FindDamage(uint64_t position, DamagedRange* range) const;
  bool FindDamagedSequence(uint64_t sequence, DamagedRange* range) const;

  // Moves the trimmed start to `position`, the start of the batch that holds `first_sequence`;
  // never back.
  void SetTrimmed(uint64_t position, uint64_t first_sequence);

  // What the index of the active segment vouches for; false for any other segment.
  bool GetActiveVouched(const Segment& segment, VouchedStarts* vouched) const;

  // For scrub: the committed segments as they are now.
  std::vector<SegmentView> Views() const;

  // Commit rounds (one at a time per core)

  // False when there is nothing to sync. Without `everything`, what nobody waits for may be left
  // out.
  bool BeginCommit(bool everything, CommitPlan* plan);

  // Takes the outcome of the sync of the plan's ranges in. After a failure the shard is poisoned
  // for good.
  void FinishCommit(const CommitPlan& plan, const base::Status& status);

  // Seals the plan's full segments on disk.
  void SealSegments(CommitPlan* plan);

  // Idle shards: sync what nobody waits for, prove the tail with a marker batch, let go of the
  // writer.
  IdleVerdict CheckIdle();

  // Recovery left a tail to prove or to sync: looked at like that of a shard that has gone idle.
  void AskForIdleCheck();

  // Trims

  ManifestShard TrimState() const;

  // Whether a segment goes once its trim is durable.
  bool FreesSegment() const;

  // The trim up to `trimmed_start` is durable: frees the segments below it.
  void ReleaseTrimmed(uint64_t trimmed_start);

  // End of life

  // Refuses appends from now on with `status`. A shard that has failed keeps its own.
  void RefuseAppends(base::Status status);

  // For good: the shard is sealed, its last segment becomes full.
  void Seal();

  // Frees everything; the deletion is durable.
  void ReleaseAll();

  // What the verified end says of this shard. False when it failed or has unsynced bytes.
  bool GetVerified(VerifiedShard* verified) const;

  base::Status state() const;
  bool failed() const;
  void GetStats(ShardStats* stats) const;

  uint64_t append_count() const { return append_count_.load(std::memory_order_relaxed); }

  uint64_t append_bytes() const { return append_bytes_.load(std::memory_order_relaxed); }

  size_t damage_count() const;

 private:
  base::Status AppendLocked(const AppendRequest& request, uint64_t now_millis, AppendResult* result,
                            bool* wants_commit);
  base::Status CheckRequestLocked(const AppendRequest& request) const;
  base::Status CheckOpenLocked(const AppendRequest& request) const;
  void ResolveKeyLocked();
  uint32_t SealedOverheadLocked() const;
  base::Status CheckDuplicateLocked(const AppendRequest& request, AppendResult* result,
                                    bool* repeat) const;
  void AnswerRepeatLocked(const PriorBatch& prior, AppendResult* result) const;
  bool IsVisibleLocked(const AppendRequest& request) const;
  base::Status PrepareWriterLocked(uint64_t batch_bytes, bool visible, Way* way);
  base::Status ResumeWriterLocked();
  base::Status BeginSegmentLocked(uint64_t batch_bytes, bool visible);
  void RetireWriterLocked();
  BatchHeader HeaderLocked(const AppendRequest& request, uint64_t arrival_millis) const;
  void StoreLocked(BatchHeader header, const Piece* pieces, size_t piece_count, Way way);
  void AppendMarkerLocked(uint32_t padding);
  bool ProveTailLocked();
  void AlignLocked();
  bool ScheduleLocked(bool visible, AppendResult* result);
  void AskForIdleCheckLocked();
  void PublishLocked();
  void PoisonLocked(const base::Status& status);
  std::shared_ptr<Segment> SegmentOfLocked(uint64_t position) const;
  bool CanReleaseLocked(uint64_t trimmed_start) const;
  void LimitLocked(SegmentView* view) const;

  CoreContext* const context_;
  CommittedSlot* const line_;
  const uint64_t shard_;
  const uint32_t slot_;

  mutable std::mutex mutex_;
  // All under mutex_ from here on.
  uint64_t appended_end_;
  uint64_t next_sequence_;
  uint64_t synced_end_;
  uint64_t committed_end_;
  uint64_t committed_next_sequence_;
  uint64_t trimmed_start_;
  uint64_t first_sequence_;
  uint64_t disk_end_ = 0;  // end of the last batch whose acknowledgement needs a sync
  uint64_t marker_end_ =
      0;  // end of the last marker: nobody waits for it, and it is not shown before it is synced
  uint64_t last_arrival_millis_;
  uint32_t epoch_;
  bool sealed_;
  bool failed_ = false;
  bool tail_proven_;
  bool touched_ = false;                           // since the last idle check
  bool idle_check_ = false;                        // one is asked for
  bool committing_ = false;                        // in a plan of the round under way
  base::Status refusal_;                           // why appends are refused
  KeyName key_name_;                               // what the records are to be encrypted with
  std::shared_ptr<const SealingKey> sealing_key_;  // null while there is no such key
  base::Status key_refusal_;                       // ... and then why
  std::deque<std::shared_ptr<Segment>> segments_;  // by position; the last may be active
  std::shared_ptr<SegmentWriter> writer_;          // of the last segment; null when idle or full
  std::vector<FullSegment> full_;                  // not yet synced
  bool full_waited_ = false;                       // some were there at the last idle check
  DuplicateTable duplicates_;
  std::vector<DamagedRange> damaged_;

  std::atomic<bool> commit_requested_{false};
  std::atomic<uint64_t> append_count_{0};
  std::atomic<uint64_t> append_bytes_{0};
};

}  // namespace millrace::log
