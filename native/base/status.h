// The outcome of an operation. No exception is thrown anywhere in the core.
//
// Where an error is detected it gets its text, with path, segment and position; nothing above
// rewrites it. The codes are those of the public error table (src/errors.ts); a test compares the
// two lists.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace millrace::base {

enum class Code : uint8_t {
  kOk = 0,
  kInvalidArgument,
  kShardNotFound,
  kShardClosed,
  kSequenceNumberTrimmed,
  kSequenceNumberInFuture,
  kThroughputExceeded,
  kRecordTooLarge,
  kProducerSequenceGap,
  kAccessDenied,
  kWriterFenced,
  kDiskFull,
  kLogFailed,
  kLogCorrupt,
  kLogLocked,
  kLogClosed,
  kFormatUnsupported,
  kCatalogUnreadable,
  kLimitExceeded,
  kProtocolViolation,
  kKeyNotFound,
  kKeyMismatch,
  kEncryptionUnavailable,
  kInternal,
  kCount,
};

// The name of the code in the public error table, such as "DISK_FULL". kOk is "OK".
const char* CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;

  Status(Code code, std::string message)
      : detail_(std::make_unique<Detail>(Detail{code, std::move(message), 0, 0})) {}

  // With the range of positions that the error is about: [start, end).
  Status(Code code, std::string message, uint64_t range_start, uint64_t range_end)
      : detail_(
            std::make_unique<Detail>(Detail{code, std::move(message), range_start, range_end})) {}

  Status(Status&&) = default;
  Status& operator=(Status&&) = default;

  Status(const Status& other)
      : detail_(other.detail_ ? std::make_unique<Detail>(*other.detail_) : nullptr) {}

  Status& operator=(const Status& other) {
    if (this != &other) {
      detail_ = other.detail_ ? std::make_unique<Detail>(*other.detail_) : nullptr;
    }
    return *this;
  }

  ~Status() = default;

  bool ok() const { return detail_ == nullptr; }

  Code code() const { return ok() ? Code::kOk : detail_->code; }

  const std::string& message() const {
    static const std::string empty;
    return ok() ? empty : detail_->message;
  }

  uint64_t range_start() const { return ok() ? 0 : detail_->range_start; }

  uint64_t range_end() const { return ok() ? 0 : detail_->range_end; }

 private:
  struct Detail {
    Code code;
    std::string message;
    uint64_t range_start;
    uint64_t range_end;
  };

  std::unique_ptr<Detail> detail_;
};

// printf into a std::string, for messages.
std::string Format(const char* format, ...) __attribute__((format(printf, 1, 2)));

// What strerror says.
std::string ErrnoText(int error_number);

// An operating system error: `path: what: reason`, with the code that fits `error_number` (ENOSPC
// and EDQUOT: DISK_FULL; EACCES, EPERM and EROFS: ACCESS_DENIED; EMFILE, ENFILE and ENOMEM:
// LIMIT_EXCEEDED; else LOG_FAILED).
Status OsError(const char* what, const std::string& path, int error_number);

}  // namespace millrace::base
