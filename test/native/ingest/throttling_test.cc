// PutRecords to shards with limits, on a clock of its own.
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "native/ingest/put_records.h"
#include "test/support/put_harness.h"

namespace millrace::ingest {
namespace {

using base::Code;
using support::PlacedRecord;
using support::PutHarness;
using support::PutOutcome;

constexpr uint32_t kLast = PutHarness::kPlaces - 1;
constexpr uint64_t kProducer = 0x1122334455667788;
constexpr uint64_t kMiB = 1024 * 1024;
constexpr ThroughputLimits kKinesis = {1000, kMiB, 10 * kMiB};

std::vector<PlacedRecord> Records(uint32_t count, uint32_t place, size_t payload_bytes = 1) {
  std::vector<PlacedRecord> records;
  for (uint32_t i = 0; i < count; ++i) {
    std::string data(payload_bytes - 1, 'd');  // the key of a record of the harness is one byte
    data.replace(0, std::min<size_t>(8, data.size()), std::to_string(10'000'000 + i), 0,
                 std::min<size_t>(8, data.size()));
    records.push_back({place, data});
  }
  return records;
}

uint32_t TakenOf(const std::vector<PutOutcome>& outcomes) {
  uint32_t taken = 0;
  for (const PutOutcome& outcome : outcomes) {
    EXPECT_TRUE(outcome.refused == Code::kOk || outcome.refused == Code::kThroughputExceeded);
    taken += outcome.refused == Code::kOk ? 1 : 0;
  }
  return taken;
}

class ThrottlingTest : public ::testing::Test {
 protected:
  ThrottlingTest() {
    stream_.limits = kKinesis;
    stream_.options.durability = log::Durability::kOs;
    stream_.options.now_millis = 5000;
    stream_.options.record_bytes_max = 10 * kMiB;
    stream_.Reshard({{99, first_}, {kLast, second_}});
  }

  ShardTraffic TrafficOf(uint64_t shard) const {
    for (const ShardTraffic& traffic : stream_.meters.Traffic()) {
      if (traffic.shard == shard) {
        return traffic;
      }
    }
    return {};
  }

  PutHarness stream_;
  const uint64_t first_ = stream_.NewShard();
  const uint64_t second_ = stream_.NewShard();
};

// Kinesis 4.4, row 1: 1001 records of one byte in one second to one shard.
TEST_F(ThrottlingTest, OneRecordBeyondTheSecondIsRefusedAlone) {
  EXPECT_EQ(TakenOf(stream_.Put(Records(500, 0))), 500u);
  stream_.options.now_millis += 400;
  EXPECT_EQ(TakenOf(stream_.Put(Records(499, 0))), 499u);
  stream_.options.now_millis += 400;
  const std::vector<PutOutcome> last = stream_.Put(Records(2, 0));
  EXPECT_EQ(last[0].refused, Code::kOk);
  EXPECT_EQ(last[0].sequence, 1000u);
  EXPECT_EQ(last[1].refused, Code::kThroughputExceeded);
  EXPECT_EQ(last[1].shard, first_);
  EXPECT_EQ(last[1].retry_millis, 200u);
  EXPECT_EQ(last[0].retry_millis, 0u);
  // Another shard has a budget of its own.
  EXPECT_EQ(TakenOf(stream_.Put(Records(1, kLast))), 1u);
  stream_.options.now_millis += 200;
  EXPECT_EQ(TakenOf(stream_.Put(Records(1, 0))), 1u);
  EXPECT_EQ(TrafficOf(first_).records, 1001u);
  EXPECT_EQ(TrafficOf(first_).bytes, 1001u);
  EXPECT_EQ(TrafficOf(first_).throttled, 1u);
  EXPECT_EQ(TrafficOf(second_).records, 1u);
}

// Kinesis 4.4, row 2: sustained twice the limit: about half is refused, record by record.
TEST_F(ThrottlingTest, SustainedOverloadIsCutToTheLimit) {
  uint64_t taken = 0;
  uint64_t put = 0;
  for (uint32_t second = 0; second < 30; ++second) {
    for (uint32_t part = 0; part < 8; ++part) {
      stream_.options.now_millis += 125;
      const uint32_t now = TakenOf(stream_.Put(Records(16, 0, 16 * 1024)));
      taken += second < 12 ? 0 : now;
      put += second < 12 ? 0 : 16;
    }
  }
  EXPECT_NEAR(static_cast<double>(taken) / static_cast<double>(put), 0.5, 0.02);
}

// Recorded on AWS: five records of 1 MiB to a shard without a burst: the first one goes in.
TEST_F(ThrottlingTest, EachRecordIsPaidForByItself) {
  EXPECT_EQ(TakenOf(stream_.Put(Records(1, 0, 9 * kMiB))), 1u);
  const std::vector<PutOutcome> five = stream_.Put(Records(5, 0, kMiB));
  EXPECT_EQ(five[0].refused, Code::kOk);
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(five[i].refused, Code::kThroughputExceeded);
    EXPECT_EQ(five[i].retry_millis, 1000u);  // the first of them fits then
  }
  EXPECT_EQ(stream_.DataOf(first_).size(), 2u);
}

TEST_F(ThrottlingTest, ALaterRecordMayGoInWhereAnEarlierOneDoesNot) {
  EXPECT_EQ(TakenOf(stream_.Put(Records(1, 0, 10 * kMiB - 200))), 1u);
  const std::vector<PlacedRecord> mixed = {{0, "1"}, {0, std::string(500, '2')}, {kLast, "3"},
                                           {0, "4"}, {0, std::string(500, '5')}, {0, "6"}};
  const std::vector<PutOutcome> outcomes = stream_.Put(mixed);
  const std::vector<Code> refused = {Code::kOk, Code::kThroughputExceeded, Code::kOk,
                                     Code::kOk, Code::kThroughputExceeded, Code::kOk};
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(outcomes[i].refused, refused[i]) << i;
  }
  EXPECT_EQ(outcomes[3].sequence, 3u);
  EXPECT_EQ(outcomes[5].sequence, 4u);
  EXPECT_EQ(outcomes[1].retry_millis, outcomes[4].retry_millis);
  ASSERT_EQ(stream_.put->part_count(), 3u);
  EXPECT_EQ(stream_.put->parts()[1].count, 2u);
  const std::vector<std::string> data = stream_.DataOf(first_);
  EXPECT_EQ(std::vector<std::string>(data.begin() + 1, data.end()),
            (std::vector<std::string>{"1", "4", "6"}));
}

// The records of a key keep their order: what is behind a refused one comes with it.
TEST_F(ThrottlingTest, AnIdempotentProducerKeepsTheBeginningOfItsPart) {
  EXPECT_EQ(TakenOf(stream_.Put(Records(1, 0, 10 * kMiB - 200))), 1u);
  const std::vector<PlacedRecord> mixed = {
      {0, "1"}, {0, std::string(500, '2')}, {kLast, "3"}, {0, "4"}};
  const std::vector<PutOutcome> first = stream_.Put(mixed, kProducer, 7);
  EXPECT_EQ(first[0].refused, Code::kOk);
  EXPECT_EQ(first[1].refused, Code::kThroughputExceeded);
  EXPECT_EQ(first[2].refused, Code::kOk);
  EXPECT_EQ(first[3].refused, Code::kThroughputExceeded);

  // The answer was lost. By now there is room, and yet it has the first answer: the refused ones
  // come again under another number, and would be there twice.
  stream_.options.now_millis += 60'000;
  for (int repeat = 0; repeat < 2; ++repeat) {
    const std::vector<PutOutcome> again = stream_.Put(mixed, kProducer, 7);
    for (size_t i = 0; i < mixed.size(); ++i) {
      EXPECT_EQ(again[i].refused, first[i].refused) << i;
      EXPECT_EQ(again[i].sequence, first[i].sequence) << i;
      EXPECT_EQ(again[i].retry_millis, 0u) << i;
    }
    EXPECT_TRUE(stream_.put->parts()[0].duplicate);
  }
  EXPECT_EQ(TakenOf(stream_.Put({mixed[1], mixed[3]}, kProducer, 8)), 2u);
  EXPECT_EQ(TakenOf(stream_.Put({mixed[1], mixed[3]}, kProducer, 8)), 2u);
  const std::vector<std::string> data = stream_.DataOf(first_);
  EXPECT_EQ(std::vector<std::string>(data.begin() + 1, data.end()),
            (std::vector<std::string>{"1", mixed[1].data, "4"}));
  EXPECT_EQ(TrafficOf(first_).records, 4u);
  EXPECT_EQ(TrafficOf(first_).throttled, 2u);
}

TEST_F(ThrottlingTest, ARepeatIsNeitherPaidForNorRefused) {
  const std::vector<PlacedRecord> records = Records(400, 0);
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 1)), 400u);
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 1)), 400u);
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 2)), 400u);
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 3)), 200u);
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 4)), 0u);
  for (int repeat = 0; repeat < 3; ++repeat) {
    EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 1)), 400u);
    EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 3)), 200u);
  }
  EXPECT_EQ(stream_.DataOf(first_).size(), 1000u);
  // What was refused as a whole has left no trace: a repeat of it is put.
  stream_.options.now_millis += 1000;
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 4)), 400u);
}

TEST_F(ThrottlingTest, ARepeatAfterAReshardHasTheFirstAnswer) {
  const std::vector<PlacedRecord> records = Records(400, 0);
  EXPECT_EQ(TakenOf(stream_.Put(Records(500, 0))), 500u);
  EXPECT_EQ(TakenOf(stream_.Put(Records(200, 0))), 200u);
  const std::vector<PutOutcome> first = stream_.Put(records, kProducer, 1);
  EXPECT_EQ(TakenOf(first), 300u);
  const uint64_t child = stream_.NewShard();
  stream_.Reshard({{kLast, child}});
  const std::vector<PutOutcome> again = stream_.Put(records, kProducer, 1);
  for (size_t i = 0; i < records.size(); ++i) {
    ASSERT_EQ(again[i].refused, first[i].refused);
    ASSERT_EQ(again[i].sequence, first[i].sequence);
    ASSERT_EQ(again[i].shard, first_);
  }
  EXPECT_TRUE(stream_.DataOf(child).empty());
  EXPECT_EQ(TakenOf(stream_.Put(Records(100, 0), kProducer, 2)), 100u);
}

TEST_F(ThrottlingTest, ARepeatAfterTheLimitsAreGoneHasTheFirstAnswer) {
  EXPECT_EQ(TakenOf(stream_.Put(Records(500, 0))), 500u);
  EXPECT_EQ(TakenOf(stream_.Put(Records(400, 0))), 400u);
  const std::vector<PlacedRecord> records = Records(400, 0);
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 1)), 100u);
  stream_.limits.reset();
  stream_.SetRoutes();
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 1)), 100u);
  EXPECT_EQ(TakenOf(stream_.Put(records, kProducer, 2)), 400u);
  // Fewer records than the first time are another request.
  EXPECT_EQ(stream_.Put(Records(99, 0), kProducer, 1)[0].refused, Code::kInvalidArgument);
}

TEST_F(ThrottlingTest, WhatTheLogRefusesIsNotPaidFor) {
  ASSERT_TRUE(stream_.log.core->SealShards({first_}).ok());
  for (int i = 0; i < 4; ++i) {
    for (const PutOutcome& outcome : stream_.Put(Records(400, 0))) {
      ASSERT_EQ(outcome.refused, Code::kShardClosed);
    }
  }
  EXPECT_EQ(TrafficOf(first_).records, 0u);
  EXPECT_EQ(TrafficOf(first_).throttled, 0u);
}

// Kinesis 4.4 and 10.14: keys and data count, and nothing that encloses them.
TEST_F(ThrottlingTest, KeysAndDataCount) {
  std::string key;
  for (int i = 0; i < 256; ++i) {
    key += "\xe2\x82\xac";
  }
  const support::Bytes body = support::MakeRequest({support::MakeRecord(key, support::Bytes(232))});
  ASSERT_TRUE(stream_.put
                  ->Run(stream_.log.core.get(), *stream_.routes, body.data(),
                        static_cast<uint32_t>(body.size()), stream_.options)
                  .ok());
  EXPECT_EQ(stream_.put->parts()[0].refused, Code::kOk);
  EXPECT_EQ(TrafficOf(first_).bytes + TrafficOf(second_).bytes, 1000u);
}

TEST_F(ThrottlingTest, ABudgetOutlivesTheRoutesOfItsShard) {
  EXPECT_EQ(TakenOf(stream_.Put(Records(500, 0))), 500u);
  EXPECT_EQ(TakenOf(stream_.Put(Records(500, 0))), 500u);
  const uint64_t child = stream_.NewShard();
  stream_.Reshard({{99, first_}, {kLast, child}});
  EXPECT_EQ(TakenOf(stream_.Put(Records(1, 0))), 0u);
  EXPECT_EQ(TakenOf(stream_.Put(Records(1, kLast))), 1u);
}

TEST_F(ThrottlingTest, ManyPartsHaveWideOrdinals) {
  PutHarness::Map map;
  stream_.limits = ThroughputLimits{1, kMiB, kMiB};
  for (uint32_t i = 0; i < 200; ++i) {
    map.push_back({i == 199 ? kLast : i, stream_.NewShard()});
  }
  stream_.Reshard(map);
  std::vector<PlacedRecord> records;
  for (uint32_t i = 0; i < 400; ++i) {
    records.push_back({i % 200, "d"});
  }
  const std::vector<PutOutcome> outcomes = stream_.Put(records);
  EXPECT_EQ(stream_.put->part_count(), 400u);
  for (uint32_t i = 0; i < 400; ++i) {
    EXPECT_EQ(outcomes[i].shard, map[i % 200].id);
    EXPECT_EQ(outcomes[i].refused, i < 200 ? Code::kOk : Code::kThroughputExceeded);
  }
}

TEST(MeterTable, ALogHasOneForAllWhoPut) {
  PutHarness stream;
  const std::shared_ptr<MeterTable> table = MeterTable::Of(stream.log.core);
  EXPECT_EQ(MeterTable::Of(stream.log.core), table);
  PutHarness other;
  EXPECT_NE(MeterTable::Of(other.log.core), table);
  const std::shared_ptr<ShardMeter> meter = table->Get(7);
  EXPECT_EQ(table->Get(7), meter);
  for (uint64_t shard = 100; shard < 1000; ++shard) {
    table->Get(shard);
  }
  ASSERT_EQ(table->Traffic().size(), 1u);
  EXPECT_EQ(table->Traffic()[0].shard, 7u);
}

// Several threads put to one shard: no more is taken than the limits allow all of them together.
TEST(MeterTable, ThreadsShareTheBudgetOfAShard) {
  PutHarness stream;
  stream.limits = kKinesis;
  stream.Reshard({{kLast, stream.NewShard()}});
  const support::Bytes body = PutHarness::BodyOf(Records(100, 0), 0, 0);
  std::vector<std::thread> threads;
  std::atomic<uint32_t> taken{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const std::unique_ptr<PutRecords> put = PutRecords::Create(500);
      PutRecords::Options options;
      options.durability = log::Durability::kOs;
      options.now_millis = 5000;
      for (int request = 0; request < 10; ++request) {
        EXPECT_TRUE(put->Run(stream.log.core.get(), *stream.routes, body.data(),
                             static_cast<uint32_t>(body.size()), options)
                        .ok());
        for (size_t part = 0; part < put->part_count(); ++part) {
          taken += put->parts()[part].refused == Code::kOk ? put->parts()[part].count : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(taken, 1000u);
  EXPECT_EQ(stream.meters.Traffic()[0].throttled, 3000u);
}

}  // namespace
}  // namespace millrace::ingest
