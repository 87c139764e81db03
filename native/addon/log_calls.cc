#include "native/addon/log_calls.h"

#include <cstring>

#include "native/addon/errors.h"
#include "native/addon/log_handle.h"
#include "native/addon/values.h"
#include "native/ingest/record_scanner.h"

namespace millrace::addon {

using base::Code;
using base::Status;

namespace {

constexpr uint32_t kRecordBytesMax = 10 * 1024 * 1024;  // the highest that a stream allows

uint32_t AnswerFlags(const log::AppendResult& result) {
  return (result.duplicate ? kAnswerDuplicate : 0) | (result.committed ? kAnswerCommitted : 0) |
         (result.durability == log::Durability::kOs ? kAnswerDurabilityOs : 0);
}

// What the scan of a record cannot know, compressed records, is checked by who unpacks them.
// `payload_bytes` gets the bytes that limits count.
Status CheckRecords(const CallBlock& block, const Bytes& bytes, bool keys_required,
                    uint64_t* payload_bytes) {
  if (block.count == 0 || block.count > format::kBatchRecordCountMax) {
    return Status(Code::kInvalidArgument, base::Format("count is %u, it must be 1 to %u",
                                                       block.count, format::kBatchRecordCountMax));
  }
  if ((block.flags & ~format::kCodecMask) != 0) {
    return Status(Code::kInvalidArgument,
                  base::Format("flags are 0x%x, only the codec (0x%x) may be set", block.flags,
                               format::kCodecMask));
  }
  if (block.flags != format::kCodecNone) {
    *payload_bytes = bytes.size;
    return Status();
  }
  ingest::ScanLimits limits;
  limits.record_bytes_max = block.record_bytes_max == 0 ? kRecordBytesMax : block.record_bytes_max;
  limits.keys_required = keys_required;
  return ingest::ScanRecords(bytes.data, bytes.size, limits, block.count, payload_bytes);
}

// The routes of whose shard the append is a part; null when it counts for none.
Status FindRoutes(const LogHandle& handle, const ingest::Routes** routes) {
  const CallBlock& block = *handle.block();
  *routes = nullptr;
  if (block.is_metered == 0) {
    return Status();
  }
  *routes = handle.FindRoutes(block.routes);
  if (*routes == nullptr || block.route >= (*routes)->open().slots.size() ||
      (*routes)->open().slots[block.route] != block.slot) {
    return Status(Code::kInvalidArgument, base::Format("the shard is not at place %u of routes %u",
                                                       block.route, block.routes));
  }
  return Status();
}

// Whether the shard has this batch of a producer already: limits count nothing twice.
bool IsRepeat(const LogHandle& handle, const log::AppendRequest& request) {
  auto verdict = log::DuplicateVerdict::kNew;
  log::AppendResult first{};
  return request.producer_id != 0 &&
         handle.core()
             ->FindRepeat(handle.block()->slot, request.producer_id, request.producer_sequence,
                          &verdict, &first)
             .ok() &&
         verdict == log::DuplicateVerdict::kRepeat;
}

// Keys are not asked of a repeat: the first one came when they were not required.
Status CheckNewRecords(const LogHandle& handle, const Bytes& bytes,
                       const log::AppendRequest& request, uint64_t* payload_bytes) {
  const CallBlock& block = *handle.block();
  const bool keys_required = block.keys_required != 0;
  Status status = CheckRecords(block, bytes, keys_required, payload_bytes);
  if (status.code() != Code::kInvalidArgument || !keys_required || !IsRepeat(handle, request)) {
    return status;
  }
  return CheckRecords(block, bytes, false, payload_bytes);
}

Status RunMeteredAppend(LogHandle* handle, const ingest::Routes* routes,
                        const log::AppendRequest& request, uint64_t payload_bytes,
                        log::AppendResult* result) {
  CallBlock* const block = handle->block();
  ingest::ShardMeter* const meter = routes == nullptr ? nullptr : routes->meter(block->route);
  const bool is_charged =
      meter != nullptr && routes->limits().has_value() && !IsRepeat(*handle, request);
  if (is_charged) {
    const ingest::Refusal refusal = meter->ChargeWhole(*routes->limits(), LimitClockMillis(*block),
                                                       request.count, payload_bytes);
    if (refusal.count != 0) {
      block->retry_millis = static_cast<uint32_t>(refusal.retry_millis);
      block->answer_flags = kAnswerThrottled;
      return Status();
    }
  }
  const Status status = handle->core()->Append(block->slot, request, result);
  block->answer_flags = status.ok() ? AnswerFlags(*result) : 0;
  const bool is_new = status.ok() && !result->duplicate;
  if (is_charged && !is_new) {
    meter->GiveBack(request.count, payload_bytes);
  }
  if (meter != nullptr && is_new) {
    meter->CountAppended(request.count, payload_bytes);
  }
  return status;
}

Status RunAppend(LogHandle* handle, const Bytes& bytes) {
  CallBlock* const block = handle->block();
  const log::Piece piece = {bytes.data, static_cast<uint32_t>(bytes.size)};
  log::AppendRequest request;
  request.pieces = &piece;
  request.piece_count = 1;
  request.records_bytes = piece.bytes;
  request.count = block->count;
  request.flags = block->flags;
  request.producer_id = block->producer_id;
  request.producer_sequence = block->producer_sequence;
  request.epoch = block->epoch;
  request.expected_sequence = block->expected_sequence;
  request.uses_reserve = block->uses_reserve != 0;
  request.repeats_only = block->repeats_only != 0;
  request.durability = block->durability == 0 ? log::Durability::kDisk : log::Durability::kOs;
  uint64_t payload_bytes = 0;
  if (Status status = CheckNewRecords(*handle, bytes, request, &payload_bytes); !status.ok()) {
    return status;
  }
  const ingest::Routes* routes = nullptr;
  if (Status status = FindRoutes(*handle, &routes); !status.ok()) {
    return status;
  }
  log::AppendResult result{};
  const LogHandle::AppendingCall call(handle);
  if (Status status = RunMeteredAppend(handle, routes, request, payload_bytes, &result);
      !status.ok()) {
    return status;
  }
  block->first_sequence = result.first_sequence;
  block->record_count = result.count;
  block->next_position = result.end_position;
  return Status();
}

void AnswerRead(CallBlock* block, const log::ReadResult& result) {
  block->bytes = result.bytes;
  block->position = result.position;
  block->next_position = result.next_position;
  block->first_sequence = result.first_sequence;
  block->next_sequence = result.next_sequence;
  block->batch_count = result.batch_count;
  block->record_count = result.record_count;
}

}  // namespace

napi_value Append(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  if (Status status = handle->CheckOpen(); !status.ok()) {
    return ThrowStatus(env, status);
  }
  const CallBlock* const block = handle->block();
  Bytes bytes;
  Status status = ReadBytes(env, arguments.values[0], block->start, block->end, &bytes);
  if (status.ok()) {
    status = RunAppend(handle, bytes);
  }
  return ThrowStatus(env, status);
}

napi_value Read(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  CallBlock* const block = handle->block();
  const bool wants_view = IsNull(env, arguments.values[0]);
  Status status = handle->CheckOpen();
  Bytes target;
  if (status.ok() && !wants_view) {
    status = ReadBytes(env, arguments.values[0], block->start, block->end, &target);
  }
  log::ReadResult result;
  if (status.ok()) {
    const auto form = block->flags == 0 ? log::ReadForm::kPlain : log::ReadForm::kStored;
    status = handle->core()->Read(block->slot, block->place, block->bytes_max, &result, form);
  }
  if (!status.ok()) {
    return ThrowStatus(env, status);
  }
  AnswerRead(block, result);
  if (result.bytes == 0) {
    return nullptr;
  }
  if (wants_view) {
    return handle->views()->Export(env, block->slot, result, &block->view_offset);
  }
  if (result.bytes <= target.size) {
    std::memcpy(target.data, result.data, result.bytes);
  }
  return nullptr;
}

napi_value Seek(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  CallBlock* const block = handle->block();
  bool by_time = false;
  if (!ReadBool(env, arguments.values[0], &by_time)) {
    return ThrowInvalid(env, "byTime: wanted a boolean");
  }
  Status status = handle->CheckOpen();
  if (status.ok()) {
    status = by_time ? handle->core()->SeekTime(block->slot, block->place, &block->next_position)
                     : handle->core()->Seek(block->slot, block->place, &block->next_position);
  }
  return ThrowStatus(env, status);
}

napi_value Trim(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  const CallBlock* const block = handle->block();
  Status status = handle->CheckOpen();
  if (status.ok()) {
    status = handle->core()->Trim(block->slot, block->place);
  }
  if (status.ok()) {
    handle->views()->DetachTrimmed(env, *handle->core()->committed());
  }
  return ThrowStatus(env, status);
}

napi_value CommittedChunk(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  uint32_t index = 0;
  if (!ReadUint32(env, arguments.values[0], &index)) {
    return ThrowInvalid(env, "index: wanted an integer from 0 to 4294967295");
  }
  if (Status status = handle->CheckOpen(); !status.ok()) {
    return ThrowStatus(env, status);
  }
  const std::shared_ptr<log::CommittedTable>& committed = handle->core()->committed();
  if (index >= committed->chunk_count()) {
    return nullptr;
  }
  return ExportCommittedChunk(env, committed, index);
}

napi_value ShardSlot(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  uint64_t shard = 0;
  if (!ReadUint64(env, arguments.values[0], &shard)) {
    return ThrowInvalid(env, "shard: wanted a bigint from 0 to 2^64-1");
  }
  uint32_t slot = 0;
  Status status = handle->CheckOpen();
  if (status.ok()) {
    status = handle->core()->FindShard(shard, &slot);
  }
  return status.ok() ? MakeNumber(env, slot) : ThrowStatus(env, status);
}

napi_value SetReferencedCall(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  bool is_referenced = false;
  if (!ReadBool(env, arguments.values[0], &is_referenced)) {
    return ThrowInvalid(env, "flag: wanted a boolean");
  }
  if (handle->core() != nullptr) {
    handle->SetReferenced(is_referenced);
  }
  return nullptr;
}

}  // namespace millrace::addon
