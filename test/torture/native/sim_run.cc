#include "test/torture/native/sim_run.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "test/torture/native/random.h"

namespace millrace::torture {
namespace {

constexpr uint64_t kTimesTold = 20;

}  // namespace

SimRun::SimRun(const char* name, int argument_count, char** arguments, uint64_t default_count)
    : name_(name),
      arguments_(argument_count, arguments),
      count_(arguments_.Number("count", default_count)),
      seed_(arguments_.Number("seed", 1)),
      first_script_(arguments_.Number("script", 0)),
      one_script_(!arguments_.Text("script", "").empty()),
      stride_(std::max<uint64_t>(arguments_.Number("stride", 1), 1)) {
  std::printf("%s: seed %" PRIu64 ", %" PRIu64 " trials\n", name_, seed_, count_);
  std::fflush(stdout);
}

uint64_t SimRun::SeedOf(uint64_t script) const {
  Random mixer(seed_ * 0x9e3779b97f4a7c15 ^ script);
  return mixer.Next();
}

void SimRun::Progress(uint64_t trials) {
  const uint64_t step = std::max<uint64_t>(count_ / kTimesTold, 1);
  if (trials / step > told_) {
    told_ = trials / step;
    std::printf("progress %" PRIu64 "\n", trials);
    std::fflush(stdout);
  }
}

int SimRun::Fail(uint64_t script, const std::string& where, const std::string& wrong) const {
  std::printf("VIOLATION in script %" PRIu64 ", %s: %s\n", script, where.c_str(), wrong.c_str());
  std::printf("replay: %s_main --seed %" PRIu64 " --script %" PRIu64 " --stride %" PRIu64 "\n",
              name_, seed_, script, stride_);
  std::fprintf(stderr, "%s: seed %" PRIu64 ", script %" PRIu64 ", %s: %s\n", name_, seed_, script,
               where.c_str(), wrong.c_str());
  return 1;
}

int SimRun::Pass(uint64_t trials, const std::string& details) const {
  std::printf("result {\"trials\":%" PRIu64 "%s%s}\n", trials, details.empty() ? "" : ",",
              details.c_str());
  return 0;
}

}  // namespace millrace::torture
