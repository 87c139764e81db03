// Reading arguments and making values with Node-API. Nothing here throws C++ exceptions; what reads
// an argument says false for anything that is not exactly what was asked for, and leaves no
// JavaScript exception pending.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "native/base/status.h"

namespace millrace::addon {

// The arguments of a call; those that are missing are undefined. `data` is what the function was
// made with.
template <size_t kCount>
struct Arguments {
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = kCount;
    void* pointer = nullptr;
    ok = napi_get_cb_info(env, info, &count, values, nullptr, &pointer) == napi_ok;
    data = pointer;
  }

  bool ok;
  void* data;
  napi_value values[kCount > 0 ? kCount : 1] = {};
};

// Bytes of a typed array; valid during the call.
struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

// [start, end) of a Uint8Array that is neither detached nor over shared memory; INVALID_ARGUMENT
// says what is wrong.
base::Status ReadBytes(napi_env env, napi_value value, uint32_t start, uint32_t end, Bytes* bytes);

// A whole Uint8Array.
base::Status ReadAllBytes(napi_env env, napi_value value, Bytes* bytes);

// The elements of a BigUint64Array of at most `count_max`.
base::Status ReadNumbers(napi_env env, napi_value value, size_t count_max,
                         std::vector<uint64_t>* numbers);

bool ReadUint32(napi_env env, napi_value value, uint32_t* number);
bool ReadUint64(napi_env env, napi_value value, uint64_t* number);  // a bigint
bool ReadBool(napi_env env, napi_value value, bool* flag);
bool ReadString(napi_env env, napi_value value, std::string* text);
bool IsFunction(napi_env env, napi_value value);
bool IsNull(napi_env env, napi_value value);

// Null when JavaScript may no longer run; callers pass that on.
napi_value Undefined(napi_env env);
napi_value MakeNumber(napi_env env, double number);
napi_value MakeBigInt(napi_env env, uint64_t number);
napi_value MakeBool(napi_env env, bool flag);
napi_value MakeString(napi_env env, const std::string& text);
napi_value MakeObject(napi_env env);
napi_value MakeNumbers(napi_env env, const std::vector<uint64_t>& numbers);  // BigUint64Array

void Set(napi_env env, napi_value object, const char* name, napi_value value);

inline void SetNumber(napi_env env, napi_value object, const char* name, double number) {
  Set(env, object, name, MakeNumber(env, number));
}

inline void SetBigInt(napi_env env, napi_value object, const char* name, uint64_t number) {
  Set(env, object, name, MakeBigInt(env, number));
}

inline void SetBool(napi_env env, napi_value object, const char* name, bool flag) {
  Set(env, object, name, MakeBool(env, flag));
}

// An ArrayBuffer over memory of ours. `owner` is a new-allocated object that keeps the memory
// valid: it is deleted when the ArrayBuffer is gone, at once when this fails (null).
template <typename Owner>
napi_value MakeExternalBuffer(napi_env env, const void* data, size_t bytes, Owner* owner) {
  napi_value buffer = nullptr;
  const napi_finalize drop = [](napi_env, void*, void* hint) { delete static_cast<Owner*>(hint); };
  if (napi_create_external_arraybuffer(env, const_cast<void*>(data), bytes, drop, owner, &buffer) !=
      napi_ok) {
    delete owner;
    return nullptr;
  }
  return buffer;
}

}  // namespace millrace::addon
