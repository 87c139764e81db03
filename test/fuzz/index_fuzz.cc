// Any bytes as an index file and as a snapshot of the duplicate table: they are refused, or what
// was read encodes to the same bytes again. The checksum of the index is made right first, as it
// would stop nearly every input.
//
//   cmake --preset fuzz && cmake --build --preset fuzz && build-fuzz/index_fuzz -max_len=4096
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/base/bytes.h"
#include "native/base/check.h"
#include "native/base/crc32c.h"
#include "native/format/batch_format.h"
#include "native/log/duplicate_table.h"
#include "native/log/segment_index.h"
#include "test/fuzz/time_limit.h"

namespace {

using millrace::log::DuplicateSnapshotView;
using millrace::log::DuplicateTable;
using millrace::log::IndexIdentity;
using millrace::log::SegmentIndex;

constexpr size_t kChecksumBytes = 4;
constexpr IndexIdentity kIdentity{
    .directory_id = 1, .shard = 2, .base_position = 4096, .end_position = 4096 + (1 << 20)};

void CheckTable(const uint8_t* data, size_t size) {
  DuplicateTable table({.producers_max = 64});
  if (!table.Decode(data, size)) {
    MILLRACE_CHECK(table.heap_bytes() == 0);
    return;
  }
  const std::vector<uint8_t> encoded = table.Encode();
  MILLRACE_CHECK(encoded.size() == size);
  MILLRACE_CHECK(std::equal(encoded.begin(), encoded.end(), data));
}

void CheckIndex(const uint8_t* data, size_t size) {
  // The input stands for all but the identity and the checksum, which a mutation would only break.
  std::vector<uint8_t> file = EncodeIndex(SegmentIndex(kIdentity.base_position, 1), kIdentity, {});
  constexpr size_t kFirstSequenceAt = 48;
  constexpr size_t kPointCountAt = 12;
  if (size < 4) {
    return;
  }
  std::copy(data, data + 4, file.begin() + kPointCountAt);
  file.resize(kFirstSequenceAt);
  file.insert(file.end(), data + 4, data + size);
  const size_t checked = file.size();
  file.resize(checked + kChecksumBytes);
  millrace::base::StoreLittle32(
      file.data() + checked,
      millrace::format::MaskCrc(millrace::base::Crc32c(0, file.data(), checked)));

  SegmentIndex index;
  DuplicateSnapshotView duplicates;
  if (!DecodeIndex(file.data(), file.size(), kIdentity, &index, &duplicates)) {
    MILLRACE_CHECK(index.point_count() == 0);
    return;
  }
  MILLRACE_CHECK(EncodeIndex(index, kIdentity, duplicates) == file);
  uint64_t probe = 0;
  std::copy_n(data, std::min(size, sizeof probe), reinterpret_cast<uint8_t*>(&probe));
  MILLRACE_CHECK(index.PositionOf(index.FindSequence(probe)) < kIdentity.end_position);
  MILLRACE_CHECK(index.PositionOf(index.FindPosition(probe)) < kIdentity.end_position);
  MILLRACE_CHECK(index.PositionOf(index.FindTime(probe)) < kIdentity.end_position);
  CheckTable(duplicates.data, duplicates.size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const millrace::fuzz::TimeLimit limit;
  if (size == 0) {
    return 0;
  }
  if ((data[0] & 1) != 0) {
    CheckIndex(data + 1, size - 1);
  } else {
    CheckTable(data + 1, size - 1);
  }
  return 0;
}
