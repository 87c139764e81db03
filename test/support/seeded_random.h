// Seeded randomness for tests. MILLRACE_TEST_SEED replays a run, MILLRACE_TEST_COUNT makes it
// longer or shorter.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace millrace::support {

inline uint64_t TestNumber(const char* variable, uint64_t otherwise) {
  // Nothing in the tests sets variables.
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

inline uint64_t TestCount(uint64_t otherwise) {
  return TestNumber("MILLRACE_TEST_COUNT", otherwise);
}

class SeededRandom {
 public:
  // Prints its seed, with what replays it.
  SeededRandom() : SeededRandom(TestNumber("MILLRACE_TEST_SEED", std::random_device()())) {
    std::printf("replay: MILLRACE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed_));
  }

  explicit SeededRandom(uint64_t seed) : seed_(seed), engine_(seed) {}

  uint64_t seed() const { return seed_; }

  // In [0, bound).
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); }

  uint64_t Any() { return engine_(); }

  uint8_t Byte() { return static_cast<uint8_t>(engine_()); }

  bool OneIn(uint32_t chances) { return Below(chances) == 0; }

 private:
  const uint64_t seed_;
  std::mt19937_64 engine_;
};

}  // namespace millrace::support
