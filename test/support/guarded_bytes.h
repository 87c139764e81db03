// Bytes that end where an inaccessible page begins: one byte read too far ends the test.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "native/base/check.h"

namespace millrace::support {

// Owns the mapping; the bytes can be replaced, so that a loop does not map anew for each case.
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t capacity) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    usable_ = (capacity + page - 1) / page * page;
    mapped_ = usable_ + page;
    void* map = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MILLRACE_CHECK(map != MAP_FAILED);
    map_ = static_cast<uint8_t*>(map);
    MILLRACE_CHECK(mprotect(map_ + usable_, page, PROT_NONE) == 0);
  }

  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  ~GuardedBytes() { munmap(map_, mapped_); }

  // The copy; valid until the next Put.
  const uint8_t* Put(const uint8_t* data, size_t bytes) {
    MILLRACE_CHECK(bytes <= usable_);
    uint8_t* at = map_ + usable_ - bytes;
    if (bytes > 0) {
      std::memcpy(at, data, bytes);
    }
    return at;
  }

  const uint8_t* Put(const std::vector<uint8_t>& bytes) { return Put(bytes.data(), bytes.size()); }

 private:
  uint8_t* map_;
  size_t usable_;
  size_t mapped_;
};

}  // namespace millrace::support
