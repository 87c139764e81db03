// Group commit: one thread that makes what was appended durable, for all shards together.
//
// A round starts the write-back of every dirty segment before it waits for the first, as one sync
// after another would make an acknowledgement slower with every shard. While a round runs the next
// group forms; nothing is delayed to make a group larger, but for what listener_turn.h says.
//
// That every sync of a round returned 0 is not enough: when the journal of the file system aborts
// meanwhile, they may have lied (FileOps::ConfirmSyncs). So a round asks once more before it
// acknowledges anything.
//
// Threads: the requests are quick and may come under the lock of a shard. Run a round from one
// thread at a time: the rounds' own lock sees to that. Lock order: round_mutex_, then a shard's,
// then mutex_.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/shard_queue.h"

namespace millrace::log {

class Committer {
 public:
  // `persist_trims` makes trims durable and frees what they released; called without any lock of
  // the committer's. Answers those for which there is no room to say so on disk: it is called for
  // them again later.
  using PersistTrims = std::function<std::vector<ShardLog*>(std::vector<ShardLog*>)>;

  Committer(CoreContext* context, PersistTrims persist_trims);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  void Start();
  void Stop();  // joins; requests that are still queued stay undone

  void RequestCommit(ShardLog* shard);
  void RequestIdleCheck(ShardLog* shard);
  void RequestTrim(ShardLog* shard);

  // Runs one round over these shards, now, on this thread.
  void Commit(const std::vector<ShardLog*>& shards, bool everything = true);

  // One look at the shards that asked for an idle check, and a round over those that need one.
  void CheckIdleShards();

  // Does what is queued: commits and trims. True when there was something.
  bool RunQueued();

  // Does the trims that have found no room so far.
  void RetryTrims();

 private:
  using SteadyClock = std::chrono::steady_clock;

  static constexpr auto kRetryWaitMin = std::chrono::milliseconds(50);
  static constexpr auto kRetryWaitMax = std::chrono::milliseconds(1000);

  void Run();
  bool PersistTrimsOf(std::vector<ShardLog*> shards);

  CoreContext* const context_;
  const PersistTrims persist_trims_;

  std::mutex round_mutex_;  // held for a round

  std::mutex mutex_;
  std::condition_variable wanted_;
  std::vector<ShardLog*> commits_;  // under mutex_
  ShardQueue trims_;                // under mutex_
  ShardQueue untrimmed_;            // under mutex_; there was no room for what says so
  std::vector<ShardLog*> idle_;     // under mutex_
  bool stop_ = false;               // under mutex_
  SteadyClock::duration retry_wait_ = kRetryWaitMin;  // under mutex_; grows while there is no room
  SteadyClock::time_point retry_at_;                  // under mutex_; of untrimmed_
  std::thread thread_;
};

}  // namespace millrace::log
