// Recovery: a pure scan over the batches of one segment. It reads bytes and decides; it changes
// nothing on disk.
//
// What the verdicts mean stands in recovery_table.h; how the scan goes on behind damage, and what
// may be served there, in resync.h. The scan never reads outside [data, data + bytes), always ends,
// and takes time linear in `bytes` (at worst its work is bounded by kScanWorkFactor). Safe to call
// from several threads with inputs of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/log/batch_view.h"
#include "native/log/recovery_table.h"

namespace millrace::log {

// Bytes that were durable and cannot be served: positions [start, end). Readers that reach `start`
// get LOG_CORRUPT with this range and may go on at `end`. Both sequences are equal when only a
// marker batch was lost.
struct DamagedRange {
  uint64_t start;
  uint64_t end;
  uint64_t expected_sequence;  // of the first record that is refused
  uint64_t next_sequence;      // at `end`, where serving resumes

  friend bool operator==(const DamagedRange&, const DamagedRange&) = default;
};

// What has been trimmed may be half overwritten by the next life of its file: no damage to anybody.
// An empty range says that something is missing at a place, and says so there too.
inline bool IsTrimmedAway(const DamagedRange& range, uint64_t trimmed_start) {
  return range.start < range.end && range.end <= trimmed_start;
}

enum class TailVerdict : uint8_t { kClean, kTorn };

// Everything the scan may know. The pointers must outlive the call.
struct ScanInput {
  const uint8_t* data =
      nullptr;  // the data area of the segment file, between header block and trailer block
  uint64_t bytes = 0;
  uint64_t base_position = 0;  // the position of data[0]
  uint64_t shard = 0;

  // Where to begin, a place known to be the start of a batch or the end of the log; base_position
  // for a whole scan.
  uint64_t start_position = 0;
  uint64_t expected_sequence = 1;  // at start_position
  uint32_t epoch_min = 0;          // at start_position

  // From the seal, or from the base of the next segment of this shard. Nothing before it is ever
  // torn.
  bool has_recorded_end = false;
  uint64_t recorded_end = 0;
  uint64_t recorded_next_sequence = 0;

  // Whether `next_sequence` follows a number that only a later segment can hold. Behind damage,
  // what claims it has strayed there or is none of the log's; whole batches from the start on are
  // believed more than the record of their end.
  bool IsBeyondRecordedEnd(uint64_t next_sequence) const {
    return has_recorded_end && next_sequence > recorded_next_sequence;
  }

  // The highest `synced upto` seen in later segments of this shard; 0 = none.
  uint64_t later_synced_upto = 0;

  // Starts of batches that something outside the segment vouches for (the sparse index), ascending.
  const uint64_t* vouched = nullptr;
  size_t vouched_count = 0;

  // The first sequence numbers of those batches, or null where they are not known. A batch with
  // another number has strayed there from its own place.
  const uint64_t* vouched_sequences = nullptr;
};

// Sees every accepted batch, in order, and no other.
class BatchVisitor {
 public:
  virtual ~BatchVisitor() = default;

  // `batch` is header.bytes() long and points into the data of the scan.
  virtual void OnBatch(uint64_t position, const BatchHeader& header, const uint8_t* batch) = 0;
};

struct ScanResult {
  TailVerdict tail = TailVerdict::kClean;
  RecoveryCase tail_case = RecoveryCase::kEndOfData;
  uint64_t end = 0;  // after the last accepted batch or damaged range: where the log goes on
  uint64_t next_sequence = 0;
  uint32_t epoch = 0;
  uint64_t arrival_millis_max = 0;
  uint64_t synced_upto_max = 0;
  uint64_t batch_count = 0;
  std::vector<DamagedRange> damaged;  // in order, disjoint

  // For kTorn: the position after the last byte worth copying aside, that is after the last nonzero
  // byte of what is cut, at most kTornCopyBytesMax past `end`. For kClean equal to `end`.
  uint64_t torn_bytes_end = 0;
};

inline constexpr uint64_t kTornCopyBytesMax = 16u * 1024 * 1024;

// Bytes that a scan may checksum in vain, on damaged or hostile input: kScanWorkFactor times the
// data and kScanWorkBytesMin. Beyond that it gives the careful answer: the rest of the segment is
// refused and nothing is cut.
inline constexpr uint64_t kScanWorkFactor = 8;
inline constexpr uint64_t kScanWorkBytesMin = 64u * 1024 * 1024;

// When the result names damage and the input had no recorded end, the caller records result.end and
// result.next_sequence (it seals the segment there and goes on in the next one) before it cuts or
// appends anything. What proves the damage may stand in the tail that is cut, or in batches that
// are refused themselves: the next scan could not tell any more, would take the damage for a torn
// tail and give its numbers again.
//
// `visitor` may be null.
ScanResult ScanSegment(const ScanInput& input, BatchVisitor* visitor);

}  // namespace millrace::log
