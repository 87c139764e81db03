// A data directory to damage, what it holds, and the damages (T-B1).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "native/log/options.h"
#include "test/support/sim_file_ops.h"
#include "test/torture/native/random.h"

namespace millrace::torture {

// Where the data directory of a specimen is on its disk.
inline constexpr const char* kSpecimenDirectory = "/disk/log";

// One committed batch of the undamaged directory.
struct KnownBatch {
  uint64_t end;       // position
  std::string bytes;  // header included
  bool marker;
  std::string path;  // of the segment file
  uint64_t offset;   // in the file
};

// The undamaged directory. `clean` says how its last owner ended: by a close, or killed while idle.
struct Specimen {
  std::unique_ptr<support::SimFileOps> disk;
  log::CoreOptions options;  // file_ops left empty
  bool clean = false;
  std::map<uint64_t, std::map<uint64_t, KnownBatch>> shards;  // by shard, by position
};

inline bool IsSegment(const std::string& path) {
  return path.ends_with(".seg");
}

Specimen MakeSpecimen(uint64_t seed, bool clean);

// Bytes of one file that are no longer what they were.
struct DamagedBytes {
  std::string path;
  uint64_t start;
  uint64_t end;
};

struct Damage {
  std::string what;
  std::vector<DamagedBytes> bytes;  // in segment files alone: other files hold nothing of their own
  bool scattered = false;           // many places of the file: how much is refused is not judged
  bool exact = false;               // so small that exactly one batch may be refused
  bool refused = false;             // FORMAT was lost: an open refuses, and changes no file
};

// Applies one random damage to `disk`, a copy of the specimen's.
Damage Inflict(const Specimen& specimen, support::SimFileOps* disk, Random* random);

// Opens the damaged directory and reads everything, where it is not to be refused. Empty, or what
// is wrong: a byte served that is not what was written, a batch that is missing without being
// named, or more refused than the damage touched.
std::string Judge(const Specimen& specimen, const Damage& damage, support::SimFileOps* disk);

}  // namespace millrace::torture
