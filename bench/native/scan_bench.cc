// What scanning and routing cost per record, for records of several sizes and keys, in memory and
// warm.
//
//   scan_bench [--quick] [--json]
//
// scan_bench prints nanoseconds per record: the median of its rounds, and the best one. A packed
// batch is scanned for its validity alone; a request also notes where its records are; routing adds
// MD5, shard search and pieces.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "native/base/check.h"
#include "native/ingest/request_scanner.h"
#include "native/ingest/router.h"
#include "test/support/msgpack_encode.h"

namespace millrace::ingest {
namespace {

using support::Bytes;

constexpr uint32_t kRecordsMax = 500;
// Requests that take turns: of a single one branch predictors learn all keys by heart.
constexpr uint64_t kBodies = 16;

struct Case {
  const char* name;
  const char* keys;      // what the keys look like
  uint32_t bytes_least;  // of key and data
  uint32_t bytes_most;
  uint32_t records;
};

constexpr Case kCases[] = {
    {"100 B, short keys", "short", 100, 100, 500},
    {"100 B, UUID keys", "uuid", 100, 100, 500},
    {"100 B, keys not ASCII", "wide", 100, 100, 500},
    {"50-450 B, short keys", "short", 50, 450, 500},
    {"1 KiB, short keys", "short", 1024, 1024, 500},
    {"20 B, short keys", "short", 20, 20, 500},
};

constexpr uint32_t kShardCounts[] = {1, 4, 16, 64, 1000};

struct Figure {
  std::string name;
  double median_nanos;
  double best_nanos;
};

std::string KeyOf(const char* keys, std::mt19937_64* random) {
  const auto number = static_cast<unsigned long long>((*random)());
  if (std::strcmp(keys, "uuid") == 0) {
    return base::Format("%08llx-%04llx-4a2f-9c41-%012llx", number >> 32, number >> 48,
                        number & 0xffffffffffff);
  }
  return base::Format(std::strcmp(keys, "wide") == 0 ? "d\xc3\xa9vice-%llu" : "device-%llu",
                      number % 100'000);
}

std::vector<Bytes> RecordsOf(const Case& given, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Bytes> records;
  for (uint32_t i = 0; i < given.records; ++i) {
    const std::string key = KeyOf(given.keys, &random);
    const uint32_t bytes =
        given.bytes_least +
        static_cast<uint32_t>(random() % (given.bytes_most - given.bytes_least + 1));
    records.push_back(
        support::MakeRecord(key, Bytes(bytes - std::min<size_t>(key.size(), bytes), 0xd5)));
  }
  return records;
}

std::shared_ptr<const ShardMap> EvenMap(uint32_t shard_count) {
  std::vector<OpenShard> open(shard_count);
  for (uint32_t i = 0; i < shard_count; ++i) {
    const uint64_t high = i + 1 == shard_count ? UINT64_MAX : UINT64_MAX / shard_count * (i + 1);
    base::StoreBig64(open[i].ending_hash_key, high);
    base::StoreBig64(open[i].ending_hash_key + 8, UINT64_MAX);
    open[i].shard = i + 1;
  }
  std::shared_ptr<const ShardMap> map;
  MILLRACE_CHECK(ShardMap::Create(open.data(), open.size(), &map).ok());
  return map;
}

class Bench {
 public:
  explicit Bench(bool quick) : rounds_(quick ? 3 : 31), round_millis_(quick ? 1 : 8) {}

  // `work` handles `records` records.
  template <typename Work>
  void Measure(const std::string& name, uint32_t records, Work work) {
    std::vector<double> nanos;
    for (int round = 0; round < rounds_; ++round) {
      const auto start = std::chrono::steady_clock::now();
      uint64_t times = 0;
      std::chrono::nanoseconds spent(0);
      while (spent < std::chrono::milliseconds(round_millis_)) {
        work();
        ++times;
        spent = std::chrono::steady_clock::now() - start;
      }
      nanos.push_back(static_cast<double>(spent.count()) / static_cast<double>(times * records));
    }
    std::sort(nanos.begin(), nanos.end());
    figures_.push_back({name, nanos[nanos.size() / 2], nanos[0]});
  }

  void Print(bool json) const {
    if (json) {
      std::printf("{\"bench\":\"scan\",\"unit\":\"ns/record\",\"figures\":[");
    }
    for (size_t i = 0; i < figures_.size(); ++i) {
      const Figure& figure = figures_[i];
      if (json) {
        std::printf("%s{\"name\":\"%s\",\"median\":%.3f,\"best\":%.3f}", i == 0 ? "" : ",",
                    figure.name.c_str(), figure.median_nanos, figure.best_nanos);
      } else {
        std::printf("%-48s %8.2f ns/record, best %8.2f\n", figure.name.c_str(), figure.median_nanos,
                    figure.best_nanos);
      }
    }
    std::printf(json ? "]}\n" : "");
  }

 private:
  const int rounds_;
  const int round_millis_;
  std::vector<Figure> figures_;
};

void RunCase(const Case& given, Bench* bench) {
  const std::string name = given.name;
  const Bytes packed = support::Concatenate(RecordsOf(given, 0));
  std::vector<Bytes> bodies;
  for (uint64_t seed = 0; seed < kBodies; ++seed) {
    bodies.push_back(support::MakeRequest(RecordsOf(given, seed)));
  }
  const std::unique_ptr<ScannedRequest> request = ScannedRequest::Create(kRecordsMax);
  const std::unique_ptr<Router> router = Router::Create(kRecordsMax);
  MILLRACE_CHECK(request != nullptr && router != nullptr);
  const ScanLimits limits;
  size_t next = 0;
  const auto scan_next = [&] {
    const Bytes& body = bodies[next++ % kBodies];
    return request->Scan(body.data(), body.size(), limits);
  };
  bench->Measure("scan packed batch, " + name, given.records, [&] {
    MILLRACE_CHECK(ScanRecords(packed.data(), packed.size(), limits, given.records).ok());
  });
  bench->Measure("scan request, " + name, given.records, [&] { MILLRACE_CHECK(scan_next().ok()); });
  for (const uint32_t shard_count : kShardCounts) {
    const std::shared_ptr<const ShardMap> map = EvenMap(shard_count);
    bench->Measure("scan + route, " + std::to_string(shard_count) + " shards, " + name,
                   given.records, [&] {
                     MILLRACE_CHECK(scan_next().ok());
                     router->Route(*map, *request, {});
                     MILLRACE_CHECK(router->run_count() > 0);
                   });
    // What the last call has routed is all that there was, and each of it once.
    uint64_t routed = 0;
    uint64_t places = 0;
    for (uint32_t run = 0; run < router->run_count(); ++run) {
      routed += router->run(run).count;
      for (uint32_t i = 0; i < router->run(run).count; ++i) {
        places += router->run(run).records[i];
      }
    }
    MILLRACE_CHECK(routed == given.records);
    MILLRACE_CHECK(places == uint64_t{given.records} * (given.records - 1) / 2);
  }
}

}  // namespace
}  // namespace millrace::ingest

int main(int argc, char** argv) {
  bool quick = false;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    quick = quick || option == "--quick";
    json = json || option == "--json";
    if (option != "--quick" && option != "--json") {
      std::fprintf(stderr, "scan_bench: unknown option %s\nusage: scan_bench [--quick] [--json]\n",
                   argv[i]);
      return 2;
    }
  }
  millrace::ingest::Bench bench(quick);
  for (const millrace::ingest::Case& given : millrace::ingest::kCases) {
    millrace::ingest::RunCase(given, &bench);
  }
  bench.Print(json);
  return 0;
}
