// What routes the records of a stream: the map of its open shards, and the maps that were in force
// before it, for the repeats of idempotent producers.
//
// A producer that has lost an answer sends the request again. When a reshard has come between, the
// shard that has its records is closed, and the open ones know nothing of them: by the open map
// alone they would be written twice. So the shards that a reshard has closed are asked first.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "native/base/status.h"
#include "native/ingest/shard_map.h"
#include "native/ingest/shard_meter.h"
#include "native/log/core.h"

namespace millrace::ingest {

inline constexpr uint32_t kNoSlot = UINT32_MAX;
inline constexpr size_t kPreviousMapsMax = 64;

// One map, and where its shards are in an open log.
struct RouteMap {
  std::shared_ptr<const ShardMap> shards;
  std::vector<uint32_t> slots;  // by ordinal; of a previous map kNoSlot for all but retired shards
  uint32_t first_route = 0;     // how many shards the maps before this one have
};

struct RouteSettings {
  // The open shards, then those of the previous maps, newest first.
  std::vector<std::vector<OpenShard>> maps;
  // Of each open shard; none = as much as the machine takes.
  std::optional<ThroughputLimits> limits;
};

// Immutable but for the meters and a counter. Safe from any thread.
//
// A shard is *retired* when a previous map has it and the open one does not. Where several previous
// maps have it, the newest of them stands for all: a shard owns the same range in each.
class Routes {
 public:
  // INVALID_ARGUMENT for a map that does not tile the hash space and for a limit that is none,
  // SHARD_NOT_FOUND for an open shard that is not there. A previous one may be gone.
  static base::Status Create(const log::Core& core, const RouteSettings& settings,
                             MeterTable* meters, std::shared_ptr<const Routes>* routes);

  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  const RouteMap& open() const { return open_; }

  // Newest first; only those with retired shards.
  const std::vector<RouteMap>& previous() const { return previous_; }

  // Of an open shard.
  ShardMeter* meter(uint32_t ordinal) const { return meters_[ordinal].get(); }

  const std::optional<ThroughputLimits>& limits() const { return limits_; }

  // A number for each request, ascending: what spreads records without a key.
  uint32_t CountSpread() const { return spread_.fetch_add(1, std::memory_order_relaxed); }

  struct Slots {
    const uint32_t* data;
    size_t count;
  };

  // The retired shards that owned a part of the range of an open one.
  Slots retired_of(uint32_t ordinal) const {
    const size_t first = first_retired_[ordinal];
    return {retired_.data() + first, first_retired_[ordinal + 1] - first};
  }

 private:
  Routes() = default;

  base::Status AddOpen(const log::Core& core, const std::vector<OpenShard>& shards,
                       MeterTable* meters);
  base::Status AddPrevious(const log::Core& core, const std::vector<OpenShard>& shards,
                           uint32_t first_route, std::vector<uint64_t>* known);
  void FindRetired();

  std::optional<ThroughputLimits> limits_;
  RouteMap open_;
  std::vector<std::shared_ptr<ShardMeter>> meters_;  // of the open shards, by ordinal
  std::vector<RouteMap> previous_;
  std::vector<uint32_t> retired_;      // slots, open shard after open shard
  std::vector<size_t> first_retired_;  // by ordinal, and one more: the end
  mutable std::atomic<uint32_t> spread_{0};
};

}  // namespace millrace::ingest
