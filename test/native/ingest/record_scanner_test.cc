#include "native/ingest/record_scanner.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/guarded_bytes.h"
#include "test/support/msgpack_encode.h"
#include "test/support/random_request.h"
#include "test/support/request_reference.h"

namespace millrace::ingest {
namespace {

using base::Code;
using base::Status;
using support::AppendArrayHeader;
using support::AppendBin;
using support::AppendBytes;
using support::AppendStr;
using support::Bytes;
using support::Concatenate;
using support::Damage;
using support::GuardedBytes;
using support::MakeRecord;
using support::RandomRecord;
using support::ReferenceScanRecords;
using support::SeededRandom;
using support::TestCount;
using support::Width;

constexpr uint32_t kRecordBytesMax = 1024 * 1024;

// The refusal of one record that ends at an inaccessible page.
Status ScanOne(const Bytes& record, uint32_t record_bytes_max = kRecordBytesMax) {
  GuardedBytes guarded(record.size());
  ScanLimits limits;
  limits.record_bytes_max = record_bytes_max;
  limits.total_bytes_max = 20 * 1024 * 1024;
  return ScanRecords(guarded.Put(record), record.size(), limits, 1);
}

void ExpectRefused(const Bytes& record, Code code, const std::string& text) {
  const Status status = ScanOne(record);
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_NE(status.message().find(text), std::string::npos)
      << status.message() << " lacks " << text;
}

// Both ways of scanning: with nothing behind the record, and with so much that the fast path may be
// taken.
void ExpectShape(const Bytes& record, uint32_t key_at, uint32_t key_bytes, uint32_t data_bytes) {
  for (const size_t padding : {size_t{0}, size_t{64}, size_t{400}}) {
    Bytes bytes = record;
    bytes.resize(record.size() + padding, 0xff);
    RecordShape shape = {};
    ASSERT_TRUE(ScanRecord(bytes.data(), bytes.data() + bytes.size(), kRecordBytesMax, &shape));
    EXPECT_EQ(shape.bytes, record.size());
    EXPECT_EQ(shape.payload_bytes, key_bytes + data_bytes);
    EXPECT_EQ(shape.key_at, key_at);
    EXPECT_EQ(shape.key_bytes, key_bytes);
  }
}

TEST(RecordScanner, TakesEveryLegalEncodingOfEveryHeader) {
  for (const Width pair : {Width::kFix, Width::k16, Width::k32}) {
    for (const Width key : {Width::kFix, Width::k8, Width::k16, Width::k32}) {
      for (const Width data : {Width::k8, Width::k16, Width::k32}) {
        Bytes record;
        AppendArrayHeader(&record, 2, pair);
        AppendStr(&record, "user-17", key);
        const size_t key_end = record.size();
        AppendBin(&record, Bytes(20, 0xc1), data);
        EXPECT_TRUE(ScanOne(record).ok());
        ExpectShape(record, static_cast<uint32_t>(key_end - 7), 7, 20);
      }
    }
  }
}

TEST(RecordScanner, TakesKeysAndDataOfEveryShortLength) {
  for (uint32_t key_bytes = 1; key_bytes <= 256; ++key_bytes) {
    const uint32_t data_bytes = key_bytes * 3 % 300;
    const Bytes record = MakeRecord(std::string(key_bytes, 'k'), Bytes(data_bytes, 0x80));
    EXPECT_TRUE(ScanOne(record).ok());
    const uint32_t key_at = key_bytes < 32 ? 2 : key_bytes < 256 ? 3 : 4;
    ExpectShape(record, key_at, key_bytes, data_bytes);
  }
}

TEST(RecordScanner, TakesLargeData) {
  for (const uint32_t bytes : {255u, 256u, 65535u, 65536u, kRecordBytesMax - 1}) {
    ExpectShape(MakeRecord("k", Bytes(bytes, 1)), 2, 1, bytes);
  }
}

TEST(RecordScanner, CountsCharactersOfTheKey) {
  for (const char* character : {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x92\xa7"}) {
    std::string key;
    for (int i = 0; i < 256; ++i) {
      key += character;
    }
    EXPECT_TRUE(ScanOne(MakeRecord(key, {1})).ok()) << character;
    ExpectRefused(MakeRecord(key + "a", {1}), Code::kInvalidArgument,
                  "the limit is 256 characters");
  }
  ExpectRefused(MakeRecord(std::string(257, 'a'), {1}), Code::kInvalidArgument, "257 characters");
  // Longer than 256 characters can be: refused without reading them.
  ExpectRefused(MakeRecord(std::string(1025, '\xff'), {}), Code::kInvalidArgument,
                "more than 1024 bytes, the limit is 256 characters");
}

TEST(RecordScanner, RefusesBoundsWithValueBoundAndRemedy) {
  ExpectRefused(MakeRecord("", {1}), Code::kInvalidArgument,
                "record 0: the partition key is empty, it needs 1 to 256 characters");
  ExpectRefused(MakeRecord("abc\xff"
                           "def",
                           {1}),
                Code::kInvalidArgument,
                "record 0: the partition key is not valid UTF-8 at byte 5 (0xff)");
  ExpectRefused(MakeRecord(std::string(300, 'k'), {}), Code::kInvalidArgument, "use a shorter key");
  const Status status = ScanOne(MakeRecord("key", Bytes(98)), 100);
  EXPECT_EQ(status.code(), Code::kRecordTooLarge);
  EXPECT_EQ(status.message().find("record 0: key and data have 101 bytes, the limit of this stream "
                                  "is 100; split the record"),
            0u);
  EXPECT_TRUE(ScanOne(MakeRecord("key", Bytes(97)), 100).ok());
}

TEST(RecordScanner, JudgesTheSizeAtTheDefaultAndTheLargestLimit) {
  for (const uint32_t limit : {1024u * 1024, 10u * 1024 * 1024}) {
    EXPECT_TRUE(ScanOne(MakeRecord("k", Bytes(limit - 1)), limit).ok());
    EXPECT_EQ(ScanOne(MakeRecord("k", Bytes(limit)), limit).code(), Code::kRecordTooLarge);
  }
}

TEST(RecordScanner, RefusesMalformedKeysAtEveryLengthOfKey) {
  for (const char* malformed : {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                                "\xf4\x90\x80\x80", "\xf0\x9f\x92", "\xff"}) {
    for (size_t before = 0; before < 60; ++before) {
      const Bytes record = MakeRecord(std::string(before, 'k') + malformed, Bytes(80, 'd'));
      ExpectRefused(record, Code::kInvalidArgument, "not valid UTF-8");
      // The byte behind a key that is cut short must not complete it.
      const Bytes first = MakeRecord(std::string(before, 'k') + "\xc3", Bytes(80, 0xa9));
      ExpectRefused(first, Code::kInvalidArgument, "not valid UTF-8");
    }
  }
}

TEST(RecordScanner, RefusesAnythingThatIsNotAPair) {
  ExpectRefused(
      {0x91, 0xa1, 'k', 0xc4, 0x00}, Code::kProtocolViolation,
      "byte 0: wanted record 0, an array of 2 (partition key and data), found an array of 1");
  ExpectRefused({0x93, 0xa1, 'k', 0xc4, 0x00}, Code::kProtocolViolation, "found an array of 3");
  ExpectRefused({0xdc, 0x00, 0x01, 0xa1, 'k', 0xc4, 0x00}, Code::kProtocolViolation, "array of 1");
  ExpectRefused({0xdd, 0xff, 0xff, 0xff, 0xff}, Code::kProtocolViolation, "array of 4294967295");
  ExpectRefused({0x82, 0xa1, 'k', 0xc4, 0x00}, Code::kProtocolViolation, "found map of 2");
  ExpectRefused({0xc0, 0xa1, 'k', 0xc4, 0x00}, Code::kProtocolViolation, "found nil");
  ExpectRefused({0x00, 0xa1, 'k', 0xc4, 0x00}, Code::kProtocolViolation, "found the integer 0");
  ExpectRefused({0xff, 0xa1, 'k', 0xc4, 0x00}, Code::kProtocolViolation, "found the integer -1");
}

TEST(RecordScanner, RefusesEveryOtherTypeAsKeyAndAsData) {
  for (int type = 0; type < 256; ++type) {
    const auto byte = static_cast<uint8_t>(type);
    const bool is_str = (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb);
    const bool is_bin = type >= 0xc4 && type <= 0xc6;
    Bytes key = {0x92, byte};
    key.resize(80);
    Bytes data = {0x92, 0xa1, 'k', byte};
    data.resize(80);
    if (!is_str && type != 0xc0) {
      ExpectRefused(key, Code::kProtocolViolation,
                    "byte 1: wanted the partition key (str or nil) of record 0, found ");
    }
    if (!is_bin) {
      ExpectRefused(data, Code::kProtocolViolation,
                    "byte 3: wanted the data (bin) of record 0, found ");
    }
  }
}

TEST(RecordScanner, RefusesHeadersThatPromiseMoreThanThereIs) {
  const std::vector<Bytes> headers = {
      {0x92, 0xbf, 'k', 'k', 'k'},
      {0x92, 0xd9, 0xff, 'k', 'k'},
      {0x92, 0xda, 0xff, 0xff, 'k'},
      {0x92, 0xdb, 0xff, 0xff, 0xff, 0xff, 'k'},
      {0x92, 0xdb, 0x7f, 0xff, 0xff, 0xff, 'k'},
      {0x92, 0xa1, 'k', 0xc4, 0xff},
      {0x92, 0xa1, 'k', 0xc5, 0xff, 0xff, 'd'},
      {0x92, 0xa1, 'k', 0xc6, 0xff, 0xff, 0xff, 0xff},
      {0x92, 0xa1, 'k', 0xc6, 0x80, 0x00, 0x00, 0x00, 'd'},
      {0x92, 0xa1, 'k', 0xc7, 0xff, 0x01},
      {0x92, 0xa1, 'k', 0xc9, 0xff, 0xff, 0xff, 0xff, 0x01},
      {0x92, 0xa1, 'k', 0xdf, 0xff, 0xff, 0xff, 0xff},
  };
  for (const Bytes& header : headers) {
    ExpectRefused(header, Code::kProtocolViolation, "wanted the ");
    // The same within reach of the fast path: enough bytes for it to look, too few for the promise.
    Bytes padded = header;
    padded.resize(150);
    if (header[1] != 0xbf && header[3] != 0xc7) {
      EXPECT_EQ(ScanOne(padded).code(), Code::kProtocolViolation);
    }
  }
}

TEST(RecordScanner, RefusesNesting) {
  Bytes nested(16 * 1024, 0x91);
  ExpectRefused(nested, Code::kProtocolViolation, "found an array of 1");
  nested.assign(16 * 1024, 0x92);
  ExpectRefused(nested, Code::kProtocolViolation, "found array of 2");
  nested.assign(16 * 1024, 0x81);
  ExpectRefused(nested, Code::kProtocolViolation, "found map of 1");
  ExpectRefused({0x92, 0xa1, 'k', 0x91, 0xc4, 0x00}, Code::kProtocolViolation, "found array of 1");
}

TEST(RecordScanner, RefusesEveryTruncation) {
  const std::vector<Bytes> records = {MakeRecord("user-17", Bytes(300, 7)),
                                      MakeRecord(std::string(40, 'k'), Bytes(100, 7)),
                                      MakeRecord("\xe2\x82\xac\xe2\x82\xac", Bytes(10, 7))};
  GuardedBytes guarded(4096);
  for (const Bytes& record : records) {
    for (size_t bytes = 0; bytes < record.size(); ++bytes) {
      const uint8_t* data = guarded.Put(record.data(), bytes);
      const Status status = ScanRecords(data, bytes, ScanLimits(), 1);
      EXPECT_EQ(status.code(), Code::kProtocolViolation) << bytes << ": " << status.message();
    }
  }
}

TEST(PackedBatch, TakesExactlyTheRecordsItAnnounces) {
  std::vector<Bytes> records;
  for (uint32_t i = 0; i < 1000; ++i) {
    records.push_back(MakeRecord("key-" + std::to_string(i), Bytes(i % 300, 'd')));
  }
  const Bytes packed = Concatenate(records);
  uint64_t payload_bytes = 0;
  ASSERT_TRUE(ScanRecords(packed.data(), packed.size(), ScanLimits(), 1000, &payload_bytes).ok());
  uint64_t expected = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    expected += ("key-" + std::to_string(i)).size() + i % 300;
  }
  EXPECT_EQ(payload_bytes, expected);

  Status status = ScanRecords(packed.data(), packed.size(), ScanLimits(), 999);
  EXPECT_EQ(status.code(), Code::kProtocolViolation);
  EXPECT_NE(
      status.message().find("wanted the end of the batch after 999 records, found array of 2"),
      std::string::npos);
  status = ScanRecords(packed.data(), packed.size(), ScanLimits(), 1001);
  EXPECT_EQ(status.code(), Code::kProtocolViolation);
  EXPECT_NE(status.message().find("record 1000"), std::string::npos);
  EXPECT_NE(status.message().find("found the end of the input"), std::string::npos);
}

TEST(RecordScanner, TakesNoKeyUnlessTheLimitsAskForOne) {
  for (const uint32_t data_bytes : {0u, 1u, 100u, 300u, 70'000u}) {
    for (const Width pair : {Width::kFix, Width::k16, Width::k32}) {
      Bytes record;
      AppendArrayHeader(&record, 2, pair);
      record.push_back(0xc0);
      const auto key_at = static_cast<uint32_t>(record.size());
      AppendBin(&record, Bytes(data_bytes, 7), support::BinWidth(data_bytes));
      ExpectShape(record, key_at, 0, data_bytes);
      EXPECT_TRUE(ScanOne(record).ok());
      ScanLimits limits;
      limits.keys_required = true;
      const Status status = ScanRecords(record.data(), record.size(), limits, 1);
      EXPECT_EQ(status.code(), Code::kInvalidArgument);
      EXPECT_EQ(status.message().find("record 0: it has no partition key, and a stream in"), 0u);
    }
  }
  ExpectRefused({0x92, 0xc0, 0xc4, 0x05}, Code::kProtocolViolation, "5 bytes of the data");
  ExpectRefused({0x92, 0xc0, 0xc4, 0x05, 1}, Code::kProtocolViolation, "5 bytes of the data");
  ExpectRefused({0x92, 0xc0, 0xc0, 0x00}, Code::kProtocolViolation, "found nil");
}

TEST(PackedBatch, BoundsTheCountBeforeItTouchesARecord) {
  const Bytes packed = {0x92, 0xc0, 0xc4, 0x00};
  EXPECT_EQ(packed.size(), size_t{kRecordEncodedBytesMin});
  EXPECT_TRUE(ScanRecords(packed.data(), packed.size(), ScanLimits(), 1).ok());
  const Status status = ScanRecords(packed.data(), packed.size(), ScanLimits(), UINT32_MAX);
  EXPECT_EQ(status.code(), Code::kProtocolViolation);
  EXPECT_NE(status.message().find("too few for that many"), std::string::npos);
}

TEST(PackedBatch, RefusesNoRecords) {
  EXPECT_EQ(ScanRecords(nullptr, 0, ScanLimits(), 0).code(), Code::kInvalidArgument);
  EXPECT_EQ(ScanRecords(nullptr, 0, ScanLimits(), 1).code(), Code::kProtocolViolation);
}

TEST(PackedBatch, RefusesATotalAboveTheLimit) {
  const Bytes packed = Concatenate(
      {MakeRecord("a", Bytes(9)), MakeRecord("b", Bytes(9)), MakeRecord("c", Bytes(9))});
  ScanLimits limits;
  limits.total_bytes_max = 30;
  EXPECT_TRUE(ScanRecords(packed.data(), packed.size(), limits, 3).ok());
  limits.total_bytes_max = 29;
  const Status status = ScanRecords(packed.data(), packed.size(), limits, 3);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(
      status.message().find("record 2: keys and data add up to 30 bytes with it, the limit of "
                            "a request is 29; send fewer"),
      0u);
}

TEST(PackedBatch, NamesTheRecordThatItRefuses) {
  const Bytes packed =
      Concatenate({MakeRecord("a", Bytes(90)), MakeRecord("", Bytes(90)), MakeRecord("c", {})});
  const Status status = ScanRecords(packed.data(), packed.size(), ScanLimits(), 3);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message().find("record 1: the partition key is empty"), 0u);
}

TEST(PackedBatch, AgreesWithTheReference) {
  SeededRandom random;
  GuardedBytes guarded(256 * 1024);
  const uint64_t count = TestCount(20'000);
  uint64_t accepted = 0;
  for (uint64_t i = 0; i < count; ++i) {
    ScanLimits limits;
    limits.record_bytes_max = random.OneIn(2) ? kRecordBytesMax : 1 + random.Below(100);
    limits.total_bytes_max = random.OneIn(2) ? kRecordBytesMax : 1 + random.Below(800);
    Bytes packed;
    uint32_t announced = random.OneIn(10) ? random.Below(30) : 0;
    for (uint32_t left = 1 + random.Below(12); left > 0; --left, ++announced) {
      AppendBytes(&packed, RandomRecord(&random));
    }
    for (uint32_t damages = random.Below(3); damages > 0; --damages) {
      Damage(&random, &packed);
    }
    const Status status = ScanRecords(guarded.Put(packed), packed.size(), limits, announced);
    ASSERT_EQ(status.code(), ReferenceScanRecords(packed, limits, announced))
        << status.message() << ", seed " << random.seed() << ", case " << i;
    accepted += status.ok() ? 1 : 0;
  }
  EXPECT_TRUE(count < 1000 || (accepted > count / 20 && accepted < count));
}

}  // namespace
}  // namespace millrace::ingest
