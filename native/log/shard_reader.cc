#include "native/log/shard_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "native/log/sealed_batch.h"
#include "native/log/segment_loader.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

class PositionFinder : public BatchFinder {
 public:
  explicit PositionFinder(uint64_t wanted) : wanted_(wanted) {}

 private:
  bool Matches(uint64_t position, const BatchHeader&) const override { return position == wanted_; }

  const uint64_t wanted_;
};

class SequenceFinder : public BatchFinder {
 public:
  explicit SequenceFinder(uint64_t wanted) : wanted_(wanted) {}

 private:
  bool Matches(uint64_t, const BatchHeader& header) const override {
    return header.first_sequence <= wanted_ && wanted_ < header.next_sequence();
  }

  const uint64_t wanted_;
};

class TimeFinder : public BatchFinder {
 public:
  TimeFinder(uint64_t millis, uint64_t from) : millis_(millis), from_(from) {}

 private:
  bool Matches(uint64_t position, const BatchHeader& header) const override {
    return position >= from_ && !header.is_marker() && header.arrival_millis >= millis_;
  }

  const uint64_t millis_;
  const uint64_t from_;
};

}  // namespace

Status ShardReader::Damaged(const DamagedRange& range) const {
  return Status(
      Code::kLogCorrupt,
      Format("%s: positions %llu to %llu of shard %llu are damaged (sequence numbers "
             "from %llu up to, not including, %llu); everything else can be read",
             context_->directory.path().c_str(), static_cast<ull>(range.start),
             static_cast<ull>(range.end), static_cast<ull>(shard_->shard()),
             static_cast<ull>(range.expected_sequence), static_cast<ull>(range.next_sequence)),
      range.start, range.end);
}

// The first batch of the slice is not what was encrypted. Its checksum is right, so no scrub finds
// that.
Status ShardReader::Forged(const ReadResult& result, const Status& found) {
  BatchHeader header;
  static_cast<void>(ReadBatchHeader(result.data, result.bytes, &header));  // has been verified
  shard_->AddDamage(
      {found.range_start(), found.range_end(), header.first_sequence, header.next_sequence()});
  return found;
}

Status ShardReader::StartPoint(const SegmentView& view,
                               IndexPoint (SegmentIndex::*find)(uint64_t) const, uint64_t wanted,
                               IndexPoint* point) {
  if (view.active) {
    *point = view.start;
    return Status();
  }
  std::shared_ptr<const SegmentIndex> index;
  std::vector<DamagedRange> damaged;
  Status status = LoadIndex(context_, view.segment.get(), &index, &damaged);
  for (const DamagedRange& range : damaged) {
    shard_->AddDamage(range);
  }
  if (status.ok()) {
    *point = ((*index).*find)(wanted);
  }
  return status;
}

// Opens a walk at a position that a caller gives. It must be the start of a batch: a record may
// hold the copy of one, so what stands there proves nothing. The walk that checks it starts at an
// index point; where that meets anything odd, a scan of the segment decides.
Status ShardReader::OpenAt(const SegmentView& view, uint64_t position, uint64_t ahead_bytes,
                           SegmentWalk* walk) {
  IndexPoint start;
  Status status = StartPoint(view, &SegmentIndex::FindPosition, position, &start);
  status = status.ok() ? walk->Open(context_, view, start, ahead_bytes) : status;
  bool good = true;
  BatchHeader header;
  while (status.ok() && good && walk->position() < position) {
    status = walk->Peek(&header, &good);
    if (good) {
      walk->StepOver(header);
    }
  }
  if (status.ok() && good && walk->position() == position) {
    status = walk->Verify(&header, &good);
    if (!status.ok() || good) {
      return status;
    }
  }
  return status.ok() ? OpenThoroughly(view, position, walk) : status;
}

Status ShardReader::OpenThoroughly(const SegmentView& view, uint64_t position, SegmentWalk* walk) {
  PositionFinder finder(position);
  Status status = FindThoroughly(context_, shard_, view, &finder);
  if (!status.ok()) {
    return status;
  }
  DamagedRange range{};
  if (finder.found()) {
    walk->MoveTo(position, finder.first_sequence());
    return Status();
  }
  if (shard_->FindDamage(position, &range)) {
    return Damaged(range);
  }
  return Status(Code::kInvalidArgument,
                Format("position %llu of shard %llu is not the start of a batch; use a position "
                       "that an append, a read or a seek gave",
                       static_cast<ull>(position), static_cast<ull>(shard_->shard())));
}

Status ShardReader::Read(uint64_t position, uint32_t bytes_max, ReadResult* result, ReadForm form) {
  SegmentView view;
  Status status = shard_->ViewOfPosition(position, &view);
  if (!status.ok()) {
    return status;
  }
  *result = ReadResult{};
  result->position = result->next_position = position;
  result->first_sequence = result->next_sequence = view.limit_sequence;
  if (view.segment == nullptr) {
    DamagedRange range{};
    return position < view.limit && shard_->FindDamage(position, &range) ? Damaged(range)
                                                                         : Status();
  }
  SegmentWalk walk;
  status = OpenAt(view, position, kIndexIntervalBytes + bytes_max, &walk);
  if (!status.ok()) {
    return status;
  }
  result->first_sequence = walk.sequence();
  result->data = walk.data();
  // The first batch has been verified; a batch behind it that is damaged ends the read, and the
  // next one names it.
  BatchHeader header;
  bool good = false;
  bool any_sealed = false;
  status = walk.Peek(&header, &good);
  while (status.ok() && good) {
    any_sealed = any_sealed || IsSealed(header);
    result->bytes += static_cast<uint32_t>(header.bytes());
    result->batch_count += 1;
    result->record_count += header.count;
    walk.StepOver(header);
    status = walk.at_end() ? Status() : walk.Peek(&header, &good);
    if (walk.at_end() || !status.ok() || !good || result->bytes + header.bytes() > bytes_max) {
      break;
    }
    status = walk.Verify(&header, &good);
  }
  if (result->bytes == 0) {
    return status;
  }
  result->next_position = walk.position();
  result->next_sequence = walk.sequence();
  result->mapping = walk.TakeMapping();
  if (!any_sealed || form == ReadForm::kStored) {
    return Status();
  }
  status = OpenSlice(&context_->keyring, result);
  return status.code() == Code::kLogCorrupt ? Forged(*result, status) : status;
}

// Moves the walk to the batch that holds `sequence`. `found` stays false when it is behind the last
// batch.
Status ShardReader::WalkToSequence(const SegmentView& view, uint64_t sequence, SegmentWalk* walk,
                                   bool* found) {
  IndexPoint start;
  Status status = StartPoint(view, &SegmentIndex::FindSequence, sequence, &start);
  status = status.ok() ? walk->Open(context_, view, start) : status;
  bool good = true;
  BatchHeader header;
  while (status.ok() && good && !walk->at_end()) {
    status = walk->Peek(&header, &good);
    if (good && sequence < header.next_sequence()) {
      status = walk->Verify(&header, &good);
      *found = good;
      if (!status.ok() || good) {
        return status;
      }
    } else if (good) {
      walk->StepOver(header);
    }
  }
  if (!status.ok() || good) {
    return status;
  }
  SequenceFinder finder(sequence);
  status = FindThoroughly(context_, shard_, view, &finder);
  *found = finder.found();
  walk->MoveTo(*found ? finder.position() : view.limit,
               *found ? finder.first_sequence() : view.limit_sequence);
  return status;
}

// The batch that holds `sequence`: its position and its first sequence number. The committed end
// for the next number.
Status ShardReader::FindBatch(uint64_t sequence, uint64_t* position, uint64_t* first_sequence) {
  SegmentView view;
  Status status = shard_->ViewOfSequence(sequence, &view);
  if (!status.ok()) {
    return status;
  }
  *position = view.limit;
  *first_sequence = view.limit_sequence;
  if (view.segment == nullptr && sequence == view.limit_sequence) {
    return Status();
  }
  bool found = false;
  if (view.segment != nullptr) {
    SegmentWalk walk;
    status = WalkToSequence(view, sequence, &walk, &found);
    *position = walk.position();
    *first_sequence = walk.sequence();
  }
  if (!status.ok() || found) {
    return status;
  }
  DamagedRange range{};
  return shard_->FindDamagedSequence(sequence, &range) ? Damaged(range) : Status();
}

Status ShardReader::Seek(uint64_t sequence, uint64_t* position) {
  uint64_t first_sequence = 0;
  return FindBatch(sequence, position, &first_sequence);
}

Status ShardReader::WalkToTime(const SegmentView& view, uint64_t millis, uint64_t from,
                               SegmentWalk* walk, bool* found) {
  IndexPoint start;
  Status status = StartPoint(view, &SegmentIndex::FindTime, millis, &start);
  status = status.ok() ? walk->Open(context_, view, start) : status;
  bool good = true;
  BatchHeader header;
  while (status.ok() && good && !walk->at_end()) {
    status = walk->Peek(&header, &good);
    if (good && walk->position() >= from && !header.is_marker() &&
        header.arrival_millis >= millis) {
      status = walk->Verify(&header, &good);
      *found = good;
      if (!status.ok() || good) {
        return status;
      }
    } else if (good) {
      walk->StepOver(header);
    }
  }
  if (!status.ok() || good) {
    return status;
  }
  TimeFinder finder(millis, from);
  status = FindThoroughly(context_, shard_, view, &finder);
  *found = finder.found();
  walk->MoveTo(*found ? finder.position() : view.limit,
               *found ? finder.first_sequence() : view.limit_sequence);
  return status;
}

Status ShardReader::SeekTime(uint64_t millis, uint64_t* position) {
  const uint64_t trimmed_start = shard_->TrimState().trimmed_start;
  uint64_t from = trimmed_start;
  for (;;) {
    SegmentView view;
    shard_->ViewOfTime(millis, from, &view);
    *position = view.limit;
    if (view.segment == nullptr) {
      return Status();
    }
    SegmentWalk walk;
    bool found = false;
    Status status = WalkToTime(view, millis, trimmed_start, &walk, &found);
    if (status.code() == Code::kLogCorrupt) {
      status = Status();  // a segment that is lost holds nothing that could be the answer
    }
    if (!status.ok() || found) {
      *position = walk.position();
      return status;
    }
    from = view.limit;  // what arrived at that time is damaged: the next that is not
    if (view.active) {
      return Status();
    }
  }
}

Status ShardReader::Trim(uint64_t sequence) {
  uint64_t position = 0;
  uint64_t first_sequence = 0;
  Status status = FindBatch(sequence, &position, &first_sequence);
  if (status.code() == Code::kSequenceNumberTrimmed) {
    return Status();  // trimmed that far already
  }
  DamagedRange range{};
  if (status.code() == Code::kLogCorrupt && shard_->FindDamage(status.range_start(), &range)) {
    position = range.start;
    first_sequence = range.expected_sequence;
    status = Status();
  }
  if (status.ok()) {
    shard_->SetTrimmed(position, first_sequence);
  }
  return status;
}

}  // namespace millrace::log
