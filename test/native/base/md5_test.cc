#include "native/base/md5.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::base {

namespace {

// MILLRACE_TEST_COUNT sets how many random batches are tried; MILLRACE_TEST_SEED repeats a run.
uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

uint64_t Seed() {
  static const uint64_t seed = FromEnvironment("MILLRACE_TEST_SEED", std::random_device()());
  return seed;
}

std::string Replay() {
  return "replay: MILLRACE_TEST_SEED=" + std::to_string(Seed());
}

std::vector<uint8_t> RandomBytes(std::mt19937_64& random, size_t bytes) {
  std::vector<uint8_t> data(bytes);
  for (uint8_t& byte : data) {
    byte = static_cast<uint8_t>(random());
  }
  return data;
}

std::string Hex(const uint8_t* digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < sizeof(Digest); i++) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

uint32_t RotateLeft(uint32_t value, uint32_t bits) {
  return (value << bits) | (value >> (32 - bits));
}

void ReferenceBlock(uint32_t* state, const uint8_t* block) {
  static constexpr uint32_t kBits[4][4] = {
      {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  uint32_t a = state[0];
  uint32_t b = state[1];
  uint32_t c = state[2];
  uint32_t d = state[3];
  for (uint32_t step = 0; step < 64; step++) {
    const uint32_t round = step / 16;
    const uint32_t mixed = round == 0   ? (b & c) | (~b & d)
                           : round == 1 ? (d & b) | (~d & c)
                           : round == 2 ? b ^ c ^ d
                                        : c ^ (b | ~d);
    const uint32_t place = round == 0   ? step
                           : round == 1 ? 5 * step + 1
                           : round == 2 ? 3 * step + 5
                                        : 7 * step;
    uint32_t word;
    std::memcpy(&word, block + place % 16 * 4, 4);
    const uint32_t sine = static_cast<uint32_t>(
        static_cast<uint64_t>(std::fabs(std::sin(step + 1.0)) * 4294967296.0));
    const uint32_t next = b + RotateLeft(a + mixed + sine + word, kBits[round][step % 4]);
    a = d;
    d = c;
    c = b;
    b = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

// RFC 1321 word by word, sharing nothing with the kernels: the sines are computed.
std::string ReferenceHex(const uint8_t* data, size_t bytes) {
  std::vector<uint8_t> padded(data, data + bytes);
  padded.push_back(0x80);
  while (padded.size() % 64 != 56) {
    padded.push_back(0);
  }
  for (int i = 0; i < 8; i++) {
    padded.push_back(static_cast<uint8_t>((uint64_t{bytes} * 8) >> (8 * i)));
  }
  uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  for (size_t at = 0; at < padded.size(); at += 64) {
    ReferenceBlock(state, padded.data() + at);
  }
  uint8_t digest[16];
  std::memcpy(digest, state, sizeof digest);
  return Hex(digest);
}

std::string Md5Hex(const uint8_t* data, size_t bytes) {
  uint8_t digest[16];
  Md5(data, bytes, digest);
  return Hex(digest);
}

std::vector<Md5Kernel> AvailableKernels() {
  std::vector<Md5Kernel> kernels;
  for (const Md5Kernel& kernel : Md5Kernels()) {
    if (kernel.available) {
      kernels.push_back(kernel);
    }
  }
  return kernels;
}

struct Vector {
  std::string text;
  const char* digest;
};

const Vector kRfc1321Vectors[] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e"},
    {"a", "0cc175b9c0f1b6a831c399e269772661"},
    {"abc", "900150983cd24fb0d6963f7d28e17f72"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
    {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
     "d174ab98d277d9f5a5611c2c9f419d9f"},
    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
     "57edf4a22be3c955ac49da2e2107b67a"},
};

// Keys, each a heap block of exactly its size, so that the address sanitizer sees a read past its
// end.
class Batch {
 public:
  void Add(std::vector<uint8_t> key) {
    expected_.push_back(ReferenceHex(key.data(), key.size()));
    keys_.push_back(std::move(key));
    inputs_.push_back({keys_.back().data(), static_cast<uint32_t>(keys_.back().size())});
  }

  // The digests of the batch, and nothing written beyond them.
  void Expect(const Md5Kernel& kernel) const {
    std::vector<Digest> digests(inputs_.size() + 1);
    std::memset(digests.back().bytes, 0xa5, sizeof(Digest));
    kernel.function(inputs_.data(), inputs_.size(), digests.data());
    for (size_t i = 0; i < inputs_.size(); i++) {
      ASSERT_EQ(Hex(digests[i].bytes), expected_[i])
          << kernel.name << ", key " << i << " of " << inputs_.size() << ", " << inputs_[i].bytes
          << " bytes";
    }
    ASSERT_EQ(Hex(digests.back().bytes), "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5") << kernel.name;
  }

 private:
  std::vector<std::vector<uint8_t>> keys_;
  std::vector<Md5Input> inputs_;
  std::vector<std::string> expected_;
};

TEST(Md5, HasAKernelForThisProcessor) {
  ASSERT_FALSE(AvailableKernels().empty());
  EXPECT_STREQ(AvailableKernels().back().name, "portable");
  for (const Md5Kernel& kernel : AvailableKernels()) {
    EXPECT_NE(kernel.function, nullptr) << kernel.name;
  }
}

TEST(Md5, MatchesTheVectorsOfRfc1321) {
  Batch batch;
  for (const Vector& vector : kRfc1321Vectors) {
    const std::vector<uint8_t> bytes(vector.text.begin(), vector.text.end());
    EXPECT_EQ(Md5Hex(bytes.data(), bytes.size()), vector.digest) << vector.text;
    EXPECT_EQ(ReferenceHex(bytes.data(), bytes.size()), vector.digest) << vector.text;
    batch.Add(bytes);
  }
  for (const Md5Kernel& kernel : AvailableKernels()) {
    batch.Expect(kernel);
  }
}

TEST(Md5, MatchesTheReferenceAtEveryLength) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed());
  for (size_t bytes = 0; bytes <= 200; bytes++) {
    const std::vector<uint8_t> data = RandomBytes(random, bytes);
    ASSERT_EQ(Md5Hex(data.data(), bytes), ReferenceHex(data.data(), bytes)) << bytes << " bytes";
  }
}

TEST(Md5, BatchesOfEverySizeMatchTheReference) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 1);
  for (size_t count = 0; count <= 40; count++) {
    for (const uint64_t bytes_max : {uint64_t{16}, uint64_t{kMd5OneBlockBytes}, uint64_t{200}}) {
      Batch batch;
      for (size_t i = 0; i < count; i++) {
        batch.Add(RandomBytes(random, random() % (bytes_max + 1)));
      }
      for (const Md5Kernel& kernel : AvailableKernels()) {
        batch.Expect(kernel);
      }
    }
  }
}

TEST(Md5, EveryKeyLengthInEveryLane) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 2);
  for (size_t shift = 0; shift < 16; shift++) {
    Batch batch;
    for (size_t i = 0; i < shift; i++) {
      batch.Add(RandomBytes(random, 5));
    }
    for (size_t bytes = 0; bytes <= kMd5OneBlockBytes + 10; bytes++) {
      batch.Add(RandomBytes(random, bytes));
    }
    for (const Md5Kernel& kernel : AvailableKernels()) {
      batch.Expect(kernel);
    }
  }
}

TEST(Md5, RandomBatchesMatchTheReference) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 3);
  const uint64_t count = FromEnvironment("MILLRACE_TEST_COUNT", 300);
  for (uint64_t i = 0; i < count; i++) {
    Batch batch;
    const size_t keys = 1 + random() % 40;
    for (size_t key = 0; key < keys; key++) {
      batch.Add(RandomBytes(random, random() % 8 == 0 ? random() % 300 : random() % 40));
    }
    for (const Md5Kernel& kernel : AvailableKernels()) {
      batch.Expect(kernel);
    }
  }
}

TEST(Md5, TheChosenKernelHashesBatches) {
  const std::string text = "message digest";
  const Md5Input inputs[3] = {{reinterpret_cast<const uint8_t*>(text.data()), 14},
                              {nullptr, 0},
                              {reinterpret_cast<const uint8_t*>(text.data()), 1}};
  Digest digests[3];
  Md5Batch(inputs, 3, digests);
  EXPECT_EQ(Hex(digests[0].bytes), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(Hex(digests[1].bytes), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Hex(digests[2].bytes), "6f8f57715090da2632453988d9a1501b");
}

// A readable page with an inaccessible one on either side: a read outside it ends the process.
class GuardedPage {
 public:
  GuardedPage() : page_bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    map_ = static_cast<uint8_t*>(
        mmap(nullptr, 3 * page_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(map_ + page_bytes_, page_bytes_, PROT_READ | PROT_WRITE);
  }

  GuardedPage(const GuardedPage&) = delete;
  GuardedPage& operator=(const GuardedPage&) = delete;

  ~GuardedPage() { munmap(map_, 3 * page_bytes_); }

  uint8_t* start() { return map_ + page_bytes_; }

  uint8_t* end() { return map_ + 2 * page_bytes_; }

 private:
  size_t page_bytes_;
  uint8_t* map_;
};

TEST(Md5, ReadsNothingOutsideAKey) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 4);
  GuardedPage page;
  for (uint8_t* at = page.start(); at < page.end(); at++) {
    *at = static_cast<uint8_t>(random());
  }
  for (const Md5Kernel& kernel : AvailableKernels()) {
    for (uint32_t bytes = 0; bytes <= 130; bytes++) {
      std::vector<Md5Input> inputs;
      for (size_t i = 0; i < 16; i++) {
        inputs.push_back({i % 2 == 0 ? page.end() - bytes : page.start(), bytes});
      }
      Digest digests[16];
      kernel.function(inputs.data(), inputs.size(), digests);
      for (size_t i = 0; i < inputs.size(); i++) {
        ASSERT_EQ(Hex(digests[i].bytes), ReferenceHex(inputs[i].data, bytes))
            << kernel.name << ", lane " << i << ", " << bytes << " bytes";
      }
    }
  }
}

}  // namespace

}  // namespace millrace::base
