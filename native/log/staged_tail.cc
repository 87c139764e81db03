#include "native/log/staged_tail.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "native/base/check.h"

namespace millrace::log {

int StagedTail::MakeRoom(uint64_t bytes) {
  if (filling_.used + bytes > std::max(filling_.capacity, capacity_)) {
    const int error = Write(&filling_);
    if (error != 0) {
      return error;
    }
  }
  if (filling_.used + bytes <= filling_.capacity) {
    return 0;
  }
  // Nothing is gathered here: the buffer is missing, or too small for this one batch.
  const uint64_t capacity = std::max(bytes, capacity_);
  std::unique_ptr<uint8_t[]> memory(new (std::nothrow) uint8_t[capacity]);
  if (memory == nullptr) {
    return -ENOMEM;
  }
  filling_.bytes = std::move(memory);
  filling_.capacity = capacity;
  return 0;
}

uint8_t* StagedTail::Extend(uint64_t offset, uint64_t bytes) {
  if (filling_.used == 0) {
    filling_.offset = offset;
  }
  MILLRACE_CHECK(filling_.offset + filling_.used == offset &&
                 filling_.used + bytes <= filling_.capacity);
  uint8_t* const at = filling_.bytes.get() + filling_.used;
  filling_.used += bytes;
  return at;
}

void StagedTail::HandOver() {
  const std::lock_guard<std::mutex> lock(handed_mutex_);
  // The round before has written its part, or has failed, and then there is no other.
  MILLRACE_CHECK(handed_.used == 0);
  std::swap(filling_, handed_);
  handed_any_.store(handed_.used != 0, std::memory_order_release);
}

int StagedTail::WriteHanded() {
  if (!handed_any_.load(std::memory_order_acquire)) {
    return 0;
  }
  const std::lock_guard<std::mutex> lock(handed_mutex_);
  const int error = Write(&handed_);
  handed_any_.store(error != 0, std::memory_order_release);
  return error;
}

int StagedTail::WriteAll() {
  const int error = WriteHanded();
  return error != 0 ? error : Write(&filling_);
}

int StagedTail::Write(Buffer* buffer) {
  if (buffer->used == 0) {
    return 0;
  }
  const int error = file_ops_->PWrite(fd_, buffer->bytes.get(), buffer->used, buffer->offset);
  if (error != 0) {
    return error;
  }
  buffer->used = 0;
  if (buffer->capacity > capacity_) {
    *buffer = Buffer{};  // one large batch must not cost its memory for ever
  }
  return 0;
}

}  // namespace millrace::log
