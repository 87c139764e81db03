#include "native/log/segment_file.h"

#include <cerrno>
#include <utility>

#include "native/log/segment_pool.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::OsError;
using base::Status;

namespace {

std::atomic<int64_t> live_mappings{0};

// How long a range that was in memory counts as being there. Pages may go at any moment, also
// between a look and the access after it; this is about as long as a reader may be held up there.
constexpr std::chrono::milliseconds kSeenFor{10};

}  // namespace

std::string SegmentFile::NameOf(uint64_t id) {
  return Format("%016llx.seg", static_cast<unsigned long long>(id));
}

SegmentFile::SegmentFile(base::FileOps* file_ops, std::string directory, uint64_t id,
                         uint64_t bytes)
    : file_ops_(file_ops),
      directory_(std::move(directory)),
      id_(id),
      bytes_(bytes),
      path_(directory_ + "/" + NameOf(id)) {}

SegmentFile::~SegmentFile() {
  if (!retired_.load(std::memory_order_acquire)) {
    return;
  }
  const std::shared_ptr<SegmentPool> pool = pool_.lock();
  if (pool == nullptr || !pool->Recycle(id_, bytes_, entry_synced())) {
    // A file that stays behind is harmless: its header says positions that the shard has trimmed,
    // and the next open removes it.
    static_cast<void>(file_ops_->Unlink(path_));
  }
}

void SegmentFile::Retire(std::weak_ptr<SegmentPool> pool) {
  pool_ = std::move(pool);
  retired_.store(true, std::memory_order_release);
}

std::string IndexPathOf(const SegmentFile& file) {
  return file.directory() + Format("/%016llx.idx", static_cast<unsigned long long>(file.id()));
}

Status Mapping::Open(const std::shared_ptr<SegmentFile>& file,
                     std::shared_ptr<const Mapping>* mapping, bool* no_map_left) {
  base::FileOps* const file_ops = file->file_ops();
  const int fd = file_ops->Open(file->path(), base::OpenMode::kRead);
  if (fd == -ENOENT) {
    return Status(Code::kLogCorrupt, Format("%s is missing", file->path().c_str()));
  }
  if (fd < 0) {
    return OsError("open", file->path(), -fd);
  }
  const int64_t size = file_ops->Size(fd);
  uint8_t* data = nullptr;
  int error = 0;
  if (size >= 0 && static_cast<uint64_t>(size) >= file->bytes()) {
    error = file_ops->Map(fd, file->bytes(), /*writable=*/false, &data);
  }
  file_ops->Close(fd);  // opened for reading: nothing can be lost in its close
  if (error == -ENOMEM && no_map_left != nullptr) {
    *no_map_left = true;
  }
  if (size < 0) {
    return OsError("stat", file->path(), static_cast<int>(-size));
  }
  if (static_cast<uint64_t>(size) < file->bytes()) {
    return Status(Code::kLogCorrupt, Format("%s has %lld bytes instead of %llu",
                                            file->path().c_str(), static_cast<long long>(size),
                                            static_cast<unsigned long long>(file->bytes())));
  }
  if (error != 0) {
    return OsError("mmap", file->path(), -error);
  }
  *mapping = std::shared_ptr<const Mapping>(new Mapping(file, data));
  return Status();
}

Mapping::Mapping(std::shared_ptr<SegmentFile> file, uint8_t* data)
    : file_(std::move(file)), data_(data) {
  live_mappings.fetch_add(1, std::memory_order_relaxed);
}

Mapping::~Mapping() {
  file_->file_ops()->Unmap(data_, file_->bytes());
  live_mappings.fetch_sub(1, std::memory_order_relaxed);
}

Status Mapping::Touch(uint64_t offset, uint64_t bytes) const {
  if (file_->file_ops()->ResidentBytes(data_ + offset, bytes) == bytes) {
    return Status();
  }
  return Populate(offset, bytes);
}

Status Mapping::Populate(uint64_t offset, uint64_t bytes) const {
  const int error = file_->file_ops()->Populate(data_ + offset, bytes, /*for_writing=*/false);
  return error == 0 ? Status() : OsError("read", file_->path(), -error);
}

Status Mapping::TouchAhead(uint64_t offset, const Ahead& range, uint64_t* upto) const {
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard<std::mutex> lock(seen_mutex_);
    if (seen_from_ <= offset && offset + range.bytes <= seen_upto_ && now - seen_at_ < kSeenFor) {
      *upto = seen_upto_;
      return Status();
    }
  }
  const uint64_t hope = std::min(range.hope, file_->bytes() - offset);
  const uint64_t resident = file_->file_ops()->ResidentBytes(data_ + offset, hope);
  *upto = offset + std::max(resident, range.ahead);
  Status status = resident >= range.ahead ? Status() : Populate(offset, range.ahead);
  if (status.ok()) {
    const std::lock_guard<std::mutex> lock(seen_mutex_);
    seen_from_ = offset;
    seen_upto_ = *upto;
    seen_at_ = now;
  }
  return status;
}

int64_t Mapping::live_count() {
  return live_mappings.load(std::memory_order_relaxed);
}

}  // namespace millrace::log
