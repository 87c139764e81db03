// The slow operations. Each runs on a control thread and ends with a call of `done(error, answer)`
// on the event loop, which stays alive until then. `error` is undefined when it worked.
#pragma once

#include <node_api.h>

#include <cstdint>

namespace millrace::addon {

enum class ControlOperation : uint32_t {
  kCreateShards = 0,  // list = first sequence numbers; answer: BigUint64Array of shard ids
  kDeleteShards = 1,  // list = shards
  kSealShards = 2,    // list = shards
  kScrub = 3,         // shard (0 = all), amount = bytes per second (0 = no limit); answer: a report
  kFlush = 4,
  kClose = 5,  // later calls answer LOG_CLOSED at once
  kCount = 6,
};

// The function of a handle: control(operation, shard: bigint, amount: bigint, list: BigUint64Array
// | null, done)
napi_value Control(napi_env env, napi_callback_info info);

// The functions of the module: open(path, options: BigUint64Array, onWake, done), in the order of
// kOpenOptions; verify(path, done), whose answer is a report.
napi_value Open(napi_env env, napi_callback_info info);
napi_value Verify(napi_env env, napi_callback_info info);

// The names of the options of open, in their order, for constants.
inline constexpr const char* kOpenOptions[] = {
    "segmentBytesMin",  "segmentBytesMax", "spareSegments",     "diskLowWaterBytes",
    "idleMarkerMillis", "producersMax",    "mappedSegmentsMax", "scrubBytesPerSecond",
    "alignCommits",     "exclusive",
};

}  // namespace millrace::addon
