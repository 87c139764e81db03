// Recovery of one shard after an unclean stop: which of its bytes are the log, and making sure that
// they are on disk.
#pragma once

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/open_directory.h"
#include "native/log/shard_log.h"

namespace millrace::log {

// What to do about a shard's segments. Pure but for reading the segments through maps.
struct RecoveryPlan {
  struct Tail {
    std::shared_ptr<Segment> segment;
    ScanResult scan;
    std::unique_ptr<SegmentIndex> index;
    bool last = false;  // of the shard: appends go on here
  };

  ShardStart start;
  std::vector<Tail> tails;  // unsealed segments, in order
  std::vector<std::shared_ptr<Segment>>
      disowned;              // never acknowledged: cut with the torn tail before them
  uint64_t proven = 0;       // position up to which the log was synced
  bool marker_only = false;  // nothing but marker batches beyond `proven`
};

// What segments say of the log before them.
struct SegmentProof {
  bool sealed = false;       // one of them is sealed, so all before it had been on disk
  uint64_t synced_upto = 0;  // the highest in a batch: so far the log had been on disk
};

// What the segments of a shard from number `at` on prove.
base::Status FindProof(const std::vector<FoundSegment>& segments, size_t at, SegmentProof* proof);

// Decides. `manifest` is what the manifest says of the shard, `found` what the files say.
base::Status PlanRecovery(CoreContext* context, uint64_t shard, const ManifestShard& manifest,
                          FoundShard found, RecoveryPlan* plan);

// Carries the plan out: everything it cuts, rewrites and seals is on disk when it returns.
base::Status CarryOut(CoreContext* context, RecoveryPlan* plan);

}  // namespace millrace::log
