// Tells whether what was acknowledged had been synced: the rule "no acknowledgement before the
// matching sync returned", checked over the trace of the seam.
//
// An acknowledged range of a file is proven when all of these hold at that moment:
//   - every byte of it lay in the pages of a successful sync after the last store to it, and of no
//   failed sync since
//     that store: a failure is final for what was written before it, whatever later syncs answer;
//   - the file's length at its last successful sync reaches to the end of the range;
//   - the entry of the file, and of each directory above it that was made in the trace, has not
//   changed since a sync
//     of the directory that holds it.
// What happened before the trace counts as durable only for entries and lengths, not for bytes.
//
// Not safe for use from several threads at once.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "test/support/byte_ranges.h"
#include "test/support/sim_call.h"
#include "test/support/sim_file_ops.h"

namespace millrace::support {

class SyncOrderChecker {
 public:
  // The next call of the trace.
  void Add(const SimCall& call);

  // Takes the trace of `files` so far, stores through maps included.
  void Follow(SimFileOps* files);

  // The bytes [offset, offset + bytes) of the file at `path` are acknowledged now. Call Follow
  // first. Says what is wrong, or nothing.
  std::string Acknowledge(const std::string& path, uint64_t offset, uint64_t bytes);

  // What was wrong so far.
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct FileState {
    ByteRanges unsynced;  // stored since the last sync that covered it
    ByteRanges failed;    // stored before a failed sync, and not again since
    ByteRanges synced;    // covered by a successful sync
    bool length_pending = false;
    uint64_t length = 0;
    uint64_t durable_length = 0;
  };

  void OnStore(const SimCall& call);
  void OnSync(const SimCall& call);
  void OnLength(const SimCall& call);
  void OnEntry(const SimCall& call);
  std::string Judge(const std::string& path, uint64_t start, uint64_t end);
  std::string PendingEntryOn(const std::string& path) const;

  std::map<uint64_t, FileState> files_;  // by id
  std::map<std::string, uint64_t> ids_;  // by present path
  std::set<std::string>
      pending_entries_;  // paths whose directory has not been synced since they changed
  std::vector<std::string> violations_;
};

}  // namespace millrace::support
