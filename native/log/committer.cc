#include "native/log/committer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "native/log/shard_log.h"

namespace millrace::log {

using base::Status;

Committer::Committer(CoreContext* context, PersistTrims persist_trims)
    : context_(context), persist_trims_(std::move(persist_trims)) {}

Committer::~Committer() {
  Stop();
}

void Committer::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Committer::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wanted_.notify_all();
  context_->listener_turn.Forget();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Committer::RequestCommit(ShardLog* shard) {
  bool wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake = commits_.empty();
    commits_.push_back(shard);
  }
  if (wake) {
    wanted_.notify_one();
  }
}

void Committer::RequestIdleCheck(ShardLog* shard) {
  bool wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake = idle_.empty();
    idle_.push_back(shard);
  }
  if (wake) {
    wanted_.notify_one();  // so that the thread begins to look at the clock
  }
}

void Committer::RequestTrim(ShardLog* shard) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    trims_.Add(shard);
  }
  wanted_.notify_one();
}

void Committer::Run() {
  const auto period = std::chrono::milliseconds(context_->options.idle_marker_millis);
  auto next_idle_check = SteadyClock::now() + period;
  for (;;) {
    bool retries = false;
    bool commits = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      const auto ready = [this] { return stop_ || !commits_.empty() || !trims_.empty(); };
      if (idle_.empty() && untrimmed_.empty()) {
        wanted_.wait(lock, [this, &ready] { return ready() || !idle_.empty(); });
      }
      if (!ready()) {
        const auto due =
            untrimmed_.empty() ? next_idle_check : std::min(next_idle_check, retry_at_);
        wanted_.wait_until(lock, due, ready);
      }
      if (stop_) {
        return;
      }
      retries = !untrimmed_.empty() && SteadyClock::now() >= retry_at_;
      commits = !commits_.empty();
    }
    if (commits && context_->listener_turn.Await()) {
      context_->counters.sync_wait_count.fetch_add(1, std::memory_order_relaxed);
    }
    RunQueued();
    if (retries) {
      RetryTrims();
    }
    const auto now = SteadyClock::now();
    if (now >= next_idle_check) {
      CheckIdleShards();
      next_idle_check = now + period;
    }
  }
}

bool Committer::RunQueued() {
  std::vector<ShardLog*> commits;
  std::vector<ShardLog*> trims;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    commits.swap(commits_);
    trims = trims_.Take();
  }
  if (!commits.empty()) {
    Commit(commits, /*everything=*/false);
  }
  const bool has_work = !commits.empty() || !trims.empty();
  if (!trims.empty() && PersistTrimsOf(std::move(trims))) {
    const std::lock_guard<std::mutex> lock(mutex_);
    retry_at_ = SteadyClock::now();  // there is room again
  }
  return has_work;
}

void Committer::RetryTrims() {
  std::vector<ShardLog*> trims;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    trims = untrimmed_.Take();
  }
  if (trims.empty()) {
    return;
  }
  const bool done = PersistTrimsOf(std::move(trims));
  const std::lock_guard<std::mutex> lock(mutex_);
  retry_wait_ =
      done ? kRetryWaitMin : std::min<SteadyClock::duration>(2 * retry_wait_, kRetryWaitMax);
}

// False when some are left for later.
bool Committer::PersistTrimsOf(std::vector<ShardLog*> shards) {
  const std::vector<ShardLog*> left = persist_trims_(std::move(shards));
  const std::lock_guard<std::mutex> lock(mutex_);
  if (untrimmed_.empty()) {
    retry_at_ = SteadyClock::now() + retry_wait_;
  }
  for (ShardLog* const shard : left) {
    untrimmed_.Add(shard);
  }
  return left.empty();
}

void Committer::Commit(const std::vector<ShardLog*>& shards, bool everything) {
  const std::lock_guard<std::mutex> round(round_mutex_);
  const auto started = std::chrono::steady_clock::now();
  std::vector<CommitPlan> plans;
  plans.reserve(shards.size());
  size_t range_count = 0;
  for (ShardLog* const shard : shards) {
    CommitPlan plan;
    if (shard->BeginCommit(everything, &plan)) {
      range_count += plan.ranges.size();
      plans.push_back(std::move(plan));
    }
  }
  if (plans.empty()) {
    return;
  }
  for (const CommitPlan& plan : plans) {
    for (const CommitPlan::Range& range : plan.ranges) {
      if (range.whole) {
        range.writer->Finish();
      }
      if (range_count > 1) {
        range.writer->StartWriteback(range.from, range.to);
      }
    }
  }
  // Nothing is acknowledged before all of them have worked: after one that failed, the success of
  // the next may be a lie of a file system whose journal has aborted.
  Status status = context_->failure();
  for (const CommitPlan& plan : plans) {
    for (const CommitPlan::Range& range : plan.ranges) {
      if (status.ok()) {
        status = range.whole ? range.writer->SyncWhole() : range.writer->Sync(range.from, range.to);
      }
    }
  }
  // And that all of them have worked is believed only when the file system is still alive now.
  status = status.ok() ? context_->directory.ConfirmSyncs() : status;
  for (const CommitPlan& plan : plans) {
    plan.shard->FinishCommit(plan, status);
  }
  const auto took = std::chrono::steady_clock::now() - started;
  CoreCounters& counters = context_->counters;
  counters.sync_count.fetch_add(range_count, std::memory_order_relaxed);
  counters.sync_group_count.fetch_add(1, std::memory_order_relaxed);
  counters.sync_micros_total.fetch_add(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()),
      std::memory_order_relaxed);
  context_->listener_turn.Tell();
  context_->NotifyCommitted();
  // After the acknowledgements: a seal saves a scan, nobody waits for it.
  for (CommitPlan& plan : plans) {
    if (!plan.shard->failed()) {
      plan.shard->SealSegments(&plan);
    }
  }
}

void Committer::CheckIdleShards() {
  std::vector<ShardLog*> shards;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    shards.swap(idle_);
  }
  std::vector<ShardLog*> commits;
  std::vector<ShardLog*> again;
  for (ShardLog* const shard : shards) {
    const IdleVerdict verdict = shard->CheckIdle();
    if (verdict == IdleVerdict::kCommit) {
      commits.push_back(shard);
    }
    if (verdict != IdleVerdict::kIdle) {
      again.push_back(shard);
    }
  }
  if (!commits.empty()) {
    Commit(commits);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_.insert(idle_.end(), again.begin(), again.end());
}

}  // namespace millrace::log
