#include "native/log/duplicate_table.h"

#include <deque>
#include <list>
#include <utility>

#include <gtest/gtest.h>

#include "test/support/seeded_random.h"

namespace millrace::log {
namespace {

using support::SeededRandom;

PriorBatch Batch(uint32_t producer_sequence) {
  return {.producer_sequence = producer_sequence,
          .count = producer_sequence % 7 + 1,
          .first_sequence = 1000 + uint64_t{producer_sequence} * 8,
          .end_position = uint64_t{producer_sequence} * 300};
}

DuplicateVerdict Check(const DuplicateTable& table, uint64_t id, uint32_t sequence) {
  return table.Check(id, sequence, nullptr);
}

TEST(DuplicateTable, AnEmptyTableHoldsNoHeap) {
  const DuplicateTable table;
  EXPECT_EQ(table.heap_bytes(), 0u);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(Check(table, 1, 77), DuplicateVerdict::kNew);
}

TEST(DuplicateTable, AnUnknownProducerMayStartAnywhere) {
  DuplicateTable table;
  EXPECT_EQ(Check(table, 5, UINT32_MAX), DuplicateVerdict::kNew);
  ASSERT_TRUE(table.Record(5, Batch(900)));
  EXPECT_EQ(Check(table, 5, 901), DuplicateVerdict::kNew);
  EXPECT_EQ(Check(table, 6, 0), DuplicateVerdict::kNew);
}

TEST(DuplicateTable, KeepsTheLastFiveBatches) {
  DuplicateTable table;
  for (uint32_t i = 10; i < 18; ++i) {
    ASSERT_TRUE(table.Record(5, Batch(i)));
  }
  for (uint32_t i = 13; i < 18; ++i) {
    PriorBatch prior;
    ASSERT_EQ(table.Check(5, i, &prior), DuplicateVerdict::kRepeat) << i;
    EXPECT_EQ(prior, Batch(i));
  }
  EXPECT_EQ(Check(table, 5, 12), DuplicateVerdict::kTooOld);
  EXPECT_EQ(Check(table, 5, 0), DuplicateVerdict::kTooOld);
  EXPECT_EQ(Check(table, 5, 18), DuplicateVerdict::kNew);
  EXPECT_EQ(Check(table, 5, 19), DuplicateVerdict::kGap);
}

TEST(DuplicateTable, ZeroFollowsTheLargestNumber) {
  DuplicateTable table;
  ASSERT_TRUE(table.Record(5, Batch(UINT32_MAX - 1)));
  ASSERT_TRUE(table.Record(5, Batch(UINT32_MAX)));
  EXPECT_EQ(Check(table, 5, 0), DuplicateVerdict::kNew);
  EXPECT_EQ(Check(table, 5, 1), DuplicateVerdict::kGap);
  ASSERT_TRUE(table.Record(5, Batch(0)));
  EXPECT_EQ(Check(table, 5, UINT32_MAX), DuplicateVerdict::kRepeat);
  EXPECT_EQ(Check(table, 5, UINT32_MAX - 2), DuplicateVerdict::kTooOld);
  EXPECT_EQ(Check(table, 5, 1), DuplicateVerdict::kNew);
}

TEST(DuplicateTable, TheProducerWithTheOldestLastBatchGoes) {
  DuplicateTable table({.producers_max = 3});
  for (uint64_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(table.Record(id, Batch(1)));
  }
  ASSERT_TRUE(table.Record(1, Batch(2)));  // now 2 is oldest
  ASSERT_TRUE(table.Record(4, Batch(1)));
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(Check(table, 2, 1), DuplicateVerdict::kNew);
  EXPECT_EQ(Check(table, 1, 2), DuplicateVerdict::kRepeat);
  EXPECT_EQ(Check(table, 3, 1), DuplicateVerdict::kRepeat);
  EXPECT_EQ(Check(table, 4, 1), DuplicateVerdict::kRepeat);
}

TEST(DuplicateTable, ClearGivesTheHeapBack) {
  DuplicateTable table({.producers_max = 9});
  ASSERT_TRUE(table.Record(1, Batch(1)));
  EXPECT_GT(table.heap_bytes(), 0u);
  table.Clear();
  EXPECT_EQ(table.heap_bytes(), 0u);
  EXPECT_EQ(Check(table, 1, 1), DuplicateVerdict::kNew);
  EXPECT_EQ(table, DuplicateTable());
}

TEST(DuplicateTable, MovedFromIsEmpty) {
  DuplicateTable table;
  ASSERT_TRUE(table.Record(1, Batch(1)));
  DuplicateTable moved = std::move(table);
  EXPECT_EQ(Check(moved, 1, 1), DuplicateVerdict::kRepeat);
  EXPECT_EQ(moved.size(), 1u);
  table.Clear();
  EXPECT_EQ(table.size(), 0u);
  ASSERT_TRUE(table.Record(2, Batch(3)));
  EXPECT_EQ(Check(table, 2, 3), DuplicateVerdict::kRepeat);
}

// The plainest table that can do the same.
class Model {
 public:
  explicit Model(size_t producers_max) : producers_max_(producers_max) {}

  DuplicateVerdict Check(uint64_t id, uint32_t sequence, PriorBatch* prior) const {
    for (const Producer& producer : producers_) {
      if (producer.id != id) {
        continue;
      }
      for (const PriorBatch& batch : producer.batches) {
        if (batch.producer_sequence == sequence) {
          *prior = batch;
          return DuplicateVerdict::kRepeat;
        }
      }
      const uint32_t last = producer.batches.back().producer_sequence;
      if (sequence == last + 1) {
        return DuplicateVerdict::kNew;
      }
      return static_cast<int32_t>(sequence - last) > 0 ? DuplicateVerdict::kGap
                                                       : DuplicateVerdict::kTooOld;
    }
    return DuplicateVerdict::kNew;
  }

  void Record(uint64_t id, const PriorBatch& batch) {
    auto at = producers_.begin();
    while (at != producers_.end() && at->id != id) {
      ++at;
    }
    if (at == producers_.end()) {
      if (producers_.size() == producers_max_) {
        producers_.pop_front();
      }
      producers_.push_back({id, {}});
    } else {
      producers_.splice(producers_.end(), producers_, at);
    }
    std::deque<PriorBatch>& batches = producers_.back().batches;
    batches.push_back(batch);
    if (batches.size() > kBatchesPerProducer) {
      batches.pop_front();
    }
  }

  size_t size() const { return producers_.size(); }

 private:
  struct Producer {
    uint64_t id;
    std::deque<PriorBatch> batches;
  };

  size_t producers_max_;
  std::list<Producer> producers_;  // the one with the newest last batch at the end
};

TEST(DuplicateTable, EqualsAModelAndItsSnapshotEqualsIt) {
  SeededRandom random;
  const uint64_t rounds = support::TestCount(20000);
  for (const uint32_t producers_max : {1u, 2u, 5u, 16u, 100u}) {
    DuplicateTable table({.producers_max = producers_max});
    Model model(producers_max);
    for (uint64_t round = 0; round < rounds / 5; ++round) {
      const uint64_t id = (uint64_t{1 + random.Below(producers_max * 2)}) << (random.Below(2) * 32);
      const uint32_t sequence = random.Below(40);
      PriorBatch prior;
      PriorBatch expected;
      ASSERT_EQ(table.Check(id, sequence, &prior), model.Check(id, sequence, &expected)) << round;
      ASSERT_EQ(prior, expected) << round;
      ASSERT_TRUE(table.Record(id, Batch(sequence)));
      model.Record(id, Batch(sequence));
      ASSERT_EQ(table.size(), model.size());
      if (random.OneIn(50)) {
        const std::vector<uint8_t> snapshot = table.Encode();
        DuplicateTable decoded({.producers_max = producers_max});
        ASSERT_TRUE(decoded.Decode(snapshot.data(), snapshot.size()));
        ASSERT_EQ(decoded, table);
        ASSERT_EQ(decoded.Encode(), snapshot);
        DuplicateTable copy;
        ASSERT_TRUE(copy.CopyFrom(table));
        ASSERT_EQ(copy, table);
        table = std::move(random.OneIn(2) ? decoded : copy);  // each goes on as the original would
      }
    }
  }
}

TEST(DuplicateTable, DecodeRefusesEveryCutAndEveryExtension) {
  DuplicateTable table;
  for (uint64_t id = 1; id < 5; ++id) {
    for (uint32_t i = 0; i < id; ++i) {
      ASSERT_TRUE(table.Record(id, Batch(i)));
    }
  }
  std::vector<uint8_t> snapshot = table.Encode();
  DuplicateTable target;
  ASSERT_TRUE(target.Record(77, Batch(1)));
  for (size_t bytes = 0; bytes < snapshot.size(); ++bytes) {
    const std::vector<uint8_t> cut(snapshot.begin(),
                                   snapshot.begin() + static_cast<std::ptrdiff_t>(bytes));
    ASSERT_FALSE(target.Decode(cut.data(), cut.size())) << bytes;
  }
  snapshot.push_back(0);
  EXPECT_FALSE(target.Decode(snapshot.data(), snapshot.size()));
  EXPECT_EQ(Check(target, 77, 1), DuplicateVerdict::kRepeat);
  EXPECT_EQ(target.size(), 1u);
}

TEST(DuplicateTable, DecodeRefusesWhatNoTableEncodes) {
  DuplicateTable table;
  ASSERT_TRUE(table.Record(1, Batch(1)));
  ASSERT_TRUE(table.Record(2, Batch(1)));
  const std::vector<uint8_t> snapshot = table.Encode();
  constexpr size_t kProducerBytes = 12 + 24;
  ASSERT_EQ(snapshot.size(), 8 + 2 * kProducerBytes);

  struct Change {
    size_t at;
    uint8_t value;
    const char* what;
  };

  for (const Change& change : {Change{0, 2, "version"}, Change{4, 3, "more producers than bytes"},
                               Change{4, 1, "fewer producers than bytes"},
                               Change{8, 0, "producer 0"}, Change{8, 2, "the same producer twice"},
                               Change{16, 0, "no batches"}, Change{16, 6, "too many batches"}}) {
    std::vector<uint8_t> changed = snapshot;
    changed[change.at] = change.value;
    DuplicateTable target;
    EXPECT_FALSE(target.Decode(changed.data(), changed.size())) << change.what;
    EXPECT_EQ(target.heap_bytes(), 0u);
  }
  DuplicateTable small({.producers_max = 1});
  EXPECT_FALSE(small.Decode(snapshot.data(), snapshot.size()));
  EXPECT_FALSE(small.Decode(nullptr, 0));
}

TEST(DuplicateTable, OrderIsPartOfEquality) {
  DuplicateTable a;
  DuplicateTable b;
  ASSERT_TRUE(a.Record(1, Batch(1)) && a.Record(2, Batch(1)));
  ASSERT_TRUE(b.Record(2, Batch(1)) && b.Record(1, Batch(1)));
  EXPECT_FALSE(a == b);
  ASSERT_TRUE(a.Record(1, Batch(2)) && b.Record(1, Batch(2)));
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace millrace::log
