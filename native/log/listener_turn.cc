#include "native/log/listener_turn.h"

namespace millrace::log {

void ListenerTurn::Tell() {
  told_.store(true);
}

void ListenerTurn::Hear() {
  processor_.store(current_processor_());
  EndWait();
}

void ListenerTurn::Forget() {
  processor_.store(kNowhere);
  EndWait();
}

void ListenerTurn::EndWait() {
  told_.store(false);
  if (awaited_.load()) {
    // Under the lock, or it could come between the last look at `told_` and the wait.
    { const std::lock_guard<std::mutex> lock(mutex_); }
    heard_.notify_one();
  }
}

bool ListenerTurn::Await() {
  const int processor = processor_.load();
  if (!told_.load() || processor == kNowhere || processor != current_processor_()) {
    return false;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  awaited_.store(true);
  if (!heard_.wait_for(lock, wait_max_, [this] { return !told_.load(); })) {
    processor_.store(kNowhere);  // it is busy with something longer
  }
  awaited_.store(false);
  return true;
}

}  // namespace millrace::log
