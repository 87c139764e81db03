// E1 and E2: appends of 500-record batches in C++ with `os` durability, against the plain
// copy-and-checksum loop over the same kind of memory: warm segments on disk and on tmpfs (part
// warm), fresh and recycled ones with the helper thread prefaulting (part cold).
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/native/harness/batch_source.h"
#include "bench/native/harness/bench_log.h"
#include "bench/native/harness/mapped_file.h"
#include "bench/native/harness/plain_loop.h"
#include "bench/native/harness/report.h"
#include "bench/native/harness/run_options.h"
#include "bench/native/harness/scratch_directory.h"
#include "bench/native/harness/warm_file_ops.h"

namespace millrace::bench {

namespace {

constexpr uint32_t kRecords = 500;
constexpr uint32_t kRecordSizes[] = {100, 1024};
constexpr uint64_t kSegmentBytes = 64 * 1024 * 1024;

// Appended before recycled segments are measured, until every file has been written once: a log
// makes its spares ahead, so that it takes three rounds to have enough of them.
constexpr int kRoundsToRecycling = 3;

// Stays well below the point at which the kernel slows writers down: a few GB of dirty pages.
struct Effort {
  uint32_t segments;  // written per repetition
  int repetitions;
};

std::string SizeName(uint32_t record_bytes) {
  return record_bytes == 1024 ? "1 KiB" : base::Format("%u B", record_bytes);
}

double RecordsPerSecond(uint64_t batches, double seconds) {
  return static_cast<double>(batches * kRecords) / seconds;
}

Row MakeRow(const std::string& name, uint32_t record_bytes, const Effort& effort,
            const Series& rates, const char* memory) {
  Row row(name);
  row.Param("recordBytes", uint64_t{record_bytes})
      .Param("recordsPerBatch", uint64_t{kRecords})
      .Param("bytesPerRepetition", effort.segments * kSegmentBytes)
      .Param("durability", "os")
      .Param("memory", memory)
      .Value(rates, "records/s")
      .Info("gigabytesPerSecond", rates.Median() * record_bytes / 1e9);
  return row;
}

struct Sample {
  double rate;
  double cpu_rate;  // per second that the thread ran: what other programs take does not count
  double faults;
};

template <typename Work>
Sample TimeBatches(uint64_t batches, Work work) {
  const Usage before = ThreadUsage();
  const double start = NowSeconds();
  work();
  const double seconds = NowSeconds() - start;
  const Usage after = ThreadUsage();
  return {RecordsPerSecond(batches, seconds),
          RecordsPerSecond(batches, std::max(after.cpu_seconds - before.cpu_seconds, 1e-6)),
          static_cast<double>(after.minor_faults - before.minor_faults)};
}

// Appends as many batches as fit into the segments, starting at the beginning of one.
Sample AppendRun(const BenchLog& bench_log, const std::vector<uint8_t>& records, uint64_t batches) {
  return TimeBatches(batches, [&] {
    for (uint64_t i = 0; i < batches; ++i) {
      bench_log.Append(bench_log.slots()[0], records, kRecords);
    }
  });
}

using Files = std::vector<std::unique_ptr<MappedFile>>;

// The same bytes through the plain loop, file after file.
Sample LoopRun(const Files& files, const std::vector<uint8_t>& records, uint64_t batches_per_file,
               uint32_t* work) {
  return TimeBatches(batches_per_file * files.size(), [&] {
    for (const auto& file : files) {
      uint8_t* const to = file->data() + format::kSegmentHeaderBlockBytes;
      *work = *work * 31 + WriteBatches(to, batches_per_file, records);
    }
  });
}

Files MakeFiles(const std::string& directory, uint32_t count, MapKind kind = MapKind::kAsTheLog) {
  const std::string name = kind == MapKind::kPlain ? "/plain-" : "/huge-";
  Files files;
  for (uint32_t i = 0; i < count; ++i) {
    files.push_back(
        std::make_unique<MappedFile>(directory + name + std::to_string(i), kSegmentBytes, kind));
  }
  return files;
}

uint64_t BatchesPerSegment(const std::vector<uint8_t>& records) {
  return (kSegmentBytes - format::kSegmentOverheadBytes - format::kBatchHeaderBytes) /
         BatchBytes(records);
}

// Every record that was appended must be there, or the rate means nothing.
std::string CheckCount(const BenchLog& bench_log) {
  const log::ShardStats stats = bench_log.StatsOf(bench_log.slots()[0]);
  MILLRACE_CHECK(stats.committed_next_sequence == stats.next_sequence);
  return std::to_string(stats.next_sequence - 1) + " records";
}

void BenchWarm(const RunOptions& options, const std::string& parent, const char* where,
               uint32_t record_bytes, Report* report) {
  const Effort effort = options.Pick<Effort>({6, 9}, {3, 5}, {1, 1});
  const ScratchDirectory scratch(parent);
  const std::vector<uint8_t> records = PackRecords(kRecords, record_bytes);
  const uint64_t per_segment = BatchesPerSegment(records);
  WarmFileOps warm;
  log::CoreOptions core_options = BenchOptions(kSegmentBytes);
  core_options.file_ops = &warm;
  core_options.spare_segments = effort.segments + 1;
  core_options.idle_marker_millis = 60'000;  // an idle shard lets go of its map
  const BenchLog bench_log(scratch.path() + "/log", core_options, 1);
  auto files = MakeFiles(scratch.path(), effort.segments);
  PinToLastProcessor();
  Series rates;
  Series limits;
  Series faults;
  Series cpu_shares;
  uint32_t work = 0;
  for (int repetition = -1; repetition < effort.repetitions; ++repetition) {
    bench_log.FillSegment(bench_log.slots()[0], records, kRecords);
    bench_log.WaitForSpares(effort.segments);
    MustWork(bench_log.core()->Flush());
    warm.Hold(true);
    const Sample sample = AppendRun(bench_log, records, per_segment * effort.segments);
    warm.Hold(false);
    for (const auto& file : files) {
      file->Recycle();
      file->Populate();
    }
    const Sample limit = LoopRun(files, records, per_segment, &work);
    bench_log.TrimAll();
    if (repetition >= 0) {  // the first is the warm-up
      rates.Add(sample.rate);
      faults.Add(sample.faults);
      limits.Add(limit.rate);
      cpu_shares.Add(sample.cpu_rate / limit.cpu_rate);
    }
  }
  Row row = MakeRow("append " + SizeName(record_bytes) + ", warm, " + where, record_bytes, effort,
                    rates, "populated maps of recycled files");
  report->Add(row.Limit("copy + CRC loop, populated map", limits.Median(), "records/s")
                  .Info("shareOfLimitByCpuTime", cpu_shares.Median())
                  .Info("minorFaults", faults.Median())
                  .Check(CheckCount(bench_log) + base::Format(", loop %08x", work)));
}

// What E2 compares: the log, the loop on populated pages, the loop that populates them itself, and
// the loop that takes its faults as it goes.
struct ColdFigures {
  Series log;
  Series populated;
  Series populating;
  Series faulting;
  Series faults;
};

// Populates file after file and writes each: the page work of the log on one thread, and nothing
// else of it.
double PopulatingRun(const Files& files, const std::vector<uint8_t>& records,
                     uint64_t batches_per_file, uint32_t* work) {
  return TimeBatches(batches_per_file * files.size(),
                     [&] {
                       for (const auto& file : files) {
                         file->Populate();
                         uint8_t* const to = file->data() + format::kSegmentHeaderBlockBytes;
                         *work = *work * 31 + WriteBatches(to, batches_per_file, records);
                       }
                     })
      .rate;
}

// The three loops, over files in the state that the log's were in.
void RunLoops(const Files& plain, const Files& huge, const std::vector<uint8_t>& records,
              uint64_t batches_per_file, uint32_t* work, ColdFigures* figures) {
  figures->faulting.Add(LoopRun(plain, records, batches_per_file, work).rate);
  figures->populating.Add(PopulatingRun(huge, records, batches_per_file, work));
  for (const auto& file : huge) {
    file->Recycle();
    file->Populate();
  }
  figures->populated.Add(LoopRun(huge, records, batches_per_file, work).rate);
}

void AddColdRows(const std::string& state, uint32_t record_bytes, const Effort& effort,
                 const ColdFigures& figures, const std::string& check, Report* report) {
  const std::string name = "append " + SizeName(record_bytes) + ", " + state;
  const auto add = [&](const char* suffix, const char* limit, const Series& rates) {
    Row row = MakeRow(name + suffix, record_bytes, effort, figures.log, state.c_str());
    report->Add(row.Limit(limit, rates.Median(), "records/s")
                    .Info("minorFaults", figures.faults.Median())
                    .Check(check));
  };
  add("", "copy + CRC loop, populated map", figures.populated);
  add(", against demand faults", "copy + CRC loop, demand faults, plain map", figures.faulting);
  add(", against populating", "populate, then copy + CRC, one thread", figures.populating);
}

void BenchFresh(const RunOptions& options, uint32_t record_bytes, Report* report) {
  const Effort effort = options.Pick<Effort>({4, 5}, {2, 3}, {1, 1});
  const std::vector<uint8_t> records = PackRecords(kRecords, record_bytes);
  const uint64_t per_segment = BatchesPerSegment(records);
  ColdFigures figures;
  std::string check;
  uint32_t work = 0;
  for (int repetition = 0; repetition < effort.repetitions; ++repetition) {
    const ScratchDirectory scratch(options.directory);
    {
      const BenchLog bench_log(scratch.path() + "/log", BenchOptions(kSegmentBytes), 1);
      PinToLastProcessor();
      const Sample sample = AppendRun(bench_log, records, per_segment * effort.segments);
      figures.log.Add(sample.rate);
      figures.faults.Add(sample.faults);
      check = CheckCount(bench_log);
    }
    const Files plain = MakeFiles(scratch.path(), effort.segments, MapKind::kPlain);
    const Files huge = MakeFiles(scratch.path(), effort.segments);
    RunLoops(plain, huge, records, per_segment, &work, &figures);
  }
  AddColdRows("fresh", record_bytes, effort, figures, check, report);
}

void BenchRecycled(const RunOptions& options, uint32_t record_bytes, Report* report) {
  const Effort effort = options.Pick<Effort>({6, 7}, {3, 3}, {1, 1});
  const ScratchDirectory scratch(options.directory);
  const std::vector<uint8_t> records = PackRecords(kRecords, record_bytes);
  const uint64_t per_segment = BatchesPerSegment(records);
  const BenchLog bench_log(scratch.path() + "/log", BenchOptions(kSegmentBytes), 1);
  const Files plain = MakeFiles(scratch.path(), effort.segments, MapKind::kPlain);
  const Files huge = MakeFiles(scratch.path(), effort.segments);
  PinToLastProcessor();
  ColdFigures figures;
  ColdFigures warm_up;
  uint32_t work = 0;
  for (int repetition = -kRoundsToRecycling; repetition < effort.repetitions; ++repetition) {
    bench_log.FillSegment(bench_log.slots()[0], records, kRecords);
    bench_log.WaitForSpares(2);
    const Sample sample = AppendRun(bench_log, records, per_segment * effort.segments);
    bench_log.TrimAll();
    for (const Files* const files : {&plain, &huge}) {
      for (const auto& file : *files) {
        file->Recycle();
      }
    }
    ColdFigures* const into = repetition < 0 ? &warm_up : &figures;
    into->log.Add(sample.rate);
    into->faults.Add(sample.faults);
    RunLoops(plain, huge, records, per_segment, &work, into);
  }
  AddColdRows("recycled", record_bytes, effort, figures, CheckCount(bench_log), report);
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const RunOptions options = ParseRunOptions(argument_count, arguments);
  Report report;
  for (const uint32_t record_bytes : kRecordSizes) {
    if (options.Wants("warm")) {
      BenchWarm(options, options.directory, "disk", record_bytes, &report);
      BenchWarm(options, options.memory_directory, "tmpfs", record_bytes, &report);
    }
    if (options.Wants("cold")) {
      BenchFresh(options, record_bytes, &report);
      BenchRecycled(options, record_bytes, &report);
    }
  }
  report.Print();
  return 0;
}
