// Scans records: `[partitionKey: str or nil, data: bin]`, in any legal length encoding, the key 1
// to 256 characters of valid UTF-8. A record that passes is stored and pushed as it is, so this
// scan is the only judge of its bytes.
//
// Pure functions over the given bytes: nothing is allocated unless a refusal is described, nothing
// outside of [start, end) is read. Safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/bytes.h"
#include "native/base/status.h"
#include "native/format/msgpack_format.h"
#include "native/ingest/msgpack_header.h"
#include "native/ingest/utf8.h"

namespace millrace::ingest {

inline constexpr uint32_t kKeyCharactersMax = 256;
inline constexpr uint32_t kKeyBytesMax = 4 * kKeyCharactersMax;
inline constexpr uint32_t kRecordEncodedBytesMin = 4;  // array of 2, no key, no data

struct ScanLimits {
  uint32_t record_bytes_max = 1024 * 1024;  // key and data of one record; up to 10 MiB per stream
  uint32_t total_bytes_max = 10 * 1024 * 1024;  // keys and data of one request or packed batch
  uint32_t records_max = 500;                   // of one request; a packed batch brings its count
  bool keys_required = false;                   // whether a record without a key is refused
};

// Where the parts of one encoded record are.
struct RecordShape {
  uint32_t bytes;          // the whole record as encoded
  uint32_t payload_bytes;  // key and data: what limits and budgets count
  uint16_t key_at;         // from the start of the record
  uint16_t key_bytes;      // 0 = it has no key: an empty one is refused
};

// Any record, at any place before `end`. False when it breaks a rule; ExplainRecord then says
// which.
bool ScanAnyRecord(const uint8_t* at, const uint8_t* end, uint32_t record_bytes_max,
                   RecordShape* shape);

// The refusal of the record at `at`, number `index` of those at `input`: PROTOCOL_VIOLATION when
// its form is wrong, INVALID_ARGUMENT or RECORD_TOO_LARGE when a bound is passed. Only for a record
// that the scan refused.
base::Status ExplainRecord(const Input& input, const uint8_t* at, uint64_t index,
                           uint32_t record_bytes_max);

// INVALID_ARGUMENT: record `index` has no key, and the limits ask for one.
base::Status KeyMissing(uint64_t index);

// INVALID_ARGUMENT: with record `index` the total of keys and data passes the bound.
base::Status TotalTooLarge(uint64_t index, uint64_t total_bytes, uint32_t total_bytes_max);

namespace internal {

struct KeyPlace {
  uint32_t at;
  uint32_t bytes;
};

// The key of a record in the usual encodings, fixarray and fixstr or str 8, when it is ASCII, or
// none. {0, 0} says nothing about the record except that ScanAnyRecord has to look at it.
inline KeyPlace FindUsualKey(const uint8_t* at, size_t bytes_left) {
  constexpr uint32_t kPairAndFixStr = (format::kFixArray | 2u) << 8 | format::kFixStr;
  constexpr uint32_t kPairAndStr8 = (format::kFixArray | 2u) << 8 | format::kStr8;
  constexpr uint32_t kPairAndNil = (format::kFixArray | 2u) << 8 | format::kNil;
  constexpr size_t kDataHeaderBytesMax = 5;
  if (bytes_left < 2 + kAsciiWindowBytes + kDataHeaderBytesMax) {
    return {0, 0};
  }
  const uint32_t head = base::LoadBig16(at);
  if (head - (kPairAndFixStr + 1) < 31) {
    const uint32_t bytes = head - kPairAndFixStr;
    return IsAsciiInWindow(at + 2, bytes) ? KeyPlace{2, bytes} : KeyPlace{0, 0};
  }
  const uint32_t bytes = at[2];
  if (head == kPairAndStr8 && bytes > 0 && bytes_left >= 3 + bytes + kDataHeaderBytesMax &&
      IsAscii(at + 3, bytes)) {
    return {3, bytes};
  }
  return {head == kPairAndNil ? 2u : 0u, 0};
}

// The header of a bin when at least five bytes are there; fault kWrongType for anything else.
inline Header ReadBinHeaderUnchecked(const uint8_t* at) {
  switch (*at) {
    case format::kBin8:
      return {HeaderFault::kNone, 2, at[1]};
    case format::kBin16:
      return {HeaderFault::kNone, 3, base::LoadBig16(at + 1)};
    case format::kBin32:
      return {HeaderFault::kNone, 5, base::LoadBig32(at + 1)};
    default:
      return {HeaderFault::kWrongType, 0, 0};
  }
}

}  // namespace internal

// As ScanAnyRecord, fast for what encoders usually write. The fast path only ever accepts; every
// doubt goes to ScanAnyRecord, so the two cannot disagree about a refusal.
inline bool ScanRecord(const uint8_t* at, const uint8_t* end, uint32_t record_bytes_max,
                       RecordShape* shape) {
  const size_t bytes_left = static_cast<size_t>(end - at);
  const internal::KeyPlace key = internal::FindUsualKey(at, bytes_left);
  if (__builtin_expect(key.at != 0, 1)) {
    const Header data = internal::ReadBinHeaderUnchecked(at + key.at + key.bytes);
    const uint64_t payload_bytes = uint64_t{key.bytes} + data.length;
    const uint64_t bytes = key.at + data.bytes + payload_bytes;
    if (__builtin_expect(
            data.bytes != 0 && bytes <= bytes_left && payload_bytes <= record_bytes_max, 1)) {
      *shape = {static_cast<uint32_t>(bytes), static_cast<uint32_t>(payload_bytes),
                static_cast<uint16_t>(key.at), static_cast<uint16_t>(key.bytes)};
      return true;
    }
  }
  return ScanAnyRecord(at, end, record_bytes_max, shape);
}

// A packed batch: exactly `count_expected` records, at least one, back to back and nothing behind
// them. `payload_bytes`, when given, gets the total of keys and data; it is written only when the
// answer is ok.
base::Status ScanRecords(const uint8_t* data, size_t bytes, const ScanLimits& limits,
                         uint32_t count_expected, uint64_t* payload_bytes = nullptr);

}  // namespace millrace::ingest
