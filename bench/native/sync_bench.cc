// What a sync costs on this disk: one file with 4 KiB, 1 MiB and 64 MiB of dirty pages, and 1, 4
// and 16 files with one dirty page each, one after another and with the write-back of all of them
// started first. The limit under every figure with `disk` durability. A disk that has had nothing
// to do for a moment takes longer: a log that is written to a thousand times a second meets that.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/harness/mapped_file.h"
#include "bench/native/harness/report.h"
#include "bench/native/harness/run_options.h"
#include "bench/native/harness/scratch_directory.h"

namespace millrace::bench {

namespace {

constexpr uint64_t kFileBytes = 64 * 1024 * 1024;

using Files = std::vector<std::unique_ptr<MappedFile>>;

Files MakeFiles(const std::string& directory, size_t count) {
  Files files;
  for (size_t i = 0; i < count; ++i) {
    files.push_back(
        std::make_unique<MappedFile>(directory + "/sync-" + std::to_string(i), kFileBytes));
  }
  return files;
}

// Written, as a store through a map may make more pages dirty than it changes.
void Dirty(const MappedFile& file, uint64_t bytes, int value) {
  const std::vector<uint8_t> data(bytes, static_cast<uint8_t>(value));
  MILLRACE_CHECK(base::PosixFileOps()->PWrite(file.fd(), data.data(), bytes, 0) == 0);
}

double SyncMillis(const Files& files, uint64_t bytes, bool start_first) {
  const double start = NowSeconds();
  for (size_t i = 0; start_first && i < files.size(); ++i) {
    base::PosixFileOps()->StartWriteback(files[i]->fd(), 0, bytes);
  }
  for (const auto& file : files) {
    file->Sync(0, bytes);
  }
  return (NowSeconds() - start) * 1e3;
}

struct Load {
  size_t files;
  uint64_t bytes;  // dirty, of each
  bool start_first = false;
  std::chrono::microseconds pause{0};  // before each
};

void BenchSync(const RunOptions& options, const std::string& name, const Load& load,
               Report* report) {
  const uint64_t bytes = load.bytes;
  const uint64_t syncs =
      bytes >= kFileBytes ? options.Pick<uint64_t>(9, 3, 1) : options.Pick<uint64_t>(201, 31, 2);
  const ScratchDirectory scratch(options.directory);
  const Files files = MakeFiles(scratch.path(), load.files);
  Series millis;
  double first = 0;
  for (uint64_t i = 0; i <= syncs; ++i) {
    std::this_thread::sleep_for(load.pause);
    for (const auto& file : files) {
      Dirty(*file, bytes, static_cast<int>(i + 1));
    }
    const double took = SyncMillis(files, bytes, load.start_first);
    if (i == 0) {
      first = took;  // allocates what the file system has put off
    } else {
      millis.Add(took);
    }
  }
  Row row(name);
  report->Add(row.Param("files", uint64_t{load.files})
                  .Param("dirtyBytesPerFile", bytes)
                  .Value(millis, "ms")
                  .Info("p99Millis", millis.Quantile(0.99))
                  .Info("firstMillis", first)
                  .Info("gigabytesPerSecond",
                        static_cast<double>(bytes * load.files) / (millis.Median() / 1e3) / 1e9)
                  .Check(std::to_string(syncs + 1) + " syncs"));
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const RunOptions options = ParseRunOptions(argument_count, arguments);
  Report report;
  if (options.Wants("page")) {
    BenchSync(options, "sync 1 file, 4 KiB", {1, 4096}, &report);
    BenchSync(options, "sync 1 file, 4 KiB, 1 ms apart",
              {1, 4096, false, std::chrono::microseconds(1000)}, &report);
  }
  if (options.Wants("shards")) {
    BenchSync(options, "sync 4 files, 4 KiB each, write-back started first", {4, 4096, true},
              &report);
    BenchSync(options, "sync 4 files, 1 MiB each, write-back started first", {4, 1024 * 1024, true},
              &report);
  }
  if (!options.Wants("more")) {
    report.Print();
    return 0;
  }
  BenchSync(options, "sync 1 file, 1 MiB", {1, 1024 * 1024}, &report);
  BenchSync(options, "sync 1 file, 64 MiB", {1, kFileBytes}, &report);
  for (const size_t files : {size_t{4}, size_t{16}}) {
    const std::string name = "sync " + std::to_string(files) + " files, 4 KiB each";
    BenchSync(options, name + ", one after another", {files, 4096}, &report);
  }
  BenchSync(options, "sync 16 files, 4 KiB each, write-back started first", {16, 4096, true},
            &report);
  report.Print();
  return 0;
}
