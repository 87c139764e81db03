// The shards of a data directory, as the manifest files record them (format/manifest_format.h).
//
// Threads: callers serialise all calls (Core::shards_mutex_).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "native/base/file_ops.h"
#include "native/base/status.h"
#include "native/format/manifest_format.h"

namespace millrace::log {

class Directory;

struct ManifestShard {
  uint64_t created_sequence;  // first sequence number of the shard's life
  uint64_t trimmed_start;     // position
  uint64_t first_sequence;    // oldest that can be read
  bool sealed;
};

// Where a shard ends that is sealed.
struct ShardEnd {
  uint64_t shard;
  uint64_t end_position;
  uint64_t next_sequence;  // one past the last
};

// What a pair of manifest files says. Pure.
struct ManifestContents {
  uint64_t directory_id = 0;
  uint64_t generation = 0;
  uint64_t next_shard = 1;
  uint64_t record_count = 0;
  bool damaged = false;  // one of the files is; the other made up for it
  std::map<uint64_t, ManifestShard> shards;
};

// Merges the two copies record by record. CATALOG_UNREADABLE when a record is damaged in both and
// an intact one follows it, when neither has a beginning, or when a record makes no sense;
// FORMAT_UNSUPPORTED for a newer version. An unreadable record at the very end is a torn write that
// nobody was promised.
base::Status ParseManifest(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                           ManifestContents* contents);

class Manifest {
 public:
  // Of a directory that has been acquired for writing before the first change.
  Manifest(base::FileOps* file_ops, const Directory* directory);
  ~Manifest();
  Manifest(const Manifest&) = delete;
  Manifest& operator=(const Manifest&) = delete;

  // Starts the manifest of a new directory.
  base::Status Create(uint64_t directory_id);

  // Reads it, and writes it anew when it is damaged or has grown far beyond what it says.
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
  // it is loaded again.
  base::Status CreateShards(const std::vector<uint64_t>& first_sequences,
                            std::vector<uint64_t>* shards);
  base::Status TrimShards(const std::vector<std::pair<uint64_t, ManifestShard>>& trimmed);
  base::Status SealShards(const std::vector<ShardEnd>& ends);
  base::Status DeleteShards(const std::vector<uint64_t>& shards);

  void Close();

 private:
  base::Status Rewrite();
  base::Status OpenForAppend();
  base::Status Append(std::vector<format::ManifestRecord> records);
  base::Status ReserveUpTo(uint64_t bytes);
  int ReserveBoth(uint64_t bytes);

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
