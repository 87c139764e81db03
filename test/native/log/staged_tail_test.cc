// What waits for a sync is gathered in memory: it must be in the file before that sync, before
// anything behind it is visible, and after an error that did not lose it.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/segment_pool.h"
#include "native/log/segment_writer.h"
#include "native/log/staged_tail.h"
#include "test/support/log_harness.h"
#include "test/support/seeded_random.h"
#include "test/support/sim_file_ops.h"

namespace millrace::log {
namespace {

using support::LogHarness;
using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;

constexpr const char* kRoot = "/sim";
constexpr const char* kFile = "/sim/file";
constexpr uint64_t kCapacity = 1000;

class StagedTailTest : public testing::Test {
 protected:
  StagedTailTest()
      : files_(kRoot),
        fd_(files_.Open(kFile, base::OpenMode::kCreateNew)),
        staged_(&files_, fd_, kCapacity) {
    EXPECT_EQ(files_.Allocate(fd_, 64 * 1024), 0);
  }

  ~StagedTailTest() override { files_.Close(fd_); }

  // Puts `bytes` bytes of `letter` behind what there is.
  int Add(uint64_t bytes, char letter) {
    const int error = staged_.MakeRoom(bytes);
    if (error == 0) {
      std::memset(staged_.Extend(added_.size(), bytes), letter, bytes);
      added_.append(bytes, letter);
    }
    return error;
  }

  void FailNextWrite(int error) {
    SimFault fault;
    fault.kind = SimCallKind::kWrite;
    fault.error = error;
    files_.AddFault(fault);
  }

  // How many of the added bytes the file has, the rest being zeros.
  uint64_t Written() {
    const std::vector<uint8_t> file = files_.ReadFile(kFile);
    const std::string held(file.begin(), file.end());
    const uint64_t written = std::min<uint64_t>(held.find('\0'), held.size());
    EXPECT_EQ(held.substr(0, written), added_.substr(0, written));
    EXPECT_EQ(held.find_first_not_of('\0', written), std::string::npos);
    return written;
  }

  SimFileOps files_;
  const int fd_;
  StagedTail staged_;
  std::string added_;
};

TEST_F(StagedTailTest, ARoundWritesWhatWasThereWhenItBegan) {
  ASSERT_EQ(Add(300, 'a'), 0);
  EXPECT_EQ(Written(), 0u);
  staged_.HandOver();
  ASSERT_EQ(Add(200, 'b'), 0);
  ASSERT_EQ(staged_.WriteHanded(), 0);
  EXPECT_EQ(Written(), 300u);
  staged_.HandOver();
  ASSERT_EQ(staged_.WriteHanded(), 0);
  EXPECT_EQ(Written(), 500u);
  const uint64_t calls = files_.call_count();
  ASSERT_EQ(staged_.WriteHanded(), 0);
  ASSERT_EQ(staged_.WriteAll(), 0);
  EXPECT_EQ(files_.call_count(), calls) << "nothing was left to write";
}

TEST_F(StagedTailTest, WriteAllTakesWhatWasHandedOverToo) {
  ASSERT_EQ(Add(300, 'a'), 0);
  staged_.HandOver();
  ASSERT_EQ(Add(200, 'b'), 0);
  ASSERT_EQ(staged_.WriteAll(), 0);
  EXPECT_EQ(Written(), 500u);
}

TEST_F(StagedTailTest, WhatDoesNotFitIsWrittenEarly) {
  ASSERT_EQ(Add(kCapacity - 1, 'a'), 0);
  ASSERT_EQ(Add(1, 'b'), 0);
  EXPECT_EQ(Written(), 0u);
  ASSERT_EQ(Add(1, 'c'), 0);
  EXPECT_EQ(Written(), kCapacity);
  ASSERT_EQ(Add(5 * kCapacity, 'd'), 0) << "larger than the buffer";
  ASSERT_EQ(Add(3, 'e'), 0);
  ASSERT_EQ(staged_.WriteAll(), 0);
  EXPECT_EQ(Written(), added_.size());
}

TEST_F(StagedTailTest, AFailedWriteLosesNothing) {
  ASSERT_EQ(Add(300, 'a'), 0);
  staged_.HandOver();
  ASSERT_EQ(Add(kCapacity, 'b'), 0);
  FailNextWrite(ENOSPC);
  EXPECT_EQ(Add(10, 'c'), -ENOSPC) << "no room without a write";
  EXPECT_EQ(added_.size(), 300 + kCapacity);
  FailNextWrite(EIO);
  EXPECT_EQ(staged_.WriteHanded(), -EIO);
  ASSERT_EQ(staged_.WriteAll(), 0);
  EXPECT_EQ(Written(), added_.size());
}

// A writer over a real file, and what the file holds of its batches.
class SegmentWriterTest : public testing::Test {
 protected:
  void Begin(Way way) {
    SpareSegment spare;
    bool prepared = false;
    ASSERT_TRUE(pool_->Take(kSegmentBytes, way == Way::kMapped, &spare, &prepared).ok());
    format::SegmentHeader header{};
    header.shard = 1;
    ASSERT_TRUE(SegmentWriter::Begin(std::move(spare), header, way, &writer_).ok());
  }

  void Store(Way way) {
    bool wants_populate = false;
    ASSERT_TRUE(
        writer_->Prepare(format::kBatchHeaderBytes + kRecords.size(), way, &wants_populate).ok());
    BatchHeader header;
    header.count = 1;
    header.records_bytes = static_cast<uint32_t>(kRecords.size());
    const Piece piece = LogHarness::PieceOf(kRecords);
    writer_->Store(header, &piece, 1, way);
  }

  // Whole batches from the start of the segment on.
  uint64_t BatchesInFile() const {
    std::vector<uint8_t> file(kSegmentBytes);
    const int fd = base::PosixFileOps()->Open(writer_->file()->path(), base::OpenMode::kRead);
    EXPECT_EQ(base::PosixFileOps()->PRead(fd, file.data(), file.size(), 0),
              static_cast<int64_t>(file.size()));
    base::PosixFileOps()->Close(fd);
    uint64_t at = format::kSegmentHeaderBlockBytes;
    uint64_t count = 0;
    BatchHeader header;
    while (CheckBatch(file.data() + at, file.size() - at, &header) == BatchCheck::kWhole) {
      at += header.bytes();
      ++count;
    }
    return count;
  }

  static constexpr uint64_t kSegmentBytes = 64 * 1024;

  const std::string kRecords = std::string(500, 'r');
  support::TempDirectory directory_;
  const std::shared_ptr<SegmentPool> pool_ =
      std::make_shared<SegmentPool>(base::PosixFileOps(), directory_.path(), 0u);
  std::shared_ptr<SegmentWriter> writer_;
};

TEST_F(SegmentWriterTest, WhatIsVisibleAtOnceHasEverythingBeforeItInTheFile) {
  for (const bool handed_over : {false, true}) {
    Begin(Way::kStaged);
    Store(Way::kStaged);
    if (handed_over) {
      writer_->HandOver();
      Store(Way::kStaged);
    }
    EXPECT_EQ(BatchesInFile(), 0u);
    Store(Way::kMapped);
    EXPECT_EQ(BatchesInFile(), handed_over ? 3u : 2u);
  }
}

TEST_F(SegmentWriterTest, ASyncWritesWhatWasHandedOver) {
  Begin(Way::kMapped);
  Store(Way::kMapped);
  Store(Way::kStaged);
  const uint64_t end = writer_->end_position();
  writer_->HandOver();
  Store(Way::kStaged);
  ASSERT_TRUE(writer_->Sync(0, end).ok());
  EXPECT_EQ(BatchesInFile(), 2u);
  writer_->Finish();
  ASSERT_TRUE(writer_->SyncWhole().ok());
  EXPECT_EQ(BatchesInFile(), 3u);
}

TEST(StagedLog, EveryMixOfDurabilitiesIsReadBack) {
  LogHarness log;
  log.Open();
  const uint32_t slot = log.Create();
  support::SeededRandom random;
  std::vector<std::string> sent;
  for (int i = 0; i < 300; ++i) {
    // Some beyond what is gathered, and enough for several segments.
    const size_t bytes = 1 + random.Below(random.OneIn(20) ? 200'000 : 3000);
    sent.emplace_back(bytes, static_cast<char>('a' + i % 26));
    const Durability durability = random.OneIn(2) ? Durability::kDisk : Durability::kOs;
    EXPECT_TRUE(log.Append(slot, sent.back(), 1, durability).committed);
    if (random.OneIn(50)) {
      log.core->RunChores();
    }
    if (random.OneIn(10)) {
      ASSERT_EQ(log.ReadAll(slot).batches, sent);
    }
  }
  ASSERT_EQ(log.ReadAll(slot).batches, sent);
  log.path = log.CopyAsAfterCrash();
  LogHarness after;
  after.path = log.path;
  after.Open();
  EXPECT_EQ(after.ReadAll(after.SlotOf(log.Stats(slot).shard)).batches, sent);
}

}  // namespace
}  // namespace millrace::log
