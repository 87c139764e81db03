#include "native/log/recovery_table.h"

#include "native/base/check.h"

namespace millrace::log {
namespace {

using Case = RecoveryCase;
using Found = FoundBytes;

constexpr RecoveryDecision Clean(Case which) {
  return {which, RecoveryVerdict::kClean};
}

constexpr RecoveryDecision Torn(Case which) {
  return {which, RecoveryVerdict::kTorn};
}

constexpr RecoveryDecision Corrupt(Case which) {
  return {which, RecoveryVerdict::kCorrupt};
}

constexpr RecoveryDecision kSealed = Corrupt(Case::kBeforeRecordedEnd);
constexpr RecoveryDecision kWindow = Torn(Case::kUnsyncedWindow);
constexpr RecoveryDecision kDurable = Corrupt(Case::kDurableBytesBad);
constexpr RecoveryDecision kEnd = Clean(Case::kEndOfData);
constexpr RecoveryDecision kReached = Clean(Case::kRecordedEnd);
constexpr RecoveryDecision kStale = Torn(Case::kStaleInUnsyncedWindow);
constexpr RecoveryDecision kStaleDurable = Corrupt(Case::kStaleOverDurable);
constexpr RecoveryDecision kAhead = Torn(Case::kSequenceAhead);
constexpr RecoveryDecision kLower = Torn(Case::kLowerEpoch);

}  // namespace

// The comment in the header is the same table; a test compares every cell.
constexpr RecoveryRow kRecoveryTable[kFoundBytesCount] = {
    {Found::kEndOfData, {kEnd, kEnd, kEnd}, kSealed},
    {Found::kRecordedEnd, {kReached, kReached, kReached}, kReached},
    {Found::kZeros,
     {Clean(Case::kZeros), Torn(Case::kZerosThenLater), Corrupt(Case::kDurableBytesZero)},
     kSealed},
    {Found::kZerosThenBytes,
     {Torn(Case::kZerosThenBytes), Torn(Case::kZerosThenLater), Corrupt(Case::kZerosThenLater)},
     kSealed},
    {Found::kOtherShard, {Clean(Case::kOtherShard), kStale, kStaleDurable}, kSealed},
    {Found::kLowerSequence, {Clean(Case::kLowerSequence), kStale, kStaleDurable}, kSealed},
    {Found::kCutShort, {Torn(Case::kHeaderCutShort), kWindow, kDurable}, kSealed},
    {Found::kNoHeader, {Torn(Case::kNoHeader), kWindow, kDurable}, kSealed},
    {Found::kBadLength, {Torn(Case::kLengthBeyond), kWindow, kDurable}, kSealed},
    {Found::kBadChecksum, {Torn(Case::kChecksumWrong), kWindow, kDurable}, kSealed},
    {Found::kSequenceAhead, {kAhead, kAhead, Corrupt(Case::kSequenceAhead)}, kSealed},
    {Found::kLowerEpoch, {kLower, kLower, Corrupt(Case::kLowerEpochOverDurable)}, kSealed},
};

RecoveryDecision Decide(FoundBytes found, LaterBatch later, bool sealed) {
  const RecoveryRow& row = kRecoveryTable[static_cast<size_t>(found)];
  MILLRACE_CHECK(row.found == found);
  return sealed ? row.sealed : row.open[static_cast<size_t>(later)];
}

const char* RecoveryCaseName(RecoveryCase recovery_case) {
  static constexpr const char* kNames[kRecoveryCaseCount] = {
      "the end of the segment",
      "zeros up to the end",
      "bytes of another shard",
      "bytes of an earlier life of the file",
      "a header cut short",
      "a length beyond the segment",
      "a wrong checksum",
      "bad bytes in the unsynced window",
      "bad bytes where the log had been durable",
      "zeros before a later batch",
      "a sequence number that skips ahead",
      "bad bytes before the recorded end",
      "the recorded end",
      "zeros where the log had been durable",
      "zeros, then other bytes",
      "stale bytes in the unsynced window",
      "stale bytes where the log had been durable",
      "bytes that are no batch header",
      "a batch of a lower epoch",
      "a batch of a lower epoch where the log had been durable",
  };
  const size_t at = static_cast<size_t>(recovery_case) - 1;
  MILLRACE_CHECK(at < kRecoveryCaseCount);
  return kNames[at];
}

}  // namespace millrace::log
