// Leaves the processor to who was told of the last commit round, where the committer shares one
// with it.
//
// A round takes some 20 us of a processor beside what it waits for the disk. While the listener
// waits for that same processor, the rounds that follow take it away from the listener, which then
// hears of several of them at once: all but one were for nothing. A round that begins after the
// listener has heard takes in what has come meanwhile.
//
// Where the two run is known from when they last did. So where threads may move, a round may be put
// off that was in nobody's way; by a listener that is late it is, until that one hears again, once.
//
// Of several listeners the first that hears ends a wait. Threads: any, but one at a time in Await.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace millrace::log {

class ListenerTurn {
 public:
  // The number of the processor that runs the caller now; -1 where the system does not say.
  using CurrentProcessor = int (*)();

  // `wait_micros_max`: how long a round is put off at most.
  ListenerTurn(uint32_t wait_micros_max, CurrentProcessor current_processor)
      : wait_max_(wait_micros_max), current_processor_(current_processor) {}

  // Before the listeners are told of a round.
  void Tell();

  // A listener has heard, on the thread that this is called on.
  void Hear();

  // There may be nobody left to hear, or to wait for it: ends a wait.
  void Forget();

  // Waits for Hear, where somebody was told and last heard on the processor of this thread. False
  // when there was nothing to wait for.
  bool Await();

 private:
  static constexpr int kNowhere = -1;

  void EndWait();

  const std::chrono::microseconds wait_max_;
  const CurrentProcessor current_processor_;
  std::atomic<bool> told_{false};
  std::atomic<int> processor_{kNowhere};  // on which a listener heard last
  std::atomic<bool> awaited_{false};
  std::mutex mutex_;  // a leaf
  std::condition_variable heard_;
};

}  // namespace millrace::log
