// The open shards of a stream and the ranges of the hash space that they own: which shard does a
// hash key belong to?
//
// The hash space is [0, 2^128 - 1]. A shard owns the keys from the one after its predecessor's
// ending key up to its own ending key, both ends inclusive, so a list of ascending ending keys of
// which the last is 2^128 - 1 tiles it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/base/bytes.h"
#include "native/base/status.h"

namespace millrace::ingest {

inline constexpr uint32_t kOpenShardsMax = 65'536;

// A point of the hash space.
struct HashKey {
  uint64_t high;
  uint64_t low;

  friend auto operator<=>(const HashKey&, const HashKey&) = default;
};

inline HashKey LoadHashKey(const uint8_t* big_endian_bytes) {
  return {base::LoadBig64(big_endian_bytes), base::LoadBig64(big_endian_bytes + 8)};
}

struct OpenShard {
  uint8_t ending_hash_key[16];  // big-endian, inclusive
  uint64_t shard;               // unique in the data directory
};

// Immutable, so safe from any thread. A reshard publishes a new map; who routes holds the old one
// by its shared_ptr until the request is done.
class ShardMap {
 public:
  // `shards` in the order of their ranges; their places in it are the ordinals of the map.
  // INVALID_ARGUMENT when they do not tile the hash space, name a shard twice, or are none or too
  // many.
  static base::Status Create(const OpenShard* shards, size_t count,
                             std::shared_ptr<const ShardMap>* map);

  uint32_t shard_count() const { return static_cast<uint32_t>(shards_.size()); }

  uint64_t shard(uint32_t ordinal) const { return shards_[ordinal]; }

  HashKey ending_hash_key(uint32_t ordinal) const { return {high_[ordinal], low_[ordinal]}; }

  // The ordinal of the shard that owns the key: the first whose ending key is not below it.
  uint32_t Find(HashKey key) const {
    uint32_t ordinal = CountBelow(key.high);
    // Only ending keys with the same upper half are left to tell apart. There is one at most unless
    // shards were split very finely. The last ending key is below nothing, so this ends.
    while (high_[ordinal] == key.high && low_[ordinal] < key.low) {
      ++ordinal;
    }
    return ordinal;
  }

 private:
  explicit ShardMap(const OpenShard* shards, size_t count);

  // How many ending keys have an upper half below `high`: a binary search without a branch that
  // depends on the key, as hash keys are random and every such branch would be predicted wrongly.
  // It is as quick as comparing with all of them even for four shards.
  uint32_t CountBelow(uint64_t high) const {
    const uint64_t* base = high_.data();
    size_t left = high_.size();
    while (left > 1) {
      const size_t half = left / 2;
      // A mask and not a choice, of which gcc makes a branch here.
      base += half & (0 - static_cast<size_t>(base[half - 1] < high));
      left -= half;
    }
    return static_cast<uint32_t>(base - high_.data());
  }

  // The halves of the ending keys apart: the upper ones, which decide nearly always, lie close
  // together.
  std::vector<uint64_t> high_;
  std::vector<uint64_t> low_;
  std::vector<uint64_t> shards_;
};

}  // namespace millrace::ingest
