// What single calls through the simulated seam do once they are neither refused nor failed by plan.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "test/support/sim_file_ops.h"

namespace millrace::support {

using base::OpenMode;

SimFileOps::Descriptor* SimFileOps::Find(int fd, SimCall* call) {
  const auto found = descriptors_.find(fd);
  if (found == descriptors_.end()) {
    return nullptr;
  }
  call->path = found->second.path;
  call->file = found->second.file->id();
  call->file_bytes = found->second.file->bytes();
  return &found->second;
}

// Answers the calls that a file system cannot do any more once its journal has aborted.
bool SimFileOps::RefusesOrLies(SimCall* call) const {
  switch (call->kind) {
    case SimCallKind::kSyncData:
    case SimCallKind::kSyncRange:
    case SimCallKind::kSyncDirectory:
      call->lied = true;
      call->result = 0;
      return true;
    case SimCallKind::kAllocate:
    case SimCallKind::kReserve:
    case SimCallKind::kConfirmSyncs:
    case SimCallKind::kRename:
    case SimCallKind::kUnlink:
    case SimCallKind::kMakeDirectory:
      call->result = -EROFS;
      return true;
    default:
      return false;
  }
}

void SimFileOps::ObserveLocked() {
  std::vector<StoredRange> stored;
  disk_->ForEachStorable([&](SimFile* file) {
    stored.clear();
    file->Observe(tracing_ ? &stored : nullptr);
    if (stored.empty()) {
      return;
    }
    const auto map = std::find_if(maps_.begin(), maps_.end(), [&](const auto& entry) {
      return entry.second.file.get() == file;
    });
    for (const StoredRange& range : stored) {
      SimCall store;
      store.kind = SimCallKind::kStore;
      store.offset = range.offset;
      store.bytes = range.bytes;
      store.path = map == maps_.end() ? "" : map->second.path;
      store.file = file->id();
      store.file_bytes = file->bytes();
      Record(std::move(store));
    }
  });
}

int SimFileOps::OpenLocked(const std::string& path, OpenMode mode, SimCall* call) {
  if (descriptors_.size() >= limits_.descriptors_max) {
    return -EMFILE;
  }
  const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateNew;
  SimNode node;
  int found = disk_->Find(path, &node);
  if (found == 0 && mode == OpenMode::kCreateNew) {
    return -EEXIST;
  }
  if (found == 0 && node.directory) {
    return -EISDIR;
  }
  if (found == -ENOENT && creates && disk_->journal_aborted()) {
    return -EROFS;
  }
  if (found == -ENOENT && creates) {
    found = disk_->CreateFile(path, &node.file);
    call->created = found == 0;
  }
  if (found < 0) {
    return found;
  }
  ++node.file->handles;
  call->file = node.file->id();
  call->file_bytes = node.file->bytes();
  const int fd = next_fd_++;
  const uint64_t seen = node.file->writeback_failures_reported;
  descriptors_[fd] = {node.file, path, mode != OpenMode::kRead, seen};
  return fd;
}

// How far the file can be written, at most to `end`, before the disk is full.
uint64_t SimFileOps::RoomUpTo(const SimFile& file, uint64_t end) {
  if (end <= file.blocks_bytes()) {
    return end;
  }
  const uint64_t used = disk_->UsedBytes();
  const uint64_t capacity = disk_->capacity_bytes();
  const uint64_t room = used < capacity ? capacity - used : 0;
  const uint64_t held = file.blocks_bytes();
  return std::min(end, room > end - held ? end : held + room);
}

int SimFileOps::WriteLocked(Descriptor* descriptor, const void* data, size_t bytes,
                            uint64_t offset) {
  if (!descriptor->writable) {
    return Misuse(EBADF);
  }
  const uint64_t end = RoomUpTo(*descriptor->file, offset + bytes);
  const uint64_t fitting = end > offset ? end - offset : 0;
  descriptor->file->Write(data, static_cast<size_t>(fitting), offset);
  return fitting < bytes ? -ENOSPC : 0;
}

int SimFileOps::CheckSyncRange(const Descriptor& descriptor, uint8_t* map, uint64_t offset,
                               uint64_t bytes) {
  const auto mapped = maps_.find(map);
  if (mapped == maps_.end() || mapped->second.file != descriptor.file) {
    return Misuse(EINVAL);
  }
  if (offset > mapped->second.bytes || bytes > mapped->second.bytes - offset) {
    return Misuse(ENOMEM);
  }
  return 0;
}

int SimFileOps::MapLocked(Descriptor* descriptor, uint64_t bytes, bool writable, uint8_t** map) {
  if (writable && !descriptor->writable) {
    return Misuse(EACCES);
  }
  if (bytes == 0 || bytes > descriptor->file->bytes()) {
    return Misuse(EINVAL);
  }
  if (maps_.size() >= limits_.maps_max) {
    return -ENOMEM;
  }
  uint8_t* const at = descriptor->file->Map(bytes, writable);
  if (at == nullptr) {
    return -ENOMEM;
  }
  ++descriptor->file->handles;
  if (writable) {
    disk_->AddWritableMap(descriptor->file);
  }
  maps_[at] = {descriptor->file, descriptor->path, bytes, writable};
  *map = at;
  return 0;
}

std::map<uint8_t*, SimFileOps::MappedRange>::iterator SimFileOps::FindMap(uint8_t* at) {
  auto after = maps_.upper_bound(at);
  if (after == maps_.begin()) {
    return maps_.end();
  }
  const auto map = std::prev(after);
  return at < map->first + map->second.bytes ? map : maps_.end();
}

int SimFileOps::Sync(Descriptor* descriptor, uint64_t offset, uint64_t bytes) {
  SimFile* const file = descriptor->file.get();
  file->Sync(offset, bytes);
  if (descriptor->writeback_failures_seen == file->writeback_failures) {
    return 0;
  }
  descriptor->writeback_failures_seen = file->writeback_failures;
  file->writeback_failures_reported = file->writeback_failures;
  return -file->writeback_error;
}

// The failing descriptor hears of it at once, others with their next sync.
int SimFileOps::FailSync(Descriptor* descriptor, uint64_t offset, uint64_t bytes, int error) {
  SimFile* const file = descriptor->file.get();
  file->FailSync(offset, bytes);
  ++file->writeback_failures;
  file->writeback_error = error;
  descriptor->writeback_failures_seen = file->writeback_failures;
  file->writeback_failures_reported = file->writeback_failures;
  return -error;
}

}  // namespace millrace::support
