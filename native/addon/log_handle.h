// A log as one environment has it open: the functions that TypeScript calls, and what they are
// bound to.
//
// open() answers a plain object whose functions are closures over the handle, so there is no
// receiver to get wrong. The functions own the handle together: it is deleted when the last of them
// has been collected. Before that it is let go of in one of three ways, of which each is safe after
// any other: close (BeginClose), the end of the environment (Shut), or collection without either.
//
// Used by the thread of its environment alone, except OnCommitted.
#pragma once

#include <node_api.h>

#include <atomic>
#include <map>
#include <memory>
#include <thread>

#include "native/addon/buffer_export.h"
#include "native/addon/call_block.h"
#include "native/addon/environment.h"
#include "native/base/clock.h"
#include "native/base/status.h"
#include "native/ingest/put_records.h"
#include "native/ingest/routes.h"
#include "native/ingest/shard_meter.h"
#include "native/log/core.h"

namespace millrace::addon {

class LogHandle : public log::CommitListener {
 public:
  // The object that TypeScript gets: its functions and the memory of the call block. Takes over one
  // use of `core` in the registry, also when it fails (null). `on_wake` is called after something
  // was committed or failed.
  static napi_value Create(const std::shared_ptr<Environment>& environment,
                           std::shared_ptr<log::Core> core, napi_value on_wake);

  LogHandle(const LogHandle&) = delete;
  LogHandle& operator=(const LogHandle&) = delete;

  // Any thread. What a call of TypeScript commits is no news that has to be brought to its event
  // loop: `moved` of the block says so, and that costs no system call.
  void OnCommitted() override;

  // While it lives, the thread of the environment is in a call that appends.
  class AppendingCall {
   public:
    explicit AppendingCall(LogHandle* handle) : is_appending_(&handle->is_appending_) {
      is_appending_->store(true, std::memory_order_relaxed);
    }

    ~AppendingCall() { is_appending_->store(false, std::memory_order_relaxed); }

    AppendingCall(const AppendingCall&) = delete;
    AppendingCall& operator=(const AppendingCall&) = delete;

   private:
    std::atomic<bool>* const is_appending_;
  };

  // Calls `on_wake` if something happened since the last time.
  void Wake();

  // Ends the use of the log: later calls answer LOG_CLOSED. Views are detached. The caller gets the
  // core and with it the duty to give it back to the registry; null when it was closed before.
  std::shared_ptr<log::Core> BeginClose();

  // The environment ends.
  void Shut();

  // INVALID_ARGUMENT and LOG_CLOSED for calls.
  base::Status CheckOpen() const;

  // Keeps the event loop alive while TypeScript waits for this log.
  void SetReferenced(bool is_referenced);

  Environment* environment() const { return environment_.get(); }

  const std::shared_ptr<log::Core>& core() const { return core_; }

  CallBlock* block() const { return block_.get(); }

  ViewTable* views() { return &views_; }

  std::map<uint32_t, std::shared_ptr<const ingest::Routes>>* routes() { return &routes_; }

  // Null when they are not set.
  const ingest::Routes* FindRoutes(uint32_t number) const {
    const auto found = routes_.find(number);
    return found == routes_.end() ? nullptr : found->second.get();
  }

  // Those of all handles of the log; null when it is closed.
  ingest::MeterTable* meters() const { return meters_.get(); }

  // Made at the first PutRecords; null when there is no memory for it.
  ingest::PutRecords* put_records();

 private:
  LogHandle(std::shared_ptr<Environment> environment, std::shared_ptr<log::Core> core);
  ~LogHandle() override;

  bool AddFunctions(napi_value object);
  static void FunctionGone(napi_env env, void* data, void* hint);

  const std::shared_ptr<Environment> environment_;
  std::shared_ptr<log::Core> core_;  // null when closed
  const std::shared_ptr<CallBlock> block_;
  napi_ref on_wake_ = nullptr;
  uint32_t function_count_ = 0;  // functions that have not been collected
  bool is_referenced_ = false;
  std::atomic<bool> dirty_{false};
  const std::thread::id thread_ = std::this_thread::get_id();  // of the environment
  std::atomic<bool> is_appending_{false};  // read by other threads, which then see another thread_
  ViewTable views_;
  std::map<uint32_t, std::shared_ptr<const ingest::Routes>> routes_;
  std::shared_ptr<ingest::MeterTable> meters_;
  std::unique_ptr<ingest::PutRecords> put_records_;
};

// What the limits of streams are measured by: the caller's clock where it has one.
inline uint64_t LimitClockMillis(const CallBlock& block) {
  return block.now_millis != 0 ? block.now_millis : base::SystemClock()->SteadyMillis();
}

}  // namespace millrace::addon
