// The quick calls of a log handle. Each is a closure over its LogHandle, takes its request from the
// call block and leaves its answer there; what fails throws. None allocates for a call that
// succeeds.
#pragma once

#include <node_api.h>

namespace millrace::addon {

// append(bytes): slot, [start, end), count, flags, durability, epoch, producer, expected_sequence,
// record_bytes_max, keys_required, uses_reserve; with is_metered also routes, route and now_millis
//   -> first_sequence, record_count, next_position (its end), answer_flags, retry_millis
napi_value Append(napi_env env, napi_callback_info info);

// read(target): slot, place (a position), bytes_max, flags (a ReadForm)
//   -> position, next_position, first_sequence, next_sequence, batch_count, record_count, bytes
// The target is a Uint8Array, of which [start, end) takes the copy: when `bytes` is more than that,
// nothing was copied and the call is made again with a larger one. Null instead of a target answers
// the ArrayBuffer over the segment, or over what was decrypted, in which the slice begins at
// view_offset.
napi_value Read(napi_env env, napi_callback_info info);

// seek(byTime): slot, place (a sequence number, or a time in ms) -> next_position
napi_value Seek(napi_env env, napi_callback_info info);

// trim(): slot, place (a sequence number)
napi_value Trim(napi_env env, napi_callback_info info);

// setRoutes(number, table, limits): the maps of stream `number`, the open one and then previous
// ones, newest first. Of each the count of its shards (8 bytes), and these in the order of their
// ranges: ending hash key (16 bytes) and shard id (8 bytes). All big-endian. A null table forgets
// them. `limits` is null, or a BigUint64Array of three: records per second, bytes per second, bytes
// of a burst.
napi_value SetRoutes(napi_env env, napi_callback_info info);

// setKeys(table): the keys of the log and no others, back to back: the length of the id in a byte,
// the id, 32 bytes. Answers a BigUint64Array with the check of each, which tells it from another
// key of the same id.
napi_value SetKeys(napi_env env, napi_callback_info info);

// setEncryption(shards: BigUint64Array, id, check: bigint): what records are encrypted with from
// now on; an id of null for nothing.
napi_value SetEncryption(napi_env env, napi_callback_info info);

// putRecords(body): routes, [start, end), durability, epoch, record_bytes_max,
// keys_required, now_millis
//   -> rows, row_count, put_answer, bytes (of the answer), failed_count
napi_value PutRecordsCall(napi_env env, napi_callback_info info);

// committedChunk(index): the ArrayBuffer over the slots of 1024 shards, or undefined where there is
// none yet.
napi_value CommittedChunk(napi_env env, napi_callback_info info);

// shardSlot(shard: bigint): number
napi_value ShardSlot(napi_env env, napi_callback_info info);

// setReferenced(flag): whether somebody waits for this log, so that the event loop must not end.
napi_value SetReferencedCall(napi_env env, napi_callback_info info);

}  // namespace millrace::addon
