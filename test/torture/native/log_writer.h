// Drives a log with random work and tells an EventSink, before and after each step, what it does
// and what it was told.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "native/log/core.h"
#include "test/torture/native/event.h"
#include "test/torture/native/records.h"

namespace millrace::torture {

struct LogWriterOptions {
  uint64_t seed = 1;
  uint64_t step_count = UINT64_MAX;  // appends, counted
  uint32_t shards_min = 1;
  uint32_t shards_max = 16;
  uint32_t os_percent = 0;  // of the appends: acknowledged by the operating system alone
  uint64_t shard_bytes_max = 1536 * 1024;  // a shard whose segments take more is trimmed
  uint32_t unanswered_max = 32;            // batches; the writer waits for the oldest above that
  uint32_t trim_one_in = 40;               // steps; 0 = never, here and below
  uint32_t reshard_one_in = 200;           // close a shard, create two
  uint32_t delete_one_in = 100;
  uint32_t chores_one_in = 10;           // inline mode only
  bool serve = false;                    // read back what is committed, as a subscriber would
  uint64_t full_count_max = UINT64_MAX;  // ends after the disk has been full so many times
  bool persist =
      false;  // go on after DISK_FULL (with trims) and LIMIT_EXCEEDED, instead of stopping
  RecordSizes sizes;
};

// One thread. Borrows the core and the sink.
class LogWriter final : public log::CommitListener {
 public:
  LogWriter(log::Core* core, bool core_is_inline, const LogWriterOptions& options, EventSink* sink);
  ~LogWriter() override;
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Works until the steps are done, and everything is acknowledged, or an error ends it. The error
  // has been told as kStopped when this returns.
  base::Status Run();

  uint64_t acked_batch_count() const { return acked_batch_count_; }

  uint64_t refused_batch_count() const { return refused_batch_count_; }

  // How often appends have begun to be refused with DISK_FULL.
  uint64_t full_count() const { return full_count_; }

  // The longest time for which every append was refused, though room was made for them.
  uint64_t refused_millis_max() const { return refused_millis_max_; }

  // When that was over, by the clock that scripts of the tests have, too (CLOCK_MONOTONIC).
  uint64_t refused_max_until_millis() const { return refused_max_until_millis_; }

  void OnCommitted() override;

 private:
  struct Unanswered {
    uint64_t first_sequence;
    uint32_t count;
    uint64_t end_position;
    bool durable;
  };

  struct ShardState {
    uint32_t slot = 0;
    uint64_t served_position = 0;
    std::deque<Unanswered> unanswered;
  };

  base::Status Prepare();
  base::Status Step();
  base::Status Append(uint64_t shard, ShardState* state);
  base::Status Refused(uint64_t shard, ShardState* state, base::Status status);
  base::Status CollectAcks();
  base::Status AwaitAll();
  base::Status Adopt(uint64_t shard);
  base::Status Create(uint32_t count, uint64_t first_sequence);
  base::Status Trim(uint64_t shard, ShardState* state, uint32_t keep_percent);
  base::Status Reshard(uint64_t shard);
  base::Status Delete(uint64_t shard);
  base::Status Serve(ShardState* state);
  uint64_t PickShard();
  void Tell(EventKind kind, uint64_t shard, uint64_t sequence = 0, uint32_t count = 0);

  log::Core* core_;
  bool core_is_inline_;
  LogWriterOptions options_;
  EventSink* sink_;
  Random random_;
  std::map<uint64_t, ShardState> shards_;  // open ones
  MadeBatch batch_;
  uint64_t unanswered_count_ = 0;
  uint64_t acked_batch_count_ = 0;
  uint64_t refused_batch_count_ = 0;
  uint64_t full_count_ = 0;
  uint64_t refused_since_millis_ = 0;  // 0 = the last append was taken
  uint64_t refused_millis_max_ = 0;
  uint64_t refused_max_until_millis_ = 0;
  std::atomic<uint32_t> commits_{0};
};

}  // namespace millrace::torture
