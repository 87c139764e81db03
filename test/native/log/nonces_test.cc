// A key and a nonce are never used twice: not when the power goes and takes batches away that were
// encrypted already, so that their sequence numbers and places are used again; not when keys are
// set anew or changed; not by several threads.
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "native/base/bytes.h"
#include "native/log/core.h"
#include "native/log/sealed_batch.h"
#include "test/support/recording_crypto.h"
#include "test/support/seeded_random.h"
#include "test/support/sim_file_ops.h"
#include "test/support/test_keys.h"

namespace millrace {
namespace {

using log::Core;
using log::Durability;
using support::KeyOf;
using support::RecordingCrypto;
using support::SetKeys;
using support::SimFileOps;

constexpr const char* kPath = "/sim/data";
constexpr uint32_t kShards = 3;

class StillClock final : public base::Clock {
 public:
  uint64_t WallMillis() override { return 1'700'000'000'000; }

  uint64_t SteadyMillis() override { return 1; }
};

class NoncesTest : public ::testing::Test {
 protected:
  NoncesTest() : cuts_(random_.Any()) {
    options_.inline_mode = true;
    options_.segment_bytes_min = options_.segment_bytes_max = 16 * 1024;
    options_.spare_segments = 1;
    options_.disk_low_water_bytes = 1;
    options_.clock = &clock_;
    options_.crypto = &crypto_;
  }

  void Open() {
    options_.file_ops = files_.get();
    const base::Status status = Core::Open(kPath, options_, &core_);
    ASSERT_TRUE(status.ok()) << status.message();
    first_ = SetKeys(core_.get(), {KeyOf("k1", 'a')});
    second_ = SetKeys(core_.get(), {KeyOf("k1", 'a'), KeyOf("k2", 'b')});
  }

  void Encrypt(const log::KeyName& key) {
    for (uint32_t slot = 0; slot < kShards; ++slot) {
      core_->SetEncryption({slot}, key);
    }
  }

  void Append(uint32_t slot, Durability durability) {
    const std::string records(1 + random_.Below(900), 'r');
    const log::Piece piece{reinterpret_cast<const uint8_t*>(records.data()),
                           static_cast<uint32_t>(records.size())};
    log::AppendRequest request;
    request.pieces = &piece;
    request.piece_count = 1;
    request.records_bytes = piece.bytes;
    request.count = 1 + random_.Below(5);
    request.durability = durability;
    log::AppendResult result{};
    const base::Status status = core_->Append(slot, request, &result);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  // Salts and counters of all that can be read now, which come once.
  void ExpectDifferentOnDisk() {
    std::set<std::string> seen;
    for (uint32_t slot = 0; slot < kShards; ++slot) {
      log::ReadResult read;
      for (uint64_t position = 0;; position = read.next_position) {
        ASSERT_TRUE(core_->Read(slot, position, 1, &read, log::ReadForm::kStored).ok());
        if (read.bytes == 0) {
          break;
        }
        if (read.record_count != 0) {
          const char* const header =
              reinterpret_cast<const char*>(read.data) + format::kBatchHeaderBytes;
          EXPECT_TRUE(
              seen.insert({header + format::kSealedSaltAt, format::kSealedSaltBytes + 8}).second);
        }
      }
    }
  }

  support::SeededRandom random_;
  support::Random cuts_;
  StillClock clock_;
  RecordingCrypto crypto_;
  std::unique_ptr<SimFileOps> files_ = std::make_unique<SimFileOps>("/sim");
  log::CoreOptions options_;
  std::shared_ptr<Core> core_;
  log::KeyName first_;
  log::KeyName second_;
};

TEST_F(NoncesTest, NeverComeTwiceThroughCrashesAndCutTails) {
  const uint64_t rounds = support::TestCount(60);
  uint64_t expected_sequence = 0;
  bool went_back = false;
  for (uint64_t round = 0; round < rounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(Open());
    if (round == 0) {
      std::vector<uint64_t> shards;
      ASSERT_TRUE(core_->CreateShards({1, 1, 1}, &shards).ok());
    }
    log::ShardStats stats{};
    ASSERT_TRUE(core_->GetShardStats(0, &stats).ok());
    went_back = went_back || stats.next_sequence < expected_sequence;
    Encrypt(first_);
    for (uint32_t batch = 0; batch < 20; ++batch) {
      if (random_.OneIn(10)) {
        Encrypt(random_.OneIn(2) ? first_ : second_);
      }
      if (random_.OneIn(10)) {
        SetKeys(core_.get(), {KeyOf("k1", 'a'), KeyOf("k2", 'b')});
      }
      const auto durability = random_.OneIn(4) ? Durability::kDisk : Durability::kOs;
      ASSERT_NO_FATAL_FAILURE(Append(random_.Below(kShards), durability));
    }
    ASSERT_TRUE(core_->GetShardStats(0, &stats).ok());
    expected_sequence = stats.next_sequence;
    ASSERT_NO_FATAL_FAILURE(ExpectDifferentOnDisk());
    std::unique_ptr<SimFileOps> next =
        random_.OneIn(2) ? files_->CutPower(&cuts_) : files_->KillCopy();
    files_->Kill();
    core_.reset();
    files_ = std::move(next);
  }
  // Tails were cut, or this shows nothing.
  EXPECT_TRUE(went_back);
  EXPECT_EQ(crypto_.sealed_count(), rounds * 20);
  EXPECT_EQ(crypto_.pair_count(), crypto_.sealed_count());
}

TEST_F(NoncesTest, NeverComeTwiceOnSeveralThreads) {
  ASSERT_NO_FATAL_FAILURE(Open());
  std::vector<uint64_t> shards;
  ASSERT_TRUE(core_->CreateShards({1, 1, 1}, &shards).ok());
  Encrypt(first_);
  std::vector<std::thread> threads;
  for (uint32_t slot = 0; slot < kShards; ++slot) {
    threads.emplace_back([this, slot] {
      const uint8_t record = 'r';
      const log::Piece piece{&record, 1};
      for (uint32_t batch = 0; batch < 300; ++batch) {
        log::AppendRequest request;
        request.pieces = &piece;
        request.piece_count = 1;
        request.records_bytes = 1;
        request.count = 1;
        request.durability = Durability::kOs;
        log::AppendResult result{};
        EXPECT_TRUE(core_->Append(slot, request, &result).ok());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(crypto_.sealed_count(), kShards * 300u);
  EXPECT_EQ(crypto_.pair_count(), crypto_.sealed_count());
}

}  // namespace
}  // namespace millrace
