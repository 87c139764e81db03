// A PutRecords request in one call: scan, route, one batch per shard, append, and the compact
// answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "native/base/status.h"
#include "native/ingest/request_scanner.h"
#include "native/ingest/router.h"
#include "native/ingest/routes.h"
#include "native/log/core.h"

namespace millrace::ingest {

// What one shard did with records of the request. A shard that took some of them and refused the
// others has two parts.
struct PutRecordsPart {
  uint64_t shard;
  uint32_t route;  // its place among all shards of the routes, previous maps behind the open one
  uint32_t slot;
  uint32_t count;           // records
  uint64_t first_sequence;  // the records take consecutive numbers, in the order of the request
  uint64_t end_position;    // acknowledged once the shard's committed end has reached this
  bool committed;           // acknowledged already
  bool duplicate;
  log::Durability durability;
  base::Code refused;     // kOk when the shard has them; else it has none of them
  uint32_t retry_millis;  // with kThroughputExceeded: when it is worth to send them again
};

// Serves one request at a time and is meant to be used again: nothing is allocated unless a request
// or a shard refuses. Not thread-safe; one per thread.
class PutRecords {
 public:
  struct Options {
    log::Durability durability = log::Durability::kDisk;
    uint32_t record_bytes_max = ScanLimits{}.record_bytes_max;
    bool keys_required = false;  // of what is no repeat of an idempotent producer
    uint32_t epoch = 0;
    uint64_t now_millis = 0;  // of a clock that never goes back, where the routes have limits
  };

  // For requests of up to `records_max` records; null when there is no memory for it.
  static std::unique_ptr<PutRecords> Create(uint32_t records_max);

  PutRecords(const PutRecords&) = delete;
  PutRecords& operator=(const PutRecords&) = delete;
  ~PutRecords() = default;

  // `body` as request_scanner.h describes it; only read during the call. A status that is not ok
  // means that the request is malformed or out of bounds, and nothing was written. Otherwise each
  // shard stands for itself: one that refuses (DISK_FULL, LOG_FAILED, SHARD_CLOSED, ...) fails its
  // records, the others have theirs.
  //
  // Where the routes have limits, a shard refuses records one by one: THROUGHPUT_EXCEEDED. Those of
  // an idempotent producer from the first that it refuses on, so that its batch is the beginning of
  // its part. A repeat then has the first answer, whatever the limits say: what is in the batch
  // gets its numbers, and what is not in it is refused again.
  //
  // What a retired shard has already, of an idempotent producer, is answered with its first
  // numbers.
  base::Status Run(log::Core* core, const Routes& routes, const uint8_t* body, uint32_t bytes,
                   const Options& options);

  // Of the last Run: the shards that were to get something.
  const PutRecordsPart* parts() const { return parts_.get(); }

  size_t part_count() const { return part_count_; }

  // The answer as MessagePack: [shards, ordinals, failed]
  //   shards    array of [shard: uint 64, first sequence number: uint 64, count: uint 32,
  //             code: nil or str, ms to wait before the next try: nil or uint 32]
  //   ordinals  bin: for each record its place in `shards`: 1 byte, or 2 (big-endian) when there
  //             are more than 256
  //   failed    uint 32: records that were refused
  // The shard of a record that was refused has a code. Else its number is the first of its shard
  // plus the number of records before it with the same ordinal. Returns the bytes written;
  // `capacity` is at least AnswerBytesMax().
  size_t EncodeAnswer(uint8_t* to, size_t capacity) const;
  size_t AnswerBytesMax() const;

 private:
  explicit PutRecords(uint32_t records_max) : records_max_(records_max) {}

  bool Allocate();

  struct Place {
    const RouteMap* map;
    const ShardRun* run;
  };

  base::Status Scan(const uint8_t* body, uint32_t bytes, const Options& options,
                    base::Status* keys);
  bool HasNewKeyless(const log::Core& core, const RouteMap& open) const;
  bool IsKnownToRetired(const log::Core& core, const Routes& routes) const;
  void SettleRepeats(const log::Core& core, const Routes& routes);
  void SettleRun(const log::Core& core, const Place& place);

  void PutRun(log::Core* core, const Routes& routes, uint32_t run_index, const Options& options);
  bool AnswerRepeat(const log::Core& core, const Routes& routes, const Place& place,
                    const Options& options);
  Refusal Throttle(const Routes& routes, uint32_t run_index, uint64_t bytes,
                   const Options& options);
  base::Status Append(log::Core* core, const Place& place, const Options& options,
                      log::AppendResult* result) const;

  void AddRepeat(const Place& place, const log::AppendResult& first, uint64_t retry_millis);
  void AddPart(const Place& place, uint32_t first, uint32_t count, base::Code refused,
               const log::AppendResult& result);
  void AddThrottled(const Place& place, const Refusal& refusal);
  void TellPartsFromRuns();

  const uint32_t records_max_;
  std::unique_ptr<ScannedRequest> request_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<PutRecordsPart[]> parts_;
  size_t part_count_ = 0;

  // By record.
  std::unique_ptr<uint8_t[]> settled_;          // not 0: answered for, and not to be appended
  std::unique_ptr<uint16_t[]> part_of_record_;  // unless parts_are_runs_
  bool parts_are_runs_ = true;                  // those of the open map, in their order
};

}  // namespace millrace::ingest
