// Faults that the torture programs on the simulated disk once found in the log, each reduced to the
// few steps that show it.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "native/format/batch_format.h"
#include "native/format/segment_format.h"
#include "native/log/core.h"
#include "native/log/segment_blocks.h"
#include "test/support/seeded_random.h"
#include "test/support/sim_file_ops.h"

namespace millrace {
namespace {

using base::Code;
using log::Core;
using log::Durability;
using support::CutMode;
using support::SimCall;
using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;

constexpr const char* kPath = "/sim/data";
constexpr uint64_t kSegmentBytes = 16 * 1024;
constexpr int kCuts = 200;

// Time stands still: segments keep their size.
class StillClock final : public base::Clock {
 public:
  uint64_t WallMillis() override { return 1'700'000'000'000; }

  uint64_t SteadyMillis() override { return 1; }
};

log::CoreOptions SmallOptions() {
  log::CoreOptions options;
  options.inline_mode = true;
  options.segment_bytes_min = options.segment_bytes_max = kSegmentBytes;
  options.spare_segments = 1;
  options.disk_low_water_bytes = 1;
  return options;
}

// A process with the log of a simulated machine open.
class Process {
 public:
  explicit Process(std::unique_ptr<SimFileOps> files, log::CoreOptions options = SmallOptions())
      : files_(std::move(files)) {
    options.file_ops = files_.get();
    options.clock = &clock_;
    status_ = Core::Open(kPath, options, &core_);
  }

  ~Process() {
    files_->SetBeforeCall(nullptr);
    files_->Kill();
  }

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const base::Status& status() const { return status_; }

  Core* core() { return core_.get(); }

  SimFileOps* files() { return files_.get(); }

  uint32_t Create() {
    std::vector<uint64_t> shards;
    EXPECT_TRUE(core_->CreateShards({1}, &shards).ok());
    uint32_t slot = UINT32_MAX;
    EXPECT_TRUE(core_->FindShard(shards.at(0), &slot).ok());
    return slot;
  }

  base::Status Append(uint32_t slot, Durability durability, uint64_t producer_id = 0,
                      uint32_t producer_sequence = 0) {
    static const std::vector<uint8_t> records(1000, 'r');
    const log::Piece piece{records.data(), static_cast<uint32_t>(records.size())};
    log::AppendRequest request;
    request.pieces = &piece;
    request.piece_count = 1;
    request.records_bytes = piece.bytes;
    request.count = 1;
    request.producer_id = producer_id;
    request.producer_sequence = producer_sequence;
    request.durability = durability;
    log::AppendResult result{};
    base::Status status = core_->Append(slot, request, &result);
    files_->Observe();
    return status;
  }

  log::ShardStats Stats(uint32_t slot) const {
    log::ShardStats stats{};
    EXPECT_TRUE(core_->GetShardStats(slot, &stats).ok());
    return stats;
  }

  // Calls `at` before each system call that `run` makes.
  void AtEachCall(const std::function<void(const SimCall&)>& at, const std::function<void()>& run) {
    files_->SetBeforeCall(at);
    run();
    files_->SetBeforeCall(nullptr);
  }

 private:
  StillClock clock_;
  std::unique_ptr<SimFileOps> files_;
  base::Status status_;
  std::shared_ptr<Core> core_;
};

class CoreFaultsTest : public ::testing::Test {
 protected:
  CoreFaultsTest() : random_(seeds_.Any()) {}

  static std::unique_ptr<SimFileOps> NewMachine() { return std::make_unique<SimFileOps>("/sim"); }

  // Opens the machine and looks for damage where none can be.
  static void ExpectNoDamage(std::unique_ptr<SimFileOps> files) {
    log::ScrubReport report;
    ASSERT_TRUE(log::VerifyDirectory(kPath, files.get(), &report).ok());
    for (const log::DamageReport& damage : report.damaged) {
      EXPECT_EQ(damage.shard, 0u) << damage.reason;
    }
    Process process(std::move(files));
    ASSERT_TRUE(process.status().ok()) << process.status().message();
    EXPECT_EQ(process.core()->GetStats().damaged_range_count, 0u);
  }

  // The files of a shard's segments, by their place in the log.
  static std::map<uint64_t, std::string> SegmentsOf(SimFileOps* files, uint64_t shard) {
    std::map<uint64_t, std::string> paths;
    for (const std::string& path : files->FilePaths()) {
      const std::vector<uint8_t> bytes = files->ReadFile(path);
      format::SegmentHeader header;
      if (path.ends_with(".seg") && bytes.size() >= sizeof header) {
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.magic == format::kSegmentMagic && header.shard == shard) {
          paths[header.base_position] = path;
        }
      }
    }
    return paths;
  }

  static std::string FirstSegmentOf(SimFileOps* files, uint64_t shard) {
    return SegmentsOf(files, shard).begin()->second;
  }

  static std::string LastSegmentOf(SimFileOps* files, uint64_t shard) {
    return SegmentsOf(files, shard).rbegin()->second;
  }

  support::SeededRandom seeds_;
  support::Random random_;
};

TEST_F(CoreFaultsTest, KeepsADirectoryWhoseCreatorDiedBeforeItsEntriesWereSynced) {
  std::vector<std::unique_ptr<SimFileOps>> images;
  auto files = NewMachine();
  SimFileOps* const machine = files.get();
  machine->SetBeforeCall(
      [&images, machine](const SimCall&) { images.push_back(machine->KillCopy()); });
  Process creator(std::move(files));
  machine->SetBeforeCall(nullptr);
  ASSERT_GT(images.size(), 20u);
  for (auto& image : images) {
    Process heir(std::move(image));
    ASSERT_TRUE(heir.status().ok()) << heir.status().message();
    ASSERT_TRUE(heir.Append(heir.Create(), Durability::kDisk).ok());
    Process after(heir.files()->CutPower(&random_, CutMode::kKeepSynced));
    ASSERT_TRUE(after.status().ok()) << after.status().message();
    ASSERT_EQ(after.core()->ListShards().size(), 1u);
    EXPECT_EQ(after.Stats(0).next_sequence, 2u);
  }
}

TEST_F(CoreFaultsTest, CutsUnsyncedSegmentsInsteadOfCallingThemLost) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  while (process.Stats(slot).segment_count < 3) {
    ASSERT_TRUE(process.Append(slot, Durability::kOs).ok());
  }
  for (int cut = 0; cut < kCuts; ++cut) {
    ExpectNoDamage(process.files()->CutPower(&random_));
  }
}

TEST_F(CoreFaultsTest, SealsASegmentOnlyBehindTheProvenHeaderOfTheNext) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  while (process.Stats(slot).segment_count < 2) {
    ASSERT_TRUE(process.Append(slot, Durability::kOs).ok());
  }
  for (int cut = 0; cut < kCuts; ++cut) {
    Process recovered(process.files()->CutPower(&random_));
    ASSERT_TRUE(recovered.status().ok()) << recovered.status().message();
    ExpectNoDamage(recovered.files()->CutPower(&random_, CutMode::kKeepSynced));
    ExpectNoDamage(recovered.files()->CutPower(&random_));
  }
}

TEST_F(CoreFaultsTest, TellsTheTwoLivesOfARecycledFileApart) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  const uint32_t other = process.Create();
  const auto cut = [&](const SimCall& call) {
    if (call.kind == SimCallKind::kSyncRange) {
      ExpectNoDamage(process.files()->CutPower(&random_));
    }
  };
  for (int life = 0; life < 8; ++life) {
    const uint32_t user = life % 2 == 0 ? slot : other;
    process.AtEachCall(cut, [&] {
      for (int append = 0; append < 10; ++append) {
        ASSERT_TRUE(process.Append(user, Durability::kDisk).ok());
      }
    });
    ASSERT_TRUE(process.core()->Trim(user, process.Stats(user).next_sequence).ok());
    process.core()->RunChores();
  }
}

// The header of the next segment is in the page cache alone, and its batches have not even got
// there.
TEST_F(CoreFaultsTest, ProvesTheHeaderOfAnEmptySuccessor) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  while (process.Stats(slot).segment_count < 2) {
    ASSERT_TRUE(process.Append(slot, Durability::kOs).ok());
  }
  auto killed = process.files()->KillCopy();
  const std::vector<uint8_t> zeros(kSegmentBytes - format::kSegmentOverheadBytes);
  killed->Overwrite(LastSegmentOf(killed.get(), 1), format::kSegmentHeaderBlockBytes, zeros.data(),
                    zeros.size());
  Process recovered(std::move(killed));
  ASSERT_TRUE(recovered.status().ok()) << recovered.status().message();
  ExpectNoDamage(recovered.files()->CutPower(&random_, CutMode::kKeepSynced));
}

// The same, and the front of the file still shows the header of its earlier life. The first batch,
// torn, tells whose file it is, until it is cut.
TEST_F(CoreFaultsTest, LeavesOneHeaderInARecycledSuccessor) {
  Process process(NewMachine());
  const uint32_t first = process.Create();
  while (process.Stats(first).segment_count < 3) {
    ASSERT_TRUE(process.Append(first, Durability::kDisk).ok());
  }
  ASSERT_TRUE(process.core()->Trim(first, process.Stats(first).next_sequence).ok());
  const uint32_t second = process.Create();
  while (process.Stats(second).segment_count < 2) {
    ASSERT_TRUE(process.Append(second, Durability::kOs).ok());
  }
  auto killed = process.files()->KillCopy();
  const std::string path = LastSegmentOf(killed.get(), 2);
  std::vector<uint8_t> file = killed->ReadFile(path);
  std::fill(file.begin() + format::kSegmentHeaderBlockBytes + format::kBatchHeaderBytes,
            file.end() - format::kSegmentTrailerBlockBytes, uint8_t{0});
  format::SegmentHeader header;
  std::memcpy(&header, file.data(), sizeof header);
  header.shard = 1;
  header.base_position = 0;
  header.first_sequence = 1;
  log::FinishSegmentHeader(&header);
  std::memcpy(file.data(), &header, sizeof header);
  killed->Overwrite(path, 0, file.data(), file.size() - format::kSegmentTrailerBlockBytes);
  Process recovered(std::move(killed));
  ASSERT_TRUE(recovered.status().ok()) << recovered.status().message();
  ExpectNoDamage(recovered.files()->CutPower(&random_, CutMode::kKeepSynced));
  ExpectNoDamage(recovered.files()->KillCopy());
}

// A file that has begun its next life: the old header is whole, the seal is gone, the batches too.
TEST_F(CoreFaultsTest, IgnoresTheOldHeaderOfATrimmedSegment) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  while (process.Stats(slot).segment_count < 4) {
    ASSERT_TRUE(process.Append(slot, Durability::kDisk).ok());
  }
  auto before = process.files()->KillCopy();
  const std::string path = FirstSegmentOf(before.get(), 1);
  std::vector<uint8_t> file = before->ReadFile(path);
  ASSERT_TRUE(process.core()->Trim(slot, process.Stats(slot).next_sequence).ok());
  auto killed = process.files()->KillCopy();
  ASSERT_TRUE(killed->Exists(path));
  const size_t trailer = file.size() - format::kSegmentTrailerBlockBytes;
  std::fill_n(file.begin() + static_cast<ptrdiff_t>(trailer + format::kSegmentSealAt),
              sizeof(format::SegmentSeal), uint8_t{0});
  std::fill_n(file.begin() + format::kSegmentHeaderBlockBytes + 1100, 100, uint8_t{0x77});
  killed->Overwrite(path, 0, file.data(), file.size());
  ExpectNoDamage(std::move(killed));
}

TEST_F(CoreFaultsTest, LetsAProducerGoOnWhoseTrimmedBatchesThePowerTook) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  ASSERT_TRUE(process.Append(slot, Durability::kDisk, 7, 0).ok());
  ASSERT_TRUE(process.Append(slot, Durability::kOs, 7, 1).ok());
  ASSERT_TRUE(process.Append(slot, Durability::kOs, 7, 2).ok());
  ASSERT_TRUE(process.core()->Trim(slot, 4).ok());
  Process after(process.files()->CutPower(&random_, CutMode::kKeepSynced));
  ASSERT_TRUE(after.status().ok()) << after.status().message();
  EXPECT_EQ(after.Stats(0).next_sequence, 4u);
  EXPECT_TRUE(after.Append(0, Durability::kDisk, 7, 3).ok());
}

TEST_F(CoreFaultsTest, ReadsAManifestWhoseLastRecordsAreTorn) {
  Process process(NewMachine());
  const auto cut = [&](const SimCall& call) {
    for (int image = 0; call.kind == SimCallKind::kSyncData && image < kCuts; ++image) {
      Process after(process.files()->CutPower(&random_));
      ASSERT_TRUE(after.status().ok()) << after.status().message();
    }
  };
  process.AtEachCall(cut, [&] {
    std::vector<uint64_t> shards;
    ASSERT_TRUE(process.core()->CreateShards(std::vector<uint64_t>(30, 1), &shards).ok());
  });
}

TEST_F(CoreFaultsTest, OutlivesADeathAtAnyCallOfASeal) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  ASSERT_TRUE(process.Append(slot, Durability::kDisk).ok());
  for (int turn = 0; turn < 4; ++turn) {
    process.core()->RunChores();  // idle: the tail ends with a marker, which nothing proves in turn
  }
  std::vector<std::unique_ptr<SimFileOps>> images;
  process.AtEachCall([&](const SimCall&) { images.push_back(process.files()->KillCopy()); },
                     [&] { ASSERT_TRUE(process.core()->SealShards({1}).ok()); });
  for (auto& image : images) {
    Process heir(std::move(image));
    ASSERT_TRUE(heir.status().ok()) << heir.status().message();
    ASSERT_TRUE(heir.core()->Trim(0, 2).ok());
    for (int turn = 0; turn < 4; ++turn) {
      heir.core()->RunChores();
    }
    EXPECT_TRUE(heir.core()->Close().ok());
  }
}

TEST_F(CoreFaultsTest, LetsAnIdleShardWithAlignedCommitsComeToRest) {
  log::CoreOptions options = SmallOptions();
  options.align_commits = true;
  options.segment_bytes_min = options.segment_bytes_max = 16 * kSegmentBytes;
  Process process(NewMachine(), options);
  const uint32_t slot = process.Create();
  ASSERT_TRUE(process.Append(slot, Durability::kDisk).ok());
  for (int turn = 0; turn < 4; ++turn) {
    process.core()->RunChores();
  }
  const uint64_t end = process.Stats(slot).appended_end;
  for (int turn = 0; turn < 10; ++turn) {
    process.core()->RunChores();
  }
  EXPECT_EQ(process.Stats(slot).appended_end, end);
}

TEST_F(CoreFaultsTest, RefusesToOpenWhenTheSegmentsCannotBeListed) {
  Process process(NewMachine());
  ASSERT_TRUE(process.Append(process.Create(), Durability::kDisk).ok());
  for (const uint64_t listing : {1, 2}) {
    auto killed = process.files()->KillCopy();
    SimFault fault;
    fault.kind = SimCallKind::kList;
    fault.path_part = "/log";
    fault.nth = listing;
    killed->AddFault(fault);
    Process unlucky(std::move(killed));
    EXPECT_EQ(unlucky.status().code(), Code::kLogFailed) << "listing " << listing;
    Process heir(unlucky.files()->KillCopy());
    ASSERT_TRUE(heir.status().ok()) << heir.status().message();
    EXPECT_EQ(heir.Stats(0).next_sequence, 2u);
  }
}

// The seal of the first segment is not on disk, those of later ones are.
TEST_F(CoreFaultsTest, RemembersProducersBehindALostSeal) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  ASSERT_TRUE(process.Append(slot, Durability::kDisk, 7, 0).ok());
  for (const uint64_t segments : {2, 3}) {
    while (process.Stats(slot).segment_count < segments) {
      ASSERT_TRUE(process.Append(slot, Durability::kDisk).ok());
    }
    if (segments == 2) {
      ASSERT_TRUE(process.Append(slot, Durability::kDisk, 7, 1).ok());
    }
  }
  process.core()->RunChores();
  const std::vector<uint8_t> no_seal(sizeof(format::SegmentSeal));
  for (const bool with_index_files : {true, false}) {
    auto killed = process.files()->KillCopy();
    const std::string first = FirstSegmentOf(killed.get(), 1);
    killed->Overwrite(first,
                      kSegmentBytes - format::kSegmentTrailerBlockBytes + format::kSegmentSealAt,
                      no_seal.data(), no_seal.size());
    for (const std::string& path : killed->FilePaths()) {
      if (path.ends_with(".idx") && !with_index_files) {
        ASSERT_EQ(killed->Unlink(path), 0);
      }
    }
    Process heir(std::move(killed));
    ASSERT_TRUE(heir.status().ok()) << heir.status().message();
    EXPECT_TRUE(heir.Append(0, Durability::kDisk, 7, 2).ok());
  }
}

// The disk was full for a moment, but what the sync dropped stays in doubt.
TEST_F(CoreFaultsTest, PromisesNoRecoveryAfterASyncThatFoundNoSpace) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  SimFault fault;
  fault.kind = SimCallKind::kSyncRange;
  fault.error = ENOSPC;
  process.files()->AddFault(fault);
  const base::Status append = process.Append(slot, Durability::kDisk);
  fault.kind = SimCallKind::kSyncData;
  fault.path_part = "manifest-b";
  process.files()->AddFault(fault);
  std::vector<uint64_t> shards;
  const base::Status create = process.core()->CreateShards({1}, &shards);
  for (const base::Status& status : {append, create}) {
    EXPECT_EQ(status.code(), Code::kLogFailed);
    EXPECT_EQ(status.message().find("by themselves"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("No space left"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("opened again"), std::string::npos) << status.message();
  }
}

TEST_F(CoreFaultsTest, BlamesTheDiskAndNotTheDataWhenAFileCannotBeLookedAt) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  ASSERT_TRUE(process.Append(slot, Durability::kDisk).ok());
  for (int turn = 0; turn < 4; ++turn) {
    process.core()->RunChores();  // idle: the next append opens the file again
  }
  SimFault fault;
  fault.kind = SimCallKind::kSize;
  fault.error = EIO;
  process.files()->AddFault(fault);
  EXPECT_EQ(process.Append(slot, Durability::kDisk).code(), Code::kLogFailed);
  EXPECT_TRUE(process.Append(slot, Durability::kDisk).ok());
}

// A write that failed may have written all of the header: with another file in its place, two would
// claim to be the same segment.
TEST_F(CoreFaultsTest, NoSecondFileTakesThePlaceOfOneWhoseHeaderMayBeThere) {
  Process process(NewMachine());
  const uint32_t slot = process.Create();
  SimFault fault;
  fault.kind = SimCallKind::kWrite;
  fault.path_part = ".seg";
  fault.written_of_256 = 256;
  process.files()->AddFault(fault);
  EXPECT_EQ(process.Append(slot, Durability::kOs).code(), Code::kLogFailed);
  EXPECT_EQ(process.Append(slot, Durability::kOs).code(), Code::kLogFailed);
  Process after(process.files()->KillCopy());
  ASSERT_TRUE(after.status().ok()) << after.status().message();
  ASSERT_TRUE(after.Append(0, Durability::kDisk).ok());
  ASSERT_TRUE(after.Append(0, Durability::kDisk).ok());
  Process last(after.files()->CutPower(&random_, CutMode::kKeepSynced));
  ASSERT_TRUE(last.status().ok()) << last.status().message();
  EXPECT_EQ(last.Stats(0).next_sequence, 3u);
}

}  // namespace
}  // namespace millrace
