#include "test/torture/native/event.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "native/base/check.h"

namespace millrace::torture {

EventWriter::EventWriter(int fd, std::string clock_path)
    : fd_(fd), clock_path_(std::move(clock_path)) {}

void EventWriter::Put(const Event& event, const uint64_t* hashes) {
  Event stamped = event;
  if (!clock_path_.empty()) {
    struct stat status;
    MILLRACE_CHECK(stat(clock_path_.c_str(), &status) == 0);
    stamped.clock = static_cast<uint64_t>(status.st_size);
  }
  const size_t hash_bytes = CarriesHashes(event.kind) ? event.count * sizeof(uint64_t) : 0;
  buffer_.resize(sizeof stamped + hash_bytes);
  std::memcpy(buffer_.data(), &stamped, sizeof stamped);
  if (hash_bytes > 0) {
    std::memcpy(buffer_.data() + sizeof stamped, hashes, hash_bytes);
  }
  size_t written = 0;
  while (written < buffer_.size()) {
    const ssize_t count = write(fd_, buffer_.data() + written, buffer_.size() - written);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    MILLRACE_CHECK(count > 0);
    written += static_cast<size_t>(count);
  }
}

void EventReader::Feed(const uint8_t* data, size_t bytes, EventSink* sink) {
  pending_.insert(pending_.end(), data, data + bytes);
  size_t at = 0;
  while (pending_.size() - at >= sizeof(Event)) {
    Event event;
    std::memcpy(&event, pending_.data() + at, sizeof event);
    const size_t hash_count = CarriesHashes(event.kind) ? event.count : 0;
    const size_t whole = sizeof event + hash_count * sizeof(uint64_t);
    if (pending_.size() - at < whole) {
      break;
    }
    hashes_.resize(hash_count);
    if (hash_count > 0) {
      std::memcpy(hashes_.data(), pending_.data() + at + sizeof event,
                  hash_count * sizeof(uint64_t));
    }
    sink->Put(event, hashes_.data());
    at += whole;
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace millrace::torture
