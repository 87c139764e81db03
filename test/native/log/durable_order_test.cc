// The order in which things become durable where a random cut rarely looks: both headers of a
// segment before the first acknowledgement in it, a trim before what it trimmed is freed, the end
// of a torn tail before anything is appended there. And damaged seals, which lose nothing.
#include <gtest/gtest.h>

#include "native/format/segment_format.h"
#include "native/log/core.h"
#include "native/log/segment_file.h"
#include "test/support/log_harness.h"
#include "test/support/sim_file_ops.h"

namespace millrace::log {
namespace {

using support::CutMode;
using support::LogHarness;
using support::SimFileOps;

constexpr const char* kRoot = "/sim";
constexpr const char* kLog = "/sim/log";

class DurableOrderTest : public testing::Test {
 protected:
  DurableOrderTest() : machine_(std::make_unique<SimFileOps>(kRoot)) {
    options_.inline_mode = true;
    options_.clock = &clock_;
    options_.segment_bytes_max = 1024 * 1024;
    options_.disk_low_water_bytes = 1;
    options_.spare_segments = 0;
  }

  ~DurableOrderTest() override {
    machine_->Kill();
    core_.reset();
  }

  base::Status Open() {
    options_.file_ops = machine_.get();
    return Core::Open(kLog, options_, &core_);
  }

  // Answers the position of the batch.
  uint64_t Append(size_t records_bytes, Durability durability = Durability::kDisk) {
    const std::string records(records_bytes, 'r');
    const Piece piece = LogHarness::PieceOf(records);
    AppendRequest request = LogHarness::Request(piece);
    request.durability = durability;
    AppendResult result{};
    EXPECT_TRUE(core_->Append(slot_, request, &result).ok());
    EXPECT_TRUE(result.committed);
    ++appended_;
    return result.end_position - format::kBatchHeaderBytes - records_bytes;
  }

  // Goes on as a new process on another machine.
  void MoveTo(std::unique_ptr<SimFileOps> machine) {
    machine_->Kill();
    core_.reset();
    machine_ = std::move(machine);
  }

  void BeginAnew() {
    MoveTo(std::make_unique<SimFileOps>(kRoot));
    appended_ = 0;
    Create();
  }

  static std::string PathOf(uint64_t segment) {
    return std::string(kLog) + "/log/" + SegmentFile::NameOf(segment);
  }

  void FlipBit(const std::string& path, uint64_t bit) {
    const auto flipped =
        static_cast<uint8_t>(machine_->ReadFile(path).at(bit / 8) ^ (1u << (bit % 8)));
    machine_->Overwrite(path, bit / 8, &flipped, 1);
  }

  // Wipes a block of every segment file.
  void Wipe(bool front) {
    const std::vector<uint8_t> zeros(format::kSegmentHeaderBlockBytes);
    for (const std::string& path : machine_->FilePaths()) {
      if (path.size() > 4 && path.compare(path.size() - 4, 4, ".seg") == 0) {
        const uint64_t end = machine_->ReadFile(path).size() - format::kSegmentTrailerBlockBytes;
        machine_->Overwrite(path, front ? 0 : end, zeros.data(), zeros.size());
      }
    }
  }

  // Opens the log and reads all of it: numbers from `first_sequence` on, or from the start.
  void ExpectLog(uint64_t first_sequence) {
    const base::Status status = Open();
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(core_->FindShard(shard_, &slot_).ok());
    ShardStats stats{};
    ASSERT_TRUE(core_->GetShardStats(slot_, &stats).ok());
    EXPECT_EQ(stats.next_sequence, appended_ + 1) << "LOST or PHANTOM: the log ends elsewhere";
    EXPECT_TRUE(stats.damaged.empty()) << "LOST: records that nobody trimmed are gone";
    EXPECT_TRUE(stats.first_sequence == 1 || stats.first_sequence == first_sequence);
    uint64_t position = stats.trimmed_start;
    uint64_t records = 0;
    while (position < stats.committed_end) {
      ReadResult result;
      ASSERT_TRUE(core_->Read(slot_, position, 64 * 1024, &result).ok());
      ASSERT_GT(result.bytes, 0u);
      records += result.record_count;
      position = result.next_position;
    }
    EXPECT_EQ(records, stats.next_sequence - stats.first_sequence);
  }

  void Create() {
    ASSERT_TRUE(Open().ok());
    std::vector<uint64_t> shards;
    ASSERT_TRUE(core_->CreateShards({1}, &shards).ok());
    shard_ = shards.at(0);
    ASSERT_TRUE(core_->FindShard(shard_, &slot_).ok());
  }

  support::ManualClock clock_;
  CoreOptions options_;
  support::Random random_{1};
  std::unique_ptr<SimFileOps> machine_;
  std::shared_ptr<Core> core_;
  uint64_t shard_ = 0;
  uint32_t slot_ = 0;
  uint64_t appended_ = 0;
};

TEST_F(DurableOrderTest, EitherHeaderIsEnoughAfterTheFirstAcknowledgement) {
  for (const bool front : {true, false}) {
    BeginAnew();
    Append(100);
    MoveTo(machine_->CutPower(&random_, CutMode::kKeepSynced));
    Wipe(front);
    ExpectLog(1);
  }
}

TEST_F(DurableOrderTest, EitherHeaderIsEnoughInEverySegment) {
  for (const bool front : {true, false}) {
    BeginAnew();
    for (int batch = 0; batch < 100; ++batch) {
      Append(5000);
    }
    MoveTo(machine_->CutPower(&random_, CutMode::kKeepSynced));
    Wipe(front);
    ExpectLog(1);
  }
}

// Cut at every call of a trim. The segments differ in size, so that those which are trimmed are
// removed and not kept for the next.
TEST_F(DurableOrderTest, ATrimIsDurableBeforeItsSegmentsAreFreed) {
  BeginAnew();
  for (int batch = 0; batch < 300; ++batch) {
    Append(5000);
  }
  core_->RunChores();  // the helper lets go of the segments whose indexes it had to write
  std::vector<std::unique_ptr<SimFileOps>> machines;
  machine_->SetBeforeCall([this, &machines](const support::SimCall&) {
    for (const CutMode mode : {CutMode::kKeepSynced, CutMode::kKeepAll, CutMode::kRandom}) {
      machines.push_back(machine_->CutPower(&random_, mode));
    }
  });
  const uint64_t trimmed = appended_ - 20;
  ASSERT_TRUE(core_->Trim(slot_, trimmed).ok());
  core_->RunChores();
  machine_->SetBeforeCall(nullptr);
  ASSERT_GT(machines.size(), 10u);
  for (auto& machine : machines) {
    MoveTo(std::move(machine));
    ExpectLog(trimmed);
    if (HasFailure()) {
      return;
    }
  }
}

// A segment that recovery cut off holds numbers that the shard gives again. Its file must not be
// the one of the next segment, which may begin with the same number, and be empty when the power
// goes.
TEST_F(DurableOrderTest, AFileThatNoShardUsesHasNoNextLife) {
  constexpr size_t kBytes = 5000;
  options_.segment_bytes_max = options_.segment_bytes_min;
  BeginAnew();
  uint64_t last_in_first = 0;
  while (!machine_->Exists(PathOf(2))) {
    last_in_first = Append(kBytes, Durability::kOs);
  }
  ASSERT_GT(appended_, 2u);
  last_in_first -= format::kBatchHeaderBytes + kBytes;
  MoveTo(machine_->KillCopy());
  FlipBit(PathOf(1),
          8 * (format::kSegmentHeaderBlockBytes + last_in_first + format::kBatchHeaderBytes));
  appended_ -= 2;
  ExpectLog(1);
  EXPECT_FALSE(machine_->Exists(PathOf(2))) << "PHANTOM: what was cut has a next life";
  Append(kBytes, Durability::kOs);
  const uint64_t first_of_next = Append(kBytes, Durability::kOs);
  EXPECT_EQ(first_of_next, last_in_first + format::kBatchHeaderBytes + kBytes);
  MoveTo(machine_->KillCopy());
  ExpectLog(1);
}

// The manifest is written anew by an open that finds it grown, under another generation; what a
// clean close left belongs to the one before.
TEST_F(DurableOrderTest, ACleanCloseSavesTheScanAlsoOfAGrownManifest) {
  constexpr int kShardsComeAndGone = 2200;
  BeginAnew();
  Append(100);
  std::vector<uint64_t> shards;
  for (int i = 0; i < kShardsComeAndGone; ++i) {
    ASSERT_TRUE(core_->CreateShards({1}, &shards).ok());
    ASSERT_TRUE(core_->DeleteShard(shards.back()).ok());
  }
  const size_t grown = machine_->ReadFile(std::string(kLog) + "/manifest-a").size();
  ASSERT_TRUE(core_->Close().ok());
  core_.reset();
  ExpectLog(1);
  EXPECT_LT(machine_->ReadFile(std::string(kLog) + "/manifest-a").size(), grown);
  EXPECT_TRUE(core_->GetStats().opened_clean);
}

// What was cut must not come back behind a batch of the same length.
TEST_F(DurableOrderTest, ATornTailIsGoneBeforeTheLogGoesOn) {
  BeginAnew();
  Append(100);
  const uint64_t torn = Append(200, Durability::kOs);
  Append(300, Durability::kOs);
  MoveTo(machine_->KillCopy());
  FlipBit(PathOf(1), 8 * (format::kSegmentHeaderBlockBytes + torn + format::kBatchHeaderBytes));
  appended_ = 1;
  ExpectLog(1);
  EXPECT_EQ(Append(200), torn);
  MoveTo(machine_->KillCopy());
  ExpectLog(1);
}

TEST_F(DurableOrderTest, ADamagedSealLosesNothing) {
  BeginAnew();
  for (int batch = 0; batch < 30; ++batch) {
    Append(5000);
  }
  const std::unique_ptr<SimFileOps> whole = machine_->KillCopy();
  const uint64_t seal =
      format::kSegmentBytesMin - format::kSegmentTrailerBlockBytes + format::kSegmentSealAt;
  for (uint64_t bit = 8 * seal; bit < 8 * (seal + sizeof(format::SegmentSeal)); ++bit) {
    MoveTo(whole->KillCopy());
    FlipBit(PathOf(1), bit);
    ExpectLog(1);
    ASSERT_FALSE(HasFailure()) << "LOST: bit " << bit - 8 * seal << " of the seal";
  }
}

}  // namespace
}  // namespace millrace::log
