#include "native/addon/log_handle.h"

#include <utility>

#include "native/addon/control_calls.h"
#include "native/addon/control_thread.h"
#include "native/addon/errors.h"
#include "native/addon/log_calls.h"
#include "native/addon/stats_calls.h"
#include "native/addon/values.h"
#include "native/log/core_registry.h"

namespace millrace::addon {

using base::Code;
using base::Status;

namespace {

struct Function {
  const char* name;
  napi_callback callback;
};

// NativeLogHandle in src/log/binding.ts declares the same list; a test compares the two.
constexpr Function kFunctions[] = {
    {"append", Append},
    {"putRecords", PutRecordsCall},
    {"read", Read},
    {"seek", Seek},
    {"trim", Trim},
    {"setRoutes", SetRoutes},
    {"setKeys", SetKeys},
    {"setEncryption", SetEncryption},
    {"control", Control},
    {"stats", Stats},
    {"committedChunk", CommittedChunk},
    {"shardSlot", ShardSlot},
    {"setReferenced", SetReferencedCall},
};

struct BlockOwner {
  std::shared_ptr<CallBlock> block;
};

// The core is given back where waiting for a disk hurts nobody; here, when there is no such thread.
void ReleaseLater(std::shared_ptr<log::Core> core) {
  const auto release = [core] {
    // Nobody is left to be told: what was acknowledged is durable, and the next open recovers the
    // rest.
    static_cast<void>(log::CoreRegistry::Process()->Release(core));
  };
  if (!ControlThread::Run(Lane::kChange, release)) {
    release();
  }
}

}  // namespace

LogHandle::LogHandle(std::shared_ptr<Environment> environment, std::shared_ptr<log::Core> core)
    : environment_(std::move(environment)),
      core_(std::move(core)),
      block_(std::make_shared<CallBlock>()),
      meters_(ingest::MeterTable::Of(core_)) {
  environment_->AddHandle(this);
  core_->AddListener(this);
}

LogHandle::~LogHandle() {
  if (std::shared_ptr<log::Core> core = BeginClose(); core != nullptr) {
    // Collected without a close.
    ReleaseLater(std::move(core));
  }
  environment_->RemoveHandle(this);
}

napi_value LogHandle::Create(const std::shared_ptr<Environment>& environment,
                             std::shared_ptr<log::Core> core, napi_value on_wake) {
  const napi_env env = environment->env();
  auto* const handle = new LogHandle(environment, std::move(core));
  const napi_value object = MakeObject(env);
  if (object != nullptr && handle->AddFunctions(object) &&
      napi_create_reference(env, on_wake, 1, &handle->on_wake_) == napi_ok) {
    return object;
  }
  if (handle->function_count_ == 0) {
    delete handle;
  }
  return nullptr;  // the functions that exist are collected, and the handle with them
}

bool LogHandle::AddFunctions(napi_value object) {
  const napi_env env = environment_->env();
  for (const Function& function : kFunctions) {
    napi_value value = nullptr;
    if (napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, this,
                             &value) != napi_ok ||
        napi_add_finalizer(env, value, this, FunctionGone, nullptr, nullptr) != napi_ok) {
      return false;
    }
    ++function_count_;
    Set(env, object, function.name, value);
  }
  const napi_value block =
      MakeExternalBuffer(env, block_.get(), sizeof(CallBlock), new BlockOwner{block_});
  Set(env, object, "block", block);
  return block != nullptr;
}

void LogHandle::FunctionGone(napi_env, void* data, void*) {
  auto* const handle = static_cast<LogHandle*>(data);
  if (--handle->function_count_ == 0) {
    delete handle;
  }
}

void LogHandle::OnCommitted() {
  if (is_appending_.load(std::memory_order_relaxed) && std::this_thread::get_id() == thread_) {
    block_->moved = 1;
    return;
  }
  if (!dirty_.exchange(true, std::memory_order_acq_rel)) {
    environment_->wake_up()->Signal();
  }
}

void LogHandle::Wake() {
  // Cleared before TypeScript reads the positions: what comes later wakes it again.
  if (!dirty_.exchange(false, std::memory_order_acq_rel) || on_wake_ == nullptr) {
    return;
  }
  const napi_env env = environment_->env();
  if (core_ != nullptr && !views_.is_empty()) {
    views_.DetachTrimmed(env, *core_->committed());
  }
  napi_value on_wake = nullptr;
  if (napi_get_reference_value(env, on_wake_, &on_wake) == napi_ok && on_wake != nullptr) {
    static_cast<void>(napi_call_function(env, Undefined(env), on_wake, 0, nullptr, nullptr));
  }
  if (core_ != nullptr) {  // what was called may have closed it
    core_->ListenerHeard();
  }
}

std::shared_ptr<log::Core> LogHandle::BeginClose() {
  std::shared_ptr<log::Core> core = std::move(core_);
  core_ = nullptr;
  if (core == nullptr) {
    return nullptr;
  }
  core->RemoveListener(this);
  if (environment_->is_shut()) {
    views_.Forget(environment_->env());
  } else {
    views_.DetachAll(environment_->env());
  }
  routes_.clear();
  meters_ = nullptr;
  if (on_wake_ != nullptr) {
    napi_delete_reference(environment_->env(), on_wake_);
    on_wake_ = nullptr;
  }
  SetReferenced(false);
  return core;
}

void LogHandle::Shut() {
  const std::shared_ptr<log::Core> core = BeginClose();
  if (core != nullptr) {
    // At once, on this thread: when it is the main thread, the process ends next.
    static_cast<void>(log::CoreRegistry::Process()->Release(core));
  }
}

Status LogHandle::CheckOpen() const {
  return core_ != nullptr ? Status() : Status(Code::kLogClosed, "the log is closed");
}

void LogHandle::SetReferenced(bool is_referenced) {
  if (is_referenced == is_referenced_) {
    return;
  }
  is_referenced_ = is_referenced;
  if (is_referenced) {
    environment_->wake_up()->Reference();
  } else {
    environment_->wake_up()->Unreference();
  }
}

ingest::PutRecords* LogHandle::put_records() {
  if (put_records_ == nullptr) {
    put_records_ = ingest::PutRecords::Create(kPutRowsMax);
  }
  return put_records_.get();
}

}  // namespace millrace::addon
