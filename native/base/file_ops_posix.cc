// The seam over the operating system: Linux, and macOS for development. Has no state, so it is safe
// from any thread.

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <mutex>

#include "native/base/file_ops.h"
#include "native/base/posix_calls.h"

namespace millrace::base {

namespace {

constexpr uint64_t kOffsetMax = static_cast<uint64_t>(std::numeric_limits<off_t>::max());

bool RangeFits(uint64_t offset, uint64_t bytes) {
  return offset <= kOffsetMax && bytes <= kOffsetMax - offset;
}

uint64_t SystemPageBytes() {
  static const uint64_t bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

int OpenFlags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

int FlushDirectory(int fd) {
#if defined(__APPLE__)
  return FlushFile(fd);
#else
  return RetryInterrupted([&] { return ::fsync(fd); });
#endif
}

// Faulting a file in costs most of an append where it goes page by page. A file system with large
// folios (ext4 since Linux 6.16, XFS) then caches and maps 2 MiB at once. Others ignore it.
void AskForHugePages(uint8_t* map, uint64_t bytes) {
#if defined(__linux__)
  if (bytes >= kHugePageBytes) {
    static_cast<void>(::madvise(map, static_cast<size_t>(bytes), MADV_HUGEPAGE));
  }
#else
  static_cast<void>(map);
  static_cast<void>(bytes);
#endif
}

class PosixFiles final : public FileOps {
 public:
  int Open(const std::string& path, OpenMode mode) override {
    const int flags = OpenFlags(mode) | O_CLOEXEC | O_NOFOLLOW;
    return RetryInterrupted([&] { return ::open(path.c_str(), flags, 0600); });
  }

  int Close(int fd) override {
    // The descriptor is gone even when a signal interrupts the call. Closing it again could hit a
    // file that another thread has opened in the meantime.
    return ::close(fd) < 0 && errno != EINTR ? -errno : 0;
  }

  int64_t PRead(int fd, void* data, size_t bytes, uint64_t offset) override {
    if (!RangeFits(offset, bytes)) {
      return -EINVAL;
    }
    uint8_t* const target = static_cast<uint8_t*>(data);
    size_t done = 0;
    while (done < bytes) {
      const size_t wanted = std::min(bytes - done, kTransferBytesMax);
      const ssize_t transferred = RetryInterrupted(
          [&] { return ::pread(fd, target + done, wanted, static_cast<off_t>(offset + done)); });
      if (transferred < 0) {
        return transferred;
      }
      if (transferred == 0) {
        break;
      }
      done += static_cast<size_t>(transferred);
    }
    return static_cast<int64_t>(done);
  }

  int PWrite(int fd, const void* data, size_t bytes, uint64_t offset) override {
    if (!RangeFits(offset, bytes)) {
      return -EINVAL;
    }
    return WriteAll(fd, static_cast<const uint8_t*>(data), bytes, offset);
  }

  int Allocate(int fd, uint64_t bytes) override {
    return bytes > kOffsetMax ? -EINVAL : bytes == 0 ? 0 : AllocateFile(fd, bytes);
  }

  int Reserve(int fd, uint64_t bytes) override {
    return bytes > kOffsetMax ? -EINVAL : bytes == 0 ? 0 : ReserveFile(fd, bytes);
  }

  int64_t Size(int fd) override {
    struct stat facts;
    const int found = RetryInterrupted([&] { return ::fstat(fd, &facts); });
    return found < 0 ? found : static_cast<int64_t>(facts.st_size);
  }

  int SyncData(int fd) override { return FlushFile(fd); }

  int ConfirmSyncs(int fd) override {
#if defined(__linux__)
    // Asks for a block that is there already, beyond the end of an empty file: ext4 begins a change
    // of its journal for that and answers EROFS or EIO once it cannot, XFS looks whether it has
    // shut down.
    const int changed = RetryInterrupted(
        [&] { return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(kPageBytes)); });
    switch (changed) {
      case -EOPNOTSUPP:
      case -ENOSYS:
      case -ENOSPC:  // the block is not there, for want of space; the refusal is a sign of life
      case -EDQUOT:
        return 0;
      default:
        return changed;
    }
#else
    static_cast<void>(fd);
    return 0;
#endif
  }

  int SyncRange(int fd, uint8_t* map, uint64_t offset, uint64_t bytes) override {
    if (bytes == 0) {
      return 0;
    }
    // msync wants the start of a page; it rounds the length up by itself.
    const uint64_t start = offset - offset % SystemPageBytes();
    const size_t length = static_cast<size_t>(offset + bytes - start);
    const int synced = RetryInterrupted([&] { return ::msync(map + start, length, MS_SYNC); });
#if defined(__APPLE__)
    return synced < 0 ? synced : FlushFile(fd);  // msync alone stops at the cache of the drive
#else
    static_cast<void>(fd);
    return synced;
#endif
  }

  void StartWriteback(int fd, uint64_t offset, uint64_t bytes) override {
#if defined(__linux__)
    // Never its waiting flags: they would take the error report away from the sync. A length of 0
    // would mean the whole file.
    if (bytes > 0 && RangeFits(offset, bytes)) {
      static_cast<void>(::sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes),
                                          SYNC_FILE_RANGE_WRITE));
    }
#else
    static_cast<void>(fd);
    static_cast<void>(offset);
    static_cast<void>(bytes);
#endif
  }

  int Rename(const std::string& from, const std::string& to) override {
    return RetryInterrupted([&] { return std::rename(from.c_str(), to.c_str()); });
  }

  int Unlink(const std::string& path) override {
    return RetryInterrupted([&] { return ::unlink(path.c_str()); });
  }

  int MakeDirectory(const std::string& path) override {
    return RetryInterrupted([&] { return ::mkdir(path.c_str(), 0700); });
  }

  // With no descriptor left a new file could never be made durable, and an acknowledgement would
  // have to fail. So one is kept in reserve for this.
  int SyncDirectory(const std::string& path) override {
    const int synced = SyncDirectoryOnce(path);
    if (synced != -EMFILE && synced != -ENFILE) {
      return synced;
    }
    const std::lock_guard<std::mutex> lock(reserve_mutex_);
    ::close(reserve_);
    const int again = SyncDirectoryOnce(path);
    reserve_ = OpenReserve();
    return again;
  }

  int List(const std::string& path, std::vector<std::string>* names) override {
    names->clear();
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr) {
      return -errno;
    }
    int error = 0;
    for (;;) {
      errno = 0;
      // Each call has a stream of its own. NOLINTNEXTLINE(concurrency-mt-unsafe)
      const dirent* const entry = ::readdir(directory);
      if (entry == nullptr) {
        error = errno;
        break;
      }
      const std::string name = entry->d_name;
      if (name != "." && name != "..") {
        names->push_back(name);
      }
    }
    ::closedir(directory);
    return -error;
  }

  int FreeSpace(const std::string& path, FileSystemSpace* space) override {
    struct statvfs facts;
    const int found = RetryInterrupted([&] { return ::statvfs(path.c_str(), &facts); });
    if (found < 0) {
      return found;
    }
    space->bytes_total = static_cast<uint64_t>(facts.f_blocks) * facts.f_frsize;
    space->bytes_free = static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize;
    return 0;
  }

  int Map(int fd, uint64_t bytes, bool writable, uint8_t** map) override {
    const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void* const at = ::mmap(nullptr, static_cast<size_t>(bytes), protection, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
      return -errno;
    }
    *map = static_cast<uint8_t*>(at);
    if (writable) {
      AskForHugePages(*map, bytes);
    }
    return 0;
  }

  int Unmap(uint8_t* map, uint64_t bytes) override {
    return ::munmap(map, static_cast<size_t>(bytes)) < 0 ? -errno : 0;
  }

  int Populate(uint8_t* at, uint64_t bytes, bool for_writing) override;
  uint64_t ResidentBytes(uint8_t* at, uint64_t bytes) override;

  int Lock(int fd) override {
    return RetryInterrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); });
  }

 private:
  static int OpenReserve() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }

  int SyncDirectoryOnce(const std::string& path) {
    const int fd =
        RetryInterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) {
      return fd;
    }
    const int synced = FlushDirectory(fd);
    const int closed = Close(fd);
    return synced < 0 ? synced : closed;
  }

  std::mutex reserve_mutex_;
  int reserve_ = OpenReserve();  // under reserve_mutex_
};

uint64_t PosixFiles::ResidentBytes(uint8_t* at, uint64_t bytes) {
#if defined(__linux__)
  constexpr size_t kPagesPerCall = 256;
  const uint64_t page_bytes = SystemPageBytes();
  const uint64_t into_page = reinterpret_cast<uintptr_t>(at) % page_bytes;
  uint8_t* const start = at - into_page;
  const uint64_t length = bytes + into_page;
  for (uint64_t done = 0; done < length; done += kPagesPerCall * page_bytes) {
    unsigned char in_memory[kPagesPerCall];
    const uint64_t asked = std::min(kPagesPerCall * page_bytes, length - done);
    if (::mincore(start + done, asked, in_memory) != 0) {
      return done > into_page ? done - into_page : 0;
    }
    const size_t pages = (asked + page_bytes - 1) / page_bytes;
    const auto* const missing =
        std::find_if(in_memory, in_memory + pages, [](unsigned char it) { return (it & 1) == 0; });
    if (missing != in_memory + pages) {
      const uint64_t found = done + static_cast<uint64_t>(missing - in_memory) * page_bytes;
      return found > into_page ? found - into_page : 0;
    }
  }
  return bytes;
#else
  static_cast<void>(at);
  static_cast<void>(bytes);
  return 0;
#endif
}

int PosixFiles::Populate(uint8_t* at, uint64_t bytes, bool for_writing) {
#if defined(__linux__)
  if (bytes == 0) {
    return 0;
  }
  // The numbers are part of the kernel's interface; the C library's headers may be older than the
  // kernel.
  constexpr int kPopulateRead = 22;
  constexpr int kPopulateWrite = 23;
  const uint64_t into_page = reinterpret_cast<uintptr_t>(at) % SystemPageBytes();
  uint8_t* const start = at - into_page;
  const size_t length = static_cast<size_t>(bytes + into_page);
  const int advice = for_writing ? kPopulateWrite : kPopulateRead;
  const int populated = RetryInterrupted([&] { return ::madvise(start, length, advice); });
  switch (populated) {
    case -EINVAL:  // a kernel before 5.14
    case -ENOSYS:
      return 0;
    case -EFAULT:  // an access would have ended in SIGBUS
    case -EHWPOISON:
      return -EIO;
    default:
      return populated;
  }
#else
  static_cast<void>(at);
  static_cast<void>(bytes);
  static_cast<void>(for_writing);
  return 0;
#endif
}

}  // namespace

FileOps* PosixFileOps() {
  // Never destroyed: a committer or helper thread may still be in a call while the process exits.
  static FileOps* const files = new PosixFiles();
  return files;
}

}  // namespace millrace::base
