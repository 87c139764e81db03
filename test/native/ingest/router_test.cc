#include "native/ingest/router.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/msgpack_encode.h"
#include "test/support/random_request.h"
#include "test/support/request_reference.h"

namespace millrace::ingest {
namespace {

using base::Code;
using base::Status;
using support::Bytes;
using support::HashKeyBytes;
using support::MakeRecord;
using support::MakeRequest;
using support::RandomRequest;
using support::ReferenceRecord;
using support::ReferenceRequest;
using support::ReferenceScan;
using support::SeededRandom;
using support::TestCount;
__extension__ typedef unsigned __int128 Uint128;

constexpr uint32_t kRecordsMax = 500;
constexpr Uint128 kHashKeyMax = ~Uint128{0};

Uint128 FromBytes(const uint8_t* bytes) {
  Uint128 value = 0;
  for (int i = 0; i < 16; ++i) {
    value = value << 8 | bytes[i];
  }
  return value;
}

Bytes ToBytes(Uint128 value) {
  Bytes bytes(16);
  for (size_t i = 16; i-- > 0; value >>= 8) {
    bytes[i] = static_cast<uint8_t>(value);
  }
  return bytes;
}

HashKey ToHashKey(Uint128 value) {
  return LoadHashKey(ToBytes(value).data());
}

OpenShard Open(Uint128 end, uint64_t shard) {
  OpenShard open = {};
  const Bytes bytes = ToBytes(end);
  std::copy(bytes.begin(), bytes.end(), open.ending_hash_key);
  open.shard = shard;
  return open;
}

// The ending keys of a new stream: floor(2^128 / n) keys each, the rest to the last.
std::vector<Uint128> EvenEnds(uint32_t count) {
  // 2^128 does not fit: (2^128 - 1) / n is the same unless n divides 2^128.
  const bool divides = (count & (count - 1)) == 0;
  const Uint128 width = kHashKeyMax / count + (divides ? 1 : 0);
  std::vector<Uint128> ends;
  for (uint32_t i = 1; i < count; ++i) {
    ends.push_back(width * i - 1);
  }
  ends.push_back(kHashKeyMax);
  return ends;
}

std::shared_ptr<const ShardMap> MapOf(const std::vector<Uint128>& ends) {
  std::vector<OpenShard> open;
  for (size_t i = 0; i < ends.size(); ++i) {
    open.push_back(Open(ends[i], 1000 + i));
  }
  std::shared_ptr<const ShardMap> map;
  const Status status = ShardMap::Create(open.data(), open.size(), &map);
  EXPECT_TRUE(status.ok()) << status.message();
  return map;
}

// Where the records go that have no key.
constexpr HashKey kKeyless = {0x9abcdef012345678, 9};

uint32_t ReferenceFind(const std::vector<Uint128>& ends, Uint128 key) {
  uint32_t ordinal = 0;
  while (ends[ordinal] < key) {
    ++ordinal;
  }
  return ordinal;
}

TEST(ShardMap, OwnsBothEndsOfEveryRange) {
  for (const uint32_t count : {1u, 2u, 3u, 4u, 5u, 15u, 16u, 17u, 18u, 33u, 100u, 1000u}) {
    const std::vector<Uint128> ends = EvenEnds(count);
    const auto map = MapOf(ends);
    ASSERT_EQ(map->shard_count(), count);
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_EQ(map->Find(ToHashKey(ends[i])), i);
      ASSERT_EQ(map->Find(ToHashKey(ends[i] + 1)), i + 1 == count ? 0 : i + 1);
      ASSERT_EQ(map->shard(i), 1000 + i);
    }
    EXPECT_EQ(map->Find(ToHashKey(0)), 0u);
    EXPECT_EQ(map->Find(ToHashKey(kHashKeyMax)), count - 1);
  }
}

TEST(ShardMap, TellsRangesApartThatDifferInTheLowerHalf) {
  const Uint128 high = Uint128{0x1234} << 64;
  std::vector<Uint128> ends;
  for (uint32_t i = 0; i < 40; ++i) {
    ends.push_back(high + 10 * i);
    if (i % 8 == 7) {
      const auto map = MapOf([&] {
        std::vector<Uint128> tiled = ends;
        tiled.push_back(high | UINT64_MAX);
        tiled.push_back(kHashKeyMax - 1);
        tiled.push_back(kHashKeyMax);
        return tiled;
      }());
      EXPECT_EQ(map->Find(ToHashKey(high - 1)), 0u);
      for (uint32_t k = 0; k <= i; ++k) {
        EXPECT_EQ(map->Find(ToHashKey(ends[k])), k);
        EXPECT_EQ(map->Find(ToHashKey(ends[k] + 1)), k + 1);
      }
      EXPECT_EQ(map->Find(ToHashKey(high + (Uint128{1} << 64))), i + 2);
      EXPECT_EQ(map->Find(ToHashKey(kHashKeyMax)), i + 3);
    }
  }
}

TEST(ShardMap, RefusesWhatDoesNotTile) {
  std::shared_ptr<const ShardMap> map;
  const auto refusal = [&map](const std::vector<OpenShard>& open) {
    const Status status = ShardMap::Create(open.data(), open.size(), &map);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(map, nullptr);
    return status.message();
  };
  EXPECT_NE(refusal({}).find("0 open shards; a stream has 1 to 65536"), std::string::npos);
  EXPECT_NE(refusal({Open(kHashKeyMax - 1, 7)})
                .find("the last ending hash key is "
                      "0xfffffffffffffffffffffffffffffffe (shard 7)"),
            std::string::npos);
  EXPECT_NE(refusal({Open(5, 1), Open(5, 2), Open(kHashKeyMax, 3)}).find("of shard 2 (place 1)"),
            std::string::npos);
  EXPECT_NE(refusal({Open(kHashKeyMax, 1), Open(5, 2)}).find("is not above"), std::string::npos);
  EXPECT_NE(refusal({Open(5, 1), Open(kHashKeyMax, 1)}).find("name shard 1 twice"),
            std::string::npos);
}

TEST(ShardMap, AgreesWithTheReference) {
  SeededRandom random;
  const uint64_t count = TestCount(20'000) / 50 + 1;
  for (uint64_t i = 0; i < count; ++i) {
    std::vector<Uint128> ends = {kHashKeyMax};
    for (uint32_t left = random.Below(60); left > 0; --left) {
      const Uint128 near = ends[random.Below(static_cast<uint32_t>(ends.size()))];
      ends.push_back(random.OneIn(3) ? near - 1 - random.Below(5)
                                     : Uint128{random.Any()} << 64 | random.Any());
    }
    std::sort(ends.begin(), ends.end());
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    const auto map = MapOf(ends);
    for (int probe = 0; probe < 100; ++probe) {
      const Uint128 end = ends[random.Below(static_cast<uint32_t>(ends.size()))];
      const Uint128 key =
          random.OneIn(2) ? end + random.Below(5) - 2 : Uint128{random.Any()} << 64 | random.Any();
      ASSERT_EQ(map->Find(ToHashKey(key)), ReferenceFind(ends, key)) << "seed " << random.seed();
    }
  }
}

class RouterTest : public testing::Test {
 protected:
  RouterTest()
      : request_(ScannedRequest::Create(kRecordsMax)), router_(Router::Create(kRecordsMax)) {}

  void Route(const Bytes& body, const ShardMap& map) {
    body_ = body;
    const Status status = request_->Scan(body_.data(), body_.size(), ScanLimits());
    ASSERT_TRUE(status.ok()) << status.message();
    router_->Route(map, *request_, kKeyless);
  }

  uint32_t OrdinalOf(uint32_t record) const {
    return router_->run(router_->run_of_record(record)).ordinal;
  }

  // The bytes of a run as the next stage gathers them.
  static Bytes Gather(const ShardRun& run) {
    Bytes gathered;
    for (uint32_t i = 0; i < run.piece_count; ++i) {
      gathered.insert(gathered.end(), run.pieces[i].data, run.pieces[i].data + run.pieces[i].bytes);
    }
    return gathered;
  }

  // Everything a run says, against the records that should be in it.
  void ExpectRun(const ShardRun& run, const std::vector<uint32_t>& records) const {
    ASSERT_EQ(run.count, records.size());
    Bytes expected;
    uint32_t pieces = 0;
    for (uint32_t i = 0; i < run.count; ++i) {
      ASSERT_EQ(run.records[i], records[i]);
      const uint8_t* data = request_->record_data(records[i]);
      expected.insert(expected.end(), data, data + request_->record(records[i]).shape.bytes);
      pieces += i == 0 || records[i - 1] + 1 != records[i] ? 1 : 0;
    }
    EXPECT_EQ(run.piece_count, pieces);
    EXPECT_EQ(run.bytes, expected.size());
    EXPECT_EQ(Gather(run), expected);
  }

  Bytes body_;
  std::unique_ptr<ScannedRequest> request_;
  std::unique_ptr<Router> router_;
};

TEST_F(RouterTest, RoutesTheKnownKeysOfAStreamOfThreeShards) {
  const auto map = MapOf(EvenEnds(3));
  Route(MakeRequest(
            {MakeRecord("a", {}), MakeRecord("b", {}), MakeRecord("e", {}), MakeRecord("f", {})}),
        *map);
  EXPECT_EQ(OrdinalOf(0), 0u);
  EXPECT_EQ(OrdinalOf(1), 1u);
  EXPECT_EQ(OrdinalOf(2), 2u);
  EXPECT_EQ(OrdinalOf(3), 1u);
  ASSERT_EQ(router_->run_count(), 3u);
  ExpectRun(router_->run(0), {0});
  ExpectRun(router_->run(1), {1, 3});
  ExpectRun(router_->run(2), {2});
  EXPECT_EQ(router_->run(1).shard, 1001u);
}

TEST_F(RouterTest, RoutesTheKnownExplicitHashKeys) {
  const auto map = MapOf(EvenEnds(3));
  const Uint128 width = kHashKeyMax / 3;
  const Bytes record = MakeRecord("a", {});
  Route(MakeRequest({record, record, record, record}, {ToBytes(kHashKeyMax), ToBytes(2 * width - 1),
                                                       ToBytes(2 * width), std::nullopt}),
        *map);
  EXPECT_EQ(OrdinalOf(0), 2u);
  EXPECT_EQ(OrdinalOf(1), 1u);
  EXPECT_EQ(OrdinalOf(2), 2u);
  EXPECT_EQ(OrdinalOf(3), 0u);
}

TEST_F(RouterTest, GivesTheOnlyShardEverythingInOnePiece) {
  const auto map = MapOf({kHashKeyMax});
  Route(MakeRequest({MakeRecord("a", {1}), MakeRecord("b", {2, 3}), MakeRecord("c", {})},
                    {std::nullopt, ToBytes(kHashKeyMax), std::nullopt}),
        *map);
  ASSERT_EQ(router_->run_count(), 1u);
  ExpectRun(router_->run(0), {0, 1, 2});
  EXPECT_EQ(router_->run(0).piece_count, 1u);
  EXPECT_EQ(router_->run(0).shard, 1000u);
  EXPECT_EQ(router_->run_of_record(2), 0u);
}

TEST_F(RouterTest, JoinsNeighboursAndKeepsTheOrderOfTheRequest) {
  const auto map = MapOf({99, kHashKeyMax});
  const HashKeyBytes first = ToBytes(0);
  const HashKeyBytes second = ToBytes(100);
  std::vector<Bytes> records;
  for (uint8_t i = 0; i < 6; ++i) {
    records.push_back(MakeRecord(std::string(1, static_cast<char>('a' + i)), {i}));
  }
  Route(MakeRequest(records, {second, first, first, second, second, first}), *map);
  ASSERT_EQ(router_->run_count(), 2u);
  EXPECT_EQ(router_->run(0).ordinal, 1u);
  ExpectRun(router_->run(0), {0, 3, 4});
  EXPECT_EQ(router_->run(0).piece_count, 2u);
  ExpectRun(router_->run(1), {1, 2, 5});
  EXPECT_EQ(router_->run(1).piece_count, 2u);
}

TEST_F(RouterTest, DropsRefusedRecords) {
  const auto map = MapOf({99, kHashKeyMax});
  const HashKeyBytes first = ToBytes(0);
  const HashKeyBytes second = ToBytes(100);
  const std::vector<Bytes> records(6, MakeRecord("key", Bytes(5)));
  for (const auto& only : {map, MapOf({kHashKeyMax})}) {
    Route(MakeRequest(records, {first, first, first, second, first, first}), *only);
    const std::vector<uint8_t> none(6, 0);
    const std::vector<uint8_t> all(6, 1);
    const bool two_shards = only == map;
    const std::vector<uint32_t> before(router_->run(0).records,
                                       router_->run(0).records + router_->run(0).count);
    router_->Drop(*request_, 0, none.data());
    ExpectRun(router_->run(0), before);
    router_->Drop(*request_, 0, std::vector<uint8_t>{0, 1, 0, 1, 0, 0}.data());
    ExpectRun(router_->run(0), {0, 2, 4, 5});
    router_->Drop(*request_, 0, std::vector<uint8_t>{1, 0, 0, 0, 0, 1}.data());
    ExpectRun(router_->run(0), {2, 4});
    router_->Drop(*request_, 0, all.data());
    ExpectRun(router_->run(0), {});
    if (two_shards) {
      ExpectRun(router_->run(1), {3});
    }
  }
}

TEST_F(RouterTest, AgreesWithTheReference) {
  SeededRandom random;
  const uint64_t count = TestCount(20'000) / 20 + 1;
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t shard_count = 1 + random.Below(random.OneIn(3) ? 600 : 20);
    const std::vector<Uint128> ends = EvenEnds(shard_count);
    const auto map = MapOf(ends);
    const Bytes body = RandomRequest(&random);
    const ReferenceRequest reference = ReferenceScan(body, ScanLimits());
    if (reference.code != Code::kOk) {
      continue;  // a key that came out too long
    }
    ASSERT_NO_FATAL_FAILURE(Route(body, *map));
    std::map<uint32_t, std::vector<uint32_t>> expected;
    for (uint32_t record = 0; record < reference.records.size(); ++record) {
      const ReferenceRecord& given = reference.records[record];
      Bytes hash_key = given.explicit_hash_key;
      if (hash_key.empty() && given.key.empty()) {
        hash_key.resize(16);
        base::StoreBig64(hash_key.data(), kKeyless.high);
        base::StoreBig64(hash_key.data() + 8, kKeyless.low);
      } else if (hash_key.empty()) {
        const base::Md5Input input = {given.key.data(), static_cast<uint32_t>(given.key.size())};
        hash_key.resize(16);
        base::Digest digest;
        base::Md5Batch(&input, 1, &digest);
        std::copy_n(digest.bytes, 16, hash_key.begin());
      }
      const uint32_t ordinal = ReferenceFind(ends, FromBytes(hash_key.data()));
      expected[ordinal].push_back(record);
      ASSERT_EQ(OrdinalOf(record), ordinal) << "seed " << random.seed();
    }
    ASSERT_EQ(router_->run_count(), expected.size());
    for (uint32_t run = 0; run < router_->run_count(); ++run) {
      ASSERT_NO_FATAL_FAILURE(ExpectRun(router_->run(run), expected[router_->run(run).ordinal]))
          << "seed " << random.seed();
      ASSERT_EQ(router_->run(run).shard, 1000 + router_->run(run).ordinal);
    }
  }
}

}  // namespace
}  // namespace millrace::ingest
