// Failing system calls on the simulated disk: a script runs with its i-th call failing, once or for
// ever, with each error, for i = 1, 2, ... until the script meets no failure any more; then the
// next script. No crash, a named error, no promise that is not kept: after a kill with a healthy
// disk, with the page cache as the failure left it or dropped, and after a power cut everything
// acknowledged is there.
//
// With a stride each script fails every Nth of its calls alone, the first of them by the number of
// the script, so that a small count meets whole scripts, their recoveries too, and not just the
// beginning of one.
//
//   call_fault_main [--count FAULTS] [--seed N] [--script N] [--stride N]
#include <cerrno>
#include <cinttypes>
#include <memory>
#include <string>

#include "native/base/status.h"
#include "test/torture/native/sim_image.h"
#include "test/torture/native/sim_run.h"
#include "test/torture/native/sim_witness.h"

namespace millrace::torture {
namespace {

using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;

struct Failure {
  int error;
  uint32_t written_of_256;  // of a failing write
  const char* name;
  bool aborts_journal = false;
};

// A write that fails may have written anything from nothing to all of it.
constexpr Failure kFailures[] = {
    {EIO, 0, "EIO"},
    {EIO, 256, "EIO after all of the write"},
    {ENOSPC, 128, "ENOSPC"},
    {EDQUOT, 64, "EDQUOT"},
    {EMFILE, 0, "EMFILE"},
    {ENFILE, 0, "ENFILE"},
    {ENOMEM, 0, "ENOMEM"},
    {EROFS, 0, "EROFS"},
    {EIO, 100, "EIO after a part of the write"},
    {0, 0, "an aborted journal", true},
};

constexpr uint64_t kStepsMin = 12;
constexpr uint64_t kStepsMax = 40;

// One run of one script with one failing call.
class FaultRun {
 public:
  FaultRun(uint64_t seed, const ImagePlan& plan)
      : random_(seed),
        cut_random_(random_.Next()),
        plan_(plan),
        machine_(std::make_unique<SimFileOps>(kSimRoot)),
        driver_(kSimPath, WithMachine(plan.options, machine_.get()), plan.rules, random_.Next(),
                {}),
        witness_(kSimPath) {
    driver_.SetOnDiskAck([this](const ShardModel& shard, const SentBatch& batch) {
      return witness_.OnAck(machine_.get(), shard, batch, driver_.refusals());
    });
  }

  ~FaultRun() {
    machine_->Kill();
    driver_.Drop();
  }

  std::string Run(const SimFault& fault, bool* hit, ImageTally* tally);

 private:
  static log::CoreOptions WithMachine(log::CoreOptions options, SimFileOps* machine) {
    options.file_ops = machine;
    return options;
  }

  std::string Script();
  void AddFault(SimFault fault);
  void NextProcess();
  void Die();
  std::string Restart(ImageTally* tally);

  Random random_;
  support::Random cut_random_;
  const ImagePlan& plan_;
  std::unique_ptr<SimFileOps> machine_;
  SimDriver driver_;
  SimWitness witness_;
  SimFault fault_;
  uint64_t calls_before_ = 0;  // of the processes before this one
  uint64_t hits_before_ = 0;
};

// Steps, a restart in the middle, clean or not, steps, a close: every part of the log's life meets
// the failing call.
std::string FaultRun::Script() {
  Crash crash = Crash::kCut;
  const bool dies = random_.OneIn(2);
  std::string wrong = driver_.Open(crash);
  for (int part = 0; part < 2 && wrong.empty() && driver_.is_open(); ++part) {
    const uint64_t steps = random_.Between(kStepsMin, kStepsMax);
    for (uint64_t step = 0; step < steps && wrong.empty(); ++step) {
      wrong = driver_.Step();
      machine_->Observe();
    }
    if (wrong.empty() && part == 0 && dies) {
      Die();
    } else if (wrong.empty()) {
      wrong = driver_.Close(&crash);
    }
    if (wrong.empty() && part == 0) {
      wrong = driver_.Open(Crash::kCut);
    }
  }
  return wrong;
}

// The fault counts the calls of the whole script.
void FaultRun::AddFault(SimFault fault) {
  if (fault.nth > calls_before_) {
    fault.nth -= calls_before_;
  } else if (fault.for_ever) {
    fault.nth = 1;
  } else {
    return;
  }
  machine_->AddFault(fault);
}

// Killed, and the disk goes on to fail under the next process, which has to recover on it.
void FaultRun::Die() {
  calls_before_ += machine_->call_count();
  hits_before_ += machine_->fault_hits();
  NextProcess();
  AddFault(fault_);
}

// The next process on the machine, whose disk is healthy again.
void FaultRun::NextProcess() {
  witness_.Follow(machine_.get());
  auto next = machine_->Kill();
  driver_.Drop();
  machine_ = std::move(next);
  witness_.Forget();
  driver_.SetFileOps(machine_.get());
}

// The healthy disk may still tell of a write-back that failed before, at the open or at a later
// sync: faults stay allowed. After a power cut nothing of that is left.
std::string FaultRun::Restart(ImageTally* tally) {
  NextProcess();
  if (random_.OneIn(2)) {
    machine_->EvictLostPages(&cut_random_);
  }
  std::string wrong = driver_.Open(Crash::kCut);
  for (int step = 0; step < 3 && wrong.empty() && driver_.is_open(); ++step) {
    wrong = driver_.Step();
  }
  wrong = wrong.empty() && driver_.is_open() ? driver_.Judge() : wrong;
  return wrong.empty() ? CheckImage(machine_->CutPower(&cut_random_), Crash::kCut,
                                    driver_.SnapshotModel(), random_.Next(), plan_, 0, tally)
                       : wrong;
}

std::string FaultRun::Run(const SimFault& fault, bool* hit, ImageTally* tally) {
  fault_ = fault;
  AddFault(fault);
  driver_.SetFaults(true);
  std::string wrong = Script();
  *hit = hits_before_ + machine_->fault_hits() != 0;
  if (wrong.empty() && machine_->misuses() != 0) {
    wrong = "the log used a descriptor or a map that it does not have";
  }
  if (wrong.empty()) {
    wrong = CheckImage(machine_->CutPower(&cut_random_), Crash::kCut, driver_.SnapshotModel(),
                       random_.Next(), plan_, 0, tally);
  }
  return wrong.empty() ? Restart(tally) : wrong;
}

int Main(int argument_count, char** arguments) {
  SimRun run("call_fault", argument_count, arguments, 5000);
  ImageTally tally;
  uint64_t faults = 0;
  uint64_t scripts = 0;
  for (uint64_t script = run.first_script(); faults < run.count(); ++script) {
    Random random(run.SeedOf(script));
    ImagePlan plan;
    plan.options = DrawOptions(&random);
    const uint64_t seed = random.Next();
    bool any = true;
    for (uint64_t call = 1 + script % run.stride(); any && faults < run.count();
         call += run.stride()) {
      any = false;
      for (const Failure& failure : kFailures) {
        for (const bool for_ever : {false, true}) {
          if (for_ever && failure.aborts_journal) {
            continue;  // it is for ever as it is
          }
          SimFault fault;
          fault.nth = call;
          fault.for_ever = for_ever;
          fault.error = failure.error;
          fault.written_of_256 = failure.written_of_256;
          fault.aborts_journal = failure.aborts_journal;
          bool hit = false;
          const std::string wrong = FaultRun(seed, plan).Run(fault, &hit, &tally);
          if (!wrong.empty()) {
            return run.Fail(script,
                            base::Format("call %" PRIu64 " fails %s with %s", call,
                                         for_ever ? "for ever" : "once", failure.name),
                            wrong);
          }
          any = any || hit;
          faults += hit ? 1 : 0;
        }
      }
      run.Progress(faults);
    }
    ++scripts;
    if (run.one_script()) {
      break;
    }
  }
  return run.Pass(
      faults, base::Format("\"scripts\":%" PRIu64 ",\"images\":%" PRIu64, scripts, tally.states));
}

}  // namespace
}  // namespace millrace::torture

int main(int argument_count, char** arguments) {
  return millrace::torture::Main(argument_count, arguments);
}
