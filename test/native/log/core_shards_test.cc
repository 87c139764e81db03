// The shards of a log: how they begin, are sealed and go.
#include <gtest/gtest.h>

#include "native/log/core.h"
#include "test/support/log_harness.h"

namespace millrace {
namespace {

using base::Code;
using log::AppendRequest;
using log::AppendResult;
using log::Piece;
using support::LogHarness;

class CoreShardsTest : public ::testing::Test {
 protected:
  void SetUp() override { log_.Open(); }

  Code TryAppend(uint32_t slot, const AppendRequest& request) {
    AppendResult result{};
    return log_.core->Append(slot, request, &result).code();
  }

  LogHarness log_;
};

TEST_F(CoreShardsTest, StartsAShardAtTheSequenceNumberItWasCreatedWith) {
  for (const uint64_t first : {uint64_t{1} << 31, (uint64_t{1} << 32) - 2, (uint64_t{1} << 53) - 1,
                               (uint64_t{1} << 63) - 1}) {
    const uint32_t slot = log_.Create(first);
    EXPECT_EQ(log_.Append(slot, "ab", 2).first_sequence, first);
    EXPECT_EQ(log_.Append(slot, "c").first_sequence, first + 2);
    uint64_t position = 0;
    ASSERT_TRUE(log_.core->Seek(slot, first + 2, &position).ok());
    EXPECT_EQ(log_.ReadAll(slot, position).batches, std::vector<std::string>{"c"});
  }
}

TEST_F(CoreShardsTest, SealsAShardForGood) {
  const uint32_t slot = log_.Create();
  log_.Append(slot, "last");
  const uint64_t shard = log_.Stats(slot).shard;
  ASSERT_TRUE(log_.core->SealShards({shard}).ok());
  ASSERT_TRUE(log_.core->SealShards({shard}).ok());  // twice is once
  const Piece piece = LogHarness::PieceOf("x");
  EXPECT_EQ(TryAppend(slot, LogHarness::Request(piece)), Code::kShardClosed);
  const std::string crashed = log_.CopyAsAfterCrash();
  ASSERT_TRUE(log_.core->Close().ok());
  for (const std::string& path : {log_.path, crashed}) {
    log_.path = path;
    log_.Open();
    EXPECT_EQ(TryAppend(0, LogHarness::Request(piece)), Code::kShardClosed);
    EXPECT_EQ(log_.ReadAll(0).batches, std::vector<std::string>{"last"});
    EXPECT_TRUE(log_.Stats(0).damaged.empty());
    ASSERT_TRUE(log_.core->Close().ok());
  }
}

TEST_F(CoreShardsTest, SealsManyShardsInTheCommitsOfOne) {
  std::vector<uint64_t> shards;
  for (uint32_t i = 0; i < 5; ++i) {
    const uint32_t slot = log_.Create();
    log_.Append(slot, "last");
    shards.push_back(log_.Stats(slot).shard);
  }
  EXPECT_EQ(log_.core->SealShards({shards[0], 99}).code(), Code::kShardNotFound);
  log_.Append(0, "more");  // none of them was sealed
  shards.push_back(shards[0]);
  const uint64_t groups = log_.core->GetStats().sync_group_count;
  ASSERT_TRUE(log_.core->SealShards(shards).ok());
  EXPECT_LE(log_.core->GetStats().sync_group_count - groups, 2u);
  ASSERT_TRUE(log_.core->Close().ok());
  log_.Open();
  const Piece piece = LogHarness::PieceOf("x");
  for (uint32_t slot = 0; slot < 5; ++slot) {
    EXPECT_EQ(TryAppend(slot, LogHarness::Request(piece)), Code::kShardClosed);
    EXPECT_EQ(log_.ReadAll(slot).batches.back(), slot == 0 ? "more" : "last");
  }
}

TEST_F(CoreShardsTest, DeletesAShardAndNeverReusesItsId) {
  const uint32_t slot = log_.Create();
  log_.Append(slot, "gone");
  const uint64_t shard = log_.Stats(slot).shard;
  ASSERT_TRUE(log_.core->DeleteShard(shard).ok());
  EXPECT_EQ(log_.core->DeleteShard(shard).code(), Code::kShardNotFound);
  const Piece piece = LogHarness::PieceOf("x");
  EXPECT_EQ(TryAppend(slot, LogHarness::Request(piece)), Code::kShardNotFound);
  ASSERT_TRUE(log_.core->Close().ok());
  log_.Open();
  EXPECT_TRUE(log_.core->ListShards().empty());
  EXPECT_GT(log_.Stats(log_.Create()).shard, shard);
}

TEST_F(CoreShardsTest, DeletesSeveralShardsOrNone) {
  std::vector<uint64_t> shards;
  ASSERT_TRUE(log_.core->CreateShards({1, 1, 1}, &shards).ok());
  const std::vector<uint64_t> twice = {shards[0], shards[1], shards[0]};
  EXPECT_EQ(log_.core->DeleteShards(twice).code(), Code::kShardNotFound);
  EXPECT_EQ(log_.core->DeleteShards({shards[0], shards[2] + 1}).code(), Code::kShardNotFound);
  EXPECT_EQ(log_.core->ListShards(), shards);
  EXPECT_TRUE(log_.core->DeleteShards({}).ok());
  ASSERT_TRUE(log_.core->DeleteShards({shards[0], shards[2]}).ok());
  EXPECT_EQ(log_.core->ListShards(), std::vector<uint64_t>{shards[1]});
  ASSERT_TRUE(log_.core->Close().ok());
  log_.Open();
  EXPECT_EQ(log_.core->ListShards(), std::vector<uint64_t>{shards[1]});
}

}  // namespace
}  // namespace millrace
