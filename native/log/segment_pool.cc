#include "native/log/segment_pool.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "native/base/check.h"
#include "native/format/segment_format.h"

namespace millrace::log {

using base::OsError;
using base::Status;

namespace {

constexpr uint64_t kFastFillMillis = 60 * 1000;
constexpr uint64_t kSlowFillMillis = 60 * 60 * 1000;

}  // namespace

uint64_t NextSegmentBytes(uint64_t previous_bytes, uint64_t fill_millis, uint64_t batch_bytes,
                          uint64_t bytes_min, uint64_t bytes_max) {
  uint64_t bytes = previous_bytes == 0 ? bytes_min : previous_bytes;
  if (previous_bytes != 0 && fill_millis < kFastFillMillis) {
    bytes *= format::kSegmentGrowthFactor;
  } else if (previous_bytes != 0 && fill_millis > kSlowFillMillis) {
    bytes /= format::kSegmentGrowthFactor;
  }
  bytes = std::clamp(bytes, bytes_min, bytes_max);
  while (bytes < batch_bytes + format::kSegmentOverheadBytes) {
    bytes *= format::kSegmentGrowthFactor;
  }
  return bytes;
}

SegmentPool::SegmentPool(base::FileOps* file_ops, std::string directory, uint32_t spare_count)
    : file_ops_(file_ops), directory_(std::move(directory)), spares_wanted_(spare_count) {}

SegmentPool::~SegmentPool() {
  Close();
}

void SegmentPool::ReserveIds(uint64_t id_max) {
  const std::lock_guard<std::mutex> lock(mutex_);
  next_id_ = std::max(next_id_, id_max + 1);
}

Status SegmentPool::Take(uint64_t bytes, bool stores, SpareSegment* spare, bool* prepared) {
  FreeFile file{0, 0, false};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    wanted_bytes_ = bytes;
    wanted_stores_ = stores;
    const auto ready = std::find_if(spares_.begin(), spares_.end(), [bytes](const auto& one) {
      return one.file->bytes() == bytes;
    });
    if (ready != spares_.end()) {
      *spare = std::move(*ready);
      spares_.erase(ready);
      *prepared = true;
      return Status();
    }
    file = TakeFreeFileLocked();
  }
  *prepared = false;
  if (file.bytes != 0 && ReopenFile(file, spare).ok()) {
    return Status();
  }
  return MakeFile(bytes, spare);
}

// One of the wanted size; of 0 bytes when there is none.
SegmentPool::FreeFile SegmentPool::TakeFreeFileLocked() {
  const auto fits = [this](const auto& one) { return one.bytes == wanted_bytes_; };
  const auto found = std::find_if(free_files_.begin(), free_files_.end(), fits);
  if (found == free_files_.end()) {
    return {0, 0, false};
  }
  const FreeFile file = *found;
  free_files_.erase(found);
  return file;
}

bool SegmentPool::Recycle(uint64_t id, uint64_t bytes, bool entry_synced) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool wanted = bytes == wanted_bytes_ || wanted_bytes_ == 0;
  if (closed_ || !recycles_ || !wanted || free_files_.size() >= kFreeFilesMax) {
    return false;
  }
  free_files_.push_back({id, bytes, entry_synced});
  return true;
}

bool SegmentPool::Refill(Status* status) {
  FreeFile file{0, 0, false};
  uint64_t bytes = 0;
  bool stores = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto ready = std::count_if(spares_.begin(), spares_.end(), [this](const auto& one) {
      return one.file->bytes() == wanted_bytes_;
    });
    if (closed_ || wanted_bytes_ == 0 || static_cast<uint32_t>(ready) >= spares_wanted_) {
      return false;
    }
    bytes = wanted_bytes_;
    stores = wanted_stores_;
    file = TakeFreeFileLocked();
  }
  SpareSegment spare;
  *status = file.bytes != 0 ? ReopenFile(file, &spare) : MakeFile(bytes, &spare);
  if (!status->ok()) {
    return false;
  }
  // The size may be out of fashion by now; a spare of another size is kept all the same, as files
  // are dear.
  const uint64_t ahead = stores ? std::min(kPopulateAheadBytes, spare.file->bytes()) : 0;
  const int error = PopulateSpare(spare, ahead);
  // Where nobody waits for syncs that of the entry can wait for the segment's, and the helper has
  // no time for it while an appender eats spares.
  const bool syncs = !spare.file->entry_synced() && !stores;
  const int sync_error = syncs ? file_ops_->SyncDirectory(directory_) : 0;
  if (error != 0 || sync_error != 0) {
    *status = OsError(error != 0 ? "prefault" : "sync of the directory", spare.file->path(),
                      error != 0 ? -error : -sync_error);
    Discard(&spare);
    return false;
  }
  spare.populated_bytes = ahead;
  if (syncs) {
    spare.file->MarkEntrySynced();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) {
    Discard(&spare);
    return false;
  }
  spares_.push_back(std::move(spare));
  return true;
}

// The front for stores, and the page of the trailer, so that its write need not wait.
int SegmentPool::PopulateSpare(const SpareSegment& spare, uint64_t ahead) {
  if (ahead == 0) {
    return 0;
  }
  const int error = file_ops_->Populate(spare.map, ahead, /*for_writing=*/true);
  uint8_t* const trailer = spare.map + (spare.file->bytes() - format::kSegmentTrailerBlockBytes);
  return error != 0 ? error
                    : file_ops_->Populate(trailer, format::kSegmentTrailerBlockBytes,
                                          /*for_writing=*/false);
}

Status SegmentPool::MakeFile(uint64_t bytes, SpareSegment* spare) {
  uint64_t id = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    id = next_id_++;
  }
  auto file = std::make_shared<SegmentFile>(file_ops_, directory_, id, bytes);
  const int fd = file_ops_->Open(file->path(), base::OpenMode::kCreateNew);
  if (fd < 0) {
    return OsError("create", file->path(), -fd);
  }
  *spare = SpareSegment{std::move(file), fd, nullptr, 0};
  const int error = file_ops_->Allocate(fd, bytes);
  Status status = error == 0 ? MapFile(spare) : OsError("allocation", spare->file->path(), -error);
  if (!status.ok()) {
    const std::string path = spare->file->path();
    Discard(spare);
    static_cast<void>(file_ops_->Unlink(path));
  }
  return status;
}

Status SegmentPool::ReopenFile(const FreeFile& free, SpareSegment* spare) {
  auto file = std::make_shared<SegmentFile>(file_ops_, directory_, free.id, free.bytes);
  const int fd = file_ops_->Open(file->path(), base::OpenMode::kReadWrite);
  if (fd < 0) {
    return OsError("open", file->path(), -fd);
  }
  if (free.entry_synced) {
    file->MarkEntrySynced();
  }
  *spare = SpareSegment{std::move(file), fd, nullptr, 0};
  Status status = MapFile(spare);
  if (!status.ok()) {
    Discard(spare);
  }
  return status;
}

Status SegmentPool::MapFile(SpareSegment* spare) {
  const int error = file_ops_->Map(spare->fd, spare->file->bytes(), /*writable=*/true, &spare->map);
  return error == 0 ? Status() : OsError("mmap", spare->file->path(), -error);
}

void SegmentPool::Discard(SpareSegment* spare) {
  if (spare->map != nullptr) {
    file_ops_->Unmap(spare->map, spare->file->bytes());
  }
  if (spare->fd >= 0) {
    file_ops_->Close(spare->fd);  // nothing that anybody was promised has been written through it
  }
  *spare = SpareSegment{};
}

void SegmentPool::SetRecycling(bool recycles) {
  const std::lock_guard<std::mutex> lock(mutex_);
  recycles_ = recycles;
}

void SegmentPool::ReleaseSpace() {
  std::vector<SpareSegment> spares;
  std::vector<FreeFile> free_files;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    spares.swap(spares_);
    free_files.swap(free_files_);
  }
  for (SpareSegment& spare : spares) {
    const std::string path = spare.file->path();
    Discard(&spare);
    static_cast<void>(file_ops_->Unlink(path));  // a file that stays is removed by the next open
  }
  for (const FreeFile& file : free_files) {
    static_cast<void>(file_ops_->Unlink(directory_ + "/" + SegmentFile::NameOf(file.id)));
  }
}

void SegmentPool::Close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  for (SpareSegment& spare : spares_) {
    Discard(&spare);
  }
  spares_.clear();
  free_files_.clear();
}

uint32_t SegmentPool::spare_count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<uint32_t>(spares_.size());
}

}  // namespace millrace::log
