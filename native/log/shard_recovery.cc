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

// A last segment that is sealed has lost the one after it, for a segment is only sealed once the
// next has begun. How far the log went is unknown then; it goes on far beyond, so that no number is
// given twice.
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
      complete_ &= duplicates_->Record(
          header.producer_id, {header.producer_sequence, header.count, header.first_sequence,
                               position + header.bytes()});
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
      : context_(context),
        manifest_(manifest),
        plan_(plan),
        duplicates_({context->options.producers_max}) {
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
  bool LoadSnapshot(const Segment& segment);
  Status ScanProducers(Segment* segment);
  Status ScanTail(const FoundSegment& found, bool last, bool durable_end, const Segment* next);
  Status FindLoss(const std::vector<FoundSegment>& segments, size_t at, bool* lost);
  void NoteGap(const Segment& next);
  void Disown(const std::vector<FoundSegment>& segments, size_t from);
  void Take(const std::shared_ptr<Segment>& segment);
  void Finish();

  CoreContext* const context_;
  const ManifestShard& manifest_;
  RecoveryPlan* const plan_;
  DuplicateTable duplicates_;
  size_t sealed_prefix_ = 0;  // so many segments are in the table from the start
  uint64_t records_end_ = 0;
  uint64_t later_synced_upto_ = 0;
  bool lacks_successor_ = false;  // the last segment seen says that another followed it
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

// The duplicate table as the index file of a sealed segment has it, of all batches up to its end.
bool Planner::LoadSnapshot(const Segment& segment) {
  std::vector<uint8_t> snapshot;
  SegmentIndex index;
  return ReadIndexFile(context_, segment, &index, &snapshot) &&
         duplicates_.Decode(snapshot.data(), snapshot.size());
}

// The same, as far as this one goes, from its batches.
Status Planner::ScanProducers(Segment* segment) {
  std::shared_ptr<const Mapping> mapping;
  Status status = context_->cache->Map(segment, &mapping);
  status = status.ok() ? mapping->Touch(0, mapping->bytes()) : status;
  if (status.code() == Code::kLogCorrupt) {
    return Status();  // its producers are forgotten with it
  }
  if (!status.ok()) {
    return status;
  }
  TailVisitor visitor(nullptr, &duplicates_);
  ScanSegment(ScanInputOf(*segment, *mapping, segment->end_position, segment->next_sequence),
              &visitor);
  return visitor.complete() ? Status()
                            : Status(Code::kLimitExceeded, "out of memory for the duplicate table");
}

// The duplicate table at the end of the sealed segments with which the log begins.
Status Planner::LoadTable(const std::vector<FoundSegment>& segments) {
  while (sealed_prefix_ < segments.size() && segments[sealed_prefix_].sealed) {
    ++sealed_prefix_;
  }
  Status status;
  if (sealed_prefix_ != 0 && !LoadSnapshot(*segments[sealed_prefix_ - 1].segment)) {
    for (size_t at = 0; status.ok() && at < sealed_prefix_; ++at) {
      status = ScanProducers(segments[at].segment.get());
    }
  }
  return status;
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
  VouchedStarts vouched;
  if (durable_end && next->base_position - segment->base_position <= input.bytes) {
    input.has_recorded_end = true;
    input.recorded_end = next->base_position;
    input.recorded_next_sequence = next->first_sequence;
    input.bytes = next->base_position - segment->base_position;
    segment->end_position = next->base_position;
    SegmentIndex saved;  // a segment whose seal alone was lost still has its index file
    if (ReadIndexFile(context_, *segment, &saved, nullptr)) {
      vouched = VouchedStarts(saved);
    }
  }
  vouched.Lend(&input);
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

// Whether what lies before segment number `at` may be called lost. Not when the log begins with a
// gap of which nothing says that it had been on disk: then the header behind it was written back
// early, and is cut as any torn tail.
Status Planner::FindLoss(const std::vector<FoundSegment>& segments, size_t at, bool* lost) {
  const uint64_t end = plan_->start.end_position;
  *lost = true;
  if (segments[at].segment->base_position <= end || !plan_->start.segments.empty()) {
    return Status();
  }
  SegmentProof proof;
  Status status = FindProof(segments, at, &proof);
  *lost = proof.sealed || proof.synced_upto > end;
  return status;
}

void Planner::Disown(const std::vector<FoundSegment>& segments, size_t from) {
  for (size_t at = from; at < segments.size(); ++at) {
    plan_->disowned.push_back(segments[at].segment);
  }
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
    bool lost = true;
    status = FindLoss(segments, at, &lost);
    if (!status.ok() || !lost) {
      Disown(segments, at);
      break;
    }
    NoteGap(*segment);
    if (segments[at].sealed) {
      plan_->proven = std::max(plan_->proven, segment->end_position);
      lacks_successor_ = segments[at].lacks_successor;
      Take(segment);
      // Behind one whose seal is not on disk, of which the process before may not have known.
      if (at >= sealed_prefix_ && !LoadSnapshot(*segment)) {
        status = ScanProducers(segment.get());
      }
      continue;
    }
    SegmentProof behind;
    status = FindProof(segments, at + 1, &behind);
    if (!status.ok()) {
      break;
    }
    later_synced_upto_ = behind.synced_upto;
    lacks_successor_ = false;
    const bool last = at + 1 == segments.size();
    const Segment* const next = last ? nullptr : segments[at + 1].segment.get();
    const bool durable_end =
        next != nullptr && (behind.sealed || later_synced_upto_ >= next->base_position);
    status = ScanTail(segments[at], last, durable_end, next);
    Take(segment);
    const bool goes_on = last || segment->end_position == next->base_position;
    if (status.ok() && !goes_on) {
      plan_->tails.back().last = true;
      Disown(segments, at + 1);
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
  if (lacks_successor_ && !manifest_.sealed) {
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
    // Which batches its producers sent after those that are left is unknown, so each may go on at
    // any number.
    duplicates_.Clear();
  }
  std::erase_if(start.damaged,
                [&start](const DamagedRange& range) { return range.end <= start.trimmed_start; });
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
  // A damaged segment takes no more batches: what proves its damage may lie in bytes that were cut
  // or are refused, and the next scan must neither cut nor number anything else. Its seal records
  // the end once and for all.
  const bool go_on = tail->last && !sealed_shard && tail->scan.damaged.empty();
  if (go_on) {
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
  seal.flags = tail->last ? format::kSealEndsLog : 0;
  FinishSegmentSeal(&seal);
  Status status = WriteSeal(context, segment, seal);
  segment.sealed = status.ok();
  context->cache->StoreIndex(&segment, std::shared_ptr<const SegmentIndex>(std::move(tail->index)));
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
  // The first sync of a segment covers its header, so a batch that says its own segment was synced
  // vouches for it. An empty segment is proven as well: the seal of the one before says that it
  // exists.
  const bool with_header = plan->proven <= segment.base_position;
  if (!status.ok() || (from >= segment.end_position && !with_header)) {
    return status;
  }
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
  // In the order of the log, so that a cut during recovery never leaves a later byte vouched for by
  // an earlier gap; the segments that are cut go first, as they must not seem to continue a tail
  // that has been repaired.
  for (const auto& segment : plan->disowned) {
    status = status.ok() ? DisownSegment(context, *segment) : status;
    context->cache->Drop(segment.get());
  }
  for (RecoveryPlan::Tail& tail : plan->tails) {
    status = status.ok() ? RepairTail(context, plan, &tail) : status;
  }
  // A seal says that the next segment exists, so it comes after the headers of all have been
  // proven.
  for (RecoveryPlan::Tail& tail : plan->tails) {
    status = status.ok() ? FinishTail(context, &tail, plan->start.sealed) : status;
  }
  if (status.ok() && plan->start.sealed) {
    plan->start.synced_end =
        plan->start.end_position;  // each of its files has been synced with its seal
  }
  return status;
}

}  // namespace millrace::log
