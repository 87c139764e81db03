// Watches the system calls of a log on the simulated disk and tells, at each acknowledgement,
// whether what was acknowledged had been synced. Finds the bytes of a batch by the headers of the
// segment files alone.
#pragma once

#include <cstdint>
#include <string>

#include "test/support/sim_file_ops.h"
#include "test/support/sync_order_checker.h"
#include "test/torture/native/sim_model.h"

namespace millrace::torture {

class SimWitness {
 public:
  // `path` is the data directory.
  explicit SimWitness(const std::string& path) : log_path_(path + "/log") {}

  // A batch has been acknowledged with disk durability by the process of `machine`, which has
  // refused `refusals` calls so far: one of them may have begun a segment.
  std::string OnAck(support::SimFileOps* machine, const ShardModel& shard, const SentBatch& batch,
                    uint64_t refusals);

  // Takes the trace along; before the process ends, and now and then.
  void Follow(support::SimFileOps* machine) { checker_.Follow(machine); }

  // The machine has been opened anew: files may hold other segments now.
  void Forget() { place_ = Place{}; }

 private:
  struct Place {
    std::string path;  // empty = not known
    uint64_t shard = 0;
    uint64_t base_position = 0;
    uint64_t file_bytes = 0;
  };

  bool Fits(const Place& place, uint64_t shard, uint64_t start, uint64_t end) const;
  void Find(support::SimFileOps* machine, uint64_t shard, uint64_t start);

  const std::string log_path_;
  support::SyncOrderChecker checker_;
  Place place_;
  uint64_t refusals_ = 0;  // when it was found
};

}  // namespace millrace::torture
