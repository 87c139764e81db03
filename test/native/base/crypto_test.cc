// What comes out of the library, compared with vectors that others have published: AES-256-GCM of
// the submission to NIST (test cases 13 to 16), HKDF-SHA256 of RFC 5869.
#include "native/base/crypto.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes FromHex(const std::string& text) {
  Bytes bytes;
  for (size_t at = 0; at < text.size(); at += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

ByteSpan SpanOf(const Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

struct GcmVector {
  const char* key;
  const char* nonce;
  const char* associated;
  const char* plain;
  const char* sealed;
  const char* tag;
};

constexpr const char* kZeroKey = "0000000000000000000000000000000000000000000000000000000000000000";
constexpr const char* kKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
constexpr const char* kPlain =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
constexpr const char* kSealed =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662";

const GcmVector kVectors[] = {
    {kZeroKey, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {kZeroKey, "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {kKey, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", kPlain, kSealed,
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

TEST(CryptoTest, SealsAsPublished) {
  ASSERT_NE(SystemCrypto(), nullptr);
  for (const GcmVector& vector : kVectors) {
    const std::unique_ptr<Aead> aead = SystemCrypto()->MakeAead(FromHex(vector.key).data());
    const Bytes plain = FromHex(vector.plain);
    const Bytes associated = FromHex(vector.associated);
    Bytes sealed(plain.size() + 1);
    Bytes tag(kAeadTagBytes);
    // In two pieces, of which one may be empty.
    const size_t cut = plain.size() / 3;
    const ByteSpan pieces[] = {{plain.data(), cut}, {plain.data() + cut, plain.size() - cut}};
    ASSERT_EQ(aead->Seal(FromHex(vector.nonce).data(), SpanOf(associated), pieces, 2, sealed.data(),
                         tag.data()),
              AeadVerdict::kOk);
    sealed.pop_back();
    EXPECT_EQ(sealed, FromHex(vector.sealed));
    EXPECT_EQ(tag, FromHex(vector.tag));
  }
}

TEST(CryptoTest, OpensWhatWasSealedAndNothingElse) {
  for (const GcmVector& vector : kVectors) {
    const std::unique_ptr<Aead> aead = SystemCrypto()->MakeAead(FromHex(vector.key).data());
    const Bytes nonce = FromHex(vector.nonce);
    const Bytes associated = FromHex(vector.associated);
    const Bytes sealed = FromHex(vector.sealed);
    const Bytes tag = FromHex(vector.tag);
    Bytes plain(sealed.size() + 1);
    ASSERT_EQ(
        aead->Open(nonce.data(), SpanOf(associated), SpanOf(sealed), tag.data(), plain.data()),
        AeadVerdict::kOk);
    plain.pop_back();
    EXPECT_EQ(plain, FromHex(vector.plain));
    plain.push_back(0);
    for (const Bytes* changed : {&nonce, &associated, &sealed, &tag}) {
      for (size_t at = 0; at < changed->size(); ++at) {
        const_cast<Bytes*>(changed)->at(at) ^= 0x10;
        EXPECT_EQ(
            aead->Open(nonce.data(), SpanOf(associated), SpanOf(sealed), tag.data(), plain.data()),
            AeadVerdict::kForged);
        const_cast<Bytes*>(changed)->at(at) ^= 0x10;
      }
    }
  }
}

TEST(CryptoTest, DerivesAsPublished) {
  const Bytes key(22, 0x0b);
  Bytes derived(42);
  const Bytes salt = FromHex("000102030405060708090a0b0c");
  const Bytes info = FromHex("f0f1f2f3f4f5f6f7f8f9");
  ASSERT_TRUE(SystemCrypto()->Derive(SpanOf(key), SpanOf(salt), SpanOf(info), derived.data(),
                                     derived.size()));
  EXPECT_EQ(derived, FromHex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                             "34007208d5b887185865"));
  ASSERT_TRUE(SystemCrypto()->Derive(SpanOf(key), {nullptr, 0}, {nullptr, 0}, derived.data(),
                                     derived.size()));
  EXPECT_EQ(derived, FromHex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                             "9d201395faa4b61a96c8"));
}

TEST(CryptoTest, SealsAndOpensOnSeveralThreadsAtOnce) {
  const std::unique_ptr<Aead> aead = SystemCrypto()->MakeAead(FromHex(kKey).data());
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (uint8_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&aead, &failed, thread] {
      for (uint8_t round = 0; round < 200; ++round) {
        Bytes nonce(kAeadNonceBytes, thread);
        nonce[0] = round;
        const Bytes plain(100 + round, thread);
        Bytes sealed(plain.size());
        Bytes opened(plain.size());
        Bytes tag(kAeadTagBytes);
        const ByteSpan piece = SpanOf(plain);
        const bool good = aead->Seal(nonce.data(), SpanOf(nonce), &piece, 1, sealed.data(),
                                     tag.data()) == AeadVerdict::kOk &&
                          aead->Open(nonce.data(), SpanOf(nonce), SpanOf(sealed), tag.data(),
                                     opened.data()) == AeadVerdict::kOk &&
                          opened == plain;
        failed += good ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace millrace::base
