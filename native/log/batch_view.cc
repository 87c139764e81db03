#include "native/log/batch_view.h"

#include "native/base/bytes.h"
#include "native/base/crc32c.h"

namespace millrace::log {
namespace {

uint32_t Checksum(const uint8_t* at, uint64_t bytes) {
  return base::Crc32c(0, at + format::kBatchChecksummedStart,
                      static_cast<size_t>(bytes - format::kBatchChecksummedStart));
}

bool TypeBytesMatch(const uint8_t* at) {
  uint32_t difference = 0;
  for (const format::BatchTypeByte& type : format::kBatchTypeBytes) {
    difference |= static_cast<uint32_t>(at[type.at] ^ type.value);
  }
  return difference == 0;
}

BatchHeader Decode(const uint8_t* at) {
  BatchHeader header;
  header.crc32c = format::UnmaskCrc(base::LoadBig32(at + format::kBatchCrcAt));
  header.shard = base::LoadBig64(at + format::kBatchShardAt);
  header.first_sequence = base::LoadBig64(at + format::kBatchFirstSequenceAt);
  header.count = base::LoadBig32(at + format::kBatchCountAt);
  header.arrival_millis = base::LoadBig64(at + format::kBatchArrivalAt);
  header.epoch = base::LoadBig32(at + format::kBatchEpochAt);
  header.producer_id = base::LoadBig64(at + format::kBatchProducerIdAt);
  header.producer_sequence = base::LoadBig32(at + format::kBatchProducerSequenceAt);
  header.synced_upto = base::LoadBig64(at + format::kBatchSyncedUptoAt);
  header.flags = base::LoadBig32(at + format::kBatchFlagsAt);
  header.records_bytes = base::LoadBig32(at + format::kBatchRecordsLengthAt);
  return header;
}

}  // namespace

BatchCheck ReadBatchHeader(const uint8_t* at, uint64_t available, BatchHeader* header) {
  if (available < format::kBatchHeaderBytes) {
    return BatchCheck::kCutShort;
  }
  if (!TypeBytesMatch(at)) {
    return BatchCheck::kNotABatch;
  }
  const BatchHeader decoded = Decode(at);
  if ((decoded.flags & ~format::kCodecMask) != 0 || decoded.count > format::kBatchRecordCountMax ||
      decoded.first_sequence > UINT64_MAX - decoded.count) {
    return BatchCheck::kNotABatch;
  }
  *header = decoded;
  if (decoded.records_bytes > format::kBatchRecordsBytesMax || decoded.bytes() > available) {
    return BatchCheck::kBadLength;
  }
  return BatchCheck::kWhole;
}

BatchCheck CheckBatch(const uint8_t* at, uint64_t available, BatchHeader* header) {
  const BatchCheck check = ReadBatchHeader(at, available, header);
  if (check == BatchCheck::kWhole && Checksum(at, header->bytes()) != header->crc32c) {
    return BatchCheck::kBadChecksum;
  }
  return check;
}

void WriteBatchHeader(uint8_t* at, const BatchHeader& header) {
  for (const format::BatchTypeByte& type : format::kBatchTypeBytes) {
    at[type.at] = type.value;
  }
  base::StoreBig32(at + format::kBatchCrcAt, format::MaskCrc(header.crc32c));
  base::StoreBig64(at + format::kBatchShardAt, header.shard);
  base::StoreBig64(at + format::kBatchFirstSequenceAt, header.first_sequence);
  base::StoreBig32(at + format::kBatchCountAt, header.count);
  base::StoreBig64(at + format::kBatchArrivalAt, header.arrival_millis);
  base::StoreBig32(at + format::kBatchEpochAt, header.epoch);
  base::StoreBig64(at + format::kBatchProducerIdAt, header.producer_id);
  base::StoreBig32(at + format::kBatchProducerSequenceAt, header.producer_sequence);
  base::StoreBig64(at + format::kBatchSyncedUptoAt, header.synced_upto);
  base::StoreBig32(at + format::kBatchFlagsAt, header.flags);
  base::StoreBig32(at + format::kBatchRecordsLengthAt, header.records_bytes);
}

uint32_t SealBatch(uint8_t* at, uint64_t bytes) {
  const uint32_t crc = Checksum(at, bytes);
  base::StoreBig32(at + format::kBatchCrcAt, format::MaskCrc(crc));
  return crc;
}

}  // namespace millrace::log
