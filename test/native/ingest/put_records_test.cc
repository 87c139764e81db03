#include "native/ingest/put_records.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/put_harness.h"
#include "test/support/seeded_random.h"

namespace millrace::ingest {
namespace {

using base::Code;
using support::Bytes;
using support::kNoPlace;
using support::PlacedRecord;
using support::PutHarness;
using support::PutOutcome;
using support::SeededRandom;
using support::TestCount;

constexpr uint32_t kLast = PutHarness::kPlaces - 1;
constexpr uint64_t kProducer = 0x1122334455667788;

const std::vector<PlacedRecord> kFour = {{10, "a"}, {60, "b"}, {110, "c"}, {20, "d"}};

class ReshardTest : public ::testing::Test {
 protected:
  // Two shards, of which the first is split in two.
  ReshardTest() { stream_.Reshard({{99, first_}, {kLast, second_}}); }

  void Split() { stream_.Reshard({{49, low_}, {99, high_}, {kLast, second_}}); }

  void ExpectData(uint64_t shard, const std::vector<std::string>& data) {
    EXPECT_EQ(stream_.DataOf(shard), data);
  }

  PutHarness stream_;
  const uint64_t first_ = stream_.NewShard();
  const uint64_t second_ = stream_.NewShard();
  const uint64_t low_ = stream_.NewShard();
  const uint64_t high_ = stream_.NewShard();
};

TEST_F(ReshardTest, ARepeatAfterASplitGetsTheFirstAnswer) {
  const std::vector<PutOutcome> first = stream_.Put(kFour, kProducer, 7);
  Split();
  const std::vector<PutOutcome> again = stream_.Put(kFour, kProducer, 7);
  ASSERT_EQ(again.size(), 4u);
  for (size_t i = 0; i < again.size(); ++i) {
    EXPECT_EQ(again[i].shard, first[i].shard);
    EXPECT_EQ(again[i].sequence, first[i].sequence);
    EXPECT_EQ(again[i].refused, Code::kOk);
  }
  EXPECT_EQ(again[0].route, 3u);  // the first of the previous map
  EXPECT_EQ(again[2].route, 2u);
  for (size_t i = 0; i < stream_.put->part_count(); ++i) {
    EXPECT_TRUE(stream_.put->parts()[i].duplicate);
    EXPECT_TRUE(stream_.put->parts()[i].committed);
  }
  ExpectData(first_, {"a", "b", "d"});
  ExpectData(second_, {"c"});
  ExpectData(low_, {});
  ExpectData(high_, {});
}

TEST_F(ReshardTest, ANewRequestGoesToTheOpenShards) {
  stream_.Put(kFour, kProducer, 7);
  Split();
  stream_.Put(kFour, kProducer, 8);
  stream_.Put(kFour, kProducer, 8);
  stream_.Put({{10, "x"}}, kProducer + 1, 7);
  stream_.Put({{10, "y"}}, 0, 7);
  ExpectData(low_, {"a", "d", "x", "y"});
  ExpectData(high_, {"b"});
  ExpectData(second_, {"c", "c"});
}

TEST_F(ReshardTest, WhatTheRetiredShardHasRefusedGoesToTheOpenOnes) {
  ASSERT_TRUE(stream_.log.core->SealShards({first_}).ok());
  const std::vector<PutOutcome> refused = stream_.Put(kFour, kProducer, 7);
  EXPECT_EQ(refused[0].refused, Code::kShardClosed);
  EXPECT_EQ(refused[0].sequence, 0u);
  EXPECT_EQ(refused[2].refused, Code::kOk);
  Split();
  for (int repeat = 0; repeat < 3; ++repeat) {
    const std::vector<PutOutcome> put = stream_.Put(kFour, kProducer, 7);
    EXPECT_EQ(put[0].shard, low_);
    EXPECT_EQ(put[1].shard, high_);
    EXPECT_EQ(put[2].shard, second_);
    EXPECT_EQ(put[2].sequence, refused[2].sequence);
    EXPECT_EQ(put[3].sequence, put[0].sequence + 1);
  }
  ExpectData(low_, {"a", "d"});
  ExpectData(high_, {"b"});
  ExpectData(second_, {"c"});
}

// The broker may find such a frame in the buffers of a connection that its client has given up.
TEST_F(ReshardTest, AFrameFromLongAgoIsNotTakenForANewOne) {
  for (uint32_t sequence = 0; sequence < 8; ++sequence) {
    stream_.Put(kFour, kProducer, sequence);
  }
  Split();
  const std::vector<PutOutcome> put = stream_.Put({{10, "a"}, {60, "b"}}, kProducer, 1);
  EXPECT_EQ(put[0].refused, Code::kProducerSequenceGap);
  EXPECT_EQ(put[1].refused, Code::kProducerSequenceGap);
  ExpectData(low_, {});
  ExpectData(high_, {});
}

TEST_F(ReshardTest, ANumberStillNamesOneRequest) {
  stream_.Put(kFour, kProducer, 7);
  Split();
  const std::vector<PutOutcome> fewer = stream_.Put({{10, "a"}, {60, "b"}}, kProducer, 7);
  EXPECT_EQ(fewer[0].refused, Code::kInvalidArgument);
  EXPECT_EQ(fewer[1].refused, Code::kInvalidArgument);
  // More of them are what limits have refused the first time.
  const std::vector<PutOutcome> more =
      stream_.Put({{10, "a"}, {20, "b"}, {30, "d"}, {40, "e"}}, kProducer, 7);
  EXPECT_EQ(more[2].refused, Code::kOk);
  EXPECT_EQ(more[3].refused, Code::kThroughputExceeded);
  ExpectData(low_, {});
}

TEST_F(ReshardTest, AMergedPairAndAnOlderMapAreAsked) {
  stream_.Put(kFour, kProducer, 7);
  Split();
  stream_.Put({{60, "e"}, {110, "f"}}, kProducer, 8);
  const uint64_t whole = stream_.NewShard();
  stream_.Reshard({{kLast, whole}});  // one open shard: nothing would be hashed
  const std::vector<PutOutcome> second = stream_.Put({{60, "e"}, {110, "f"}}, kProducer, 8);
  EXPECT_EQ(second[0].shard, high_);
  EXPECT_EQ(second[1].shard, second_);
  const std::vector<PutOutcome> first = stream_.Put(kFour, kProducer, 7);
  EXPECT_EQ(first[0].shard, first_);
  EXPECT_EQ(first[2].shard, second_);
  ExpectData(whole, {});
  const std::vector<PutOutcome> next = stream_.Put(kFour, kProducer, 9);
  EXPECT_EQ(next[3].shard, whole);
  ExpectData(whole, {"a", "b", "c", "d"});
}

TEST_F(ReshardTest, AFailedLogLeavesARepeatInDoubt) {
  stream_.Put(kFour, kProducer, 7);
  Split();
  ASSERT_TRUE(stream_.log.core->Close().ok());
  const std::vector<PutOutcome> put = stream_.Put(kFour, kProducer, 7);
  EXPECT_EQ(put[0].refused, Code::kLogClosed);
}

// How many requests of keyless records each of the shards has got.
std::map<uint64_t, uint32_t> SpreadOf(PutHarness* stream, uint64_t producer_id, uint32_t requests,
                                      uint32_t step) {
  std::map<uint64_t, uint32_t> counts;
  for (uint32_t i = 0; i < requests; ++i) {
    const std::vector<PutOutcome> outcomes =
        stream->Put({{kNoPlace, "a"}, {kNoPlace, "b"}}, producer_id, i * step);
    EXPECT_EQ(outcomes[0].refused, Code::kOk);
    EXPECT_EQ(outcomes[1].shard, outcomes[0].shard) << "a request is one batch";
    counts[outcomes[0].shard] += 1;
  }
  return counts;
}

TEST(Keyless, RequestsAreSpreadEvenly) {
  for (const uint32_t shards : {2u, 3u, 4u, 16u}) {
    PutHarness stream;
    stream.options.durability = log::Durability::kOs;
    PutHarness::Map map;
    for (uint32_t i = 1; i <= shards; ++i) {
      map.push_back(
          {i == shards ? kLast : PutHarness::kPlaces / shards * i - 1, stream.NewShard()});
    }
    stream.Reshard(map);
    // Also when a producer uses each second or fourth number alone.
    for (const uint32_t step : {0u, 1u, 2u, 4u}) {
      const uint64_t producer_id = step == 0 ? 0 : kProducer + step;
      const auto counts = SpreadOf(&stream, producer_id, 20 * shards, step);
      ASSERT_EQ(counts.size(), shards);
      for (const auto& [shard, count] : counts) {
        EXPECT_GE(count, 17u) << shards << " shards, step " << step;
        EXPECT_LE(count, 23u) << shards << " shards, step " << step;
      }
    }
  }
}

TEST(Keyless, RecordsGoBesideOthersAndWhereTheirHashKeySays) {
  PutHarness stream;
  const uint64_t low = stream.NewShard();
  const uint64_t high = stream.NewShard();
  stream.Reshard({{kLast / 2, low}, {kLast, high}});
  Bytes explicit_key(16, 0xff);
  const Bytes keyless = {0x92, 0xc0, 0xc4, 0x01, 'x'};
  const Bytes body =
      support::MakeRequest({keyless, support::MakeRecord("k", {1})}, {explicit_key, Bytes(16, 0)});
  ASSERT_TRUE(stream.put
                  ->Run(stream.log.core.get(), *stream.routes, body.data(),
                        static_cast<uint32_t>(body.size()), stream.options)
                  .ok());
  EXPECT_EQ(stream.DataOf(high), std::vector<std::string>{"x"});
  EXPECT_EQ(stream.DataOf(low), std::vector<std::string>{"\x01"});
}

TEST(Keyless, AreRefusedWhereKeysAreRequired) {
  PutHarness stream;
  const uint64_t shard = stream.NewShard();
  stream.Reshard({{kLast, shard}});
  stream.options.keys_required = true;
  const Bytes body = PutHarness::BodyOf({{10, "a"}, {kNoPlace, "b"}}, 0, 0);
  const base::Status status = stream.put->Run(stream.log.core.get(), *stream.routes, body.data(),
                                              static_cast<uint32_t>(body.size()), stream.options);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message().find("record 1: it has no partition key"), 0u);
  EXPECT_TRUE(stream.DataOf(shard).empty());
}

// Puts, with an answer of their own where the whole request is refused.
base::Status RunOf(PutHarness* stream, const std::vector<PlacedRecord>& records,
                   uint64_t producer_id, uint32_t sequence) {
  const Bytes body = PutHarness::BodyOf(records, producer_id, sequence);
  return stream->put->Run(stream->log.core.get(), *stream->routes, body.data(),
                          static_cast<uint32_t>(body.size()), stream->options);
}

// What came before keys were required is answered as it was, with limits and without; what is new
// is refused, and nothing of it is written.
TEST(Keyless, RepeatsAreAnsweredAndNewOnesRefusedWhereKeysAreRequiredByNow) {
  for (const bool is_limited : {false, true}) {
    PutHarness stream;
    const uint64_t low = stream.NewShard();
    const uint64_t high = stream.NewShard();
    stream.Reshard({{PutHarness::kPlaces / 2, low}, {kLast, high}});
    const std::vector<PlacedRecord> mixed = {{10, "a"}, {kNoPlace, "b"}, {60000, "c"}};
    const std::vector<PutOutcome> first = stream.Put(mixed, kProducer, 7);
    stream.options.keys_required = true;
    if (is_limited) {
      stream.limits = ThroughputLimits{1000, 1 << 20, 10 << 20};
      stream.SetRoutes();
    }
    const std::vector<PutOutcome> again = stream.Put(mixed, kProducer, 7);
    for (size_t i = 0; i < mixed.size(); ++i) {
      EXPECT_EQ(again[i].refused, Code::kOk);
      EXPECT_EQ(again[i].shard, first[i].shard);
      EXPECT_EQ(again[i].sequence, first[i].sequence);
    }
    const size_t before = stream.DataOf(low).size() + stream.DataOf(high).size();
    EXPECT_EQ(before, mixed.size());
    const base::Status refused = RunOf(&stream, mixed, kProducer, 8);
    EXPECT_EQ(refused.code(), Code::kInvalidArgument);
    EXPECT_EQ(refused.message().find("record 1: it has no partition key"), 0u);
    EXPECT_EQ(stream.put->part_count(), 0u);
    EXPECT_EQ(RunOf(&stream, mixed, kProducer + 1, 7).code(), Code::kInvalidArgument);
    EXPECT_EQ(RunOf(&stream, mixed, 0, 0).code(), Code::kInvalidArgument);
    EXPECT_EQ(stream.DataOf(low).size() + stream.DataOf(high).size(), before);
  }
}

TEST(Keyless, RepeatsOfRetiredShardsAreAnsweredWhereKeysAreRequiredByNow) {
  PutHarness stream;
  const uint64_t parent = stream.NewShard();
  stream.Reshard({{kLast, parent}});
  const std::vector<PlacedRecord> mixed = {{10, "a"}, {kNoPlace, "b"}, {60000, "c"}};
  const std::vector<PutOutcome> first = stream.Put(mixed, kProducer, 7);
  const uint64_t low = stream.NewShard();
  const uint64_t high = stream.NewShard();
  stream.Reshard({{PutHarness::kPlaces / 2, low}, {kLast, high}});
  stream.options.keys_required = true;
  const std::vector<PutOutcome> again = stream.Put(mixed, kProducer, 7);
  for (size_t i = 0; i < mixed.size(); ++i) {
    EXPECT_EQ(again[i].shard, parent);
    EXPECT_EQ(again[i].sequence, first[i].sequence);
  }
  EXPECT_EQ(RunOf(&stream, mixed, kProducer, 8).code(), Code::kInvalidArgument);
  EXPECT_TRUE(stream.DataOf(low).empty());
  EXPECT_TRUE(stream.DataOf(high).empty());
}

// Requests whose answers get lost, between random reshards: each record is there once.
class LossyProducer {
 public:
  LossyProducer(PutHarness* stream, SeededRandom* random) : stream_(stream), random_(random) {
    stream_->Reshard({{kLast, stream_->NewShard()}});
  }

  void Step() {
    if (random_->OneIn(4)) {
      Reshard();
      return;
    }
    if (!is_lost_) {
      request_.clear();
      for (uint32_t left = 1 + random_->Below(6); left > 0; --left) {
        const uint32_t place = random_->OneIn(3) ? kNoPlace : random_->Below(64) << 10;
        request_.push_back({place, std::to_string(next_++)});
      }
      ++sequence_;
    }
    const std::vector<PutOutcome> outcomes = stream_->Put(request_, kProducer, sequence_);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      const std::string& data = request_[i].data;
      ASSERT_EQ(outcomes[i].refused, Code::kOk);
      const auto place = std::make_pair(outcomes[i].shard, outcomes[i].sequence);
      const auto [told, is_first] = told_.emplace(data, place);
      ASSERT_EQ(told->second, place) << "record " << data << " is told of at two places";
      ASSERT_EQ(is_first, !is_lost_);
    }
    is_lost_ = random_->OneIn(2);
  }

  void Check() {
    size_t found = 0;
    for (const uint64_t shard : stream_->log.core->ListShards()) {
      const log::ShardStats stats = stream_->log.Stats(stream_->log.SlotOf(shard));
      uint64_t sequence = stats.first_sequence;
      for (const std::string& data : stream_->DataOf(shard)) {
        const auto place = std::make_pair(shard, sequence++);
        ASSERT_EQ(told_.at(data), place);
        ++found;
      }
    }
    ASSERT_EQ(found, told_.size());
  }

 private:
  // Splits a shard, or merges two, or does several at once.
  void Reshard() {
    PutHarness::Map map = stream_->maps[0];
    for (uint32_t left = 1 + random_->Below(3); left > 0; --left) {
      const uint32_t at = random_->Below(static_cast<uint32_t>(map.size()));
      if (random_->OneIn(2) && at + 1 < map.size()) {
        map.erase(map.begin() + at);
        map[at].id = 0;
        continue;
      }
      const uint32_t start = at == 0 ? 0 : map[at - 1].end + 1;
      if (map[at].end - start > 1024) {
        map[at].id = 0;
        map.insert(map.begin() + at, {start + (map[at].end - start) / 2, 0});
      }
    }
    for (PutHarness::Shard& shard : map) {
      shard.id = shard.id == 0 ? stream_->NewShard() : shard.id;
    }
    stream_->Reshard(map);
  }

  PutHarness* const stream_;
  SeededRandom* const random_;
  std::vector<PlacedRecord> request_;
  bool is_lost_ = false;
  uint32_t sequence_ = 0;
  uint32_t next_ = 0;
  std::map<std::string, std::pair<uint64_t, uint64_t>> told_;
};

TEST(Reshards, NoRecordIsStoredTwiceOrToldOfElsewhere) {
  SeededRandom random;
  const uint64_t count = TestCount(2000) / 400 + 1;
  for (uint64_t run = 0; run < count; ++run) {
    PutHarness stream;
    LossyProducer producer(&stream, &random);
    for (int step = 0; step < 60; ++step) {
      ASSERT_NO_FATAL_FAILURE(producer.Step());
    }
    ASSERT_NO_FATAL_FAILURE(producer.Check());
  }
}

}  // namespace
}  // namespace millrace::ingest
