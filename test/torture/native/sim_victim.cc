#include "test/torture/native/sim_victim.h"

#include <utility>

namespace millrace::torture {

using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;

namespace {

constexpr uint64_t kRestartOneIn = 25;
constexpr uint64_t kBreakOneIn = 60;
constexpr uint64_t kStepsInDoubtMax = 6;

log::CoreOptions WithMachine(log::CoreOptions options, SimFileOps* machine) {
  options.file_ops = machine;
  return options;
}

}  // namespace

SimVictim::SimVictim(uint64_t seed, const ImagePlan& plan, OnPoint on_point)
    : plan_(plan),
      on_point_(std::move(on_point)),
      machine_(std::make_unique<SimFileOps>(kSimRoot)),
      random_(seed),
      evict_random_(random_.Next()),
      driver_(kSimPath, WithMachine(plan.options, machine_.get()), plan.rules, random_.Next(), {}),
      witness_(kSimPath) {
  driver_.SetOnDiskAck([this](const ShardModel& shard, const SentBatch& batch) {
    return witness_.OnAck(machine_.get(), shard, batch, driver_.refusals());
  });
  Watch();
}

SimVictim::~SimVictim() {
  machine_->SetBeforeCall(nullptr);
  machine_->Kill();
  driver_.Drop();
}

void SimVictim::Watch() {
  machine_->SetBeforeCall([this](const support::SimCall&) {
    if (wrong_.empty()) {
      wrong_ = Point();
    }
  });
}

std::string SimVictim::Point() {
  return on_point_ ? on_point_(this) : "";
}

std::string SimVictim::Run(uint64_t steps) {
  std::string wrong = driver_.Open(Crash::kCut);
  for (uint64_t step = 0; step < steps && wrong.empty() && wrong_.empty(); ++step) {
    wrong = Step();
    machine_->Observe();
    if (wrong.empty() && wrong_.empty()) {
      wrong = Point();
    }
  }
  if (wrong.empty() && machine_->misuses() != 0) {
    wrong = "the log used a descriptor or a map that it does not have";
  }
  return wrong_.empty() ? wrong : wrong_;
}

std::string SimVictim::Step() {
  if (random_.OneIn(kRestartOneIn)) {
    return Restart();
  }
  return random_.OneIn(kBreakOneIn) ? BreakSyncs() : driver_.Step();
}

// The end of this process, clean or not, and the next one on the same machine.
std::string SimVictim::Restart() {
  Crash crash = in_doubt_ ? Crash::kCut : Crash::kKill;
  if (!in_doubt_ && random_.OneIn(2)) {
    std::string wrong = driver_.Close(&crash);
    if (!wrong.empty() || !wrong_.empty()) {
      return wrong;
    }
  }
  NextProcess();
  if (in_doubt_ && random_.OneIn(2)) {
    machine_->EvictLostPages(&evict_random_);
  }
  // The first open may still be told of a write-back that failed before it; then the second one
  // must work.
  driver_.SetFaults(in_doubt_);
  std::string wrong = driver_.Open(crash);
  if (wrong.empty() && wrong_.empty() && !driver_.is_open()) {
    NextProcess();
    driver_.SetFaults(false);
    wrong = driver_.Open(crash);
  }
  driver_.SetFaults(false);
  in_doubt_ = false;
  return wrong;
}

void SimVictim::NextProcess() {
  witness_.Follow(machine_.get());
  machine_->SetBeforeCall(nullptr);
  auto next = machine_->Kill();
  driver_.Drop();
  machine_ = std::move(next);
  driver_.SetFileOps(machine_.get());
  witness_.Forget();
  Watch();
}

// A disk that fails to write back once, a few operations on what that leaves, and the restart that
// it takes.
std::string SimVictim::BreakSyncs() {
  SimFault fault;
  const bool of_segment = !random_.OneIn(4);
  fault.kind = of_segment ? SimCallKind::kSyncRange : SimCallKind::kSyncData;
  fault.path_part = of_segment ? ".seg" : "manifest";
  fault.nth = random_.Between(1, 3);
  machine_->AddFault(fault);
  in_doubt_ = true;
  driver_.SetFaults(true);
  std::string wrong;
  const uint64_t steps = random_.Between(2, kStepsInDoubtMax);
  for (uint64_t step = 0; step < steps && wrong.empty() && wrong_.empty(); ++step) {
    wrong = driver_.Step();
    machine_->Observe();
  }
  return wrong.empty() && wrong_.empty() ? Restart() : wrong;
}

}  // namespace millrace::torture
