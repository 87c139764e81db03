// What manifest files say (format/manifest_format.h): records, and the state that they add up to.
// Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "native/base/status.h"
#include "native/format/manifest_format.h"

namespace millrace::log {

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

// What a pair of manifest files says.
struct ManifestContents {
  uint64_t directory_id = 0;
  uint64_t generation = 0;
  uint64_t next_shard = 1;
  uint64_t record_count = 0;
  bool damaged = false;  // one of the files is; the other made up for it
  std::map<uint64_t, ManifestShard> shards;
};

format::ManifestRecord MakeManifestRecord(format::ManifestType type, uint64_t shard, uint64_t a = 0,
                                          uint64_t b = 0, uint64_t c = 0, uint64_t d = 0);

// Gives records their place in the file and their checksum.
void NumberManifestRecords(uint64_t first, std::vector<format::ManifestRecord>* records);

// False when the record contradicts those before it.
bool ApplyManifestRecord(const format::ManifestRecord& record, ManifestContents* contents);

// Merges the two copies record by record. CATALOG_UNREADABLE when a record is damaged in both and
// an intact one follows it, or when neither has a beginning. An unreadable record at the very end
// is a torn write that nobody was promised. `*damaged` says whether the copies differ, or hold more
// than zeros behind the records.
base::Status MergeManifest(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                           std::vector<format::ManifestRecord>* records, bool* damaged);

// Also CATALOG_UNREADABLE when a record makes no sense; FORMAT_UNSUPPORTED for a newer version.
base::Status ParseManifest(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                           ManifestContents* contents);

}  // namespace millrace::log
