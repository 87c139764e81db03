#include "native/addon/values.h"

#include <algorithm>
#include <cmath>

namespace millrace::addon {

using base::Code;
using base::Format;
using base::Status;

namespace {

struct ArrayInfo {
  napi_typedarray_type type = napi_uint8_array;
  size_t length = 0;
  void* data = nullptr;
};

// Memory shared with another thread is refused: it could change between the scan of a batch and its
// copy.
bool ReadArrayInfo(napi_env env, napi_value value, ArrayInfo* info) {
  napi_value buffer = nullptr;
  bool is_array_buffer = false;
  return value != nullptr &&
         napi_get_typedarray_info(env, value, &info->type, &info->length, &info->data, &buffer,
                                  nullptr) == napi_ok &&
         napi_is_arraybuffer(env, buffer, &is_array_buffer) == napi_ok && is_array_buffer;
}

Status NotBytes() {
  return Status(Code::kInvalidArgument,
                "bytes: wanted a Uint8Array over memory that is not shared");
}

napi_valuetype TypeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  if (value == nullptr || napi_typeof(env, value, &type) != napi_ok) {
    return napi_undefined;
  }
  return type;
}

}  // namespace

Status ReadAllBytes(napi_env env, napi_value value, Bytes* bytes) {
  ArrayInfo info;
  if (!ReadArrayInfo(env, value, &info) || info.type != napi_uint8_array) {
    return NotBytes();
  }
  *bytes = {static_cast<uint8_t*>(info.data), info.data == nullptr ? 0 : info.length};
  return Status();
}

Status ReadBytes(napi_env env, napi_value value, uint32_t start, uint32_t end, Bytes* bytes) {
  Bytes all;
  if (Status status = ReadAllBytes(env, value, &all); !status.ok()) {
    return status;
  }
  if (start > end || end > all.size) {
    return Status(
        Code::kInvalidArgument,
        Format("bytes: [%u, %u) is not within a Uint8Array of %zu bytes", start, end, all.size));
  }
  *bytes = {all.data + start, end - start};
  return Status();
}

Status ReadNumbers(napi_env env, napi_value value, size_t count_max,
                   std::vector<uint64_t>* numbers) {
  ArrayInfo info;
  if (!ReadArrayInfo(env, value, &info) || info.type != napi_biguint64_array) {
    return Status(Code::kInvalidArgument,
                  "numbers: wanted a BigUint64Array over memory that is not shared");
  }
  const size_t count = info.data == nullptr ? 0 : info.length;
  if (count > count_max) {
    return Status(Code::kInvalidArgument,
                  Format("numbers: %zu elements, at most %zu", count, count_max));
  }
  const uint64_t* const first = static_cast<const uint64_t*>(info.data);
  numbers->assign(first, first + count);
  return Status();
}

bool ReadUint32(napi_env env, napi_value value, uint32_t* number) {
  double read = 0;
  if (value == nullptr || napi_get_value_double(env, value, &read) != napi_ok ||
      !(read >= 0 && read <= UINT32_MAX) || std::trunc(read) != read) {
    return false;
  }
  *number = static_cast<uint32_t>(read);
  return true;
}

bool ReadUint64(napi_env env, napi_value value, uint64_t* number) {
  bool lossless = false;
  return value != nullptr &&
         napi_get_value_bigint_uint64(env, value, number, &lossless) == napi_ok && lossless;
}

bool ReadBool(napi_env env, napi_value value, bool* flag) {
  return value != nullptr && napi_get_value_bool(env, value, flag) == napi_ok;
}

bool ReadString(napi_env env, napi_value value, std::string* text) {
  size_t bytes = 0;
  if (value == nullptr || napi_get_value_string_utf8(env, value, nullptr, 0, &bytes) != napi_ok) {
    return false;
  }
  text->assign(bytes + 1, '\0');
  if (napi_get_value_string_utf8(env, value, text->data(), bytes + 1, &bytes) != napi_ok) {
    return false;
  }
  text->resize(bytes);
  return true;
}

bool IsFunction(napi_env env, napi_value value) {
  return TypeOf(env, value) == napi_function;
}

bool IsNull(napi_env env, napi_value value) {
  return TypeOf(env, value) == napi_null;
}

napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  return napi_get_undefined(env, &value) == napi_ok ? value : nullptr;
}

napi_value MakeNumber(napi_env env, double number) {
  napi_value value = nullptr;
  return napi_create_double(env, number, &value) == napi_ok ? value : nullptr;
}

napi_value MakeBigInt(napi_env env, uint64_t number) {
  napi_value value = nullptr;
  return napi_create_bigint_uint64(env, number, &value) == napi_ok ? value : nullptr;
}

napi_value MakeBool(napi_env env, bool flag) {
  napi_value value = nullptr;
  return napi_get_boolean(env, flag, &value) == napi_ok ? value : nullptr;
}

napi_value MakeString(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  return napi_create_string_utf8(env, text.data(), text.size(), &value) == napi_ok ? value
                                                                                   : nullptr;
}

napi_value MakeObject(napi_env env) {
  napi_value value = nullptr;
  return napi_create_object(env, &value) == napi_ok ? value : nullptr;
}

napi_value MakeNumbers(napi_env env, const std::vector<uint64_t>& numbers) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, numbers.size() * sizeof(uint64_t), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_biguint64_array, numbers.size(), buffer, 0, &array) !=
          napi_ok) {
    return nullptr;
  }
  std::copy(numbers.begin(), numbers.end(), static_cast<uint64_t*>(data));
  return array;
}

void Set(napi_env env, napi_value object, const char* name, napi_value value) {
  if (object != nullptr && value != nullptr) {
    // Fails only when JavaScript may no longer run: then nobody will look at the object.
    static_cast<void>(napi_set_named_property(env, object, name, value));
  }
}

}  // namespace millrace::addon
