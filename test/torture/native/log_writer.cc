#include "test/torture/native/log_writer.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "native/base/check.h"
#include "native/base/clock.h"
#include "test/torture/native/full_read.h"

namespace millrace::torture {
namespace {

// An append that is refused although the writer trims again and again is not coming back.
constexpr uint64_t kRefusedMillisMax = 10'000;
constexpr useconds_t kRefusalPauseMicros = 1000;

// Keeps events until their time has come.
class EventBuffer final : public EventSink {
 public:
  using EventSink::Put;

  void Put(const Event& event, const uint64_t* hashes) override {
    events_.push_back(event);
    hashes_.emplace_back();
    if (CarriesHashes(event.kind)) {
      hashes_.back().assign(hashes, hashes + event.count);
    }
  }

  void PassOn(EventSink* sink) const {
    for (size_t i = 0; i < events_.size(); i++) {
      sink->Put(events_[i], hashes_[i].data());
    }
  }

 private:
  std::vector<Event> events_;
  std::vector<std::vector<uint64_t>> hashes_;
};

uint64_t MonotonicMillis() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace

LogWriter::LogWriter(log::Core* core, bool core_is_inline, const LogWriterOptions& options,
                     EventSink* sink)
    : core_(core),
      core_is_inline_(core_is_inline),
      options_(options),
      sink_(sink),
      random_(options.seed) {
  core_->AddListener(this);
}

LogWriter::~LogWriter() {
  core_->RemoveListener(this);
}

void LogWriter::OnCommitted() {
  commits_.fetch_add(1, std::memory_order_release);
  commits_.notify_one();
}

void LogWriter::Tell(EventKind kind, uint64_t shard, uint64_t sequence, uint32_t count) {
  Event event{kind};
  event.shard = shard;
  event.sequence = sequence;
  event.count = count;
  sink_->Put(event);
}

base::Status LogWriter::Run() {
  base::Status status = Prepare();
  for (uint64_t i = 0;
       i < options_.step_count && status.ok() && full_count_ < options_.full_count_max; i++) {
    status = Step();
  }
  if (status.ok()) {
    status = AwaitAll();
  }
  if (!status.ok()) {
    // A reader that comes after the failure must not be given what a restart will not have.
    for (auto& [shard, state] : shards_) {
      if (options_.serve) {
        static_cast<void>(Serve(&state));
      }
    }
    Tell(EventKind::kStopped, 0, 0, static_cast<uint32_t>(status.code()));
  }
  return status;
}

// Takes the open shards that are there, and creates what is missing.
base::Status LogWriter::Prepare() {
  for (const uint64_t shard : core_->ListShards()) {
    base::Status status = Adopt(shard);
    if (!status.ok()) {
      return status;
    }
  }
  const uint64_t wanted = random_.Between(options_.shards_min, options_.shards_max);
  if (shards_.size() < wanted) {
    return Create(static_cast<uint32_t>(wanted - shards_.size()), 1);
  }
  return {};
}

base::Status LogWriter::Adopt(uint64_t shard) {
  uint32_t slot = 0;
  base::Status status = core_->FindShard(shard, &slot);
  if (!status.ok()) {
    return status;
  }
  log::ShardStats stats;
  status = core_->GetShardStats(slot, &stats);
  if (status.ok() && !stats.sealed) {
    shards_[shard] = ShardState{slot, stats.committed_end, {}};
  }
  return status;
}

uint64_t LogWriter::PickShard() {
  auto picked = shards_.begin();
  std::advance(picked, static_cast<std::ptrdiff_t>(random_.Below(shards_.size())));
  return picked->first;
}

base::Status LogWriter::Step() {
  const uint64_t shard = PickShard();
  base::Status status = Append(shard, &shards_[shard]);
  if (status.ok()) {
    status = unanswered_count_ >= options_.unanswered_max || random_.OneIn(16) ? AwaitAll()
                                                                               : CollectAcks();
  }
  if (status.ok() && options_.serve) {
    status = Serve(&shards_[shard]);
  }
  if (status.ok() && options_.trim_one_in != 0 && random_.OneIn(options_.trim_one_in)) {
    status = Trim(shard, &shards_[shard], 50);
  }
  if (status.ok() && options_.reshard_one_in != 0 && random_.OneIn(options_.reshard_one_in)) {
    status = Reshard(shard);
  }
  if (status.ok() && options_.delete_one_in != 0 && random_.OneIn(options_.delete_one_in)) {
    status = Delete(PickShard());
  }
  if (core_is_inline_ && random_.OneIn(options_.chores_one_in)) {
    core_->RunChores();
  }
  return status;
}

base::Status LogWriter::Append(uint64_t shard, ShardState* state) {
  MakeBatch(options_.sizes, &random_, &batch_);
  const log::Piece piece{batch_.bytes.data(), static_cast<uint32_t>(batch_.bytes.size())};
  log::AppendRequest request;
  request.pieces = &piece;
  request.piece_count = 1;
  request.records_bytes = piece.bytes;
  request.count = static_cast<uint32_t>(batch_.hashes.size());
  request.durability =
      random_.Below(100) < options_.os_percent ? log::Durability::kOs : log::Durability::kDisk;
  Event sent{EventKind::kSent};
  sent.shard = shard;
  sent.count = request.count;
  sink_->Put(sent, batch_.hashes.data());

  log::AppendResult result;
  base::Status status = core_->Append(state->slot, request, &result);
  if (!status.ok()) {
    return Refused(shard, state, std::move(status));
  }
  MILLRACE_CHECK(result.count == request.count && !result.duplicate);
  refused_since_millis_ = 0;
  state->unanswered.push_back({result.first_sequence, result.count, result.end_position,
                               result.durability == log::Durability::kDisk});
  unanswered_count_++;
  log::ShardStats stats;
  status = core_->GetShardStats(state->slot, &stats);
  if (status.ok() && stats.segment_bytes > options_.shard_bytes_max) {
    status = Trim(shard, state, 30);
  }
  return status;
}

// A full disk and an exhausted limit refuse for certain: nothing of the batch may ever be read.
// After any other error the fate of the batch is open.
base::Status LogWriter::Refused(uint64_t shard, ShardState* state, base::Status status) {
  const bool full = status.code() == base::Code::kDiskFull;
  if (!full && status.code() != base::Code::kLimitExceeded) {
    return status;
  }
  Tell(EventKind::kRefused, shard);
  refused_batch_count_++;
  const uint64_t now = base::SystemClock()->SteadyMillis();
  if (refused_since_millis_ == 0) {
    refused_since_millis_ = now;
    full_count_ += full ? 1 : 0;
  }
  if (now - refused_since_millis_ >= refused_millis_max_) {
    refused_millis_max_ = now - refused_since_millis_;
    refused_max_until_millis_ = MonotonicMillis();
  }
  if (!options_.persist || now - refused_since_millis_ > kRefusedMillisMax) {
    return status;
  }
  base::Status awaited = AwaitAll();
  if (awaited.ok() && full) {
    awaited = Trim(shard, state, static_cast<uint32_t>(random_.Below(60)));
  }
  usleep(kRefusalPauseMicros);
  return awaited;
}

// Tells the acknowledgements of every shard, also when one of them has failed; then that failure is
// the answer.
base::Status LogWriter::CollectAcks() {
  base::Status failure;
  for (auto& [shard, state] : shards_) {
    const log::CommittedSlot& committed = core_->committed()->At(state.slot);
    const uint64_t end = committed.committed_end.load(std::memory_order_acquire);
    while (!state.unanswered.empty() && state.unanswered.front().end_position <= end) {
      const Unanswered& answered = state.unanswered.front();
      Event event{EventKind::kAcked};
      event.shard = shard;
      event.sequence = answered.first_sequence;
      event.count = answered.count;
      event.durable = answered.durable ? 1 : 0;
      sink_->Put(event);
      state.unanswered.pop_front();
      unanswered_count_--;
      acked_batch_count_++;
    }
    if (failure.ok() && !state.unanswered.empty()) {
      failure = core_->ShardState(state.slot);
    }
  }
  return failure;
}

base::Status LogWriter::AwaitAll() {
  for (;;) {
    const uint32_t before = commits_.load(std::memory_order_acquire);
    base::Status status = CollectAcks();
    if (!status.ok() || unanswered_count_ == 0) {
      return status;
    }
    if (core_is_inline_) {
      status = core_->Flush();
      if (!status.ok()) {
        return status;
      }
      continue;
    }
    commits_.wait(before, std::memory_order_acquire);
  }
}

base::Status LogWriter::Create(uint32_t count, uint64_t first_sequence) {
  Tell(EventKind::kCreating, 0, 0, count);
  std::vector<uint64_t> shards;
  base::Status status = core_->CreateShards(std::vector<uint64_t>(count, first_sequence), &shards);
  if (!status.ok()) {
    return status;
  }
  for (const uint64_t shard : shards) {
    Tell(EventKind::kCreated, shard, first_sequence);
    status = Adopt(shard);
    if (!status.ok()) {
      return status;
    }
  }
  return status;
}

// Keeps about the given share of the records.
base::Status LogWriter::Trim(uint64_t shard, ShardState* state, uint32_t keep_percent) {
  log::ShardStats stats;
  base::Status status = core_->GetShardStats(state->slot, &stats);
  if (!status.ok()) {
    return status;
  }
  const uint64_t held = stats.committed_next_sequence - stats.first_sequence;
  const uint64_t sequence = stats.committed_next_sequence - held * keep_percent / 100;
  Tell(EventKind::kTrimming, shard, sequence);
  return core_->Trim(state->slot, sequence);
}

base::Status LogWriter::Reshard(uint64_t shard) {
  base::Status status = AwaitAll();
  log::ShardStats stats;
  if (status.ok()) {
    status = core_->GetShardStats(shards_[shard].slot, &stats);
  }
  if (!status.ok()) {
    return status;
  }
  Tell(EventKind::kSealing, shard);
  status = core_->SealShards({shard});
  if (!status.ok()) {
    return status;
  }
  Tell(EventKind::kSealed, shard);
  shards_.erase(shard);
  return Create(shards_.size() < options_.shards_max ? 2 : 1, stats.next_sequence);
}

// Also closed shards are deleted, oldest first, so that a long run stays small.
base::Status LogWriter::Delete(uint64_t shard) {
  base::Status status = AwaitAll();
  const std::vector<uint64_t> all = core_->ListShards();
  if (!status.ok() || (shards_.size() < 2 && all.size() <= options_.shards_max)) {
    return status;
  }
  uint64_t victim = shard;
  for (const uint64_t candidate : all) {
    if (shards_.count(candidate) == 0) {
      victim = candidate;
      break;
    }
  }
  Tell(EventKind::kDeleting, victim);
  status = core_->DeleteShard(victim);
  if (!status.ok()) {
    return status;
  }
  Tell(EventKind::kDeleted, victim);
  shards_.erase(victim);
  return shards_.empty() ? Create(1, 1) : base::Status();
}

// What is read is told only after the acknowledgements that cover it: the commit may have moved on
// in between.
base::Status LogWriter::Serve(ShardState* state) {
  const log::CommittedSlot& committed = core_->committed()->At(state->slot);
  state->served_position =
      std::max(state->served_position, committed.trimmed_start.load(std::memory_order_acquire));
  EventBuffer served;
  base::Status read =
      ReadShardFrom(core_, state->slot, EventKind::kServed, &state->served_position, &served);
  base::Status acks = CollectAcks();
  served.PassOn(sink_);
  return acks.ok() ? std::move(read) : std::move(acks);
}

}  // namespace millrace::torture
