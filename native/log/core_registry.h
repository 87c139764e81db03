// The logs that this process has open, one Core per data directory: several users of one process
// (worker threads) share it. The only process-wide state above the core.
//
// A directory is known by (device, inode), so it does not matter by which path or link it is named.
// Safe from any thread; Acquire and Release may wait for a disk.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "native/base/status.h"
#include "native/log/core.h"

namespace millrace::log {

class CoreRegistry {
 public:
  CoreRegistry() = default;
  ~CoreRegistry() = default;
  CoreRegistry(const CoreRegistry&) = delete;
  CoreRegistry& operator=(const CoreRegistry&) = delete;

  // The one of this process. Never destroyed.
  static CoreRegistry* Process();

  // The core that is open over `path`, or a new one. Its options must be those it was opened with,
  // else INVALID_ARGUMENT; otherwise the answers of Core::Open. Waits while another thread opens or
  // closes it.
  base::Status Acquire(const std::string& path, const CoreOptions& options,
                       std::shared_ptr<Core>* core);

  // Gives one use back. The last one closes the core, and answers what Core::Close does.
  base::Status Release(const std::shared_ptr<Core>& core);

  // Directories that are open now. For tests.
  size_t open_count() const;

 private:
  enum class State : uint8_t { kOpening, kOpen, kClosing };

  struct Directory {
    uint64_t device;
    uint64_t inode;

    bool operator==(const Directory&) const = default;
  };

  struct Entry {
    bool is_identified;   // false while a directory that does not exist yet is being made
    Directory directory;  // when is_identified
    State state;
    uint32_t user_count;
    CoreOptions options;
    std::shared_ptr<Core> core;
  };

  using Place = std::list<Entry>::iterator;

  // 0, or an errno.
  static int Identify(const std::string& path, Directory* directory);

  // The entry to share or to wait for; end() when the caller may open.
  Place Find(bool is_identified, const Directory& directory);
  base::Status Open(const std::string& path, const CoreOptions& options, Place entry,
                    std::shared_ptr<Core>* core);

  mutable std::mutex
      mutex_;  // 1 in the lock order of core.h; not held while a core opens or closes
  std::condition_variable changed_;
  std::list<Entry> entries_;  // under mutex_
};

}  // namespace millrace::log
