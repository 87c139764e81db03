// T-B1: damages a data directory in every way a disk has been seen to, one damage at a time, and
// reads everything.
//   --count N   damages
//   --seed N    with the same seed, damage number K is the same; --first K begins there
#include <cinttypes>
#include <cstdio>

#include "test/torture/native/arguments.h"
#include "test/torture/native/bit_rot.h"

int main(int argc, char** argv) {
  using namespace millrace::torture;
  const Arguments arguments(argc, argv);
  const uint64_t count = arguments.Number("count", 1000);
  const uint64_t seed = arguments.Number("seed", 1);
  const uint64_t first = arguments.Number("first", 0);
  constexpr uint64_t kPerSpecimen = 500;
  Specimen specimen;
  for (uint64_t trial = first; trial < first + count; ++trial) {
    if (trial == first || trial % kPerSpecimen == 0) {
      const uint64_t group = trial / kPerSpecimen;
      specimen = MakeSpecimen(seed + group, group % 2 == 0);
      std::printf("progress %" PRIu64 "\n", trial - first);
      std::fflush(stdout);
    }
    Random random(Random(seed).Next() ^ (trial * 0x9e3779b97f4a7c15));
    const auto disk = specimen.disk->KillCopy();
    disk->SetTracing(false);
    const Damage damage = Inflict(specimen, disk.get(), &random);
    const std::string wrong = Judge(specimen, damage, disk.get());
    if (!wrong.empty()) {
      std::fprintf(stderr,
                   "%s (after a %s stop): %s\nreplay: bit_rot_main --seed %" PRIu64
                   " --first %" PRIu64 " --count 1\n",
                   damage.what.c_str(), specimen.clean ? "clean" : "unclean", wrong.c_str(), seed,
                   trial);
      return 1;
    }
  }
  std::printf("result {\"trials\":%" PRIu64 "}\n", count);
  return 0;
}
