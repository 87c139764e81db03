// Crash images: the machine as a power cut or a kill left it, opened, judged against the history,
// written to again and judged again. An image may be cut anew while it recovers, as deep as wanted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "test/support/sim_file_ops.h"
#include "test/torture/native/sim_driver.h"

namespace millrace::torture {

inline constexpr const char* kSimRoot = "/sim";
inline constexpr const char* kSimPath = "/sim/data";

struct ImagePlan {
  log::CoreOptions options;
  DriverRules rules;
};

struct ImageTally {
  uint64_t states = 0;     // images judged
  uint64_t cuts = 0;       // of these, after a power cut
  uint64_t recovered = 0;  // opened by recovery, not by the verified end
  uint64_t torn = 0;       // torn tails that were cut off
  uint64_t lost_os = 0;    // batches with Durability::kOs that a power cut took, as it may
};

// One image with its history. `depth` cuts follow, each into the recovery or the writing after it.
std::string CheckImage(std::unique_ptr<support::SimFileOps> machine, Crash crash,
                       DirectoryModel model, uint64_t seed, const ImagePlan& plan, int depth,
                       ImageTally* tally);

}  // namespace millrace::torture
