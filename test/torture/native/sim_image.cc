#include "test/torture/native/sim_image.h"

#include <utility>

#include "test/torture/native/sim_judge.h"

namespace millrace::torture {
namespace {

using support::CutMode;
using support::SimFileOps;

// An open makes about so many calls; a few more fall into what follows.
constexpr uint64_t kCallsBeforeCutMax = 120;
constexpr uint64_t kStepsMax = 4;

class Image {
 public:
  Image(std::unique_ptr<SimFileOps> machine, Crash crash, DirectoryModel model, uint64_t seed,
        const ImagePlan& plan, int depth, ImageTally* tally)
      : machine_(std::move(machine)),
        crash_(crash),
        plan_(plan),
        depth_(depth),
        tally_(tally),
        random_(seed),
        cut_random_(random_.Next()),
        driver_(kSimPath, WithMachine(plan.options, machine_.get()), plan.rules, random_.Next(),
                std::move(model)) {}

  std::string Check();

 private:
  static log::CoreOptions WithMachine(log::CoreOptions options, SimFileOps* machine) {
    options.file_ops = machine;
    return options;
  }

  std::string OpenAndWrite();
  std::string End();
  std::string Reopen(Crash crash);
  void CutAgain();
  void ArmCut();

  std::unique_ptr<SimFileOps> machine_;
  const Crash crash_;
  const ImagePlan& plan_;
  const int depth_;
  ImageTally* const tally_;
  Random random_;
  support::Random cut_random_;
  SimDriver driver_;
  uint64_t calls_before_cut_ = 0;
  bool cut_ = false;
  std::string inner_wrong_;
};

// The cut of the next level, at a call drawn in advance.
void Image::ArmCut() {
  if (depth_ == 0) {
    return;
  }
  calls_before_cut_ = random_.Below(kCallsBeforeCutMax);
  machine_->SetBeforeCall([this](const support::SimCall&) {
    if (calls_before_cut_ == 0 && !cut_) {
      CutAgain();
    } else if (!cut_) {
      --calls_before_cut_;
    }
  });
}

void Image::CutAgain() {
  cut_ = true;
  inner_wrong_ = CheckImage(machine_->CutPower(&cut_random_), Crash::kCut, driver_.SnapshotModel(),
                            random_.Next(), plan_, depth_ - 1, tally_);
}

std::string Image::Check() {
  ++tally_->states;
  tally_->cuts += crash_ == Crash::kCut ? 1 : 0;
  machine_->SetTracing(false);
  std::string wrong;
  if (random_.OneIn(4)) {
    wrong = JudgeVerified(kSimPath, machine_.get(), crash_, driver_.model());
  }
  if (wrong.empty()) {
    ArmCut();
    wrong = OpenAndWrite();
  }
  if (wrong.empty() && inner_wrong_.empty() && depth_ > 0 && !cut_) {
    CutAgain();
  }
  if (wrong.empty() && inner_wrong_.empty()) {
    machine_->SetBeforeCall(nullptr);
    wrong = End();
  }
  if (wrong.empty() && machine_->misuses() != 0) {
    wrong = "the log used a descriptor or a map that it does not have";
  }
  return inner_wrong_.empty() ? wrong : inner_wrong_;
}

std::string Image::OpenAndWrite() {
  uint64_t sent = 0;
  for (const ShardModel& shard : driver_.model().shards) {
    sent += shard.batches.size();
  }
  std::string wrong = driver_.Open(crash_);
  if (!wrong.empty()) {
    return wrong;
  }
  uint64_t kept = 0;
  for (const ShardModel& shard : driver_.model().shards) {
    kept += shard.batches.size();
  }
  const log::CoreStats stats = driver_.core()->GetStats();
  tally_->lost_os += sent > kept ? sent - kept : 0;
  tally_->recovered += stats.opened_clean ? 0 : 1;
  tally_->torn += stats.recovered_torn_shards;
  const uint64_t steps = random_.Below(kStepsMax + 1);
  for (uint64_t step = 0; step < steps && wrong.empty(); ++step) {
    wrong = driver_.Step();
    machine_->Observe();
  }
  return wrong.empty() && steps != 0 ? driver_.Judge() : wrong;
}

std::string Image::End() {
  const uint64_t kind = random_.Below(8);
  Crash crash = Crash::kKill;
  if (kind < 5) {
    machine_->Kill();  // only so that the log's objects go quickly
    driver_.Drop();
    return "";
  }
  if (kind == 5) {
    auto next = machine_->Kill();
    driver_.Drop();
    machine_ = std::move(next);
    return Reopen(Crash::kKill);
  }
  std::string wrong = driver_.Close(&crash);
  if (wrong.empty()) {
    wrong = JudgeVerified(kSimPath, machine_.get(), crash, driver_.model());
  }
  return wrong.empty() && kind == 6 ? Reopen(crash) : wrong;
}

std::string Image::Reopen(Crash crash) {
  machine_->SetTracing(false);
  driver_.SetFileOps(machine_.get());
  std::string wrong = driver_.Open(crash);
  machine_->Kill();
  driver_.Drop();
  return wrong;
}

}  // namespace

std::string CheckImage(std::unique_ptr<SimFileOps> machine, Crash crash, DirectoryModel model,
                       uint64_t seed, const ImagePlan& plan, int depth, ImageTally* tally) {
  return Image(std::move(machine), crash, std::move(model), seed, plan, depth, tally).Check();
}

}  // namespace millrace::torture
