// Who was told of a commit round goes first where it shares a processor with the committer. Each
// test runs on one processor, and says which by binding its threads to it.
#include "native/log/listener_turn.h"

#include <sched.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/sim_log_test.h"

namespace millrace::log {
namespace {

// Longer than any test takes: a wait that nothing ends is one that fails it.
constexpr uint32_t kLongMicros = 20 * 1000 * 1000;

std::vector<int> Processors() {
  cpu_set_t allowed;
  EXPECT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  std::vector<int> processors;
  for (int number = 0; number < CPU_SETSIZE; ++number) {
    if (CPU_ISSET(number, &allowed)) {
      processors.push_back(number);
    }
  }
  return processors;
}

// Binds the thread that makes it, and those that it starts, for as long as it lives.
class Bound {
 public:
  explicit Bound(int processor) {
    EXPECT_EQ(sched_getaffinity(0, sizeof before_, &before_), 0);
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(processor, &only);
    EXPECT_EQ(sched_setaffinity(0, sizeof only, &only), 0);
  }

  ~Bound() { EXPECT_EQ(sched_setaffinity(0, sizeof before_, &before_), 0); }

  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;

 private:
  cpu_set_t before_;
};

TEST(ListenerTurn, NobodyIsWaitedForWhoHasHeard) {
  const Bound bound(Processors().front());
  ListenerTurn turn(kLongMicros);
  EXPECT_FALSE(turn.Await());
  turn.Tell();
  EXPECT_FALSE(turn.Await()) << "nobody has ever heard: there may be no listener";
  turn.Hear();
  EXPECT_FALSE(turn.Await());
  turn.Tell();
  turn.Hear();
  EXPECT_FALSE(turn.Await());
  turn.Tell();
  turn.Forget();
  EXPECT_FALSE(turn.Await());
}

TEST(ListenerTurn, WaitsUntilTheListenerHasHeard) {
  const Bound bound(Processors().front());
  ListenerTurn turn(kLongMicros);
  turn.Hear();
  turn.Tell();
  bool has_heard = false;
  std::thread listener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    has_heard = true;
    turn.Hear();
  });
  EXPECT_TRUE(turn.Await());
  EXPECT_TRUE(has_heard);
  listener.join();
}

TEST(ListenerTurn, AForgottenListenerEndsTheWait) {
  const Bound bound(Processors().front());
  ListenerTurn turn(kLongMicros);
  turn.Hear();
  turn.Tell();
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    turn.Forget();
  });
  EXPECT_TRUE(turn.Await());
  other.join();
  turn.Tell();
  EXPECT_FALSE(turn.Await());
}

TEST(ListenerTurn, WaitsNoLongerThanItMay) {
  const Bound bound(Processors().front());
  ListenerTurn turn(/*wait_micros_max=*/1000);
  turn.Hear();
  turn.Tell();
  EXPECT_TRUE(turn.Await());  // nobody hears
  EXPECT_TRUE(turn.Await());  // nor of the next
}

TEST(ListenerTurn, NobodyIsWaitedForOnAnotherProcessor) {
  const std::vector<int> processors = Processors();
  if (processors.size() < 2) {
    GTEST_SKIP() << "this process may run on one processor alone";
  }
  ListenerTurn turn(kLongMicros);
  {
    const Bound bound(processors.back());
    turn.Hear();
  }
  const Bound bound(processors.front());
  turn.Tell();
  EXPECT_FALSE(turn.Await());
}

class ListenerTurnOfLogTest : public support::SimLogTest, public CommitListener {
 protected:
  ListenerTurnOfLogTest() : bound_(Processors().front()) {
    EXPECT_TRUE(core_->Close().ok());
    core_.reset();
    options_.inline_mode = false;
    options_.clock = nullptr;
    options_.listener_wait_micros_max = kLongMicros;
    options_.idle_marker_millis = 3600 * 1000;  // so that no look at idle shards comes in between
  }

  void OnCommitted() override {}

  void Append() {
    const std::string records = "record";
    const Piece piece = support::LogHarness::PieceOf(records);
    AppendRequest request = support::LogHarness::Request(piece);
    request.durability = Durability::kDisk;
    AppendResult result{};
    EXPECT_TRUE(core_->Append(slot_, request, &result).ok());
  }

  bool IsCommitted() { return Stats(slot_).committed_end == Stats(slot_).appended_end; }

  bool Eventually() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!IsCommitted() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return IsCommitted();
  }

  const Bound bound_;
};

TEST_F(ListenerTurnOfLogTest, ARoundBeginsWhenTheListenerHasHeardOfTheLast) {
  Open();
  core_->AddListener(this);
  core_->ListenerHeard();
  Append();
  ASSERT_TRUE(Eventually());
  Append();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(IsCommitted());
  core_->ListenerHeard();
  EXPECT_TRUE(Eventually());
  core_->RemoveListener(this);
  Append();
  EXPECT_TRUE(Eventually()) << "nobody is left to be waited for";
  EXPECT_TRUE(core_->Close().ok());
}

TEST_F(ListenerTurnOfLogTest, ACloseWaitsForNoListener) {
  Open();
  core_->AddListener(this);
  core_->ListenerHeard();
  Append();
  ASSERT_TRUE(Eventually());
  Append();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(core_->Close().ok());
  EXPECT_TRUE(IsCommitted());
}

}  // namespace
}  // namespace millrace::log
