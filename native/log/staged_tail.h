// Batches that wait for a sync anyway, gathered in memory until the commit round that makes them
// durable writes them in one call. Nobody reads them before: what is not durable is not visible.
//
// Why not through the map: write-back takes the right to write away from every page that it wrote,
// so each round would begin with a fault on the page of the tail; and with huge pages that fault
// makes 2 MiB dirty, which the sync then writes for the sake of a few kilobytes.
//
// Threads: the appending side is called under the lock of the shard; WriteHanded is the
// committer's, and both may write what was handed over.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "native/base/file_ops.h"

namespace millrace::log {

class StagedTail {
 public:
  // `capacity` is what is gathered before it is written early; a larger batch goes alone.
  StagedTail(base::FileOps* file_ops, int fd, uint64_t capacity)
      : file_ops_(file_ops), fd_(fd), capacity_(capacity) {}

  ~StagedTail() = default;
  StagedTail(const StagedTail&) = delete;
  StagedTail& operator=(const StagedTail&) = delete;

  // Makes room for a batch of `bytes`, writing what is gathered where it has to. 0 or -errno;
  // nothing is lost then.
  int MakeRoom(uint64_t bytes);

  // Where to put the batch that begins at `offset` of the file, right behind the last one.
  uint8_t* Extend(uint64_t offset, uint64_t bytes);

  // A commit round begins: what is gathered belongs to it, what follows to the next.
  void HandOver();

  // Writes what was handed over. Does nothing when that has been done; after a failure it can be
  // tried again.
  int WriteHanded();

  // Writes everything: for bytes behind it that become visible at once, and for a segment that
  // takes no more batches.
  int WriteAll();

 private:
  struct Buffer {
    std::unique_ptr<uint8_t[]> bytes;
    uint64_t capacity = 0;
    uint64_t used = 0;
    uint64_t offset = 0;  // of its first byte in the file
  };

  int Write(Buffer* buffer);

  base::FileOps* const file_ops_;
  const int fd_;
  const uint64_t capacity_;
  Buffer filling_;
  std::atomic<bool> handed_any_{false};  // so that most appends need no lock
  std::mutex handed_mutex_;
  Buffer handed_;  // under handed_mutex_
};

}  // namespace millrace::log
