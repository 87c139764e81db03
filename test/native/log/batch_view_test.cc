#include "native/log/batch_view.h"

#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "native/base/bytes.h"
#include "test/support/segment_builder.h"

namespace millrace::log {
namespace {

using support::BuildBatch;
using support::Bytes;

BatchHeader SampleHeader() {
  BatchHeader header;
  header.shard = 0x0102030405060708;
  header.first_sequence = 0x1112131415161718;
  header.count = 2;
  header.arrival_millis = 0x0000019000000001;
  header.epoch = 0x21222324;
  header.producer_id = 0x3132333435363738;
  header.producer_sequence = 0x41424344;
  header.synced_upto = 0x5152535455565758;
  header.flags = 1;
  return header;
}

Bytes SampleBatch() {
  return BuildBatch(SampleHeader(), support::EncodeRecords({"one", "two"}));
}

BatchCheck Check(const Bytes& bytes) {
  BatchHeader header;
  return CheckBatch(bytes.data(), bytes.size(), &header);
}

TEST(BatchView, WritesTheDocumentedBytes) {
  const Bytes batch = SampleBatch();
  const Bytes after_checksum = {
      0xcf, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,  // shard
      0xcf, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,  // first sequence
      0xce, 0x00, 0x00, 0x00, 0x02,                          // count
      0xcf, 0x00, 0x00, 0x01, 0x90, 0x00, 0x00, 0x00, 0x01,  // arrival
      0xce, 0x21, 0x22, 0x23, 0x24,                          // epoch
      0xcf, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,  // producer id
      0xce, 0x41, 0x42, 0x43, 0x44,                          // producer sequence
      0xcf, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,  // synced upto
      0xce, 0x00, 0x00, 0x00, 0x01,                          // flags
      0xc6, 0x00, 0x00, 0x00, 0x14,                          // length of the records
      0x92, 0xa3, 'k',  'e',  'y',  0xc4, 0x03, 'o',  'n',  'e',
      0x92, 0xa3, 'k',  'e',  'y',  0xc4, 0x03, 't',  'w',  'o'};
  EXPECT_EQ(batch[0], 0x9b);
  EXPECT_EQ(batch[1], 0xce);
  EXPECT_EQ(Bytes(batch.begin() + 6, batch.end()), after_checksum);
}

TEST(BatchView, ReadsWhatItWrote) {
  const Bytes batch = SampleBatch();
  BatchHeader header;
  ASSERT_EQ(CheckBatch(batch.data(), batch.size(), &header), BatchCheck::kWhole);
  const BatchHeader wrote = SampleHeader();
  EXPECT_EQ(header.shard, wrote.shard);
  EXPECT_EQ(header.first_sequence, wrote.first_sequence);
  EXPECT_EQ(header.count, wrote.count);
  EXPECT_EQ(header.arrival_millis, wrote.arrival_millis);
  EXPECT_EQ(header.epoch, wrote.epoch);
  EXPECT_EQ(header.producer_id, wrote.producer_id);
  EXPECT_EQ(header.producer_sequence, wrote.producer_sequence);
  EXPECT_EQ(header.synced_upto, wrote.synced_upto);
  EXPECT_EQ(header.flags, wrote.flags);
  EXPECT_EQ(header.bytes(), batch.size());
  EXPECT_EQ(header.next_sequence(), wrote.first_sequence + 2);
  EXPECT_FALSE(header.is_marker());

  Bytes again(batch.size());
  std::memcpy(again.data(), batch.data(), batch.size());
  WriteBatchHeader(again.data(), header);
  EXPECT_EQ(again, batch);
}

TEST(BatchView, StoresTheChecksumMasked) {
  Bytes batch = SampleBatch();
  BatchHeader header;
  ASSERT_EQ(CheckBatch(batch.data(), batch.size(), &header), BatchCheck::kWhole);
  const uint32_t stored = base::LoadBig32(batch.data() + format::kBatchCrcAt);
  EXPECT_EQ(stored, format::MaskCrc(header.crc32c));
  EXPECT_EQ(SealBatch(batch.data(), batch.size()), header.crc32c);

  base::StoreBig32(batch.data() + format::kBatchCrcAt, header.crc32c);
  EXPECT_EQ(Check(batch), BatchCheck::kBadChecksum);
}

TEST(BatchView, NoChangedByteIsWhole) {
  const Bytes batch = SampleBatch();
  for (size_t at = 0; at < batch.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes changed = batch;
      changed[at] ^= static_cast<uint8_t>(1 << bit);
      EXPECT_NE(Check(changed), BatchCheck::kWhole) << "byte " << at << " bit " << bit;
    }
  }
}

TEST(BatchView, NoPrefixIsWhole) {
  const Bytes batch = SampleBatch();
  for (size_t bytes = 0; bytes < batch.size(); ++bytes) {
    // A copy of exactly these bytes, so that the address sanitizer sees a read behind them.
    const Bytes prefix(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT_EQ(Check(prefix),
              bytes < format::kBatchHeaderBytes ? BatchCheck::kCutShort : BatchCheck::kBadLength);
  }
}

TEST(BatchView, ReadBatchHeaderLooksAtEverythingButTheChecksum) {
  Bytes batch = SampleBatch();
  BatchHeader header;
  batch.back() ^= 1;
  EXPECT_EQ(ReadBatchHeader(batch.data(), batch.size(), &header), BatchCheck::kWhole);
  EXPECT_EQ(CheckBatch(batch.data(), batch.size(), &header), BatchCheck::kBadChecksum);
}

TEST(BatchView, AllZeroIsNoBatch) {
  const Bytes zeros(format::kBatchHeaderBytes);
  EXPECT_EQ(Check(zeros), BatchCheck::kNotABatch);
  const Bytes ones(format::kBatchHeaderBytes, 0xff);
  EXPECT_EQ(Check(ones), BatchCheck::kNotABatch);
}

TEST(BatchView, RefusesEachWrongTypeByte) {
  for (const format::BatchTypeByte& type : format::kBatchTypeBytes) {
    Bytes batch = SampleBatch();
    batch[type.at] = 0xc0;
    support::FixChecksum(batch.data());
    batch[type.at] = 0xc0;
    EXPECT_EQ(Check(batch), BatchCheck::kNotABatch) << "byte " << int{type.at};
  }
}

TEST(BatchView, RefusesFieldsOutOfBounds) {
  BatchHeader flags = SampleHeader();
  flags.flags = format::kCodecMask + 1;
  EXPECT_EQ(Check(BuildBatch(flags, {})), BatchCheck::kNotABatch);

  BatchHeader count = SampleHeader();
  count.count = format::kBatchRecordCountMax + 1;
  EXPECT_EQ(Check(BuildBatch(count, {})), BatchCheck::kNotABatch);
  count.count = format::kBatchRecordCountMax;
  EXPECT_EQ(Check(BuildBatch(count, {})), BatchCheck::kWhole);

  BatchHeader overflow = SampleHeader();
  overflow.first_sequence = UINT64_MAX - 1;
  EXPECT_EQ(Check(BuildBatch(overflow, {})), BatchCheck::kNotABatch);
  overflow.first_sequence = UINT64_MAX - 2;
  EXPECT_EQ(Check(BuildBatch(overflow, {})), BatchCheck::kWhole);
}

TEST(BatchView, BoundsTheLength) {
  BatchHeader header = SampleHeader();
  Bytes largest = BuildBatch(header, Bytes(format::kBatchRecordsBytesMax));
  EXPECT_EQ(largest.size(), format::kBatchBytesMax);
  EXPECT_EQ(Check(largest), BatchCheck::kWhole);
  Bytes larger = BuildBatch(header, Bytes(format::kBatchRecordsBytesMax + 1));
  EXPECT_EQ(Check(larger), BatchCheck::kBadLength);

  Bytes batch = SampleBatch();
  base::StoreBig32(batch.data() + format::kBatchRecordsLengthAt, UINT32_MAX);
  EXPECT_EQ(Check(batch), BatchCheck::kBadLength);
}

TEST(BatchView, AMarkerIsABatchWithoutRecords) {
  BatchHeader header = SampleHeader();
  header.count = 0;
  const Bytes marker = BuildBatch(header, {});
  BatchHeader read;
  ASSERT_EQ(CheckBatch(marker.data(), marker.size(), &read), BatchCheck::kWhole);
  EXPECT_TRUE(read.is_marker());
  EXPECT_EQ(read.next_sequence(), read.first_sequence);
  EXPECT_EQ(read.bytes(), format::kBatchHeaderBytes);
}

}  // namespace
}  // namespace millrace::log
