#include "native/ingest/shard_meter.h"

#include <algorithm>

namespace millrace::ingest {

namespace {

// Who has records left sends them when all of them are taken, and not in small pieces as the budget
// drips; but a large request need not lie still for ten seconds while a part of it could go.
constexpr uint64_t kRetryMillisMax = 1000;

// `first` was refused, and more behind it: all of them together are `records` and `bytes`.
uint64_t RetryMillis(const ShardBudget& budget, const ThroughputLimits& limits,
                     uint64_t first_bytes, uint64_t records, uint64_t bytes) {
  const uint64_t all = budget.WaitMillis(limits, records, bytes);
  return std::max(budget.WaitMillis(limits, 1, first_bytes), std::min(all, kRetryMillisMax));
}

}  // namespace

Refusal ShardMeter::Charge(const ThroughputLimits& limits, uint64_t now_millis,
                           const ScannedRequest& request, const ShardRun& run, uint64_t run_bytes,
                           bool in_order, uint8_t* refused) {
  const std::lock_guard<std::mutex> lock(mutex_);
  budget_.Advance(limits, now_millis);
  // More than that is no single record, and so not taken on credit.
  const bool fits_at_all =
      run.count <= limits.records_per_second && run_bytes <= limits.bytes_burst;
  if (fits_at_all && budget_.Take(limits, run.count, run_bytes)) {
    return {};
  }
  Refusal refusal;
  uint64_t first_bytes = 0;
  for (uint32_t i = 0; i < run.count; ++i) {
    const uint32_t bytes = request.record(run.records[i]).shape.payload_bytes;
    const bool is_behind = in_order && refusal.count != 0;
    if (!is_behind && budget_.Take(limits, 1, bytes)) {
      continue;
    }
    refused[run.records[i]] = 1;
    first_bytes = refusal.count == 0 ? bytes : first_bytes;
    refusal.bytes += bytes;
    refusal.count += 1;
  }
  if (refusal.count != 0) {
    refusal.retry_millis = RetryMillis(budget_, limits, first_bytes, refusal.count, refusal.bytes);
    throttled_.fetch_add(refusal.count, std::memory_order_relaxed);
  }
  return refusal;
}

Refusal ShardMeter::ChargeWhole(const ThroughputLimits& limits, uint64_t now_millis,
                                uint32_t records, uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  budget_.Advance(limits, now_millis);
  if (budget_.Take(limits, records, bytes)) {
    return {};
  }
  throttled_.fetch_add(records, std::memory_order_relaxed);
  return {records, bytes, budget_.WaitMillis(limits, records, bytes)};
}

void ShardMeter::GiveBack(uint32_t records, uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  budget_.GiveBack(records, bytes);
}

uint64_t ShardMeter::WaitMillis(const ThroughputLimits& limits, uint64_t now_millis,
                                uint32_t records, uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  budget_.Advance(limits, now_millis);
  return std::min(budget_.WaitMillis(limits, records, bytes), kRetryMillisMax);
}

ShardTraffic ShardMeter::Traffic(uint64_t shard) const {
  return {shard, records_.load(std::memory_order_relaxed), bytes_.load(std::memory_order_relaxed),
          throttled_.load(std::memory_order_relaxed)};
}

std::shared_ptr<MeterTable> MeterTable::Of(const std::shared_ptr<log::Core>& core) {
  // Never destroyed, so that a thread may still ask while the process ends.
  static auto* const mutex = new std::mutex;
  static auto* const tables = new std::map<const log::Core*, std::weak_ptr<MeterTable>>;
  const std::lock_guard<std::mutex> lock(*mutex);
  std::shared_ptr<MeterTable> table = (*tables)[core.get()].lock();
  if (table == nullptr) {
    table = std::make_shared<MeterTable>();
    std::erase_if(*tables, [](const auto& it) { return it.second.expired(); });
    (*tables)[core.get()] = table;
  }
  return table;
}

std::shared_ptr<ShardMeter> MeterTable::Get(uint64_t shard) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::weak_ptr<ShardMeter>& place = meters_[shard];
  std::shared_ptr<ShardMeter> meter = place.lock();
  if (meter == nullptr) {
    meter = std::make_shared<ShardMeter>();
    place = meter;
    DropUnused();
  }
  return meter;
}

void MeterTable::DropUnused() {
  if (meters_.size() < drop_at_) {
    return;
  }
  std::erase_if(meters_, [](const auto& it) { return it.second.expired(); });
  drop_at_ = std::max<size_t>(64, 2 * meters_.size());
}

std::vector<ShardTraffic> MeterTable::Traffic() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ShardTraffic> traffic;
  for (const auto& [shard, place] : meters_) {
    const std::shared_ptr<ShardMeter> meter = place.lock();
    if (meter != nullptr) {
      traffic.push_back(meter->Traffic(shard));
    }
  }
  return traffic;
}

}  // namespace millrace::ingest
