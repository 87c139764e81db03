// A file of the bench's own, allocated whole and mapped writable: what the plain loops write to.
// Mapped as the log maps its segments, in huge pages where the kernel can, or as a program gets it
// that asks for nothing.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "native/base/check.h"
#include "native/base/file_ops.h"

namespace millrace::bench {

enum class MapKind : uint8_t { kAsTheLog, kPlain };

class MappedFile {
 public:
  MappedFile(const std::string& path, uint64_t bytes, MapKind kind = MapKind::kAsTheLog)
      : path_(path), bytes_(bytes), kind_(kind) {
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
    if (kind_ == MapKind::kAsTheLog) {
      MILLRACE_CHECK(base::PosixFileOps()->Map(fd_, bytes_, /*writable=*/true, &map_) == 0);
      return;
    }
    void* const at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    MILLRACE_CHECK(at != MAP_FAILED);
    map_ = static_cast<uint8_t*>(at);
  }

  const std::string path_;
  const uint64_t bytes_;
  const MapKind kind_;
  int fd_ = -1;
  uint8_t* map_ = nullptr;
};

}  // namespace millrace::bench
