// A file of the bench's own, allocated whole and mapped writable: what the plain loops write to.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "native/base/check.h"
#include "native/base/file_ops.h"

namespace millrace::bench {

class MappedFile {
 public:
  MappedFile(const std::string& path, uint64_t bytes) : path_(path), bytes_(bytes) {
    base::FileOps* const file_ops = base::PosixFileOps();
    fd_ = file_ops->Open(path, base::OpenMode::kCreateNew);
    MILLRACE_CHECK(fd_ >= 0);
    MILLRACE_CHECK(file_ops->Allocate(fd_, bytes) == 0);
    Map();
  }

  ~MappedFile() {
    ::munmap(map_, bytes_);
    ::close(fd_);
    ::unlink(path_.c_str());
  }

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  uint8_t* data() const { return map_; }

  uint64_t bytes() const { return bytes_; }

  int fd() const { return fd_; }

  void Populate() const {
    MILLRACE_CHECK(base::PosixFileOps()->Populate(map_, bytes_, /*for_writing=*/true) == 0);
  }

  void Sync(uint64_t offset, uint64_t bytes) const {
    MILLRACE_CHECK(base::PosixFileOps()->SyncRange(fd_, map_, offset, bytes) == 0);
  }

  // What a segment goes through when it is recycled: clean pages in the cache, and a map without
  // entries.
  void Recycle() {
    Sync(0, bytes_);
    ::munmap(map_, bytes_);
    Map();
  }

 private:
  void Map() {
    MILLRACE_CHECK(base::PosixFileOps()->Map(fd_, bytes_, /*writable=*/true, &map_) == 0);
  }

  const std::string path_;
  const uint64_t bytes_;
  int fd_ = -1;
  uint8_t* map_ = nullptr;
};

}  // namespace millrace::bench
