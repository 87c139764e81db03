// The manifest files of a data directory: which shards there are (manifest_records.h).
//
// Threads: callers serialise all calls (Core::shards_mutex_).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "native/base/file_ops.h"
#include "native/base/status.h"
#include "native/log/manifest_records.h"

namespace millrace::log {

class Directory;

class Manifest {
 public:
  // Of a directory that has been acquired for writing before the first change.
  Manifest(base::FileOps* file_ops, const Directory* directory);
  ~Manifest();
  Manifest(const Manifest&) = delete;
  Manifest& operator=(const Manifest&) = delete;

  // Starts the manifest of a new directory.
  base::Status Create(uint64_t directory_id);

  // Reads it, and writes it anew when it is damaged or has grown far beyond what it says. Where the
  // disk has no room for that, damage is mended in place, and what has grown stays as it is.
  base::Status Load();

  // Read-only: for verifying a directory.
  static base::Status Read(base::FileOps* file_ops, const std::string& directory,
                           ManifestContents* contents);

  const ManifestContents& contents() const { return contents_; }

  // Which state of it Load found, before it may have written it anew.
  uint64_t loaded_generation() const { return loaded_generation_; }

  uint64_t loaded_record_count() const { return loaded_record_count_; }

  // Each is durable on return. DISK_FULL when there is no room for it: nothing has been written
  // then, and it can be tried again. After any other failure the manifest refuses everything until
  // it is loaded again. Where a file system cannot keep blocks, or writes each change to another
  // place (btrfs), a full disk may be such a failure.
  base::Status CreateShards(const std::vector<uint64_t>& first_sequences,
                            std::vector<uint64_t>* shards);
  base::Status TrimShards(const std::vector<std::pair<uint64_t, ManifestShard>>& trimmed);
  base::Status SealShards(const std::vector<ShardEnd>& ends);
  base::Status DeleteShards(const std::vector<uint64_t>& shards);

  // Finds the room that so many records need beforehand, so that writing them is not DISK_FULL. The
  // file system may be one that cannot keep blocks (FileOps::Reserve); then nobody knows.
  base::Status ReserveRecords(size_t count);

  void Close();

 private:
  base::Status Rewrite();
  base::Status MendInPlace(const base::Status& full);
  base::Status OpenForAppend();
  base::Status OpenCopies();
  base::Status Append(std::vector<format::ManifestRecord> records);
  base::Status ReserveUpTo(uint64_t bytes);
  void ReserveAhead();
  int ReserveBoth(uint64_t bytes);
  base::Status WriteAndSync(int copy, const void* data, size_t bytes, uint64_t offset);

  base::FileOps* const file_ops_;
  const Directory* const directory_;
  ManifestContents contents_;
  uint64_t loaded_generation_ = 0;
  uint64_t loaded_record_count_ = 0;
  int fds_[2] = {-1, -1};
  uint64_t reserved_bytes_ = 0;  // that both copies can have without more of the disk
  base::Status failed_;
};

}  // namespace millrace::log
