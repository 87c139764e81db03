// What calls that fail did to the log before: faults that the torture programs on the simulated
// disk once found, each reduced to the few steps that show it.
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/core.h"
#include "test/support/core_faults.h"

namespace millrace {
namespace {

using base::Code;
using log::Durability;
using support::CoreFaultsTest;
using support::CutMode;
using support::Process;
using support::SimCall;
using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;

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

TEST_F(CoreFaultsTest, RefusesToOpenWhenTheSegmentsCannotBeListed) {
  Process process(NewMachine());
  ASSERT_TRUE(process.Append(process.Create(), Durability::kDisk).ok());
  // An open lists the files more than once: each time is tried, until a fault meets none of them.
  uint64_t listings = 0;
  for (bool is_met = true; is_met; listings += is_met ? 1 : 0) {
    auto killed = process.files()->KillCopy();
    SimFault fault;
    fault.kind = SimCallKind::kList;
    fault.path_part = "/log";
    fault.nth = listings + 1;
    killed->AddFault(fault);
    Process unlucky(std::move(killed));
    is_met = unlucky.files()->fault_hits() != 0;
    EXPECT_EQ(unlucky.status().code(), is_met ? Code::kLogFailed : Code::kOk) << listings;
    Process heir(unlucky.files()->KillCopy());
    ASSERT_TRUE(heir.status().ok()) << heir.status().message();
    EXPECT_EQ(heir.Stats(0).next_sequence, 2u);
  }
  EXPECT_GE(listings, 2u);
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
