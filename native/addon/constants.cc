#include "native/addon/constants.h"

#include <cstddef>

#include "native/addon/call_block.h"
#include "native/addon/control_calls.h"
#include "native/addon/stats_calls.h"
#include "native/addon/values.h"
#include "native/base/status.h"
#include "native/format/batch_format.h"
#include "native/format/segment_format.h"
#include "native/log/committed_table.h"

namespace millrace::addon {

namespace {

struct Constant {
  const char* name;
  double value;
};

template <size_t kCount>
void SetGroup(Napi::Object object, const char* name, const Constant (&constants)[kCount]) {
  Napi::Object group = Napi::Object::New(object.Env());
  for (const Constant& constant : constants) {
    group.Set(constant.name, constant.value);
  }
  object.Set(name, group);
}

template <typename NameAt>
void SetNames(Napi::Object object, const char* name, size_t count, NameAt name_at) {
  Napi::Array names = Napi::Array::New(object.Env(), count);
  for (size_t i = 0; i < count; ++i) {
    names.Set(static_cast<uint32_t>(i), name_at(i));
  }
  object.Set(name, names);
}

constexpr Constant kBatch[] = {
    {"marker", format::kBatchMarker},
    {"crcAt", format::kBatchCrcAt},
    {"checksummedStart", format::kBatchChecksummedStart},
    {"shardAt", format::kBatchShardAt},
    {"firstSequenceAt", format::kBatchFirstSequenceAt},
    {"countAt", format::kBatchCountAt},
    {"arrivalAt", format::kBatchArrivalAt},
    {"epochAt", format::kBatchEpochAt},
    {"producerIdAt", format::kBatchProducerIdAt},
    {"producerSequenceAt", format::kBatchProducerSequenceAt},
    {"syncedUptoAt", format::kBatchSyncedUptoAt},
    {"flagsAt", format::kBatchFlagsAt},
    {"recordsLengthAt", format::kBatchRecordsLengthAt},
    {"headerBytes", format::kBatchHeaderBytes},
    {"bytesMax", format::kBatchBytesMax},
    {"recordsBytesMax", format::kBatchRecordsBytesMax},
    {"recordCountMax", format::kBatchRecordCountMax},
    {"codecNone", format::kCodecNone},
    {"codecMask", format::kCodecMask},
};

constexpr Constant kSegment[] = {
    {"formatVersion", format::kFormatVersion},
    {"headerBlockBytes", format::kSegmentHeaderBlockBytes},
    {"trailerBlockBytes", format::kSegmentTrailerBlockBytes},
    {"bytesMin", format::kSegmentBytesMin},
    {"bytesMax", format::kSegmentBytesMax},
};

constexpr double Field32(size_t offset) {
  return static_cast<double>(offset / sizeof(uint32_t));
}

constexpr double Field64(size_t offset) {
  return static_cast<double>(offset / sizeof(uint64_t));
}

// Indexes into a Uint32Array or a BigUint64Array over the block, as the width of the field says.
constexpr Constant kBlock[] = {
    {"slot", Field32(offsetof(CallBlock, slot))},
    {"start", Field32(offsetof(CallBlock, start))},
    {"end", Field32(offsetof(CallBlock, end))},
    {"count", Field32(offsetof(CallBlock, count))},
    {"flags", Field32(offsetof(CallBlock, flags))},
    {"durability", Field32(offsetof(CallBlock, durability))},
    {"epoch", Field32(offsetof(CallBlock, epoch))},
    {"producerSequence", Field32(offsetof(CallBlock, producer_sequence))},
    {"producerId", Field64(offsetof(CallBlock, producer_id))},
    {"expectedSequence", Field64(offsetof(CallBlock, expected_sequence))},
    {"place", Field64(offsetof(CallBlock, place))},
    {"bytesMax", Field32(offsetof(CallBlock, bytes_max))},
    {"routes", Field32(offsetof(CallBlock, routes))},
    {"keysRequired", Field32(offsetof(CallBlock, keys_required))},
    {"recordBytesMax", Field32(offsetof(CallBlock, record_bytes_max))},
    {"usesReserve", Field32(offsetof(CallBlock, uses_reserve))},
    {"isMetered", Field32(offsetof(CallBlock, is_metered))},
    {"route", Field32(offsetof(CallBlock, route))},
    {"repeatsOnly", Field32(offsetof(CallBlock, repeats_only))},
    {"nowMillis", Field64(offsetof(CallBlock, now_millis))},
    {"answerFlags", Field32(offsetof(CallBlock, answer_flags))},
    {"bytes", Field32(offsetof(CallBlock, bytes))},
    {"firstSequence", Field64(offsetof(CallBlock, first_sequence))},
    {"nextSequence", Field64(offsetof(CallBlock, next_sequence))},
    {"position", Field64(offsetof(CallBlock, position))},
    {"nextPosition", Field64(offsetof(CallBlock, next_position))},
    {"batchCount", Field32(offsetof(CallBlock, batch_count))},
    {"recordCount", Field32(offsetof(CallBlock, record_count))},
    {"viewOffset", Field32(offsetof(CallBlock, view_offset))},
    {"rowCount", Field32(offsetof(CallBlock, row_count))},
    {"failedCount", Field32(offsetof(CallBlock, failed_count))},
    {"moved", Field32(offsetof(CallBlock, moved))},
    {"retryMillis", Field32(offsetof(CallBlock, retry_millis))},
    {"rows", offsetof(CallBlock, rows)},
    {"putAnswer", offsetof(CallBlock, put_answer)},
    {"putAnswerBytesMax", kPutAnswerBytesMax},
    {"answerDuplicate", kAnswerDuplicate},
    {"answerCommitted", kAnswerCommitted},
    {"answerDurabilityOs", kAnswerDurabilityOs},
    {"answerThrottled", kAnswerThrottled},
};

// Indexes within one row, which begins `bytes` * ordinal after block.rows.
constexpr Constant kRow[] = {
    {"bytes", sizeof(PutRow)},
    {"endPosition", Field64(offsetof(PutRow, end_position))},
    {"firstSequence", Field64(offsetof(PutRow, first_sequence))},
    {"slot", Field32(offsetof(PutRow, slot))},
    {"count", Field32(offsetof(PutRow, count))},
    {"code", Field32(offsetof(PutRow, code))},
    {"answerFlags", Field32(offsetof(PutRow, answer_flags))},
    {"route", Field32(offsetof(PutRow, route))},
    {"retryMillis", Field32(offsetof(PutRow, retry_millis))},
};

// std::atomic<uint64_t> is as large as what it holds (committed_table.h asserts the whole), so
// fields are 8 bytes.
constexpr Constant kSlot[] = {
    {"slotsPerChunk", log::CommittedTable::kSlotsPerChunk},
    {"words", sizeof(log::CommittedSlot) / sizeof(uint64_t)},
    {"committedEnd", Field64(offsetof(log::CommittedSlot, committed_end))},
    {"committedNextSequence", Field64(offsetof(log::CommittedSlot, committed_next_sequence))},
    {"trimmedStart", Field64(offsetof(log::CommittedSlot, trimmed_start))},
    {"firstSequence", Field64(offsetof(log::CommittedSlot, first_sequence))},
    {"syncedEnd", Field64(offsetof(log::CommittedSlot, synced_end))},
    {"appendedEnd", Field64(offsetof(log::CommittedSlot, appended_end))},
    {"state", Field64(offsetof(log::CommittedSlot, state))},
    {"shard", Field64(offsetof(log::CommittedSlot, shard))},
};

constexpr Constant kControlOperations[] = {
    {"createShards", static_cast<double>(ControlOperation::kCreateShards)},
    {"deleteShards", static_cast<double>(ControlOperation::kDeleteShards)},
    {"sealShards", static_cast<double>(ControlOperation::kSealShards)},
    {"scrub", static_cast<double>(ControlOperation::kScrub)},
    {"flush", static_cast<double>(ControlOperation::kFlush)},
    {"close", static_cast<double>(ControlOperation::kClose)},
};

constexpr Constant kStatsKinds[] = {
    {"log", static_cast<double>(StatsKind::kLog)},
    {"shard", static_cast<double>(StatsKind::kShard)},
    {"shardList", static_cast<double>(StatsKind::kShardList)},
    {"shardState", static_cast<double>(StatsKind::kShardState)},
    {"shardTraffic", static_cast<double>(StatsKind::kShardTraffic)},
};

constexpr Constant kDurabilities[] = {
    {"disk", static_cast<double>(log::Durability::kDisk)},
    {"os", static_cast<double>(log::Durability::kOs)},
};

}  // namespace

Napi::Object MakeConstants(Napi::Env env) {
  Napi::Object object = Napi::Object::New(env);
  SetGroup(object, "batch", kBatch);
  SetGroup(object, "segment", kSegment);
  SetGroup(object, "block", kBlock);
  SetGroup(object, "row", kRow);
  SetGroup(object, "slot", kSlot);
  SetGroup(object, "controlOperations", kControlOperations);
  SetGroup(object, "statsKinds", kStatsKinds);
  SetGroup(object, "durabilities", kDurabilities);
  SetNames(object, "errorCodes", static_cast<size_t>(base::Code::kCount),
           [](size_t i) { return base::CodeName(static_cast<base::Code>(i)); });
  SetNames(object, "openOptions", sizeof kOpenOptions / sizeof kOpenOptions[0],
           [](size_t i) { return kOpenOptions[i]; });
  const log::CoreOptions defaults;
  const std::vector<uint64_t> values = {
      defaults.segment_bytes_min,   defaults.segment_bytes_max,
      defaults.spare_segments,      defaults.disk_low_water_bytes,
      defaults.idle_marker_millis,  defaults.producers_max,
      defaults.mapped_segments_max, defaults.scrub_bytes_per_second,
      defaults.align_commits,       defaults.exclusive,
  };
  object.Set("openDefaults", MakeNumbers(env, values));
  return object;
}

}  // namespace millrace::addon
