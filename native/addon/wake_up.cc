#include "native/addon/wake_up.h"

#include <utility>

#include "native/addon/errors.h"

namespace millrace::addon {

std::shared_ptr<WakeUp> WakeUp::Create(napi_env env, std::function<void()> on_loop) {
  std::shared_ptr<WakeUp> wake_up(new WakeUp(std::move(on_loop)));
  napi_value name = nullptr;
  napi_threadsafe_function function = nullptr;
  if (napi_create_string_utf8(env, "millrace", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                      wake_up.get(), OnLoop, &function) != napi_ok) {
    return nullptr;
  }
  napi_unref_threadsafe_function(env, function);
  wake_up->env_ = env;
  wake_up->function_ = function;
  return wake_up;
}

void WakeUp::Signal() {
  if (scheduled_.exchange(true, std::memory_order_acq_rel)) {
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (function_ != nullptr) {
    // The queue has no bound, so this fails only when Node closes the function: then nobody
    // listens.
    static_cast<void>(napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking));
  }
}

void WakeUp::Post(std::unique_ptr<Completion> completion) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (function_ == nullptr) {
      return;
    }
    completions_.push_back(std::move(completion));
  }
  Signal();
}

void WakeUp::Reference() {
  if (++reference_count_ == 1 && function_ != nullptr) {
    napi_ref_threadsafe_function(env_, function_);
  }
}

void WakeUp::Unreference() {
  if (--reference_count_ == 0 && function_ != nullptr) {
    napi_unref_threadsafe_function(env_, function_);
  }
}

void WakeUp::Shut() {
  std::vector<std::unique_ptr<Completion>> dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  function_ = nullptr;
  dropped.swap(completions_);
}

void WakeUp::OnLoop(napi_env env, napi_value, void* context, void*) {
  // Node calls with a null environment to empty the queue of a function that is being closed.
  if (env != nullptr) {
    static_cast<WakeUp*>(context)->Run(env);
  }
}

void WakeUp::Run(napi_env env) {
  scheduled_.exchange(false, std::memory_order_acq_rel);
  std::vector<std::unique_ptr<Completion>> completions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    completions.swap(completions_);
  }
  for (const auto& completion : completions) {
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env, &scope) != napi_ok) {
      return;
    }
    completion->Tell(env);
    ReportException(env);
    napi_close_handle_scope(env, scope);
  }
  on_loop_();
}

}  // namespace millrace::addon
