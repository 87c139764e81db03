// PutRecords without Node: requests of 500 records with random keys over 4 shards, `os` durability,
// on recycled segments; the same in turns with shards that have limits, which are never reached;
// and what its stages cost alone: the scan, the hashing and routing, the gathering append.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/harness/put_requests.h"
#include "bench/native/harness/report.h"
#include "bench/native/harness/run_options.h"
#include "bench/native/harness/scratch_directory.h"
#include "native/ingest/put_records.h"

namespace millrace::bench {

namespace {

using ingest::PutRecords;
using support::Bytes;

constexpr uint64_t kSegmentBytes = 64 * 1024 * 1024;

constexpr ingest::ThroughputLimits kUnreached = {
    ingest::kThroughputLimitMax, ingest::kThroughputLimitMax, ingest::kThroughputLimitMax};

// The nanoseconds of one call of `work(body)`, over `calls` calls.
template <typename Work>
double NanosPerCall(const std::vector<Bytes>& bodies, uint64_t calls, Work work) {
  const double start = NowSeconds();
  for (uint64_t i = 0; i < calls; ++i) {
    work(bodies[i % bodies.size()]);
  }
  return (NowSeconds() - start) * 1e9 / static_cast<double>(calls);
}

struct StageFigures {
  Series scan;
  Series scan_and_route;
  Series whole;
  Series rate;
  Series limited_rate;
};

void AddRows(uint32_t record_bytes, const StageFigures& figures, const std::string& check,
             Report* report) {
  const std::string size = record_bytes == 1024 ? "1 KiB" : base::Format("%u B", record_bytes);
  report->Add(Row("PutRecords in C++, 500 x " + size)
                  .Param("recordBytes", uint64_t{record_bytes})
                  .Param("shards", uint64_t{kShards})
                  .Param("durability", "os")
                  .Param("memory", "recycled segments")
                  .Value(figures.rate, "records/s")
                  .Check(check));
  report->Add(Row(base::Format("PutRecords in C++, 500 x %s, with limits", size.c_str()))
                  .Param("recordBytes", uint64_t{record_bytes})
                  .Param("shards", uint64_t{kShards})
                  .Value(figures.limited_rate, "records/s")
                  .Limit("the same without", figures.rate.Median(), "records/s")
                  .Check(check));
  const double scan = figures.scan.Median() / kRecords;
  const double route = figures.scan_and_route.Median() / kRecords - scan;
  const double append = figures.whole.Median() / kRecords - scan - route;
  const std::pair<const char*, double> stages[] = {
      {"scan", scan}, {"MD5 and route", route}, {"gather and append", append}};
  for (const auto& [stage, nanos] : stages) {
    report->Add(Row(base::Format("stage: %s, 500 x %s", stage, size.c_str()))
                    .Param("recordBytes", uint64_t{record_bytes})
                    .Value(nanos, "ns/record")
                    .Check(check));
  }
}

void Bench(const RunOptions& options, uint32_t record_bytes, Report* report) {
  const int repetitions = options.Pick(7, 3, 1);
  const std::vector<Bytes> bodies = MakeBodies(record_bytes);
  const uint64_t bytes = options.Pick<uint64_t>(256, 128, 4) * 1024 * 1024;
  const uint64_t calls = bytes / bodies[0].size();
  const ScratchDirectory scratch(options.directory);
  const BenchLog bench_log(scratch.path() + "/log", BenchOptions(kSegmentBytes), kShards);
  ingest::MeterTable meters;
  const auto routes = EvenRoutes(bench_log, std::nullopt, &meters);
  const auto limited = EvenRoutes(bench_log, kUnreached, &meters);
  const auto request = ingest::ScannedRequest::Create(kRecords);
  const auto router = ingest::Router::Create(kRecords);
  const auto put = PutRecords::Create(kRecords);
  MILLRACE_CHECK(request != nullptr && router != nullptr && put != nullptr);
  const ingest::ScanLimits limits;
  PutRecords::Options put_options;
  put_options.durability = log::Durability::kOs;
  PinToLastProcessor();
  StageFigures figures;
  std::vector<uint8_t> answer(put->AnswerBytesMax());
  const auto put_all = [&](const ingest::Routes& to) {
    bench_log.TrimAll();
    std::this_thread::sleep_for(std::chrono::milliseconds(options.Pick(300, 100, 1)));
    return NanosPerCall(bodies, calls, [&](const Bytes& body) {
      // As a call from Node does it.
      put_options.now_millis = to.limits().has_value() ? base::SystemClock()->SteadyMillis() : 0;
      MustWork(put->Run(bench_log.core(), to, body.data(), static_cast<uint32_t>(body.size()),
                        put_options));
      MILLRACE_CHECK(put->EncodeAnswer(answer.data(), answer.size()) > 0);
    });
  };
  for (int repetition = -2; repetition < repetitions; ++repetition) {
    const double scan = NanosPerCall(bodies, calls / 4 + 1, [&](const Bytes& body) {
      MustWork(request->Scan(body.data(), body.size(), limits));
    });
    const double scan_and_route = NanosPerCall(bodies, calls / 4 + 1, [&](const Bytes& body) {
      MustWork(request->Scan(body.data(), body.size(), limits));
      router->Route(*routes->open().shards, *request, {});
    });
    const double whole = put_all(*routes);
    const double whole_limited = put_all(*limited);
    if (repetition >= 0) {  // the first two write files that are fresh
      figures.scan.Add(scan);
      figures.scan_and_route.Add(scan_and_route);
      figures.whole.Add(whole);
      figures.rate.Add(kRecords * 1e9 / whole);
      figures.limited_rate.Add(kRecords * 1e9 / whole_limited);
    }
  }
  uint64_t records = 0;
  for (const uint32_t slot : bench_log.slots()) {
    records += bench_log.StatsOf(slot).next_sequence - 1;
  }
  MILLRACE_CHECK(records == 2 * calls * kRecords * static_cast<uint64_t>(repetitions + 2));
  AddRows(record_bytes, figures, std::to_string(records) + " records", report);
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const RunOptions options = ParseRunOptions(argument_count, arguments);
  Report report;
  Bench(options, 100, &report);
  Bench(options, 1024, &report);
  report.Print();
  return 0;
}
