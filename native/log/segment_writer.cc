#include "native/log/segment_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "native/base/bytes.h"
#include "native/base/check.h"
#include "native/base/crc32c.h"
#include "native/log/segment_blocks.h"

namespace millrace::log {

using base::OsError;
using base::Status;

namespace {

// Faulted in at once when the appender meets a page that nobody prepared: little in a small
// segment, as an idle shard should cost little memory, and more in a large one, as a call costs
// more than a page.
constexpr uint64_t kPopulateInlineMin = 16 * 1024;
constexpr uint64_t kPopulateInlineMax = 1024 * 1024;

// Smaller segments are not worth a wake-up of the helper.
constexpr uint64_t kPopulateAheadSegmentMin = 4 * 1024 * 1024;

uint64_t RoundUpToPage(uint64_t offset) {
  return (offset + base::kPageBytes - 1) & ~(base::kPageBytes - 1);
}

}  // namespace

SegmentWriter::SegmentWriter(SpareSegment spare, uint64_t base_position, uint64_t offset,
                             bool fresh)
    : file_(std::move(spare.file)),
      fd_(spare.fd),
      map_(spare.map),
      base_position_(base_position),
      offset_(offset),
      populated_(spare.populated_bytes),
      tail_(offset),
      header_synced_(!fresh),
      entry_synced_(spare.entry_synced) {}

Status SegmentWriter::Begin(SpareSegment spare, format::SegmentHeader header,
                            std::shared_ptr<SegmentWriter>* writer) {
  header.file_bytes = spare.file->bytes();
  FinishSegmentHeader(&header);
  std::shared_ptr<SegmentWriter> begun(new SegmentWriter(std::move(spare), header.base_position,
                                                         format::kSegmentHeaderBlockBytes,
                                                         /*fresh=*/true));
  bool wants_populate = false;
  Status status = begun->Prepare(0, &wants_populate);
  if (status.ok()) {
    status = begun->PopulateTrailer();
  }
  if (!status.ok()) {
    return status;
  }
  for (uint8_t* const block : {begun->map_, begun->trailer()}) {
    std::memset(block, 0, format::kSegmentHeaderBlockBytes);
    std::memcpy(block, &header, sizeof header);
  }
  *writer = std::move(begun);
  return Status();
}

Status SegmentWriter::PopulateTrailer() {
  const int error = file_->file_ops()->Populate(trailer(), format::kSegmentTrailerBlockBytes,
                                                /*for_writing=*/true);
  return error == 0 ? Status() : OsError("prefault", file_->path(), -error);
}

Status SegmentWriter::Resume(const std::shared_ptr<SegmentFile>& file, uint64_t base_position,
                             uint64_t end_position, std::shared_ptr<SegmentWriter>* writer) {
  base::FileOps* const file_ops = file->file_ops();
  const int fd = file_ops->Open(file->path(), base::OpenMode::kReadWrite);
  if (fd < 0) {
    return OsError("open", file->path(), -fd);
  }
  SpareSegment spare{file, fd, nullptr, 0, true};
  const int64_t size = file_ops->Size(fd);
  if (size < 0) {
    file_ops->Close(fd);  // nothing was written through it
    return OsError("stat", file->path(), static_cast<int>(-size));
  }
  if (static_cast<uint64_t>(size) < file->bytes()) {
    file_ops->Close(fd);  // nothing was written through it
    return Status(
        base::Code::kLogCorrupt,
        base::Format("%s has %lld bytes instead of %llu", file->path().c_str(),
                     static_cast<long long>(size), static_cast<unsigned long long>(file->bytes())));
  }
  const int error = file_ops->Map(fd, file->bytes(), /*writable=*/true, &spare.map);
  if (error != 0) {
    file_ops->Close(fd);  // nothing was written through it
    return OsError("mmap", file->path(), -error);
  }
  const uint64_t offset = format::kSegmentHeaderBlockBytes + (end_position - base_position);
  spare.populated_bytes = offset & ~(base::kPageBytes - 1);
  *writer = std::shared_ptr<SegmentWriter>(
      new SegmentWriter(std::move(spare), base_position, offset, /*fresh=*/false));
  return Status();
}

void SegmentWriter::CountIn(std::atomic<uint32_t>* open_writers) {
  open_writers_ = open_writers;
  open_writers_->fetch_add(1, std::memory_order_relaxed);
}

SegmentWriter::~SegmentWriter() {
  if (open_writers_ != nullptr) {
    open_writers_->fetch_sub(1, std::memory_order_relaxed);
  }
  Finish();
  // Whatever was promised has been synced through this descriptor, so its close has nothing to
  // report.
  file_->file_ops()->Close(fd_);
}

Status SegmentWriter::Prepare(uint64_t bytes, bool* wants_populate) {
  const uint64_t end = offset_ + bytes;
  const uint64_t populated = populated_.load(std::memory_order_acquire);
  *wants_populate = file_->bytes() >= kPopulateAheadSegmentMin && populated < data_end() &&
                    (end > populated || populated - end < kPopulateAheadBytes / 2);
  if (end <= populated) {
    return Status();
  }
  const uint64_t chunk = std::clamp(file_->bytes() / 64, kPopulateInlineMin, kPopulateInlineMax);
  const uint64_t to = std::min(RoundUpToPage(end) + chunk, file_->bytes());
  const int error =
      file_->file_ops()->Populate(map_ + populated, to - populated, /*for_writing=*/true);
  if (error != 0) {
    return OsError("prefault", file_->path(), -error);
  }
  uint64_t seen = populated;
  while (seen < to && !populated_.compare_exchange_weak(seen, to, std::memory_order_release)) {
  }
  return Status();
}

uint32_t SegmentWriter::Store(BatchHeader header, const Piece* pieces, size_t piece_count) {
  uint8_t* const batch = map_ + offset_;
  WriteBatchHeader(batch, header);
  uint32_t crc = base::Crc32c(0, batch + format::kBatchChecksummedStart,
                              format::kBatchHeaderBytes - format::kBatchChecksummedStart);
  uint8_t* to = batch + format::kBatchHeaderBytes;
  for (size_t index = 0; index < piece_count; ++index) {
    crc = base::Crc32cCopy(crc, to, pieces[index].data, pieces[index].bytes);
    to += pieces[index].bytes;
  }
  base::StoreBig32(batch + format::kBatchCrcAt, format::MaskCrc(crc));
  offset_ += header.bytes();
  MILLRACE_CHECK(to == map_ + offset_ && offset_ <= data_end());
  tail_.store(offset_, std::memory_order_release);
  return crc;
}

void SegmentWriter::PopulateAhead() {
  const uint64_t tail = RoundUpToPage(tail_.load(std::memory_order_acquire));
  uint64_t populated = populated_.load(std::memory_order_acquire);
  const uint64_t start = std::max(tail, populated);
  const uint64_t to = std::min(tail + kPopulateAheadBytes, data_end());
  // In steps, so that the appender profits from the first while the next is under way.
  constexpr uint64_t kStep = 512 * 1024;
  for (uint64_t at = start; at < to; at += kStep) {
    const std::lock_guard<std::mutex> lock(map_mutex_);
    const uint64_t bytes = std::min(kStep, to - at);
    if (map_ == nullptr) {
      return;
    }
    if (file_->file_ops()->Populate(map_ + at, bytes, /*for_writing=*/true) != 0) {
      return;  // the appender meets the same error in Prepare, and reports it
    }
    populated = populated_.load(std::memory_order_acquire);
    while (populated < at + bytes && populated >= at &&
           !populated_.compare_exchange_weak(populated, at + bytes, std::memory_order_release)) {
    }
  }
}

void SegmentWriter::Finish() {
  const std::lock_guard<std::mutex> lock(map_mutex_);
  if (map_ != nullptr) {
    file_->file_ops()->Unmap(map_, file_->bytes());
    map_ = nullptr;
  }
}

Status SegmentWriter::SyncWhole() {
  const int error = file_->file_ops()->SyncData(fd_);
  if (error != 0) {
    return OsError("sync", file_->path(), -error);
  }
  header_synced_ = true;
  return SyncEntry();
}

Status SegmentWriter::SyncEntry() {
  const int error = entry_synced_ ? 0 : file_->file_ops()->SyncDirectory(file_->directory());
  if (error != 0) {
    return OsError("sync", file_->directory(), -error);
  }
  entry_synced_ = true;
  return Status();
}

Status SegmentWriter::Sync(uint64_t from_position, uint64_t to_position) {
  base::FileOps* const file_ops = file_->file_ops();
  // The trailer first: without the copy a header that rots could not be told, and the
  // acknowledgement waits for both.
  if (!header_synced_) {
    const int error = file_ops->SyncRange(fd_, map_, data_end(), format::kSegmentTrailerBlockBytes);
    if (error != 0) {
      return OsError("sync", file_->path(), -error);
    }
  }
  const uint64_t from = header_synced_ ? OffsetOf(from_position) : 0;
  const uint64_t to = OffsetOf(to_position);
  const int error = file_ops->SyncRange(fd_, map_, from, to - from);
  if (error != 0) {
    return OsError("sync", file_->path(), -error);
  }
  header_synced_ = true;
  return SyncEntry();
}

void SegmentWriter::StartWriteback(uint64_t from_position, uint64_t to_position) {
  const uint64_t from = header_synced_ ? OffsetOf(from_position) : 0;
  file_->file_ops()->StartWriteback(fd_, from, OffsetOf(to_position) - from);
}

Status SegmentWriter::SyncSeal(const format::SegmentSeal& seal) {
  base::FileOps* const file_ops = file_->file_ops();
  int error = file_ops->PWrite(fd_, &seal, sizeof seal, data_end() + format::kSegmentSealAt);
  error = error == 0 ? file_ops->SyncData(fd_) : error;
  return error == 0 ? Status() : OsError("sync", file_->path(), -error);
}

}  // namespace millrace::log
