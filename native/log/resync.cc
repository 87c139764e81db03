#include "native/log/resync.h"

#include <algorithm>
#include <array>
#include <optional>

#include "native/base/bytes.h"

namespace millrace::log {
namespace {

using format::kBatchHeaderBytes;

// The bytes of a short MessagePack str at `at`, header included; 0 when it is none or does not fit.
uint64_t ShortStringBytes(const uint8_t* at, uint64_t available) {
  if (available < 1 || (at[0] & 0xe0) != format::kFixStr) {
    return 0;
  }
  const uint64_t bytes = 1 + uint64_t{at[0] & 0x1fu};
  return bytes <= available ? bytes : 0;
}

// The same for a str or bin whose size has 1, 2 or 4 bytes; `type8` is the first of its three
// types.
uint64_t SizedBytes(const uint8_t* at, uint64_t available, uint8_t type8) {
  if (available < 1 || at[0] < type8 || at[0] > type8 + 2) {
    return 0;
  }
  const uint64_t size_bytes = uint64_t{1} << (at[0] - type8);
  if (available < 1 + size_bytes) {
    return 0;
  }
  uint64_t size = 0;
  for (uint64_t i = 1; i <= size_bytes; ++i) {
    size = (size << 8) | at[i];
  }
  const uint64_t bytes = 1 + size_bytes + size;
  return bytes <= available ? bytes : 0;
}

// The same for a record: an array of a str and a bin.
uint64_t RecordBytes(const uint8_t* at, uint64_t available) {
  if (available < 1 || at[0] != (format::kFixArray | 2)) {
    return 0;
  }
  uint64_t key = ShortStringBytes(at + 1, available - 1);
  if (key == 0) {
    key = SizedBytes(at + 1, available - 1, format::kStr8);
  }
  if (key == 0) {
    return 0;
  }
  const uint64_t data = SizedBytes(at + 1 + key, available - 1 - key, format::kBin8);
  return data == 0 ? 0 : 1 + key + data;
}

// A place where the damaged batch may end, and the number of the batch behind it.
struct Witness {
  bool present = false;
  uint64_t end = 0;
  uint64_t next_sequence = 0;
};

struct Witnesses {
  Witness length;   // the length and count fields
  Witness records;  // the records themselves
};

class Resync {
 public:
  Resync(const ScanArea& area, const ScanInput& input, const Damage& damage, BatchSearch* search,
         WorkBudget* budget)
      : area_(area), input_(input), damage_(damage), search_(search), budget_(budget) {}

  Resume Find();

 private:
  using Choice = std::optional<Resume>;

  Choice ByDamagedBatch();
  Choice ByWholeBatches();
  Choice ByVouchedPosition();
  Choice ByLongRun();
  Resume ByRefusingAll();

  bool HeaderMostlyIntact() const;
  Witnesses FindWitnesses();
  Choice Agreed(const Witnesses& witnesses);
  bool Closes(const Witness& witness);
  bool NobodyElseClaims(uint64_t at, uint64_t sequence);
  bool LeadsToVouched(const Witness& witness);
  bool Belongs(uint64_t at, BatchHeader* header);
  bool VouchedWithin(uint64_t start, uint64_t end) const;
  bool IsInPlace(size_t vouched, const BatchHeader& header) const;
  bool AtRecordedEnd(uint64_t at) const;
  size_t FirstVouchedBehind(uint64_t at) const;
  const std::vector<BatchRun>& Runs();

  void ChargeRuns() { budget_->Spend(search_->runs().size() * sizeof(BatchRun)); }

  const ScanArea& area_;
  const ScanInput& input_;
  const Damage& damage_;
  BatchSearch* search_;
  WorkBudget* budget_;
};

Resume Resync::Find() {
  Choice choice;
  if (!budget_->exhausted()) {
    choice = damage_.found == FoundBytes::kBadChecksum || damage_.found == FoundBytes::kNoHeader ||
                     damage_.found == FoundBytes::kBadLength ||
                     damage_.found == FoundBytes::kZerosThenBytes
                 ? ByDamagedBatch()
                 : ByWholeBatches();
  }
  if (!choice && !budget_->exhausted()) {
    choice = ByVouchedPosition();
  }
  if (!choice && !budget_->exhausted()) {
    choice = ByLongRun();
  }
  return choice ? *choice : ByRefusingAll();
}

// A flip or a short burst spoils one field or two neighbours. A header with more damage than that
// is no witness at all: an all-zero one would otherwise call for a batch right behind it, where a
// compressed payload may have planted one.
bool Resync::HeaderMostlyIntact() const {
  constexpr int kSpoiledMax = 2;
  // No count that a header can hold may lead past the last number there is.
  const bool room_for_count = damage_.expected_sequence <= UINT64_MAX - UINT32_MAX;
  if (area_.bytes - damage_.at < kBatchHeaderBytes || !room_for_count) {
    return false;
  }
  const uint8_t* at = area_.data + damage_.at;
  int spoiled = 0;
  for (const format::BatchTypeByte& type : format::kBatchTypeBytes) {
    spoiled += at[type.at] != type.value;
  }
  spoiled += base::LoadBig64(at + format::kBatchShardAt) != area_.shard;
  spoiled += base::LoadBig64(at + format::kBatchFirstSequenceAt) != damage_.expected_sequence;
  return spoiled <= kSpoiledMax;
}

Witnesses Resync::FindWitnesses() {
  Witnesses found;
  const uint8_t* at = area_.data + damage_.at;
  const uint64_t available = area_.bytes - damage_.at;
  const uint32_t count = base::LoadBig32(at + format::kBatchCountAt);
  const uint32_t records_bytes = base::LoadBig32(at + format::kBatchRecordsLengthAt);
  if (records_bytes <= format::kBatchRecordsBytesMax &&
      kBatchHeaderBytes + records_bytes <= available) {
    found.length = {.present = true,
                    .end = damage_.at + kBatchHeaderBytes + records_bytes,
                    .next_sequence = damage_.expected_sequence + count};
  }
  // Compressed records are not checked by anybody, so a payload could imitate their structure.
  if (at[format::kBatchFlagsAt - 1] != format::kUint32 ||
      base::LoadBig32(at + format::kBatchFlagsAt) != format::kCodecNone) {
    return found;
  }
  const uint64_t walk_max = std::min<uint64_t>(available, format::kBatchBytesMax);
  uint64_t walked = kBatchHeaderBytes;
  uint64_t records = 0;
  for (uint64_t bytes = RecordBytes(at + walked, walk_max - walked); bytes != 0;
       bytes = RecordBytes(at + walked, walk_max - walked)) {
    walked += bytes;
    ++records;
  }
  // A marker batch has no records; what it has instead is zeros.
  if (records == 0 && found.length.present &&
      std::all_of(at + walked, area_.data + found.length.end,
                  [](uint8_t byte) { return byte == 0; })) {
    walked = found.length.end - damage_.at;
  }
  budget_->Spend(walked);
  found.records = {.present = true,
                   .end = damage_.at + walked,
                   .next_sequence = damage_.expected_sequence + records};
  return found;
}

// Both witnesses name the same place, so that is where the batch ends, whatever stands there.
// Should they differ in the number, what stands there decides; else the records, unless there are
// none left.
Resync::Choice Resync::Agreed(const Witnesses& witnesses) {
  const Witness& length = witnesses.length;
  const Witness& records = witnesses.records;
  const bool by_records = length.next_sequence == records.next_sequence || Closes(records);
  if (!by_records && Closes(length)) {
    return Resume{length.end, length.next_sequence};
  }
  const bool none_left = !by_records && records.next_sequence == damage_.expected_sequence;
  if (none_left || input_.IsBeyondRecordedEnd(records.next_sequence)) {
    return std::nullopt;
  }
  return Resume{records.end, records.next_sequence};
}

Resync::Choice Resync::ByDamagedBatch() {
  if (!HeaderMostlyIntact()) {
    return std::nullopt;
  }
  Witnesses witnesses = FindWitnesses();
  for (Witness* witness : {&witnesses.length, &witnesses.records}) {
    witness->present = witness->present && !VouchedWithin(damage_.at, witness->end);
  }
  if (witnesses.length.present && witnesses.records.present &&
      witnesses.length.end == witnesses.records.end) {
    return Agreed(witnesses);
  }
  const bool by_length = Closes(witnesses.length);
  const bool by_records = Closes(witnesses.records);
  if (by_length == by_records) {
    return std::nullopt;
  }
  const Witness& witness = by_length ? witnesses.length : witnesses.records;
  if (!NobodyElseClaims(witness.end, witness.next_sequence) && !LeadsToVouched(witness)) {
    return std::nullopt;
  }
  return Resume{witness.end, witness.next_sequence};
}

// Whole batches of this shard stand at the damage, out of order: two that were swapped, say. They
// are passed over when their numbers fill exactly what is missing before the batch behind them.
Resync::Choice Resync::ByWholeBatches() {
  struct Numbers {
    uint64_t first;
    uint64_t next;
  };

  constexpr size_t kPassedMax = 16;
  std::array<Numbers, kPassedMax> passed;
  size_t passed_count = 0;
  uint64_t at = damage_.at;
  BatchHeader header;
  while (passed_count < kPassedMax && Belongs(at, &header)) {
    uint64_t filled = damage_.expected_sequence;
    for (size_t i = 0; i < passed_count && passed[i].first == filled; ++i) {
      filled = passed[i].next;
    }
    const bool all_fill = passed_count > 0 && filled == passed[passed_count - 1].next;
    if (all_fill && header.first_sequence == filled && NobodyElseClaims(at, filled)) {
      return Resume{at, filled};
    }
    passed[passed_count++] = {header.first_sequence, header.next_sequence()};
    std::sort(passed.begin(), passed.begin() + static_cast<std::ptrdiff_t>(passed_count),
              [](const Numbers& a, const Numbers& b) { return a.first < b.first; });
    at += header.bytes();
  }
  return std::nullopt;
}

Resync::Choice Resync::ByVouchedPosition() {
  for (size_t i = FirstVouchedBehind(damage_.at); i < input_.vouched_count; ++i) {
    const uint64_t at = input_.vouched[i] - area_.base_position;
    BatchHeader header;
    if (at >= area_.bytes) {
      break;
    }
    if (Belongs(at, &header) && IsInPlace(i, header)) {
      return Resume{at, header.first_sequence};
    }
  }
  return std::nullopt;
}

Resync::Choice Resync::ByLongRun() {
  const std::vector<BatchRun>& runs = Runs();
  ChargeRuns();
  for (size_t i = search_->FirstBehind(damage_.at); i < runs.size(); ++i) {
    const BatchRun& run = runs[i];
    if (run.sure_start > damage_.at && run.sure_sequence >= damage_.expected_sequence &&
        run.epoch_first >= damage_.epoch && !input_.IsBeyondRecordedEnd(run.next_sequence)) {
      return Resume{run.sure_start, run.sure_sequence};
    }
  }
  return std::nullopt;
}

// The number to go on with must be above any that was given to a lost record, or it would be given
// twice. A batch found by searching counts only up to what can have fitted into the bytes, so that
// a planted one cannot use the numbers up.
Resume Resync::ByRefusingAll() {
  if (input_.has_recorded_end) {
    return {input_.recorded_end - area_.base_position,
            std::max(damage_.expected_sequence, input_.recorded_next_sequence)};
  }
  const uint64_t places = (area_.bytes - damage_.at) / kBatchHeaderBytes + 1;
  const uint64_t room = UINT64_MAX - damage_.expected_sequence;
  const uint64_t number_max =
      damage_.expected_sequence + std::min(room, places * format::kBatchRecordCountMax);
  const std::vector<BatchRun>& runs = Runs();
  if (budget_->exhausted() || !search_->complete()) {
    return {area_.bytes, number_max};
  }
  Resume resume{damage_.at, damage_.expected_sequence};
  for (size_t i = search_->FirstBehind(damage_.at); i < runs.size(); ++i) {
    resume.at = runs[i].end;
    if (runs[i].next_sequence <= number_max) {
      resume.next_sequence = std::max(resume.next_sequence, runs[i].next_sequence);
    }
  }
  if (resume.at == damage_.at) {
    resume.at = std::min(area_.bytes, damage_.synced_upto - area_.base_position);
  }
  return resume;
}

bool Resync::Closes(const Witness& witness) {
  if (!witness.present) {
    return false;
  }
  if (AtRecordedEnd(witness.end)) {
    return witness.next_sequence == input_.recorded_next_sequence;
  }
  BatchHeader header;
  return Belongs(witness.end, &header) && header.first_sequence == witness.next_sequence;
}

bool Resync::NobodyElseClaims(uint64_t at, uint64_t sequence) {
  const std::vector<BatchRun>& runs = Runs();
  ChargeRuns();
  if (!search_->complete()) {
    return false;
  }
  for (size_t i = search_->FirstBehind(damage_.at); i < runs.size(); ++i) {
    const BatchRun& run = runs[i];
    const bool holds_place = run.start <= at && at < run.end;
    if (!holds_place && run.first_sequence <= sequence && sequence < run.next_sequence) {
      return false;
    }
  }
  return true;
}

// Whether the batches behind the end lead, without a gap, to the next one of which the index has
// place and number. No planted copy does, as no vouched start lies within a batch: then others that
// claim the number are planted ones, in the damaged batch itself for instance.
bool Resync::LeadsToVouched(const Witness& witness) {
  const size_t vouched = FirstVouchedBehind(damage_.at);
  if (vouched >= input_.vouched_count || input_.vouched_sequences == nullptr) {
    return false;
  }
  const uint64_t place = input_.vouched[vouched] - area_.base_position;
  uint64_t at = witness.end;
  uint64_t sequence = witness.next_sequence;
  BatchHeader header;
  while (at < place && Belongs(at, &header) && header.first_sequence == sequence) {
    at += header.bytes();
    sequence = header.next_sequence();
  }
  return at == place && Belongs(at, &header) && header.first_sequence == sequence &&
         IsInPlace(vouched, header);
}

// A whole batch of this shard which could stand behind the damage.
bool Resync::Belongs(uint64_t at, BatchHeader* header) {
  return at < area_.bytes && CheckAt(area_, at, header, budget_) == BatchCheck::kWhole &&
         header->shard == area_.shard && header->first_sequence >= damage_.expected_sequence &&
         header->epoch >= damage_.epoch && !input_.IsBeyondRecordedEnd(header->next_sequence());
}

// Whether a vouched position lies strictly between the two, which no batch that spans them allows.
bool Resync::VouchedWithin(uint64_t start, uint64_t end) const {
  const size_t i = FirstVouchedBehind(start);
  return i < input_.vouched_count && input_.vouched[i] - area_.base_position < end;
}

bool Resync::IsInPlace(size_t vouched, const BatchHeader& header) const {
  return input_.vouched_sequences == nullptr ||
         input_.vouched_sequences[vouched] == header.first_sequence;
}

bool Resync::AtRecordedEnd(uint64_t at) const {
  return input_.has_recorded_end && area_.base_position + at == input_.recorded_end;
}

size_t Resync::FirstVouchedBehind(uint64_t at) const {
  const uint64_t* end = input_.vouched + input_.vouched_count;
  return static_cast<size_t>(std::upper_bound(input_.vouched, end, area_.base_position + at) -
                             input_.vouched);
}

const std::vector<BatchRun>& Resync::Runs() {
  if (!search_->done()) {
    search_->Run(area_, damage_.at, damage_.expected_sequence);
  }
  return search_->runs();
}

}  // namespace

Resume FindResume(const ScanArea& area, const ScanInput& input, const Damage& damage,
                  BatchSearch* search, WorkBudget* budget) {
  return Resync(area, input, damage, search, budget).Find();
}

}  // namespace millrace::log
