// The module: what TypeScript finds when it loads the addon. NativeBinding in src/log/binding.ts
// declares the same list; a test compares the two in both directions.
#include <napi.h>

#include <cstdint>

#include "native/addon/constants.h"
#include "native/addon/control_calls.h"
#include "native/addon/environment.h"
#include "native/addon/errors.h"
#include "native/addon/values.h"
#include "native/base/listen_backlog.h"
#include "native/format/segment_format.h"
#include "native/ingest/payload_counter.h"
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

// payloadBytes(slice, skip, recordCount): the keys and data of records of a slice.
napi_value PayloadBytes(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  uint32_t skip = 0;
  uint32_t record_count = 0;
  if (!ReadUint32(env, arguments.values[1], &skip) ||
      !ReadUint32(env, arguments.values[2], &record_count)) {
    return ThrowInvalid(env, "skip and recordCount: wanted integers from 0 to 4294967295");
  }
  Bytes slice;
  if (base::Status status = ReadAllBytes(env, arguments.values[0], &slice); !status.ok()) {
    return ThrowStatus(env, status);
  }
  const uint64_t bytes = ingest::CountPayload(slice.data, slice.size, skip, record_count);
  return MakeNumber(env, static_cast<double>(bytes));
}

// setListenBacklog(port, backlog): how many listening sockets of this process it was set for.
napi_value SetListenBacklog(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  uint32_t port = 0;
  uint32_t backlog = 0;
  if (!ReadUint32(env, arguments.values[0], &port) || port > UINT16_MAX ||
      !ReadUint32(env, arguments.values[1], &backlog) || backlog > INT32_MAX) {
    return ThrowInvalid(env, "port and backlog: wanted integers up to 65535 and 2147483647");
  }
  uint32_t sockets = 0;
  const base::Status status =
      base::SetListenBacklog(static_cast<uint16_t>(port), static_cast<int>(backlog), &sockets);
  return status.ok() ? MakeNumber(env, sockets) : ThrowStatus(env, status);
}

// The calls themselves are plain Node-API: no object of a wrapper is made per call.
void SetFunction(Napi::Object exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  if (napi_create_function(exports.Env(), name, NAPI_AUTO_LENGTH, callback, nullptr, &function) ==
      napi_ok) {
    exports.Set(name, function);
  }
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  if (Environment::Create(env) == nullptr) {
    Napi::Error::New(env, "the addon cannot start here").ThrowAsJavaScriptException();
    return exports;
  }
  SetFunction(exports, "open", Open);
  SetFunction(exports, "verify", Verify);
  SetFunction(exports, "payloadBytes", PayloadBytes);
  SetFunction(exports, "setListenBacklog", SetListenBacklog);
  SetFunction(exports, "setErrorFactory", SetErrorFactory);
  SetFunction(exports, "liveMappings", LiveMappings);
  exports.Set("constants", MakeConstants(env));
  exports.Set("version", MILLRACE_VERSION);
  return exports;
}

}  // namespace

}  // namespace millrace::addon

Napi::Object InitializeModule(Napi::Env env, Napi::Object exports) {
  return millrace::addon::Initialize(env, exports);
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, InitializeModule)
