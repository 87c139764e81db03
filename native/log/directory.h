// The data directory: who owns it, what it holds.
//
//   FORMAT                  one line, "millrace-log 1 <directory id in hex>"
//   LOCK                    held exclusively while the directory is open, and asked after each
//                           sync whether the file system is alive; on the file system of log/
//   manifest-a, manifest-b  which shards exist (manifest.h)
//   verified-end            only after a clean close (verified_end.h)
//   log/<id>.seg            segments and spares (format/segment_format.h)
//   log/<id>.idx            sparse indexes of sealed segments (segment_index.h)
//   aside/                  what recovery cut from torn tails, the oldest removed first
//
// Names are ids that Millrace generates; nothing that a user supplies becomes a path.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "native/base/file_ops.h"
#include "native/base/status.h"

namespace millrace::log {

class Directory {
 public:
  Directory(base::FileOps* file_ops, std::string path);
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  // Takes the lock, creating the directory when it is missing. LOG_LOCKED; FORMAT_UNSUPPORTED when
  // it has a newer format, or holds files that are not Millrace's; CATALOG_UNREADABLE when FORMAT
  // is damaged, or is missing while there are shards. Nothing is written then.
  base::Status Acquire(bool* fresh);

  // The same without creating or writing anything; for `verify`.
  base::Status AcquireForReading();

  // Lays a fresh directory out, all but the manifest, with a random id.
  base::Status Initialize();

  // The layout is complete: the FORMAT file, written last, says so.
  base::Status WriteFormat();

  // Makes the entries durable that lead to what is in here: of the segments, of the files of the
  // directory, and its own in its parent, without which a power cut could take all of it. An open
  // that follows an unclean stop does this before it serves anything, as the process before it may
  // have died between a rename and the sync that was due.
  base::Status SyncEntries();

  // Whether the syncs that have worked so far have told the truth (FileOps::ConfirmSyncs).
  // LOG_FAILED when that is in doubt: then nothing that rests on them may be answered, and nothing
  // be changed in place. The directory must have been acquired for writing.
  base::Status ConfirmSyncs() const;

  void Release();

  const std::string& path() const { return path_; }

  std::string log_path() const { return path_ + "/log"; }

  std::string aside_path() const { return path_ + "/aside"; }

  uint64_t id() const { return id_; }

  // The ids of the segment files and of the index files, ascending. FORMAT_UNSUPPORTED for a
  // foreign file.
  base::Status ListSegments(std::vector<uint64_t>* segments, std::vector<uint64_t>* indexes) const;

 private:
  base::Status TakeLock(base::OpenMode mode);

  // What is there, without writing: the version, foreign files, whether FORMAT was lost.
  base::Status Look(bool* initialized);
  base::Status CheckFresh(const std::vector<std::string>& names, bool has_segments,
                          bool* initialized);
  base::Status ListOwn(const std::string& directory, bool (*is_own)(const std::string&),
                       std::vector<std::string>* names) const;
  base::Status ReadFormat(bool* exists);

  base::FileOps* const file_ops_;
  const std::string path_;
  int lock_fd_ = -1;
  uint64_t id_ = 0;
};

// Writes a small file so that a crash leaves the old one or the new one: under another name,
// synced, renamed, and the directory synced.
base::Status ReplaceFile(base::FileOps* file_ops, const std::string& directory,
                         const std::string& name, const void* data, size_t bytes);

// The same in two steps, for files that are replaced together: what needs room is done before any
// of them is. The second step is one of the two others.
base::Status WriteReplacement(base::FileOps* file_ops, const std::string& directory,
                              const std::string& name, const void* data, size_t bytes);
base::Status PutReplacement(base::FileOps* file_ops, const std::string& directory,
                            const std::string& name);
void DropReplacement(base::FileOps* file_ops, const std::string& directory,
                     const std::string& name);

// Reads a whole file of at most `bytes_max` bytes. `*exists` is false when there is none.
base::Status ReadWholeFile(base::FileOps* file_ops, const std::string& path, uint64_t bytes_max,
                           bool* exists, std::vector<uint8_t>* bytes);

}  // namespace millrace::log
