#include "native/log/directory.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "native/format/segment_format.h"
#include "native/log/directory_names.h"
#include "native/log/manifest.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::OsError;
using base::Status;

namespace {

std::string ReplacementOf(const std::string& directory, const std::string& name) {
  return directory + "/" + name + ".new";
}

Status Foreign(const std::string& directory, const std::string& name) {
  return Status(Code::kFormatUnsupported,
                Format("%s/%s is not a file of Millrace: move it elsewhere, or choose another "
                       "data directory",
                       directory.c_str(), name.c_str()));
}

// The shards are there, FORMAT is not: a fresh start would write over what leads to them.
Status LostFormat(const std::string& directory, uint64_t id) {
  std::string line = "together with manifest-a and manifest-b";
  if (id != 0) {
    line = Format("or write this line into it: millrace-log %u %016" PRIx64, format::kFormatVersion,
                  id);
  }
  return Status(Code::kCatalogUnreadable,
                Format("%s/FORMAT is missing, though the directory has shards; nothing was "
                       "changed; restore it from a copy, %s",
                       directory.c_str(), line.c_str()));
}

Status RandomId(uint64_t* id) {
  do {
    if (getentropy(id, sizeof *id) != 0) {
      return OsError("getentropy", "directory id", errno);
    }
  } while (*id == 0);
  return Status();
}

}  // namespace

Directory::Directory(base::FileOps* file_ops, std::string path)
    : file_ops_(file_ops), path_(std::move(path)) {}

Directory::~Directory() {
  Release();
}

void Directory::Release() {
  if (lock_fd_ >= 0) {
    file_ops_->Close(lock_fd_);  // drops the lock; nothing is ever synced through it
    lock_fd_ = -1;
  }
}

Status Directory::Acquire(bool* fresh) {
  const int made = file_ops_->MakeDirectory(path_);
  if (made != 0 && made != -EEXIST) {
    return OsError("creation of the data directory", path_, -made);
  }
  // Looked at before anything is written, so that a directory of somebody else's stays untouched.
  bool initialized = false;
  Status status = Look(&initialized);
  if (status.ok()) {
    status = TakeLock(base::OpenMode::kCreate);
  }
  if (status.ok()) {
    status = Look(&initialized);  // again: its owner until now may have written it meanwhile
  }
  *fresh = !initialized;
  return status;
}

Status Directory::AcquireForReading() {
  bool initialized = false;
  Status status = Look(&initialized);
  if (status.ok() && !initialized) {
    return Status(
        Code::kFormatUnsupported,
        Format("%s is not a Millrace data directory: it has no FORMAT file", path_.c_str()));
  }
  return status.ok() ? TakeLock(base::OpenMode::kRead) : status;
}

Status Directory::TakeLock(base::OpenMode mode) {
  const std::string path = path_ + "/LOCK";
  lock_fd_ = file_ops_->Open(path, mode);
  if (lock_fd_ < 0) {
    const int error = -lock_fd_;
    lock_fd_ = -1;
    return OsError("open", path, error);
  }
  const int error = file_ops_->Lock(lock_fd_);
  if (error == 0) {
    return Status();
  }
  Release();
  if (error == -EWOULDBLOCK) {
    return Status(Code::kLogLocked,
                  Format("%s is open in another process; stop that one, or choose another data "
                         "directory",
                         path_.c_str()));
  }
  return OsError("lock", path, -error);
}

Status Directory::Look(bool* initialized) {
  const Status format = ReadFormat(initialized);
  if (format.code() == Code::kFormatUnsupported) {
    return format;  // before the names: a later version may have files that this one does not know
  }
  std::vector<std::string> names;
  Status status = ListOwn(path_, IsDirectoryName, &names);
  std::vector<std::string> log_names;
  status = status.ok() ? ListOwn(log_path(), IsLogName, &log_names) : status;
  if (status.ok() && !*initialized) {
    std::vector<std::string> aside_names;
    status = ListOwn(aside_path(), IsAsideName, &aside_names);
  }
  status = status.ok() ? format : status;
  return status.ok() && !*initialized ? CheckFresh(names, !log_names.empty(), initialized) : status;
}

Status Directory::CheckFresh(const std::vector<std::string>& names, bool has_segments,
                             bool* initialized) {
  ManifestContents manifest;
  const auto has = [&names](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (has("manifest-a") || has("manifest-b")) {
    Status status = Manifest::Read(file_ops_, path_, &manifest);
    if (!status.ok()) {
      return status;
    }
  }
  if (!has_segments && manifest.next_shard == ManifestContents{}.next_shard) {
    return Status();  // a first open that was cut short leaves no more than an empty manifest
  }
  // Another process may have finished its first open since FORMAT was looked for.
  Status status = ReadFormat(initialized);
  return status.ok() && !*initialized ? LostFormat(path_, manifest.directory_id) : status;
}

Status Directory::ListOwn(const std::string& directory, bool (*is_own)(const std::string&),
                          std::vector<std::string>* names) const {
  const int error = file_ops_->List(directory, names);
  if (error == -ENOENT && directory != path_) {
    return Status();
  }
  if (error == -ENOTDIR && directory != path_) {
    return Foreign(path_, directory.substr(path_.size() + 1));
  }
  if (error != 0) {
    return OsError("listing", directory, -error);
  }
  std::erase_if(*names, IsToleratedName);
  const auto foreign = std::find_if_not(names->begin(), names->end(), is_own);
  return foreign == names->end() ? Status() : Foreign(directory, *foreign);
}

Status Directory::ReadFormat(bool* exists) {
  const std::string path = path_ + "/FORMAT";
  std::vector<uint8_t> bytes;
  Status status = ReadWholeFile(file_ops_, path, 256, exists, &bytes);
  if (!status.ok() || !*exists) {
    return status;
  }
  const std::string text(bytes.begin(), bytes.end());
  unsigned version = 0;
  if (std::sscanf(text.c_str(), "millrace-log %u %" SCNx64, &version, &id_) != 2) {
    return Status(Code::kCatalogUnreadable,
                  Format("%s is damaged: it should read \"millrace-log %u <directory id>\"",
                         path.c_str(), format::kFormatVersion));
  }
  if (version > format::kFormatVersion) {
    return Status(Code::kFormatUnsupported,
                  Format("%s has format %u, this Millrace reads up to %u; open it with the "
                         "version that wrote it, or a later one",
                         path_.c_str(), version, format::kFormatVersion));
  }
  return Status();
}

Status Directory::Initialize() {
  Status status = RandomId(&id_);
  if (!status.ok()) {
    return status;
  }
  for (const std::string& directory : {log_path(), aside_path()}) {
    const int error = file_ops_->MakeDirectory(directory);
    if (error != 0 && error != -EEXIST) {
      return OsError("creation", directory, -error);
    }
  }
  return Status();
}

Status Directory::WriteFormat() {
  const std::string text = Format("millrace-log %u %016" PRIx64 "\n", format::kFormatVersion, id_);
  Status status = ReplaceFile(file_ops_, path_, "FORMAT", text.data(), text.size());
  if (!status.ok()) {
    return status;
  }
  return SyncEntries();
}

Status Directory::SyncEntries() {
  const size_t slash = path_.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path_.substr(0, slash);
  for (const std::string& directory : {log_path(), path_, parent}) {
    const int error = file_ops_->SyncDirectory(directory);
    if (error != 0) {
      return OsError("sync", directory, -error);
    }
  }
  return Status();
}

Status Directory::ConfirmSyncs() const {
  const int error = file_ops_->ConfirmSyncs(lock_fd_);
  if (error == 0) {
    return Status();
  }
  return Status(Code::kLogFailed,
                Format("%s: its file system takes no more changes (%s), so what was synced last "
                       "may not be on disk; see the log of the kernel, repair and mount it anew",
                       path_.c_str(), base::ErrnoText(-error).c_str()));
}

Status Directory::ListSegments(std::vector<uint64_t>* segments,
                               std::vector<uint64_t>* indexes) const {
  std::vector<std::string> names;
  const int error = file_ops_->List(log_path(), &names);
  if (error != 0) {
    return OsError("listing", log_path(), -error);
  }
  for (const std::string& name : names) {
    uint64_t id = 0;
    if (ParseFileName(name, ".seg", &id)) {
      segments->push_back(id);
    } else if (ParseFileName(name, ".idx", &id)) {
      indexes->push_back(id);
    } else if (!IsToleratedName(name)) {
      return Foreign(log_path(), name);
    }
  }
  std::sort(segments->begin(), segments->end());
  std::sort(indexes->begin(), indexes->end());
  return Status();
}

Status ReplaceFile(base::FileOps* file_ops, const std::string& directory, const std::string& name,
                   const void* data, size_t bytes) {
  Status status = WriteReplacement(file_ops, directory, name, data, bytes);
  return status.ok() ? PutReplacement(file_ops, directory, name) : status;
}

Status WriteReplacement(base::FileOps* file_ops, const std::string& directory,
                        const std::string& name, const void* data, size_t bytes) {
  const std::string next = ReplacementOf(directory, name);
  DropReplacement(file_ops, directory, name);
  const int fd = file_ops->Open(next, base::OpenMode::kCreateNew);
  if (fd < 0) {
    return OsError("create", next, -fd);
  }
  int error = file_ops->PWrite(fd, data, bytes, 0);
  error = error == 0 ? file_ops->SyncData(fd) : error;
  const int close_error = file_ops->Close(fd);
  error = error == 0 ? close_error : error;
  return error == 0 ? Status() : OsError("write", next, -error);
}

Status PutReplacement(base::FileOps* file_ops, const std::string& directory,
                      const std::string& name) {
  const std::string path = directory + "/" + name;
  int error = file_ops->Rename(ReplacementOf(directory, name), path);
  error = error == 0 ? file_ops->SyncDirectory(directory) : error;
  return error == 0 ? Status() : OsError("write", path, -error);
}

void DropReplacement(base::FileOps* file_ops, const std::string& directory,
                     const std::string& name) {
  // Nobody needs it; one that stays is removed before the next.
  static_cast<void>(file_ops->Unlink(ReplacementOf(directory, name)));
}

Status ReadWholeFile(base::FileOps* file_ops, const std::string& path, uint64_t bytes_max,
                     bool* exists, std::vector<uint8_t>* bytes) {
  bytes->clear();
  const int fd = file_ops->Open(path, base::OpenMode::kRead);
  *exists = fd != -ENOENT;
  if (fd == -ENOENT) {
    return Status();
  }
  if (fd < 0) {
    return OsError("open", path, -fd);
  }
  const int64_t size = file_ops->Size(fd);
  int64_t got = size;
  if (size > 0 && static_cast<uint64_t>(size) <= bytes_max) {
    bytes->resize(static_cast<size_t>(size));
    got = file_ops->PRead(fd, bytes->data(), bytes->size(), 0);
  }
  file_ops->Close(fd);  // opened for reading
  if (got < 0) {
    return OsError("read", path, static_cast<int>(-got));
  }
  if (static_cast<uint64_t>(size) > bytes_max) {
    return Status(Code::kLogCorrupt,
                  Format("%s has %lld bytes, more than it can have (%llu)", path.c_str(),
                         static_cast<long long>(size), static_cast<unsigned long long>(bytes_max)));
  }
  bytes->resize(static_cast<size_t>(got));
  return Status();
}

}  // namespace millrace::log
