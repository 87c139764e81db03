// Appends: what is asked of a request, and how it becomes a batch.
#include "native/log/shard_log.h"

#include <algorithm>
#include <utility>

#include "native/base/check.h"
#include "native/log/sealed_batch.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

}  // namespace

ShardLog::ShardLog(CoreContext* context, uint32_t slot, ShardStart start)
    : context_(context),
      line_(&context->committed->At(slot)),
      shard_(start.shard),
      slot_(slot),
      appended_end_(start.end_position),
      next_sequence_(start.next_sequence),
      synced_end_(start.synced_end),
      committed_end_(start.end_position),
      committed_next_sequence_(start.next_sequence),
      trimmed_start_(start.trimmed_start),
      first_sequence_(start.first_sequence),
      last_arrival_millis_(start.last_arrival_millis),
      epoch_(start.epoch),
      sealed_(start.sealed),
      tail_proven_(start.tail_proven),
      segments_(std::move(start.segments)),
      duplicates_(std::move(start.duplicates)),
      damaged_(std::move(start.damaged)) {
  if (sealed_) {
    refusal_ = Status(Code::kShardClosed, Format("shard %llu is sealed; append to its children",
                                                 static_cast<ull>(shard_)));
  }
  line_->shard.store(shard_, std::memory_order_relaxed);
  PublishLocked();
}

ShardLog::~ShardLog() {
  for (const auto& segment : segments_) {
    context_->cache->Drop(segment.get());
  }
}

Status ShardLog::Append(const AppendRequest& request, AppendResult* result) {
  // Before the lock: reading the clock takes as long as a short append.
  const uint64_t now = context_->clock->WallMillis();
  bool wants_commit = false;
  Status status;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    status = AppendLocked(request, now, result, &wants_commit);
  }
  // Behind the lock, for which the committer would wait as soon as it is awake.
  if (wants_commit) {
    context_->chores->RequestCommit(this);
  }
  return status;
}

Status ShardLog::AppendLocked(const AppendRequest& request, uint64_t now_millis,
                              AppendResult* result, bool* wants_commit) {
  Status status = CheckRequestLocked(request);
  if (!status.ok()) {
    return status;
  }
  if (request.producer_id != 0) {
    bool repeat = false;
    status = CheckDuplicateLocked(request, result, &repeat);
    if (!status.ok() || repeat) {
      return status;
    }
  }
  status = CheckOpenLocked(request);
  const uint64_t batch_bytes =
      format::kBatchHeaderBytes + uint64_t{request.records_bytes} + SealedOverheadLocked();
  const bool visible = IsVisibleLocked(request);
  Way way = Way::kStaged;
  status = status.ok() ? PrepareWriterLocked(batch_bytes, visible, &way) : status;
  BatchHeader header = HeaderLocked(request, std::max(last_arrival_millis_, now_millis));
  SealedRecords sealed;
  const bool is_sealed = status.ok() && sealing_key_ != nullptr;
  if (is_sealed) {
    status = SealRecords(*sealing_key_, request.pieces, request.piece_count, &header, &sealed);
  }
  if (!status.ok()) {
    return status;
  }
  const PriorBatch prior{request.producer_sequence, request.count, next_sequence_,
                         appended_end_ + batch_bytes};
  if (request.producer_id != 0 && !duplicates_.Record(request.producer_id, prior)) {
    return Status(Code::kLimitExceeded,
                  "out of memory for the duplicate table; nothing was appended");
  }
  result->first_sequence = next_sequence_;
  result->count = request.count;
  result->duplicate = false;
  StoreLocked(header, is_sealed ? &sealed.piece : request.pieces,
              is_sealed ? 1 : request.piece_count, way);
  result->end_position = appended_end_;
  const bool shown = visible && (way == Way::kMapped || writer_->WriteStaged().ok());
  *wants_commit = ScheduleLocked(shown, result);
  return Status();
}

Status ShardLog::CheckRequestLocked(const AppendRequest& request) const {
  if (!refusal_.ok() && refusal_.code() != Code::kShardClosed) {
    return refusal_;
  }
  if (request.count == 0 || request.count > format::kBatchRecordCountMax) {
    return Status(Code::kInvalidArgument, Format("a batch has 1 to %u records, not %u",
                                                 format::kBatchRecordCountMax, request.count));
  }
  const uint32_t records_bytes_max = format::kBatchRecordsBytesMax - SealedOverheadLocked();
  if (request.records_bytes == 0 || request.records_bytes > records_bytes_max) {
    return Status(Code::kInvalidArgument,
                  Format("the records of a batch take 1 to %u bytes, not %u; send several batches",
                         records_bytes_max, request.records_bytes));
  }
  if ((request.flags & ~format::kCodecMask) != 0 || request.flags == format::kCodecSealed) {
    return Status(Code::kInvalidArgument,
                  Format("batch flags 0x%x: only the codec in the low byte is defined, and %u is "
                         "that of the log itself",
                         request.flags, format::kCodecSealed));
  }
  if (request.epoch != 0 && request.epoch < epoch_) {
    return Status(
        Code::kWriterFenced,
        Format("shard %llu has writer epoch %u, this append has %u: another writer took over",
               static_cast<ull>(shard_), epoch_, request.epoch));
  }
  if (request.expected_sequence != 0 && request.expected_sequence != next_sequence_) {
    return Status(Code::kWriterFenced,
                  Format("shard %llu goes on at sequence number %llu, this append expects %llu: "
                         "another writer has appended",
                         static_cast<ull>(shard_), static_cast<ull>(next_sequence_),
                         static_cast<ull>(request.expected_sequence)));
  }
  if (next_sequence_ > UINT64_MAX - request.count) {
    return Status(Code::kLimitExceeded,
                  Format("shard %llu has used up its sequence numbers", static_cast<ull>(shard_)));
  }
  return Status();
}

// Whether anything new may be appended. A repeat is answered before: the first time it went well,
// and an idempotent producer that lost the answer must not write it again elsewhere.
Status ShardLog::CheckOpenLocked(const AppendRequest& request) const {
  if (!refusal_.ok()) {
    return refusal_;
  }
  if (request.repeats_only) {
    return Status(Code::kShardClosed, Format("shard %llu is being closed; append to its children",
                                             static_cast<ull>(shard_)));
  }
  if (context_->failed.load(std::memory_order_acquire)) {
    return context_->failure();
  }
  if (!request.uses_reserve && context_->disk_full.load(std::memory_order_relaxed)) {
    return context_->DiskFullStatus();
  }
  return key_refusal_;
}

void ShardLog::SetEncryption(const KeyName& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!(key_name_ == name)) {
    key_name_ = name;
    ResolveKeyLocked();
  }
}

void ShardLog::RenewEncryption() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ResolveKeyLocked();
}

// Without the key nothing is appended: it never becomes plain text.
void ShardLog::ResolveKeyLocked() {
  sealing_key_ = nullptr;
  key_refusal_ =
      key_name_.id.empty() ? Status() : context_->keyring.FindSealing(key_name_, &sealing_key_);
}

uint32_t ShardLog::SealedOverheadLocked() const {
  return key_name_.id.empty() ? 0 : format::SealedOverhead(key_name_.id.size());
}

// An append with Durability::kOs is visible at once unless a batch before it still waits for the
// disk, as what is visible must be a prefix of the log.
bool ShardLog::IsVisibleLocked(const AppendRequest& request) const {
  return request.durability == Durability::kOs && disk_end_ <= committed_end_;
}

BatchHeader ShardLog::HeaderLocked(const AppendRequest& request, uint64_t arrival_millis) const {
  BatchHeader header;
  header.shard = shard_;
  header.first_sequence = next_sequence_;
  header.count = request.count;
  header.arrival_millis = arrival_millis;
  header.epoch = std::max(epoch_, request.epoch);
  header.producer_id = request.producer_id;
  header.producer_sequence = request.producer_sequence;
  header.synced_upto = synced_end_;
  header.flags = request.flags;
  header.records_bytes = request.records_bytes;
  return header;
}

void ShardLog::StoreLocked(BatchHeader header, const Piece* pieces, size_t piece_count, Way way) {
  header.crc32c = writer_->Store(header, pieces, piece_count, way);

  Segment& segment = *segments_.back();
  // A point that finds no memory is missing from the index and costs a longer walk, no more.
  static_cast<void>(segment.active_index->Add(appended_end_, header));
  appended_end_ += header.bytes();
  next_sequence_ += header.count;
  last_arrival_millis_ = header.arrival_millis;
  epoch_ = header.epoch;
  segment.end_position = appended_end_;
  segment.next_sequence = next_sequence_;
  segment.last_arrival_millis = header.arrival_millis;
  segment.epoch = epoch_;
  tail_proven_ = false;
  if (header.count != 0) {
    append_count_.store(append_count_.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
    append_bytes_.store(append_bytes_.load(std::memory_order_relaxed) + header.bytes(),
                        std::memory_order_relaxed);
  }
}

// Decides who waits: an append whose batch is in the file, and behind nothing that waits, is
// acknowledged at once. True when a commit is to be asked for.
bool ShardLog::ScheduleLocked(bool visible, AppendResult* result) {
  bool wants_commit = false;
  touched_ = true;
  result->committed = visible;
  result->durability = result->committed ? Durability::kOs : Durability::kDisk;
  if (result->committed) {
    committed_end_ = appended_end_;
    committed_next_sequence_ = next_sequence_;
  } else {
    disk_end_ = appended_end_;
    wants_commit = !commit_requested_.exchange(true);
  }
  PublishLocked();
  if (result->committed) {
    context_->NotifyCommitted();
  }
  AskForIdleCheckLocked();
  return wants_commit;
}

void ShardLog::PublishLocked() {
  MILLRACE_CHECK(appended_end_ >= committed_end_ && committed_end_ >= trimmed_start_);
  line_->appended_end.store(appended_end_, std::memory_order_relaxed);
  line_->synced_end.store(synced_end_, std::memory_order_relaxed);
  line_->trimmed_start.store(trimmed_start_, std::memory_order_relaxed);
  line_->first_sequence.store(first_sequence_, std::memory_order_relaxed);
  // Who sees that appends are refused sees the end of those that were not.
  line_->state.store(static_cast<uint64_t>(refusal_.code()), std::memory_order_release);
  line_->committed_next_sequence.store(committed_next_sequence_, std::memory_order_relaxed);
  line_->committed_end.store(committed_end_, std::memory_order_release);
}

}  // namespace millrace::log
