#include "native/log/batch_search.h"

#include <algorithm>
#include <cstring>

#include "native/base/bytes.h"

namespace millrace::log {
namespace {

// The fields that tell at once that this cannot be a batch of the shard, so that bytes which merely
// look like the marker cost no more than a few loads.
bool MayBeBatch(const uint8_t* at, uint64_t shard, uint64_t sequence_min) {
  return base::LoadBig64(at + format::kBatchShardAt) == shard &&
         base::LoadBig64(at + format::kBatchFirstSequenceAt) >= sequence_min;
}

bool Continues(const BatchRun& run, uint64_t at, const BatchHeader& header) {
  return run.end == at && run.next_sequence == header.first_sequence &&
         run.epoch_last <= header.epoch;
}

}  // namespace

BatchCheck CheckAt(const ScanArea& area, uint64_t at, BatchHeader* header, WorkBudget* budget) {
  const BatchCheck check = CheckBatch(area.data + at, area.bytes - at, header);
  if (check == BatchCheck::kBadChecksum || check == BatchCheck::kWhole) {
    budget->Spend(header->bytes());
  }
  return check;
}

void BatchSearch::Run(const ScanArea& area, uint64_t from, uint64_t sequence_min) {
  done_ = true;
  uint64_t at = from;
  while (!budget_.exhausted() && area.bytes - at >= format::kBatchHeaderBytes) {
    const uint64_t places = area.bytes - at - format::kBatchHeaderBytes + 1;
    const void* hit = std::memchr(area.data + at, format::kBatchMarker, places);
    if (hit == nullptr) {
      break;
    }
    at = static_cast<uint64_t>(static_cast<const uint8_t*>(hit) - area.data);
    BatchHeader header;
    if (!MayBeBatch(area.data + at, area.shard, sequence_min) ||
        CheckAt(area, at, &header, &budget_) != BatchCheck::kWhole) {
      ++at;
      continue;
    }
    if (!Take(at, header)) {
      budget_.Exhaust();
    }
    at += header.bytes();
  }
  ComputeSuffixes();
}

bool BatchSearch::Take(uint64_t at, const BatchHeader& header) {
  if (runs_.empty() || !Continues(runs_.back(), at, header)) {
    if (runs_.size() == kRunsMax) {
      return false;
    }
    runs_.push_back({.start = at,
                     .end = at,
                     .first_sequence = header.first_sequence,
                     .next_sequence = header.first_sequence,
                     .synced_upto_max = 0,
                     .epoch_first = header.epoch,
                     .epoch_last = header.epoch,
                     .sure_start = 0,
                     .sure_sequence = 0});
  }
  BatchRun& run = runs_.back();
  if (run.sure_start == 0 && at - run.start >= format::kBatchBytesMax) {
    run.sure_start = at;
    run.sure_sequence = header.first_sequence;
  }
  run.end = at + header.bytes();
  run.next_sequence = header.next_sequence();
  run.epoch_last = header.epoch;
  run.synced_upto_max = std::max(run.synced_upto_max, header.synced_upto);
  return true;
}

void BatchSearch::ComputeSuffixes() {
  suffixes_.assign(runs_.size() + 1, Suffix{0, 0});
  for (size_t i = runs_.size(); i-- > 0;) {
    suffixes_[i].synced_upto_max =
        std::max(runs_[i].synced_upto_max, suffixes_[i + 1].synced_upto_max);
    suffixes_[i].next_sequence_max =
        std::max(runs_[i].next_sequence, suffixes_[i + 1].next_sequence_max);
  }
}

size_t BatchSearch::FirstBehind(uint64_t at) const {
  const auto behind = std::partition_point(runs_.begin(), runs_.end(),
                                           [at](const BatchRun& run) { return run.end <= at; });
  return static_cast<size_t>(behind - runs_.begin());
}

uint64_t BatchSearch::SyncedUptoMax(size_t index) const {
  return suffixes_.empty() ? 0 : suffixes_[index].synced_upto_max;
}

uint64_t BatchSearch::NextSequenceMax(size_t index) const {
  return suffixes_.empty() ? 0 : suffixes_[index].next_sequence_max;
}

}  // namespace millrace::log
