// Routes a scanned request: which records go to which shard, and as which bytes. MD5 of the
// partition key, or the explicit hash key, decides; with one open shard nothing is hashed. Records
// without either have one hash key together, which the caller spreads over requests.
//
// The result is a run per shard that gets something: its records in the order of the request, and
// the pieces of the request that hold them, ready to be gathered into one batch. Records that lie
// back to back in the request are one piece, so a stream of one shard is copied in one go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "native/base/md5.h"
#include "native/ingest/request_scanner.h"
#include "native/ingest/shard_map.h"
#include "native/log/options.h"

namespace millrace::ingest {

inline constexpr uint32_t kRoutedRecordsMax = 65'000;  // a run is numbered in 16 bits

// Whole records, byte for byte as they were sent. Points into the body of the request.
using log::Piece;

struct ShardRun {
  uint64_t shard;
  uint32_t ordinal;  // of the shard in the ShardMap
  uint32_t count;    // records
  uint32_t bytes;    // of the pieces together
  uint32_t piece_count;
  const uint32_t* records;  // places in the request, ascending
  const Piece* pieces;
};

// Routes one request at a time; what it returns is valid until the next Route, and while the
// request and its body are there unchanged. Meant to be kept and used again: routing allocates
// nothing. Not thread-safe; one per thread.
class Router {
 public:
  // For requests of up to `records_max` (at most kRoutedRecordsMax) records; null when there is no
  // memory for it.
  static std::unique_ptr<Router> Create(uint32_t records_max);

  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;
  ~Router() = default;

  // Cannot fail: every hash key has its shard. The request holds at least one record, and at most
  // records_max. `keyless` is where those go that have no key.
  void Route(const ShardMap& shards, const ScannedRequest& request, const HashKey& keyless);

  // The same request, unchanged, by another map: its hash keys are not computed again.
  void RouteAgain(const ShardMap& shards, const ScannedRequest& request);

  // In the order in which their first records stand in the request.
  uint32_t run_count() const { return run_count_; }

  const ShardRun& run(uint32_t index) const { return runs_[index]; }

  // The run that a record of the request went to.
  uint32_t run_of_record(uint32_t record) const { return run_of_record_[record]; }

  // The same of all records, by record.
  const uint16_t* runs_of_records() const { return run_of_record_.get(); }

  // Takes those records out of the run whose byte in `dropped` (one per record of the request) is
  // not zero: what a throttled shard does not accept, and what an earlier one has. The others keep
  // their order; the run may be empty afterwards.
  void Drop(const ScannedRequest& request, uint32_t run, const uint8_t* dropped);

 private:
  explicit Router(uint32_t records_max) : records_max_(records_max) {}

  bool Allocate();
  void RouteToOnlyShard(const ShardMap& shards, const ScannedRequest& request);

  // The three steps of routing to several shards.
  void FindHashKeys(const ScannedRequest& request);
  void CountRuns(const ShardMap& shards, uint32_t record_count);
  void FillRuns(const ScannedRequest& request);

  const uint32_t records_max_;
  uint32_t run_count_ = 0;
  bool has_hash_keys_ = false;  // of the request
  HashKey keyless_ = {};

  // By record.
  std::unique_ptr<base::Md5Input[]> md5_inputs_;
  std::unique_ptr<base::Digest[]> digests_;
  std::unique_ptr<uint32_t[]> hashed_records_;  // the record that each digest belongs to
  std::unique_ptr<HashKey[]> hash_keys_;
  std::unique_ptr<uint16_t[]> run_of_record_;

  // By place in the sorted order: run after run, each with room for all of its records.
  std::unique_ptr<uint32_t[]> sorted_records_;
  std::unique_ptr<Piece[]> pieces_;

  // By run.
  std::unique_ptr<ShardRun[]> runs_;
  std::unique_ptr<uint32_t[]> first_places_;

  // By ordinal of the shard map: its run + 1, and zero between two calls. Clearing only what was
  // used keeps a request of ten records cheap in a stream of ten thousand shards.
  std::unique_ptr<uint16_t[]> run_of_ordinal_;
};

}  // namespace millrace::ingest
