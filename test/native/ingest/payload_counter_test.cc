#include "native/ingest/payload_counter.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/guarded_bytes.h"
#include "test/support/msgpack_encode.h"
#include "test/support/segment_builder.h"

namespace millrace::ingest {
namespace {

using support::AppendBytes;
using support::BuildBatch;
using support::Bytes;
using support::GuardedBytes;
using support::MakeRecord;

// Batches of so many records each: keys of one byte, and one byte of data more with each record.
Bytes MakeSlice(const std::vector<uint32_t>& counts, uint32_t flags = format::kCodecNone) {
  Bytes slice;
  uint8_t data_bytes = 0;
  for (const uint32_t count : counts) {
    Bytes records;
    for (uint32_t i = 0; i < count; ++i) {
      AppendBytes(&records, MakeRecord("k", Bytes(++data_bytes, 7)));
    }
    log::BatchHeader header = {};
    header.count = count;
    header.flags = flags;
    AppendBytes(&slice, BuildBatch(header, records));
  }
  return slice;
}

uint64_t Count(const Bytes& slice, uint64_t skip = 0, uint64_t records_max = UINT64_MAX) {
  GuardedBytes guarded(slice.size());
  return CountPayload(guarded.Put(slice), slice.size(), skip, records_max);
}

// The keys and data of the records [first, end): a record has one byte more than its number.
uint64_t Wanted(uint64_t first, uint64_t end) {
  uint64_t bytes = 0;
  for (uint64_t index = first; index < end; ++index) {
    bytes += 2 + index;
  }
  return bytes;
}

TEST(PayloadCounter, CountsKeysAndDataAndNothingElse) {
  EXPECT_EQ(Count(MakeSlice({1})), 2u);
  EXPECT_EQ(Count(MakeSlice({3, 0, 2})), Wanted(0, 5));
  EXPECT_EQ(Count({}), 0u);
}

TEST(PayloadCounter, CountsTheRecordsThatWereAskedFor) {
  const Bytes slice = MakeSlice({3, 0, 2, 4});
  for (uint64_t skip = 0; skip <= 10; ++skip) {
    for (uint64_t records = 0; records <= 10; ++records) {
      const uint64_t first = std::min<uint64_t>(skip, 9);
      const uint64_t end = std::min<uint64_t>(skip + records, 9);
      EXPECT_EQ(Count(slice, skip, records), Wanted(first, end)) << skip << " " << records;
    }
  }
}

TEST(PayloadCounter, CountsTheShareOfCompressedRecords) {
  const Bytes slice = MakeSlice({4}, 7);
  const uint64_t stored = slice.size() - format::kBatchHeaderBytes;
  EXPECT_EQ(Count(slice), stored);
  EXPECT_EQ(Count(slice, 1, 2), stored / 2);
}

TEST(PayloadCounter, ReadsNothingBehindTheEnd) {
  const Bytes slice = MakeSlice({3, 2});
  for (size_t bytes = 0; bytes < slice.size(); ++bytes) {
    const Bytes cut(slice.begin(), slice.begin() + static_cast<ptrdiff_t>(bytes));
    EXPECT_LE(Count(cut), Wanted(0, 3));
  }
}

TEST(PayloadCounter, EndsAtWhatIsNoBatch) {
  Bytes slice = MakeSlice({3, 2});
  AppendBytes(&slice, Bytes(100, 0));
  EXPECT_EQ(Count(slice), Wanted(0, 5));
  // A count that the records do not bear out.
  Bytes forged = MakeSlice({1});
  forged[format::kBatchCountAt + 3] = 200;
  EXPECT_EQ(Count(forged), 2u);
}

}  // namespace
}  // namespace millrace::ingest
