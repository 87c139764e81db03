// The checker of "no acknowledgement before the matching sync".
#include "test/support/sync_order_checker.h"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/byte_ranges.h"
#include "test/support/seeded_random.h"

namespace millrace::support {
namespace {

using base::kPageBytes;
using base::OpenMode;

constexpr uint64_t kFileBytes = 16 * kPageBytes;

class SyncOrderCheckerTest : public testing::Test {
 protected:
  // A segment made by the rules: temporary name, allocated, synced, renamed, directory synced.
  SyncOrderCheckerTest() : fd_(files_.Open("/data/new", OpenMode::kCreateNew)) {
    EXPECT_EQ(files_.Allocate(fd_, kFileBytes), 0);
    EXPECT_EQ(files_.SyncData(fd_), 0);
    EXPECT_EQ(files_.Rename("/data/new", "/data/a"), 0);
    EXPECT_EQ(files_.SyncDirectory("/data"), 0);
    EXPECT_EQ(files_.Map(fd_, kFileBytes, true, &map_), 0);
  }

  std::string Acknowledge(const std::string& path, uint64_t offset, uint64_t bytes) {
    checker_.Follow(&files_);
    return checker_.Acknowledge(path, offset, bytes);
  }

  SimFileOps files_{"/data"};
  SyncOrderChecker checker_;
  int fd_;
  uint8_t* map_ = nullptr;
};

TEST_F(SyncOrderCheckerTest, AcceptsWhatWasSynced) {
  std::memset(map_ + 100, 1, 5000);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 100, 5000), 0);
  EXPECT_EQ(Acknowledge("/data/a", 100, 5000), "");
  // A store behind it does not matter, even in the same page.
  std::memset(map_ + 5100, 2, 300);
  EXPECT_EQ(Acknowledge("/data/a", 100, 5000), "");
  EXPECT_EQ(files_.SyncData(fd_), 0);
  EXPECT_EQ(Acknowledge("/data/a", 100, 5300), "");
  EXPECT_TRUE(checker_.violations().empty());
}

TEST_F(SyncOrderCheckerTest, RefusesAnAckBeforeTheSync) {
  map_[100] = 1;
  EXPECT_EQ(Acknowledge("/data/a", 100, 1), "/data/a [100, 101): stored after the last sync");
  EXPECT_EQ(files_.SyncRange(fd_, map_, 100, 1), 0);
  EXPECT_EQ(Acknowledge("/data/a", 100, 1), "");
  EXPECT_EQ(files_.PWrite(fd_, "x", 1, 100), 0);
  EXPECT_NE(Acknowledge("/data/a", 99, 10), "");
  EXPECT_EQ(checker_.violations().size(), 2u);
}

TEST_F(SyncOrderCheckerTest, RefusesAPartlyCoveredRange) {
  std::memset(map_, 1, 3 * kPageBytes);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, kPageBytes), 0);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 2 * kPageBytes, kPageBytes), 0);
  EXPECT_NE(Acknowledge("/data/a", 0, 3 * kPageBytes), "");
  EXPECT_EQ(Acknowledge("/data/a", 0, kPageBytes), "");
}

TEST_F(SyncOrderCheckerTest, AWritebackThatWasStartedProvesNothing) {
  map_[0] = 1;
  files_.StartWriteback(fd_, 0, kPageBytes);
  EXPECT_NE(Acknowledge("/data/a", 0, 1), "");
}

TEST_F(SyncOrderCheckerTest, AFailedSyncIsFinal) {
  map_[0] = 1;
  SimFault fault;
  fault.kind = SimCallKind::kSyncRange;
  files_.AddFault(fault);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), -EIO);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
  EXPECT_EQ(Acknowledge("/data/a", 0, 1),
            "/data/a [0, 1): its sync failed, and nothing has stored it again");
  EXPECT_EQ(files_.PWrite(fd_, map_, 1, 0), 0);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
  EXPECT_EQ(Acknowledge("/data/a", 0, 1), "");
}

TEST_F(SyncOrderCheckerTest, BelievesNoSyncOfAnAbortedJournal) {
  map_[0] = 1;
  SimFault fault;
  fault.kind = SimCallKind::kSyncRange;
  fault.aborts_journal = true;
  files_.AddFault(fault);
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
  EXPECT_EQ(Acknowledge("/data/a", 0, 1), "/data/a [0, 1): stored after the last sync");
}

TEST_F(SyncOrderCheckerTest, RefusesAnEntryThatIsNotSynced) {
  EXPECT_EQ(files_.MakeDirectory("/data/d"), 0);
  const int fd = files_.Open("/data/d/f", OpenMode::kCreateNew);
  EXPECT_EQ(files_.PWrite(fd, "x", 1, 0), 0);
  EXPECT_EQ(files_.SyncData(fd), 0);
  EXPECT_EQ(Acknowledge("/data/d/f", 0, 1),
            "/data/d/f [0, 1): the directory entry /data/d/f is not synced");
  EXPECT_EQ(files_.SyncDirectory("/data/d"), 0);
  EXPECT_EQ(Acknowledge("/data/d/f", 0, 1),
            "/data/d/f [0, 1): the directory entry /data/d is not synced");
  EXPECT_EQ(files_.SyncDirectory("/data"), 0);
  EXPECT_EQ(Acknowledge("/data/d/f", 0, 1), "");
  EXPECT_EQ(files_.Rename("/data/d/f", "/data/d/g"), 0);
  EXPECT_NE(Acknowledge("/data/d/g", 0, 1), "");
  EXPECT_NE(Acknowledge("/data/d/f", 0, 1), "");
}

TEST_F(SyncOrderCheckerTest, RefusesBytesBeyondTheSyncedLength) {
  EXPECT_EQ(files_.SyncData(fd_), 0);
  EXPECT_EQ(files_.Allocate(fd_, 2 * kFileBytes), 0);
  EXPECT_EQ(Acknowledge("/data/a", kFileBytes, 1),
            "/data/a [65536, 65537): beyond the length that was synced");
  EXPECT_EQ(files_.SyncRange(fd_, map_, 0, 1), 0);
  EXPECT_EQ(Acknowledge("/data/a", kFileBytes, 1), "");
}

TEST_F(SyncOrderCheckerTest, FollowsTheNextProcess) {
  map_[0] = 1;
  checker_.Follow(&files_);
  const std::unique_ptr<SimFileOps> next = files_.Kill();
  const int fd = next->Open("/data/a", OpenMode::kReadWrite);
  checker_.Follow(next.get());
  EXPECT_NE(checker_.Acknowledge("/data/a", 0, 1), "");
  EXPECT_EQ(next->SyncData(fd), 0);
  checker_.Follow(next.get());
  EXPECT_EQ(checker_.Acknowledge("/data/a", 0, 1), "");
}

TEST(ByteRanges, AgreeWithASetOfBytes) {
  constexpr uint32_t kSpan = 64;
  SeededRandom random;
  for (uint64_t round = 0; round < TestCount(300); ++round) {
    ByteRanges ranges;
    std::vector<bool> model(kSpan, false);
    for (int step = 0; step < 60; ++step) {
      const uint32_t start = random.Below(kSpan);
      const uint32_t end = start + random.Below(kSpan - start + 1);
      const bool add = random.OneIn(2);
      add ? ranges.Add(start, end) : ranges.Remove(start, end);
      std::fill(model.begin() + start, model.begin() + end, add);
      const uint32_t from = random.Below(kSpan);
      const uint32_t to = from + random.Below(kSpan - from + 1);
      const auto count = std::count(model.begin() + from, model.begin() + to, true);
      ASSERT_EQ(ranges.Overlaps(from, to), count > 0);
      ASSERT_EQ(ranges.Covers(from, to), count == to - from);
      int64_t visited = 0;
      ranges.ForEachIn(from, to,
                       [&](uint64_t a, uint64_t b) { visited += static_cast<int64_t>(b - a); });
      ASSERT_EQ(visited, count);
    }
  }
}

}  // namespace
}  // namespace millrace::support
