// The decision of recovery, as data: what is found behind the last accepted batch, and what that
// means.
//
// X is the position after the last accepted batch. A batch is whole when its marker is right, its
// length fits the batch limit and the bytes left, and its checksum matches; it is accepted when it
// is also of this shard, continues the sequence and does not lower the epoch. A later batch is a
// whole batch of this shard beyond X (or at X, when what stands there is whole) whose sequence is
// not below the expected one; su is the highest `synced upto` of all later batches, those of later
// segments included. A segment is sealed here when its end is recorded outside of it, by its seal
// or by the base of the next segment.
//
//   found at X                                    no later su <= X  su > X     sealed
//   --------------------------------------------- -------- -------- ---------- ----------
//   the end of the data area                      1 clean  1 clean  1 clean    12 corrupt
//   the recorded end                              13 clean 13 clean 13 clean   13 clean
//   zeros up to the end                           2 clean  10 torn  14 corrupt 12 corrupt
//   zeros, then other bytes                       15 torn  10 torn  10 corrupt 12 corrupt
//   a whole batch of another shard                3 clean  16 torn  17 corrupt 12 corrupt
//   a whole batch of this shard, sequence too low 4 clean  16 torn  17 corrupt 12 corrupt
//   fewer bytes than a header                     5 torn   8 torn   9 corrupt  12 corrupt
//   bytes that are no header                      18 torn  8 torn   9 corrupt  12 corrupt
//   a length beyond the segment or batch limit    6 torn   8 torn   9 corrupt  12 corrupt
//   a full length, checksum wrong                 7 torn   8 torn   9 corrupt  12 corrupt
//   a whole batch whose sequence skips ahead      11 torn  11 torn  11 corrupt 12 corrupt
//   a whole batch that continues, epoch too low   19 torn  19 torn  20 corrupt 12 corrupt
//
// Clean: the log ends at X. Torn: it ends at X as well, and what follows was never acknowledged; it
// is copied aside and zeroed, as a later append would otherwise make it look like part of the log.
// Corrupt: X had been durable, so the bytes are refused with their range, nothing is deleted, and
// the scan goes on behind them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::log {

// 1 to 12 are the cases every implementation of the format must tell apart; the rest complete the
// table.
enum class RecoveryCase : uint8_t {
  kEndOfData = 1,
  kZeros = 2,
  kOtherShard = 3,
  kLowerSequence = 4,
  kHeaderCutShort = 5,
  kLengthBeyond = 6,
  kChecksumWrong = 7,
  kUnsyncedWindow = 8,
  kDurableBytesBad = 9,
  kZerosThenLater = 10,
  kSequenceAhead = 11,
  kBeforeRecordedEnd = 12,
  kRecordedEnd = 13,
  kDurableBytesZero = 14,
  kZerosThenBytes = 15,
  kStaleInUnsyncedWindow = 16,
  kStaleOverDurable = 17,
  kNoHeader = 18,
  kLowerEpoch = 19,
  kLowerEpochOverDurable = 20,
};

inline constexpr size_t kRecoveryCaseCount = 20;

enum class FoundBytes : uint8_t {
  kEndOfData,
  kRecordedEnd,
  kZeros,
  kZerosThenBytes,
  kOtherShard,
  kLowerSequence,
  kCutShort,
  kNoHeader,
  kBadLength,
  kBadChecksum,
  kSequenceAhead,
  kLowerEpoch,
};

inline constexpr size_t kFoundBytesCount = 12;

enum class LaterBatch : uint8_t {
  kNone,
  kUnsynced,      // su <= X
  kSyncedBeyond,  // su > X
};

inline constexpr size_t kLaterBatchCount = 3;

enum class RecoveryVerdict : uint8_t { kClean, kTorn, kCorrupt };

struct RecoveryDecision {
  RecoveryCase recovery_case;
  RecoveryVerdict verdict;

  friend constexpr bool operator==(const RecoveryDecision&, const RecoveryDecision&) = default;
};

// One row per FoundBytes, in its order. Where the end is recorded, later batches change nothing.
struct RecoveryRow {
  FoundBytes found;
  RecoveryDecision open[kLaterBatchCount];  // by LaterBatch
  RecoveryDecision sealed;
};

extern const RecoveryRow kRecoveryTable[kFoundBytesCount];

RecoveryDecision Decide(FoundBytes found, LaterBatch later, bool sealed);

// Such as "torn in the unsynced window", for reports and messages. Lives as long as the process.
const char* RecoveryCaseName(RecoveryCase recovery_case);

}  // namespace millrace::log
