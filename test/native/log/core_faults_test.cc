// What power cuts and deaths did to the log before: faults that the torture programs on the
// simulated disk once found, each reduced to the few steps that show it.
#include "test/support/core_faults.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/format/batch_format.h"
#include "native/format/segment_format.h"
#include "native/log/core.h"
#include "native/log/segment_blocks.h"

namespace millrace {
namespace {

using log::Durability;
using support::CoreFaultsTest;
using support::CutMode;
using support::kSegmentBytes;
using support::Process;
using support::SimCall;
using support::SimCallKind;
using support::SimFileOps;
using support::SmallOptions;

constexpr int kCuts = 200;

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

}  // namespace
}  // namespace millrace
