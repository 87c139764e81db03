// V1: opening a large log after a clean close and after a crash, and verifying all of it, against a
// loop that checksums the same bytes of the same files. The page cache is warm: the whole log has
// just been written and fits in memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/native/harness/batch_source.h"
#include "bench/native/harness/bench_log.h"
#include "bench/native/harness/plain_loop.h"
#include "bench/native/harness/report.h"
#include "bench/native/harness/run_options.h"
#include "bench/native/harness/scratch_directory.h"

namespace millrace::bench {

namespace {

constexpr uint32_t kRecords = 580;
constexpr uint32_t kShards = 4;
constexpr uint64_t kSegmentBytes = 64 * 1024 * 1024;

log::CoreOptions Options() {
  return BenchOptions(kSegmentBytes);
}

// Fills the log and closes it. Returns its records.
uint64_t Build(const std::string& path, uint64_t bytes) {
  const std::vector<uint8_t> records = PackRecords(kRecords, 100);
  const BenchLog bench_log(path, Options(), kShards);
  const uint64_t batches = bytes / BatchBytes(records);
  for (uint64_t i = 0; i < batches; ++i) {
    bench_log.Append(bench_log.slots()[i % kShards], records, kRecords);
    if (i % 16'384 == 0) {
      MustWork(
          bench_log.core()->Flush());  // or the kernel slows the appender down, at a GB or more
    }
  }
  return batches * kRecords;
}

struct Opened {
  double millis;
  bool clean;
  uint64_t records;
};

Opened OpenOnce(const std::string& path) {
  std::shared_ptr<log::Core> core;
  const double start = NowSeconds();
  MustWork(log::Core::Open(path, Options(), &core));
  Opened opened{(NowSeconds() - start) * 1e3, core->GetStats().opened_clean, 0};
  for (const uint64_t shard : core->ListShards()) {
    uint32_t slot = 0;
    log::ShardStats stats{};
    MustWork(core->FindShard(shard, &slot));
    MustWork(core->GetShardStats(slot, &stats));
    opened.records += stats.committed_next_sequence - 1;
  }
  MustWork(core->Close());
  return opened;
}

// Appends to every shard in a child that ends without a close, as a crash would.
void Crash(const std::string& path) {
  const pid_t child = ::fork();
  MILLRACE_CHECK(child >= 0);
  if (child == 0) {
    std::shared_ptr<log::Core> core;
    MustWork(log::Core::Open(path, Options(), &core));
    const std::vector<uint8_t> records = PackRecords(kRecords, 100);
    const log::Piece piece{records.data(), static_cast<uint32_t>(records.size())};
    for (const uint64_t shard : core->ListShards()) {
      uint32_t slot = 0;
      MustWork(core->FindShard(shard, &slot));
      log::AppendRequest request;
      request.pieces = &piece;
      request.piece_count = 1;
      request.records_bytes = piece.bytes;
      request.count = kRecords;
      log::AppendResult result{};
      MustWork(core->Append(slot, request, &result));
    }
    MustWork(core->Flush());
    ::_exit(0);
  }
  int status = 0;
  MILLRACE_CHECK(::waitpid(child, &status, 0) == child && status == 0);
}

// Gigabytes that this process has had read from the disk: zero as long as the page cache really is
// warm.
double DiskReadGigabytes() {
  FILE* const file = std::fopen("/proc/self/io", "r");
  double bytes = 0;
  char line[128];
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    std::sscanf(line, "read_bytes: %lf", &bytes);
  }
  if (file != nullptr) {
    std::fclose(file);
  }
  return bytes / 1e9;
}

// Checksums every file of the log. Returns gigabytes per second.
double ReadFiles(const std::string& path, uint64_t* bytes, uint32_t* work) {
  *bytes = 0;
  const double start = NowSeconds();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    const uint64_t size = entry.is_regular_file() ? entry.file_size() : 0;
    if (size != kSegmentBytes) {
      continue;
    }
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    MILLRACE_CHECK(fd >= 0);
    void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    MILLRACE_CHECK(map != MAP_FAILED);
    constexpr uint64_t kPieceBytes = 64 * 1024;
    *work =
        *work * 31 + ReadBatches(static_cast<const uint8_t*>(map), size / kPieceBytes, kPieceBytes);
    ::munmap(map, size);
    ::close(fd);
    *bytes += size;
  }
  return static_cast<double>(*bytes) / (NowSeconds() - start) / 1e9;
}

void BenchVerify(const std::string& path, int repetitions, uint64_t records, Report* report) {
  Series rates;
  Series limits;
  log::ScrubReport found;
  uint32_t work = 0;
  const double read_before = DiskReadGigabytes();
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    uint64_t file_bytes = 0;
    limits.Add(ReadFiles(path, &file_bytes, &work));
    found = log::ScrubReport{};
    const double start = NowSeconds();
    MustWork(log::VerifyDirectory(path, nullptr, &found));
    rates.Add(static_cast<double>(found.bytes) / (NowSeconds() - start) / 1e9);
    MILLRACE_CHECK(found.damaged.empty() && found.record_count == records);
  }
  report->Add(
      Row("full verify")
          .Param("bytes", found.bytes)
          .Param("memory", "page cache warm")
          .Value(rates, "GB/s")
          .Limit("read + CRC loop over the same files", limits.Median(), "GB/s")
          .Info("gigabytesReadFromDisk", DiskReadGigabytes() - read_before)
          .Check(std::to_string(found.record_count) + base::Format(" records, loop %08x", work)));
}

void Bench(const RunOptions& options, Report* report) {
  const uint64_t bytes = options.Pick<uint64_t>(10'000, 1000, 40) * 1'000'000;
  const int repetitions = options.Pick(5, 3, 1);
  const ScratchDirectory scratch(options.directory);
  const std::string path = scratch.path() + "/log";
  uint64_t records = Build(path, bytes);
  Series clean;
  Series unclean;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    const Opened after_close = OpenOnce(path);
    MILLRACE_CHECK(after_close.clean && after_close.records == records);
    clean.Add(after_close.millis);
    Crash(path);
    records += kShards * kRecords;
    const Opened after_crash = OpenOnce(path);
    MILLRACE_CHECK(!after_crash.clean && after_crash.records == records);
    unclean.Add(after_crash.millis);
  }
  const std::string check = std::to_string(records) + " records";
  for (const auto& [name, series] :
       {std::pair("clean open", &clean), std::pair("unclean open", &unclean)}) {
    report->Add(Row(name)
                    .Param("bytes", bytes)
                    .Param("shards", uint64_t{kShards})
                    .Param("memory", "page cache warm")
                    .Value(*series, "ms")
                    .Check(check));
  }
  BenchVerify(path, options.Pick(3, 2, 1), records, report);
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const RunOptions options = ParseRunOptions(argument_count, arguments);
  Report report;
  Bench(options, &report);
  report.Print();
  return 0;
}
