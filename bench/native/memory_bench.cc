// What idle shards cost: resident memory of a process that holds thousands of shards with one batch
// each, and how long they take to open, after a clean close and after a crash. Each step runs in a
// child of its own, so that one does not weigh on the next.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/harness/batch_source.h"
#include "bench/native/harness/bench_log.h"
#include "bench/native/harness/report.h"
#include "bench/native/harness/run_options.h"
#include "bench/native/harness/scratch_directory.h"

namespace millrace::bench {

namespace {

// The smallest segments, as shards that were hardly written to have; the rest as it comes.
log::CoreOptions Options() {
  log::CoreOptions options = BenchOptions(format::kSegmentBytesMin);
  options.segment_bytes_max = format::kSegmentBytesMax;
  return options;
}

// A line of /proc/self/status, in KiB.
double StatusKibibytes(const char* field) {
  FILE* const file = std::fopen("/proc/self/status", "r");
  MILLRACE_CHECK(file != nullptr);
  char line[256];
  double value = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    const size_t length = std::strlen(field);
    if (std::strncmp(line, field, length) == 0 && line[length] == ':') {
      value = std::atof(line + length + 1);
    }
  }
  std::fclose(file);
  return value;
}

struct Footprint {
  double seconds;    // of the open
  double before;     // KiB resident before it
  double resident;   // KiB, once the shards are idle
  double anonymous;  // of them
  double peak;       // KiB, at most, so far
  double index;      // KiB, of all indexes
  uint64_t shard_count;
  bool clean;
};

// An idle shard lets go of its writer; the process is measured when that has happened and nothing
// changes any more.
void WaitUntilIdle() {
  double last = 0;
  for (int wait = 0; wait < 40; ++wait) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    const double resident = StatusKibibytes("VmRSS");
    if (resident == last) {
      return;
    }
    last = resident;
  }
}

Footprint Measure(log::Core* core, double before, double seconds) {
  WaitUntilIdle();
  Footprint footprint{seconds,
                      before,
                      StatusKibibytes("VmRSS"),
                      StatusKibibytes("RssAnon"),
                      StatusKibibytes("VmHWM"),
                      0,
                      core->ListShards().size(),
                      core->GetStats().opened_clean};
  for (const uint64_t shard : core->ListShards()) {
    uint32_t slot = 0;
    log::ShardStats stats{};
    MustWork(core->FindShard(shard, &slot));
    MustWork(core->GetShardStats(slot, &stats));
    MILLRACE_CHECK(stats.committed_next_sequence > 1);
    footprint.index += static_cast<double>(stats.index_bytes) / 1024;
  }
  return footprint;
}

std::shared_ptr<log::Core> OpenTimed(const std::string& path, double* seconds) {
  std::shared_ptr<log::Core> core;
  const double start = NowSeconds();
  MustWork(log::Core::Open(path, Options(), &core));
  *seconds = NowSeconds() - start;
  return core;
}

void AppendToAll(log::Core* core) {
  const std::vector<uint8_t> records = PackRecords(1, 100);
  const log::Piece piece{records.data(), static_cast<uint32_t>(records.size())};
  for (const uint64_t shard : core->ListShards()) {
    uint32_t slot = 0;
    MustWork(core->FindShard(shard, &slot));
    log::AppendRequest request;
    request.pieces = &piece;
    request.piece_count = 1;
    request.records_bytes = piece.bytes;
    request.count = 1;
    request.durability = log::Durability::kOs;
    log::AppendResult result{};
    MustWork(core->Append(slot, request, &result));
  }
  MustWork(core->Flush());
}

enum class Step : uint8_t { kCreate, kOpenClean, kCrash, kOpenUnclean };

Footprint RunStep(const std::string& path, uint32_t shard_count, Step step) {
  const double before = StatusKibibytes("VmRSS");
  double seconds = 0;
  const std::shared_ptr<log::Core> core = OpenTimed(path, &seconds);
  if (step == Step::kCreate) {
    std::vector<uint64_t> shards;
    MustWork(core->CreateShards(std::vector<uint64_t>(shard_count, 1), &shards));
  }
  if (step == Step::kCreate || step == Step::kCrash) {
    AppendToAll(core.get());
  }
  if (step == Step::kCrash) {
    ::_exit(0);  // before anything can be closed
  }
  const Footprint footprint = Measure(core.get(), before, seconds);
  MustWork(core->Close());
  return footprint;
}

Footprint InChild(const std::string& path, uint32_t shard_count, Step step) {
  int ends[2];
  MILLRACE_CHECK(::pipe(ends) == 0);
  const pid_t child = ::fork();
  MILLRACE_CHECK(child >= 0);
  if (child == 0) {
    const Footprint footprint = RunStep(path, shard_count, step);
    const ssize_t written = ::write(ends[1], &footprint, sizeof footprint);
    ::_exit(written == static_cast<ssize_t>(sizeof footprint) ? 0 : 1);
  }
  ::close(ends[1]);  // so that the end of the child is the end of the pipe
  Footprint footprint{};
  const ssize_t got = ::read(ends[0], &footprint, sizeof footprint);
  int status = 0;
  MILLRACE_CHECK(::waitpid(child, &status, 0) == child && status == 0);
  MILLRACE_CHECK(step == Step::kCrash || got == static_cast<ssize_t>(sizeof footprint));
  ::close(ends[0]);
  return footprint;
}

void AddRows(const std::string& when, const Footprint& footprint, bool opened, Report* report) {
  const double shards = static_cast<double>(footprint.shard_count);
  const std::string check = std::to_string(footprint.shard_count) + " shards with a record";
  report->Add(Row("memory of an idle shard, " + when)
                  .Param("shards", footprint.shard_count)
                  .Value((footprint.resident - footprint.before - footprint.index) / shards, "KiB")
                  .Info("indexKibibytesPerShard", footprint.index / shards)
                  .Info("anonymousKibibytesPerShard", footprint.anonymous / shards)
                  .Check(check));
  report->Add(Row("memory of the process, " + when)
                  .Param("shards", footprint.shard_count)
                  .Value(footprint.peak / 1024, "MiB at most")
                  .Info("idleMebibytes", footprint.resident / 1024)
                  .Check(check));
  if (opened) {
    report->Add(Row("open of all shards, " + when)
                    .Param("shards", footprint.shard_count)
                    .Value(footprint.seconds, "s")
                    .Check(check));
  }
}

// Every shard that is being written to has a file open.
void RaiseFileLimit() {
  rlimit files{};
  MILLRACE_CHECK(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = files.rlim_max;
  MILLRACE_CHECK(::setrlimit(RLIMIT_NOFILE, &files) == 0);
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const RunOptions options = ParseRunOptions(argument_count, arguments);
  const uint32_t shard_count = options.Pick<uint32_t>(10'000, 1000, 20);
  RaiseFileLimit();
  Report report;
  const ScratchDirectory scratch(options.directory);
  const std::string path = scratch.path() + "/log";
  AddRows("after its append", InChild(path, shard_count, Step::kCreate), false, &report);
  const Footprint clean = InChild(path, shard_count, Step::kOpenClean);
  MILLRACE_CHECK(clean.clean && clean.shard_count == shard_count);
  AddRows("after a clean open", clean, true, &report);
  InChild(path, shard_count, Step::kCrash);
  const Footprint unclean = InChild(path, shard_count, Step::kOpenUnclean);
  MILLRACE_CHECK(!unclean.clean && unclean.shard_count == shard_count);
  AddRows("after an unclean open", unclean, true, &report);
  report.Print();
  return 0;
}
