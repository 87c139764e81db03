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

void RecordWindow::Advance(uint64_t now_millis) {
  while (first_ < entries_.size() && entries_[first_].until <= now_millis) {
    taken_ -= entries_[first_].records;
    ++first_;
  }
  if (first_ == entries_.size()) {
    entries_.clear();
    first_ = 0;
  }
}

void RecordWindow::Take(uint64_t limit, uint64_t now_millis, uint64_t records) {
  const uint64_t seconds = std::max<uint64_t>(1, DividedUp(records, limit));
  const uint64_t until = now_millis + seconds * kMillisPerSecond;
  taken_ += records;
  if (!entries_.empty() && entries_.back().until == until) {
    entries_.back().records += records;
    return;
  }
  // No more are moved than are forgotten, so each is moved once on average.
  if (2 * first_ > entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  entries_.push_back({until, records});
}

void RecordWindow::GiveBack(uint64_t records) {
  uint64_t left = std::min(records, taken_);
  taken_ -= left;
  while (left > 0) {
    const uint64_t now = std::min(left, entries_.back().records);
    entries_.back().records -= now;
    left -= now;
    if (entries_.back().records == 0) {
      entries_.pop_back();
    }
  }
}

uint64_t RecordWindow::RoomAt(uint64_t limit, uint64_t now_millis, uint64_t records) const {
  uint64_t taken = taken_;
  uint64_t at = now_millis;
  for (size_t i = first_; i < entries_.size() && !Fits(taken, limit, records); ++i) {
    taken -= entries_[i].records;
    at = entries_[i].until;
  }
  return at;
}

void ShardBudget::Advance(const ThroughputLimits& limits, uint64_t now_millis) {
  if (now_millis <= now_millis_) {
    return;
  }
  const uint64_t elapsed = now_millis - now_millis_;
  now_millis_ = now_millis;
  const bool is_full = elapsed >= DividedUp(drained_, limits.bytes_per_second);
  drained_ = is_full ? 0 : drained_ - elapsed * limits.bytes_per_second;
  records_.Advance(now_millis);
}

bool ShardBudget::Take(const ThroughputLimits& limits, uint64_t records, uint64_t bytes) {
  const bool has_bytes =
      drained_ == 0 || drained_ + bytes * kPerByte <= limits.bytes_burst * kPerByte;
  if (!has_bytes || !records_.HasRoom(limits.records_per_second, records)) {
    return false;
  }
  drained_ += bytes * kPerByte;
  records_.Take(limits.records_per_second, now_millis_, records);
  return true;
}

void ShardBudget::GiveBack(uint64_t records, uint64_t bytes) {
  drained_ -= std::min(drained_, bytes * kPerByte);
  records_.GiveBack(records);
}

uint64_t ShardBudget::WaitMillis(const ThroughputLimits& limits, uint64_t records,
                                 uint64_t bytes) const {
  const uint64_t tank = limits.bytes_burst * kPerByte;
  const uint64_t room = tank - std::min(tank, bytes * kPerByte);  // how far it may be drained
  const uint64_t for_bytes =
      drained_ <= room ? 0 : DividedUp(drained_ - room, limits.bytes_per_second);
  const uint64_t room_at = records_.RoomAt(limits.records_per_second, now_millis_, records);
  return std::max(for_bytes, room_at - now_millis_);
}

}  // namespace millrace::ingest
