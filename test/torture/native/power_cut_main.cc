// Power cuts on the simulated disk: random scripts, and at any of their system calls the machine as
// a cut or a kill at that moment leaves it. Everything that was promised must be there, nothing
// else may be.
//
//   power_cut_main [--count STATES] [--seed N] [--script N]
#include <cinttypes>
#include <string>

#include "native/base/status.h"
#include "test/torture/native/sim_run.h"
#include "test/torture/native/sim_victim.h"

namespace millrace::torture {
namespace {

constexpr uint64_t kStepsMin = 20;
constexpr uint64_t kStepsMax = 120;
constexpr uint64_t kImagesPerPointMax = 3;

// Draws images at the points of one script.
class CutDrawer {
 public:
  CutDrawer(uint64_t seed, const ImagePlan& plan, ImageTally* tally)
      : random_(seed), cut_random_(random_.Next()), plan_(plan), tally_(tally) {}

  std::string AtPoint(SimVictim* victim) {
    if (!random_.OneIn(plan_odds_)) {
      return "";
    }
    const uint64_t images = random_.Between(1, kImagesPerPointMax);
    std::string wrong;
    for (uint64_t image = 0; image < images && wrong.empty(); ++image) {
      wrong = random_.OneIn(6) && !victim->in_doubt() ? Kill(victim) : Cut(victim);
      ++image_;
    }
    return wrong;
  }

  uint64_t image() const { return image_; }

 private:
  std::string Cut(SimVictim* victim) {
    using support::CutMode;
    const uint64_t kind = random_.Below(10);
    const CutMode mode = kind == 0   ? CutMode::kKeepSynced
                         : kind == 1 ? CutMode::kKeepAll
                                     : CutMode::kRandom;
    const int depth = random_.OneIn(10) ? 1 : 0;
    return CheckImage(victim->machine()->CutPower(&cut_random_, mode), Crash::kCut,
                      victim->SnapshotModel(), random_.Next(), plan_, depth, tally_);
  }

  // The process dies, the next one opens what the page cache shows, and then the power goes.
  std::string Kill(SimVictim* victim) {
    const int depth = random_.OneIn(3) ? 0 : 1;
    return CheckImage(victim->machine()->KillCopy(), Crash::kKill, victim->SnapshotModel(),
                      random_.Next(), plan_, depth, tally_);
  }

  Random random_;
  support::Random cut_random_;
  const ImagePlan& plan_;
  ImageTally* const tally_;
  const uint64_t plan_odds_ = 5;
  uint64_t image_ = 0;
};

int Main(int argument_count, char** arguments) {
  SimRun run("power_cut", argument_count, arguments, 10'000);
  ImageTally tally;
  uint64_t acks = 0;
  uint64_t scripts = 0;
  for (uint64_t script = run.first_script(); tally.states < run.count(); ++script) {
    Random random(run.SeedOf(script));
    ImagePlan plan;
    plan.options = DrawOptions(&random);
    plan.rules = DrawRules(&random);
    CutDrawer drawer(random.Next(), plan, &tally);
    SimVictim victim(random.Next(), plan,
                     [&drawer](SimVictim* point) { return drawer.AtPoint(point); });
    const std::string wrong = victim.Run(random.Between(kStepsMin, kStepsMax));
    if (!wrong.empty()) {
      return run.Fail(script, base::Format("image %" PRIu64, drawer.image()), wrong);
    }
    acks += victim.acks();
    ++scripts;
    run.Progress(tally.states);
    if (run.one_script()) {
      break;
    }
  }
  return run.Pass(
      tally.states,
      base::Format("\"scripts\":%" PRIu64 ",\"acks\":%" PRIu64 ",\"cuts\":%" PRIu64
                   ",\"recovered\":%" PRIu64 ",\"torn\":%" PRIu64 ",\"unpromisedLost\":%" PRIu64,
                   scripts, acks, tally.cuts, tally.recovered, tally.torn, tally.lost_os));
}

}  // namespace
}  // namespace millrace::torture

int main(int argument_count, char** arguments) {
  return millrace::torture::Main(argument_count, arguments);
}
