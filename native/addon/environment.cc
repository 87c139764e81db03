#include "native/addon/environment.h"

#include <new>
#include <vector>

#include "native/addon/control_thread.h"
#include "native/addon/errors.h"
#include "native/addon/log_handle.h"

namespace millrace::addon {

Environment* Environment::Create(napi_env env) {
  std::shared_ptr<Environment> environment(new Environment(env));
  environment->wake_up_ =
      WakeUp::Create(env, [borrowed = environment.get()] { borrowed->WakeHandles(); });
  if (environment->wake_up_ == nullptr) {
    return nullptr;
  }
  auto* const owner = new std::shared_ptr<Environment>(environment);
  const napi_finalize drop = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<Environment>*>(data);
  };
  if (napi_set_instance_data(env, owner, drop, nullptr) != napi_ok) {
    delete owner;
    environment->wake_up_->Shut();
    return nullptr;
  }
  // Hooks run in the opposite order of their registration. This one comes after the one of the
  // threadsafe function, so at the end of the environment ours has let go of that function before
  // Node closes it.
  const napi_cleanup_hook hook = [](void* data) { static_cast<Environment*>(data)->Shut(); };
  if (napi_add_env_cleanup_hook(env, hook, environment.get()) != napi_ok) {
    environment->wake_up_->Shut();
    return nullptr;
  }
  ControlThread::AddUser();
  return environment.get();
}

Environment* Environment::Of(napi_env env) {
  void* data = nullptr;
  if (napi_get_instance_data(env, &data) != napi_ok || data == nullptr) {
    return nullptr;
  }
  return static_cast<std::shared_ptr<Environment>*>(data)->get();
}

Environment::~Environment() = default;

void Environment::SetErrorFactory(napi_value factory) {
  if (error_factory_ != nullptr) {
    napi_delete_reference(env_, error_factory_);
    error_factory_ = nullptr;
  }
  static_cast<void>(napi_create_reference(env_, factory, 1, &error_factory_));
}

napi_value Environment::ErrorFactory() const {
  napi_value factory = nullptr;
  if (error_factory_ == nullptr ||
      napi_get_reference_value(env_, error_factory_, &factory) != napi_ok) {
    return nullptr;
  }
  return factory;
}

uint32_t Environment::KeepCallback(napi_value function) {
  napi_ref reference = nullptr;
  if (napi_create_reference(env_, function, 1, &reference) != napi_ok) {
    return 0;
  }
  const uint32_t number = next_callback_;
  next_callback_ = number == UINT32_MAX ? 1 : number + 1;
  callbacks_[number] = reference;
  return number;
}

napi_value Environment::TakeCallback(uint32_t number) {
  const auto found = callbacks_.find(number);
  if (found == callbacks_.end()) {
    return nullptr;
  }
  napi_value function = nullptr;
  static_cast<void>(napi_get_reference_value(env_, found->second, &function));
  napi_delete_reference(env_, found->second);
  callbacks_.erase(found);
  return function;
}

void Environment::WakeHandles() {
  // A wake-up may open and close logs, and so change the set.
  const std::vector<LogHandle*> handles(handles_.begin(), handles_.end());
  for (LogHandle* const handle : handles) {
    if (handles_.count(handle) == 0) {
      continue;
    }
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env_, &scope) != napi_ok) {
      return;
    }
    handle->Wake();
    ReportException(env_);
    napi_close_handle_scope(env_, scope);
  }
}

void Environment::Shut() {
  shut_ = true;
  const std::set<LogHandle*> handles(handles_);
  for (LogHandle* const handle : handles) {
    handle->Shut();
  }
  wake_up_->Shut();
  for (const auto& [number, reference] : callbacks_) {
    napi_delete_reference(env_, reference);
  }
  callbacks_.clear();
  if (error_factory_ != nullptr) {
    napi_delete_reference(env_, error_factory_);
    error_factory_ = nullptr;
  }
  ControlThread::RemoveUser();
}

}  // namespace millrace::addon
