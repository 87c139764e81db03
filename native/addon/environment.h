// What one Node-API environment (the main thread, or one worker) owns: everything that names a
// JavaScript value. The only process-wide state of the addon is the registry of open logs and the
// control threads.
//
// Lifetime: made when the addon is loaded into the environment. Ends in three steps, in any order
// relative to garbage collection: the cleanup hook (Shut) lets go of every log while the threads of
// the log may still be running, then Node-API finalizes the functions, then the last shared_ptr
// deletes it. Used by the thread of the environment alone.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "native/addon/wake_up.h"

namespace millrace::addon {

class LogHandle;

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  // Null when Node-API refuses, with nothing left behind.
  static Environment* Create(napi_env env);

  // The one that Create made; null after the environment ended.
  static Environment* Of(napi_env env);

  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // The function that makes errors, (code, message, rangeStart, rangeEnd) => Error; see errors.h.
  void SetErrorFactory(napi_value factory);
  napi_value ErrorFactory() const;  // null when none was set

  // Callbacks of operations under way. A number stands for each, so that nothing outside of this
  // thread names a JavaScript value. Zero when Node-API refuses; TakeCallback is null for a number
  // that is not there.
  uint32_t KeepCallback(napi_value function);
  napi_value TakeCallback(uint32_t number);

  // Handles of logs that this environment has open. Borrowed: a handle removes itself before it
  // goes.
  void AddHandle(LogHandle* handle) { handles_.insert(handle); }

  void RemoveHandle(LogHandle* handle) { handles_.erase(handle); }

  const std::shared_ptr<WakeUp>& wake_up() const { return wake_up_; }

  napi_env env() const { return env_; }

  bool is_shut() const { return shut_; }

 private:
  explicit Environment(napi_env env) : env_(env) {}

  // Runs the wake-ups of the logs that something happened to.
  void WakeHandles();
  void Shut();

  const napi_env env_;
  napi_ref error_factory_ = nullptr;
  std::shared_ptr<WakeUp> wake_up_;
  std::set<LogHandle*> handles_;
  std::map<uint32_t, napi_ref> callbacks_;
  uint32_t next_callback_ = 1;
  bool shut_ = false;
};

}  // namespace millrace::addon
