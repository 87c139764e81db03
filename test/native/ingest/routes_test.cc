#include "native/ingest/routes.h"

#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/put_harness.h"
#include "test/support/seeded_random.h"

namespace millrace::ingest {
namespace {

using base::Code;
using base::Status;
using support::PutHarness;
using support::SeededRandom;
using support::TestCount;

constexpr uint32_t kLast = PutHarness::kPlaces - 1;

std::set<uint32_t> RetiredOf(const Routes& routes, uint32_t ordinal) {
  const Routes::Slots slots = routes.retired_of(ordinal);
  std::set<uint32_t> set(slots.data, slots.data + slots.count);
  EXPECT_EQ(set.size(), slots.count);
  return set;
}

TEST(Routes, FindsTheRetiredShardsOfEachOpenOne) {
  PutHarness stream;
  const uint64_t a = stream.NewShard();
  const uint64_t b = stream.NewShard();
  stream.Reshard({{99, a}, {kLast, b}});
  EXPECT_TRUE(stream.routes->previous().empty());
  EXPECT_EQ(stream.routes->retired_of(1).count, 0u);

  const uint64_t c = stream.NewShard();
  const uint64_t d = stream.NewShard();
  stream.Reshard({{49, c}, {99, d}, {kLast, b}});
  const uint64_t e = stream.NewShard();
  stream.Reshard({{49, c}, {kLast, e}});  // d and b are merged
  const auto slot = [&stream](uint64_t shard) { return stream.log.SlotOf(shard); };
  const Routes& routes = *stream.routes;
  EXPECT_EQ(routes.open().slots, (std::vector<uint32_t>{slot(c), slot(e)}));
  EXPECT_EQ(RetiredOf(routes, 0), std::set<uint32_t>{slot(a)});
  EXPECT_EQ(RetiredOf(routes, 1), (std::set<uint32_t>{slot(a), slot(b), slot(d)}));
  ASSERT_EQ(routes.previous().size(), 2u);
  EXPECT_EQ(routes.previous()[0].first_route, 2u);
  EXPECT_EQ(routes.previous()[0].slots, (std::vector<uint32_t>{kNoSlot, slot(d), slot(b)}));
  EXPECT_EQ(routes.previous()[1].first_route, 5u);
  EXPECT_EQ(routes.previous()[1].slots, (std::vector<uint32_t>{slot(a), kNoSlot}));
}

TEST(Routes, LeaveOutWhatIsGone) {
  PutHarness stream;
  const uint64_t a = stream.NewShard();
  stream.Reshard({{kLast, a}});
  const uint64_t b = stream.NewShard();
  stream.Reshard({{kLast, b}});
  EXPECT_EQ(stream.routes->previous().size(), 1u);
  ASSERT_TRUE(stream.log.core->DeleteShard(a).ok());
  stream.SetRoutes();
  EXPECT_TRUE(stream.routes->previous().empty());
  EXPECT_EQ(stream.routes->retired_of(0).count, 0u);
}

TEST(Routes, RefuseWhatIsNoMap) {
  PutHarness stream;
  OpenShard whole = {};
  std::fill_n(whole.ending_hash_key, sizeof whole.ending_hash_key, 0xff);
  whole.shard = stream.NewShard();
  OpenShard half = whole;
  half.ending_hash_key[0] = 0x7f;
  OpenShard gone = whole;
  gone.shard = 77;
  std::shared_ptr<const Routes> routes;
  const auto code = [&](const std::vector<std::vector<OpenShard>>& maps) {
    return Routes::Create(*stream.log.core, {maps, std::nullopt}, &stream.meters, &routes).code();
  };
  EXPECT_EQ(code({}), Code::kInvalidArgument);
  EXPECT_EQ(code({{}}), Code::kInvalidArgument);
  EXPECT_EQ(code({{half}}), Code::kInvalidArgument);
  EXPECT_EQ(code({{whole}, {half}}), Code::kInvalidArgument);
  EXPECT_EQ(code({{gone}}), Code::kShardNotFound);
  EXPECT_EQ(code({{whole}, {gone}}), Code::kOk);
  EXPECT_EQ(code(std::vector(kPreviousMapsMax + 2, std::vector{whole})), Code::kInvalidArgument);
}

TEST(Routes, RefuseLimitsThatAreNone) {
  PutHarness stream;
  stream.Reshard({{kLast, stream.NewShard()}});
  const auto code = [&](const ThroughputLimits& limits) {
    RouteSettings settings;
    settings.limits = limits;
    OpenShard whole = {};
    std::fill_n(whole.ending_hash_key, sizeof whole.ending_hash_key, 0xff);
    whole.shard = stream.maps[0][0].id;
    settings.maps = {{whole}};
    std::shared_ptr<const Routes> routes;
    return Routes::Create(*stream.log.core, settings, &stream.meters, &routes).code();
  };
  EXPECT_EQ(code({1, 1, 1}), Code::kOk);
  EXPECT_EQ(code({kThroughputLimitMax, kThroughputLimitMax, kThroughputLimitMax}), Code::kOk);
  EXPECT_EQ(code({0, 1, 1}), Code::kInvalidArgument);
  EXPECT_EQ(code({1, 0, 1}), Code::kInvalidArgument);
  EXPECT_EQ(code({1, 1, 0}), Code::kInvalidArgument);
  EXPECT_EQ(code({1, 1, kThroughputLimitMax + 1}), Code::kInvalidArgument);
}

// Against the definition: a retired shard belongs to an open one when they have a place in common.
TEST(Routes, AgreeWithTheDefinitionOnRandomMaps) {
  SeededRandom random;
  const uint64_t count = TestCount(2000) / 100 + 1;
  for (uint64_t run = 0; run < count; ++run) {
    PutHarness stream;
    for (uint32_t maps = 1 + random.Below(4); maps > 0; --maps) {
      PutHarness::Map map;
      std::set<uint32_t> ends = {31};
      for (uint32_t ends_left = random.Below(8); ends_left > 0; --ends_left) {
        ends.insert(random.Below(32));
      }
      for (const uint32_t end : ends) {
        map.push_back({end == 31 ? kLast : end, stream.NewShard()});
      }
      stream.Reshard(map);
    }
    for (uint32_t ordinal = 0; ordinal < stream.maps[0].size(); ++ordinal) {
      const uint32_t start = ordinal == 0 ? 0 : stream.maps[0][ordinal - 1].end + 1;
      const uint32_t end = stream.maps[0][ordinal].end;
      std::set<uint32_t> expected;
      for (size_t i = 1; i < stream.maps.size(); ++i) {
        uint32_t from = 0;
        for (const PutHarness::Shard& shard : stream.maps[i]) {
          if (from <= end && shard.end >= start) {
            expected.insert(stream.log.SlotOf(shard.id));
          }
          from = shard.end + 1;
        }
      }
      ASSERT_EQ(RetiredOf(*stream.routes, ordinal), expected);
    }
  }
}

}  // namespace
}  // namespace millrace::ingest
