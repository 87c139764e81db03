// The module: what TypeScript finds when it loads the addon. NativeBinding in src/log/binding.ts
// declares the same list; a test compares the two in both directions.
#include <node_api.h>

#include "native/addon/constants.h"
#include "native/addon/control_calls.h"
#include "native/addon/environment.h"
#include "native/addon/errors.h"
#include "native/addon/values.h"
#include "native/format/segment_format.h"
#include "native/log/segment_file.h"

#ifndef MILLRACE_VERSION
#define MILLRACE_VERSION "0.0.0-development"
#endif

namespace millrace::addon {

namespace {

// setErrorFactory(factory): see errors.h.
napi_value SetErrorFactory(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Environment* const environment = Environment::Of(env);
  if (!IsFunction(env, arguments.values[0])) {
    return ThrowInvalid(env, "factory: wanted a function");
  }
  if (environment != nullptr) {
    environment->SetErrorFactory(arguments.values[0]);
  }
  return nullptr;
}

// liveMappings(): maps of segments that are alive in this process, for tests of lifetimes.
napi_value LiveMappings(napi_env env, napi_callback_info) {
  return MakeNumber(env, static_cast<double>(log::Mapping::live_count()));
}

void SetFunction(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) == napi_ok) {
    Set(env, exports, name, function);
  }
}

napi_value Initialize(napi_env env, napi_value exports) {
  if (Environment::Create(env) == nullptr) {
    static_cast<void>(napi_throw_error(env, "INTERNAL", "the addon cannot start here"));
    return nullptr;
  }
  SetFunction(env, exports, "open", Open);
  SetFunction(env, exports, "verify", Verify);
  SetFunction(env, exports, "setErrorFactory", SetErrorFactory);
  SetFunction(env, exports, "liveMappings", LiveMappings);
  Set(env, exports, "constants", MakeConstants(env));
  Set(env, exports, "version", MakeString(env, MILLRACE_VERSION));
  return exports;
}

}  // namespace

}  // namespace millrace::addon

NAPI_MODULE_INIT() {
  return millrace::addon::Initialize(env, exports);
}
