// E5 in C++: verified reads of whole batches out of cached segments, against a loop that checksums
// the same number of bytes out of a map, batch by batch.
#include <algorithm>
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

constexpr uint32_t kRecords = 500;
constexpr uint32_t kRecordBytes = 100;
constexpr uint64_t kSegmentBytes = 64 * 1024 * 1024;
constexpr uint32_t kReadSizes[] = {64 * 1024, 1024 * 1024};

// Reads the shard from its first batch to its last. Returns the records that were read.
uint64_t ReadAll(const BenchLog& bench_log, uint32_t bytes_max) {
  uint64_t records = 0;
  uint64_t position = 0;
  for (;;) {
    log::ReadResult result;
    MustWork(bench_log.core()->Read(bench_log.slots()[0], position, bytes_max, &result));
    if (result.bytes == 0) {
      return records;
    }
    records += result.record_count;
    position = result.next_position;
  }
}

void BenchReads(const RunOptions& options, Report* report) {
  const uint64_t bytes = options.Pick<uint64_t>(512, 128, 8) * 1024 * 1024;
  const int repetitions = options.Pick(9, 5, 1);
  const ScratchDirectory scratch(options.directory);
  const std::vector<uint8_t> records = PackRecords(kRecords, kRecordBytes);
  const uint64_t batches = bytes / BatchBytes(records);
  const BenchLog bench_log(scratch.path() + "/log", BenchOptions(kSegmentBytes), 1);
  for (uint64_t i = 0; i < batches; ++i) {
    bench_log.Append(bench_log.slots()[0], records, kRecords);
  }
  MustWork(bench_log.core()->Flush());
  const MappedFile file(scratch.path() + "/plain", bytes);
  WriteBatches(file.data(), batches, records);
  PinToLastProcessor();
  for (const uint32_t bytes_max : kReadSizes) {
    Series rates;
    Series limits;
    Series cpu_shares;
    uint64_t count = 0;
    uint32_t work = 0;
    for (int repetition = -1; repetition < repetitions; ++repetition) {
      const double cpu_start = ThreadUsage().cpu_seconds;
      double start = NowSeconds();
      count = ReadAll(bench_log, bytes_max);
      const double read_seconds = NowSeconds() - start;
      const double read_cpu = ThreadUsage().cpu_seconds - cpu_start;
      MILLRACE_CHECK(count == batches * kRecords);
      start = NowSeconds();
      work = work * 31 + ReadBatches(file.data(), batches, BatchBytes(records));
      const double loop_seconds = NowSeconds() - start;
      const double loop_cpu = ThreadUsage().cpu_seconds - cpu_start - read_cpu;
      if (repetition >= 0) {  // the first maps the segments
        rates.Add(static_cast<double>(batches * BatchBytes(records)) / read_seconds / 1e9);
        cpu_shares.Add(loop_cpu / std::max(read_cpu, 1e-6));
        limits.Add(static_cast<double>(batches * BatchBytes(records)) / loop_seconds / 1e9);
      }
    }
    Row row(base::Format("read in C++, %u KiB a call", bytes_max / 1024));
    report->Add(
        row.Param("readBytesMax", uint64_t{bytes_max})
            .Param("recordBytes", uint64_t{kRecordBytes})
            .Param("bytesPerRepetition", bytes)
            .Param("memory", "cached segments, mapped")
            .Value(rates, "GB/s")
            .Limit("memory read + CRC loop", limits.Median(), "GB/s")
            .Info("shareOfLimitByCpuTime", cpu_shares.Median())
            .Info("recordsPerSecond",
                  rates.Median() * 1e9 / static_cast<double>(BatchBytes(records)) * kRecords)
            .Check(std::to_string(count) + base::Format(" records, loop %08x", work)));
  }
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const RunOptions options = ParseRunOptions(argument_count, arguments);
  Report report;
  BenchReads(options, &report);
  report.Print();
  return 0;
}
