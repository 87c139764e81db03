#include <memory>

#include <gtest/gtest.h>

#include "native/log/segment.h"

namespace millrace::log {
namespace {

constexpr uint32_t kSegmentsMax = 8;
constexpr uint64_t kDirectoryId = 1;

std::shared_ptr<const SegmentIndex> AnIndex() {
  return std::make_shared<const SegmentIndex>(0, 1);
}

// A trim drops a segment while a reader is loading its index; the reader is the last to hold it.
TEST(SegmentCacheTest, KeepsNothingOfADroppedSegmentForAReaderThatStillHoldsIt) {
  SegmentCache cache(kSegmentsMax, kDirectoryId);
  auto segment = std::make_unique<Segment>();
  cache.StoreIndex(segment.get(), AnIndex());
  ASSERT_EQ(cache.mapped_count(), 1u);
  cache.Drop(segment.get());
  cache.StoreIndex(segment.get(), AnIndex());
  EXPECT_EQ(cache.FindIndex(segment.get()), nullptr);
  EXPECT_EQ(cache.mapped_count(), 0u);
}

TEST(SegmentCacheTest, LetsGoOfWhatNobodyUses) {
  SegmentCache cache(kSegmentsMax, kDirectoryId);
  Segment used;
  Segment idle;
  cache.StoreIndex(&idle, AnIndex());
  for (int sweep = 0; sweep < 3; ++sweep) {
    cache.StoreIndex(&used, AnIndex());
    cache.Sweep();
  }
  EXPECT_EQ(cache.FindIndex(&idle), nullptr);
  EXPECT_NE(cache.FindIndex(&used), nullptr);
}

}  // namespace
}  // namespace millrace::log
