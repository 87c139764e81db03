// Scrub: verifying what an open log holds.
#include <algorithm>

#include "native/log/segment_check.h"
#include "native/log/shard_reader.h"

namespace millrace::log {

base::Status ShardReader::Scrub(const SegmentView& view, ScrubReport* report) {
  VouchedStarts vouched;
  SegmentIndex index;
  if (!shard_->GetActiveVouched(*view.segment, &vouched) &&
      ReadIndexFile(context_, *view.segment, &index, nullptr)) {
    vouched = VouchedStarts(index);
  }
  std::vector<DamagedRange> damaged;
  base::Status status =
      CheckSegment(*view.segment, view.limit, view.limit_sequence, vouched, report, &damaged);
  for (const DamagedRange& range : damaged) {
    shard_->AddDamage(range);
  }
  const uint64_t trimmed_start = shard_->TrimState().trimmed_start;
  std::erase_if(report->damaged, [this, trimmed_start](const DamageReport& damage) {
    return damage.shard == shard_->shard() && IsTrimmedAway(damage.range, trimmed_start);
  });
  context_->counters.scrubbed_bytes.fetch_add(view.limit - view.segment->base_position,
                                              std::memory_order_relaxed);
  return status;
}

}  // namespace millrace::log
