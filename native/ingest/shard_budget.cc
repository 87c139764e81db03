#include "native/ingest/shard_budget.h"

#include <algorithm>

namespace millrace::ingest {

namespace {

constexpr uint64_t kMillisPerSecond = 1000;
constexpr uint64_t kPerByte = 1000;  // of the unit in which the tank is measured

uint64_t DividedUp(uint64_t value, uint64_t by) {
  return value / by + (value % by == 0 ? 0 : 1);
}

}  // namespace

void ShardBudget::Advance(const ThroughputLimits& limits, uint64_t now_millis) {
  if (now_millis <= now_millis_) {
    return;
  }
  const uint64_t elapsed = now_millis - now_millis_;
  now_millis_ = now_millis;
  const bool is_full = elapsed >= DividedUp(drained_, limits.bytes_per_second);
  drained_ = is_full ? 0 : drained_ - elapsed * limits.bytes_per_second;
  if (now_millis_ >= second_end_) {
    records_taken_ = 0;
  }
}

bool ShardBudget::Take(const ThroughputLimits& limits, uint64_t records, uint64_t bytes) {
  const bool has_bytes =
      drained_ == 0 || drained_ + bytes * kPerByte <= limits.bytes_burst * kPerByte;
  if (!has_bytes || !HasRecords(limits, records)) {
    return false;
  }
  if (records_taken_ == 0) {
    const uint64_t seconds = std::max<uint64_t>(1, DividedUp(records, limits.records_per_second));
    second_end_ = now_millis_ + seconds * kMillisPerSecond;
  }
  drained_ += bytes * kPerByte;
  records_taken_ += records;
  return true;
}

void ShardBudget::GiveBack(uint64_t records, uint64_t bytes) {
  drained_ -= std::min(drained_, bytes * kPerByte);
  records_taken_ -= std::min(records_taken_, records);
}

uint64_t ShardBudget::WaitMillis(const ThroughputLimits& limits, uint64_t records,
                                 uint64_t bytes) const {
  const uint64_t tank = limits.bytes_burst * kPerByte;
  const uint64_t room = tank - std::min(tank, bytes * kPerByte);  // how far it may be drained
  const uint64_t for_bytes =
      drained_ <= room ? 0 : DividedUp(drained_ - room, limits.bytes_per_second);
  const uint64_t for_records = HasRecords(limits, records) ? 0 : second_end_ - now_millis_;
  return std::max(for_bytes, for_records);
}

}  // namespace millrace::ingest
