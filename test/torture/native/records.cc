#include "test/torture/native/records.h"

#include <algorithm>
#include <cstring>

#include "native/base/bytes.h"
#include "native/format/batch_format.h"
#include "native/format/msgpack_format.h"

namespace millrace::torture {
namespace {

constexpr size_t kKeyBytes = 8;
constexpr size_t kRecordHeadBytes = 1 + 1 + kKeyBytes + 5;

void AppendRecord(uint32_t data_bytes, Random* random, std::vector<uint8_t>* bytes) {
  const size_t start = bytes->size();
  bytes->resize(start + kRecordHeadBytes + data_bytes);
  uint8_t* at = bytes->data() + start;
  *at++ = format::kFixArray | 2;
  *at++ = format::kFixStr | kKeyBytes;
  const uint64_t key = random->Next();
  for (size_t i = 0; i < kKeyBytes; i++) {
    *at++ = static_cast<uint8_t>('a' + ((key >> (8 * i)) & 15));
  }
  *at++ = format::kBin32;
  base::StoreBig32(at, data_bytes);
  at += sizeof(uint32_t);
  uint32_t filled = 0;
  for (; filled + 8 <= data_bytes; filled += 8) {
    const uint64_t word = random->Next();
    std::memcpy(at + filled, &word, sizeof word);
  }
  const uint64_t word = random->Next();
  std::memcpy(at + filled, &word, data_bytes - filled);
}

uint32_t DrawDataBytes(uint32_t bytes_max, Random* random) {
  const uint64_t kind = random->Below(100);
  const uint64_t bound = kind < 60 ? 256 : kind < 95 ? 4096 : bytes_max;
  return static_cast<uint32_t>(random->Between(0, std::min<uint64_t>(bound, bytes_max)));
}

}  // namespace

uint64_t HashRecord(const uint8_t* data, size_t bytes) {
  uint64_t hash = 0x2545f4914f6cdd1d ^ bytes;
  size_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    hash = (hash ^ base::LoadLittle64(data + at)) * 0x9fb21c651e98df25;
    hash ^= hash >> 32;
  }
  for (; at < bytes; at++) {
    hash = (hash ^ data[at]) * 0x9fb21c651e98df25;
    hash ^= hash >> 32;
  }
  return hash;
}

void MakeBatch(const RecordSizes& sizes, Random* random, MadeBatch* batch) {
  batch->bytes.clear();
  batch->hashes.clear();
  const bool uniform = sizes.every_data_bytes != 0;
  const uint64_t count = uniform            ? 1
                         : random->OneIn(4) ? 1
                                            : random->Between(1, sizes.batch_records_max);
  for (uint64_t i = 0; i < count; i++) {
    const uint32_t data_bytes =
        uniform ? sizes.every_data_bytes : DrawDataBytes(sizes.record_data_bytes_max, random);
    const size_t start = batch->bytes.size();
    if (i > 0 && start + kRecordHeadBytes + data_bytes > sizes.batch_bytes_max) {
      return;
    }
    AppendRecord(data_bytes, random, &batch->bytes);
    batch->hashes.push_back(HashRecord(batch->bytes.data() + start, batch->bytes.size() - start));
  }
}

bool TakeBatch(const uint8_t* data, size_t bytes, BatchFields* fields) {
  if (bytes < format::kBatchHeaderBytes) {
    return false;
  }
  for (const format::BatchTypeByte& type : format::kBatchTypeBytes) {
    if (data[type.at] != type.value) {
      return false;
    }
  }
  fields->shard = base::LoadBig64(data + format::kBatchShardAt);
  fields->first_sequence = base::LoadBig64(data + format::kBatchFirstSequenceAt);
  fields->arrival_millis = base::LoadBig64(data + format::kBatchArrivalAt);
  fields->count = base::LoadBig32(data + format::kBatchCountAt);
  fields->epoch = base::LoadBig32(data + format::kBatchEpochAt);
  fields->records_bytes = base::LoadBig32(data + format::kBatchRecordsLengthAt);
  return fields->records_bytes <= bytes - format::kBatchHeaderBytes;
}

bool HashRecords(const uint8_t* data, size_t bytes, uint32_t count, std::vector<uint64_t>* hashes) {
  size_t at = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (bytes - at < kRecordHeadBytes) {
      return false;
    }
    const uint64_t record_bytes =
        kRecordHeadBytes + base::LoadBig32(data + at + kRecordHeadBytes - sizeof(uint32_t));
    if (record_bytes > bytes - at) {
      return false;
    }
    hashes->push_back(HashRecord(data + at, record_bytes));
    at += record_bytes;
  }
  return at == bytes;
}

}  // namespace millrace::torture
