// The positions that readers need at any moment, one cache line per shard, in memory that is shared
// with JavaScript: stored with release by whoever moves them, read with acquire by anybody, without
// a lock and without a call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace millrace::log {

// One shard's line. JavaScript sees it as eight 64-bit integers in this order.
struct alignas(64) CommittedSlot {
  std::atomic<uint64_t> committed_end{0};            // position
  std::atomic<uint64_t> committed_next_sequence{0};  // one past the last visible record
  std::atomic<uint64_t> trimmed_start{0};            // position
  std::atomic<uint64_t> first_sequence{0};           // oldest readable record
  std::atomic<uint64_t> synced_end{0};               // position
  std::atomic<uint64_t> appended_end{0};             // position
  std::atomic<uint64_t> state{0};                    // base::Code; 0 = accepts appends
  std::atomic<uint64_t> shard{0};
};

static_assert(sizeof(CommittedSlot) == 64);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// Slots in chunks that never move. Grows under the lock of its owner; slots are read without one.
class CommittedTable {
 public:
  static constexpr uint32_t kSlotsPerChunk = 1024;
  static constexpr uint32_t kChunksMax = 1024;  // so, 1,048,576 shards in a directory

  CommittedTable() = default;
  ~CommittedTable();
  CommittedTable(const CommittedTable&) = delete;
  CommittedTable& operator=(const CommittedTable&) = delete;

  // Makes room for `slot`. False when memory or the table is exhausted.
  bool Reserve(uint32_t slot);

  // The slot must have been reserved.
  CommittedSlot& At(uint32_t slot) const {
    return chunks_[slot / kSlotsPerChunk].load(std::memory_order_acquire)[slot % kSlotsPerChunk];
  }

  uint32_t chunk_count() const { return chunk_count_.load(std::memory_order_acquire); }

  CommittedSlot* chunk(uint32_t index) const {
    return chunks_[index].load(std::memory_order_acquire);
  }

 private:
  std::atomic<CommittedSlot*> chunks_[kChunksMax] = {};
  std::atomic<uint32_t> chunk_count_{0};
};

}  // namespace millrace::log
