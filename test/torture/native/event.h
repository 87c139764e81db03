// What a program under torture tells the one that judges it: records sent, acknowledged, read,
// shards made and dropped. Events go down a pipe, or into a file on a disk that is not under test,
// and survive the program that wrote them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::torture {

enum class EventKind : uint16_t {
  kOpened = 1,  // the log is open; `sequence` is 1 when it was closed cleanly before
  kSent,        // about to append: the hashes of the records of one batch
  kAcked,       // the oldest unanswered batch of the shard took `count` numbers from `sequence`
  kRefused,     // the newest unanswered batch of the shard was refused for certain
  kServed,      // a reader was given these records, from `sequence`
  kTrimming,    // about to trim below `sequence`
  kCreating,    // about to create `count` shards
  kCreated,     // this shard exists, its first record takes `sequence`
  kSealing,     // about to close the shard to appends
  kSealed,      // the shard is closed
  kDeleting,    // about to delete the shard
  kDeleted,     // the shard is gone
  kStopped,  // the log answered an error that the writer does not go on from: `count` is its code
  kShardStart,  // a full read of the shard begins; `durable` says whether the log calls it closed
  kRead,        // records of the full read, from `sequence`
  kReadFailed,  // the full read cannot go on: `count` is the code
  kShardEnd,    // the full read is over; `sequence` is the next number by the log's own account
  kAllRead,     // every shard that the log knows has been read
  kClosed,      // the log was closed without an error
};

struct Event {
  EventKind kind;
  uint16_t durable =
      1;  // kAcked: 0 = acknowledged by the operating system alone, which a power cut may undo
  uint32_t count = 0;
  uint64_t shard = 0;
  uint64_t sequence = 0;
  uint64_t clock = 0;  // of the disk under test, when the event happened; 0 where there is none
};

static_assert(sizeof(Event) == 32);

// Whether `count` hashes follow an event of this kind.
constexpr bool CarriesHashes(EventKind kind) {
  return kind == EventKind::kSent || kind == EventKind::kServed || kind == EventKind::kRead;
}

class EventSink {
 public:
  virtual ~EventSink() = default;

  // `hashes` are event.count of them where the kind carries hashes, else ignored; borrowed for the
  // call.
  virtual void Put(const Event& event, const uint64_t* hashes) = 0;

  void Put(const Event& event) { Put(event, nullptr); }
};

// Writes events to a descriptor, each with one system call, so that a kill leaves whole events. One
// thread.
class EventWriter final : public EventSink {
 public:
  // `fd` is borrowed. Where `clock_path` names a file, its length is the clock.
  EventWriter(int fd, std::string clock_path);

  using EventSink::Put;
  void Put(const Event& event, const uint64_t* hashes) override;

 private:
  int fd_;
  std::string clock_path_;
  std::vector<uint8_t> buffer_;
};

// Cuts a stream of bytes into events. What follows the last whole event waits for more; at the end
// it is what a kill left, and means nothing.
class EventReader {
 public:
  // Hands every event that is whole by now to `sink`.
  void Feed(const uint8_t* data, size_t bytes, EventSink* sink);

 private:
  std::vector<uint8_t> pending_;
  std::vector<uint64_t> hashes_;
};

}  // namespace millrace::torture
