// Cuts during recovery on the simulated disk: the machine is cut, and cut again while it recovers
// or writes on, three deep. What was promised before the first cut must be there after the last.
//
//   recovery_cut_main [--count CUTS] [--seed N] [--script N]
#include <cinttypes>
#include <string>

#include "native/base/status.h"
#include "test/torture/native/sim_run.h"
#include "test/torture/native/sim_victim.h"

namespace millrace::torture {
namespace {

constexpr uint64_t kStepsMin = 10;
constexpr uint64_t kStepsMax = 80;
constexpr uint64_t kPointsPerImage = 20;
constexpr int kCutsAfterTheFirst = 2;

class DeepCutDrawer {
 public:
  DeepCutDrawer(uint64_t seed, const ImagePlan& plan, ImageTally* tally)
      : random_(seed), cut_random_(random_.Next()), plan_(plan), tally_(tally) {}

  std::string AtPoint(SimVictim* victim) {
    if (!random_.OneIn(kPointsPerImage)) {
      return "";
    }
    ++image_;
    const bool kill = random_.OneIn(4) && !victim->in_doubt();
    auto machine = kill ? victim->machine()->KillCopy() : victim->machine()->CutPower(&cut_random_);
    // A kill is no cut: three of those follow it.
    return CheckImage(std::move(machine), kill ? Crash::kKill : Crash::kCut,
                      victim->SnapshotModel(), random_.Next(), plan_,
                      kCutsAfterTheFirst + (kill ? 1 : 0), tally_);
  }

  uint64_t image() const { return image_; }

 private:
  Random random_;
  support::Random cut_random_;
  const ImagePlan& plan_;
  ImageTally* const tally_;
  uint64_t image_ = 0;
};

int Main(int argument_count, char** arguments) {
  SimRun run("recovery_cut", argument_count, arguments, 1000);
  ImageTally tally;
  uint64_t scripts = 0;
  for (uint64_t script = run.first_script(); tally.cuts < run.count(); ++script) {
    Random random(run.SeedOf(script));
    ImagePlan plan;
    plan.options = DrawOptions(&random);
    plan.rules = DrawRules(&random);
    DeepCutDrawer drawer(random.Next(), plan, &tally);
    SimVictim victim(random.Next(), plan,
                     [&drawer](SimVictim* point) { return drawer.AtPoint(point); });
    const std::string wrong = victim.Run(random.Between(kStepsMin, kStepsMax));
    if (!wrong.empty()) {
      return run.Fail(script, base::Format("image %" PRIu64, drawer.image()), wrong);
    }
    ++scripts;
    run.Progress(tally.cuts);
    if (run.one_script()) {
      break;
    }
  }
  return run.Pass(tally.cuts, base::Format("\"scripts\":%" PRIu64 ",\"recovered\":%" PRIu64
                                           ",\"torn\":%" PRIu64 ",\"unpromisedLost\":%" PRIu64,
                                           scripts, tally.recovered, tally.torn, tally.lost_os));
}

}  // namespace
}  // namespace millrace::torture

int main(int argument_count, char** arguments) {
  return millrace::torture::Main(argument_count, arguments);
}
