#include "native/ingest/shard_map.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace millrace::ingest {

namespace {

using base::Code;
using base::Format;
using base::Status;

std::string HexOf(const OpenShard& shard) {
  const HashKey key = LoadHashKey(shard.ending_hash_key);
  return Format("0x%016llx%016llx", static_cast<unsigned long long>(key.high),
                static_cast<unsigned long long>(key.low));
}

Status CheckTiling(const OpenShard* shards, size_t count) {
  for (size_t i = 1; i < count; ++i) {
    if (std::memcmp(shards[i - 1].ending_hash_key, shards[i].ending_hash_key, 16) >= 0) {
      return Status(
          Code::kInvalidArgument,
          Format("the open shards do not tile the hash space: ending hash key %s of "
                 "shard %llu (place %zu) is not above %s before it; list the shards in "
                 "ascending order",
                 HexOf(shards[i]).c_str(), static_cast<unsigned long long>(shards[i].shard), i,
                 HexOf(shards[i - 1]).c_str()));
    }
  }
  const HashKey last = LoadHashKey(shards[count - 1].ending_hash_key);
  if (last.high != UINT64_MAX || last.low != UINT64_MAX) {
    return Status(Code::kInvalidArgument,
                  Format("the open shards do not tile the hash space: the last ending hash key is "
                         "%s (shard %llu), it has to be 2^128 - 1",
                         HexOf(shards[count - 1]).c_str(),
                         static_cast<unsigned long long>(shards[count - 1].shard)));
  }
  return Status();
}

// A shard that owned two ranges would get two batches of one request, and the answer could not tell
// them apart.
Status CheckDistinct(const OpenShard* shards, size_t count) {
  std::vector<uint64_t> ids(count);
  std::transform(shards, shards + count, ids.begin(),
                 [](const OpenShard& open) { return open.shard; });
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) {
    return Status(Code::kInvalidArgument,
                  Format("the open shards name shard %llu twice; a shard owns one range",
                         static_cast<unsigned long long>(*twice)));
  }
  return Status();
}

}  // namespace

ShardMap::ShardMap(const OpenShard* shards, size_t count) {
  high_.reserve(count);
  low_.reserve(count);
  shards_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const HashKey end = LoadHashKey(shards[i].ending_hash_key);
    high_.push_back(end.high);
    low_.push_back(end.low);
    shards_.push_back(shards[i].shard);
  }
}

Status ShardMap::Create(const OpenShard* shards, size_t count,
                        std::shared_ptr<const ShardMap>* map) {
  if (count == 0 || count > kOpenShardsMax) {
    return Status(Code::kInvalidArgument,
                  Format("%zu open shards; a stream has 1 to %u", count, kOpenShardsMax));
  }
  Status status = CheckTiling(shards, count);
  if (status.ok()) {
    status = CheckDistinct(shards, count);
  }
  if (status.ok()) {
    map->reset(new ShardMap(shards, count));
  }
  return status;
}

}  // namespace millrace::ingest
