// The memory that a log handle shares with TypeScript: the fields of a request go in here before
// the call, those of its answer are here after it. So a call on the hot path takes one argument,
// and makes no object and no bigint.
//
// TypeScript sees one ArrayBuffer through a Uint32Array and a BigUint64Array; where each field is
// comes from the exported constants (constants.cc), never from a number typed twice. Used by the
// thread of its environment alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::addon {

// At most this many shards get something from one PutRecords request: one per record.
inline constexpr uint32_t kPutRowsMax = 500;
inline constexpr uint32_t kPutAnswerBytesMax = 32 * 1024;

// What one shard did with its part of a PutRecords request.
struct PutRow {
  uint64_t end_position;
  uint64_t first_sequence;
  uint32_t slot;
  uint32_t count;
  uint32_t code;          // base::Code; 0 = appended
  uint32_t answer_flags;  // kAnswerDuplicate | ...
  uint32_t route;         // the place of the shard among the routes
  uint32_t retry_millis;  // with THROUGHPUT_EXCEEDED
};

static_assert(sizeof(PutRow) == 40);

inline constexpr uint32_t kAnswerDuplicate = 1;
inline constexpr uint32_t kAnswerCommitted = 2;
inline constexpr uint32_t kAnswerDurabilityOs = 4;
inline constexpr uint32_t kAnswerThrottled = 8;  // nothing was appended; see retry_millis

struct CallBlock {
  // Request.
  uint32_t slot;
  uint32_t start;  // of the bytes within the typed array that is passed, and their end
  uint32_t end;
  uint32_t count;
  uint32_t flags;  // of the batch; of a read its log::ReadForm
  uint32_t durability;
  uint32_t epoch;
  uint32_t producer_sequence;
  uint64_t producer_id;
  uint64_t expected_sequence;
  uint64_t place;  // a position, a sequence number or a time, as the call says
  uint32_t bytes_max;
  uint32_t routes;
  uint32_t record_bytes_max;  // 0 = the highest that a stream allows
  uint32_t uses_reserve;      // of an append: not 0 = below the low-water mark of the disk too
  uint32_t is_metered;        // of an append: not 0 = it counts for place `route` of `routes`
  uint32_t route;
  uint32_t repeats_only;   // of an append: not 0 = what is new is refused
  uint32_t keys_required;  // of records: not 0 = one without a key is refused
  uint64_t now_millis;     // of the clock of limits; 0 = the machine's

  // Answer.
  uint32_t answer_flags;
  uint32_t
      bytes;  // of what was read or written; more than the target holds when nothing was copied
  uint64_t first_sequence;
  uint64_t next_sequence;
  uint64_t position;
  uint64_t next_position;  // and the end position of an append
  uint32_t batch_count;
  uint32_t record_count;
  uint32_t view_offset;
  uint32_t row_count;
  uint32_t failed_count;
  uint32_t moved;  // not 0 = the call itself has moved committed positions; to be set to 0 again
  uint32_t retry_millis;

  PutRow rows[kPutRowsMax];
  uint8_t put_answer[kPutAnswerBytesMax];
};

static_assert(offsetof(CallBlock, producer_id) % 8 == 0);
static_assert(offsetof(CallBlock, now_millis) % 8 == 0);
static_assert(offsetof(CallBlock, first_sequence) % 8 == 0);
static_assert(offsetof(CallBlock, rows) % 8 == 0);

}  // namespace millrace::addon
