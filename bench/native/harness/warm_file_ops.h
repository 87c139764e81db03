// The operating system's calls, except that a writable map is faulted in whole as soon as it is
// made, and not again: segments are warm from their first byte to their last, as in a log whose
// helper is always ahead. And while held, no new file is allocated, so that nobody zeroes pages
// beside a measurement.
//
// Safe from any thread; must outlive the core that uses it.
#pragma once

#include <atomic>
#include <cerrno>
#include <string>
#include <vector>

#include "native/base/file_ops.h"

namespace millrace::bench {

class WarmFileOps final : public base::FileOps {
 public:
  void Hold(bool held) { held_.store(held); }

  int Open(const std::string& path, base::OpenMode mode) override { return os_->Open(path, mode); }

  int Close(int fd) override { return os_->Close(fd); }

  int64_t PRead(int fd, void* data, size_t bytes, uint64_t offset) override {
    return os_->PRead(fd, data, bytes, offset);
  }

  int PWrite(int fd, const void* data, size_t bytes, uint64_t offset) override {
    return os_->PWrite(fd, data, bytes, offset);
  }

  int Allocate(int fd, uint64_t bytes) override {
    return held_.load() ? -EAGAIN : os_->Allocate(fd, bytes);
  }

  int Reserve(int fd, uint64_t bytes) override { return os_->Reserve(fd, bytes); }

  int64_t Size(int fd) override { return os_->Size(fd); }

  int SyncData(int fd) override { return os_->SyncData(fd); }

  int ConfirmSyncs(int fd) override { return os_->ConfirmSyncs(fd); }

  int SyncRange(int fd, uint8_t* map, uint64_t offset, uint64_t bytes) override {
    return os_->SyncRange(fd, map, offset, bytes);
  }

  void StartWriteback(int fd, uint64_t offset, uint64_t bytes) override {
    os_->StartWriteback(fd, offset, bytes);
  }

  int Rename(const std::string& from, const std::string& to) override {
    return os_->Rename(from, to);
  }

  int Unlink(const std::string& path) override { return os_->Unlink(path); }

  int MakeDirectory(const std::string& path) override { return os_->MakeDirectory(path); }

  int SyncDirectory(const std::string& path) override { return os_->SyncDirectory(path); }

  int List(const std::string& path, std::vector<std::string>* names) override {
    return os_->List(path, names);
  }

  int FreeSpace(const std::string& path, base::FileSystemSpace* space) override {
    return os_->FreeSpace(path, space);
  }

  int Map(int fd, uint64_t bytes, bool writable, uint8_t** map) override {
    const int error = os_->Map(fd, bytes, writable, map);
    return error != 0 || !writable ? error : os_->Populate(*map, bytes, /*for_writing=*/true);
  }

  int Unmap(uint8_t* map, uint64_t bytes) override { return os_->Unmap(map, bytes); }

  int Populate(uint8_t* at, uint64_t bytes, bool for_writing) override {
    return for_writing ? 0 : os_->Populate(at, bytes, for_writing);
  }

  uint64_t ResidentBytes(uint8_t* at, uint64_t bytes) override {
    return os_->ResidentBytes(at, bytes);
  }

  int Lock(int fd) override { return os_->Lock(fd); }

 private:
  base::FileOps* const os_ = base::PosixFileOps();
  std::atomic<bool> held_{false};
};

}  // namespace millrace::bench
