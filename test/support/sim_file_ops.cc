#include "test/support/sim_file_ops.h"

#include <atomic>
#include <cerrno>
#include <limits>
#include <utility>

namespace millrace::support {

namespace {

std::atomic<uint64_t> next_process{1};

SimCall CallByPath(SimCallKind kind, const std::string& path) {
  SimCall call;
  call.kind = kind;
  call.path = path;
  return call;
}

SimCall CallByFile(SimCallKind kind, uint64_t offset = 0, uint64_t bytes = 0) {
  SimCall call;
  call.kind = kind;
  call.offset = offset;
  call.bytes = bytes;
  return call;
}

constexpr int kNoDescriptor = -1;
constexpr uint64_t kWholeFile = std::numeric_limits<uint64_t>::max();

}  // namespace

SimFileOps::SimFileOps(const std::string& root, const SimLimits& limits)
    : SimFileOps(std::make_shared<SimDisk>(root, limits.capacity_bytes), limits) {}

SimFileOps::SimFileOps(std::shared_ptr<SimDisk> disk, const SimLimits& limits)
    : disk_(std::move(disk)), limits_(limits), process_(next_process.fetch_add(1)) {}

SimFileOps::~SimFileOps() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  CloseAll();
}

template <typename Body, typename OnFault>
int64_t SimFileOps::Run(SimCall call, int fd, Body body, OnFault on_fault) {
  TellBeforeCall(call, fd);
  std::lock_guard<std::mutex> lock(disk_->mutex());
  if (dead_) {
    return -EIO;
  }
  ObserveLocked();
  ++call_count_;
  Descriptor* const descriptor = fd == kNoDescriptor ? nullptr : Find(fd, &call);
  const bool known = fd == kNoDescriptor || descriptor != nullptr;
  const SimFault* const fault = known ? faults_.Match(call) : nullptr;
  if (fault != nullptr && fault->aborts_journal) {
    disk_->AbortJournal();
  }
  if (!known) {
    call.result = Misuse(EBADF);
  } else if (fault != nullptr && !fault->aborts_journal) {
    call.result = on_fault(descriptor, &call, *fault);
  } else if (!disk_->journal_aborted() || !RefusesOrLies(&call)) {
    call.result = body(descriptor, &call);
  }
  const int64_t result = call.result;
  Record(std::move(call));
  return result;
}

template <typename Body>
int64_t SimFileOps::Run(SimCall call, int fd, Body body) {
  return Run(std::move(call), fd, body,
             [](Descriptor*, SimCall*, const SimFault& fault) { return -fault.error; });
}

void SimFileOps::TellBeforeCall(SimCall call, int fd) {
  std::function<void(const SimCall&)> before_call;
  {
    std::lock_guard<std::mutex> lock(disk_->mutex());
    if (!before_call_ || dead_) {
      return;
    }
    before_call = before_call_;
    if (fd != kNoDescriptor) {
      Find(fd, &call);
    }
  }
  before_call(call);
}

void SimFileOps::Record(SimCall call) {
  if (tracing_) {
    calls_.push_back(std::move(call));
  }
}

int SimFileOps::Misuse(int error) {
  ++misuses_;
  return -error;
}

uint64_t SimFileOps::LockHolder(int fd) const {
  return process_ << 32 | static_cast<uint32_t>(fd);
}

int SimFileOps::Open(const std::string& path, base::OpenMode mode) {
  return static_cast<int>(
      Run(CallByPath(SimCallKind::kOpen, path), kNoDescriptor,
          [&](Descriptor*, SimCall* call) { return OpenLocked(path, mode, call); }));
}

int SimFileOps::Close(int fd) {
  auto close = [&](Descriptor* descriptor, SimCall*) {
    SimFile* const file = descriptor->file.get();
    --file->handles;
    if (file->lock_holder == LockHolder(fd)) {
      file->lock_holder = 0;
    }
    descriptors_.erase(fd);
    return 0;
  };
  {
    std::lock_guard<std::mutex> lock(disk_->mutex());
    if (dead_) {
      return 0;
    }
  }
  // As on Linux the descriptor is gone even when the call fails.
  return static_cast<int>(Run(CallByFile(SimCallKind::kClose), fd, close,
                              [&](Descriptor* descriptor, SimCall* call, const SimFault& fault) {
                                close(descriptor, call);
                                return -fault.error;
                              }));
}

int64_t SimFileOps::PRead(int fd, void* data, size_t bytes, uint64_t offset) {
  return Run(CallByFile(SimCallKind::kRead, offset, bytes), fd,
             [&](Descriptor* descriptor, SimCall*) {
               return static_cast<int64_t>(descriptor->file->Read(data, bytes, offset));
             });
}

int SimFileOps::PWrite(int fd, const void* data, size_t bytes, uint64_t offset) {
  auto write = [&](Descriptor* descriptor, SimCall* call, size_t count) {
    const int written = WriteLocked(descriptor, data, count, offset);
    call->file_bytes = descriptor->file->bytes();
    return written;
  };
  return static_cast<int>(Run(
      CallByFile(SimCallKind::kWrite, offset, bytes), fd,
      [&](Descriptor* descriptor, SimCall* call) { return write(descriptor, call, bytes); },
      [&](Descriptor* descriptor, SimCall* call, const SimFault& fault) {
        write(descriptor, call, bytes * fault.written_of_256 / 256);
        return -fault.error;
      }));
}

int SimFileOps::Allocate(int fd, uint64_t bytes) {
  return static_cast<int>(Run(CallByFile(SimCallKind::kAllocate, 0, bytes), fd,
                              [&](Descriptor* descriptor, SimCall* call) {
                                if (!descriptor->writable) {
                                  return Misuse(EBADF);
                                }
                                if (RoomUpTo(*descriptor->file, bytes) < bytes) {
                                  return -ENOSPC;
                                }
                                descriptor->file->Grow(bytes);
                                call->file_bytes = descriptor->file->bytes();
                                return 0;
                              }));
}

int SimFileOps::Reserve(int fd, uint64_t bytes) {
  return static_cast<int>(
      Run(CallByFile(SimCallKind::kReserve, 0, bytes), fd, [&](Descriptor* descriptor, SimCall*) {
        if (!descriptor->writable) {
          return Misuse(EBADF);
        }
        // As on ext4 the file keeps what there was, also when that is too little.
        const uint64_t found = RoomUpTo(*descriptor->file, bytes);
        descriptor->file->Reserve(found);
        return found < bytes ? -ENOSPC : 0;
      }));
}

int64_t SimFileOps::Size(int fd) {
  return Run(CallByFile(SimCallKind::kSize), fd, [&](Descriptor* descriptor, SimCall*) {
    return static_cast<int64_t>(descriptor->file->bytes());
  });
}

int SimFileOps::SyncData(int fd) {
  return static_cast<int>(Run(
      CallByFile(SimCallKind::kSyncData, 0, kWholeFile), fd,
      [](Descriptor* descriptor, SimCall*) { return Sync(descriptor, 0, kWholeFile); },
      [](Descriptor* descriptor, SimCall*, const SimFault& fault) {
        return FailSync(descriptor, 0, kWholeFile, fault.error);
      }));
}

int SimFileOps::ConfirmSyncs(int fd) {
  return static_cast<int>(Run(
      CallByFile(SimCallKind::kConfirmSyncs), fd,
      [&](Descriptor* descriptor, SimCall*) { return descriptor->writable ? 0 : Misuse(EBADF); }));
}

int SimFileOps::SyncRange(int fd, uint8_t* map, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) {
    return 0;
  }
  return static_cast<int>(Run(
      CallByFile(SimCallKind::kSyncRange, offset, bytes), fd,
      [&](Descriptor* descriptor, SimCall*) {
        const int sound = CheckSyncRange(*descriptor, map, offset, bytes);
        return sound < 0 ? sound : Sync(descriptor, offset, bytes);
      },
      [&](Descriptor* descriptor, SimCall*, const SimFault& fault) {
        return FailSync(descriptor, offset, bytes, fault.error);
      }));
}

void SimFileOps::StartWriteback(int fd, uint64_t offset, uint64_t bytes) {
  Run(
      CallByFile(SimCallKind::kStartWriteback, offset, bytes), fd,
      [](Descriptor*, SimCall*) { return 0; },
      [&](Descriptor* descriptor, SimCall*, const SimFault& fault) {
        // Nobody has heard of it yet: the next sync reports it.
        SimFile* const file = descriptor->file.get();
        file->FailSync(offset, bytes);
        ++file->writeback_failures;
        file->writeback_error = fault.error;
        return -fault.error;
      });
}

int SimFileOps::Rename(const std::string& from, const std::string& to) {
  SimCall call = CallByPath(SimCallKind::kRename, from);
  call.to = to;
  return static_cast<int>(Run(std::move(call), kNoDescriptor,
                              [&](Descriptor*, SimCall*) { return disk_->Rename(from, to); }));
}

int SimFileOps::Unlink(const std::string& path) {
  return static_cast<int>(Run(CallByPath(SimCallKind::kUnlink, path), kNoDescriptor,
                              [&](Descriptor*, SimCall*) { return disk_->Unlink(path); }));
}

int SimFileOps::MakeDirectory(const std::string& path) {
  return static_cast<int>(Run(CallByPath(SimCallKind::kMakeDirectory, path), kNoDescriptor,
                              [&](Descriptor*, SimCall*) { return disk_->MakeDirectory(path); }));
}

int SimFileOps::SyncDirectory(const std::string& path) {
  return static_cast<int>(Run(CallByPath(SimCallKind::kSyncDirectory, path), kNoDescriptor,
                              [&](Descriptor*, SimCall*) { return disk_->SyncDirectory(path); }));
}

int SimFileOps::List(const std::string& path, std::vector<std::string>* names) {
  return static_cast<int>(Run(CallByPath(SimCallKind::kList, path), kNoDescriptor,
                              [&](Descriptor*, SimCall*) { return disk_->List(path, names); }));
}

int SimFileOps::FreeSpace(const std::string& path, base::FileSystemSpace* space) {
  return static_cast<int>(
      Run(CallByPath(SimCallKind::kFreeSpace, path), kNoDescriptor, [&](Descriptor*, SimCall*) {
        SimNode node;
        if (const int found = disk_->Find(path, &node); found < 0) {
          return found;
        }
        const uint64_t used = disk_->UsedBytes();
        const uint64_t capacity = disk_->capacity_bytes();
        space->bytes_total = capacity;
        space->bytes_free = used < capacity ? capacity - used : 0;
        return 0;
      }));
}

int SimFileOps::Map(int fd, uint64_t bytes, bool writable, uint8_t** map) {
  return static_cast<int>(
      Run(CallByFile(SimCallKind::kMap, 0, bytes), fd, [&](Descriptor* descriptor, SimCall*) {
        return MapLocked(descriptor, bytes, writable, map);
      }));
}

int SimFileOps::Unmap(uint8_t* map, uint64_t bytes) {
  {
    std::lock_guard<std::mutex> lock(disk_->mutex());
    if (dead_) {
      if (maps_.erase(map) != 0) {
        SimMemory::UnmapView(map, bytes);
      }
      return 0;
    }
  }
  return static_cast<int>(Run(CallByFile(SimCallKind::kUnmap, 0, bytes), kNoDescriptor,
                              [&](Descriptor*, SimCall* call) {
                                const auto mapped = maps_.find(map);
                                if (mapped == maps_.end() || mapped->second.bytes != bytes) {
                                  return Misuse(EINVAL);
                                }
                                SimFile* const file = mapped->second.file.get();
                                call->path = mapped->second.path;
                                call->file = file->id();
                                file->Unmap(map);
                                --file->handles;
                                if (mapped->second.writable) {
                                  disk_->RemoveWritableMap(mapped->second.file);
                                }
                                maps_.erase(mapped);
                                return 0;
                              }));
}

int SimFileOps::Populate(uint8_t* at, uint64_t bytes, bool for_writing) {
  return static_cast<int>(Run(CallByFile(SimCallKind::kPopulate, 0, bytes), kNoDescriptor,
                              [&](Descriptor*, SimCall* call) {
                                const auto mapped = FindMap(at);
                                if (mapped == maps_.end()) {
                                  return Misuse(ENOMEM);
                                }
                                call->path = mapped->second.path;
                                call->file = mapped->second.file->id();
                                call->offset = static_cast<uint64_t>(at - mapped->first);
                                if (bytes > mapped->second.bytes - call->offset) {
                                  return Misuse(ENOMEM);
                                }
                                if (for_writing && !mapped->second.writable) {
                                  return Misuse(EINVAL);
                                }
                                if (for_writing) {
                                  mapped->second.file->Touch(call->offset, bytes);
                                }
                                return 0;
                              }));
}

int SimFileOps::Lock(int fd) {
  return static_cast<int>(
      Run(CallByFile(SimCallKind::kLock), fd, [&](Descriptor* descriptor, SimCall*) {
        SimFile* const file = descriptor->file.get();
        if (file->lock_holder != 0 && file->lock_holder != LockHolder(fd)) {
          return -EWOULDBLOCK;
        }
        file->lock_holder = LockHolder(fd);
        return 0;
      }));
}

}  // namespace millrace::support
