// Few maps and a machine that is out of open files: the log works, slower, or answers
// LIMIT_EXCEEDED. Nothing that it acknowledged is lost, and it needs no restart.
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
using support::kPath;
using support::Process;
using support::SimCall;
using support::SimCallKind;
using support::SimFault;
using support::SimFileOps;
using support::SimLimits;

constexpr uint64_t kMapsMax = 200;
constexpr uint32_t kShards = 300;
constexpr uint32_t kAtOnce = 50;

std::unique_ptr<SimFileOps> NewMachineOfFewMaps() {
  SimLimits limits;
  limits.maps_max = kMapsMax;
  auto files = std::make_unique<SimFileOps>("/sim", limits);
  files->SetTracing(false);
  return files;
}

class LimitsTest : public CoreFaultsTest {
 protected:
  // Counts what was acknowledged. Says how many were refused.
  uint32_t AppendToAll(Process* process) {
    uint32_t refused = 0;
    for (uint32_t slot = 0; slot < kShards; ++slot) {
      const base::Status status = process->Append(slot, Durability::kDisk);
      acknowledged_[slot] += status.ok() ? 1 : 0;
      refused += status.ok() ? 0 : 1;
      if (!status.ok()) {
        EXPECT_EQ(status.code(), Code::kLimitExceeded) << status.message();
      }
    }
    return refused;
  }

  // Each shard holds what was acknowledged and nothing else.
  void ExpectAll(Process* process) const {
    ASSERT_TRUE(process->status().ok()) << process->status().message();
    EXPECT_EQ(process->core()->GetStats().damaged_range_count, 0u);
    for (uint32_t slot = 0; slot < kShards; ++slot) {
      uint64_t records = 0;
      log::ReadResult read;
      for (uint64_t position = 0;; position = read.next_position) {
        const base::Status status = process->core()->Read(slot, position, 65536, &read);
        ASSERT_TRUE(status.ok()) << "slot " << slot << ": " << status.message();
        if (read.bytes == 0) {
          break;
        }
        records += read.record_count;
      }
      ASSERT_EQ(records, acknowledged_[slot]) << "slot " << slot;
    }
  }

  // Idle shards let go of their files.
  static void Rest(Process* process) {
    for (int turn = 0; turn < 4; ++turn) {
      process->core()->RunChores();
    }
  }

  std::vector<uint64_t> acknowledged_ = std::vector<uint64_t>(kShards);
};

// Writers are refused until idle shards let go of their maps; readers give up those that were used
// longest ago.
TEST_F(LimitsTest, FewMapsRefuseAndRecover) {
  Process process(NewMachineOfFewMaps());
  std::vector<uint64_t> shards;
  ASSERT_TRUE(process.core()->CreateShards(std::vector<uint64_t>(kShards, 1), &shards).ok());
  EXPECT_GT(AppendToAll(&process), 0u) << "the limit was never met";
  for (uint32_t slot = 0; slot < kShards; ++slot) {
    if (slot % kAtOnce == 0) {
      Rest(&process);
    }
    EXPECT_TRUE(process.Append(slot, Durability::kDisk).ok()) << "slot " << slot;
    ++acknowledged_[slot];
  }
  Rest(&process);
  ExpectAll(&process);
  ExpectAll(&process);
  EXPECT_GT(process.files()->open_maps(), kMapsMax / 2);
  Process heir(process.files()->KillCopy());
  ExpectAll(&heir);
}

// At each of the opens of a short life, also those of the open of the log and of its close.
TEST_F(LimitsTest, AMachineOutOfOpenFilesLosesNothing) {
  uint64_t refused = 0;
  for (uint64_t nth = 1;; ++nth) {
    Process first(NewMachine());
    const uint32_t slot = first.Create();
    uint64_t acknowledged = 0;
    const auto append = [&](Process* process, int count) {
      for (int batch = 0; batch < count; ++batch) {
        const base::Status status = process->Append(slot, Durability::kDisk);
        acknowledged += status.ok() ? 1 : 0;
        refused += status.ok() ? 0 : 1;
        EXPECT_TRUE(status.ok() || status.code() == Code::kLimitExceeded) << status.message();
      }
    };
    append(&first, 40);
    auto files = first.files()->KillCopy();
    SimFault failing;
    failing.kind = SimCallKind::kOpen;
    failing.nth = nth;
    failing.error = ENFILE;
    files->AddFault(failing);
    Process second(std::move(files));
    if (second.status().ok()) {
      append(&second, 40);
      Rest(&second);
      EXPECT_TRUE(second.core()->Close().ok());
    } else {
      EXPECT_EQ(second.status().code(), Code::kLimitExceeded) << second.status().message();
      ++refused;
    }
    const bool met = second.files()->fault_hits() != 0;
    second.files()->ClearFaults();
    Process heir(second.files()->KillCopy());
    ASSERT_TRUE(heir.status().ok()) << heir.status().message();
    EXPECT_EQ(heir.core()->GetStats().damaged_range_count, 0u) << "open " << nth;
    EXPECT_EQ(heir.Stats(slot).next_sequence, acknowledged + 1) << "open " << nth;
    append(&heir, 1);
    if (!met) {
      EXPECT_GT(nth, 10u);
      break;
    }
  }
  EXPECT_GT(refused, 0u);
}

class MapsOfReadersTest : public CoreFaultsTest {
 protected:
  static constexpr uint32_t kReaders = 8;

  // Shards that have been read, so that their maps are kept.
  void SetUp() override {
    std::vector<uint64_t> shards;
    ASSERT_TRUE(process_.core()->CreateShards(std::vector<uint64_t>(kReaders, 1), &shards).ok());
    for (uint32_t slot = 0; slot < kReaders; ++slot) {
      ASSERT_TRUE(process_.Append(slot, Durability::kDisk).ok());
    }
    for (uint32_t slot = 1; slot < kReaders; ++slot) {
      ASSERT_TRUE(Read(slot, &reads_[slot]).ok());
    }
  }

  base::Status Read(uint32_t slot, log::ReadResult* read) {
    return process_.core()->Read(slot, 0, 65536, read);
  }

  void Refuse(SimCallKind kind, int error) {
    SimFault refusing;
    refusing.kind = kind;
    refusing.error = error;
    refusing.for_ever = true;
    process_.files()->AddFault(refusing);
  }

  Process process_{NewMachine()};
  std::vector<log::ReadResult> reads_ = std::vector<log::ReadResult>(kReaders);
};

TEST_F(MapsOfReadersTest, StayWhereNoMoreFilesCanBeOpen) {
  reads_.assign(kReaders, {});
  Refuse(SimCallKind::kOpen, ENFILE);
  for (int attempt = 0; attempt < 5; ++attempt) {
    log::ReadResult read;
    EXPECT_EQ(Read(0, &read).code(), Code::kLimitExceeded);
    for (uint32_t slot = 1; slot < kReaders; ++slot) {
      const base::Status status = Read(slot, &read);
      ASSERT_TRUE(status.ok()) << "slot " << slot << ": " << status.message();
      EXPECT_EQ(read.record_count, 1u);
    }
  }
}

// Readers hold those that go first.
TEST_F(MapsOfReadersTest, AreGivenUpUntilThereIsOneLeft) {
  reads_[kReaders - 1] = {};
  Refuse(SimCallKind::kMap, ENOMEM);
  bool is_given_up = false;
  const auto has_room = [&](const SimCall& call) {
    if (call.kind == SimCallKind::kUnmap) {
      is_given_up = true;
      process_.files()->ClearFaults();
    }
  };
  process_.AtEachCall(has_room, [&] {
    log::ReadResult read;
    const base::Status status = Read(0, &read);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(read.record_count, 1u);
  });
  EXPECT_TRUE(is_given_up);
}

}  // namespace
}  // namespace millrace
