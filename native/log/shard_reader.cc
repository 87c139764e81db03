#include "native/log/shard_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "native/log/segment_blocks.h"
#include "native/log/segment_loader.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

// Touched ahead of a walk in one call, so that a walk over headers does not make a system call for each page.
constexpr uint64_t kTouchBytes = 256 * 1024;

}  // namespace

// A place in a segment that moves from batch to batch.
struct ShardReader::Walk {
  std::shared_ptr<const Mapping> mapping;
  const uint8_t* base = nullptr;  // of base_position
  uint64_t base_position = 0;
  uint64_t position = 0;
  uint64_t sequence = 0;  // expected at `position`
  uint64_t limit = 0;
  uint64_t touched_upto = 0;  // position

  const uint8_t* at() const { return base + (position - base_position); }

  Status Touch(uint64_t bytes) {
    const uint64_t end = std::min(limit, position + bytes);
    if (end <= touched_upto) {
      return Status();
    }
    const uint64_t from = std::max(position, touched_upto);
    const uint64_t to = std::min(limit, std::max(end, from + kTouchBytes));
    Status status = mapping->Touch(
        format::kSegmentHeaderBlockBytes + (from - base_position), to - from);
    touched_upto = to;
    return status;
  }
};

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

Status ShardReader::OpenWalk(const SegmentView& view, IndexPoint start, Walk* walk) {
  Status status = context_->cache->Map(view.segment.get(), &walk->mapping);
  if (!status.ok()) {
    return status;
  }
  walk->base = walk->mapping->data() + format::kSegmentHeaderBlockBytes;
  walk->base_position = view.segment->base_position;
  walk->position = walk->base_position + start.relative_position;
  walk->sequence = view.segment->first_sequence + start.relative_sequence;
  walk->limit = view.limit;
  walk->touched_upto = walk->position;
  return Status();
}

// Moves the walk over the batch at its place by the length in its header. A batch that is not a batch, or not the next one, is
// damage: LOG_CORRUPT.
Status ShardReader::StepOver(const SegmentView& view, Walk* walk) {
  Status status = walk->Touch(format::kBatchHeaderBytes);
  if (!status.ok()) {
    return status;
  }
  BatchHeader header;
  const BatchCheck check = ReadBatchHeader(walk->at(), walk->limit - walk->position, &header);
  if (check != BatchCheck::kWhole || header.shard != shard_->shard() ||
      header.first_sequence != walk->sequence) {
    return Damaged(view, walk->position);
  }
  walk->position += header.bytes();
  walk->sequence = header.next_sequence();
  return Status();
}

// Names the damage at `position`, the start of a batch: scans the segment from its start, which finds how far the
// damage reaches and what vouches for the batch behind it.
Status ShardReader::Damaged(const SegmentView& view, uint64_t position) {
  DamagedRange range{};
  if (!shard_->FindDamage(position, &range)) {
    std::shared_ptr<const Mapping> mapping;
    Status status = context_->cache->Map(view.segment.get(), &mapping);
    if (!status.ok()) {
      return status;
    }
    const ScanInput input =
        ScanInputOf(*view.segment, *mapping, IndexPoint{}, view.limit, view.limit_sequence);
    std::vector<uint64_t> vouched;
    if (!view.active) {
      const auto index = context_->cache->FindIndex(view.segment.get());
      vouched = index == nullptr ? vouched : index->VouchedPositions();
    }
    ScanInput vouched_input = input;
    vouched_input.vouched = vouched.data();
    vouched_input.vouched_count = vouched.size();
    for (const DamagedRange& found : ScanSegment(vouched_input, nullptr).damaged) {
      shard_->AddDamage(found);
    }
    if (!shard_->FindDamage(position, &range)) {
      return Status(Code::kInvalidArgument,
                    Format("position %llu of shard %llu is not the start of a batch; use a "
                           "position that an append, a read or a seek gave",
                           static_cast<ull>(position), static_cast<ull>(shard_->shard())));
    }
  }
  return Status(Code::kLogCorrupt,
                Format("%s: positions %llu to %llu of shard %llu are damaged (sequence numbers "
                       "%llu to %llu); everything else can be read",
                       view.segment->file->path().c_str(), static_cast<ull>(range.start),
                       static_cast<ull>(range.end), static_cast<ull>(shard_->shard()),
                       static_cast<ull>(range.expected_sequence),
                       static_cast<ull>(range.next_sequence)),
                range.start, range.end);
}

// A position that a caller gives must be the start of a batch: a record may hold the copy of one, so what stands there
// proves nothing. The walk starts at an index point before it, and goes around known damage.
Status ShardReader::CheckBoundary(const SegmentView& view, uint64_t position, Walk* walk) {
  while (walk->position < position) {
    Status status = StepOver(view, walk);
    if (status.code() == Code::kLogCorrupt && status.range_end() <= position &&
        status.range_end() > walk->position) {
      DamagedRange range{};
      static_cast<void>(shard_->FindDamage(walk->position, &range));
      walk->position = status.range_end();
      walk->sequence = range.next_sequence;
    } else if (!status.ok()) {
      return status;
    }
  }
  if (walk->position != position) {
    return Status(Code::kInvalidArgument,
                  Format("position %llu of shard %llu is inside a batch; use a position that an "
                         "append, a read or a seek gave",
                         static_cast<ull>(position), static_cast<ull>(shard_->shard())));
  }
  return Status();
}

Status ShardReader::Read(uint64_t position, uint32_t bytes_max, ReadResult* result) {
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
    if (position < view.limit && shard_->FindDamage(position, &range)) {
      return Status(Code::kLogCorrupt,
                    Format("positions %llu to %llu of shard %llu are lost: their segment is missing",
                           static_cast<ull>(range.start), static_cast<ull>(range.end),
                           static_cast<ull>(shard_->shard())),
                    range.start, range.end);
    }
    return Status();
  }
  IndexPoint start;
  Walk walk;
  status = StartPoint(view, &SegmentIndex::FindPosition, position, &start);
  status = status.ok() ? OpenWalk(view, start, &walk) : status;
  status = status.ok() ? CheckBoundary(view, position, &walk) : status;
  if (!status.ok()) {
    return status;
  }
  result->first_sequence = walk.sequence;
  const uint8_t* const data = walk.at();
  while (walk.position < walk.limit) {
    BatchHeader header;
    status = walk.Touch(format::kBatchHeaderBytes);
    BatchCheck check = !status.ok() ? BatchCheck::kCutShort
                                    : ReadBatchHeader(walk.at(), walk.limit - walk.position, &header);
    if (check == BatchCheck::kWhole) {
      if (result->bytes != 0 && result->bytes + header.bytes() > bytes_max) {
        break;
      }
      status = walk.Touch(header.bytes());
      check = status.ok() ? CheckBatch(walk.at(), header.bytes(), &header) : check;
    }
    const bool good = status.ok() && check == BatchCheck::kWhole &&
                      header.shard == shard_->shard() && header.first_sequence == walk.sequence;
    if (!good && result->bytes != 0) {
      break;  // what stands before it can be served; the next read names the damage
    }
    if (!good) {
      return status.ok() ? Damaged(view, walk.position) : status;
    }
    result->bytes += static_cast<uint32_t>(header.bytes());
    result->batch_count += 1;
    result->record_count += header.count;
    walk.position += header.bytes();
    walk.sequence = header.next_sequence();
  }
  result->data = data;
  result->mapping = std::move(walk.mapping);
  result->next_position = walk.position;
  result->next_sequence = walk.sequence;
  return Status();
}

// The batch that holds `sequence`: its position and its first sequence number. The committed end for the next number.
Status ShardReader::FindBatch(uint64_t sequence, uint64_t* position, uint64_t* first_sequence) {
  SegmentView view;
  Status status = shard_->ViewOfSequence(sequence, &view);
  if (!status.ok()) {
    return status;
  }
  if (view.segment == nullptr) {
    *position = view.limit;
    *first_sequence = view.limit_sequence;
    return Status();
  }
  IndexPoint start;
  Walk walk;
  status = StartPoint(view, &SegmentIndex::FindSequence, sequence, &start);
  status = status.ok() ? OpenWalk(view, start, &walk) : status;
  while (status.ok() && walk.position < walk.limit) {
    *position = walk.position;
    *first_sequence = walk.sequence;
    status = StepOver(view, &walk);
    DamagedRange range{};
    if (status.code() == Code::kLogCorrupt && shard_->FindDamage(walk.position, &range) &&
        sequence >= range.next_sequence) {
      walk.position = range.end;
      walk.sequence = range.next_sequence;
      status = Status();
    } else if (status.ok() && sequence < walk.sequence) {
      return Status();
    }
  }
  if (!status.ok()) {
    return status;
  }
  // Between the last batch of this segment and the first of the next: a lost segment.
  DamagedRange range{};
  if (shard_->FindDamage(walk.limit, &range)) {
    return Status(Code::kLogCorrupt,
                  Format("sequence number %llu of shard %llu is lost with its segment",
                         static_cast<ull>(sequence), static_cast<ull>(shard_->shard())),
                  range.start, range.end);
  }
  *position = walk.limit;
  *first_sequence = walk.sequence;
  return Status();
}

Status ShardReader::Seek(uint64_t sequence, uint64_t* position) {
  uint64_t first_sequence = 0;
  return FindBatch(sequence, position, &first_sequence);
}

Status ShardReader::SeekTime(uint64_t millis, uint64_t* position) {
  SegmentView view;
  shard_->ViewOfTime(millis, &view);
  if (view.segment == nullptr) {
    *position = view.limit;
    return Status();
  }
  IndexPoint start;
  Walk walk;
  Status status = StartPoint(view, &SegmentIndex::FindTime, millis, &start);
  status = status.ok() ? OpenWalk(view, start, &walk) : status;
  const uint64_t trimmed_start = shard_->TrimState().trimmed_start;
  while (status.ok() && walk.position < walk.limit) {
    status = walk.Touch(format::kBatchHeaderBytes);
    BatchHeader header;
    if (status.ok() && walk.position >= trimmed_start &&
        ReadBatchHeader(walk.at(), walk.limit - walk.position, &header) == BatchCheck::kWhole &&
        header.count != 0 && header.arrival_millis >= millis) {
      break;
    }
    status = status.ok() ? StepOver(view, &walk) : status;
    DamagedRange range{};
    if (status.code() == Code::kLogCorrupt && shard_->FindDamage(walk.position, &range)) {
      walk.position = range.end;
      walk.sequence = range.next_sequence;
      status = Status();
    }
  }
  *position = walk.position;
  return status;
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
