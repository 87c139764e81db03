// Records of a given size, packed as a producer packs them: [key: str, data: bin] back to back. The
// data is random, built once.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "native/base/bytes.h"
#include "native/base/status.h"
#include "native/format/msgpack_format.h"

namespace millrace::bench {

inline constexpr uint32_t kKeyBytes = 8;

// `record_bytes` counts the data alone; a record of 100 B takes 112 B in the log.
inline std::vector<uint8_t> PackRecords(uint32_t count, uint32_t record_bytes, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> packed;
  packed.reserve(size_t{count} * (record_bytes + kKeyBytes + 7));
  for (uint32_t i = 0; i < count; ++i) {
    packed.push_back(format::kFixArray | 2);
    packed.push_back(format::kFixStr | kKeyBytes);
    const std::string key = base::Format("%08x", static_cast<unsigned>(random()));
    packed.insert(packed.end(), key.begin(), key.end());
    if (record_bytes < 256) {
      packed.push_back(format::kBin8);
    } else {
      packed.push_back(format::kBin32);
      for (int shift = 24; shift > 0; shift -= 8) {
        packed.push_back(static_cast<uint8_t>(record_bytes >> shift));
      }
    }
    packed.push_back(static_cast<uint8_t>(record_bytes));
    for (uint32_t byte = 0; byte < record_bytes; ++byte) {
      packed.push_back(static_cast<uint8_t>(random()));
    }
  }
  return packed;
}

}  // namespace millrace::bench
