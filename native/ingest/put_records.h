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
#include "native/ingest/shard_map.h"
#include "native/log/core.h"

namespace millrace::ingest {

// What one shard did with its part of the request.
struct PutRecordsShard {
  uint64_t shard;
  uint32_t ordinal;  // of the shard in the routes
  uint32_t slot;
  uint32_t count;           // records
  uint64_t first_sequence;  // the records take consecutive numbers, in the order of the request
  uint64_t end_position;    // acknowledged once the shard's committed end has reached this
  bool committed;           // acknowledged already
  bool duplicate;
  log::Durability durability;
  base::Code refused;  // kOk when appended; else none of its records were
};

// Serves one request at a time and is meant to be used again: nothing is allocated unless a request
// or a shard refuses. Not thread-safe; one per thread.
class PutRecords {
 public:
  struct Options {
    log::Durability durability = log::Durability::kDisk;
    uint32_t record_bytes_max = ScanLimits{}.record_bytes_max;
    uint32_t epoch = 0;
  };

  // For requests of up to `records_max` records; null when there is no memory for it.
  static std::unique_ptr<PutRecords> Create(uint32_t records_max);

  PutRecords(const PutRecords&) = delete;
  PutRecords& operator=(const PutRecords&) = delete;
  ~PutRecords() = default;

  // `body` as request_scanner.h describes it; only read during the call. `slots` has the slot of
  // each ordinal of `routes`. A status that is not ok means that the request is malformed or out of
  // bounds, and nothing was written. Otherwise each shard stands for itself: one that refuses
  // (DISK_FULL, LOG_FAILED, SHARD_CLOSED, ...) fails its records, the others have theirs.
  base::Status Run(log::Core* core, const ShardMap& routes, const uint32_t* slots,
                   const uint8_t* body, uint32_t bytes, const Options& options);

  // Of the last Run: the shards that got something.
  const PutRecordsShard* shards() const { return shards_.get(); }

  size_t shard_count() const { return shard_count_; }

  // The answer as MessagePack: [shards, ordinals, failed]
  //   shards    array of [shard: uint 64, first sequence number: uint 64, count: uint 32,
  //             code: nil or str]
  //   ordinals  bin: for each record its place in `shards`: 1 byte, or 2 (big-endian) when there
  //             are more than 256
  //   failed    uint 32: records that were refused
  // A record's sequence number is the first of its shard plus the number of records before it with
  // the same ordinal. Returns the bytes written; `capacity` is at least AnswerBytesMax().
  size_t EncodeAnswer(uint8_t* to, size_t capacity) const;
  size_t AnswerBytesMax() const;

 private:
  PutRecords(uint32_t records_max, std::unique_ptr<ScannedRequest> request,
             std::unique_ptr<Router> router, std::unique_ptr<PutRecordsShard[]> shards);

  void AppendRun(log::Core* core, const ShardRun& run, uint32_t slot, const Options& options,
                 PutRecordsShard* shard) const;

  const uint32_t records_max_;
  const std::unique_ptr<ScannedRequest> request_;
  const std::unique_ptr<Router> router_;
  const std::unique_ptr<PutRecordsShard[]> shards_;
  size_t shard_count_ = 0;
};

}  // namespace millrace::ingest
