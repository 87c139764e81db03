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
constexpr uint64_t kPopulateInlineMax = base::kHugePageBytes;

// Smaller segments are not worth a wake-up of the helper.
constexpr uint64_t kPopulateAheadSegmentMin = 4 * 1024 * 1024;

// Staged before it is written early: enough to make a call cheap beside what it copies, and little
// enough to still be in the cache of the processor. Less in a small segment, for idle shards.
constexpr uint64_t kStagedMin = 16 * 1024;
constexpr uint64_t kStagedMax = 512 * 1024;

// Appended behind a sync before the map is worth the dirty pages that it makes.
constexpr uint64_t kWrittenAfterSync = 256 * 1024;

uint64_t RoundUp(uint64_t offset, uint64_t unit) {
  return (offset + unit - 1) / unit * unit;
}

}  // namespace

SegmentWriter::SegmentWriter(SpareSegment spare, uint64_t base_position, uint64_t offset,
                             bool fresh)
    : file_(std::move(spare.file)),
      fd_(spare.fd),
      map_(spare.map),
      base_position_(base_position),
      offset_(offset),
      written_upto_(0),
      populated_(spare.populated_bytes),
      tail_(offset),
      staged_(file_->file_ops(), fd_, std::clamp(file_->bytes() / 16, kStagedMin, kStagedMax)),
      header_synced_(!fresh) {
  if (!fresh) {
    WriteForNow();
  }
}

Status SegmentWriter::Begin(SpareSegment spare, uint64_t base_position, Way way,
                            std::shared_ptr<SegmentWriter>* writer) {
  std::shared_ptr<SegmentWriter> begun(new SegmentWriter(
      std::move(spare), base_position, format::kSegmentHeaderBlockBytes, /*fresh=*/true));
  Status status = way == Way::kMapped ? begun->PopulateEdges() : Status();
  if (status.ok()) {
    *writer = std::move(begun);
  }
  return status;
}

// The pages of the headers: a write to a page that is not in memory would bring it in alone, and
// keep the file from having a huge page there as long as it is cached.
Status SegmentWriter::PopulateEdges() {
  const uint64_t front = populated_.load(std::memory_order_relaxed);
  Status status = front < data_start() ? Populate(data_start()) : Status();
  if (!status.ok()) {
    return status;
  }
  const int error = file_->file_ops()->Populate(
      map_ + data_end(), format::kSegmentTrailerBlockBytes, /*for_writing=*/false);
  return error == 0 ? Status() : OsError("prefault", file_->path(), -error);
}

// Not through the map, where either would make a whole huge page dirty.
Status SegmentWriter::WriteHeaders(format::SegmentHeader header) {
  header.file_bytes = file_->bytes();
  FinishSegmentHeader(&header);
  uint8_t block[format::kSegmentHeaderBlockBytes] = {};
  std::memcpy(block, &header, sizeof header);
  for (const uint64_t offset : {uint64_t{0}, data_end()}) {
    const int error = file_->file_ops()->PWrite(fd_, block, sizeof block, offset);
    if (error != 0) {
      return OsError("write", file_->path(), -error);
    }
  }
  return Status();
}

Status SegmentWriter::Resume(const std::shared_ptr<SegmentFile>& file, uint64_t base_position,
                             uint64_t end_position, std::shared_ptr<SegmentWriter>* writer) {
  base::FileOps* const file_ops = file->file_ops();
  const int fd = file_ops->Open(file->path(), base::OpenMode::kReadWrite);
  if (fd < 0) {
    return OsError("open", file->path(), -fd);
  }
  SpareSegment spare{file, fd, nullptr, 0};
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
  // An open has seen to it, or the sync before the shard went idle.
  file->MarkEntrySynced();
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

Status SegmentWriter::Prepare(uint64_t bytes, Way way, bool* wants_populate) {
  *wants_populate = false;
  if (way == Way::kStaged) {
    const int error = staged_.MakeRoom(bytes);
    return error == 0 ? Status() : OsError("write", file_->path(), -error);
  }
  Status status = WriteStaged();
  if (!status.ok()) {
    return status;
  }
  const uint64_t end = offset_ + bytes;
  const uint64_t populated = populated_.load(std::memory_order_acquire);
  *wants_populate = file_->bytes() >= kPopulateAheadSegmentMin && populated < data_end() &&
                    populated < end + kPopulateAheadBytes / 2;
  return end > populated ? Populate(end) : Status();
}

Status SegmentWriter::Populate(uint64_t end) {
  const uint64_t populated = populated_.load(std::memory_order_acquire);
  // What lies before the tail is stored to no more.
  const uint64_t from = std::max(populated, offset_ - offset_ % base::kPageBytes);
  const uint64_t chunk = std::clamp(file_->bytes() / 32, kPopulateInlineMin, kPopulateInlineMax);
  const uint64_t to = std::min(RoundUp(end, chunk), file_->bytes());
  const int error = file_->file_ops()->Populate(map_ + from, to - from, /*for_writing=*/true);
  if (error != 0) {
    return OsError("prefault", file_->path(), -error);
  }
  uint64_t seen = populated;
  while (seen < to && !populated_.compare_exchange_weak(seen, to, std::memory_order_release)) {
  }
  return Status();
}

uint32_t SegmentWriter::Store(BatchHeader header, const Piece* pieces, size_t piece_count,
                              Way way) {
  uint8_t* const batch =
      way == Way::kStaged ? staged_.Extend(offset_, header.bytes()) : map_ + offset_;
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
  MILLRACE_CHECK(to == batch + header.bytes() && offset_ <= data_end());
  tail_.store(offset_, std::memory_order_release);
  return crc;
}

Status SegmentWriter::WriteStaged() {
  const int error = staged_.WriteAll();
  return error == 0 ? Status() : OsError("write", file_->path(), -error);
}

void SegmentWriter::HandOver() {
  staged_.HandOver();
  WriteForNow();
}

void SegmentWriter::WriteForNow() {
  if (file_->bytes() >= base::kHugePageBytes) {
    written_upto_ = offset_ + kWrittenAfterSync;
  }
}

void SegmentWriter::PopulateAhead() {
  const uint64_t tail = RoundUp(tail_.load(std::memory_order_acquire), base::kPageBytes);
  const uint64_t start = std::max(tail, populated_.load(std::memory_order_acquire));
  const uint64_t to = std::min(tail + kPopulateAheadBytes, data_end());
  // A huge page at a time, so that the appender profits from the first while the next is under way.
  uint64_t next = 0;
  for (uint64_t at = start; at < to; at = next) {
    next = std::min(RoundUp(at + 1, base::kHugePageBytes), to);
    const std::lock_guard<std::mutex> lock(map_mutex_);
    if (map_ == nullptr) {
      return;
    }
    if (file_->file_ops()->Populate(map_ + at, next - at, /*for_writing=*/true) != 0) {
      return;  // the appender meets the same error in Prepare, and reports it
    }
    // What lies before the start is behind the tail, where nobody stores any more.
    uint64_t seen = populated_.load(std::memory_order_acquire);
    while (seen < next && (seen >= at || at == start) &&
           !populated_.compare_exchange_weak(seen, next, std::memory_order_release)) {
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
  Status status = WriteStaged();
  if (!status.ok()) {
    return status;
  }
  const int error = file_->file_ops()->SyncData(fd_);
  if (error != 0) {
    return OsError("sync", file_->path(), -error);
  }
  header_synced_ = true;
  return SyncEntry();
}

Status SegmentWriter::SyncEntry() {
  const int error =
      file_->entry_synced() ? 0 : file_->file_ops()->SyncDirectory(file_->directory());
  if (error != 0) {
    return OsError("sync", file_->directory(), -error);
  }
  file_->MarkEntrySynced();
  return Status();
}

Status SegmentWriter::Sync(uint64_t from_position, uint64_t to_position) {
  const int written = staged_.WriteHanded();
  if (written != 0) {
    return OsError("write", file_->path(), -written);
  }
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
  // Where this fails the sync tries it again, and reports it.
  static_cast<void>(map_ == nullptr ? staged_.WriteAll() : staged_.WriteHanded());
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
