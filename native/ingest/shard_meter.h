// What comes into one shard: counted, and measured against the limits of its stream. One meter per
// shard of an open log, shared by all who put to it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "native/ingest/router.h"
#include "native/ingest/shard_budget.h"
#include "native/log/core.h"

namespace millrace::ingest {

// What a shard would not take of a run.
struct Refusal {
  uint32_t count = 0;         // records
  uint64_t bytes = 0;         // of their keys and data
  uint64_t retry_millis = 0;  // when it is worth to send them again
};

// Totals since the log was opened; they only grow.
struct ShardTraffic {
  uint64_t shard = 0;
  uint64_t records = 0;    // that were appended
  uint64_t bytes = 0;      // of their keys and data
  uint64_t throttled = 0;  // records that were beyond the limits
};

// Safe from any thread.
class ShardMeter {
 public:
  // Pays for the records of a run, of so many bytes together, one by one, and sets the byte in
  // `refused` (one per record of the request) of those that are beyond the limits. `in_order`: none
  // is taken behind one that was refused.
  Refusal Charge(const ThroughputLimits& limits, uint64_t now_millis, const ScannedRequest& request,
                 const ShardRun& run, uint64_t run_bytes, bool in_order, uint8_t* refused);

  // The same for a packed batch, of which all is taken or nothing.
  Refusal ChargeWhole(const ThroughputLimits& limits, uint64_t now_millis, uint32_t records,
                      uint64_t bytes);

  // What was paid for was not appended.
  void GiveBack(uint32_t records, uint64_t bytes);

  // How long until records can be paid for.
  uint64_t WaitMillis(const ThroughputLimits& limits, uint64_t now_millis, uint32_t records,
                      uint64_t bytes);

  void CountAppended(uint32_t records, uint64_t bytes) {
    records_.fetch_add(records, std::memory_order_relaxed);
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }

  ShardTraffic Traffic(uint64_t shard) const;

 private:
  std::mutex mutex_;
  ShardBudget budget_;  // under mutex_
  std::atomic<uint64_t> records_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> throttled_{0};
};

// The meters of an open log. Safe from any thread.
class MeterTable {
 public:
  // The one of a log: every thread that puts gets the same.
  static std::shared_ptr<MeterTable> Of(const std::shared_ptr<log::Core>& core);

  // The meter of a shard; a new one when nobody has it.
  std::shared_ptr<ShardMeter> Get(uint64_t shard);

  // Of the shards whose meters somebody has, in the order of their ids.
  std::vector<ShardTraffic> Traffic() const;

 private:
  void DropUnused();

  mutable std::mutex mutex_;
  std::map<uint64_t, std::weak_ptr<ShardMeter>> meters_;
  size_t drop_at_ = 64;  // when there are so many, those that nobody has are dropped
};

}  // namespace millrace::ingest
