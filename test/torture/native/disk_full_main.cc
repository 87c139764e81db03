// A full disk, simulated: a log appends until it is refused, stays readable, is trimmed or given
// room, and must take appends again by itself. Nothing acknowledged is lost, also when the power
// goes while the disk is full.
//
//   disk_full_main [--count ROUNDS] [--seed N] [--script N]
#include <cinttypes>
#include <memory>
#include <string>

#include "native/base/status.h"
#include "test/torture/native/sim_image.h"
#include "test/torture/native/sim_run.h"

namespace millrace::torture {
namespace {

using base::Code;
using support::SimFileOps;

constexpr uint64_t kMebi = 1024 * 1024;
constexpr uint64_t kAppendsMax = 4000;
constexpr uint64_t kRoundsPerScript = 6;

class FullDisk {
 public:
  FullDisk(uint64_t seed, const ImagePlan& plan)
      : random_(seed),
        cut_random_(random_.Next()),
        plan_(plan),
        machine_(std::make_unique<SimFileOps>(kSimRoot, Limits(kMebi))),
        driver_(kSimPath, WithMachine(plan.options, machine_.get()), plan.rules, random_.Next(),
                {}) {
    machine_->SetTracing(false);
  }

  ~FullDisk() {
    machine_->Kill();
    driver_.Drop();
  }

  std::string Open() {
    std::string wrong = driver_.Open(Crash::kCut);
    return wrong.empty() ? driver_.Create() : wrong;
  }

  std::string Round(ImageTally* tally);

 private:
  static support::SimLimits Limits(uint64_t capacity) {
    support::SimLimits limits;
    limits.capacity_bytes = capacity;
    return limits;
  }

  static log::CoreOptions WithMachine(log::CoreOptions options, SimFileOps* machine) {
    options.file_ops = machine;
    return options;
  }

  std::string Fill();
  std::string MakeRoom();
  std::string Resume();
  std::string CheckCut(ImageTally* tally);

  Random random_;
  support::Random cut_random_;
  const ImagePlan& plan_;
  std::unique_ptr<SimFileOps> machine_;
  SimDriver driver_;
  uint64_t capacity_ = kMebi;
};

// Appends until the disk is full, and says so in the right words.
std::string FullDisk::Fill() {
  driver_.SetFaults(true);
  std::string wrong;
  for (uint64_t append = 0; append < kAppendsMax && wrong.empty(); ++append) {
    const uint64_t before = driver_.refusals();
    wrong = driver_.Append();
    wrong = wrong.empty() && random_.OneIn(10) ? driver_.Chores() : wrong;
    machine_->Observe();
    if (driver_.refusals() == before || !wrong.empty()) {
      continue;
    }
    return driver_.last_error().code() == Code::kDiskFull
               ? ""
               : base::Format("a full disk is called %s: %s",
                              base::CodeName(driver_.last_error().code()),
                              driver_.last_error().message().c_str());
  }
  return wrong.empty() ? "the disk is never full" : wrong;
}

// By trims, or from outside.
std::string FullDisk::MakeRoom() {
  if (random_.OneIn(2)) {
    capacity_ += kMebi / 2;
    machine_->SetCapacity(capacity_);
    return "";
  }
  std::string wrong;
  for (const ShardModel& shard : driver_.model().shards) {
    uint32_t slot = 0;
    if (wrong.empty() && driver_.core()->FindShard(shard.shard, &slot).ok()) {
      wrong = driver_.TrimAll(shard.shard);
    }
  }
  return wrong;
}

// Chores alone must do: nobody reopens a log because its disk was full for a while.
std::string FullDisk::Resume() {
  for (int turn = 0; turn < 4; ++turn) {
    std::string wrong = driver_.Chores();
    if (!wrong.empty()) {
      return wrong;
    }
  }
  const log::CoreStats stats = driver_.core()->GetStats();
  const uint64_t high =
      stats.disk_low_water_bytes + stats.disk_low_water_bytes / 4 + plan_.options.segment_bytes_max;
  if (stats.disk_full && stats.disk_bytes_free >= high) {
    return "the disk has room, and appends stay refused";
  }
  if (stats.disk_full) {
    capacity_ += high;  // a trim cannot free the segment that is written to
    machine_->SetCapacity(capacity_);
    return Resume();
  }
  driver_.SetFaults(false);
  std::string wrong;
  for (int append = 0; append < 3 && wrong.empty(); ++append) {
    wrong = driver_.Append();
  }
  return wrong;
}

std::string FullDisk::CheckCut(ImageTally* tally) {
  auto image = machine_->CutPower(&cut_random_);
  // Room to recover and to write on; what is asked here is what the full disk has kept.
  image->SetCapacity(capacity_ + 4 * kMebi);
  return CheckImage(std::move(image), Crash::kCut, driver_.SnapshotModel(), random_.Next(), plan_,
                    0, tally);
}

std::string FullDisk::Round(ImageTally* tally) {
  std::string wrong = Fill();
  wrong = wrong.empty() ? driver_.Judge() : wrong;  // reads go on
  wrong = wrong.empty() ? CheckCut(tally) : wrong;
  wrong = wrong.empty() ? MakeRoom() : wrong;
  wrong = wrong.empty() ? Resume() : wrong;
  return wrong.empty() ? driver_.Judge() : wrong;
}

int Main(int argument_count, char** arguments) {
  SimRun run("disk_full", argument_count, arguments, 500);
  ImageTally tally;
  uint64_t rounds = 0;
  for (uint64_t script = run.first_script(); rounds < run.count(); ++script) {
    Random random(run.SeedOf(script));
    ImagePlan plan;
    plan.options = DrawOptions(&random);
    plan.options.disk_low_water_bytes = plan.options.segment_bytes_max * random.Between(2, 3);
    FullDisk disk(random.Next(), plan);
    std::string wrong = disk.Open();
    for (uint64_t round = 0; round < kRoundsPerScript && wrong.empty(); ++round) {
      wrong = disk.Round(&tally);
      ++rounds;
    }
    if (!wrong.empty()) {
      return run.Fail(script, base::Format("round %" PRIu64, rounds), wrong);
    }
    run.Progress(rounds);
    if (run.one_script()) {
      break;
    }
  }
  return run.Pass(rounds, base::Format("\"images\":%" PRIu64, tally.states));
}

}  // namespace
}  // namespace millrace::torture

int main(int argument_count, char** arguments) {
  return millrace::torture::Main(argument_count, arguments);
}
