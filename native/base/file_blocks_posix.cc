// Bytes and blocks of files: how they are written, synced and allocated on Linux and macOS.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "native/base/posix_calls.h"

namespace millrace::base {

int FlushFile(int fd) {
#if defined(__APPLE__)
  // fsync of macOS leaves the bytes in the cache of the drive. Volumes that cannot flush it answer
  // ENOTSUP or ENOTTY.
  const int flushed = RetryInterrupted([&] { return ::fcntl(fd, F_FULLFSYNC); });
  if (flushed != -ENOTSUP && flushed != -ENOTTY && flushed != -EINVAL) {
    return flushed < 0 ? flushed : 0;
  }
  return RetryInterrupted([&] { return ::fsync(fd); });
#else
  return RetryInterrupted([&] { return ::fdatasync(fd); });
#endif
}

int WriteAll(int fd, const uint8_t* data, uint64_t bytes, uint64_t offset) {
  while (bytes > 0) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(bytes, kTransferBytesMax));
    const ssize_t written =
        RetryInterrupted([&] { return ::pwrite(fd, data, wanted, static_cast<off_t>(offset)); });
    if (written < 0) {
      return static_cast<int>(written);
    }
    if (written == 0) {
      return -EIO;  // no progress and no reason: going on would never end
    }
    data += written;
    bytes -= static_cast<uint64_t>(written);
    offset += static_cast<uint64_t>(written);
  }
  return 0;
}

namespace {

constexpr size_t kZeroBytes = 64 * 1024;

// Where the file system has no allocation call, a written block is the only allocated one. Only the
// part beyond the present end is written: what lies before it was allocated by the same call, and
// may hold batches. The sync is part of it, since a file system may put off the choice of blocks,
// and the answer ENOSPC, until then.
int AllocateByWriting(int fd, uint64_t from, uint64_t to) {
  static const uint8_t zeros[kZeroBytes] = {};
  while (from < to) {
    const uint64_t bytes = std::min<uint64_t>(to - from, kZeroBytes - from % kZeroBytes);
    const int written = WriteAll(fd, zeros, bytes, from);
    if (written < 0) {
      return written;
    }
    from += bytes;
  }
  return FlushFile(fd);
}

#if defined(__APPLE__)
// Makes the blocks of the file enough for `bytes`. What the system is asked for counts from the
// last block that the file has, which may lie behind its end, and would be had again with every
// call.
int AddBlocks(int fd, uint64_t bytes) {
  constexpr uint64_t kStatBlockBytes = 512;
  struct stat facts;
  const int found = RetryInterrupted([&] { return ::fstat(fd, &facts); });
  if (found < 0) {
    return found;
  }
  const uint64_t held = static_cast<uint64_t>(facts.st_blocks) * kStatBlockBytes;
  if (bytes <= held) {
    return 0;
  }
  fstore_t request = {};
  request.fst_flags = F_ALLOCATEALL;
  request.fst_posmode = F_PEOFPOSMODE;
  request.fst_length = static_cast<off_t>(bytes - held);
  const int added = RetryInterrupted([&] { return ::fcntl(fd, F_PREALLOCATE, &request); });
  return added == -ENOTSUP ? -EOPNOTSUPP : std::min(added, 0);
}
#else
// Never posix_fallocate: glibc answers a missing call by touching every block, which races with
// other writers.
int AddBlocks(int fd, uint64_t bytes, int mode) {
  const int added =
      RetryInterrupted([&] { return ::fallocate(fd, mode, 0, static_cast<off_t>(bytes)); });
  return added == -ENOSYS ? -EOPNOTSUPP : added;
}
#endif

// 0, -EOPNOTSUPP where the file system cannot, or another -errno.
int AllocateBlocks(int fd, uint64_t size, uint64_t bytes) {
#if defined(__APPLE__)
  if (bytes <= size) {
    return 0;
  }
  const int added = AddBlocks(fd, bytes);
  return added != 0 ? added
                    : RetryInterrupted([&] { return ::ftruncate(fd, static_cast<off_t>(bytes)); });
#else
  static_cast<void>(size);
  return AddBlocks(fd, bytes, 0);
#endif
}

}  // namespace

int AllocateFile(int fd, uint64_t bytes) {
  struct stat facts;
  const int found = RetryInterrupted([&] { return ::fstat(fd, &facts); });
  if (found < 0) {
    return found;
  }
  const uint64_t size = static_cast<uint64_t>(facts.st_size);
  const int allocated = AllocateBlocks(fd, size, bytes);
  return allocated == -EOPNOTSUPP ? AllocateByWriting(fd, size, bytes) : allocated;
}

int ReserveFile(int fd, uint64_t bytes) {
#if defined(__APPLE__)
  return AddBlocks(fd, bytes);
#else
  return AddBlocks(fd, bytes, FALLOC_FL_KEEP_SIZE);
#endif
}

}  // namespace millrace::base
