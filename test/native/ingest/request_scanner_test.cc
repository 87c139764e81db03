#include "native/ingest/request_scanner.h"

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
using support::AppendBig;
using support::AppendBin;
using support::Bytes;
using support::Concatenate;
using support::Damage;
using support::GuardedBytes;
using support::HashKeyArray;
using support::kNilByte;
using support::kNoProducer;
using support::MakeRecord;
using support::MakeRequest;
using support::RandomRequest;
using support::RecordArray;
using support::ReferenceRecord;
using support::ReferenceRequest;
using support::ReferenceScan;
using support::SeededRandom;
using support::TestCount;
using support::Width;

constexpr uint32_t kRecordsMax = 500;

class RequestScanner : public testing::Test {
 protected:
  RequestScanner() : guarded_(64 * 1024), request_(ScannedRequest::Create(kRecordsMax)) {}

  Status Scan(const Bytes& body, const ScanLimits& limits = ScanLimits()) {
    return request_->Scan(guarded_.Put(body), body.size(), limits);
  }

  void ExpectRefused(const Bytes& body, Code code, const std::string& text) {
    const Status status = Scan(body);
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find(text), std::string::npos)
        << status.message() << " lacks " << text;
    EXPECT_EQ(request_->record_count(), 0u);
    EXPECT_FALSE(request_->has_explicit_hash_keys());
  }

  GuardedBytes guarded_;
  std::unique_ptr<ScannedRequest> request_;
};

const Bytes kHashKey(16, 0x5a);

std::vector<Bytes> ThreeRecords() {
  return {MakeRecord("a", {1, 2, 3}), MakeRecord("\xe2\x82\xac", Bytes(300, 4)),
          MakeRecord("c", {})};
}

// A request that uses every field.
Bytes FullRequest() {
  Bytes producer = {0xcf};
  AppendBig(&producer, 0x0123456789abcdef, 8);
  producer.push_back(0xce);
  AppendBig(&producer, 7, 4);
  return Concatenate(
      {RecordArray(ThreeRecords()), HashKeyArray({kHashKey, std::nullopt, kHashKey}), producer});
}

TEST_F(RequestScanner, ReportsWhereEverythingIs) {
  const Bytes body = FullRequest();
  ASSERT_TRUE(Scan(body).ok());
  ASSERT_EQ(request_->record_count(), 3u);
  EXPECT_EQ(request_->payload_bytes(), 1u + 3 + 3 + 300 + 1);
  EXPECT_EQ(request_->producer_id(), 0x0123456789abcdefu);
  EXPECT_EQ(request_->producer_sequence(), 7u);
  const std::vector<Bytes> records = ThreeRecords();
  uint32_t offset = 1;
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(request_->record(i).offset, offset);
    ASSERT_EQ(request_->record(i).shape.bytes, records[i].size());
    EXPECT_EQ(Bytes(request_->record_data(i), request_->record_data(i) + records[i].size()),
              records[i]);
    offset += request_->record(i).shape.bytes;
  }
  EXPECT_EQ(request_->record(1).shape.key_bytes, 3u);
  EXPECT_EQ(std::string(request_->key(1), request_->key(1) + 3), "\xe2\x82\xac");
  ASSERT_TRUE(request_->has_explicit_hash_keys());
  EXPECT_EQ(request_->explicit_hash_key(1), nullptr);
  ASSERT_NE(request_->explicit_hash_key(2), nullptr);
  EXPECT_EQ(Bytes(request_->explicit_hash_key(2), request_->explicit_hash_key(2) + 16), kHashKey);
}

TEST_F(RequestScanner, StartsAfreshWithEveryScan) {
  ASSERT_TRUE(Scan(FullRequest()).ok());
  ASSERT_TRUE(Scan(MakeRequest({MakeRecord("k", {})})).ok());
  EXPECT_EQ(request_->record_count(), 1u);
  EXPECT_FALSE(request_->has_explicit_hash_keys());
  EXPECT_EQ(request_->explicit_hash_key(0), nullptr);
  EXPECT_EQ(request_->producer_id(), 0u);
  EXPECT_EQ(request_->producer_sequence(), 0u);
  EXPECT_EQ(request_->payload_bytes(), 1u);
}

TEST_F(RequestScanner, TakesEveryLegalArrayHeaderOfRecords) {
  const Bytes record = MakeRecord("k", {1});
  for (const Width width : {Width::kFix, Width::k16, Width::k32}) {
    Bytes body;
    AppendArrayHeader(&body, 2, width);
    body = Concatenate({body, record, record, kNilByte, kNoProducer});
    ASSERT_TRUE(Scan(body).ok());
    EXPECT_EQ(request_->record_count(), 2u);
  }
}

TEST_F(RequestScanner, TakesEveryLegalEncodingOfHashKeys) {
  for (const Width array : {Width::kFix, Width::k16, Width::k32}) {
    for (const Width bin : {Width::k8, Width::k16, Width::k32}) {
      Bytes keys;
      AppendArrayHeader(&keys, 1, array);
      AppendBin(&keys, kHashKey, bin);
      ASSERT_TRUE(Scan(Concatenate({RecordArray({MakeRecord("k", {})}), keys, kNoProducer})).ok());
      ASSERT_NE(request_->explicit_hash_key(0), nullptr);
      EXPECT_EQ(*request_->explicit_hash_key(0), 0x5a);
    }
  }
}

struct Integer {
  Bytes bytes;
  uint64_t value;
};

TEST_F(RequestScanner, TakesEveryLegalEncodingOfIntegers) {
  const std::vector<Integer> integers = {
      {{0x00}, 0},
      {{0x7f}, 127},
      {{0xcc, 0x05}, 5},
      {{0xcc, 0xff}, 255},
      {{0xcd, 0x00, 0x05}, 5},
      {{0xcd, 0xff, 0xff}, 65535},
      {{0xce, 0xff, 0xff, 0xff, 0xff}, UINT32_MAX},
      {{0xcf, 0, 0, 0, 0, 0, 0, 0, 9}, 9},
      {{0xcf, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, UINT32_MAX},
      {{0xd0, 0x7f}, 127},
      {{0xd1, 0x7f, 0xff}, 32767},
      {{0xd2, 0x7f, 0xff, 0xff, 0xff}, 0x7fffffff},
      {{0xd3, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, UINT32_MAX},
  };
  const Bytes records = RecordArray({MakeRecord("k", {})});
  for (const Integer& integer : integers) {
    ASSERT_TRUE(Scan(Concatenate({records, kNilByte, integer.bytes, integer.bytes})).ok());
    EXPECT_EQ(request_->producer_id(), integer.value);
    EXPECT_EQ(request_->producer_sequence(), integer.value);
  }
  const Bytes largest = {0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  ASSERT_TRUE(Scan(Concatenate({records, kNilByte, largest, {0x00}})).ok());
  EXPECT_EQ(request_->producer_id(), UINT64_MAX);
}

TEST_F(RequestScanner, RefusesOtherThingsWhereAnIntegerIsWanted) {
  const Bytes records = RecordArray({MakeRecord("k", {})});
  const std::vector<Bytes> others = {
      {0xff},  // -1
      {0xe0},
      {0xd0, 0x80},
      {0xd1, 0xff, 0xff},
      {0xd2, 0x80, 0, 0, 0},
      {0xd3, 0xff, 0, 0, 0, 0, 0, 0, 0},
      {0xca, 0, 0, 0, 0},
      {0xcb, 0x41, 0xf0, 0, 0, 0, 0, 0, 0},  // 2^32 as JavaScript encoders write it
      {0xc0},
      {0xc2},
      {0xc3},
      {0xc1},
      {0xa1, '1'},
      {0xc4, 0x01, 1},
      {0x91, 1},
      {0x81, 1, 1},
      {0xd6, 0xff, 0, 0, 0, 0},
      {0xc7, 0x01, 0x01, 0x01},
  };
  for (const Bytes& other : others) {
    ExpectRefused(Concatenate({records, kNilByte, other, {0x00}}), Code::kProtocolViolation,
                  "byte 7: wanted the producer id (an integer, not negative");
    ExpectRefused(Concatenate({records, kNilByte, {0x00}, other}), Code::kProtocolViolation,
                  "byte 8: wanted the producer sequence (an integer, not negative");
  }
}

TEST_F(RequestScanner, RefusesAProducerSequenceAbove32Bits) {
  const Bytes records = RecordArray({MakeRecord("k", {})});
  const Bytes sequence = {0xcf, 0, 0, 0, 1, 0, 0, 0, 0};
  ExpectRefused(Concatenate({records, kNilByte, {0x01}, sequence}), Code::kInvalidArgument,
                "the producer sequence is 4294967296, the limit is 4294967295; take a new");
}

TEST_F(RequestScanner, TakesOneToFiveHundredRecords) {
  for (const uint32_t count : {1u, 15u, 16u, 499u, 500u}) {
    ASSERT_TRUE(Scan(MakeRequest(std::vector<Bytes>(count, MakeRecord("k", {})))).ok());
    EXPECT_EQ(request_->record_count(), count);
  }
  ExpectRefused(MakeRequest(std::vector<Bytes>(501, MakeRecord("k", {}))), Code::kInvalidArgument,
                "a request with 501 records, the limit is 500; send several requests");
  ExpectRefused(MakeRequest(std::vector<Bytes>{}), Code::kInvalidArgument,
                "a request with 0 records; it needs 1 to 500");
}

TEST_F(RequestScanner, BoundsTheCountByTheBytesBeforeItTouchesARecord) {
  ExpectRefused({0xdd, 0xff, 0xff, 0xff, 0xff}, Code::kProtocolViolation,
                "byte 0: wanted 4294967295 records, found 0 bytes behind the header, too few");
  ExpectRefused({0xdd, 0x7f, 0xff, 0xff, 0xff}, Code::kProtocolViolation, "too few for that many");
  ExpectRefused({0xdc, 0xff, 0xff}, Code::kProtocolViolation, "too few for that many");
  ExpectRefused({0x9f}, Code::kProtocolViolation, "too few for that many");
  Bytes bomb = {0xdd, 0x00, 0x01, 0x00, 0x00};
  bomb.resize(60'000, 0x90);
  ExpectRefused(bomb, Code::kProtocolViolation, "too few for that many");
}

TEST_F(RequestScanner, RefusesOtherThingsWhereTheRecordsAreWanted) {
  const std::vector<Bytes> others = {{0xc0},
                                     {0x01},
                                     {0xa1, 'k'},
                                     {0xc4, 0x01, 1},
                                     {0xc1},
                                     {0x81, 1, 1},
                                     {0xdf, 0xff, 0xff, 0xff, 0xff},
                                     {0xc9, 0xff, 0xff, 0xff, 0xff, 1}};
  for (const Bytes& other : others) {
    ExpectRefused(other, Code::kProtocolViolation, "byte 0: wanted the array of records, found ");
  }
  ExpectRefused({}, Code::kProtocolViolation, "found the end of the input");
}

TEST_F(RequestScanner, RefusesNesting) {
  for (const uint8_t opener : Bytes{0x91, 0x92, 0x9f}) {
    EXPECT_EQ(Scan(Bytes(60'000, opener)).code(), Code::kProtocolViolation);
    EXPECT_EQ(Scan(Concatenate({RecordArray({MakeRecord("k", {})}), Bytes(60'000, opener)})).code(),
              Code::kProtocolViolation);
  }
  Bytes bombs;
  while (bombs.size() < 50'000) {
    bombs.insert(bombs.end(), {0xdd, 0x00, 0x00, 0x00, 0x02});
  }
  EXPECT_EQ(Scan(bombs).code(), Code::kProtocolViolation);
}

TEST_F(RequestScanner, RefusesWrongHashKeys) {
  const Bytes records = RecordArray(ThreeRecords());
  const std::string wanted = "wanted the explicit hash keys (nil or an array of 3), found ";
  const auto with = [&](const Bytes& keys) { return Concatenate({records, keys, kNoProducer}); };
  ExpectRefused(with(HashKeyArray({kHashKey, kHashKey})), Code::kProtocolViolation,
                wanted + "array of 2");
  ExpectRefused(with(HashKeyArray({kHashKey, kHashKey, kHashKey, kHashKey})),
                Code::kProtocolViolation, wanted + "array of 4");
  ExpectRefused(with({0xdd, 0xff, 0xff, 0xff, 0xff}), Code::kProtocolViolation,
                wanted + "array of 4294967295");
  ExpectRefused(with({0x80}), Code::kProtocolViolation, wanted + "map of 0");
  ExpectRefused(with({0x00}), Code::kProtocolViolation, wanted + "the integer 0");
  ExpectRefused(with({0xc4, 0x00}), Code::kProtocolViolation, wanted + "bin of 0 bytes");
  for (const size_t bytes : {size_t{0}, size_t{15}, size_t{17}}) {
    ExpectRefused(
        with(HashKeyArray({std::nullopt, Bytes(bytes), std::nullopt})), Code::kProtocolViolation,
        "wanted the explicit hash key (nil or a bin of 16 bytes) of record 1, found bin of " +
            std::to_string(bytes));
  }
  ExpectRefused(with({0x93, 0xc0, 0xc0, 0xb0}), Code::kProtocolViolation,
                "of record 2, found str of 16 bytes");
  ExpectRefused(with({0x93, 0x91, 0xc0, 0xc0}), Code::kProtocolViolation,
                "of record 0, found array of 1");
  ExpectRefused(with({0x93, 0xc6, 0xff, 0xff, 0xff, 0xff}), Code::kProtocolViolation,
                "found bin of 4294967295 bytes");
}

TEST_F(RequestScanner, RefusesTrailingBytes) {
  for (const uint8_t trailing : Bytes{0x00, 0xc0, 0x90, 0xff}) {
    Bytes body = FullRequest();
    const size_t end = body.size();
    body.push_back(trailing);
    ExpectRefused(body, Code::kProtocolViolation,
                  "byte " + std::to_string(end) + ": wanted the end of the request, found ");
  }
}

TEST_F(RequestScanner, RefusesEveryTruncation) {
  const Bytes many = MakeRequest(std::vector<Bytes>(20, MakeRecord("user-17", Bytes(30, 1))));
  for (const Bytes& body : {FullRequest(), many}) {
    for (size_t bytes = 0; bytes < body.size(); ++bytes) {
      ExpectRefused(Bytes(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(bytes)),
                    Code::kProtocolViolation, "byte ");
    }
    EXPECT_TRUE(Scan(body).ok());
  }
}

TEST_F(RequestScanner, RefusesTheWholeRequestForOneRecord) {
  std::vector<Bytes> records(500, MakeRecord("user-17", Bytes(40, 1)));
  records[499] = MakeRecord(std::string(257, 'k'), {});
  ExpectRefused(MakeRequest(records), Code::kInvalidArgument,
                "record 499: the partition key has 257 characters");
  records[499] = MakeRecord("\xed\xa0\x80", {});
  ExpectRefused(MakeRequest(records), Code::kInvalidArgument,
                "record 499: the partition key is not");
  records[499] = Bytes{0x92, 0xc4, 0x00, 0xc4, 0x00};
  ExpectRefused(MakeRequest(records), Code::kProtocolViolation,
                "partition key (str or nil) of record 499");
}

TEST_F(RequestScanner, AppliesTheGivenLimits) {
  ScanLimits limits;
  limits.record_bytes_max = 10;
  limits.total_bytes_max = 25;
  limits.records_max = 3;
  const Bytes record = MakeRecord("k", Bytes(7));
  EXPECT_TRUE(Scan(MakeRequest({record, record, record}), limits).ok());
  EXPECT_EQ(Scan(MakeRequest({record, record, record, record}), limits).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(Scan(MakeRequest({MakeRecord("k", Bytes(10))}), limits).code(), Code::kRecordTooLarge);
  const Status status = Scan(MakeRequest({record, record, MakeRecord("k", Bytes(9))}), limits);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message().find("record 2: keys and data add up to 26 bytes"), 0u);
}

TEST_F(RequestScanner, TakesTenMebibytesAndNotOneByteMore) {
  ScanLimits limits;
  limits.record_bytes_max = 10 * 1024 * 1024;
  Bytes body = MakeRequest({MakeRecord("k", Bytes(10 * 1024 * 1024 - 1))});
  EXPECT_TRUE(request_->Scan(body.data(), body.size(), limits).ok());
  body = MakeRequest(std::vector<Bytes>(10, MakeRecord("k", Bytes(1024 * 1024 - 1))));
  EXPECT_TRUE(request_->Scan(body.data(), body.size(), ScanLimits()).ok());
  EXPECT_EQ(request_->payload_bytes(), 10u * 1024 * 1024);
  body = MakeRequest(
      {MakeRecord("k", Bytes(9 * 1024 * 1024)), MakeRecord("k", Bytes(1024 * 1024 - 1))});
  EXPECT_EQ(request_->Scan(body.data(), body.size(), limits).code(), Code::kInvalidArgument);
}

// What the scan reported about an accepted request is what the reference found in it.
void ExpectSame(const ScannedRequest& scanned, const ReferenceRequest& reference) {
  ASSERT_EQ(scanned.record_count(), reference.records.size());
  EXPECT_EQ(scanned.producer_id(), reference.producer_id);
  EXPECT_EQ(scanned.producer_sequence(), reference.producer_sequence);
  uint64_t payload_bytes = 0;
  for (uint32_t i = 0; i < scanned.record_count(); ++i) {
    const ReferenceRecord& expected = reference.records[i];
    const RecordShape& shape = scanned.record(i).shape;
    const uint8_t* data = scanned.record_data(i);
    ASSERT_EQ(Bytes(data, data + shape.bytes), expected.encoded);
    ASSERT_EQ(Bytes(scanned.key(i), scanned.key(i) + shape.key_bytes), expected.key);
    ASSERT_EQ(shape.payload_bytes, expected.key.size() + expected.data.size());
    payload_bytes += shape.payload_bytes;
    const uint8_t* hash_key = scanned.explicit_hash_key(i);
    ASSERT_EQ(hash_key == nullptr ? Bytes() : Bytes(hash_key, hash_key + 16),
              expected.explicit_hash_key);
  }
  EXPECT_EQ(scanned.payload_bytes(), payload_bytes);
}

TEST_F(RequestScanner, AgreesWithTheReference) {
  SeededRandom random;
  const uint64_t count = TestCount(20'000);
  uint64_t accepted = 0;
  for (uint64_t i = 0; i < count; ++i) {
    ScanLimits limits;
    limits.record_bytes_max = random.OneIn(3) ? 1 + random.Below(400) : limits.record_bytes_max;
    limits.total_bytes_max = random.OneIn(3) ? 1 + random.Below(4000) : limits.total_bytes_max;
    limits.records_max = random.OneIn(3) ? 1 + random.Below(20) : kRecordsMax;
    Bytes body = RandomRequest(&random);
    for (uint32_t damages = random.Below(3); damages > 0; --damages) {
      Damage(&random, &body);
    }
    const ReferenceRequest reference = ReferenceScan(body, limits);
    const Status status = Scan(body, limits);
    ASSERT_EQ(status.code(), reference.code)
        << status.message() << ", seed " << random.seed() << ", case " << i;
    if (status.ok()) {
      ASSERT_NO_FATAL_FAILURE(ExpectSame(*request_, reference)) << "seed " << random.seed();
      ++accepted;
    }
  }
  EXPECT_TRUE(count < 1000 || (accepted > count / 20 && accepted < count));
}

}  // namespace
}  // namespace millrace::ingest
