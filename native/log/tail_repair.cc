#include "native/log/tail_repair.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "native/format/segment_format.h"
#include "native/log/directory_names.h"
#include "native/log/segment_blocks.h"

namespace millrace::log {

using base::Format;
using base::OsError;
using base::Status;

namespace {

constexpr uint64_t kChunkBytes = 1024 * 1024;

uint64_t OffsetOf(const Segment& segment, uint64_t position) {
  return format::kSegmentHeaderBlockBytes + (position - segment.base_position);
}

uint64_t TrailerOf(const SegmentFile& file) {
  return file.bytes() - format::kSegmentTrailerBlockBytes;
}

// A segment file opened for repair; the descriptor closes with it.
class OpenFile {
 public:
  OpenFile(CoreContext* context, const std::string& path)
      : context_(context),
        file_ops_(context->file_ops),
        path_(path),
        fd_(file_ops_->Open(path, base::OpenMode::kReadWrite)) {}

  ~OpenFile() {
    if (fd_ >= 0) {
      file_ops_->Close(fd_);  // what matters has been synced by then
    }
  }

  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  Status status() const { return fd_ >= 0 ? Status() : OsError("open", path_, -fd_); }

  Status Write(const void* data, size_t bytes, uint64_t offset) {
    const int error = file_ops_->PWrite(fd_, data, bytes, offset);
    return error == 0 ? Status() : OsError("write", path_, -error);
  }

  Status Rewrite(uint64_t offset, uint64_t bytes) {
    std::vector<uint8_t> chunk(std::min(bytes, kChunkBytes));
    while (bytes > 0) {
      const size_t step = static_cast<size_t>(std::min<uint64_t>(bytes, chunk.size()));
      const int64_t got = file_ops_->PRead(fd_, chunk.data(), step, offset);
      if (got < 0) {
        return OsError("read", path_, static_cast<int>(-got));
      }
      if (got == 0) {
        break;
      }
      Status status = Write(chunk.data(), static_cast<size_t>(got), offset);
      if (!status.ok()) {
        return status;
      }
      offset += static_cast<uint64_t>(got);
      bytes -= static_cast<uint64_t>(got);
    }
    return Status();
  }

  // The next repair writes in place, which reaches the disk even when this one did not.
  Status Sync() {
    const int error = file_ops_->SyncData(fd_);
    return error == 0 ? context_->directory.ConfirmSyncs() : OsError("sync", path_, -error);
  }

  int fd() const { return fd_; }

 private:
  CoreContext* const context_;
  base::FileOps* const file_ops_;
  const std::string path_;
  const int fd_;
};

// Both blocks, with this segment's header in each: one of the two may still show the header of the
// file's earlier life, or none, and a segment whose last batches have been cut has nothing else to
// tell whose it is.
Status RewriteHeaders(CoreContext* context, const Segment& segment, OpenFile* file) {
  format::SegmentHeader header{};
  header.directory_id = context->directory.id();
  header.shard = segment.shard;
  header.ordinal = segment.ordinal;
  header.base_position = segment.base_position;
  header.first_sequence = segment.first_sequence;
  header.file_bytes = segment.file->bytes();
  header.created_millis = segment.created_millis;
  FinishSegmentHeader(&header);
  Status status;
  for (const uint64_t offset : {TrailerOf(*segment.file), uint64_t{0}}) {
    status = status.ok() ? file->Rewrite(offset, format::kSegmentHeaderBlockBytes) : status;
    status = status.ok() ? file->Write(&header, sizeof header, offset) : status;
  }
  return status;
}

// The oldest copies go: names begin with the segment's id, which grows.
void PruneAside(CoreContext* context) {
  std::vector<std::string> names;
  if (context->file_ops->List(context->directory.aside_path(), &names) != 0) {
    return;
  }
  std::erase_if(names, [](const std::string& name) { return !IsAsideName(name); });
  std::sort(names.begin(), names.end());
  for (size_t at = 0; at + kAsideFilesMax < names.size(); ++at) {
    static_cast<void>(context->file_ops->Unlink(context->directory.aside_path() + "/" + names[at]));
  }
}

}  // namespace

Status CopyAside(CoreContext* context, const Segment& segment, uint64_t from, uint64_t to) {
  base::FileOps* const file_ops = context->file_ops;
  OpenFile source(context, segment.file->path());
  Status status = source.status();
  if (!status.ok()) {
    return status;
  }
  std::vector<uint8_t> bytes(to - from);
  const int64_t got =
      file_ops->PRead(source.fd(), bytes.data(), bytes.size(), OffsetOf(segment, from));
  if (got < 0) {
    return OsError("read", segment.file->path(), static_cast<int>(-got));
  }
  const std::string path =
      context->directory.aside_path() + Format("/%016llx-%016llx.torn",
                                               static_cast<unsigned long long>(segment.file->id()),
                                               static_cast<unsigned long long>(from));
  const int made = file_ops->MakeDirectory(context->directory.aside_path());
  if (made != 0 && made != -EEXIST) {
    return OsError("creation", context->directory.aside_path(), -made);
  }
  static_cast<void>(file_ops->Unlink(path));  // of a recovery that was itself interrupted
  const int fd = file_ops->Open(path, base::OpenMode::kCreateNew);
  if (fd < 0) {
    return OsError("create", path, -fd);
  }
  int error = file_ops->PWrite(fd, bytes.data(), static_cast<size_t>(got), 0);
  error = error == 0 ? file_ops->SyncData(fd) : error;
  file_ops->Close(fd);  // synced, or reported below
  if (error != 0) {
    return OsError("write", path, -error);
  }
  PruneAside(context);
  return Status();
}

Status ZeroTail(CoreContext* context, const Segment& segment, uint64_t end_position) {
  OpenFile file(context, segment.file->path());
  Status status = file.status();
  const std::vector<uint8_t> zeros(kChunkBytes);
  uint64_t offset = OffsetOf(segment, end_position);
  const uint64_t end = TrailerOf(*segment.file);
  while (status.ok() && offset < end) {
    const uint64_t step = std::min<uint64_t>(end - offset, zeros.size());
    status = file.Write(zeros.data(), static_cast<size_t>(step), offset);
    offset += step;
  }
  return status.ok() ? file.Sync() : status;
}

Status ProveTail(CoreContext* context, const Segment& segment, uint64_t from, uint64_t to,
                 bool with_header, bool sync) {
  OpenFile file(context, segment.file->path());
  Status status = file.status();
  if (status.ok() && with_header) {
    status = RewriteHeaders(context, segment, &file);
  }
  status = status.ok() ? file.Rewrite(OffsetOf(segment, from), to - from) : status;
  return status.ok() && sync ? file.Sync() : status;
}

Status RestoreLength(CoreContext* context, const SegmentFile& segment_file) {
  OpenFile file(context, segment_file.path());
  Status status = file.status();
  if (!status.ok()) {
    return status;
  }
  const int error = context->file_ops->Allocate(file.fd(), segment_file.bytes());
  return error == 0 ? file.Sync() : OsError("allocation", segment_file.path(), -error);
}

Status DisownSegment(CoreContext* context, const Segment& segment) {
  OpenFile file(context, segment.file->path());
  Status status = file.status();
  const std::vector<uint8_t> zeros(format::kSegmentHeaderBlockBytes);
  for (const uint64_t offset : {uint64_t{0}, TrailerOf(*segment.file)}) {
    status = status.ok() ? file.Write(zeros.data(), zeros.size(), offset) : status;
  }
  return status.ok() ? file.Sync() : status;
}

Status WriteSeal(CoreContext* context, const Segment& segment, const format::SegmentSeal& seal) {
  OpenFile file(context, segment.file->path());
  Status status = file.status();
  status = status.ok()
               ? file.Write(&seal, sizeof seal, TrailerOf(*segment.file) + format::kSegmentSealAt)
               : status;
  return status.ok() ? file.Sync() : status;
}

}  // namespace millrace::log
