#include "native/base/crc32c.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::base {

namespace {

constexpr size_t kAlignments = 16;
constexpr size_t kEveryLengthMax = 1100;

// MILLRACE_TEST_COUNT sets how many random buffers are tried; MILLRACE_TEST_SEED repeats a run.
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

// The definition, bit by bit, sharing nothing with the kernels.
uint32_t Reference(const uint8_t* data, size_t bytes) {
  uint32_t state = 0xffffffff;
  for (size_t i = 0; i < bytes; i++) {
    state ^= data[i];
    for (int bit = 0; bit < 8; bit++) {
      state = (state & 1) != 0 ? (state >> 1) ^ 0x82f63b78 : state >> 1;
    }
  }
  return ~state;
}

// reference[n] is the CRC of the first n bytes.
std::vector<uint32_t> ReferencePrefixes(const uint8_t* data, size_t bytes) {
  std::vector<uint32_t> crcs = {0};
  uint32_t state = 0xffffffff;
  for (size_t i = 0; i < bytes; i++) {
    state ^= data[i];
    for (int bit = 0; bit < 8; bit++) {
      state = (state & 1) != 0 ? (state >> 1) ^ 0x82f63b78 : state >> 1;
    }
    crcs.push_back(~state);
  }
  return crcs;
}

std::vector<Crc32cKernel> AvailableKernels() {
  std::vector<Crc32cKernel> kernels;
  for (const Crc32cKernel& kernel : Crc32cKernels()) {
    if (kernel.available) {
      kernels.push_back(kernel);
    }
  }
  return kernels;
}

struct Vector {
  std::vector<uint8_t> data;
  uint32_t crc;
};

std::vector<uint8_t> Counting(int first, int step) {
  std::vector<uint8_t> data;
  for (int i = 0; i < 32; i++) {
    data.push_back(static_cast<uint8_t>(first + i * step));
  }
  return data;
}

std::vector<Vector> Rfc3720Vectors() {
  const std::vector<uint8_t> read_command = {
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
      0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  const std::string digits = "123456789";
  return {
      {std::vector<uint8_t>(32, 0x00), 0x8a9136aa},
      {std::vector<uint8_t>(32, 0xff), 0x62a8ab43},
      {Counting(0x00, 1), 0x46dd794e},
      {Counting(0x1f, -1), 0x113fdb5c},
      {read_command, 0xd9963a56},
      {std::vector<uint8_t>(digits.begin(), digits.end()), 0xe3069283},
      {{}, 0},
  };
}

TEST(Crc32c, HasAKernelForThisProcessor) {
  ASSERT_FALSE(AvailableKernels().empty());
  EXPECT_STREQ(AvailableKernels().back().name, "portable");
  for (const Crc32cKernel& kernel : AvailableKernels()) {
    EXPECT_NE(kernel.function, nullptr) << kernel.name;
  }
}

TEST(Crc32c, MatchesTheVectorsOfRfc3720) {
  for (const Vector& vector : Rfc3720Vectors()) {
    EXPECT_EQ(Crc32c(0, vector.data.data(), vector.data.size()), vector.crc);
    EXPECT_EQ(Reference(vector.data.data(), vector.data.size()), vector.crc);
    for (const Crc32cKernel& kernel : AvailableKernels()) {
      EXPECT_EQ(kernel.function(0, vector.data.data(), vector.data.size()), vector.crc)
          << kernel.name;
    }
  }
}

TEST(Crc32c, KernelsMatchTheReferenceAtEveryLengthAndAlignment) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed());
  const std::vector<uint8_t> data = RandomBytes(random, kEveryLengthMax + kAlignments);
  for (size_t alignment = 0; alignment < kAlignments; alignment++) {
    const uint8_t* start = data.data() + alignment;
    const std::vector<uint32_t> expected = ReferencePrefixes(start, kEveryLengthMax);
    for (const Crc32cKernel& kernel : AvailableKernels()) {
      for (size_t bytes = 0; bytes <= kEveryLengthMax; bytes++) {
        ASSERT_EQ(kernel.function(0, start, bytes), expected[bytes])
            << kernel.name << ", " << bytes << " bytes at alignment " << alignment;
      }
    }
  }
}

// Each buffer is a heap block of exactly its size, so that the address sanitizer sees a read past
// the end.
TEST(Crc32c, KernelsMatchTheReferenceOnRandomBuffers) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 1);
  const uint64_t count = FromEnvironment("MILLRACE_TEST_COUNT", 500);
  for (uint64_t i = 0; i < count; i++) {
    const size_t bytes = random() % (i % 10 == 0 ? 100'000 : 3'000);
    const std::vector<uint8_t> data = RandomBytes(random, bytes);
    const uint32_t expected = Reference(data.data(), bytes);
    const size_t split = bytes == 0 ? 0 : random() % bytes;
    for (const Crc32cKernel& kernel : AvailableKernels()) {
      ASSERT_EQ(kernel.function(0, data.data(), bytes), expected)
          << kernel.name << ", buffer " << i << " of " << bytes << " bytes";
      const uint32_t head = kernel.function(0, data.data(), split);
      ASSERT_EQ(kernel.function(head, data.data() + split, bytes - split), expected)
          << kernel.name << ", buffer " << i << " of " << bytes << " bytes, split at " << split;
    }
  }
}

TEST(Crc32c, ContinuesAtEverySplit) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 2);
  constexpr size_t kBytes = 700;
  const std::vector<uint8_t> data = RandomBytes(random, kBytes);
  const uint32_t expected = Reference(data.data(), kBytes);
  for (const Crc32cKernel& kernel : AvailableKernels()) {
    for (size_t split = 0; split <= kBytes; split++) {
      const uint32_t head = kernel.function(0, data.data(), split);
      ASSERT_EQ(kernel.function(head, data.data() + split, kBytes - split), expected)
          << kernel.name << ", split at " << split;
    }
  }
}

TEST(Crc32c, CombinesAtEverySplit) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 3);
  constexpr size_t kBytes = 700;
  const std::vector<uint8_t> data = RandomBytes(random, kBytes);
  const uint32_t expected = Reference(data.data(), kBytes);
  for (size_t split = 0; split <= kBytes; split++) {
    const uint32_t head = Crc32c(0, data.data(), split);
    const uint32_t tail = Crc32c(0, data.data() + split, kBytes - split);
    ASSERT_EQ(Crc32cCombine(head, tail, kBytes - split), expected) << "split at " << split;
  }
}

TEST(Crc32c, CombinesOverHugeLengths) {
  // Two steps of n zero bytes are one step of 2n; the CRC of zeros is itself combined from halves.
  uint32_t zeros = Crc32c(0, "\0", 1);
  uint64_t bytes = 1;
  for (int doubling = 0; doubling < 62; doubling++) {
    const uint32_t twice = Crc32cCombine(zeros, zeros, bytes);
    EXPECT_EQ(Crc32cCombine(Crc32cCombine(0x12345678, zeros, bytes), zeros, bytes),
              Crc32cCombine(0x12345678, twice, 2 * bytes))
        << "2 * " << bytes << " bytes";
    zeros = twice;
    bytes *= 2;
  }
}

TEST(Crc32c, CopyIsCopyAndCrc) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 4);
  const size_t sizes[] = {0,    1,    7,    48,   100,  511,  512,  513,   1024,
                          4095, 4096, 4097, 5120, 8191, 8192, 9000, 70'000};
  for (const size_t bytes : sizes) {
    for (size_t alignment = 0; alignment < kAlignments; alignment++) {
      const std::vector<uint8_t> from = RandomBytes(random, bytes);
      std::vector<uint8_t> to(bytes + 2 * kAlignments, 0xa5);
      const uint32_t start = static_cast<uint32_t>(random());
      const uint32_t crc = Crc32cCopy(start, to.data() + alignment, from.data(), bytes);
      ASSERT_EQ(crc, Crc32c(start, from.data(), bytes)) << bytes << " bytes";
      std::vector<uint8_t> expected(to.size(), 0xa5);
      std::copy(from.begin(), from.end(), expected.begin() + static_cast<ptrdiff_t>(alignment));
      ASSERT_EQ(to, expected) << bytes << " bytes to alignment " << alignment;
    }
  }
}

void Flip(std::vector<uint8_t>& data, size_t bit) {
  data[bit / 8] = static_cast<uint8_t>(data[bit / 8] ^ (1u << (bit % 8)));
}

TEST(Crc32c, FindsEveryFlippedBit) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 5);
  std::vector<uint8_t> data = RandomBytes(random, 1024);
  for (const Crc32cKernel& kernel : AvailableKernels()) {
    const uint32_t intact = kernel.function(0, data.data(), data.size());
    for (size_t bit = 0; bit < data.size() * 8; bit++) {
      Flip(data, bit);
      ASSERT_NE(kernel.function(0, data.data(), data.size()), intact) << kernel.name << ", " << bit;
      Flip(data, bit);
    }
  }
}

// What the flip of each bit does to the checksum. It does not depend on the record: a CRC is
// linear.
std::vector<uint32_t> FlipsOf(std::vector<uint8_t>& data) {
  const uint32_t intact = Crc32c(0, data.data(), data.size());
  std::vector<uint32_t> flips;
  for (size_t bit = 0; bit < data.size() * 8; bit++) {
    Flip(data, bit);
    flips.push_back(Crc32c(0, data.data(), data.size()) ^ intact);
    Flip(data, bit);
  }
  return flips;
}

// Two flips go unseen where they do the same to the checksum: all pairs are looked at by looking
// for two bits whose flips are equal.
TEST(Crc32c, FindsEveryTwoFlippedBitsOfAKibibyte) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 6);
  std::vector<uint8_t> record = RandomBytes(random, 1024);
  const std::vector<uint32_t> flips = FlipsOf(record);
  std::vector<uint32_t> sorted = flips;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
  // That it is linear is seen by flipping some of the pairs.
  const uint32_t intact = Crc32c(0, record.data(), record.size());
  for (int i = 0; i < 100'000; i++) {
    const size_t first = random() % flips.size();
    const size_t second = (first + 1 + random() % (flips.size() - 1)) % flips.size();
    Flip(record, first);
    Flip(record, second);
    ASSERT_EQ(Crc32c(0, record.data(), record.size()), intact ^ flips[first] ^ flips[second])
        << first << ", " << second;
    Flip(record, first);
    Flip(record, second);
  }
}

TEST(Crc32c, FindsBurstsOfUpTo32Bits) {
  SCOPED_TRACE(Replay());
  std::mt19937_64 random(Seed() + 7);
  std::vector<uint8_t> record = RandomBytes(random, 1024);
  const uint32_t intact = Crc32c(0, record.data(), record.size());
  const auto flip = [&record](size_t start, uint32_t burst) {
    for (size_t bit = 0; bit < 32; bit++) {
      if (((burst >> bit) & 1) != 0) {
        Flip(record, start + bit);
      }
    }
  };
  for (int i = 0; i < 1'000'000; i++) {
    const size_t start = random() % (record.size() * 8 - 32);
    const uint32_t burst = static_cast<uint32_t>(random()) | 1;
    flip(start, burst);
    ASSERT_NE(Crc32c(0, record.data(), record.size()), intact) << start << ", " << burst;
    flip(start, burst);
  }
}

}  // namespace

}  // namespace millrace::base
