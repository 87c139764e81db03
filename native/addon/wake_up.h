// Brings news from the log's threads to the event loop of one environment: one threadsafe function,
// coalesced, so that a sync that covers a thousand appends costs one wake-up and not a thousand.
//
// Order, or a wake-up is lost: who has news stores it first and then sets `scheduled_`; the loop
// clears `scheduled_` first and then reads the news. Only the change from false to true calls into
// Node.
#pragma once

#include <node_api.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace millrace::addon {

// The end of an operation that ran on a control thread, to be told on the event loop. Deleted
// without being told, on any thread, when the environment ends first: so it holds no JavaScript
// value.
class Completion {
 public:
  virtual ~Completion() = default;
  virtual void Tell(napi_env env) = 0;
};

class WakeUp {
 public:
  // `on_loop` is run on the event loop, after the completions, in each wake-up. Null when Node-API
  // refuses.
  static std::shared_ptr<WakeUp> Create(napi_env env, std::function<void()> on_loop);

  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;
  ~WakeUp() = default;

  // Any thread. Harmless after Shut.
  void Signal();
  void Post(std::unique_ptr<Completion> completion);

  // Thread of the environment. While there is at least one reference the event loop stays alive:
  // somebody waits.
  void Reference();
  void Unreference();

  // Thread of the environment, in its cleanup hook: no call reaches Node after this. The threadsafe
  // function itself belongs to Node, which closes it after this hook.
  void Shut();

 private:
  explicit WakeUp(std::function<void()> on_loop) : on_loop_(std::move(on_loop)) {}

  static void OnLoop(napi_env env, napi_value function, void* context, void* data);
  void Run(napi_env env);

  const std::function<void()> on_loop_;
  napi_env env_ = nullptr;
  uint32_t reference_count_ = 0;  // thread of the environment
  std::atomic<bool> scheduled_{false};

  std::mutex mutex_;                                      // a leaf of the lock order in core.h
  napi_threadsafe_function function_ = nullptr;           // under mutex_; null after Shut
  std::vector<std::unique_ptr<Completion>> completions_;  // under mutex_
};

}  // namespace millrace::addon
