// Where serving resumes behind damaged bytes, and with which sequence number.
//
// A record may contain anything, also a perfect copy of a batch with this shard's id and a chosen
// sequence number. So what stands behind damage is served only when something outside of any
// payload says that a batch starts there:
//
//   1. The damaged batch itself. Two witnesses say where it ends: its length field, and its
//      records, which the broker checked when it took them (an array, a string and a binary each,
//      `count` of them; zeros in a marker batch). When both agree, the place is certain. When one
//      is damaged, the other must close both ways, in bytes (a whole batch stands there, or the
//      recorded end) and in numbers (it continues with exactly the number that the witness calls
//      for), and no other whole batch behind the damage may claim that number: a flipped length
//      that lands on a planted copy is found out by the real batch. When X holds whole batches out
//      of order, their lengths lead to the place behind them, if their numbers fill the gap.
//   2. The next position that the caller vouches for, when a whole batch of this shard stands
//   there.
//   3. A run of whole batches longer than any batch can be: its later part is no payload.
//   4. Nothing. Then everything up to the recorded end, or up to the last whole batch found, is
//   refused. That may
//      refuse batches that are whole, and serves none that is forged.
//
// Whatever vouches, no number beyond that of the recorded end is believed: the segments behind hold
// those, and the log would give them twice.
//
// Pure; takes what it needs as arguments and keeps nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/log/batch_search.h"
#include "native/log/recovery.h"

namespace millrace::log {

// The damage that the scan met.
struct Damage {
  FoundBytes found;
  uint64_t at;  // relative to the data, as all places here
  uint64_t expected_sequence;
  uint32_t epoch;
  uint64_t synced_upto;  // known durable, a position: from accepted batches and later segments
};

struct Resume {
  uint64_t
      at;  // behind damage.at; where the recorded end lies beyond the data, also beyond the data
  uint64_t next_sequence;
};

// `search` is run when it is needed and has not been; `area.bytes` ends at the recorded end, when
// there is one.
Resume FindResume(const ScanArea& area, const ScanInput& input, const Damage& damage,
                  BatchSearch* search, WorkBudget* budget);

}  // namespace millrace::log
