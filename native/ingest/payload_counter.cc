#include "native/ingest/payload_counter.h"

#include <algorithm>

#include "native/base/bytes.h"
#include "native/format/batch_format.h"
#include "native/ingest/record_scanner.h"

namespace millrace::ingest {

namespace {

struct Batch {
  const uint8_t* records;
  uint32_t bytes;
  uint32_t count;
  uint32_t codec;
};

// False at the end, and for what is no whole batch.
bool TakeBatch(const uint8_t** at, const uint8_t* end, Batch* batch) {
  const size_t left = static_cast<size_t>(end - *at);
  if (left < format::kBatchHeaderBytes || **at != format::kBatchMarker) {
    return false;
  }
  const uint8_t* const head = *at;
  batch->records = head + format::kBatchHeaderBytes;
  batch->bytes = base::LoadBig32(head + format::kBatchRecordsLengthAt);
  batch->count = base::LoadBig32(head + format::kBatchCountAt);
  batch->codec = base::LoadBig32(head + format::kBatchFlagsAt) & format::kCodecMask;
  if (batch->bytes > left - format::kBatchHeaderBytes) {
    return false;
  }
  *at = batch->records + batch->bytes;
  return true;
}

// Of the records [first, end) of a batch.
uint64_t CountRecords(const Batch& batch, uint64_t first, uint64_t end) {
  if (batch.codec != format::kCodecNone) {
    return uint64_t{batch.bytes} * (end - first) / batch.count;
  }
  const uint8_t* at = batch.records;
  const uint8_t* const records_end = batch.records + batch.bytes;
  uint64_t payload_bytes = 0;
  for (uint64_t index = 0; index < end; ++index) {
    RecordShape shape;
    if (!ScanRecord(at, records_end, UINT32_MAX, &shape)) {
      break;
    }
    at += shape.bytes;
    payload_bytes += index < first ? 0 : shape.payload_bytes;
  }
  return payload_bytes;
}

}  // namespace

uint64_t CountPayload(const uint8_t* slice, size_t bytes, uint64_t skip, uint64_t records_max) {
  const uint8_t* at = slice;
  const uint64_t wanted = skip + std::min(records_max, UINT64_MAX - skip);
  uint64_t seen = 0;
  uint64_t payload_bytes = 0;
  Batch batch;
  while (seen < wanted && TakeBatch(&at, slice + bytes, &batch)) {
    const uint64_t first = skip > seen ? std::min<uint64_t>(skip - seen, batch.count) : 0;
    const uint64_t end = std::min<uint64_t>(wanted - seen, batch.count);
    if (first < end) {
      payload_bytes += CountRecords(batch, first, end);
    }
    seen += batch.count;
  }
  return payload_bytes;
}

}  // namespace millrace::ingest
