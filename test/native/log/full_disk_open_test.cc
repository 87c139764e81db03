// A full disk is opened, also where the manifest would be written anew: who frees it has to get in.
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "native/format/manifest_format.h"
#include "test/support/sim_log_test.h"

namespace millrace::log {
namespace {

using base::Code;
using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;

constexpr const char* kCopies[2] = {"/sim/log/manifest-a", "/sim/log/manifest-b"};

class FullDiskOpenTest : public support::SimLogTest {
 protected:
  FullDiskOpenTest() {
    for (int count = 0; count < 3; ++count) {
      EXPECT_TRUE(TryAppend(slot_, Durability::kDisk).ok());
    }
  }

  void LoseWritesToSecondCopy() {
    SimFault failing;
    failing.kind = SimCallKind::kWrite;
    failing.path_part = kCopies[1];
    failing.written_of_256 = 0;
    files_.AddFault(failing);
  }

  // Another process on this machine, whose disk is full from now on.
  void DieOnFullDisk() {
    next_ = files_.KillCopy();
    LeaveOnDisk(next_.get(), 0);
    next_options_ = options_;
    next_options_.file_ops = next_.get();
  }

  base::Status OpenNext() {
    next_core_.reset();
    return Core::Open(kLog, next_options_, &next_core_);
  }

  uint64_t NextFirstSequence() {
    ShardStats stats{};
    EXPECT_TRUE(next_core_->GetShardStats(SlotOf(next_core_.get(), shards_.at(0)), &stats).ok());
    return stats.first_sequence;
  }

  std::string NextCopy(const char* path) {
    const int fd = next_->Open(path, base::OpenMode::kRead);
    EXPECT_GE(fd, 0);
    std::string bytes(static_cast<size_t>(next_->Size(fd)), '\0');
    EXPECT_EQ(next_->PRead(fd, bytes.data(), bytes.size(), 0), static_cast<int64_t>(bytes.size()));
    next_->Close(fd);
    return bytes;
  }

  // How many damages a look at the directory tells, which nobody has open.
  size_t DamagesTold() {
    next_core_.reset();
    ScrubReport report;
    EXPECT_TRUE(VerifyDirectory(kLog, next_.get(), &report).ok());
    return report.damaged.size();
  }

  // The second copy is of an earlier generation, and longer.
  void DieBetweenTwoGenerations() {
    ASSERT_TRUE(core_->Trim(slot_, 2).ok());
    ASSERT_TRUE(core_->Close().ok());
    files_.Overwrite(kCopies[0], 100, "damage", 6);  // so that the next open writes both anew
    SimFault failing;
    failing.kind = SimCallKind::kRename;
    failing.path_part = "manifest-b";
    files_.AddFault(failing);
    std::shared_ptr<Core> failed;
    ASSERT_FALSE(Core::Open(kLog, options_, &failed).ok());
    DieOnFullDisk();
    ASSERT_LT(NextCopy(kCopies[0]).size(), NextCopy(kCopies[1]).size());
  }

  std::unique_ptr<SimFileOps> next_;
  CoreOptions next_options_;
  std::shared_ptr<Core> next_core_;
};

TEST_F(FullDiskOpenTest, ACopyThatLacksTheLastRecordGetsIt) {
  LoseWritesToSecondCopy();
  EXPECT_TRUE(core_->Trim(slot_, 2).ok());
  DieOnFullDisk();
  ASSERT_NE(NextCopy(kCopies[0]), NextCopy(kCopies[1]));
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(NextFirstSequence(), 2u);
  EXPECT_EQ(NextCopy(kCopies[0]), NextCopy(kCopies[1]));
  const uint32_t slot = SlotOf(next_core_.get(), shards_.at(0));
  ASSERT_TRUE(next_core_->Trim(slot, 3).ok());
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(NextFirstSequence(), 3u);
}

// Two records of one change, of which the first is torn: nobody was promised either.
TEST_F(FullDiskOpenTest, WhatFollowsATornRecordDoesNotComeBack) {
  LoseWritesToSecondCopy();
  std::vector<uint64_t> shards;
  EXPECT_FALSE(core_->CreateShards({1, 1}, &shards).ok());
  DieOnFullDisk();
  const uint64_t torn = NextCopy(kCopies[1]).size();
  const uint8_t zeros[sizeof(format::ManifestRecord)] = {};
  next_->Overwrite(kCopies[0], torn, zeros, sizeof zeros);
  ASSERT_TRUE(OpenNext().ok());
  const uint32_t slot = SlotOf(next_core_.get(), shards_.at(0));
  ASSERT_TRUE(next_core_->Trim(slot, 2).ok());
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(next_core_->ListShards(), shards_);
  EXPECT_EQ(NextFirstSequence(), 2u);
}

TEST_F(FullDiskOpenTest, ACopyOfAnotherGenerationIsReplacedInItsPlace) {
  DieBetweenTwoGenerations();
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(NextFirstSequence(), 2u);
  const std::string first = NextCopy(kCopies[0]);
  EXPECT_EQ(first, NextCopy(kCopies[1]).substr(0, first.size()));
}

TEST_F(FullDiskOpenTest, ZerosBehindAMendedCopyAreNoDamage) {
  DieBetweenTwoGenerations();
  EXPECT_EQ(DamagesTold(), 1u);
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(DamagesTold(), 0u);
  const size_t longer = NextCopy(kCopies[1]).size();
  ASSERT_GT(longer, NextCopy(kCopies[0]).size());
  next_->SetCapacity(uint64_t{1} << 40);
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(NextCopy(kCopies[1]).size(), longer) << "written anew, though nothing was damaged";
  ASSERT_TRUE(next_core_->Trim(SlotOf(next_core_.get(), shards_.at(0)), 3).ok());
  EXPECT_EQ(DamagesTold(), 0u);
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(NextFirstSequence(), 3u);
}

TEST_F(FullDiskOpenTest, AnythingElseBehindThemIs) {
  DieBetweenTwoGenerations();
  ASSERT_TRUE(OpenNext().ok());
  next_->Overwrite(kCopies[1], NextCopy(kCopies[1]).size() - 1, "x", 1);
  EXPECT_EQ(DamagesTold(), 1u);
}

TEST_F(FullDiskOpenTest, OneThatHasGrownStaysAsItIs) {
  std::vector<uint64_t> more;
  ASSERT_TRUE(core_->CreateShards(std::vector<uint64_t>(2100, 1), &more).ok());
  ASSERT_TRUE(core_->DeleteShards(more).ok());
  DieOnFullDisk();
  const size_t grown = NextCopy(kCopies[0]).size();
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(next_core_->ListShards(), shards_);
  EXPECT_EQ(NextCopy(kCopies[0]).size(), grown);
  next_->SetCapacity(uint64_t{1} << 40);
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_LT(NextCopy(kCopies[0]).size(), grown);
  EXPECT_EQ(next_core_->ListShards(), shards_);
}

// A missing file cannot be made up for without room; the copy that is there stays whole.
TEST_F(FullDiskOpenTest, ACopyThatIsMissingNeedsRoom) {
  DieOnFullDisk();
  ASSERT_EQ(next_->Rename(kCopies[1], "/sim/log/manifest-b.new"), 0);
  const std::string whole = NextCopy(kCopies[0]);
  EXPECT_EQ(OpenNext().code(), Code::kDiskFull);
  EXPECT_EQ(NextCopy(kCopies[0]), whole);
  next_->SetCapacity(uint64_t{1} << 40);
  EXPECT_TRUE(OpenNext().ok());
}

// It is not the disk that has to be freed then.
TEST_F(FullDiskOpenTest, ACopyThatCannotBeOpenedSaysWhy) {
  LoseWritesToSecondCopy();
  EXPECT_TRUE(core_->Trim(slot_, 2).ok());
  DieOnFullDisk();
  const std::pair<int, Code> reasons[] = {
      {EMFILE, Code::kLimitExceeded}, {EACCES, Code::kAccessDenied}, {EIO, Code::kLogFailed}};
  for (const auto& [error, code] : reasons) {
    SimFault failing;
    failing.kind = SimCallKind::kOpen;
    failing.path_part = kCopies[1];
    failing.error = error;
    for (failing.nth = 1; failing.nth <= 3; ++failing.nth) {  // read twice, then to be written
      next_->ClearFaults();
      next_->AddFault(failing);
      EXPECT_EQ(OpenNext().code(), code) << "open " << failing.nth;
    }
  }
  EXPECT_EQ(next_->fault_hits(), 9u);
  next_->ClearFaults();
  ASSERT_TRUE(OpenNext().ok());
  EXPECT_EQ(NextFirstSequence(), 2u);
}

}  // namespace
}  // namespace millrace::log
