#include "native/log/recovery.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "native/base/check.h"
#include "native/log/batch_search.h"
#include "native/log/resync.h"

namespace millrace::log {
namespace {

bool WordIsZero(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word == 0;
}

bool AllZero(const uint8_t* data, uint64_t start, uint64_t end) {
  while (end - start >= sizeof(uint64_t)) {
    if (!WordIsZero(data + start)) {
      return false;
    }
    start += sizeof(uint64_t);
  }
  return std::all_of(data + start, data + end, [](uint8_t byte) { return byte == 0; });
}

uint64_t AfterLastNonzero(const uint8_t* data, uint64_t start, uint64_t end) {
  while (end - start >= sizeof(uint64_t) && WordIsZero(data + end - sizeof(uint64_t))) {
    end -= sizeof(uint64_t);
  }
  while (end > start && data[end - 1] == 0) {
    --end;
  }
  return end;
}

// Half of it is for the search, so that bytes which are costly to search leave the rest its means.
uint64_t WorkBytes(const ScanInput& input) {
  const uint64_t bytes = std::min(input.bytes, (UINT64_MAX - kScanWorkBytesMin) / kScanWorkFactor);
  return (kScanWorkFactor * bytes + kScanWorkBytesMin) / 2;
}

class Scan {
 public:
  Scan(const ScanInput& input, BatchVisitor* visitor);

  ScanResult Run();

 private:
  // What stands at the end of what was accepted. kAccepted is no row of the table: the scan goes
  // on.
  struct Look {
    bool accepted;
    FoundBytes found;
  };

  Look LookAtEnd(BatchHeader* header);
  Look LookAtWhole(const BatchHeader& header) const;
  LaterBatch FindLater(FoundBytes found);
  void Accept(const BatchHeader& header);
  void Refuse(FoundBytes found);
  void AddDamage(const DamagedRange& range);
  void CompareWithRecordedEnd();
  ScanResult Finish(const RecoveryDecision& decision);

  uint64_t position() const { return area_.base_position + at_; }

  uint64_t synced_upto() const {
    return std::max(result_.synced_upto_max, input_.later_synced_upto);
  }

  const ScanInput& input_;
  BatchVisitor* visitor_;
  ScanArea area_;
  WorkBudget budget_;
  BatchSearch search_;
  uint64_t at_;  // X, relative to the data; beyond them only when the recorded end is
  ScanResult result_;
};

Scan::Scan(const ScanInput& input, BatchVisitor* visitor)
    : input_(input), visitor_(visitor), budget_(WorkBytes(input)), search_(WorkBytes(input)) {
  area_ = {.data = input.data,
           .bytes = input.bytes,
           .base_position = input.base_position,
           .shard = input.shard};
  if (input.has_recorded_end) {
    const uint64_t end = std::max(input.recorded_end, input.base_position) - input.base_position;
    area_.bytes = std::min(area_.bytes, end);
  }
  at_ = std::max(input.start_position, input.base_position) - input.base_position;
  at_ = std::min(at_, area_.bytes);
  result_.next_sequence = input.expected_sequence;
  result_.epoch = input.epoch_min;
}

// Ends, as each turn of the loop moves at_ forward or returns.
ScanResult Scan::Run() {
  for (;;) {
    BatchHeader header;
    const Look look = LookAtEnd(&header);
    if (look.accepted) {
      Accept(header);
      continue;
    }
    const LaterBatch later = input_.has_recorded_end ? LaterBatch::kNone : FindLater(look.found);
    const RecoveryDecision decision = Decide(look.found, later, input_.has_recorded_end);
    if (decision.verdict != RecoveryVerdict::kCorrupt) {
      return Finish(decision);
    }
    Refuse(look.found);
  }
}

Scan::Look Scan::LookAtEnd(BatchHeader* header) {
  if (input_.has_recorded_end && position() >= input_.recorded_end) {
    return {false, FoundBytes::kRecordedEnd};
  }
  if (at_ >= area_.bytes) {
    return {false, FoundBytes::kEndOfData};
  }
  if (area_.data[at_] == 0) {
    return {false, AllZero(area_.data, at_, area_.bytes) ? FoundBytes::kZeros
                                                         : FoundBytes::kZerosThenBytes};
  }
  switch (CheckAt(area_, at_, header, &budget_)) {
    case BatchCheck::kCutShort:
      return {false, FoundBytes::kCutShort};
    case BatchCheck::kNotABatch:
      return {false, FoundBytes::kNoHeader};
    case BatchCheck::kBadLength:
      return {false, FoundBytes::kBadLength};
    case BatchCheck::kBadChecksum:
      return {false, FoundBytes::kBadChecksum};
    case BatchCheck::kWhole:
      break;
  }
  return LookAtWhole(*header);
}

Scan::Look Scan::LookAtWhole(const BatchHeader& header) const {
  if (header.shard != area_.shard) {
    return {false, FoundBytes::kOtherShard};
  }
  if (header.first_sequence < result_.next_sequence) {
    return {false, FoundBytes::kLowerSequence};
  }
  if (header.first_sequence > result_.next_sequence) {
    return {false, FoundBytes::kSequenceAhead};
  }
  if (header.epoch < result_.epoch) {
    return {false, FoundBytes::kLowerEpoch};
  }
  if (!result_.damaged.empty() && input_.IsBeyondRecordedEnd(header.next_sequence())) {
    return {false, FoundBytes::kSequenceAhead};
  }
  return {true, FoundBytes::kEndOfData};
}

LaterBatch Scan::FindLater(FoundBytes found) {
  const bool may_follow = found != FoundBytes::kEndOfData && found != FoundBytes::kZeros;
  if (may_follow && !search_.done()) {
    search_.Run(area_, at_, result_.next_sequence);
  }
  // With the work cut off a later batch may exist: the careful answer refuses and cuts nothing.
  if ((budget_.exhausted() || !search_.complete()) && may_follow) {
    return LaterBatch::kSyncedBeyond;
  }
  const size_t behind = search_.FirstBehind(at_);
  if (std::max(synced_upto(), search_.SyncedUptoMax(behind)) > position()) {
    return LaterBatch::kSyncedBeyond;
  }
  const bool any =
      behind < search_.runs().size() && search_.NextSequenceMax(behind) >= result_.next_sequence;
  return any ? LaterBatch::kUnsynced : LaterBatch::kNone;
}

void Scan::Accept(const BatchHeader& header) {
  if (visitor_ != nullptr) {
    visitor_->OnBatch(position(), header, area_.data + at_);
  }
  at_ += header.bytes();
  result_.next_sequence = header.next_sequence();
  result_.epoch = header.epoch;
  result_.arrival_millis_max = std::max(result_.arrival_millis_max, header.arrival_millis);
  result_.synced_upto_max = std::max(result_.synced_upto_max, header.synced_upto);
  ++result_.batch_count;
}

void Scan::Refuse(FoundBytes found) {
  const Damage damage{.found = found,
                      .at = at_,
                      .expected_sequence = result_.next_sequence,
                      .epoch = result_.epoch,
                      .synced_upto = synced_upto()};
  const Resume resume = FindResume(area_, input_, damage, &search_, &budget_);
  MILLRACE_CHECK(resume.at > at_);
  AddDamage({.start = position(),
             .end = area_.base_position + resume.at,
             .expected_sequence = result_.next_sequence,
             .next_sequence = resume.next_sequence});
  at_ = resume.at;
  result_.next_sequence = resume.next_sequence;
}

// Damage that follows damage is one range.
void Scan::AddDamage(const DamagedRange& range) {
  if (!result_.damaged.empty() && result_.damaged.back().end == range.start) {
    result_.damaged.back().end = range.end;
    result_.damaged.back().next_sequence = range.next_sequence;
    return;
  }
  result_.damaged.push_back(range);
}

// Whole batches lead to the recorded end, yet not to its number: a range without bytes says which
// numbers are missing. A recorded number below theirs takes nothing from whole batches.
void Scan::CompareWithRecordedEnd() {
  if (!input_.has_recorded_end || position() != input_.recorded_end ||
      result_.next_sequence >= input_.recorded_next_sequence) {
    return;
  }
  AddDamage({.start = position(),
             .end = position(),
             .expected_sequence = result_.next_sequence,
             .next_sequence = input_.recorded_next_sequence});
  result_.next_sequence = input_.recorded_next_sequence;
}

ScanResult Scan::Finish(const RecoveryDecision& decision) {
  CompareWithRecordedEnd();
  result_.tail_case = decision.recovery_case;
  result_.end = position();
  result_.torn_bytes_end = result_.end;
  if (decision.verdict == RecoveryVerdict::kTorn) {
    result_.tail = TailVerdict::kTorn;
    const uint64_t copy_end = at_ + std::min(area_.bytes - at_, kTornCopyBytesMax);
    result_.torn_bytes_end = area_.base_position + AfterLastNonzero(area_.data, at_, copy_end);
  }
  return std::move(result_);
}

}  // namespace

ScanResult ScanSegment(const ScanInput& input, BatchVisitor* visitor) {
  return Scan(input, visitor).Run();
}

}  // namespace millrace::log
