// The limits: what the same bytes cost without a log. Copy and checksum in one pass, with the
// layout of a batch and the kernels of the log, into a map; and checksum alone, out of one.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "native/base/bytes.h"
#include "native/base/crc32c.h"
#include "native/format/batch_format.h"
#include "native/log/batch_view.h"

namespace millrace::bench {

inline uint64_t BatchBytes(const std::vector<uint8_t>& records) {
  return format::kBatchHeaderBytes + records.size();
}

// Writes `count` batches back to back. Returns the checksum of the last.
inline uint32_t WriteBatches(uint8_t* to, uint64_t count, const std::vector<uint8_t>& records) {
  uint8_t header[format::kBatchHeaderBytes];
  log::BatchHeader fields{};
  fields.shard = 1;
  fields.count = 1;
  fields.records_bytes = static_cast<uint32_t>(records.size());
  log::WriteBatchHeader(header, fields);
  uint32_t crc = 0;
  for (uint64_t i = 0; i < count; ++i) {
    base::StoreBig64(header + format::kBatchFirstSequenceAt, i);
    std::memcpy(to, header, sizeof header);
    crc = base::Crc32c(0, to + format::kBatchChecksummedStart,
                       sizeof header - format::kBatchChecksummedStart);
    crc = base::Crc32cCopy(crc, to + sizeof header, records.data(), records.size());
    base::StoreBig32(to + format::kBatchCrcAt, format::MaskCrc(crc));
    to += BatchBytes(records);
  }
  return crc;
}

// Checksums `count` pieces of `bytes` each. Returns a mix of the checksums.
inline uint32_t ReadBatches(const uint8_t* from, uint64_t count, uint64_t bytes) {
  uint32_t mix = 0;
  for (uint64_t i = 0; i < count; ++i) {
    mix = mix * 31 + base::Crc32c(0, from + i * bytes, bytes);
  }
  return mix;
}

}  // namespace millrace::bench
