#include "native/log/directory.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <utility>

#include "native/format/segment_format.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::OsError;
using base::Status;

namespace {

constexpr const char* kOwnNames[] = {
    "FORMAT", "LOCK",           "manifest-a",     "manifest-b", "verified-end",    "log",
    "aside",  "manifest-a.new", "manifest-b.new", "FORMAT.new", "verified-end.new"};

// What a file system of its own puts into the root of a disk.
constexpr const char* kToleratedName = "lost+found";

bool IsOwnName(const std::string& name) {
  return std::any_of(std::begin(kOwnNames), std::end(kOwnNames),
                     [&name](const char* own) { return name == own; });
}

// "<16 hex digits>.<extension>"; false for anything else.
bool ParseFileName(const std::string& name, const char* extension, uint64_t* id) {
  constexpr size_t kDigits = 16;
  if (name.size() != kDigits + std::strlen(extension) ||
      name.compare(kDigits, std::string::npos, extension) != 0) {
    return false;
  }
  *id = 0;
  for (size_t at = 0; at < kDigits; ++at) {
    const char digit = name[at];
    const bool decimal = digit >= '0' && digit <= '9';
    if (!decimal && (digit < 'a' || digit > 'f')) {
      return false;
    }
    *id = *id << 4 | static_cast<uint64_t>(decimal ? digit - '0' : digit - 'a' + 10);
  }
  return true;
}

Status Foreign(const std::string& directory, const std::string& name) {
  return Status(Code::kFormatUnsupported,
                Format("%s/%s is not a file of Millrace: move it elsewhere, or choose another "
                       "data directory",
                       directory.c_str(), name.c_str()));
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
  Status status = CheckNames(&initialized);
  if (status.ok()) {
    status = TakeLock(base::OpenMode::kCreate);
  }
  if (status.ok()) {
    status = CheckNames(&initialized);  // again: its owner until now may have written it meanwhile
  }
  if (status.ok() && initialized) {
    status = ReadFormat();
  }
  *fresh = !initialized;
  return status;
}

Status Directory::AcquireForReading() {
  bool initialized = false;
  Status status = CheckNames(&initialized);
  if (status.ok() && !initialized) {
    return Status(
        Code::kFormatUnsupported,
        Format("%s is not a Millrace data directory: it has no FORMAT file", path_.c_str()));
  }
  if (status.ok()) {
    status = TakeLock(base::OpenMode::kRead);
  }
  return status.ok() ? ReadFormat() : status;
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

Status Directory::CheckNames(bool* initialized) const {
  std::vector<std::string> names;
  const int error = file_ops_->List(path_, &names);
  if (error != 0) {
    return OsError("listing", path_, -error);
  }
  *initialized = false;
  for (const std::string& name : names) {
    *initialized = *initialized || name == "FORMAT";
    if (!IsOwnName(name) && name != kToleratedName) {
      return Foreign(path_, name);
    }
  }
  return Status();
}

Status Directory::ReadFormat() {
  const std::string path = path_ + "/FORMAT";
  bool exists = false;
  std::vector<uint8_t> bytes;
  Status status = ReadWholeFile(file_ops_, path, 256, &exists, &bytes);
  if (!status.ok()) {
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
    } else if (name.size() < 4 || name.compare(name.size() - 4, 4, ".new") != 0) {
      return Foreign(log_path(), name);
    }
  }
  std::sort(segments->begin(), segments->end());
  std::sort(indexes->begin(), indexes->end());
  return Status();
}

Status ReplaceFile(base::FileOps* file_ops, const std::string& directory, const std::string& name,
                   const void* data, size_t bytes) {
  const std::string path = directory + "/" + name;
  const std::string next = path + ".new";
  static_cast<void>(file_ops->Unlink(next));  // of an attempt that was cut short
  const int fd = file_ops->Open(next, base::OpenMode::kCreateNew);
  if (fd < 0) {
    return OsError("create", next, -fd);
  }
  int error = file_ops->PWrite(fd, data, bytes, 0);
  error = error == 0 ? file_ops->SyncData(fd) : error;
  const int close_error = file_ops->Close(fd);
  error = error == 0 ? close_error : error;
  error = error == 0 ? file_ops->Rename(next, path) : error;
  error = error == 0 ? file_ops->SyncDirectory(directory) : error;
  return error == 0 ? Status() : OsError("write", path, -error);
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
