// What the hash kernels cost, each kernel that this processor can run: CRC32C by the size of its
// input, MD5 by the number of keys in a batch.
//
//   hash_bench [--json] [--quick]
//
// Each call takes the result of the one before, so the figures are latencies, never overlapped
// calls. Every figure is the best of several rounds: whatever else runs on the machine only makes a
// round slower. Every kernel has to compute what the last one, the portable one, does from the same
// input. `work` at the end is a hash of all of that: two runs that differ in it did not do the same
// work.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "native/base/check.h"
#include "native/base/crc32c.h"
#include "native/base/md5.h"

namespace millrace::base {

namespace {

constexpr size_t kCrcSizes[] = {100, 1024, 4096, 65536};
constexpr size_t kMd5BatchSizes[] = {1, 8, 16, 512};
constexpr size_t kMd5BlockBytes = 64;
constexpr uint32_t kKeyBytes = 16;

struct Effort {
  int rounds;
  double nanos_per_round;
};

// Rounds are shorter than a time slice, so that some run undisturbed on a busy machine.
constexpr Effort kFull = {100, 1e6};
constexpr Effort kQuick = {2, 0.2e6};

struct Result {
  std::string name;
  std::string kernel;
  size_t bytes;  // hashed by one operation
  size_t keys;   // hashed by one operation
  double nanos;  // of one operation
};

double NowNanos() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

// The nanoseconds of one call of `operation`, the best round's mean.
template <typename Operation>
double Measure(const Effort& effort, Operation operation) {
  const double trial_start = NowNanos();
  constexpr int kTrialCalls = 16;
  for (int i = 0; i < kTrialCalls; i++) {
    operation();
  }
  const double trial_nanos = std::max((NowNanos() - trial_start) / kTrialCalls, 1.0);
  const int calls = static_cast<int>(effort.nanos_per_round / trial_nanos) + 1;
  double best = 0;
  for (int round = 0; round < effort.rounds; round++) {
    const double start = NowNanos();
    for (int i = 0; i < calls; i++) {
      operation();
    }
    const double nanos = (NowNanos() - start) / calls;
    best = round == 0 ? nanos : std::min(best, nanos);
  }
  return best;
}

std::vector<uint8_t> SomeBytes(size_t bytes) {
  std::vector<uint8_t> data(bytes);
  uint32_t state = 1;
  for (uint8_t& byte : data) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return data;
}

uint32_t BenchCrc32c(const Effort& effort, std::vector<Result>* results) {
  const std::vector<uint8_t> data = SomeBytes(kCrcSizes[std::size(kCrcSizes) - 1]);
  std::vector<uint8_t> copy(data.size());
  uint32_t crc = 0;
  uint32_t work = 0;
  for (const Crc32cKernel& kernel : Crc32cKernels()) {
    for (size_t i = 0; kernel.available && i < std::size(kCrcSizes); i++) {
      const size_t bytes = kCrcSizes[i];
      const double nanos = Measure(effort, [&] { crc = kernel.function(crc, data.data(), bytes); });
      results->push_back({"crc32c", kernel.name, bytes, 1, nanos});
      const uint32_t found = kernel.function(0, data.data(), bytes);
      MILLRACE_CHECK(found == Crc32cKernels().back().function(0, data.data(), bytes));
      work = Crc32cCombine(work, found, bytes);
    }
  }
  for (const size_t bytes : kCrcSizes) {
    const double nanos =
        Measure(effort, [&] { crc = Crc32cCopy(crc, copy.data(), data.data(), bytes); });
    results->push_back({"crc32c_copy", "chosen", bytes, 1, nanos});
    MILLRACE_CHECK(Crc32cCopy(0, copy.data(), data.data(), bytes) == Crc32c(0, data.data(), bytes));
  }
  MILLRACE_CHECK(copy == data);
  return Crc32c(work, copy.data(), copy.size());
}

// One byte of the first key comes from the last digest, which makes each batch wait for the one
// before.
uint32_t BenchMd5Kernel(const Effort& effort, const Md5Kernel& kernel,
                        std::vector<Result>* results) {
  uint32_t work = 0;
  for (const size_t count : kMd5BatchSizes) {
    std::vector<uint8_t> bytes = SomeBytes(count * kKeyBytes);
    std::vector<Md5Input> keys;
    for (size_t i = 0; i < count; i++) {
      keys.push_back({bytes.data() + i * kKeyBytes, kKeyBytes});
    }
    std::vector<Digest> digests(count);
    const double nanos = Measure(effort, [&] {
      kernel.function(keys.data(), count, digests.data());
      bytes[0] = digests[count - 1].bytes[0];
    });
    results->push_back({"md5_batch", kernel.name, count * kMd5BlockBytes, count, nanos});
    bytes[0] = 0;
    kernel.function(keys.data(), count, digests.data());
    std::vector<Digest> expected(count);
    Md5Kernels().back().function(keys.data(), count, expected.data());
    MILLRACE_CHECK(std::memcmp(digests.data(), expected.data(), count * sizeof(Digest)) == 0);
    work = Crc32c(work, digests.data(), count * sizeof(Digest));
  }
  return work;
}

uint32_t BenchMd5(const Effort& effort, std::vector<Result>* results) {
  uint32_t work = 0;
  for (const Md5Kernel& kernel : Md5Kernels()) {
    if (kernel.available) {
      work = Crc32cCombine(work, BenchMd5Kernel(effort, kernel, results), 1);
    }
  }
  return work;
}

double GigabytesPerSecond(const Result& result) {
  return static_cast<double>(result.bytes) / result.nanos;
}

void PrintTable(const std::vector<Result>& results, uint32_t work) {
  std::printf("%-12s %-16s %8s %6s %12s %12s %8s\n", "hash", "kernel", "bytes", "keys", "ns/op",
              "ns/key", "GB/s");
  for (const Result& result : results) {
    std::printf("%-12s %-16s %8zu %6zu %12.1f %12.1f %8.2f\n", result.name.c_str(),
                result.kernel.c_str(), result.bytes, result.keys, result.nanos,
                result.nanos / static_cast<double>(result.keys), GigabytesPerSecond(result));
  }
  std::printf("work %08x\n", work);
}

void PrintJson(const std::vector<Result>& results, uint32_t work) {
  std::printf("{\"bench\":\"hash\",\"work\":\"%08x\",\"results\":[", work);
  const char* separator = "";
  for (const Result& result : results) {
    std::printf(
        "%s\n{\"name\":\"%s\",\"kernel\":\"%s\",\"bytes\":%zu,\"keys\":%zu,"
        "\"nanosPerOperation\":%.2f,\"nanosPerKey\":%.2f,\"gigabytesPerSecond\":%.3f}",
        separator, result.name.c_str(), result.kernel.c_str(), result.bytes, result.keys,
        result.nanos, result.nanos / static_cast<double>(result.keys), GigabytesPerSecond(result));
    separator = ",";
  }
  std::printf("\n]}\n");
}

int Main(int argument_count, char** arguments) {
  bool json = false;
  bool quick = false;
  for (int i = 1; i < argument_count; i++) {
    if (std::strcmp(arguments[i], "--json") == 0) {
      json = true;
    } else if (std::strcmp(arguments[i], "--quick") == 0) {
      quick = true;
    } else {
      std::fprintf(stderr, "hash_bench: unknown option %s; the options are --json and --quick\n",
                   arguments[i]);
      return 2;
    }
  }
  const Effort& effort = quick ? kQuick : kFull;
  std::vector<Result> results;
  const uint32_t work = BenchCrc32c(effort, &results) ^ BenchMd5(effort, &results);
  if (json) {
    PrintJson(results, work);
  } else {
    PrintTable(results, work);
  }
  return 0;
}

}  // namespace

}  // namespace millrace::base

int main(int argument_count, char** arguments) {
  return millrace::base::Main(argument_count, arguments);
}
