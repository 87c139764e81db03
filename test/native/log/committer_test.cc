// The committer's thread: trims that found no room are done by it alone, when there is some.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/sim_log_test.h"

namespace millrace::log {
namespace {

constexpr uint32_t kShards = 4;
constexpr uint32_t kSegments = 3;

class CommitterTest : public support::SimLogTest {
 protected:
  CommitterTest() {
    while (shards_.size() < kShards) {
      Create();
    }
    EXPECT_TRUE(core_->Close().ok());
    core_.reset();
    options_.inline_mode = false;
    options_.clock = nullptr;
    options_.idle_marker_millis = 3600 * 1000;  // so that no look at idle shards comes in between
  }

  // Far longer than it takes, and over as soon as it holds.
  template <typename Condition>
  static bool Eventually(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return holds();
  }

  uint32_t SegmentCount() {
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < kShards; ++slot) {
      count += Stats(slot).segment_count;
    }
    return count;
  }
};

TEST_F(CommitterTest, TriesTrimsAgainThatFoundNoRoom) {
  files_.AddFault(NoReservation(ENOSPC));
  Open();
  for (uint32_t slot = 0; slot < kShards; ++slot) {
    FillSegments(slot, kSegments);
  }
  ASSERT_TRUE(core_->Flush().ok());
  std::vector<std::thread> trimmers;
  for (uint32_t slot = 0; slot < kShards; ++slot) {
    trimmers.emplace_back([this, slot] {
      const uint64_t end = Stats(slot).committed_next_sequence;
      for (uint64_t sequence = 2; sequence <= end; ++sequence) {
        EXPECT_TRUE(core_->Trim(slot, sequence).ok());
      }
    });
  }
  for (std::thread& trimmer : trimmers) {
    trimmer.join();
  }
  const uint64_t refused = files_.fault_hits();
  EXPECT_TRUE(Eventually([&] { return files_.fault_hits() >= refused + 30; }));
  EXPECT_EQ(SegmentCount(), kShards * kSegments);
  files_.ClearFaults();
  EXPECT_TRUE(Eventually([&] { return SegmentCount() == kShards; }));
  EXPECT_TRUE(core_->Close().ok());
}

}  // namespace
}  // namespace millrace::log
