// The system-call seam: every call of the core that touches a file goes through here, so that tests
// can record, fail, delay and lose what a disk may lose. Calls return 0 (or a count, or a
// descriptor) when they work and -errno when they do not; EINTR is retried inside and never seen by
// a caller. Safe to use from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::base {

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // created 0600 when missing, read-write
  kCreateNew,  // created 0600, must not exist, read-write
};

struct FileSystemSpace {
  uint64_t bytes_total;
  uint64_t bytes_free;  // for an ordinary user
};

class FileOps {
 public:
  virtual ~FileOps() = default;

  // Close-on-exec, and never through a symbolic link at the last component.
  virtual int Open(const std::string& path, OpenMode mode) = 0;
  virtual int Close(int fd) = 0;

  // Whole transfers: fewer bytes than asked for only at the end of the file (PRead). A short write
  // is continued.
  virtual int64_t PRead(int fd, void* data, size_t bytes, uint64_t offset) = 0;
  virtual int PWrite(int fd, const void* data, size_t bytes, uint64_t offset) = 0;

  // Makes the file `bytes` long with every block allocated (fallocate; zeros are written where the
  // file system has no such call), so that neither a later store through a map nor a sync can run
  // out of space.
  virtual int Allocate(int fd, uint64_t bytes) = 0;

  // Keeps blocks for the first `bytes` bytes of the file, whose length and contents stay as they
  // are, so that a write up to there does not run out of space. -EOPNOTSUPP where the file system
  // has no such call.
  virtual int Reserve(int fd, uint64_t bytes) = 0;

  virtual int64_t Size(int fd) = 0;

  // fdatasync. A failure is final for what was written before it: the caller never tries again
  // (fsyncgate).
  virtual int SyncData(int fd) = 0;

  // Proves the syncs that returned 0 until now: 0 as long as the file system that holds this file,
  // open for writing, still commits changes. A journal that has aborted, at the fault of anybody's
  // write, lets later syncs of other files return 0 although the extents which they wrote will be
  // missing, and no call reports that. An abort is for ever, so a change that still begins after a
  // sync vouches for it. 0 where nothing can be told. Costs about a microsecond; the file must be
  // one that nobody syncs, as each of its syncs would wait for the journal from then on.
  virtual int ConfirmSyncs(int fd) = 0;

  // SyncData for the pages of [offset, offset + bytes) alone, of a file that is mapped whole at
  // `map`.
  virtual int SyncRange(int fd, uint8_t* map, uint64_t offset, uint64_t bytes) = 0;

  // Starts the write-back of a range and does not wait. Proves nothing; a failure shows in the sync
  // that follows.
  virtual void StartWriteback(int fd, uint64_t offset, uint64_t bytes) = 0;

  virtual int Rename(const std::string& from, const std::string& to) = 0;
  virtual int Unlink(const std::string& path) = 0;
  virtual int MakeDirectory(const std::string& path) = 0;  // 0700; -EEXIST when there is one
  virtual int SyncDirectory(const std::string& path) = 0;
  virtual int List(const std::string& path,
                   std::vector<std::string>* names) = 0;  // without . and ..
  virtual int FreeSpace(const std::string& path, FileSystemSpace* space) = 0;

  // Maps [0, bytes) of the file, shared. The map outlives the descriptor. A writable one is made of
  // huge pages where the kernel can: a store then makes kHugePageBytes dirty at once, all of which
  // the next sync of any of them writes.
  virtual int Map(int fd, uint64_t bytes, bool writable, uint8_t** map) = 0;
  virtual int Unmap(uint8_t* map, uint64_t bytes) = 0;

  // Faults the pages of a range of a map in, for reading or for writing. Unlike a plain access it
  // reports a failing disk as -errno instead of a signal. 0 where the kernel has no such call.
  virtual int Populate(uint8_t* at, uint64_t bytes, bool for_writing) = 0;

  // How many bytes of a range of a map, from its start on, can be read without meeting the disk. A
  // walk over page tables alone: populating visits each page and costs as much as its checksum
  // does. 0 also where nobody can tell.
  virtual uint64_t ResidentBytes(uint8_t* at, uint64_t bytes) = 0;

  // An exclusive lock held by this descriptor: 0, or -EWOULDBLOCK when another open file holds it.
  virtual int Lock(int fd) = 0;
};

// The operating system's. Lives as long as the process.
FileOps* PosixFileOps();

inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint64_t kHugePageBytes = 2 * 1024 * 1024;

}  // namespace millrace::base
