// The manifest: which shards exist, from where they can be read, and which are sealed. A run of
// fixed-size records, kept twice (manifest-a, manifest-b) and written to both, so that damage to
// one file loses nothing. FORMAT.md is the specification. Integers are little-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::format {

inline constexpr uint32_t kManifestMagic = 0x314d524d;  // "MRM1"

enum class ManifestType : uint32_t {
  kStart = 1,  // the first record of a file: a = directory id, b = generation, c = next shard id, d
               // = format version
  kCreate = 2,  // a = first sequence number
  kTrim = 3,    // a = trimmed start (position), b = first sequence number that can be read
  kSeal = 4,    // a = ending position, b = one past the last sequence number
  kDelete = 5,
  kShard = 6,  // a live shard when the file was begun: a = trimmed start, b = first readable
               // sequence number, c = 1 when sealed, d = first sequence number at creation
};

struct ManifestRecord {
  uint32_t magic;
  uint32_t crc32c;  // masked, over everything after it
  uint32_t type;
  uint32_t reserved;
  uint64_t
      number;  // of the record in its file, from 0: tells a record that is missing or out of place
  uint64_t shard;
  uint64_t a;
  uint64_t b;
  uint64_t c;
  uint64_t d;
};

static_assert(sizeof(ManifestRecord) == 64);
static_assert(offsetof(ManifestRecord, crc32c) == 4);
static_assert(offsetof(ManifestRecord, type) == 8);

}  // namespace millrace::format
