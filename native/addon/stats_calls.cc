#include "native/addon/stats_calls.h"

#include "native/addon/errors.h"
#include "native/addon/log_handle.h"
#include "native/addon/values.h"

namespace millrace::addon {

using base::Status;

namespace {

napi_value MakeRange(napi_env env, const log::DamagedRange& range) {
  const napi_value object = MakeObject(env);
  SetBigInt(env, object, "start", range.start);
  SetBigInt(env, object, "end", range.end);
  SetBigInt(env, object, "expectedSequenceNumber", range.expected_sequence);
  SetBigInt(env, object, "nextSequenceNumber", range.next_sequence);
  return object;
}

napi_value MakeArray(napi_env env) {
  napi_value array = nullptr;
  return napi_create_array(env, &array) == napi_ok ? array : nullptr;
}

void Push(napi_env env, napi_value array, size_t index, napi_value value) {
  if (array != nullptr && value != nullptr) {
    static_cast<void>(napi_set_element(env, array, static_cast<uint32_t>(index), value));
  }
}

// Counts and sums stay below 2^53 for longer than any disk lasts; positions and sequence numbers
// are bigint.
double Number(uint64_t value) {
  return static_cast<double>(value);
}

napi_value MakeLogStats(napi_env env, const log::CoreStats& stats) {
  const napi_value object = MakeObject(env);
  SetNumber(env, object, "shardCount", Number(stats.shard_count));
  SetNumber(env, object, "appendCount", Number(stats.append_count));
  SetNumber(env, object, "appendBytes", Number(stats.append_bytes));
  SetNumber(env, object, "syncCount", Number(stats.sync_count));
  SetNumber(env, object, "syncGroupCount", Number(stats.sync_group_count));
  SetNumber(env, object, "syncWaitCount", Number(stats.sync_wait_count));
  SetNumber(env, object, "syncMicrosTotal", Number(stats.sync_micros_total));
  SetNumber(env, object, "diskBytesFree", Number(stats.disk_bytes_free));
  SetNumber(env, object, "diskLowWaterBytes", Number(stats.disk_low_water_bytes));
  SetBool(env, object, "diskFull", stats.disk_full);
  SetNumber(env, object, "spareSegmentCount", Number(stats.spare_segment_count));
  SetNumber(env, object, "mappedSegmentCount", Number(stats.mapped_segment_count));
  SetNumber(env, object, "scrubbedBytes", Number(stats.scrubbed_bytes));
  SetNumber(env, object, "scrubPassCount", Number(stats.scrub_pass_count));
  SetNumber(env, object, "damagedRangeCount", Number(stats.damaged_range_count));
  SetBool(env, object, "openedClean", stats.opened_clean);
  SetNumber(env, object, "openMicros", Number(stats.open_micros));
  SetNumber(env, object, "recoveredTornShards", Number(stats.recovered_torn_shards));
  SetNumber(env, object, "recoveredTornBytes", Number(stats.recovered_torn_bytes));
  SetNumber(env, object, "provenBytes", Number(stats.proven_bytes));
  return object;
}

napi_value MakeShardStats(napi_env env, const log::ShardStats& stats) {
  const napi_value object = MakeObject(env);
  SetBigInt(env, object, "shard", stats.shard);
  SetBigInt(env, object, "trimmedStart", stats.trimmed_start);
  SetBigInt(env, object, "committedEnd", stats.committed_end);
  SetBigInt(env, object, "appendedEnd", stats.appended_end);
  SetBigInt(env, object, "syncedEnd", stats.synced_end);
  SetBigInt(env, object, "firstSequenceNumber", stats.first_sequence);
  SetBigInt(env, object, "nextSequenceNumber", stats.next_sequence);
  SetBigInt(env, object, "committedNextSequenceNumber", stats.committed_next_sequence);
  SetNumber(env, object, "lastArrivalMillis", Number(stats.last_arrival_millis));
  SetNumber(env, object, "epoch", stats.epoch);
  SetNumber(env, object, "segmentCount", stats.segment_count);
  SetNumber(env, object, "segmentBytes", Number(stats.segment_bytes));
  SetNumber(env, object, "indexBytes", Number(stats.index_bytes));
  SetNumber(env, object, "producerCount", stats.producer_count);
  SetBool(env, object, "sealed", stats.sealed);
  SetBool(env, object, "failed", stats.failed);
  const napi_value damaged = MakeArray(env);
  for (size_t i = 0; i < stats.damaged.size(); ++i) {
    Push(env, damaged, i, MakeRange(env, stats.damaged[i]));
  }
  Set(env, object, "damaged", damaged);
  return object;
}

napi_value MakeTraffic(napi_env env, const ingest::MeterTable& meters) {
  std::vector<uint64_t> numbers;
  for (const ingest::ShardTraffic& it : meters.Traffic()) {
    numbers.insert(numbers.end(), {it.shard, it.records, it.bytes, it.throttled});
  }
  return MakeNumbers(env, numbers);
}

napi_value MakeStats(napi_env env, const LogHandle& handle, StatsKind kind, uint32_t slot) {
  const log::Core& core = *handle.core();
  switch (kind) {
    case StatsKind::kLog:
      return MakeLogStats(env, core.GetStats());
    case StatsKind::kShard: {
      log::ShardStats stats = {};
      const Status status = core.GetShardStats(slot, &stats);
      return status.ok() ? MakeShardStats(env, stats) : ThrowStatus(env, status);
    }
    case StatsKind::kShardList:
      return MakeNumbers(env, core.ListShards());
    case StatsKind::kShardTraffic:
      return MakeTraffic(env, *handle.meters());
    case StatsKind::kShardState:
    case StatsKind::kCount:
      break;
  }
  return ThrowStatus(env, core.ShardState(slot));
}

}  // namespace

napi_value Stats(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const auto* const handle = static_cast<LogHandle*>(arguments.data);
  uint32_t kind = 0;
  uint32_t slot = 0;
  if (!ReadUint32(env, arguments.values[0], &kind) ||
      kind >= static_cast<uint32_t>(StatsKind::kCount)) {
    return ThrowInvalid(env, "kind: wanted one of constants.statsKinds");
  }
  if (!ReadUint32(env, arguments.values[1], &slot)) {
    return ThrowInvalid(env, "slot: wanted an integer from 0 to 4294967295");
  }
  if (Status status = handle->CheckOpen(); !status.ok()) {
    return ThrowStatus(env, status);
  }
  return MakeStats(env, *handle, static_cast<StatsKind>(kind), slot);
}

napi_value MakeReport(napi_env env, const log::ScrubReport& report) {
  const napi_value object = MakeObject(env);
  SetNumber(env, object, "segmentCount", Number(report.segment_count));
  SetNumber(env, object, "batchCount", Number(report.batch_count));
  SetNumber(env, object, "recordCount", Number(report.record_count));
  SetNumber(env, object, "bytes", Number(report.bytes));
  SetNumber(env, object, "tornShards", Number(report.torn_shards));
  SetNumber(env, object, "freeSegments", Number(report.free_segments));
  const napi_value damaged = MakeArray(env);
  for (size_t i = 0; i < report.damaged.size(); ++i) {
    const napi_value range = MakeRange(env, report.damaged[i].range);
    SetBigInt(env, range, "shard", report.damaged[i].shard);
    Set(env, range, "reason", MakeString(env, report.damaged[i].reason));
    Push(env, damaged, i, range);
  }
  Set(env, object, "damaged", damaged);
  return object;
}

}  // namespace millrace::addon
