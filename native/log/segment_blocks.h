// The header and the seal of a segment file: checksums, checks, and finding the right one of two
// copies.
#pragma once

#include <cstdint>

#include "native/base/file_ops.h"
#include "native/base/status.h"
#include "native/format/segment_format.h"

namespace millrace::log {

// Fills in magic, version and checksum.
void FinishSegmentHeader(format::SegmentHeader* header);
void FinishSegmentSeal(format::SegmentSeal* seal);

enum class HeaderCheck : uint8_t {
  kGood,
  kAbsent,   // no header: a spare, or damage
  kForeign,  // a good header of another data directory
  kNewer,    // a good header of a newer format
};

// `bytes` has sizeof(SegmentHeader) bytes.
HeaderCheck CheckSegmentHeader(const uint8_t* bytes, uint64_t directory_id,
                               format::SegmentHeader* header);

// True when `bytes` (sizeof(SegmentSeal)) are a good seal of the segment that `header` describes.
bool CheckSegmentSeal(const uint8_t* bytes, const format::SegmentHeader& header,
                      format::SegmentSeal* seal);

// Whether the bytes of a batch header, the first of a segment, are of the segment that `header`
// describes.
bool BeginsWith(const uint8_t* batch, const format::SegmentHeader& header);

// What the blocks of a file say.
struct SegmentBlocks {
  HeaderCheck header_check = HeaderCheck::kAbsent;
  format::SegmentHeader header{};
  uint64_t file_bytes = 0;  // as the file system says; the header's file_bytes is what it should be
  bool sealed = false;
  format::SegmentSeal seal{};
};

// Reads both blocks of an open file of `file_bytes` bytes.
base::Status ReadSegmentBlocks(base::FileOps* file_ops, int fd, const std::string& path,
                               uint64_t file_bytes, uint64_t directory_id, SegmentBlocks* blocks);

}  // namespace millrace::log
