#include "native/log/committed_table.h"

#include <new>

namespace millrace::log {

CommittedTable::~CommittedTable() {
  for (auto& chunk : chunks_) {
    delete[] chunk.load(std::memory_order_relaxed);
  }
}

bool CommittedTable::Reserve(uint32_t slot) {
  const uint32_t index = slot / kSlotsPerChunk;
  if (index >= kChunksMax) {
    return false;
  }
  if (chunks_[index].load(std::memory_order_relaxed) != nullptr) {
    return true;
  }
  auto* chunk = new (std::nothrow) CommittedSlot[kSlotsPerChunk];
  if (chunk == nullptr) {
    return false;
  }
  chunks_[index].store(chunk, std::memory_order_release);
  chunk_count_.store(index + 1, std::memory_order_release);
  return true;
}

}  // namespace millrace::log
