// Any bytes as the body of a PutRecords request and as a packed batch: the answer is that of the
// reference, and what is accepted can be routed, every byte of it once. The first byte of the input
// chooses limits and shards.
//
//   cmake --preset fuzz && cmake --build --preset fuzz && build-fuzz/request_fuzz -max_len=4096
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "native/base/check.h"
#include "native/ingest/request_scanner.h"
#include "native/ingest/router.h"
#include "test/support/random_request.h"
#include "test/support/request_reference.h"

namespace millrace::ingest {
namespace {

constexpr uint32_t kRecordsMax = 500;

ScanLimits LimitsOf(uint8_t choice) {
  ScanLimits limits;
  if ((choice & 1) != 0) {
    limits.record_bytes_max = 32;
    limits.total_bytes_max = 100;
    limits.records_max = 4;
  }
  return limits;
}

std::shared_ptr<const ShardMap> MapOf(uint32_t shard_count) {
  std::vector<OpenShard> open(shard_count);
  for (uint32_t i = 0; i < shard_count; ++i) {
    const bool last = i + 1 == shard_count;
    std::memset(open[i].ending_hash_key, 0xff, sizeof open[i].ending_hash_key);
    open[i].ending_hash_key[0] =
        last ? 0xff : static_cast<uint8_t>((i + 1) * 256 / shard_count - 1);
    open[i].shard = i + 1;
  }
  std::shared_ptr<const ShardMap> map;
  MILLRACE_CHECK(ShardMap::Create(open.data(), open.size(), &map).ok());
  return map;
}

// Every record is in one run, with its own bytes, in order.
void CheckRuns(const Router& router, const ScannedRequest& request,
               const support::ReferenceRequest& reference) {
  uint32_t count = 0;
  for (uint32_t r = 0; r < router.run_count(); ++r) {
    const ShardRun& run = router.run(r);
    std::vector<uint8_t> expected;
    for (uint32_t i = 0; i < run.count; ++i) {
      MILLRACE_CHECK(i == 0 || run.records[i] > run.records[i - 1]);
      MILLRACE_CHECK(router.run_of_record(run.records[i]) == r);
      const std::vector<uint8_t>& encoded = reference.records[run.records[i]].encoded;
      expected.insert(expected.end(), encoded.begin(), encoded.end());
    }
    std::vector<uint8_t> gathered;
    for (uint32_t i = 0; i < run.piece_count; ++i) {
      const Piece& piece = run.pieces[i];
      gathered.insert(gathered.end(), piece.data, piece.data + piece.bytes);
    }
    MILLRACE_CHECK(gathered == expected && run.bytes == expected.size());
    count += run.count;
  }
  MILLRACE_CHECK(count == request.record_count() && count == reference.records.size());
}

void TryAsRequest(const std::vector<uint8_t>& body, uint8_t choice) {
  static const std::unique_ptr<ScannedRequest> request = ScannedRequest::Create(kRecordsMax);
  static const std::unique_ptr<Router> router = Router::Create(kRecordsMax);
  static const std::shared_ptr<const ShardMap> maps[] = {MapOf(1), MapOf(3), MapOf(16), MapOf(40)};
  const ScanLimits limits = LimitsOf(choice);
  const base::Status status = request->Scan(body.data(), body.size(), limits);
  const support::ReferenceRequest reference = support::ReferenceScan(body, limits);
  MILLRACE_CHECK(status.code() == reference.code);
  if (status.ok()) {
    router->Route(*maps[(choice >> 1) % 4], *request, {uint64_t{choice} << 56, 0});
    CheckRuns(*router, *request, reference);
  }
}

void TryAsBatch(const std::vector<uint8_t>& data, uint8_t choice) {
  const ScanLimits limits = LimitsOf(choice);
  const uint32_t count = choice >> 3;
  const base::Status status = ScanRecords(data.data(), data.size(), limits, count);
  MILLRACE_CHECK(status.code() == support::ReferenceScanRecords(data, limits, count));
}

// A request, or a batch whose count is the one that `choice` announces, that nothing is wrong with
// but perhaps its size.
std::vector<uint8_t> ValidInput(support::SeededRandom* random) {
  const uint8_t choice = random->Byte();
  std::vector<uint8_t> input = {choice};
  if (random->OneIn(2)) {
    support::AppendBytes(&input, support::RandomRequest(random));
    return input;
  }
  for (int left = choice >> 3; left > 0; --left) {
    support::AppendBytes(&input, support::RandomRecord(random));
  }
  return input;
}

}  // namespace
}  // namespace millrace::ingest

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t bytes, size_t bytes_max);

// Bytes alone rarely become a request of several records, so now and then one is made for the
// mutations to start from.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t bytes, size_t bytes_max,
                                          unsigned seed) {
  millrace::support::SeededRandom random(seed);
  if (!random.OneIn(20)) {
    return LLVMFuzzerMutate(data, bytes, bytes_max);
  }
  const std::vector<uint8_t> input = millrace::ingest::ValidInput(&random);
  if (input.size() > bytes_max) {
    return LLVMFuzzerMutate(data, bytes, bytes_max);
  }
  std::copy(input.begin(), input.end(), data);
  return input.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  if (bytes == 0) {
    return 0;
  }
  // A copy of exactly its size, so that the sanitizer sees a read beyond it.
  const std::vector<uint8_t> body(data + 1, data + bytes);
  millrace::ingest::TryAsRequest(body, data[0]);
  millrace::ingest::TryAsBatch(body, data[0]);
  return 0;
}
