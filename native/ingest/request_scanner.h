// The body of a PutRecords request: exactly four MessagePack values in a row,
//
//   records              array of 1 to 500 records
//   explicit hash keys   nil, or an array of as many elements, each nil or a bin of 16 bytes
//   (big-endian) producer id          integer up to 2^64-1; 0 = not idempotent producer sequence
//   integer up to 2^32-1
//
// The envelope before it is the caller's. One bad record refuses the whole request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "native/base/status.h"
#include "native/ingest/record_scanner.h"

namespace millrace::ingest {

inline constexpr uint32_t kHashKeyBytes = 16;

struct ScannedRecord {
  uint32_t offset;  // in the body
  RecordShape shape;
};

// What a request says, as places in its bytes. Holds pointers into the scanned body: it is valid
// while those bytes are there unchanged, until the next Scan. Meant to be kept and used again: a
// scan allocates nothing unless it refuses. Not thread-safe; one per thread.
class ScannedRequest {
 public:
  // Room for requests of up to `records_max` records; null when there is no memory for it.
  static std::unique_ptr<ScannedRequest> Create(uint32_t records_max);

  ScannedRequest(const ScannedRequest&) = delete;
  ScannedRequest& operator=(const ScannedRequest&) = delete;
  ~ScannedRequest() = default;

  // PROTOCOL_VIOLATION when the form is wrong (the text has the byte, what was wanted and what was
  // found), INVALID_ARGUMENT or RECORD_TOO_LARGE when a bound is passed. After a refusal the
  // request is empty. limits.records_max is at most what Create was given.
  base::Status Scan(const uint8_t* body, size_t bytes, const ScanLimits& limits);

  uint32_t record_count() const { return record_count_; }

  const ScannedRecord& record(uint32_t index) const { return records_[index]; }

  const uint8_t* record_data(uint32_t index) const { return body_ + records_[index].offset; }

  const uint8_t* key(uint32_t index) const {
    return record_data(index) + records_[index].shape.key_at;
  }

  bool has_explicit_hash_keys() const { return has_explicit_hash_keys_; }

  // The 16 bytes, or null where the record has none.
  const uint8_t* explicit_hash_key(uint32_t index) const {
    return has_explicit_hash_keys_ ? explicit_hash_keys_[index] : nullptr;
  }

  uint64_t payload_bytes() const { return payload_bytes_; }  // keys and data of all records

  uint64_t producer_id() const { return producer_id_; }

  uint32_t producer_sequence() const { return producer_sequence_; }

 private:
  ScannedRequest(uint32_t capacity, std::unique_ptr<ScannedRecord[]> records,
                 std::unique_ptr<const uint8_t*[]> explicit_hash_keys);

  // Each takes the value at *at and moves it behind that value.
  base::Status TakeRecords(const Input& input, const ScanLimits& limits, const uint8_t** at);
  base::Status TakeExplicitHashKeys(const Input& input, const uint8_t** at);
  base::Status TakeProducer(const Input& input, const uint8_t** at);
  base::Status TakeAll(const Input& input, const ScanLimits& limits);

  const uint32_t capacity_;
  const std::unique_ptr<ScannedRecord[]> records_;
  const std::unique_ptr<const uint8_t*[]> explicit_hash_keys_;
  const uint8_t* body_ = nullptr;
  uint32_t record_count_ = 0;
  bool has_explicit_hash_keys_ = false;
  uint32_t producer_sequence_ = 0;
  uint64_t producer_id_ = 0;
  uint64_t payload_bytes_ = 0;
};

}  // namespace millrace::ingest
