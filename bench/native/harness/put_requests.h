// Requests of PutRecords as producers make them, and the routes of a stream whose shards are even.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "bench/native/harness/bench_log.h"
#include "native/ingest/put_records.h"
#include "test/support/msgpack_encode.h"

namespace millrace::bench {

inline constexpr uint32_t kRecords = 500;
inline constexpr uint32_t kShards = 4;
inline constexpr uint32_t kBodies =
    16;  // so that branch predictors do not learn one request by heart

inline std::vector<support::Bytes> MakeBodies(uint32_t record_bytes) {
  std::mt19937_64 random(1);
  std::vector<support::Bytes> bodies;
  for (uint32_t body = 0; body < kBodies; ++body) {
    std::vector<support::Bytes> records;
    for (uint32_t i = 0; i < kRecords; ++i) {
      support::Bytes data(record_bytes);
      for (uint8_t& byte : data) {
        byte = static_cast<uint8_t>(random());
      }
      const auto key = static_cast<unsigned long long>(random());
      records.push_back(support::MakeRecord(base::Format("%016llx", key), data));
    }
    bodies.push_back(support::MakeRequest(records));
  }
  return bodies;
}

inline std::shared_ptr<const ingest::Routes> EvenRoutes(
    const BenchLog& log, const std::optional<ingest::ThroughputLimits>& limits,
    ingest::MeterTable* meters) {
  const std::vector<uint64_t>& shards = log.shards();
  std::vector<ingest::OpenShard> open(shards.size());
  for (size_t i = 0; i < open.size(); ++i) {
    const uint64_t high = i + 1 == open.size() ? UINT64_MAX : UINT64_MAX / open.size() * (i + 1);
    base::StoreBig64(open[i].ending_hash_key, high);
    base::StoreBig64(open[i].ending_hash_key + 8, UINT64_MAX);
    open[i].shard = shards[i];
  }
  std::shared_ptr<const ingest::Routes> routes;
  MustWork(ingest::Routes::Create(*log.core(), {{open}, limits}, meters, &routes));
  return routes;
}

}  // namespace millrace::bench
