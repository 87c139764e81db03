// The judge: what a log may hold after a crash, given what its writer was told before. It lives
// outside of the program under torture, over the whole life of a directory, and reports every
// broken promise.
//
//   lost           acknowledged (or served to a reader), not trimmed, and absent from a full read
//   two contents   one sequence number, two records, whenever and by whomever they were seen
//   phantom        read, but never sent; or sent, absent from an earlier full read, and back again
//   gap            numbers that do not follow each other, in an acknowledgement or in a read
//   half a batch   a batch is all there or not at all
//   refused        the log said no for certain, and a reader finds the record
//   misplaced      a shard that should not exist does; a closed shard that is open again
//
// The batches of one shard must be sent by one thread, one after the other (several may be
// unanswered).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "test/torture/native/event.h"

namespace millrace::torture {

// What the crash may have undone.
enum class Outage : uint8_t {
  kProcess,  // the process died: every acknowledgement holds
  kPower,    // the machine died: acknowledgements of the operating system alone may be undone
};

class History final : public EventSink {
 public:
  explicit History(Outage crash) : crash_(crash) {}

  // The disk stopped at this clock: events after it bind nobody, but a record they name has no
  // other content.
  void SetClockMax(uint64_t clock_max) { clock_max_ = clock_max; }

  using EventSink::Put;
  void Put(const Event& event, const uint64_t* hashes) override;

  // In the order of their finding; at most kViolationsMax, since one bug can break thousands of
  // promises.
  const std::vector<std::string>& violations() const { return violations_; }

  uint64_t acked_record_count() const { return acked_record_count_; }

  uint64_t full_read_count() const { return full_read_count_; }

  uint64_t read_record_count() const { return read_record_count_; }

  static constexpr size_t kViolationsMax = 20;

 private:
  struct Batch {
    std::vector<uint64_t> hashes;
  };

  struct Shard {
    // Contents of the numbers [base, base + known.size()), as acknowledged or read.
    uint64_t base = 0;
    std::deque<uint64_t> known;
    uint64_t kept_from = 0;     // a trim may have dropped what is below
    uint64_t durable_next = 0;  // everything from kept_from up to here must be there
    std::deque<Batch> sent;     // unanswered, oldest first
    bool sealing = false;
    bool sealed = false;
    bool deleting = false;
    bool deleted = false;

    // Of the full read that is under way.
    bool seen = false;
    bool open_by_log = true;
    bool any_read = false;
    bool read_failed = false;
    uint64_t read_first = 0;
    uint64_t read_next = 0;
    size_t adopted = 0;  // records of the oldest unanswered batch that this read has found

    uint64_t known_next() const { return base + known.size(); }
  };

  void OnAcked(uint64_t id, Shard* shard, const Event& event);
  void OnServed(uint64_t id, Shard* shard, const Event& event, const uint64_t* hashes);
  void OnCreated(const Event& event);
  void OnShardStart(uint64_t id, const Event& event);
  void OnRead(uint64_t id, Shard* shard, const Event& event, const uint64_t* hashes);
  static void PassTrimmed(Shard* shard, uint64_t first);
  void Adopt(uint64_t id, Shard* shard, uint64_t sequence, uint64_t hash);
  void OnShardEnd(uint64_t id, Shard* shard, uint64_t next_sequence);
  void OnAllRead();
  void OnReadEvent(const Event& event, const uint64_t* hashes);
  Shard* Find(const Event& event);

  bool Binds(const Event& event) const { return event.clock <= clock_max_; }

  void Report(const char* format, ...) __attribute__((format(printf, 2, 3)));

  Outage crash_;
  uint64_t clock_max_ = UINT64_MAX;
  std::map<uint64_t, Shard> shards_;
  uint64_t creating_ = 0;  // shards asked for whose ids have not been told
  std::vector<std::string> violations_;
  uint64_t acked_record_count_ = 0;
  uint64_t full_read_count_ = 0;
  uint64_t read_record_count_ = 0;
};

}  // namespace millrace::torture
