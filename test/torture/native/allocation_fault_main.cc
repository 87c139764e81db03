// Failing allocations: a child runs a script on a real directory with its i-th allocation inside
// the log failing, for i = 1, 2, ... until the script meets no failure any more; then the next
// script. An allocation that may fail (nothrow) must end in a clean error; any other ends the
// process, as nothing can be thrown. Either way everything acknowledged is there when the directory
// is opened again, and nothing is damaged.
//
//   allocation_fault_main [--count FAULTS] [--seed N] [--script N] [--dir DIRECTORY] [--frames 1]
//
// --frames prints where the allocations were made that ended the process, for addr2line.
#include <execinfo.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <new>
#include <string>

#include "native/base/check.h"
#include "native/base/status.h"
#include "test/torture/native/sim_driver.h"
#include "test/torture/native/sim_run.h"

namespace millrace::torture {
namespace {

constexpr size_t kModelBytesMax = 4 * 1024 * 1024;
constexpr size_t kTextBytes = 512;
constexpr int kFramesMax = 24;

// Shared by parent and child.
struct Mirror {
  char call[32];  // of the log, under way when the process ended
  char wrong[kTextBytes];
  bool fired;     // the allocation has failed
  bool was_soft;  // and its caller was told so
  uint8_t model[kModelBytesMax];
};

// The state of the failing allocator; of this process, which has one thread.
struct Trap {
  Mirror* mirror = nullptr;
  uint64_t left = 0;   // allocations until the one that fails; 0 = none will
  bool armed = false;  // inside the log
  bool frames = false;
};

Trap trap;

bool FailsNow(bool soft) {
  if (!trap.armed || trap.left == 0 || --trap.left != 0) {
    return false;
  }
  trap.mirror->fired = true;
  trap.mirror->was_soft = soft;
  return true;
}

// As the library does where nothing can be thrown: a message, and the end.
[[noreturn]] void Die() {
  trap.armed = false;
  if (trap.frames) {
    void* frames[kFramesMax];
    backtrace_symbols_fd(frames, backtrace(frames, kFramesMax), STDOUT_FILENO);
    static_cast<void>(!write(STDOUT_FILENO, "--\n", 3));
  }
  std::abort();
}

void* Allocate(size_t bytes, size_t alignment, bool soft) {
  if (FailsNow(soft)) {
    if (soft) {
      return nullptr;
    }
    Die();
  }
  void* const memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(bytes == 0 ? 1 : bytes)
          : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr && !soft) {
    std::abort();
  }
  return memory;
}

}  // namespace
}  // namespace millrace::torture

using millrace::torture::Allocate;

void* operator new(size_t bytes) {
  return Allocate(bytes, 1, false);
}

void* operator new[](size_t bytes) {
  return Allocate(bytes, 1, false);
}

void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return Allocate(bytes, 1, true);
}

void* operator new[](size_t bytes, const std::nothrow_t&) noexcept {
  return Allocate(bytes, 1, true);
}

void* operator new(size_t bytes, std::align_val_t alignment) {
  return Allocate(bytes, static_cast<size_t>(alignment), false);
}

void* operator new[](size_t bytes, std::align_val_t alignment) {
  return Allocate(bytes, static_cast<size_t>(alignment), false);
}

void* operator new(size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(bytes, static_cast<size_t>(alignment), true);
}

void* operator new[](size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(bytes, static_cast<size_t>(alignment), true);
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete[](void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

void operator delete[](void* memory, size_t) noexcept {
  std::free(memory);
}

void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}

void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}

void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

void operator delete[](void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace millrace::torture {
namespace {

constexpr uint64_t kStepsMin = 6;
constexpr uint64_t kStepsMax = 25;

struct Tally {
  uint64_t faults = 0;
  uint64_t soft = 0;
  std::map<std::string, uint64_t> ended;  // by call
};

// The script: a life, a clean restart, another one.
std::string RunScript(SimDriver* driver, Random* random) {
  Crash crash = Crash::kKill;
  std::string wrong;
  for (int life = 0; life < 2 && wrong.empty(); ++life) {
    wrong = driver->Open(crash);
    const uint64_t steps = random->Between(kStepsMin, kStepsMax);
    for (uint64_t step = 0; step < steps && wrong.empty() && driver->is_open(); ++step) {
      wrong = driver->Step();
    }
    if (wrong.empty() && driver->is_open()) {
      wrong = driver->Close(&crash);
    }
  }
  return wrong;
}

DriverRules RulesOf(bool faults) {
  DriverRules rules;
  rules.faults = faults;
  rules.records_bytes_max = 8 * 1024;
  return rules;
}

// Never returns: the child's end is its answer.
[[noreturn]] void RunChild(const std::string& path, const log::CoreOptions& options, uint64_t seed,
                           uint64_t nth, Mirror* mirror) {
  const struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  Random random(seed);
  SimDriver driver(path, options, RulesOf(true), random.Next(), {});
  driver.SetOnReturn([] { trap.armed = false; });
  driver.SetOnChange([&driver, mirror](const char* call, bool begins) {
    MILLRACE_CHECK(driver.model().Encode(mirror->model, sizeof mirror->model));
    std::snprintf(mirror->call, sizeof mirror->call, "%s", call);
    trap.armed = begins;
  });
  trap.mirror = mirror;
  trap.left = nth;
  const std::string wrong = RunScript(&driver, &random);
  trap.armed = false;
  std::snprintf(mirror->wrong, sizeof mirror->wrong, "%s", wrong.c_str());
  driver.Drop();
  _exit(wrong.empty() ? 0 : 1);
}

// What the child left, opened with all the memory it needs.
std::string JudgeLeft(const std::string& path, const log::CoreOptions& options, uint64_t seed,
                      const Mirror& mirror) {
  DirectoryModel model;
  model.Decode(mirror.model);
  SimDriver driver(path, options, RulesOf(false), seed, std::move(model));
  std::string wrong = driver.Open(Crash::kKill);
  for (int step = 0; step < 3 && wrong.empty(); ++step) {
    wrong = driver.Step();
  }
  Crash crash = Crash::kKill;
  wrong = wrong.empty() ? driver.Judge() : wrong;
  return wrong.empty() ? driver.Close(&crash) : wrong;
}

std::string RunFault(const std::string& path, const log::CoreOptions& options, uint64_t seed,
                     uint64_t nth, Mirror* mirror, Tally* tally) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
  *mirror = Mirror{};
  MILLRACE_CHECK(DirectoryModel{}.Encode(mirror->model, sizeof mirror->model));
  std::fflush(stdout);
  const pid_t child = fork();
  MILLRACE_CHECK(child >= 0);
  if (child == 0) {
    RunChild(path, options, seed, nth, mirror);
  }
  int status = 0;
  MILLRACE_CHECK(waitpid(child, &status, 0) == child);
  const bool ended = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  if (mirror->wrong[0] != '\0') {
    return mirror->wrong;
  }
  const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!clean && !(ended && mirror->fired && !mirror->was_soft)) {
    return base::Format("%s ended with status 0x%x, the allocation %s", mirror->call, status,
                        mirror->was_soft ? "could be refused" : "could not be refused");
  }
  if (!mirror->fired) {
    return "";
  }
  ++tally->faults;
  tally->soft += mirror->was_soft ? 1 : 0;
  if (ended) {
    ++tally->ended[mirror->call];
  }
  return JudgeLeft(path, options, seed, *mirror);
}

log::CoreOptions OptionsOf(Random* random) {
  log::CoreOptions options = DrawOptions(random);
  options.file_ops = nullptr;
  return options;
}

std::string EndedText(const Tally& tally) {
  std::string text;
  for (const auto& [call, count] : tally.ended) {
    text += base::Format("%s\"%s\":%" PRIu64, text.empty() ? "" : ",", call.c_str(), count);
  }
  return text;
}

int Main(int argument_count, char** arguments) {
  SimRun run("allocation_fault", argument_count, arguments, 2000);
  const Arguments own(argument_count, arguments);
  trap.frames = own.Number("frames", 0) != 0;
  void* const shared =
      mmap(nullptr, sizeof(Mirror), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  MILLRACE_CHECK(shared != MAP_FAILED);
  auto* const mirror = static_cast<Mirror*>(shared);
  // Only the process dies here, never the machine: memory is as good as a disk, and quicker.
  const std::string parent = own.Text("dir", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  const std::string path =
      parent + base::Format("/allocation-fault-%d", static_cast<int>(getpid()));
  Tally tally;
  std::string wrong;
  uint64_t script = run.first_script();
  uint64_t nth = 1;
  for (; wrong.empty() && tally.faults < run.count(); ++script) {
    Random random(run.SeedOf(script));
    const log::CoreOptions options = OptionsOf(&random);
    const uint64_t seed = random.Next();
    for (nth = 1; wrong.empty() && tally.faults < run.count(); ++nth) {
      wrong = RunFault(path, options, seed, nth, mirror, &tally);
      if (!mirror->fired) {
        break;
      }
      run.Progress(tally.faults);
    }
    if (run.one_script()) {
      break;
    }
  }
  std::error_code ignored;
  if (!wrong.empty()) {
    return run.Fail(run.one_script() ? script : script - 1,
                    base::Format("allocation %" PRIu64 " fails in %s", nth - 1, mirror->call),
                    wrong);
  }
  std::filesystem::remove_all(path, ignored);
  return run.Pass(tally.faults, base::Format("\"refused\":%" PRIu64 ",\"ended\":{%s}", tally.soft,
                                             EndedText(tally).c_str()));
}

}  // namespace
}  // namespace millrace::torture

int main(int argument_count, char** arguments) {
  return millrace::torture::Main(argument_count, arguments);
}
