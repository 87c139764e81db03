#include "native/addon/errors.h"

#include "native/addon/environment.h"
#include "native/addon/values.h"

namespace millrace::addon {

using base::Code;
using base::Status;

namespace {

// Before TypeScript has set its factory: an Error with a code.
napi_value MakePlainError(napi_env env, napi_value code, napi_value message) {
  napi_value error = nullptr;
  return napi_create_error(env, code, message, &error) == napi_ok ? error : nullptr;
}

}  // namespace

napi_value MakeError(napi_env env, const Status& status) {
  const Environment* const environment = Environment::Of(env);
  const napi_value factory = environment == nullptr ? nullptr : environment->ErrorFactory();
  const napi_value code = MakeString(env, base::CodeName(status.code()));
  const napi_value message = MakeString(env, status.message());
  if (code == nullptr || message == nullptr) {
    return nullptr;
  }
  if (factory == nullptr) {
    return MakePlainError(env, code, message);
  }
  const bool has_range = status.range_start() != 0 || status.range_end() != 0;
  const napi_value arguments[] = {
      code, message, has_range ? MakeBigInt(env, status.range_start()) : Undefined(env),
      has_range ? MakeBigInt(env, status.range_end()) : Undefined(env)};
  napi_value error = nullptr;
  if (arguments[2] == nullptr || arguments[3] == nullptr ||
      napi_call_function(env, Undefined(env), factory, 4, arguments, &error) != napi_ok) {
    return nullptr;  // what the factory threw is pending, and is as good
  }
  return error;
}

napi_value ThrowStatus(napi_env env, const Status& status) {
  if (status.ok()) {
    return nullptr;
  }
  const napi_value error = MakeError(env, status);
  if (error != nullptr) {
    // Fails only when an exception is pending already or JavaScript may not run.
    static_cast<void>(napi_throw(env, error));
  }
  return nullptr;
}

napi_value ThrowInvalid(napi_env env, const char* what) {
  return ThrowStatus(env, Status(Code::kInvalidArgument, what));
}

void ReportException(napi_env env) {
  bool is_pending = false;
  napi_value exception = nullptr;
  if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
    static_cast<void>(napi_fatal_exception(env, exception));
  }
}

}  // namespace millrace::addon
