// Making records with random content, and taking batches apart again. Knows the formats from their
// specification alone, not through the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "test/torture/native/random.h"

namespace millrace::torture {

// 64 bits over the bytes of one record. Equal hashes are taken as equal records.
uint64_t HashRecord(const uint8_t* data, size_t bytes);

struct MadeBatch {
  std::vector<uint8_t> bytes;    // records back to back
  std::vector<uint64_t> hashes;  // of each
};

struct RecordSizes {
  uint32_t batch_records_max = 64;
  uint32_t record_data_bytes_max = 64 * 1024;
  uint32_t batch_bytes_max = 512 * 1024;

  // 0, or: each batch is one record with so many bytes of data. A log that is written again after a
  // crash then has its numbers and its segments begin where they began before.
  uint32_t every_data_bytes = 0;
};

// Mostly small records, some of any size up to the largest; `batch` is overwritten.
void MakeBatch(const RecordSizes& sizes, Random* random, MadeBatch* batch);

// What one batch header says, as far as a reader cares.
struct BatchFields {
  uint64_t shard;
  uint64_t first_sequence;
  uint64_t arrival_millis;
  uint32_t count;
  uint32_t epoch;
  uint32_t records_bytes;
};

// Decodes the header at `data`; false when it is not one or the batch does not end within `bytes`.
bool TakeBatch(const uint8_t* data, size_t bytes, BatchFields* fields);

// Splits the records of a batch that MakeBatch made and appends their hashes; false when they are
// not exactly `count`.
bool HashRecords(const uint8_t* data, size_t bytes, uint32_t count, std::vector<uint64_t>* hashes);

}  // namespace millrace::torture
