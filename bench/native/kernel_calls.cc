// The hot kernels of a put, so many calls of one of them, for a tool that counts instructions:
// everything that is to be counted runs within CountedCalls, and nothing else does.
//
//   kernel_calls --kernel NAME --calls N [--record-bytes N] [--dir DIR]
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/native/harness/batch_source.h"
#include "bench/native/harness/named_options.h"
#include "bench/native/harness/put_requests.h"
#include "bench/native/harness/scratch_directory.h"
#include "native/base/crc32c.h"

namespace millrace::bench {

// By this name the tool finds it: bench/micro/instructions.mjs.
[[gnu::noinline]] void CountedCalls(uint64_t calls, const std::function<void(uint64_t)>& kernel) {
  for (uint64_t call = 0; call < calls; ++call) {
    kernel(call);
  }
}

namespace {

constexpr uint64_t kSegmentBytes = 64 * 1024 * 1024;

struct KernelOptions {
  uint64_t calls;
  uint32_t record_bytes;
  std::string directory;
};

// Each prints how many records it has handled, once it has proved it.
using Run = void (*)(const KernelOptions&);

void PrintRecords(uint64_t records) {
  std::printf("{\"records\":%llu}\n", static_cast<unsigned long long>(records));
}

void Scan(const KernelOptions& options) {
  const auto bodies = MakeBodies(options.record_bytes);
  const auto request = ingest::ScannedRequest::Create(kRecords);
  uint64_t records = 0;
  CountedCalls(options.calls, [&](uint64_t call) {
    const auto& body = bodies[call % bodies.size()];
    MustWork(request->Scan(body.data(), body.size(), {}));
    records += request->record_count();
  });
  PrintRecords(records);
}

// A log with requests for it, and the routes that they take.
struct RoutedLog {
  explicit RoutedLog(const KernelOptions& options)
      : bodies(MakeBodies(options.record_bytes)),
        scratch(options.directory),
        log(scratch.path() + "/log", BenchOptions(kSegmentBytes), kShards),
        routes(EvenRoutes(log, std::nullopt, &meters)) {}

  const support::Bytes& Body(uint64_t call) const { return bodies[call % bodies.size()]; }

  const std::vector<support::Bytes> bodies;
  const ScratchDirectory scratch;
  const BenchLog log;
  ingest::MeterTable meters;
  const std::shared_ptr<const ingest::Routes> routes;
};

void ScanAndRoute(const KernelOptions& options) {
  const RoutedLog target(options);
  const auto request = ingest::ScannedRequest::Create(kRecords);
  const auto router = ingest::Router::Create(kRecords);
  uint64_t records = 0;
  CountedCalls(options.calls, [&](uint64_t call) {
    const auto& body = target.Body(call);
    MustWork(request->Scan(body.data(), body.size(), {}));
    router->Route(*target.routes->open().shards, *request, {});
    for (uint32_t run = 0; run < router->run_count(); ++run) {
      records += router->run(run).count;
    }
  });
  PrintRecords(records);
}

uint64_t RecordsIn(const BenchLog& bench_log) {
  uint64_t records = 0;
  for (const uint32_t slot : bench_log.slots()) {
    records += bench_log.StatsOf(slot).next_sequence - 1;
  }
  return records;
}

void PutAll(const KernelOptions& options) {
  const RoutedLog target(options);
  const auto put = ingest::PutRecords::Create(kRecords);
  ingest::PutRecords::Options put_options;
  put_options.durability = log::Durability::kOs;
  std::vector<uint8_t> answer(put->AnswerBytesMax());
  CountedCalls(options.calls, [&](uint64_t call) {
    const auto& body = target.Body(call);
    MustWork(put->Run(target.log.core(), *target.routes, body.data(),
                      static_cast<uint32_t>(body.size()), put_options));
    MILLRACE_CHECK(put->EncodeAnswer(answer.data(), answer.size()) > 0);
  });
  PrintRecords(RecordsIn(target.log));
}

void Append(const KernelOptions& options) {
  const std::vector<uint8_t> batch = PackRecords(kRecords, options.record_bytes);
  const ScratchDirectory scratch(options.directory);
  const BenchLog bench_log(scratch.path() + "/log", BenchOptions(kSegmentBytes), 1);
  CountedCalls(options.calls,
               [&](uint64_t) { bench_log.Append(bench_log.slots()[0], batch, kRecords); });
  PrintRecords(RecordsIn(bench_log));
}

void CopyAndChecksum(const KernelOptions& options) {
  const std::vector<uint8_t> batch = PackRecords(kRecords, options.record_bytes);
  std::vector<uint8_t> copy(batch.size());
  uint32_t crc = 0;
  CountedCalls(options.calls, [&](uint64_t) {
    crc = base::Crc32cCopy(0, copy.data(), batch.data(), batch.size());
  });
  MILLRACE_CHECK(copy == batch && crc == base::Crc32c(0, batch.data(), batch.size()));
  PrintRecords(options.calls * kRecords);
}

const std::map<std::string, Run> kKernels = {{"scan", Scan},
                                             {"scan-and-route", ScanAndRoute},
                                             {"put", PutAll},
                                             {"append", Append},
                                             {"copy-and-checksum", CopyAndChecksum}};

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const NamedOptions given(
      "kernel_calls",
      "usage: kernel_calls --kernel NAME --calls N [--record-bytes N] [--dir DIR]\n",
      {{"--kernel", ""}, {"--calls", "1"}, {"--record-bytes", "100"}, {"--dir", "."}},
      argument_count, arguments);
  const auto kernel = kKernels.find(given.Text("--kernel"));
  if (kernel == kKernels.end()) {
    given.ExitWithUsage("--kernel names none that there is");
  }
  kernel->second({given.Number("--calls"), given.Count("--record-bytes"), given.Text("--dir")});
  return 0;
}
