// The calls of a log handle that are about encryption; declared in log_calls.h.
#include <string>
#include <vector>

#include "native/addon/errors.h"
#include "native/addon/log_calls.h"
#include "native/addon/log_handle.h"
#include "native/addon/values.h"

namespace millrace::addon {

using base::Code;
using base::Status;

namespace {

constexpr size_t kShardsMax = 1 << 20;

// Keys back to back: the length of the id in a byte, the id, the bytes of the key.
Status ReadKeys(const Bytes& table, std::vector<log::MasterKey>* keys) {
  for (size_t at = 0; at < table.size;) {
    const size_t id_bytes = table.data[at];
    const size_t end = at + 1 + id_bytes + base::kAeadKeyBytes;
    if (end > table.size) {
      return Status(
          Code::kInvalidArgument,
          base::Format("keys: %zu bytes left at byte %zu, too few for a key", table.size - at, at));
    }
    const uint8_t* const id = table.data + at + 1;
    keys->emplace_back(std::string(reinterpret_cast<const char*>(id), id_bytes), id + id_bytes);
    at = end;
  }
  return Status();
}

Status ReadKeyName(napi_env env, napi_value id, napi_value check, log::KeyName* key) {
  if (IsNull(env, id)) {
    return Status();
  }
  if (!ReadString(env, id, &key->id) || key->id.empty() ||
      key->id.size() > format::kKeyIdBytesMax || !ReadUint64(env, check, &key->check)) {
    return Status(Code::kInvalidArgument,
                  base::Format("key: wanted an id of 1 to %zu bytes and its check as a bigint",
                               format::kKeyIdBytesMax));
  }
  return Status();
}

}  // namespace

napi_value SetKeys(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  Status status = handle->CheckOpen();
  Bytes table;
  if (status.ok()) {
    status = ReadAllBytes(env, arguments.values[0], &table);
  }
  std::vector<log::MasterKey> keys;
  std::vector<uint64_t> checks;
  if (status.ok()) {
    status = ReadKeys(table, &keys);
  }
  if (status.ok()) {
    status = handle->core()->SetKeys(keys, &checks);
  }
  return status.ok() ? MakeNumbers(env, checks) : ThrowStatus(env, status);
}

napi_value SetEncryption(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  Status status = handle->CheckOpen();
  std::vector<uint64_t> shards;
  log::KeyName key;
  if (status.ok()) {
    status = ReadNumbers(env, arguments.values[0], kShardsMax, &shards);
  }
  if (status.ok()) {
    status = ReadKeyName(env, arguments.values[1], arguments.values[2], &key);
  }
  std::vector<uint32_t> slots(shards.size());
  for (size_t i = 0; status.ok() && i < shards.size(); ++i) {
    status = handle->core()->FindShard(shards[i], &slots[i]);
  }
  if (status.ok()) {
    handle->core()->SetEncryption(slots, key);
  }
  return ThrowStatus(env, status);
}

}  // namespace millrace::addon
