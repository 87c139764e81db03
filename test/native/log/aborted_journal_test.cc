// A file system whose journal aborts in the middle of an operation: its syncs claim to have worked.
// Whatever the log answers all the same must survive the power cut that follows.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/core.h"
#include "test/support/log_harness.h"
#include "test/support/seeded_random.h"
#include "test/support/sim_file_ops.h"

namespace millrace::log {
namespace {

using base::Code;
using base::Status;
using support::CutMode;
using support::LogHarness;
using support::SimFault;
using support::SimFileOps;

constexpr const char* kLog = "/sim/log";

// One process after another on one simulated machine after another.
class Machine {
 public:
  Machine() : Machine(std::make_unique<SimFileOps>("/sim")) {}

  explicit Machine(std::unique_ptr<SimFileOps> files) : files_(std::move(files)) {
    options_.inline_mode = true;
    options_.clock = &clock_;
    options_.segment_bytes_max = options_.segment_bytes_min = 16 * 1024;
    options_.disk_low_water_bytes = 1;
    options_.spare_segments = 1;
  }

  ~Machine() {
    files_->Kill();
    core_.reset();
  }

  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Status Open() {
    options_.file_ops = files_.get();
    return Core::Open(kLog, options_, &core_);
  }

  // At the start of the nth call from now.
  void AbortJournalAt(uint64_t call) {
    SimFault fault;
    fault.aborts_journal = true;
    fault.nth = call;
    files_->AddFault(fault);
  }

  Status Create() {
    std::vector<uint64_t> shards;
    return core_->CreateShards({1}, &shards);
  }

  Status Append(Durability durability) {
    const std::string records(1000, 'r');
    const Piece piece = LogHarness::PieceOf(records);
    AppendRequest request = LogHarness::Request(piece);
    request.durability = durability;
    AppendResult result{};
    Status status = core_->Append(0, request, &result);
    files_->Observe();
    return status;
  }

  void Die() {
    auto next = files_->Kill();
    core_.reset();
    files_ = std::move(next);
  }

  // Everything that was synced is left, and nothing else.
  void CutPower() {
    auto next = files_->CutPower(&random_, CutMode::kKeepSynced);
    Die();
    files_ = std::move(next);
  }

  Core* core() { return core_.get(); }

  SimFileOps* files() { return files_.get(); }

  uint64_t next_sequence() {
    ShardStats stats{};
    EXPECT_TRUE(core_->GetShardStats(0, &stats).ok());
    return stats.next_sequence;
  }

 private:
  support::ManualClock clock_;
  CoreOptions options_;
  support::Random random_{1};
  std::unique_ptr<SimFileOps> files_;
  std::shared_ptr<Core> core_;
};

// Runs `operation` with the journal aborting at its first call, at its second, and so on until it
// makes no more. Each time that it says it worked, `is_there` must hold after a power cut.
void AbortAtEachCall(const std::function<void(Machine*)>& prepare,
                     const std::function<Status(Machine*)>& operation,
                     const std::function<bool(Machine*)>& is_there) {
  bool aborted = true;
  uint64_t refused = 0;
  uint64_t call = 1;
  for (; aborted; ++call) {
    ASSERT_LT(call, 1000u);
    Machine machine;
    prepare(&machine);
    machine.AbortJournalAt(call);
    const Status status = operation(&machine);
    aborted = machine.files()->fault_hits() != 0;
    refused += status.ok() ? 0 : 1;
    machine.CutPower();
    const Status opened = machine.Open();
    if (status.ok()) {
      ASSERT_TRUE(opened.ok()) << opened.message();
      ASSERT_TRUE(is_there(&machine)) << "LOST: answered with success, aborted at call " << call;
    }
  }
  EXPECT_GT(call, 3u);
  EXPECT_GT(refused, 0u);
}

void OpenNew(Machine* machine) {
  ASSERT_TRUE(machine->Open().ok());
}

void OpenWithShard(Machine* machine) {
  OpenNew(machine);
  ASSERT_TRUE(machine->Create().ok());
}

bool HasShard(Machine* machine) {
  return machine->core()->ListShards().size() == 1;
}

TEST(AbortedJournalTest, NoOpenOfANewDirectory) {
  AbortAtEachCall([](Machine*) {}, [](Machine* machine) { return machine->Open(); },
                  [](Machine* machine) { return machine->core() != nullptr; });
}

TEST(AbortedJournalTest, NoAcknowledgement) {
  AbortAtEachCall(
      OpenWithShard, [](Machine* machine) { return machine->Append(Durability::kDisk); },
      [](Machine* machine) { return machine->next_sequence() == 2; });
}

TEST(AbortedJournalTest, NoNewShard) {
  AbortAtEachCall(
      OpenNew, [](Machine* machine) { return machine->Create(); }, HasShard);
}

TEST(AbortedJournalTest, NoSealedShard) {
  AbortAtEachCall(
      OpenWithShard, [](Machine* machine) { return machine->core()->SealShards({1}); },
      [](Machine* machine) {
        return machine->Append(Durability::kDisk).code() == Code::kShardClosed;
      });
}

TEST(AbortedJournalTest, NoDeletedShard) {
  AbortAtEachCall(
      OpenWithShard, [](Machine* machine) { return machine->core()->DeleteShard(1); },
      [](Machine* machine) { return !HasShard(machine); });
}

// What the page cache shows to the next process may be served only once it is on disk.
TEST(AbortedJournalTest, NoOpenAfterAKill) {
  AbortAtEachCall(
      [](Machine* machine) {
        OpenWithShard(machine);
        ASSERT_TRUE(machine->Append(Durability::kOs).ok());
        machine->Die();
      },
      [](Machine* machine) { return machine->Open(); },
      [](Machine* machine) { return machine->next_sequence() == 2; });
}

// A repair that is not on disk is followed by none that may be: a seal in place over a tail that is
// not there would call damaged what nobody was promised.
TEST(AbortedJournalTest, NoHalfOfARepair) {
  const auto prepare = [](Machine* machine) {
    OpenWithShard(machine);
    for (int batch = 0; batch < 20; ++batch) {
      ASSERT_TRUE(machine->Append(Durability::kOs).ok());
    }
    machine->Die();
  };
  support::SeededRandom seeds;
  support::Random random(seeds.Any());
  bool aborted = true;
  for (uint64_t call = 1; aborted; ++call) {
    Machine machine;
    prepare(&machine);
    machine.AbortJournalAt(call);
    static_cast<void>(machine.Open());
    aborted = machine.files()->fault_hits() != 0;
    for (int cut = 0; cut < 20; ++cut) {
      Machine heir(machine.files()->CutPower(&random));
      const Status opened = heir.Open();
      ASSERT_TRUE(opened.ok()) << opened.message();
      ASSERT_EQ(heir.core()->GetStats().damaged_range_count, 0u)
          << "called damaged, aborted at call " << call;
    }
  }
}

TEST(AbortedJournalTest, NoClose) {
  AbortAtEachCall(
      [](Machine* machine) {
        OpenWithShard(machine);
        ASSERT_TRUE(machine->Append(Durability::kOs).ok());
      },
      [](Machine* machine) { return machine->core()->Close(); },
      [](Machine* machine) { return machine->next_sequence() == 2; });
}

TEST(AbortedJournalTest, AFailedRoundSaysWhatToDo) {
  Machine machine;
  OpenWithShard(&machine);
  SimFault fault;
  fault.kind = support::SimCallKind::kConfirmSyncs;
  fault.aborts_journal = true;
  machine.files()->AddFault(fault);
  const Status status = machine.Append(Durability::kDisk);
  EXPECT_EQ(status.code(), Code::kLogFailed);
  EXPECT_NE(status.message().find("takes no more changes"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("Read-only file system"), std::string::npos);
  EXPECT_EQ(machine.Append(Durability::kOs).code(), Code::kLogFailed);
}

}  // namespace
}  // namespace millrace::log
