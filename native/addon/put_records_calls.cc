// The calls of a log handle that take PutRecords requests; declared in log_calls.h.
#include <utility>

#include "native/addon/errors.h"
#include "native/addon/log_calls.h"
#include "native/addon/log_handle.h"
#include "native/addon/values.h"
#include "native/base/check.h"

namespace millrace::addon {

using base::Code;
using base::Status;

namespace {

constexpr size_t kRouteBytes = 24;
constexpr size_t kMapHeaderBytes = 8;
constexpr size_t kRoutesPerHandleMax = 1 << 20;

Status ReadLimits(napi_env env, napi_value value, std::optional<ingest::ThroughputLimits>* limits) {
  if (IsNull(env, value)) {
    return Status();
  }
  std::vector<uint64_t> numbers;
  Status status = ReadNumbers(env, value, 3, &numbers);
  if (status.ok() && numbers.size() != 3) {
    status = Status(Code::kInvalidArgument,
                    base::Format("limits: %zu numbers, wanted 3", numbers.size()));
  }
  if (status.ok()) {
    *limits = {numbers[0], numbers[1], numbers[2]};
  }
  return status;
}

Status ReadMaps(const Bytes& table, std::vector<std::vector<ingest::OpenShard>>* maps) {
  size_t at = 0;
  while (at < table.size) {
    const size_t left = table.size - at;
    const uint64_t count = left < kMapHeaderBytes ? UINT64_MAX : base::LoadBig64(&table.data[at]);
    if (count > (left - kMapHeaderBytes) / kRouteBytes) {
      return Status(Code::kInvalidArgument,
                    base::Format("table: %zu bytes left at byte %zu, too few for a map", left, at));
    }
    at += kMapHeaderBytes;
    std::vector<ingest::OpenShard> shards(count);
    for (ingest::OpenShard& shard : shards) {
      const uint8_t* const row = table.data + at;
      std::copy(row, row + sizeof shard.ending_hash_key, shard.ending_hash_key);
      shard.shard = base::LoadBig64(row + sizeof shard.ending_hash_key);
      at += kRouteBytes;
    }
    maps->push_back(std::move(shards));
  }
  return Status();
}

PutRow MakeRow(const ingest::PutRecordsPart& part) {
  PutRow row = {};
  row.end_position = part.end_position;
  row.first_sequence = part.first_sequence;
  row.slot = part.slot;
  row.count = part.count;
  row.route = part.route;
  row.retry_millis = part.retry_millis;
  row.code = static_cast<uint32_t>(part.refused);
  row.answer_flags = (part.duplicate ? kAnswerDuplicate : 0) |
                     (part.committed ? kAnswerCommitted : 0) |
                     (part.durability == log::Durability::kOs ? kAnswerDurabilityOs : 0);
  return row;
}

Status RunPutRecords(LogHandle* handle, const Bytes& body) {
  CallBlock* const block = handle->block();
  const ingest::Routes* const routes = handle->FindRoutes(block->routes);
  if (routes == nullptr) {
    return Status(Code::kInvalidArgument,
                  base::Format("routes %u are not set; call setRoutes first", block->routes));
  }
  ingest::PutRecords* const put = handle->put_records();
  if (put == nullptr) {
    return Status(Code::kLimitExceeded, "no memory for the scratch of PutRecords");
  }
  ingest::PutRecords::Options options;
  options.durability = block->durability == 0 ? log::Durability::kDisk : log::Durability::kOs;
  options.epoch = block->epoch;
  options.keys_required = block->keys_required != 0;
  if (routes->limits().has_value()) {
    options.now_millis = LimitClockMillis(*block);
  }
  if (block->record_bytes_max != 0) {
    options.record_bytes_max = block->record_bytes_max;
  }
  const LogHandle::AppendingCall call(handle);
  if (Status status = put->Run(handle->core().get(), *routes, body.data,
                               static_cast<uint32_t>(body.size), options);
      !status.ok()) {
    return status;
  }
  MILLRACE_CHECK(put->part_count() <= kPutRowsMax);
  MILLRACE_CHECK(put->AnswerBytesMax() <= kPutAnswerBytesMax);
  block->row_count = static_cast<uint32_t>(put->part_count());
  block->failed_count = 0;
  for (size_t i = 0; i < put->part_count(); ++i) {
    block->rows[i] = MakeRow(put->parts()[i]);
    block->failed_count += put->parts()[i].refused == Code::kOk ? 0 : put->parts()[i].count;
  }
  block->bytes = static_cast<uint32_t>(put->EncodeAnswer(block->put_answer, kPutAnswerBytesMax));
  return Status();
}

}  // namespace

napi_value SetRoutes(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  uint32_t number = 0;
  if (!ReadUint32(env, arguments.values[0], &number)) {
    return ThrowInvalid(env, "number: wanted an integer from 0 to 4294967295");
  }
  if (Status status = handle->CheckOpen(); !status.ok()) {
    return ThrowStatus(env, status);
  }
  if (IsNull(env, arguments.values[1])) {
    handle->routes()->erase(number);
    return nullptr;
  }
  if (handle->routes()->size() >= kRoutesPerHandleMax) {
    return ThrowStatus(env, Status(Code::kLimitExceeded, "1,048,576 streams have routes"));
  }
  Bytes table;
  ingest::RouteSettings settings;
  std::shared_ptr<const ingest::Routes> routes;
  Status status = ReadAllBytes(env, arguments.values[1], &table);
  if (status.ok()) {
    status = ReadMaps(table, &settings.maps);
  }
  if (status.ok()) {
    status = ReadLimits(env, arguments.values[2], &settings.limits);
  }
  if (status.ok()) {
    status = ingest::Routes::Create(*handle->core(), settings, handle->meters(), &routes);
  }
  if (status.ok()) {
    (*handle->routes())[number] = std::move(routes);
  }
  return ThrowStatus(env, status);
}

napi_value PutRecordsCall(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  const CallBlock* const block = handle->block();
  Status status = handle->CheckOpen();
  Bytes body;
  if (status.ok()) {
    status = ReadBytes(env, arguments.values[0], block->start, block->end, &body);
  }
  if (status.ok()) {
    status = RunPutRecords(handle, body);
  }
  return ThrowStatus(env, status);
}

}  // namespace millrace::addon
