#include "native/log/shard_recovery.h"

#include <algorithm>
#include <utility>

#include "native/log/segment_blocks.h"
#include "native/log/segment_loader.h"
#include "native/log/tail_repair.h"

namespace millrace::log {

using base::Code;
using base::Status;

namespace {

// A last segment that is sealed has lost the one after it, for a segment is only sealed once the next has begun. How
// far the log went is unknown then; it goes on far beyond, so that no number is given twice.
constexpr uint64_t kLostSegmentPositions = uint64_t{1} << 36;
constexpr uint64_t kLostSegmentSequences = uint64_t{1} << 32;

// Follows a scan: index, duplicates, and where the last ordinary batch ended.
class TailVisitor : public BatchVisitor {
 public:
  TailVisitor(SegmentIndex* index, DuplicateTable* duplicates)
      : index_(index), duplicates_(duplicates) {}

  void OnBatch(uint64_t position, const BatchHeader& header, const uint8_t*) override {
    if (index_ != nullptr) {
      static_cast<void>(index_->Add(position, header));  // a missing point costs a longer walk
    }
    if (header.count != 0) {
      records_end_ = position + header.bytes();
    }
    if (header.producer_id != 0 && duplicates_ != nullptr) {
      complete_ &= duplicates_->Record(header.producer_id,
                                       {header.producer_sequence, header.count,
                                        header.first_sequence, position + header.bytes()});
    }
  }

  uint64_t records_end() const { return records_end_; }
  bool complete() const { return complete_; }

 private:
  SegmentIndex* const index_;
  DuplicateTable* const duplicates_;
  uint64_t records_end_ = 0;
  bool complete_ = true;
};

// The highest `synced upto` in a segment, whatever it holds.
Status PeekSynced(const Segment& segment, uint64_t* synced_upto) {
  std::shared_ptr<const Mapping> mapping;
  Status status = Mapping::Open(segment.file, &mapping);
  status = status.ok() ? mapping->Touch(0, mapping->bytes()) : status;
  if (!status.ok()) {
    return status;
  }
  ScanInput input;
  input.data = mapping->data() + format::kSegmentHeaderBlockBytes;
  input.bytes = segment.file->bytes() - format::kSegmentOverheadBytes;
  input.base_position = input.start_position = segment.base_position;
  input.shard = segment.shard;
  input.expected_sequence = segment.first_sequence;
  *synced_upto = ScanSegment(input, nullptr).synced_upto_max;
  return Status();
}

class Planner {
 public:
  Planner(CoreContext* context, uint64_t shard, const ManifestShard& manifest, RecoveryPlan* plan)
      : context_(context), manifest_(manifest), plan_(plan), duplicates_({context->options.producers_max}) {
    ShardStart& start = plan->start;
    start.shard = shard;
    start.trimmed_start = manifest.trimmed_start;
    start.first_sequence = manifest.first_sequence;
    start.end_position = manifest.trimmed_start;
    start.next_sequence = manifest.first_sequence;
    start.sealed = manifest.sealed;
  }

  Status Run(FoundShard found);

 private:
  Status LoadTable(const std::vector<FoundSegment>& segments);
  Status ScanTail(const FoundSegment& found, bool last, bool durable_end, const Segment* next);
  void NoteGap(const Segment& next);
  void Take(const std::shared_ptr<Segment>& segment);
  void Finish();

  CoreContext* const context_;
  const ManifestShard& manifest_;
  RecoveryPlan* const plan_;
  DuplicateTable duplicates_;
  uint64_t records_end_ = 0;
  uint64_t later_synced_upto_ = 0;
};

// A segment that does not begin where the one before it ended: those between are lost.
void Planner::NoteGap(const Segment& next) {
  ShardStart& start = plan_->start;
  if (next.base_position > start.end_position) {
    start.damaged.push_back(
        {start.end_position, next.base_position, start.next_sequence, next.first_sequence});
  }
}

void Planner::Take(const std::shared_ptr<Segment>& segment) {
  ShardStart& start = plan_->start;
  start.end_position = segment->end_position;
  start.next_sequence = segment->next_sequence;
  start.last_arrival_millis = std::max(start.last_arrival_millis, segment->last_arrival_millis);
  start.epoch = std::max(start.epoch, segment->epoch);
  start.segments.push_back(segment);
}

// The duplicate table at the end of the sealed segments: from the last index file, else from all their batches.
Status Planner::LoadTable(const std::vector<FoundSegment>& segments) {
  size_t sealed = 0;
  while (sealed < segments.size() && segments[sealed].sealed) {
    ++sealed;
  }
  if (sealed == 0) {
    return Status();
  }
  std::vector<uint8_t> snapshot;
  if (LoadDuplicates(context_, *segments[sealed - 1].segment, &snapshot) &&
      duplicates_.Decode(snapshot.data(), snapshot.size())) {
    return Status();
  }
  TailVisitor visitor(nullptr, &duplicates_);
  for (size_t at = 0; at < sealed; ++at) {
    Segment& segment = *segments[at].segment;
    std::shared_ptr<const Mapping> mapping;
    Status status = context_->cache->Map(&segment, &mapping);
    status = status.ok() ? mapping->Touch(0, mapping->bytes()) : status;
    if (status.code() == Code::kLogCorrupt) {
      continue;  // its producers are forgotten with it
    }
    if (!status.ok()) {
      return status;
    }
    ScanSegment(ScanInputOf(segment, *mapping, IndexPoint{}, segment.end_position,
                            segment.next_sequence),
                &visitor);
  }
  return visitor.complete() ? Status()
                            : Status(Code::kLimitExceeded, "out of memory for the duplicate table");
}

Status Planner::ScanTail(const FoundSegment& found, bool last, bool durable_end,
                         const Segment* next) {
  const std::shared_ptr<Segment>& segment = found.segment;
  std::shared_ptr<const Mapping> mapping;
  Status status = Mapping::Open(segment->file, &mapping);
  status = status.ok() ? mapping->Touch(0, mapping->bytes()) : status;
  if (!status.ok()) {
    return status;
  }
  ScanInput input;
  input.data = mapping->data() + format::kSegmentHeaderBlockBytes;
  input.bytes = segment->file->bytes() - format::kSegmentOverheadBytes;
  input.base_position = input.start_position = segment->base_position;
  input.shard = segment->shard;
  input.expected_sequence = segment->first_sequence;
  input.later_synced_upto = later_synced_upto_;
  if (durable_end && next->base_position - segment->base_position <= input.bytes) {
    input.has_recorded_end = true;
    input.recorded_end = next->base_position;
    input.recorded_next_sequence = next->first_sequence;
  }
  RecoveryPlan::Tail tail;
  tail.segment = segment;
  tail.last = last;
  tail.index = std::make_unique<SegmentIndex>(segment->base_position, segment->first_sequence);
  TailVisitor visitor(tail.index.get(), &duplicates_);
  tail.scan = ScanSegment(input, &visitor);
  if (!visitor.complete()) {
    return Status(Code::kLimitExceeded, "out of memory for the duplicate table");
  }
  records_end_ = std::max(records_end_, visitor.records_end());
  segment->end_position = tail.scan.end;
  segment->next_sequence = tail.scan.next_sequence;
  segment->last_arrival_millis = tail.scan.arrival_millis_max;
  segment->epoch = tail.scan.epoch;
  plan_->proven = std::max(plan_->proven, tail.scan.synced_upto_max);
  ShardStart& start = plan_->start;
  start.damaged.insert(start.damaged.end(), tail.scan.damaged.begin(), tail.scan.damaged.end());
  plan_->tails.push_back(std::move(tail));
  return Status();
}

Status Planner::Run(FoundShard found) {
  std::vector<FoundSegment>& segments = found.segments;
  Status status = LoadTable(segments);
  for (size_t at = 0; status.ok() && at < segments.size(); ++at) {
    const std::shared_ptr<Segment>& segment = segments[at].segment;
    if (segment->base_position < plan_->start.end_position && !plan_->start.segments.empty()) {
      plan_->disowned.push_back(segment);  // an earlier recovery cut the log before it
      continue;
    }
    bool gap_is_durable = true;
    if (segment->base_position > plan_->start.end_position && plan_->start.segments.empty()) {
      SegmentProof proof;
      status = FindProof(segments, at, &proof);
      gap_is_durable = proof.sealed || proof.synced_upto > plan_->start.end_position;
    }
    if (!status.ok() || !gap_is_durable) {
      // Nothing before it has been on disk: its own first page was written back early, no more.
      for (; status.ok() && at < segments.size(); ++at) {
        plan_->disowned.push_back(segments[at].segment);
      }
      break;
    }
    NoteGap(*segment);
    if (segments[at].sealed) {
      plan_->proven = std::max(plan_->proven, segment->end_position);
      Take(segment);
      continue;
    }
    SegmentProof later;
    status = FindProof(segments, at + 1, &later);
    if (!status.ok()) {
      break;
    }
    later_synced_upto_ = later.synced_upto;
    const bool last = at + 1 == segments.size();
    const Segment* const next = last ? nullptr : segments[at + 1].segment.get();
    const bool durable_end =
        next != nullptr && (later.sealed || later_synced_upto_ >= next->base_position);
    status = ScanTail(segments[at], last, durable_end, next);
    Take(segment);
    const bool goes_on = last || segment->end_position == next->base_position;
    if (status.ok() && !goes_on) {
      plan_->tails.back().last = true;
      for (size_t later = at + 1; later < segments.size(); ++later) {
        plan_->disowned.push_back(segments[later].segment);
      }
      break;
    }
  }
  if (status.ok()) {
    Finish();
  }
  return status;
}

void Planner::Finish() {
  ShardStart& start = plan_->start;
  const bool lost_next =
      !start.segments.empty() && start.segments.back()->sealed && !manifest_.sealed;
  if (lost_next) {
    const uint64_t end = start.end_position;
    start.damaged.push_back({end, end + kLostSegmentPositions, start.next_sequence,
                             start.next_sequence + kLostSegmentSequences});
    start.end_position += kLostSegmentPositions;
    start.next_sequence += kLostSegmentSequences;
  }
  if (start.end_position < start.trimmed_start) {
    // A trim became durable before the (unsynced) bytes that it trimmed.
    for (const auto& segment : start.segments) {
      plan_->disowned.push_back(segment);
    }
    start.segments.clear();
    plan_->tails.clear();
    start.end_position = start.trimmed_start;
    start.next_sequence = std::max(start.next_sequence, start.first_sequence);
    // Which batches its producers sent after those that are left is unknown, so each may go on at any number.
    duplicates_.Clear();
  }
  start.duplicates = std::move(duplicates_);
  plan_->marker_only = records_end_ <= plan_->proven;
  start.tail_proven = plan_->marker_only;
  start.synced_end = start.end_position;
}

}  // namespace

Status FindProof(const std::vector<FoundSegment>& segments, size_t at, SegmentProof* proof) {
  Status status;
  for (; status.ok() && at < segments.size(); ++at) {
    uint64_t synced_upto = 0;
    proof->sealed = proof->sealed || segments[at].sealed;
    status = PeekSynced(*segments[at].segment, &synced_upto);
    proof->synced_upto = std::max(proof->synced_upto, synced_upto);
  }
  return status;
}

Status PlanRecovery(CoreContext* context, uint64_t shard, const ManifestShard& manifest,
                    FoundShard found, RecoveryPlan* plan) {
  return Planner(context, shard, manifest, plan).Run(std::move(found));
}

namespace {

// The seal of a segment that filled up before the stop, or the index of the one that goes on.
Status FinishTail(CoreContext* context, RecoveryPlan::Tail* tail, bool sealed_shard) {
  Segment& segment = *tail->segment;
  if (tail->last && !sealed_shard) {
    segment.active_index = std::move(tail->index);
    return Status();
  }
  format::SegmentSeal seal{};
  seal.shard = segment.shard;
  seal.base_position = segment.base_position;
  seal.end_position = segment.end_position;
  seal.first_sequence = segment.first_sequence;
  seal.next_sequence = segment.next_sequence;
  seal.batch_count = tail->index->batch_count();
  seal.first_arrival_millis = tail->index->first_arrival_millis();
  seal.last_arrival_millis = tail->index->last_arrival_millis();
  seal.chain_hash = tail->index->chain_hash();
  seal.epoch = segment.epoch;
  FinishSegmentSeal(&seal);
  Status status = WriteSeal(context, segment, seal);
  segment.sealed = status.ok();
  context->cache->StoreIndex(&segment,
                             std::shared_ptr<const SegmentIndex>(std::move(tail->index)));
  return status;
}

Status RepairTail(CoreContext* context, RecoveryPlan* plan, RecoveryPlan::Tail* tail) {
  Segment& segment = *tail->segment;
  Status status;
  if (tail->scan.tail == TailVerdict::kTorn) {
    if (tail->scan.torn_bytes_end > tail->scan.end) {
      status = CopyAside(context, segment, tail->scan.end, tail->scan.torn_bytes_end);
      context->counters.torn_bytes += tail->scan.torn_bytes_end - tail->scan.end;
    }
    status = status.ok() ? ZeroTail(context, segment, tail->scan.end) : status;
    ++context->counters.torn_shards;
  }
  const uint64_t from = std::max(segment.base_position, plan->proven);
  if (!status.ok() || from >= segment.end_position) {
    return status;
  }
  // The first sync of a segment covers its header, so a batch that says its own segment was synced vouches for it.
  const bool with_header = plan->proven <= segment.base_position;
  const bool sync = !plan->marker_only || with_header;
  if (!sync) {
    plan->start.synced_end = from;
  }
  context->counters.proven_bytes += segment.end_position - from;
  return ProveTail(context, segment, from, segment.end_position, with_header, sync);
}

}  // namespace

Status CarryOut(CoreContext* context, RecoveryPlan* plan) {
  Status status;
  // In the order of the log, so that a cut during recovery never leaves a later byte vouched for by an earlier gap;
  // the segments that are cut go first, as they must not seem to continue a tail that has been repaired.
  for (const auto& segment : plan->disowned) {
    status = status.ok() ? DisownSegment(context, *segment) : status;
    context->cache->Drop(segment.get());
  }
  for (RecoveryPlan::Tail& tail : plan->tails) {
    status = status.ok() ? RepairTail(context, plan, &tail) : status;
  }
  // A seal says that the next segment exists, so it comes after the headers of all have been proven.
  for (RecoveryPlan::Tail& tail : plan->tails) {
    status = status.ok() ? FinishTail(context, &tail, plan->start.sealed) : status;
  }
  return status;
}

}  // namespace millrace::log
