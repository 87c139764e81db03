#include "native/ingest/routes.h"

#include <algorithm>
#include <utility>

namespace millrace::ingest {

using base::Code;
using base::Format;
using base::Status;

namespace {

Status CheckLimits(const ThroughputLimits& limits) {
  for (const uint64_t limit :
       {limits.records_per_second, limits.bytes_per_second, limits.bytes_burst}) {
    if (limit == 0 || limit > kThroughputLimitMax) {
      return Status(
          Code::kInvalidArgument,
          Format("a limit of %llu; limits are 1 to %llu", static_cast<unsigned long long>(limit),
                 static_cast<unsigned long long>(kThroughputLimitMax)));
    }
  }
  return Status();
}

}  // namespace

Status Routes::Create(const log::Core& core, const RouteSettings& settings, MeterTable* meters,
                      std::shared_ptr<const Routes>* routes) {
  const std::vector<std::vector<OpenShard>>& maps = settings.maps;
  if (maps.empty() || maps.size() - 1 > kPreviousMapsMax) {
    return Status(Code::kInvalidArgument,
                  Format("%zu maps of shards; there is the open one, and up to %zu previous ones",
                         maps.size(), kPreviousMapsMax));
  }
  const std::shared_ptr<Routes> made(new Routes);
  made->limits_ = settings.limits;
  Status status = settings.limits.has_value() ? CheckLimits(*settings.limits) : Status();
  status = status.ok() ? made->AddOpen(core, maps[0], meters) : status;
  std::vector<uint64_t> known;  // sorted: shards of the maps so far
  for (const OpenShard& shard : maps[0]) {
    known.push_back(shard.shard);
  }
  std::sort(known.begin(), known.end());
  size_t first_route = maps[0].size();
  for (size_t i = 1; status.ok() && i < maps.size(); ++i) {
    status = made->AddPrevious(core, maps[i], static_cast<uint32_t>(first_route), &known);
    first_route += maps[i].size();
  }
  if (status.ok()) {
    made->FindRetired();
    *routes = made;
  }
  return status;
}

Status Routes::AddOpen(const log::Core& core, const std::vector<OpenShard>& shards,
                       MeterTable* meters) {
  Status status = ShardMap::Create(shards.data(), shards.size(), &open_.shards);
  for (size_t i = 0; status.ok() && i < shards.size(); ++i) {
    open_.slots.push_back(kNoSlot);
    status = core.FindShard(shards[i].shard, &open_.slots[i]);
    if (status.ok()) {
      meters_.push_back(meters->Get(shards[i].shard));
    }
  }
  return status;
}

Status Routes::AddPrevious(const log::Core& core, const std::vector<OpenShard>& shards,
                           uint32_t first_route, std::vector<uint64_t>* known) {
  RouteMap map;
  map.first_route = first_route;
  if (Status status = ShardMap::Create(shards.data(), shards.size(), &map.shards); !status.ok()) {
    return status;
  }
  const size_t known_before = known->size();
  for (const OpenShard& shard : shards) {
    uint32_t slot = kNoSlot;
    const auto end = known->begin() + static_cast<std::ptrdiff_t>(known_before);
    if (!std::binary_search(known->begin(), end, shard.shard)) {
      known->push_back(shard.shard);
      // One that is gone has no records any more that could be repeated.
      static_cast<void>(core.FindShard(shard.shard, &slot));
    }
    map.slots.push_back(slot);
  }
  std::sort(known->begin(), known->end());
  if (std::any_of(map.slots.begin(), map.slots.end(), [](uint32_t it) { return it != kNoSlot; })) {
    previous_.push_back(std::move(map));
  }
  return Status();
}

// Both maps are walked from key 0 on, and whose range ends first is left behind.
void Routes::FindRetired() {
  const ShardMap& open = *open_.shards;
  std::vector<std::vector<uint32_t>> retired(open.shard_count());
  for (const RouteMap& map : previous_) {
    uint32_t at = 0;
    for (uint32_t ordinal = 0; ordinal < open.shard_count(); ++ordinal) {
      const HashKey end = open.ending_hash_key(ordinal);
      while (true) {
        if (map.slots[at] != kNoSlot) {
          retired[ordinal].push_back(map.slots[at]);
        }
        const HashKey previous_end = map.shards->ending_hash_key(at);
        at += previous_end <= end ? 1 : 0;
        if (previous_end >= end) {
          break;
        }
      }
    }
  }
  for (const std::vector<uint32_t>& slots : retired) {
    first_retired_.push_back(retired_.size());
    retired_.insert(retired_.end(), slots.begin(), slots.end());
  }
  first_retired_.push_back(retired_.size());
}

}  // namespace millrace::ingest
