// Failing calls, lost pages after failed syncs, and death of the process.
#include <cerrno>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/seeded_random.h"
#include "test/support/sim_file_ops.h"

namespace millrace::support {
namespace {

using base::kPageBytes;
using base::OpenMode;

constexpr uint64_t kFileBytes = 16 * kPageBytes;
constexpr int kCuts = 200;

class SimFaultTest : public testing::Test {
 protected:
  SimFaultTest() : random_(seeds_.Any()), fd_(files_.Open("/data/a", OpenMode::kCreateNew)) {
    EXPECT_EQ(files_.Allocate(fd_, kFileBytes), 0);
    EXPECT_EQ(files_.SyncData(fd_), 0);
    EXPECT_EQ(files_.SyncDirectory("/data"), 0);
    EXPECT_EQ(files_.Map(fd_, kFileBytes, true, &map_), 0);
  }

  void FailNext(SimCallKind kind, int error = EIO) {
    SimFault fault;
    fault.kind = kind;
    fault.error = error;
    files_.AddFault(fault);
  }

  uint8_t FirstByteOnDisk(SimFileOps* files, CutMode mode = CutMode::kKeepSynced) {
    return files->CutPower(&random_, mode)->ReadFile("/data/a")[0];
  }

  // Stores a byte and lets the sync of it fail.
  void LoseFirstPage() {
    map_[0] = 1;
    FailNext(SimCallKind::kSyncRange);
    EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), -EIO);
  }

  SeededRandom seeds_;
  Random random_;
  SimFileOps files_{"/data"};
  int fd_;
  uint8_t* map_ = nullptr;
};

TEST_F(SimFaultTest, FsyncgateIsReproduced) {
  LoseFirstPage();
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
  EXPECT_EQ(files_.SyncData(fd_), 0);
  EXPECT_EQ(map_[0], 1);
  EXPECT_EQ(FirstByteOnDisk(&files_), 0);
  int gone = 0;
  for (int cut = 0; cut < kCuts; ++cut) {
    gone += FirstByteOnDisk(&files_, CutMode::kRandom) == 0;
  }
  EXPECT_GT(gone, 0);  // the failed write may have reached the disk, or not
  EXPECT_LT(gone, kCuts);
}

TEST_F(SimFaultTest, OnlyThePagesOfTheFailedSyncAreLost) {
  map_[0] = 1;
  map_[kPageBytes] = 1;
  FailNext(SimCallKind::kSyncRange);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, kPageBytes), -EIO);
  EXPECT_EQ(files_.SyncData(fd_), 0);
  const std::vector<uint8_t> left =
      files_.CutPower(&random_, CutMode::kKeepSynced)->ReadFile("/data/a");
  EXPECT_EQ(left[0], 0);
  EXPECT_EQ(left[kPageBytes], 1);
}

TEST_F(SimFaultTest, ALostPageIsWrittenAgainOnceSomethingIsStored) {
  const std::vector<std::function<void()>> stores = {
      [&] { map_[1] = 2; },
      [&] { *static_cast<volatile uint8_t*>(map_) = 1; },  // the same byte
      [&] { EXPECT_EQ(files_.PWrite(fd_, map_, 1, 0), 0); },
      [&] { EXPECT_EQ(files_.Populate(map_, kPageBytes, true), 0); },
      [&] { std::thread([&] { *static_cast<volatile uint8_t*>(map_) = 1; }).join(); },
  };
  for (const std::function<void()>& store : stores) {
    map_[0] = 0;
    map_[1] = 0;
    EXPECT_EQ(files_.SyncData(fd_), 0);
    LoseFirstPage();
    EXPECT_EQ(files_.Populate(map_, kPageBytes, false), 0);
    EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
    EXPECT_EQ(FirstByteOnDisk(&files_), 0);
    store();
    EXPECT_EQ(FirstByteOnDisk(&files_), 0);
    EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
    EXPECT_EQ(FirstByteOnDisk(&files_), 1);
  }
}

TEST_F(SimFaultTest, EveryWritableMapOfALostPageIsWatched) {
  LoseFirstPage();
  uint8_t* later = nullptr;
  EXPECT_EQ(files_.Map(fd_, kFileBytes, true, &later), 0);
  *static_cast<volatile uint8_t*>(later) = 1;
  *static_cast<volatile uint8_t*>(map_) = 1;
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
  EXPECT_EQ(FirstByteOnDisk(&files_), 1);
  EXPECT_EQ(files_.Unmap(map_, kFileBytes), 0);
  EXPECT_EQ(files_.Unmap(later, kFileBytes), 0);
}

TEST_F(SimFaultTest, AStoreToAReadOnlyMapOfALostPageIsStillFatal) {
  LoseFirstPage();
  uint8_t* readable = nullptr;
  EXPECT_EQ(files_.Map(fd_, kFileBytes, false, &readable), 0);
  EXPECT_DEATH(*static_cast<volatile uint8_t*>(readable) = 1, "");
}

TEST_F(SimFaultTest, EvictedLostPagesShowTheDisk) {
  std::set<int> shown;
  for (int round = 0; round < kCuts; ++round) {
    map_[0] = 0;
    EXPECT_EQ(files_.SyncData(fd_), 0);
    LoseFirstPage();
    map_[kPageBytes] = static_cast<uint8_t>(round);
    files_.EvictLostPages(&random_);
    EXPECT_EQ(map_[kPageBytes], static_cast<uint8_t>(round));
    EXPECT_EQ(map_[0], FirstByteOnDisk(&files_));
    shown.insert(map_[0]);
  }
  EXPECT_EQ(shown, (std::set<int>{0, 1}));
}

TEST_F(SimFaultTest, ABackgroundFailureIsReportedOncePerDescriptor) {
  const int other = files_.Open("/data/a", OpenMode::kReadWrite);
  map_[0] = 1;
  FailNext(SimCallKind::kStartWriteback);
  files_.StartWriteback(fd_, 0, kPageBytes);
  const int unheard = files_.Open("/data/a", OpenMode::kReadWrite);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), -EIO);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
  EXPECT_EQ(files_.SyncData(other), -EIO);
  EXPECT_EQ(files_.SyncData(other), 0);
  EXPECT_EQ(files_.SyncData(unheard), -EIO);
  const int late = files_.Open("/data/a", OpenMode::kReadWrite);
  EXPECT_EQ(files_.SyncData(late), 0);
  EXPECT_EQ(FirstByteOnDisk(&files_), 0);
}

TEST_F(SimFaultTest, AKilledProcessLeavesItsBytesInThePageCache) {
  map_[0] = 1;
  EXPECT_EQ(files_.PWrite(fd_, "x", 1, kPageBytes), 0);
  const std::unique_ptr<SimFileOps> next = files_.Kill();
  EXPECT_EQ(next->ReadFile("/data/a")[0], 1);
  EXPECT_EQ(next->ReadFile("/data/a")[kPageBytes], 'x');
  EXPECT_EQ(FirstByteOnDisk(next.get()), 0);
  const int fd = next->Open("/data/a", OpenMode::kReadWrite);
  EXPECT_EQ(next->SyncData(fd), 0);
  EXPECT_EQ(FirstByteOnDisk(next.get()), 1);

  // The objects of the dead process can go on for a while, and reach nobody.
  EXPECT_EQ(files_.PWrite(fd_, "y", 1, 0), -EIO);
  EXPECT_EQ(files_.Unlink("/data/a"), -EIO);
  map_[0] = 9;
  EXPECT_EQ(files_.Unmap(map_, kFileBytes), 0);
  EXPECT_EQ(files_.Close(fd_), 0);
  EXPECT_EQ(next->ReadFile("/data/a")[0], 1);
  EXPECT_EQ(files_.open_maps() + files_.open_descriptors(), 0u);
}

TEST_F(SimFaultTest, ALostPageStaysLostAcrossAKill) {
  LoseFirstPage();
  const std::unique_ptr<SimFileOps> next = files_.Kill();
  const int fd = next->Open("/data/a", OpenMode::kReadWrite);
  EXPECT_EQ(next->SyncData(fd), 0);
  EXPECT_EQ(next->ReadFile("/data/a")[0], 1);
  EXPECT_EQ(FirstByteOnDisk(next.get()), 0);
  uint8_t* map = nullptr;
  EXPECT_EQ(next->Map(fd, kFileBytes, true, &map), 0);
  *static_cast<volatile uint8_t*>(map) = map[0];
  EXPECT_EQ(next->SyncRange(fd, map, 0, 1), 0);
  EXPECT_EQ(FirstByteOnDisk(next.get()), 1);
}

TEST_F(SimFaultTest, AKillCopyIsIndependent) {
  LoseFirstPage();
  map_[kPageBytes] = 1;
  const int unsynced = files_.Open("/data/b", OpenMode::kCreateNew);
  EXPECT_GT(unsynced, 0);
  EXPECT_EQ(files_.Lock(fd_), 0);
  const std::unique_ptr<SimFileOps> copy = files_.KillCopy();
  map_[kPageBytes] = 2;
  EXPECT_EQ(files_.Unlink("/data/b"), 0);
  EXPECT_EQ(copy->ReadFile("/data/a")[kPageBytes], 1);
  EXPECT_TRUE(copy->Exists("/data/b"));
  EXPECT_FALSE(copy->CutPower(&random_, CutMode::kKeepSynced)->Exists("/data/b"));
  const int fd = copy->Open("/data/a", OpenMode::kReadWrite);
  EXPECT_EQ(copy->Lock(fd), 0);
  EXPECT_EQ(copy->SyncData(fd), 0);
  EXPECT_EQ(FirstByteOnDisk(copy.get()), 0);
  EXPECT_EQ(copy->CutPower(&random_, CutMode::kKeepSynced)->ReadFile("/data/a")[kPageBytes], 1);
  EXPECT_EQ(copy->SyncDirectory("/data"), 0);
  EXPECT_TRUE(copy->CutPower(&random_, CutMode::kKeepSynced)->Exists("/data/b"));
}

TEST_F(SimFaultTest, AFailedWriteHasWrittenAPart) {
  const std::vector<uint8_t> data(1000, 5);
  FailNext(SimCallKind::kWrite, ENOSPC);
  EXPECT_EQ(files_.PWrite(fd_, data.data(), data.size(), 100), -ENOSPC);
  EXPECT_EQ(map_[100 + 499], 5);
  EXPECT_EQ(map_[100 + 500], 0);
  EXPECT_EQ(files_.PWrite(fd_, data.data(), data.size(), 100), 0);
}

TEST_F(SimFaultTest, AFailedCloseHasClosed) {
  FailNext(SimCallKind::kClose);
  EXPECT_EQ(files_.Close(fd_), -EIO);
  EXPECT_EQ(files_.Close(fd_), -EBADF);
}

TEST_F(SimFaultTest, AFailedDirectorySyncLeavesTheChangesPending) {
  EXPECT_EQ(files_.Unlink("/data/a"), 0);
  FailNext(SimCallKind::kSyncDirectory);
  EXPECT_EQ(files_.SyncDirectory("/data"), -EIO);
  EXPECT_TRUE(files_.CutPower(&random_, CutMode::kKeepSynced)->Exists("/data/a"));
}

TEST_F(SimFaultTest, AfterAnAbortedJournalSyncsLieAndNamesStay) {
  map_[0] = 1;
  SimFault fault;
  fault.kind = SimCallKind::kSyncRange;
  fault.aborts_journal = true;
  EXPECT_EQ(files_.ConfirmSyncs(fd_), 0);
  files_.AddFault(fault);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
  EXPECT_EQ(files_.SyncData(fd_), 0);
  EXPECT_EQ(FirstByteOnDisk(&files_), 0);
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  EXPECT_EQ(files_.ConfirmSyncs(fd_), -EROFS);
  EXPECT_EQ(files_.Unlink("/data/a"), -EROFS);
  EXPECT_EQ(files_.Rename("/data/a", "/data/b"), -EROFS);
  EXPECT_EQ(files_.MakeDirectory("/data/d"), -EROFS);
  EXPECT_EQ(files_.Open("/data/b", OpenMode::kCreate), -EROFS);
  EXPECT_EQ(files_.Allocate(fd_, 2 * kFileBytes), -EROFS);
  auto next = files_.Kill();
  const int fd = next->Open("/data/a", OpenMode::kReadWrite);
  EXPECT_EQ(next->ConfirmSyncs(fd), -EROFS);
  auto healed = next->CutPower(&random_, CutMode::kKeepSynced);
  EXPECT_EQ(healed->ConfirmSyncs(healed->Open("/data/a", OpenMode::kReadWrite)), 0);
}

TEST_F(SimFaultTest, FaultsSelectByKindPathAndNumber) {
  const int other = files_.Open("/data/other", OpenMode::kCreate);
  SimFault fault;
  fault.kind = SimCallKind::kSize;
  fault.path_part = "other";
  fault.nth = 2;
  fault.error = ENFILE;
  files_.AddFault(fault);
  EXPECT_EQ(files_.Size(other), 0);
  EXPECT_GT(files_.Size(fd_), 0);
  EXPECT_EQ(files_.SyncData(other), 0);
  EXPECT_EQ(files_.Size(other), -ENFILE);
  EXPECT_EQ(files_.Size(other), 0);
  EXPECT_EQ(files_.fault_hits(), 1u);
  fault.for_ever = true;
  fault.nth = 1;
  files_.AddFault(fault);
  EXPECT_EQ(files_.Size(other), -ENFILE);
  EXPECT_EQ(files_.Size(other), -ENFILE);
  files_.ClearFaults();
  EXPECT_EQ(files_.Size(other), 0);
}

// Every call of the seam once; what each answered.
std::vector<int64_t> UseEveryCall(SimFileOps* files) {
  std::vector<int64_t> results;
  auto note = [&](int64_t result) {
    results.push_back(result);
    return static_cast<int>(result);
  };
  std::vector<std::string> names;
  base::FileSystemSpace space = {};
  uint8_t* map = nullptr;
  uint8_t byte = 0;
  note(files->MakeDirectory("/data/d"));
  const int fd = note(files->Open("/data/d/f", OpenMode::kCreate));
  note(files->Allocate(fd, kFileBytes));
  note(files->PWrite(fd, "abc", 3, 0));
  note(files->PRead(fd, &byte, 1, 0));
  note(files->Size(fd));
  note(files->SyncData(fd));
  note(files->ConfirmSyncs(fd));
  note(files->Lock(fd));
  note(files->Rename("/data/d/f", "/data/d/g"));
  note(files->SyncDirectory("/data/d"));
  note(files->List("/data/d", &names));
  note(files->FreeSpace("/data", &space));
  if (note(files->Map(fd, kFileBytes, true, &map)) == 0) {
    note(files->Populate(map, kFileBytes, true));
    note(files->SyncRange(fd, map, 0, 1));
    note(files->Unmap(map, kFileBytes));
  }
  note(files->Unlink("/data/d/g"));
  note(files->Close(fd));
  return results;
}

TEST_F(SimFaultTest, EveryCallFailsAsPlannedOnceAndForEver) {
  SimFileOps clean("/data");
  const std::vector<int64_t> wanted = UseEveryCall(&clean);
  const uint64_t calls = clean.call_count();
  EXPECT_EQ(calls, wanted.size());
  EXPECT_EQ(clean.misuses(), 0u);
  for (const int64_t result : wanted) {
    EXPECT_GE(result, 0);
  }
  for (const int error : {EIO, ENOSPC, EDQUOT, EMFILE, ENOMEM, EROFS}) {
    for (uint64_t nth = 1; nth <= calls; ++nth) {
      for (const bool for_ever : {false, true}) {
        SimFileOps files("/data");
        SimFault fault;
        fault.nth = nth;
        fault.error = error;
        fault.for_ever = for_ever;
        files.AddFault(fault);
        const std::vector<int64_t> results = UseEveryCall(&files);
        ASSERT_EQ(
            std::vector<int64_t>(results.begin(), results.begin() + static_cast<int>(nth) - 1),
            std::vector<int64_t>(wanted.begin(), wanted.begin() + static_cast<int>(nth) - 1));
        ASSERT_EQ(results[nth - 1], -error) << "call " << nth;
        ASSERT_GE(files.fault_hits(), 1u);
        ASSERT_LE(files.open_maps(), 1u);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::support
