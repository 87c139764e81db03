#include "native/log/core_registry.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "native/base/check.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

// The name of the first option that differs, or null.
const char* FindDifference(const CoreOptions& a, const CoreOptions& b) {
  const struct {
    bool same;
    const char* name;
  } options[] = {
      {a.segment_bytes_min == b.segment_bytes_min, "segment_bytes_min"},
      {a.segment_bytes_max == b.segment_bytes_max, "segment_bytes_max"},
      {a.spare_segments == b.spare_segments, "spare_segments"},
      {a.disk_low_water_bytes == b.disk_low_water_bytes, "disk_low_water_bytes"},
      {a.idle_marker_millis == b.idle_marker_millis, "idle_marker_millis"},
      {a.producers_max == b.producers_max, "producers_max"},
      {a.mapped_segments_max == b.mapped_segments_max, "mapped_segments_max"},
      {a.scrub_bytes_per_second == b.scrub_bytes_per_second, "scrub_bytes_per_second"},
      {a.align_commits == b.align_commits, "align_commits"},
      {a.listener_wait_micros_max == b.listener_wait_micros_max, "listener_wait_micros_max"},
      {a.inline_mode == b.inline_mode, "inline_mode"},
      {a.file_ops == b.file_ops, "file_ops"},
      {a.clock == b.clock, "clock"},
      {a.current_processor == b.current_processor, "current_processor"},
  };

  for (const auto& option : options) {
    if (!option.same) {
      return option.name;
    }
  }
  return nullptr;
}

}  // namespace

CoreRegistry* CoreRegistry::Process() {
  static CoreRegistry* const registry = new CoreRegistry;
  return registry;
}

int CoreRegistry::Identify(const std::string& path, Directory* directory) {
  // Reads names alone, no file of the log: so it does not go through base::FileOps, whose
  // implementations in tests have no inodes to give.
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    return errno;
  }
  *directory = {static_cast<uint64_t>(info.st_dev), static_cast<uint64_t>(info.st_ino)};
  return 0;
}

CoreRegistry::Place CoreRegistry::Find(bool is_identified, const Directory& directory) {
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    // A directory that is being made may turn out to be any one.
    return !entry.is_identified || (is_identified && entry.directory == directory);
  });
}

Status CoreRegistry::Acquire(const std::string& path, const CoreOptions& options,
                             std::shared_ptr<Core>* core) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    Directory directory = {};
    const bool is_identified = Identify(path, &directory) == 0;
    const Place entry = Find(is_identified, directory);
    if (entry == entries_.end()) {
      const Place opening = entries_.insert(
          entries_.end(), {is_identified, directory, State::kOpening, 1, options, nullptr});
      lock.unlock();
      return Open(path, options, opening, core);
    }
    if (entry->state == State::kOpen) {
      if (entry->options.exclusive || options.exclusive) {
        return Status(Code::kLogLocked,
                      Format("%s is open in this process already, and one of its users shares it "
                             "with nobody; close that one, or choose another data directory",
                             path.c_str()));
      }
      if (const char* const name = FindDifference(entry->options, options); name != nullptr) {
        return Status(Code::kInvalidArgument,
                      Format("%s is open in this process with another %s; all users of one "
                             "directory must pass the same options",
                             path.c_str(), name));
      }
      ++entry->user_count;
      *core = entry->core;
      return Status();
    }
    changed_.wait(lock);
  }
}

Status CoreRegistry::Open(const std::string& path, const CoreOptions& options, Place entry,
                          std::shared_ptr<Core>* core) {
  Status status = Core::Open(path, options, core);
  Directory directory = {};
  const int error = status.ok() ? Identify(path, &directory) : 0;
  if (error != 0) {
    status = base::OsError("stat", path, error);
    static_cast<void>((*core)->Close());  // the error at hand says more
    core->reset();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (status.ok()) {
    entry->is_identified = true;
    entry->directory = directory;
    entry->state = State::kOpen;
    entry->core = *core;
  } else {
    entries_.erase(entry);
  }
  changed_.notify_all();
  return status;
}

Status CoreRegistry::Release(const std::shared_ptr<Core>& core) {
  std::unique_lock<std::mutex> lock(mutex_);
  const Place entry = std::find_if(entries_.begin(), entries_.end(),
                                   [&](const Entry& other) { return other.core == core; });
  MILLRACE_CHECK(entry != entries_.end() && entry->state == State::kOpen);
  if (--entry->user_count > 0) {
    return Status();
  }
  entry->state = State::kClosing;
  lock.unlock();
  Status status = core->Close();
  lock.lock();
  entries_.erase(entry);
  changed_.notify_all();
  return status;
}

size_t CoreRegistry::open_count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return entries_.size();
}

}  // namespace millrace::log
