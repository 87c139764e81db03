// Scrub of an open log: all at once when it is asked for, slice by slice in the background.
#include <algorithm>
#include <chrono>
#include <thread>

#include "native/log/core_parts.h"
#include "native/log/shard_reader.h"

namespace millrace::log {

using base::Status;

Status Core::Scrub(uint64_t shard, uint64_t bytes_per_second, ScrubReport* report) {
  Status status = CheckOpen();
  const uint32_t count = parts_->shards.count();
  const auto started = std::chrono::steady_clock::now();
  bool found = shard == 0;
  for (uint32_t slot = 0; status.ok() && slot < count; ++slot) {
    ShardLog* const log = parts_->shards.At(slot);
    if (shard != 0 && log->shard() != shard) {
      continue;
    }
    found = true;
    ShardReader reader(&parts_->context, log);
    for (const SegmentView& view : log->Views()) {
      status = status.ok() ? reader.Scrub(view, report) : status;
      status = status.ok() ? CheckOpen() : status;
      if (status.ok() && bytes_per_second != 0) {
        status = WaitUntil(started +
                           std::chrono::microseconds(report->bytes * 1000000 / bytes_per_second));
      }
    }
  }
  return found ? status : NoSuchShard(shard);
}

// Sleeps, but not past the close of the log.
Status Core::WaitUntil(std::chrono::steady_clock::time_point due) const {
  constexpr auto kSlice = std::chrono::milliseconds(20);
  Status status = CheckOpen();
  while (status.ok() && std::chrono::steady_clock::now() < due) {
    std::this_thread::sleep_until(std::min(due, std::chrono::steady_clock::now() + kSlice));
    status = CheckOpen();
  }
  return status;
}

// The helper's: goes round all shards, a segment at a time, at the pace of its calls.
void Core::ScrubSlice(uint64_t bytes) {
  const uint32_t count = parts_->shards.count();
  uint64_t& credit = scrub_credit_;
  credit += bytes;
  for (uint32_t passed = 0; passed <= count && count != 0; ++passed) {
    ShardLog* const log = parts_->shards.At(parts_->scrub_slot % count);
    for (const SegmentView& view : log->Views()) {
      if (view.active || view.segment->base_position < parts_->scrub_position) {
        continue;
      }
      const uint64_t size = view.limit - view.segment->base_position;
      if (size > credit) {
        return;  // saved up for
      }
      credit -= size;
      ScrubReport report;
      static_cast<void>(
          ShardReader(&parts_->context, log).Scrub(view, &report));  // damage is in the shard
      parts_->scrub_position = view.limit;
    }
    parts_->scrub_position = 0;
    parts_->scrub_slot = (parts_->scrub_slot + 1) % count;
    if (parts_->scrub_slot == 0) {
      parts_->context.counters.scrub_pass_count.fetch_add(1, std::memory_order_relaxed);
    }
  }
  credit = 0;  // everything has been seen in this call
}

}  // namespace millrace::log
