// Finding out what a data directory holds when it is opened: from the verified end of a clean
// close, or by recovery.
#pragma once

#include <vector>

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/shard_log.h"

namespace millrace::log {

// The context's directory is acquired and its manifest loaded. Removes the verified end, durably,
// so that it can never vouch for what is appended from now on. After an unclean stop it cuts torn
// tails (keeping a copy aside), proves the tails by writing them again, and syncs, before it
// returns: nothing is served or numbered until that is done.
base::Status OpenShards(CoreContext* context, std::vector<ShardStart>* shards);

// The segments of one shard as the files say, in order, with what their blocks told.
struct FoundSegment {
  std::shared_ptr<Segment> segment;
  bool sealed = false;
  bool shorter = false;          // the file has lost its end
  bool lacks_successor = false;  // its seal says that a segment follows, and none was found
};

struct FoundShard {
  uint64_t shard = 0;
  std::vector<FoundSegment> segments;
};

// Sorts the segment files of a directory by shard. Files of no live shard, or below its trimmed
// start, go to `free`.
base::Status FindSegments(base::FileOps* file_ops, const Directory& directory,
                          const ManifestContents& manifest, std::vector<FoundShard>* shards,
                          std::vector<std::shared_ptr<SegmentFile>>* free);

}  // namespace millrace::log
