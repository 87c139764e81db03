// Who was told of a commit round goes first where it shares a processor with the committer.
#include "native/log/listener_turn.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "test/support/sim_log_test.h"

namespace millrace::log {
namespace {

// A wait that nothing ends takes longer than a test looks for its end.
constexpr uint32_t kLongMicros = 60 * 1000 * 1000;
constexpr auto kPatience = std::chrono::seconds(30);
constexpr auto kMoment = std::chrono::milliseconds(20);

// Where all threads run, and how often one has asked.
std::atomic<int> g_processor{0};
std::atomic<int> g_looks{0};

int FakeProcessor() {
  g_looks.fetch_add(1);
  return g_processor.load();
}

template <typename Condition>
bool Eventually(Condition holds) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!holds() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return holds();
}

class ListenerTurnTest : public testing::Test {
 protected:
  ListenerTurnTest() { g_processor = 0; }

  // Answers once the other thread waits: it asks where it runs when it knows that it may have to.
  std::future<bool> AwaitElsewhere(ListenerTurn* turn) {
    const int looks = g_looks;
    std::future<bool> waited = std::async(std::launch::async, [turn] { return turn->Await(); });
    EXPECT_TRUE(Eventually([looks] { return g_looks != looks; }));
    EXPECT_EQ(waited.wait_for(kMoment), std::future_status::timeout);
    return waited;
  }
};

TEST_F(ListenerTurnTest, NobodyIsWaitedForWhoHasHeard) {
  ListenerTurn turn(kLongMicros, FakeProcessor);
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

TEST_F(ListenerTurnTest, WaitsUntilTheListenerHasHeard) {
  ListenerTurn turn(kLongMicros, FakeProcessor);
  turn.Hear();
  turn.Tell();
  std::future<bool> waited = AwaitElsewhere(&turn);
  turn.Hear();
  ASSERT_EQ(waited.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(waited.get());
}

TEST_F(ListenerTurnTest, AForgottenListenerEndsTheWait) {
  ListenerTurn turn(kLongMicros, FakeProcessor);
  turn.Hear();
  turn.Tell();
  std::future<bool> waited = AwaitElsewhere(&turn);
  turn.Forget();
  ASSERT_EQ(waited.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(waited.get());
  turn.Tell();
  EXPECT_FALSE(turn.Await());
}

TEST_F(ListenerTurnTest, WhoIsLateIsNotWaitedForAgain) {
  ListenerTurn turn(/*wait_micros_max=*/1000, FakeProcessor);
  turn.Hear();
  turn.Tell();
  EXPECT_TRUE(turn.Await());
  turn.Tell();
  EXPECT_FALSE(turn.Await());
  turn.Hear();
  turn.Tell();
  EXPECT_TRUE(turn.Await());
}

TEST_F(ListenerTurnTest, NobodyIsWaitedForOnAnotherProcessor) {
  ListenerTurn turn(kLongMicros, FakeProcessor);
  turn.Hear();
  turn.Tell();
  g_processor = 1;
  EXPECT_FALSE(turn.Await());
}

TEST_F(ListenerTurnTest, NobodyIsWaitedForWhereTheSystemNamesNoProcessor) {
  g_processor = -1;
  ListenerTurn turn(kLongMicros, FakeProcessor);
  turn.Hear();
  turn.Tell();
  EXPECT_FALSE(turn.Await());
}

class ListenerTurnOfLogTest : public support::SimLogTest, public CommitListener {
 protected:
  ListenerTurnOfLogTest() {
    g_processor = 0;
    EXPECT_TRUE(core_->Close().ok());
    core_.reset();
    options_.inline_mode = false;
    options_.clock = nullptr;
    options_.listener_wait_micros_max = kLongMicros;
    options_.current_processor = FakeProcessor;
    options_.idle_marker_millis = 3600 * 1000;  // so that no look at idle shards comes in between
    Open();
    core_->AddListener(this);
    core_->ListenerHeard();
  }

  ~ListenerTurnOfLogTest() override { core_->RemoveListener(this); }

  void OnCommitted() override {}

  void Append() {
    const std::string records = "record";
    const Piece piece = support::LogHarness::PieceOf(records);
    AppendRequest request = support::LogHarness::Request(piece);
    request.durability = Durability::kDisk;
    AppendResult result{};
    EXPECT_TRUE(core_->Append(slot_, request, &result).ok());
  }

  bool IsCommitted() { return Stats().committed_end == Stats().appended_end; }

  bool IsCommittedSoon() {
    return Eventually([this] { return IsCommitted(); });
  }

  // Leaves the committer waiting for this listener, with a second append.
  void AppendUntilAwaited() {
    Append();
    EXPECT_TRUE(IsCommittedSoon());
    const int looks = g_looks;
    Append();
    EXPECT_TRUE(Eventually([looks] { return g_looks != looks; }));
    std::this_thread::sleep_for(kMoment);
    EXPECT_FALSE(IsCommitted());
  }
};

TEST_F(ListenerTurnOfLogTest, ARoundBeginsWhenTheListenerHasHeardOfTheLast) {
  AppendUntilAwaited();
  core_->ListenerHeard();
  EXPECT_TRUE(IsCommittedSoon());
  EXPECT_EQ(core_->GetStats().sync_wait_count, 1u);
}

TEST_F(ListenerTurnOfLogTest, ARoundWaitsForNoListenerThatHasGone) {
  AppendUntilAwaited();
  core_->RemoveListener(this);
  EXPECT_TRUE(IsCommittedSoon());
}

TEST_F(ListenerTurnOfLogTest, ACloseWaitsForNoListener) {
  AppendUntilAwaited();
  std::future<bool> closed = std::async(std::launch::async, [this] { return core_->Close().ok(); });
  ASSERT_EQ(closed.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(closed.get());
}

}  // namespace
}  // namespace millrace::log
