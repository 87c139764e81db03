// What a simulated power cut may take, and what it may not.
#include <chrono>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/seeded_random.h"
#include "test/support/sim_file_ops.h"

namespace millrace::support {
namespace {

using base::kPageBytes;
using base::OpenMode;

constexpr uint64_t kPages = 16;
constexpr uint64_t kFileBytes = kPages * kPageBytes;
constexpr int kCuts = 400;

// One durable file of zeros, mapped.
class SimPowerCutTest : public testing::Test {
 protected:
  SimPowerCutTest() : random_(seeds_.Any()), fd_(files_.Open("/data/a", OpenMode::kCreateNew)) {
    EXPECT_EQ(files_.Allocate(fd_, kFileBytes), 0);
    EXPECT_EQ(files_.SyncData(fd_), 0);
    EXPECT_EQ(files_.SyncDirectory("/data"), 0);
    EXPECT_EQ(files_.Map(fd_, kFileBytes, true, &map_), 0);
  }

  std::vector<uint8_t> ReadAfterCut(const std::string& path, CutMode mode = CutMode::kRandom) {
    return files_.CutPower(&random_, mode)->ReadFile(path);
  }

  void MakeFile(SimFileOps* files, const std::string& path, uint8_t fill) {
    const int fd = files->Open(path, OpenMode::kCreate);
    const std::vector<uint8_t> data(kPageBytes, fill);
    EXPECT_EQ(files->PWrite(fd, data.data(), data.size(), 0), 0);
    EXPECT_EQ(files->SyncData(fd), 0);
    EXPECT_EQ(files->Close(fd), 0);
  }

  // The names below /data/x that cuts leave, over many cuts.
  std::set<std::vector<std::string>> NamesAfterCuts() {
    std::set<std::vector<std::string>> outcomes;
    for (int cut = 0; cut < kCuts; ++cut) {
      outcomes.insert(files_.CutPower(&random_)->FilePaths());
    }
    return outcomes;
  }

  SeededRandom seeds_;
  Random random_;
  SimFileOps files_{"/data"};
  int fd_;
  uint8_t* map_ = nullptr;
};

using Names = std::vector<std::string>;

TEST_F(SimPowerCutTest, UnsyncedPagesAreLostOrKeptEachForItself) {
  for (uint64_t page = 0; page < kPages; ++page) {
    map_[page * kPageBytes] = 1;
  }
  std::set<std::vector<bool>> outcomes;
  for (int cut = 0; cut < kCuts; ++cut) {
    const std::vector<uint8_t> left = ReadAfterCut("/data/a");
    std::vector<bool> kept;
    for (uint64_t page = 0; page < kPages; ++page) {
      kept.push_back(left[page * kPageBytes] == 1);
    }
    outcomes.insert(kept);
  }
  EXPECT_TRUE(outcomes.contains(std::vector<bool>(kPages, false)));
  EXPECT_TRUE(outcomes.contains(std::vector<bool>(kPages, true)));
  EXPECT_GT(outcomes.size(), 50u);
}

TEST_F(SimPowerCutTest, SyncedBytesAreNeverLost) {
  for (uint64_t i = 0; i < kFileBytes; ++i) {
    map_[i] = static_cast<uint8_t>(i * 7 + i / kPageBytes);
  }
  // Only the first part, by range; bytes of its last page that were stored before the sync go
  // along.
  const uint64_t synced = 5 * kPageBytes + 100;
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, synced), 0);
  const std::vector<uint8_t> wanted(map_, map_ + 6 * kPageBytes);
  map_[6 * kPageBytes - 1] ^= 0xff;  // after the sync, in the last synced page
  int lost = 0;
  for (int cut = 0; cut < kCuts; ++cut) {
    const std::vector<uint8_t> left = ReadAfterCut("/data/a");
    ASSERT_EQ(std::memcmp(left.data(), wanted.data(), 6 * kPageBytes - 1), 0) << "cut " << cut;
    lost += std::memcmp(left.data(), map_, kFileBytes) != 0;
  }
  EXPECT_GT(lost, kCuts / 2);
  EXPECT_EQ(ReadAfterCut("/data/a", CutMode::kKeepAll),
            std::vector<uint8_t>(map_, map_ + kFileBytes));
  EXPECT_EQ(files_.SyncData(fd_), 0);
  for (int cut = 0; cut < kCuts; ++cut) {
    ASSERT_EQ(ReadAfterCut("/data/a"), std::vector<uint8_t>(map_, map_ + kFileBytes));
  }
}

TEST_F(SimPowerCutTest, PagesTearAtSectors) {
  std::memset(map_, 0x11, kPageBytes);
  EXPECT_EQ(files_.SyncData(fd_), 0);
  std::memset(map_, 0x22, kPageBytes);
  bool mixed_page = false;
  bool mixed_sector = false;
  for (int cut = 0; cut < kCuts; ++cut) {
    const std::vector<uint8_t> left = ReadAfterCut("/data/a");
    for (uint64_t sector = 0; sector < kPageBytes; sector += 512) {
      uint64_t newer = 0;
      while (newer < 512 && left[sector + newer] == 0x22) {
        ++newer;
      }
      ASSERT_EQ(newer % 8, 0u);
      for (uint64_t i = newer; i < 512; ++i) {
        ASSERT_EQ(left[sector + i], 0x11);
      }
      mixed_sector = mixed_sector || (newer != 0 && newer != 512);
      mixed_page = mixed_page || left[sector] != left[0];
    }
  }
  EXPECT_TRUE(mixed_page);
  EXPECT_TRUE(mixed_sector);
}

TEST_F(SimPowerCutTest, EarlierContentsComeBackOnlyWhenObserved) {
  for (uint8_t version = 1; version <= 5; ++version) {
    map_[0] = version;
    if (version != 3) {
      files_.Observe();
    }
  }
  std::set<int> left;
  for (int cut = 0; cut < kCuts; ++cut) {
    left.insert(ReadAfterCut("/data/a")[0]);
  }
  EXPECT_EQ(left, (std::set<int>{0, 1, 2, 4, 5}));
}

TEST_F(SimPowerCutTest, ManyVersionsStayBoundedAndKeepTheNewest) {
  for (uint32_t version = 1; version <= 1000; ++version) {
    std::memcpy(map_, &version, sizeof version);
    files_.Observe();
  }
  std::set<uint32_t> left;
  for (int cut = 0; cut < kCuts; ++cut) {
    uint32_t version;
    std::memcpy(&version, ReadAfterCut("/data/a").data(), sizeof version);
    left.insert(version);
  }
  EXPECT_TRUE(left.contains(0));
  EXPECT_TRUE(left.contains(1000));
  EXPECT_LE(left.size(), 9u);
  EXPECT_GE(left.size(), 5u);
}

TEST_F(SimPowerCutTest, WritesByCallAreLostLikeStores) {
  const std::vector<uint8_t> data(2 * kPageBytes, 9);
  EXPECT_EQ(files_.PWrite(fd_, data.data(), data.size(), kPageBytes / 2), 0);
  std::set<std::vector<bool>> outcomes;
  for (int cut = 0; cut < kCuts; ++cut) {
    const std::vector<uint8_t> left = ReadAfterCut("/data/a");
    outcomes.insert({left[kPageBytes - 1] == 9, left[kPageBytes] == 9, left[2 * kPageBytes] == 9});
  }
  EXPECT_EQ(outcomes.size(), 8u);
  EXPECT_EQ(files_.SyncRange(fd_, map_, kPageBytes, 1), 0);
  for (int cut = 0; cut < kCuts; ++cut) {
    ASSERT_EQ(ReadAfterCut("/data/a")[kPageBytes], 9);
  }
}

TEST_F(SimPowerCutTest, StartWritebackProvesNothing) {
  map_[0] = 1;
  files_.StartWriteback(fd_, 0, kPageBytes);
  EXPECT_EQ(ReadAfterCut("/data/a", CutMode::kKeepSynced)[0], 0);
}

TEST_F(SimPowerCutTest, ALengthIsDurableWithTheNextSync) {
  const int fd = files_.Open("/data/b", OpenMode::kCreateNew);
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  EXPECT_EQ(files_.PWrite(fd, "0123456789", 10, 0), 0);
  EXPECT_EQ(files_.Allocate(fd, 3 * kPageBytes), 0);
  std::set<size_t> lengths;
  for (int cut = 0; cut < kCuts; ++cut) {
    const std::vector<uint8_t> left = ReadAfterCut("/data/b");
    lengths.insert(left.size());
    for (size_t i = 10; i < left.size(); ++i) {
      ASSERT_EQ(left[i], 0);
    }
  }
  EXPECT_EQ(lengths, (std::set<size_t>{0, 10, 3 * kPageBytes}));
  uint8_t* map = nullptr;
  EXPECT_EQ(files_.Map(fd, 3 * kPageBytes, true, &map), 0);
  EXPECT_EQ(files_.SyncRange(fd, map, kPageBytes, 1), 0);
  for (int cut = 0; cut < kCuts; ++cut) {
    ASSERT_EQ(ReadAfterCut("/data/b").size(), 3 * kPageBytes);
  }
}

TEST_F(SimPowerCutTest, CreatesAndUnlinksWaitForTheSyncOfTheirDirectory) {
  MakeFile(&files_, "/data/b", 1);
  EXPECT_EQ(files_.Unlink("/data/a"), 0);
  EXPECT_EQ(NamesAfterCuts(),
            (std::set<Names>{{}, {"/data/a"}, {"/data/b"}, {"/data/a", "/data/b"}}));
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  EXPECT_EQ(NamesAfterCuts(), (std::set<Names>{{"/data/b"}}));
}

TEST_F(SimPowerCutTest, ARenameIsOldOrNew) {
  MakeFile(&files_, "/data/current", 1);
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  MakeFile(&files_, "/data/new", 2);
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  EXPECT_EQ(files_.Rename("/data/new", "/data/current"), 0);
  int renamed = 0;
  for (int cut = 0; cut < kCuts; ++cut) {
    const std::unique_ptr<SimFileOps> left = files_.CutPower(&random_);
    ASSERT_TRUE(left->Exists("/data/current"));
    const uint8_t fill = left->ReadFile("/data/current")[0];
    ASSERT_EQ(fill, left->Exists("/data/new") ? 1 : 2);
    renamed += fill == 2;
  }
  EXPECT_GT(renamed, 0);
  EXPECT_LT(renamed, kCuts);
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  EXPECT_EQ(NamesAfterCuts(), (std::set<Names>{{"/data/a", "/data/current"}}));
}

TEST_F(SimPowerCutTest, ARenameOfALostFileHasNoEffect) {
  MakeFile(&files_, "/data/b.new", 1);
  EXPECT_EQ(files_.Rename("/data/b.new", "/data/b"), 0);
  EXPECT_EQ(NamesAfterCuts(),
            (std::set<Names>{{"/data/a"}, {"/data/a", "/data/b"}, {"/data/a", "/data/b.new"}}));
}

TEST_F(SimPowerCutTest, ANewDirectoryIsLostWithAllThatIsInIt) {
  EXPECT_EQ(files_.MakeDirectory("/data/shard"), 0);
  MakeFile(&files_, "/data/shard/1", 1);
  EXPECT_EQ(files_.SyncDirectory("/data/shard"), 0);
  EXPECT_EQ(NamesAfterCuts(), (std::set<Names>{{"/data/a"}, {"/data/a", "/data/shard/1"}}));
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  EXPECT_EQ(NamesAfterCuts(), (std::set<Names>{{"/data/a", "/data/shard/1"}}));
}

TEST_F(SimPowerCutTest, ASyncedDirectoryTakesAlongWhatItsNamesDependOn) {
  EXPECT_EQ(files_.MakeDirectory("/data/spare"), 0);
  EXPECT_EQ(files_.MakeDirectory("/data/shard"), 0);
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  MakeFile(&files_, "/data/spare/s", 1);
  MakeFile(&files_, "/data/spare/t", 1);
  EXPECT_EQ(files_.Rename("/data/spare/s", "/data/shard/1"), 0);
  EXPECT_EQ(files_.SyncDirectory("/data/shard"), 0);
  EXPECT_EQ(NamesAfterCuts(), (std::set<Names>{{"/data/a", "/data/shard/1"},
                                               {"/data/a", "/data/shard/1", "/data/spare/t"}}));
}

TEST_F(SimPowerCutTest, ARecycledFileShowsItsEarlierLife) {
  std::memset(map_, 0xaa, kFileBytes);
  EXPECT_EQ(files_.SyncData(fd_), 0);
  EXPECT_EQ(files_.Rename("/data/a", "/data/b"), 0);
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  std::memset(map_, 0xbb, 2 * kPageBytes);
  EXPECT_EQ(ReadAfterCut("/data/b", CutMode::kKeepSynced), std::vector<uint8_t>(kFileBytes, 0xaa));
}

TEST_F(SimPowerCutTest, CutsCanBeCutAgain) {
  map_[0] = 1;
  EXPECT_EQ(files_.SyncData(fd_), 0);
  std::unique_ptr<SimFileOps> machine = files_.CutPower(&random_);
  for (uint8_t depth = 2; depth < 6; ++depth) {
    const int fd = machine->Open("/data/a", OpenMode::kReadWrite);
    uint8_t* map = nullptr;
    ASSERT_EQ(machine->Map(fd, kFileBytes, true, &map), 0);
    ASSERT_EQ(map[0], depth - 1);
    map[0] = depth;
    map[kPageBytes] = depth;
    ASSERT_EQ(machine->SyncRange(fd, map, 0, 1), 0);
    machine = machine->CutPower(&random_, depth % 2 == 0 ? CutMode::kRandom : CutMode::kKeepAll);
  }
  EXPECT_EQ(machine->ReadFile("/data/a")[0], 5);
  EXPECT_EQ(map_[0], 1);
  EXPECT_EQ(files_.misuses(), 0u);
}

TEST_F(SimPowerCutTest, TheSameSeedGivesTheSameImage) {
  std::memset(map_, 3, kFileBytes);
  MakeFile(&files_, "/data/b", 1);
  const uint64_t seed = seeds_.Any();
  for (int cut = 0; cut < 20; ++cut) {
    Random first(seed + static_cast<uint64_t>(cut));
    Random second(seed + static_cast<uint64_t>(cut));
    const std::unique_ptr<SimFileOps> one = files_.CutPower(&first);
    const std::unique_ptr<SimFileOps> two = files_.CutPower(&second);
    ASSERT_EQ(one->FilePaths(), two->FilePaths());
    ASSERT_EQ(one->ReadFile("/data/a"), two->ReadFile("/data/a"));
  }
}

TEST_F(SimPowerCutTest, OverwrittenBytesAreOnTheDiskAtOnce) {
  EXPECT_EQ(ReadAfterCut("/data/a")[5000], 0);
  map_[5001] = 7;
  files_.Overwrite("/data/a", 5000, "x", 1);
  EXPECT_EQ(map_[5000], 'x');
  const std::vector<uint8_t> left = ReadAfterCut("/data/a", CutMode::kKeepSynced);
  EXPECT_EQ(left[5000], 'x');
  EXPECT_EQ(left[5001], 0);
}

// Prints how fast crash states are made and opened; asserts only that each is a legal one.
TEST_F(SimPowerCutTest, StatesPerSecond) {
  const uint64_t states = TestCount(2000);
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t state = 0; state < states; ++state) {
    map_[state % kFileBytes] = 1;
    const std::unique_ptr<SimFileOps> left = files_.CutPower(&random_);
    const int fd = left->Open("/data/a", OpenMode::kReadWrite);
    uint8_t* map = nullptr;
    ASSERT_EQ(left->Map(fd, kFileBytes, true, &map), 0);
    for (uint64_t page = 0; page < kPages; ++page) {
      ASSERT_LE(map[page * kPageBytes], 1);
    }
    map[1] = 2;
    ASSERT_EQ(left->SyncRange(fd, map, 0, 2), 0);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  std::printf("%.0f crash states of 64 KiB per second, each mapped and synced\n",
              static_cast<double>(states) / elapsed.count());
}

}  // namespace
}  // namespace millrace::support
