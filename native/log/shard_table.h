// The shards of an open log by slot, found without a lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "native/log/committed_table.h"
#include "native/log/shard_log.h"

namespace millrace::log {

// Shards are added under the lock of the core and never removed while it lives: one that is deleted
// stays, refusing everything, so that a slot never comes to mean another shard.
class ShardTable {
 public:
  ShardTable() = default;
  ~ShardTable() = default;
  ShardTable(const ShardTable&) = delete;
  ShardTable& operator=(const ShardTable&) = delete;

  // Null when there is no such slot. Any thread.
  ShardLog* At(uint32_t slot) const {
    return slot < count_.load(std::memory_order_acquire) ? chunks_[slot / kPerChunk]
                                                               .load(std::memory_order_relaxed)
                                                               ->shards[slot % kPerChunk]
                                                               .get()
                                                         : nullptr;
  }

  uint32_t count() const { return count_.load(std::memory_order_acquire); }

  // The rest under the lock of the core.
  void Add(std::unique_ptr<ShardLog> shard) {
    const uint32_t slot = count_.load(std::memory_order_relaxed);
    if (slot % kPerChunk == 0) {
      owned_.push_back(std::make_unique<Chunk>());
      chunks_[slot / kPerChunk].store(owned_.back().get(), std::memory_order_relaxed);
    }
    slots_[shard->shard()] = slot;
    owned_.back()->shards[slot % kPerChunk] = std::move(shard);
    count_.store(slot + 1, std::memory_order_release);
  }

  // The shard with this id, or null.
  ShardLog* Find(uint64_t shard) const {
    const auto found = slots_.find(shard);
    return found == slots_.end() ? nullptr : At(found->second);
  }

  void Forget(uint64_t shard) { slots_.erase(shard); }

 private:
  static constexpr uint32_t kPerChunk = CommittedTable::kSlotsPerChunk;

  struct Chunk {
    std::unique_ptr<ShardLog> shards[kPerChunk];
  };

  std::atomic<Chunk*> chunks_[CommittedTable::kChunksMax] = {};
  std::vector<std::unique_ptr<Chunk>> owned_;
  std::unordered_map<uint64_t, uint32_t> slots_;
  std::atomic<uint32_t> count_{0};
};

}  // namespace millrace::log
