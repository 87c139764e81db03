// What waits for a sync is gathered in memory: it must be in the file before that sync, before
// anything behind it is visible, and after an error that did not lose it.
#include "native/log/staged_tail.h"

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
    ASSERT_TRUE(SegmentWriter::Begin(std::move(spare), 0, way, &writer_).ok());
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

// Small segments, and large ones, which after a sync are written for a while before they are stored
// to through the map again.
class StagedLogTest : public testing::TestWithParam<uint64_t> {
 protected:
  StagedLogTest() {
    log_.options.segment_bytes_min = GetParam();
    log_.options.segment_bytes_max = std::max<uint64_t>(GetParam(), 1024 * 1024);
  }

  // The records of one append: some are larger than what is gathered before it is written.
  std::string Records() {
    const size_t bytes = 1 + random_.Below(random_.OneIn(20) ? 800'000 : 3000);
    return std::string(bytes, static_cast<char>('a' + random_.Below(26)));
  }

  Durability AnyDurability() { return random_.OneIn(2) ? Durability::kDisk : Durability::kOs; }

  support::SeededRandom random_;
  LogHarness log_;
};

TEST_P(StagedLogTest, EveryMixOfDurabilitiesIsReadBack) {
  log_.Open();
  const uint32_t slot = log_.Create();
  std::vector<std::string> sent;
  for (int i = 0; i < 300; ++i) {
    sent.push_back(Records());
    EXPECT_TRUE(log_.Append(slot, sent.back(), 1, AnyDurability()).committed);
    if (random_.OneIn(50)) {
      log_.core->RunChores();
    }
    if (random_.OneIn(10)) {
      ASSERT_EQ(log_.ReadAll(slot).batches, sent);
    }
  }
  ASSERT_EQ(log_.ReadAll(slot).batches, sent);
  LogHarness after;
  after.path = log_.CopyAsAfterCrash();
  after.Open();
  EXPECT_EQ(after.ReadAll(after.SlotOf(log_.Stats(slot).shard)).batches, sent);
}

// With the committer at work beside: whatever is committed can be read, to the last byte.
TEST_P(StagedLogTest, WhatIsCommittedIsInTheFile) {
  log_.options.inline_mode = false;
  log_.options.idle_marker_millis = 1;
  log_.Open();
  const uint32_t slot = log_.Create();
  std::vector<std::string> sent;
  for (int i = 0; i < 120; ++i) {
    sent.push_back(Records());
    const bool committed = log_.Append(slot, sent.back(), 1, AnyDurability()).committed;
    const std::vector<std::string> read = log_.ReadAll(slot).batches;
    ASSERT_EQ(read, std::vector<std::string>(sent.begin(),
                                             sent.begin() + static_cast<ptrdiff_t>(read.size())));
    ASSERT_TRUE(!committed || read.size() == sent.size());
  }
  ASSERT_TRUE(log_.core->Flush().ok());
  EXPECT_EQ(log_.ReadAll(slot).batches, sent);
}

INSTANTIATE_TEST_SUITE_P(SegmentBytes, StagedLogTest,
                         testing::Values(format::kSegmentBytesMin, uint64_t{4} * 1024 * 1024));

}  // namespace
}  // namespace millrace::log
