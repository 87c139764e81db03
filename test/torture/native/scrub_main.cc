// T-B2: damages sealed segments of an open log while it serves, and scrubs once: every damaged
// batch must be named.
//   --count N   damages
//   --seed N    with the same seed, damage number K is the same; --first K begins there
// With --dir D it then appends and reads on real files, without and with a scrub running beside it,
// in turns, and tells both p99s. They are judged with --tier full alone, which is for machines that
// do nothing else.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <thread>
#include <vector>

#include "native/log/core.h"
#include "test/torture/native/arguments.h"
#include "test/torture/native/bit_rot.h"

namespace {

using namespace millrace;
using torture::Arguments;
using torture::Random;
using torture::Specimen;

bool IsSealed(const Specimen& specimen, const std::string& path) {
  for (const auto& [shard, batches] : specimen.shards) {
    if (batches.rbegin()->second.path == path) {
      return false;  // the segment that is still open
    }
  }
  return true;
}

const torture::KnownBatch& PickSealed(const Specimen& specimen, Random* random, uint64_t* shard,
                                      uint64_t* position) {
  for (;;) {
    const auto& [id, batches] = *std::next(
        specimen.shards.begin(), static_cast<ptrdiff_t>(random->Below(specimen.shards.size())));
    const auto batch =
        std::next(batches.begin(), static_cast<ptrdiff_t>(random->Below(batches.size())));
    if (IsSealed(specimen, batch->second.path)) {
      *shard = id;
      *position = batch->first;
      return batch->second;
    }
  }
}

// Damages one to five batches of an open log and scrubs. Empty, or what is wrong.
std::string Trial(const Specimen& specimen, Random* random) {
  const auto disk = specimen.disk->KillCopy();
  disk->SetTracing(false);
  log::CoreOptions options = specimen.options;
  options.file_ops = disk.get();
  std::shared_ptr<log::Core> core;
  if (!log::Core::Open("/disk/log", options, &core).ok()) {
    return "the undamaged directory does not open";
  }

  struct Place {
    uint64_t shard;
    uint64_t position;
  };

  std::vector<Place> places;
  for (uint64_t damage = random->Between(1, 5); damage > 0; --damage) {
    Place place{};
    const torture::KnownBatch& batch = PickSealed(specimen, random, &place.shard, &place.position);
    const uint64_t byte = random->Below(batch.bytes.size());
    const uint8_t flipped = static_cast<uint8_t>(batch.bytes[byte] ^ (1 << random->Below(8)));
    disk->Overwrite(batch.path, batch.offset + byte, &flipped, 1);
    places.push_back(place);
  }
  log::ScrubReport report;
  const base::Status status = core->Scrub(0, 0, &report);
  if (!status.ok()) {
    return "scrub: " + status.message();
  }
  for (const Place& place : places) {
    const bool named =
        std::any_of(report.damaged.begin(), report.damaged.end(), [&place](const auto& damage) {
          return damage.shard == place.shard && damage.range.start <= place.position &&
                 place.position < damage.range.end;
        });
    if (!named) {
      return base::Format("damage at position %" PRIu64 " of shard %" PRIu64 " was not found",
                          place.position, place.shard);
    }
  }
  return "";
}

double Percentile99(std::vector<double>* micros) {
  std::sort(micros->begin(), micros->end());
  return micros->empty() ? 0 : (*micros)[micros->size() * 99 / 100];
}

// The p99 of an append and a read, in microseconds, over half a second.
double Foreground(log::Core* core, uint32_t slot) {
  const std::vector<uint8_t> records(4096, 1);
  const log::Piece piece{records.data(), static_cast<uint32_t>(records.size())};
  std::vector<double> micros;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (std::chrono::steady_clock::now() < end) {
    const auto started = std::chrono::steady_clock::now();
    log::AppendRequest request;
    request.pieces = &piece;
    request.piece_count = 1;
    request.records_bytes = piece.bytes;
    request.count = 1;
    request.durability = log::Durability::kOs;
    log::AppendResult appended{};
    log::ReadResult read;
    if (!core->Append(slot, request, &appended).ok() ||
        !core->Read(slot, appended.end_position - piece.bytes - 76, 1, &read).ok()) {
      std::abort();
    }
    const auto took = std::chrono::steady_clock::now() - started;
    micros.push_back(std::chrono::duration<double, std::micro>(took).count());
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return Percentile99(&micros);
}

struct Latencies {
  double alone;   // p99 in microseconds, the median of the rounds
  double beside;  // a scrub
};

bool IsSlowed(const Latencies& p99) {
  constexpr double kFactorMax = 1.2;
  constexpr double kMicrosOfNoise = 10;
  return p99.beside > p99.alone * kFactorMax + kMicrosOfNoise;
}

Latencies CompareForeground(const std::string& directory) {
  log::CoreOptions options;
  options.disk_low_water_bytes = 1;
  options.segment_bytes_max = 4 * 1024 * 1024;
  options.scrub_bytes_per_second = 0;
  std::shared_ptr<log::Core> core;
  std::vector<uint64_t> shards;
  uint32_t slot = 0;
  if (!log::Core::Open(directory, options, &core).ok() || !core->CreateShards({1}, &shards).ok() ||
      !core->FindShard(shards[0], &slot).ok()) {
    std::abort();
  }
  std::vector<double> alone;
  std::vector<double> beside;
  for (int round = 0; round < 5; ++round) {
    alone.push_back(Foreground(core.get(), slot));
    std::atomic<bool> stop{false};
    std::thread scrubber([&core, &stop] {
      while (!stop.load()) {
        log::ScrubReport report;
        static_cast<void>(core->Scrub(0, 16 * 1024 * 1024, &report));
      }
    });
    beside.push_back(Foreground(core.get(), slot));
    stop.store(true);
    scrubber.join();
  }
  std::sort(alone.begin(), alone.end());
  std::sort(beside.begin(), beside.end());
  return {alone[alone.size() / 2], beside[beside.size() / 2]};
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  const uint64_t count = arguments.Number("count", 200);
  const uint64_t seed = arguments.Number("seed", 1);
  const uint64_t first = arguments.Number("first", 0);
  const Specimen specimen = torture::MakeSpecimen(seed, /*clean=*/true);
  for (uint64_t trial = first; trial < first + count; ++trial) {
    Random random(Random(seed).Next() ^ (trial * 0x9e3779b97f4a7c15));
    const std::string wrong = Trial(specimen, &random);
    if (!wrong.empty()) {
      std::fprintf(stderr,
                   "%s\nreplay: scrub_main --seed %" PRIu64 " --first %" PRIu64 " --count 1\n",
                   wrong.c_str(), seed, trial);
      return 1;
    }
  }
  const std::string directory = arguments.Text("dir", "");
  if (directory.empty()) {
    std::printf("result {\"trials\":%" PRIu64 "}\n", count);
    return 0;
  }
  const Latencies p99 = CompareForeground(directory);
  std::printf("result {\"trials\":%" PRIu64
              ",\"p99MicrosAlone\":%.1f,\"p99MicrosBesideScrub\":%.1f,\"ratio\":%.2f}\n",
              count, p99.alone, p99.beside, p99.beside / p99.alone);
  if (arguments.Text("tier", "ci") == "full" && IsSlowed(p99)) {
    std::fprintf(stderr, "violation: p99 %.1f us beside a scrub, %.1f us alone\n", p99.beside,
                 p99.alone);
    return 1;
  }
  return 0;
}
