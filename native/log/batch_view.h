// Reading and writing the header of one batch (format/batch_format.h has the layout). Pure
// functions over bytes: they keep nothing, allocate nothing, never read past `available`, and are
// safe to call from any thread.
#pragma once

#include <cstdint>

#include "native/format/batch_format.h"

namespace millrace::log {

// The fields of a batch header as native integers.
struct BatchHeader {
  uint32_t crc32c = 0;  // unmasked; the stored form is masked
  uint64_t shard = 0;
  uint64_t first_sequence = 0;
  uint32_t count = 0;
  uint64_t arrival_millis = 0;
  uint32_t epoch = 0;
  uint64_t producer_id = 0;
  uint32_t producer_sequence = 0;
  uint64_t synced_upto = 0;
  uint32_t flags = 0;
  uint32_t records_bytes = 0;

  // Of the whole batch, header included.
  uint64_t bytes() const { return format::kBatchHeaderBytes + uint64_t{records_bytes}; }

  uint64_t next_sequence() const { return first_sequence + count; }

  bool is_marker() const { return count == 0; }
};

enum class BatchCheck : uint8_t {
  kWhole,
  kCutShort,     // fewer bytes left than a header has
  kNotABatch,    // wrong marker or type byte, reserved flag bits, or a count or sequence out of
                 // bounds
  kBadLength,    // the records run past the bytes left or past kBatchBytesMax
  kBadChecksum,  // the bytes are not those that were written
};

// Decodes the header at `at`, of which `available` bytes may be read. Checks all but the checksum,
// so the answer is never kBadChecksum. `*header` is filled for kWhole and kBadLength and left alone
// otherwise.
BatchCheck ReadBatchHeader(const uint8_t* at, uint64_t available, BatchHeader* header);

// The same, and the checksum over the whole batch. `*header` is also filled for kBadChecksum.
BatchCheck CheckBatch(const uint8_t* at, uint64_t available, BatchHeader* header);

// Writes all kBatchHeaderBytes at `at`, type bytes included; header.crc32c is stored masked.
void WriteBatchHeader(uint8_t* at, const BatchHeader& header);

// Computes the checksum of a batch whose header (all but the checksum) and records stand at `at`,
// stores it masked and returns it unmasked. `bytes` is the whole batch.
uint32_t SealBatch(uint8_t* at, uint64_t bytes);

}  // namespace millrace::log
