// The option align_commits on a disk that is worse than the usual one: where the power goes while a
// page is written, nothing is left of that page, also not what a sync had put there before.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/base/file_ops.h"
#include "native/format/segment_format.h"
#include "native/log/core.h"
#include "test/support/log_harness.h"
#include "test/support/seeded_random.h"
#include "test/support/sim_file_ops.h"

namespace millrace {
namespace {

using log::Core;
using log::Durability;
using support::SimFileOps;

constexpr const char* kPath = "/sim/data";
constexpr int kTrials = 150;
// Up to some in a second segment.
constexpr uint64_t kBatchesMax = 18;

log::CoreOptions Options(SimFileOps* files, bool align_commits) {
  log::CoreOptions options;
  options.inline_mode = true;
  options.segment_bytes_min = options.segment_bytes_max = format::kSegmentBytesMin;
  options.disk_low_water_bytes = 1;
  options.align_commits = align_commits;
  options.file_ops = files;
  return options;
}

void Append(Core* core, uint32_t slot, uint64_t bytes, Durability durability) {
  const std::string records(bytes, 'r');
  const log::Piece piece = support::LogHarness::PieceOf(records);
  log::AppendRequest request = support::LogHarness::Request(piece);
  request.durability = durability;
  log::AppendResult result{};
  ASSERT_TRUE(core->Append(slot, request, &result).ok());
}

log::ShardStats StatsOf(const Core* core, uint32_t slot) {
  log::ShardStats stats{};
  EXPECT_TRUE(core->GetShardStats(slot, &stats).ok());
  return stats;
}

// A segment of a shard: its file, and the position at which it begins.
struct Segment {
  std::string path;
  uint64_t base_position = 0;
};

// The last one that begins at `position` or before.
Segment SegmentAt(SimFileOps* files, uint64_t shard, uint64_t position) {
  Segment found;
  for (const std::string& path : files->FilePaths()) {
    const std::vector<uint8_t> bytes = files->ReadFile(path);
    format::SegmentHeader header;
    if (!path.ends_with(".seg") || bytes.size() < sizeof header) {
      continue;
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.magic == format::kSegmentMagic && header.shard == shard &&
        header.base_position <= position && header.base_position >= found.base_position) {
      found = {path, header.base_position};
    }
  }
  EXPECT_NE(found.path, "") << "shard " << shard << " has no segment";
  return found;
}

// Not where a segment was begun for what no sync has confirmed: its name or its length may be gone.
bool HasWhole(SimFileOps* files, const std::string& path) {
  const std::vector<std::string> paths = files->FilePaths();
  return std::find(paths.begin(), paths.end(), path) != paths.end() &&
         files->ReadFile(path).size() == format::kSegmentBytesMin;
}

// What can be read before `end`.
std::vector<uint8_t> ReadBefore(Core* core, uint32_t slot, uint64_t end) {
  std::vector<uint8_t> bytes;
  for (uint64_t position = 0; position < end;) {
    log::ReadResult result;
    if (!core->Read(slot, position, 1, &result).ok() || result.bytes == 0) {
      break;
    }
    bytes.insert(bytes.end(), result.data, result.data + result.bytes);
    position = result.next_position;
  }
  return bytes;
}

class AlignedCommits : public ::testing::Test {
 protected:
  AlignedCommits() : random_(seeds_.Any()) {}

  // Some acknowledged batches, then one that is being written when the power goes. Whether all that
  // was acknowledged is still there.
  bool Survives(bool align_commits) {
    auto files = std::make_unique<SimFileOps>("/sim");
    std::shared_ptr<Core> core;
    EXPECT_TRUE(Core::Open(kPath, Options(files.get(), align_commits), &core).ok());
    std::vector<uint64_t> shards;
    EXPECT_TRUE(core->CreateShards({1}, &shards).ok());
    uint32_t slot = 0;
    EXPECT_TRUE(core->FindShard(shards.at(0), &slot).ok());
    for (uint64_t batches = 1 + random_() % kBatchesMax; batches > 0; --batches) {
      Append(core.get(), slot, 100 + random_() % 1500, Durability::kDisk);
    }
    EXPECT_TRUE(core->Flush().ok());
    const uint64_t acknowledged_end = StatsOf(core.get(), slot).synced_end;
    const std::vector<uint8_t> acknowledged = ReadBefore(core.get(), slot, acknowledged_end);
    EXPECT_GT(acknowledged.size(), 100u);
    Append(core.get(), slot, 100 + random_() % 1500, Durability::kOs);
    const uint64_t end = StatsOf(core.get(), slot).appended_end;

    const Segment written = SegmentAt(files.get(), shards.at(0), acknowledged_end);
    auto cut = files->CutPower(&random_);
    if (HasWhole(cut.get(), written.path)) {
      SpoilPages(cut.get(), written, acknowledged_end, end);
    }
    files->Kill();
    core.reset();

    EXPECT_TRUE(Core::Open(kPath, Options(cut.get(), align_commits), &core).ok());
    EXPECT_TRUE(core->FindShard(shards.at(0), &slot).ok());
    const std::vector<uint8_t> left = ReadBefore(core.get(), slot, acknowledged_end);
    cut->Kill();
    core.reset();
    return left == acknowledged;
  }

  support::SeededRandom seeds_;
  support::Random random_;

 private:
  // The pages in which the bytes between two positions of a segment lie.
  void SpoilPages(SimFileOps* files, const Segment& segment, uint64_t start, uint64_t end) {
    const auto page_of = [&segment](uint64_t position) {
      const uint64_t offset = format::kSegmentHeaderBlockBytes + position - segment.base_position;
      return offset / base::kPageBytes * base::kPageBytes;
    };
    for (uint64_t page = page_of(start); page <= page_of(end - 1); page += base::kPageBytes) {
      std::vector<uint8_t> junk(base::kPageBytes);
      std::generate(junk.begin(), junk.end(), [this] { return static_cast<uint8_t>(random_()); });
      files->Overwrite(segment.path, page, junk.data(), junk.size());
    }
  }
};

TEST_F(AlignedCommits, KeepWhatIsAcknowledgedApartFromWhatIsWritten) {
  for (int trial = 0; trial < kTrials; ++trial) {
    EXPECT_TRUE(Survives(/*align_commits=*/true)) << "trial " << trial;
  }
}

// The disk is as bad as that: without the option it costs what shared a page with the next batch.
TEST_F(AlignedCommits, AreNeededOnSuchADisk) {
  int lost = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    lost += Survives(/*align_commits=*/false) ? 0 : 1;
  }
  EXPECT_GT(lost, kTrials / 2);
}

}  // namespace
}  // namespace millrace
