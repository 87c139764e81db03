#include "native/base/status.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace millrace::base {

namespace {

constexpr const char* kCodeNames[] = {
    "OK",
    "INVALID_ARGUMENT",
    "SHARD_NOT_FOUND",
    "SHARD_CLOSED",
    "SEQUENCE_NUMBER_TRIMMED",
    "SEQUENCE_NUMBER_IN_FUTURE",
    "THROUGHPUT_EXCEEDED",
    "RECORD_TOO_LARGE",
    "PRODUCER_SEQUENCE_GAP",
    "ACCESS_DENIED",
    "WRITER_FENCED",
    "DISK_FULL",
    "LOG_FAILED",
    "LOG_CORRUPT",
    "LOG_LOCKED",
    "LOG_CLOSED",
    "FORMAT_UNSUPPORTED",
    "CATALOG_UNREADABLE",
    "LIMIT_EXCEEDED",
    "PROTOCOL_VIOLATION",
    "KEY_NOT_FOUND",
    "KEY_MISMATCH",
    "ENCRYPTION_UNAVAILABLE",
    "INTERNAL",
};

static_assert(sizeof kCodeNames / sizeof kCodeNames[0] == static_cast<size_t>(Code::kCount));

Code CodeOfErrno(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return Code::kDiskFull;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kAccessDenied;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Code::kLimitExceeded;
    default:
      return Code::kLogFailed;
  }
}

const char* Remedy(Code code) {
  switch (code) {
    case Code::kDiskFull:
      return "; free space on this file system";
    case Code::kAccessDenied:
      return "; run as the owner of the data directory, on a file system that is mounted writable";
    case Code::kLimitExceeded:
      return "; raise the limit on open files (ulimit -n), memory maps (vm.max_map_count) or "
             "memory";
    default:
      return "";
  }
}

}  // namespace

const char* CodeName(Code code) {
  return kCodeNames[static_cast<size_t>(code)];
}

std::string Format(const char* format, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, format);
  const int wanted = std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  if (wanted < 0) {
    return format;
  }
  if (static_cast<size_t>(wanted) < sizeof buffer) {
    return std::string(buffer, static_cast<size_t>(wanted));
  }
  std::string text(static_cast<size_t>(wanted) + 1, '\0');
  va_start(arguments, format);
  std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  text.pop_back();
  return text;
}

std::string ErrnoText(int error_number) {
  char reason[128];
  return strerror_r(error_number, reason, sizeof reason);
}

Status OsError(const char* what, const std::string& path, int error_number) {
  const Code code = CodeOfErrno(error_number);
  return Status(code, Format("%s: %s failed: %s%s", path.c_str(), what,
                             ErrnoText(error_number).c_str(), Remedy(code)));
}

}  // namespace millrace::base
