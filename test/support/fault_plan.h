// Which calls through the simulated seam fail, and how.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/support/sim_call.h"

namespace millrace::support {

struct SimFault {
  SimCallKind kind = SimCallKind::kAny;
  std::string path_part;  // only calls on paths that contain it
  uint64_t nth = 1;       // the nth such call from now on
  bool for_ever = false;  // and all later ones
  int error = 5;          // the errno; EIO

  // The call itself meets no error, but at its start the journal of the file system aborts.
  bool aborts_journal = false;

  // Of a failing PWrite: how much was written before the error, in 1/256 of the whole.
  uint32_t written_of_256 = 128;
};

// Not safe for use from several threads at once.
class FaultPlan {
 public:
  void Add(const SimFault& fault) { armed_.push_back({fault, 0}); }

  void Clear() { armed_.clear(); }

  // How many calls have failed so far.
  uint64_t hits() const { return hits_; }

  // Counts the call. The fault that it meets, or null; valid until the next change of the plan.
  const SimFault* Match(const SimCall& call) {
    const SimFault* met = nullptr;
    for (Armed& armed : armed_) {
      const SimFault& fault = armed.fault;
      const bool kind_fits = fault.kind == SimCallKind::kAny || fault.kind == call.kind;
      const bool path_fits = call.path.find(fault.path_part) != std::string::npos ||
                             call.to.find(fault.path_part) != std::string::npos;
      if (!kind_fits || !path_fits) {
        continue;
      }
      ++armed.seen;
      const bool now = fault.for_ever ? armed.seen >= fault.nth : armed.seen == fault.nth;
      if (now && met == nullptr) {
        met = &fault;
      }
    }
    hits_ += met != nullptr ? 1 : 0;
    return met;
  }

 private:
  struct Armed {
    SimFault fault;
    uint64_t seen;
  };

  std::vector<Armed> armed_;
  uint64_t hits_ = 0;
};

}  // namespace millrace::support
