// Group commit: 64 KiB batches with `disk` durability, several in flight, against a raw loop that
// writes and syncs as many bytes at a time as the groups had. The sync is meant to be the bound,
// not the processor.
#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bench/native/harness/batch_source.h"
#include "bench/native/harness/bench_log.h"
#include "bench/native/harness/mapped_file.h"
#include "bench/native/harness/plain_loop.h"
#include "bench/native/harness/report.h"
#include "bench/native/harness/run_options.h"
#include "bench/native/harness/scratch_directory.h"

namespace millrace::bench {

namespace {

constexpr uint32_t kRecords = 580;  // with 100 B of data each: 64 KiB
constexpr uint64_t kSegmentBytes = 64 * 1024 * 1024;
constexpr int kWarmUps = 3;
constexpr double kShareOfGoal = 0.5;          // of one processor
constexpr uint32_t kWindows[] = {4, 16, 64};  // batches in flight

// Wakes the producer when positions have moved.
class CommitWaiter final : public log::CommitListener {
 public:
  // The lock keeps the producer from falling asleep between its look and the call. Woken while it
  // is held, it would at once wait for it.
  void OnCommitted() override {
    { const std::lock_guard<std::mutex> lock(mutex_); }
    moved_.notify_one();
  }

  template <typename Condition>
  void WaitUntil(Condition condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    moved_.wait(lock, condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
};

struct GroupFigures {
  Series rate;              // megabytes per second
  Series cpu_share;         // of one processor, all threads
  Series cpu_per_gigabyte;  // seconds
  Series syncs;             // per second
  Series batches_per_sync;
  Series time_in_syncs;  // share of the time in which a group was written and synced
};

void AddTurn(double bytes, double seconds, double cpu_seconds, GroupFigures* figures) {
  figures->rate.Add(bytes / seconds / 1e6);
  figures->cpu_share.Add(cpu_seconds / seconds);
  figures->cpu_per_gigabyte.Add(cpu_seconds / bytes * 1e9);
}

void RunGroups(const BenchLog& bench_log, CommitWaiter* waiter, const std::vector<uint8_t>& records,
               uint64_t batches, uint32_t window, GroupFigures* figures) {
  const uint32_t slot = bench_log.slots()[0];
  const log::CommittedSlot& line = bench_log.core()->committed()->At(slot);
  const uint64_t room = (window - 1) * BatchBytes(records);
  const log::CoreStats at_start = bench_log.core()->GetStats();
  const Usage before = ProcessUsage();
  const double start = NowSeconds();
  uint64_t end = 0;
  for (uint64_t i = 0; i < batches; ++i) {
    end = bench_log.Append(slot, records, kRecords, log::Durability::kDisk).end_position;
    waiter->WaitUntil([&] { return line.committed_end.load() + room >= end; });
  }
  waiter->WaitUntil([&] { return line.committed_end.load() >= end; });
  const double seconds = NowSeconds() - start;
  const log::CoreStats at_end = bench_log.core()->GetStats();
  const double syncs = static_cast<double>(at_end.sync_group_count - at_start.sync_group_count);
  const double micros = static_cast<double>(at_end.sync_micros_total - at_start.sync_micros_total);
  AddTurn(static_cast<double>(batches * BatchBytes(records)), seconds,
          ProcessUsage().cpu_seconds - before.cpu_seconds, figures);
  figures->syncs.Add(syncs / seconds);
  figures->batches_per_sync.Add(static_cast<double>(batches) / syncs);
  figures->time_in_syncs.Add(micros / 1e6 / seconds);
}

// What the same groups cost without a log: gathered in memory, written in one call, synced.
void RunRaw(MappedFile* file, const std::vector<uint8_t>& records, uint64_t batches,
            uint64_t batches_per_sync, GroupFigures* figures) {
  const uint64_t group_bytes = batches_per_sync * BatchBytes(records);
  base::FileOps* const file_ops = base::PosixFileOps();
  std::vector<uint8_t> group(group_bytes);
  file->Recycle();
  uint64_t offset = 0;
  uint64_t bytes = 0;
  const Usage before = ThreadUsage();
  const double start = NowSeconds();
  while (bytes < batches * BatchBytes(records)) {
    if (offset + group_bytes > file->bytes()) {
      offset = 0;
    }
    WriteBatches(group.data(), batches_per_sync, records);
    MILLRACE_CHECK(file_ops->PWrite(file->fd(), group.data(), group_bytes, offset) == 0);
    file->Sync(offset, group_bytes);
    offset += group_bytes;
    bytes += group_bytes;
  }
  const double seconds = NowSeconds() - start;
  AddTurn(static_cast<double>(bytes), seconds, ThreadUsage().cpu_seconds - before.cpu_seconds,
          figures);
}

void BenchWindow(const RunOptions& options, uint32_t window, Report* report) {
  const int repetitions = options.Pick(5, 3, 1);
  const uint64_t batches = options.Pick<uint64_t>(3000, 600, 20);
  const ScratchDirectory scratch(options.directory);
  const std::vector<uint8_t> records = PackRecords(kRecords, 100);
  const BenchLog bench_log(scratch.path() + "/log", BenchOptions(kSegmentBytes), 1);
  CommitWaiter waiter;
  bench_log.core()->AddListener(&waiter);
  MappedFile file(scratch.path() + "/plain", kSegmentBytes);
  GroupFigures warm_up;
  GroupFigures raw_warm_up;
  // Spares are made ahead: it takes three rounds until all files are recycled ones.
  for (int round = 0; round < kWarmUps; ++round) {
    RunGroups(bench_log, &waiter, records, batches, window, &warm_up);
    bench_log.TrimAll();
  }
  const uint64_t per_sync =
      std::max<uint64_t>(1, static_cast<uint64_t>(warm_up.batches_per_sync.Median() + 0.5));
  RunRaw(&file, records, batches, per_sync, &raw_warm_up);
  GroupFigures figures;
  GroupFigures raw;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    bench_log.TrimAll();
    RunGroups(bench_log, &waiter, records, batches, window, &figures);
    RunRaw(&file, records, batches, per_sync, &raw);
  }
  bench_log.core()->RemoveListener(&waiter);
  const log::ShardStats stats = bench_log.StatsOf(bench_log.slots()[0]);
  MILLRACE_CHECK(stats.committed_next_sequence == stats.next_sequence);
  const std::string check = std::to_string(stats.next_sequence - 1) + " records on disk";
  const double cpu = figures.cpu_per_gigabyte.Median();
  const double raw_cpu = raw.cpu_per_gigabyte.Median();
  const std::string in_flight = std::to_string(window) + " batches in flight";
  report->Add(Row("group commit, " + in_flight)
                  .Param("durability", "disk")
                  .Param("batchBytes", BatchBytes(records))
                  .Param("batchesInFlight", uint64_t{window})
                  .Value(figures.rate, "MB/s")
                  .Limit("raw write + sync loop, same group size", raw.rate.Median(), "MB/s")
                  .Info("syncsPerSecond", figures.syncs.Median())
                  .Info("batchesPerSync", figures.batches_per_sync.Median())
                  .Info("shareOfTimeInSyncs", figures.time_in_syncs.Median())
                  .Check(check));
  report->Add(Row("group commit, processor share, " + in_flight)
                  .Param("durability", "disk")
                  .Param("batchBytes", BatchBytes(records))
                  .Param("batchesInFlight", uint64_t{window})
                  .Value(figures.cpu_share, "of one processor")
                  .Info("rawLoopShare", raw.cpu_share.Median())
                  .Info("rawLoopShareAtThisRate", raw_cpu * figures.rate.Median() / 1e3)
                  .Info("cpuSecondsPerGigabyte", cpu)
                  .Info("rawLoopCpuSecondsPerGigabyte", raw_cpu)
                  .Info("megabytesPerSecondOfHalfAProcessor", kShareOfGoal * 1e3 / cpu)
                  .Check(check));
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const RunOptions options = ParseRunOptions(argument_count, arguments);
  Report report;
  for (const uint32_t window : kWindows) {
    BenchWindow(options, window, &report);
  }
  report.Print();
  return 0;
}
