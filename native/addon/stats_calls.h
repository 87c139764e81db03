// What is told about a log: figures and reports, as plain objects. Nothing here is on a hot path.
#pragma once

#include <node_api.h>

#include "native/log/options.h"

namespace millrace::addon {

// stats(kind, slot): see StatsKind.
napi_value Stats(napi_env env, napi_callback_info info);

enum class StatsKind : uint32_t {
  kLog = 0,
  kShard = 1,      // of the slot
  kShardList = 2,  // BigUint64Array of shard ids
  kShardState =
      3,  // throws why the shard of the slot refuses appends; undefined when it takes them
  kShardTraffic = 4,  // BigUint64Array: shard id, records, bytes and throttled records of each
                      // shard that has a meter
  kCount = 5,
};

napi_value MakeReport(napi_env env, const log::ScrubReport& report);

}  // namespace millrace::addon
