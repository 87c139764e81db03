#include "native/log/segment_blocks.h"

#include <cstring>

#include "native/base/crc32c.h"
#include "native/format/batch_format.h"
#include "native/log/batch_view.h"

namespace millrace::log {

using base::OsError;
using base::Status;
using format::SegmentHeader;
using format::SegmentSeal;

namespace {

uint32_t ChecksumOf(const void* structure, size_t bytes_before_crc) {
  return format::MaskCrc(base::Crc32c(0, structure, bytes_before_crc));
}

}  // namespace

void FinishSegmentHeader(SegmentHeader* header) {
  header->magic = format::kSegmentMagic;
  header->version = format::kFormatVersion;
  header->crc32c = ChecksumOf(header, offsetof(SegmentHeader, crc32c));
}

void FinishSegmentSeal(SegmentSeal* seal) {
  seal->magic = format::kSealMagic;
  seal->crc32c = ChecksumOf(seal, offsetof(SegmentSeal, crc32c));
}

HeaderCheck CheckSegmentHeader(const uint8_t* bytes, uint64_t directory_id, SegmentHeader* header) {
  std::memcpy(header, bytes, sizeof *header);
  const bool good = header->magic == format::kSegmentMagic &&
                    header->crc32c == ChecksumOf(header, offsetof(SegmentHeader, crc32c));
  if (!good) {
    return HeaderCheck::kAbsent;
  }
  if (header->version > format::kFormatVersion) {
    return HeaderCheck::kNewer;
  }
  return header->directory_id == directory_id ? HeaderCheck::kGood : HeaderCheck::kForeign;
}

bool CheckSegmentSeal(const uint8_t* bytes, const SegmentHeader& header, SegmentSeal* seal) {
  std::memcpy(seal, bytes, sizeof *seal);
  const uint64_t capacity = header.file_bytes - format::kSegmentOverheadBytes;
  return seal->magic == format::kSealMagic &&
         seal->crc32c == ChecksumOf(seal, offsetof(SegmentSeal, crc32c)) &&
         seal->shard == header.shard && seal->base_position == header.base_position &&
         seal->first_sequence == header.first_sequence &&
         seal->end_position >= seal->base_position &&
         seal->end_position - seal->base_position <= capacity &&
         seal->next_sequence >= seal->first_sequence;
}

bool BeginsWith(const uint8_t* batch, const SegmentHeader& header) {
  BatchHeader first;
  return ReadBatchHeader(batch, format::kBatchBytesMax, &first) == BatchCheck::kWhole &&
         first.shard == header.shard && first.first_sequence == header.first_sequence;
}

Status ReadSegmentBlocks(base::FileOps* file_ops, int fd, const std::string& path,
                         uint64_t file_bytes, uint64_t directory_id, SegmentBlocks* blocks) {
  uint8_t head[sizeof(SegmentHeader)] = {};
  int64_t got = file_ops->PRead(fd, head, sizeof head, 0);
  if (got < 0) {
    return OsError("read", path, static_cast<int>(-got));
  }
  SegmentHeader first{};
  const HeaderCheck first_check = CheckSegmentHeader(head, directory_id, &first);
  // The trailer is at the end of the file, unless the file has lost its end or got bytes that are
  // not its own: then the header knows how long it should be.
  uint8_t trailer[format::kSegmentSealAt + sizeof(SegmentSeal)] = {};
  SegmentHeader copy{};
  HeaderCheck copy_check = HeaderCheck::kAbsent;
  for (const uint64_t whole_bytes : {file_bytes, first.file_bytes}) {
    if (copy_check == HeaderCheck::kAbsent && whole_bytes >= format::kSegmentOverheadBytes) {
      got = file_ops->PRead(fd, trailer, sizeof trailer,
                            whole_bytes - format::kSegmentTrailerBlockBytes);
      copy_check = CheckSegmentHeader(trailer, directory_id, &copy);
    }
    if (got < 0) {
      return OsError("read", path, static_cast<int>(-got));
    }
  }
  // Two good headers that differ: the file changed hands and a power cut kept one of the two, or a
  // write went astray. The batches behind the header tell whose file it is. Where they do not, it
  // is the front, which is synced after the copy and before anything in the segment is
  // acknowledged.
  bool use_copy = first_check == HeaderCheck::kAbsent;
  if (first_check == HeaderCheck::kGood && copy_check == HeaderCheck::kGood &&
      std::memcmp(&first, &copy, sizeof first) != 0) {
    uint8_t batch[format::kBatchHeaderBytes] = {};
    got = file_ops->PRead(fd, batch, sizeof batch, format::kSegmentHeaderBlockBytes);
    if (got < 0) {
      return OsError("read", path, static_cast<int>(-got));
    }
    use_copy = !BeginsWith(batch, first) && BeginsWith(batch, copy);
  }
  blocks->header_check = use_copy ? copy_check : first_check;
  blocks->header = use_copy ? copy : first;
  blocks->file_bytes = file_bytes;
  blocks->sealed =
      blocks->header_check == HeaderCheck::kGood &&
      CheckSegmentSeal(trailer + format::kSegmentSealAt, blocks->header, &blocks->seal);
  return Status();
}

}  // namespace millrace::log
