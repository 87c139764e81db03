// Appends and commits. Positions for readers, trims and the end of a shard's life are in
// shard_views.cc.
#include "native/log/shard_log.h"

#include <algorithm>
#include <utility>

#include "native/base/check.h"
#include "native/log/sealed_batch.h"
#include "native/log/segment_blocks.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

// An ordinary batch leaves room for one marker, so that a full segment's tail can be proven too.
constexpr uint64_t kMarkerBytes = format::kBatchHeaderBytes;

// Full segments that may wait for their sync while nobody waits for them: an unsealed segment holds
// a map and a descriptor, and is scanned after a crash.
constexpr size_t kFullSegmentsMax = 4;

const uint8_t kZeros[2 * base::kPageBytes] = {};

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
  const std::lock_guard<std::mutex> lock(mutex_);
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
  BatchHeader header = HeaderLocked(request, std::max(last_arrival_millis_, now));
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
  ScheduleLocked(visible && (way == Way::kMapped || writer_->WriteStaged().ok()), result);
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

Status ShardLog::CheckDuplicateLocked(const AppendRequest& request, AppendResult* result,
                                      bool* repeat) const {
  PriorBatch prior;
  const DuplicateVerdict verdict =
      duplicates_.Check(request.producer_id, request.producer_sequence, &prior);
  const bool gap = verdict == DuplicateVerdict::kGap && !request.producer_gaps_allowed;
  if (gap || verdict == DuplicateVerdict::kTooOld) {
    return Status(Code::kProducerSequenceGap,
                  Format("producer %llu sent sequence %u to shard %llu, which is %s; begin again "
                         "under a new producer id",
                         static_cast<ull>(request.producer_id), request.producer_sequence,
                         static_cast<ull>(shard_),
                         gap ? "not the next one" : "older than the batches remembered"));
  }
  if (verdict != DuplicateVerdict::kRepeat) {
    return Status();
  }
  if (prior.count != request.count) {
    return Status(Code::kInvalidArgument,
                  Format("producer %llu repeats sequence %u with %u records, the first time it had "
                         "%u: a number names one batch",
                         static_cast<ull>(request.producer_id), request.producer_sequence,
                         request.count, prior.count));
  }
  *repeat = true;
  AnswerRepeatLocked(prior, result);
  return Status();
}

void ShardLog::AnswerRepeatLocked(const PriorBatch& prior, AppendResult* result) const {
  result->first_sequence = prior.first_sequence;
  result->count = prior.count;
  result->end_position = prior.end_position;
  result->duplicate = true;
  result->committed = prior.end_position <= committed_end_;
  result->durability =
      prior.end_position <= synced_end_ || !result->committed ? Durability::kDisk : Durability::kOs;
}

Status ShardLog::FindRepeat(uint64_t producer_id, uint32_t producer_sequence,
                            DuplicateVerdict* verdict, AppendResult* result) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!refusal_.ok() && refusal_.code() != Code::kShardClosed) {
    return refusal_;
  }
  PriorBatch prior;
  *verdict = duplicates_.Check(producer_id, producer_sequence, &prior);
  if (*verdict == DuplicateVerdict::kRepeat) {
    AnswerRepeatLocked(prior, result);
  }
  return Status();
}

// An append with Durability::kOs is visible at once unless a batch before it still waits for the
// disk, as what is visible must be a prefix of the log.
bool ShardLog::IsVisibleLocked(const AppendRequest& request) const {
  return request.durability == Durability::kOs && disk_end_ <= committed_end_;
}

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

// Decides who waits: an append whose batch is in the file, and behind nothing that waits, is
// acknowledged at once.
void ShardLog::ScheduleLocked(bool visible, AppendResult* result) {
  touched_ = true;
  result->committed = visible;
  result->durability = result->committed ? Durability::kOs : Durability::kDisk;
  if (result->committed) {
    committed_end_ = appended_end_;
    committed_next_sequence_ = next_sequence_;
  } else {
    disk_end_ = appended_end_;
    if (!commit_requested_.exchange(true)) {
      context_->chores->RequestCommit(this);
    }
  }
  PublishLocked();
  if (result->committed) {
    context_->NotifyCommitted();
  }
  AskForIdleCheckLocked();
}

void ShardLog::AskForIdleCheckLocked() {
  if (!idle_check_) {
    idle_check_ = true;
    context_->chores->RequestIdleCheck(this);
  }
}

void ShardLog::PublishLocked() {
  MILLRACE_CHECK(appended_end_ >= committed_end_ && committed_end_ >= trimmed_start_);
  line_->appended_end.store(appended_end_, std::memory_order_relaxed);
  line_->synced_end.store(synced_end_, std::memory_order_relaxed);
  line_->trimmed_start.store(trimmed_start_, std::memory_order_relaxed);
  line_->first_sequence.store(first_sequence_, std::memory_order_relaxed);
  line_->state.store(static_cast<uint64_t>(refusal_.code()), std::memory_order_relaxed);
  line_->committed_next_sequence.store(committed_next_sequence_, std::memory_order_relaxed);
  line_->committed_end.store(committed_end_, std::memory_order_release);
}

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
  if (writer_->room() < padding + kMarkerBytes ||
      !writer_->Prepare(padding, Way::kStaged, &wants_populate).ok()) {
    return;  // the segment ends here: what follows begins in a page of another file
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
