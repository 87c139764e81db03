#include "native/log/core.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <utility>

#include "native/log/committer.h"
#include "native/log/core_context.h"
#include "native/log/helper.h"
#include "native/log/open_directory.h"
#include "native/log/shard_log.h"
#include "native/log/shard_reader.h"
#include "native/log/shard_table.h"
#include "native/log/verified_end.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

Status Closed() {
  return Status(Code::kLogClosed, "the log is closed; open it again");
}

Status NoSuchSlot(uint32_t slot) {
  return Status(Code::kShardNotFound, Format("there is no shard in slot %u", slot));
}

Status NoSuchShard(uint64_t shard) {
  return Status(Code::kShardNotFound, Format("there is no shard %llu", static_cast<ull>(shard)));
}

Status CheckOptions(const CoreOptions& options) {
  const auto aligned = [](uint64_t bytes) { return bytes % base::kPageBytes == 0; };
  if (options.segment_bytes_min < 4 * base::kPageBytes || !aligned(options.segment_bytes_min) ||
      options.segment_bytes_max < options.segment_bytes_min ||
      !aligned(options.segment_bytes_max) || options.segment_bytes_max > format::kSegmentBytesMax) {
    return Status(
        Code::kInvalidArgument,
        Format("segments take %llu to %llu bytes in steps of %llu, not %llu to %llu",
               4 * static_cast<ull>(base::kPageBytes), static_cast<ull>(format::kSegmentBytesMax),
               static_cast<ull>(base::kPageBytes), static_cast<ull>(options.segment_bytes_min),
               static_cast<ull>(options.segment_bytes_max)));
  }
  if (options.idle_marker_millis == 0 || options.producers_max == 0) {
    return Status(Code::kInvalidArgument, "idleMarkerMillis and producersMax are at least 1");
  }
  return Status();
}

}  // namespace

// The chores of a core with threads go to them; without, the append itself commits.
class CoreChores : public Chores {
 public:
  CoreChores(Committer* committer, Helper* helper, ShardTable* shards, bool inline_mode)
      : committer_(committer), helper_(helper), shards_(shards), inline_mode_(inline_mode) {}

  void RequestCommit(ShardLog* shard) override { committer_->RequestCommit(shard); }

  void RequestIdleCheck(ShardLog* shard) override { committer_->RequestIdleCheck(shard); }

  void RequestTrim(ShardLog* shard) override { committer_->RequestTrim(shard); }

  void RequestPopulate(std::shared_ptr<SegmentWriter> writer) override {
    helper_->RequestPopulate(std::move(writer));
  }

  void RequestSpare() override { helper_->RequestSpare(); }

  void RequestIndexFile(std::shared_ptr<Segment> segment, std::vector<uint8_t> snapshot) override {
    helper_->RequestIndexFile(std::move(segment), std::move(snapshot));
  }

  ShardTable* shards() const { return shards_; }

  bool inline_mode() const { return inline_mode_; }

 private:
  Committer* const committer_;
  Helper* const helper_;
  ShardTable* const shards_;
  const bool inline_mode_;
};

// The parts of a core, in the order in which they may be destroyed backwards.
struct Core::Parts {
  Parts(std::string path, const CoreOptions& options) : context(std::move(path), options) {}

  CoreContext context;
  ShardTable shards;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<Helper> helper;
  std::unique_ptr<CoreChores> chores;
  uint32_t scrub_slot = 0;  // the background scrub's place; the helper's
  uint64_t scrub_position = 0;
};

Status Core::Open(const std::string& path, const CoreOptions& options,
                  std::shared_ptr<Core>* core) {
  Status status = CheckOptions(options);
  if (!status.ok()) {
    return status;
  }
  std::shared_ptr<Core> opened(new Core(path, options));
  const auto started = std::chrono::steady_clock::now();
  status = opened->OpenDirectory();
  if (!status.ok()) {
    opened->closed_.store(true);  // nothing to commit, nothing to record
    opened->parts_->context.directory.Release();
    return status;
  }
  const auto took = std::chrono::steady_clock::now() - started;
  opened->parts_->context.counters.open_micros =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  if (!options.inline_mode) {
    opened->parts_->committer->Start();
    opened->parts_->helper->Start();
  }
  *core = std::move(opened);
  return Status();
}

Core::Core(std::string path, const CoreOptions& options)
    : parts_(std::make_unique<Parts>(std::move(path), options)),
      committed_(parts_->context.committed) {
  CoreContext* const context = &parts_->context;
  parts_->committer = std::make_unique<Committer>(
      context, [this](const std::vector<ShardLog*>& shards) { PersistTrims(shards); });
  parts_->helper = std::make_unique<Helper>(context, [this](uint64_t bytes) { ScrubSlice(bytes); });
  parts_->chores = std::make_unique<CoreChores>(parts_->committer.get(), parts_->helper.get(),
                                                &parts_->shards, options.inline_mode);
  context->chores = parts_->chores.get();
}

Core::~Core() {
  static_cast<void>(Close());  // who wants to know calls Close
  parts_->committer->Stop();
  parts_->helper->Stop();
}

Status Core::OpenDirectory() {
  CoreContext& context = parts_->context;
  bool fresh = false;
  Status status = context.directory.Acquire(&fresh);
  if (status.ok() && fresh) {
    status = context.directory.Initialize();
    status = status.ok() ? context.manifest.Create(context.directory.id()) : status;
    status = status.ok() ? context.directory.WriteFormat() : status;
  } else if (status.ok()) {
    status = context.manifest.Load();
  }
  if (status.ok() && context.manifest.contents().directory_id != context.directory.id()) {
    status = Status(Code::kCatalogUnreadable,
                    Format("%s: the manifest belongs to another data directory; restore "
                           "manifest-a and manifest-b from a backup",
                           path().c_str()));
  }
  if (!status.ok()) {
    return status;
  }
  context.MakeCache();
  context.MeasureSpace();
  std::vector<ShardStart> shards;
  status = OpenShards(&context, &shards);
  for (ShardStart& shard : shards) {
    status = status.ok() ? AddShard(std::move(shard)) : status;
  }
  return status.ok() ? context.directory.ConfirmSyncs() : status;
}

Status Core::ReserveSlot(uint64_t slot) {
  constexpr uint64_t kSlotsMax =
      uint64_t{CommittedTable::kSlotsPerChunk} * CommittedTable::kChunksMax;
  if (slot < kSlotsMax && committed_->Reserve(static_cast<uint32_t>(slot))) {
    return Status();
  }
  return Status(Code::kLimitExceeded,
                Format("no place for another shard: a data directory holds at most %llu in the "
                       "life of one open, or memory is used up",
                       static_cast<ull>(kSlotsMax)));
}

Status Core::AddShard(ShardStart start) {
  const uint32_t slot = parts_->shards.count();
  Status status = ReserveSlot(slot);
  if (!status.ok()) {
    return status;
  }
  const bool wants_look = !start.tail_proven || start.synced_end < start.end_position;
  auto shard = std::make_unique<ShardLog>(&parts_->context, slot, std::move(start));
  ShardLog* const added = shard.get();
  parts_->shards.Add(std::move(shard));
  if (wants_look) {
    added->AskForIdleCheck();
  }
  return Status();
}

Status Core::CheckOpen() const {
  return closed_.load(std::memory_order_acquire) ? Closed() : Status();
}

const std::string& Core::path() const {
  return parts_->context.directory.path();
}

Status Core::Close() {
  {
    const std::lock_guard<std::mutex> lock(shards_mutex_);
    if (closed_.exchange(true)) {
      return Status();
    }
  }
  const uint32_t count = parts_->shards.count();
  for (uint32_t slot = 0; slot < count; ++slot) {
    parts_->shards.At(slot)->RefuseAppends(Closed());
  }
  parts_->committer->Stop();
  parts_->helper->Stop();
  Status status = FlushAll();
  // Proves every tail: a first look makes a shard idle, a second appends its marker, the round
  // after it syncs that.
  for (int look = 0; look < 3; ++look) {
    parts_->committer->CheckIdleShards();
  }
  while (parts_->committer->RunQueued()) {
  }
  parts_->helper->RunOnce(/*periodic=*/false);
  const Status verified = status.ok() ? WriteVerifiedEnd() : Status();
  const std::lock_guard<std::mutex> lock(shards_mutex_);
  parts_->context.manifest.Close();
  parts_->context.pool->Close();
  parts_->context.directory.Release();
  return status.ok() ? verified : status;
}

Status Core::FlushAll() {
  std::vector<ShardLog*> shards;
  const uint32_t count = parts_->shards.count();
  for (uint32_t slot = 0; slot < count; ++slot) {
    shards.push_back(parts_->shards.At(slot));
  }
  parts_->committer->Commit(shards);
  for (ShardLog* const shard : shards) {
    if (shard->failed()) {
      return shard->state();
    }
  }
  return Status();
}

Status Core::Flush() {
  Status status = CheckOpen();
  return status.ok() ? FlushAll() : status;
}

Status Core::WriteVerifiedEnd() {
  CoreContext& context = parts_->context;
  VerifiedEnd end;
  end.directory_id = context.directory.id();
  end.manifest_generation = context.manifest.contents().generation;
  end.manifest_record_count = context.manifest.contents().record_count;
  for (const auto& [shard, state] : context.manifest.contents().shards) {
    const ShardLog* const log = parts_->shards.Find(shard);
    VerifiedShard verified;
    if (log == nullptr || log->damage_count() != 0 || !log->GetVerified(&verified)) {
      return Status();  // the next open looks at the bytes; damage is found again then
    }
    end.shards.push_back(std::move(verified));
  }
  const std::vector<uint8_t> bytes = EncodeVerifiedEnd(end);
  return ReplaceFile(context.file_ops, context.directory.path(), "verified-end", bytes.data(),
                     bytes.size());
}

Status Core::CreateShards(const std::vector<uint64_t>& first_sequences,
                          std::vector<uint64_t>* shards) {
  const std::lock_guard<std::mutex> lock(shards_mutex_);
  Status status = CheckOpen();
  for (const uint64_t first_sequence : first_sequences) {
    if (first_sequence == 0) {
      return Status(Code::kInvalidArgument, "sequence numbers start at 1");
    }
  }
  if (status.ok() && parts_->context.disk_full.load(std::memory_order_relaxed)) {
    status = parts_->context.DiskFullStatus();
  }
  // Before the manifest, so that a shard is never created and not there.
  for (size_t at = 0; status.ok() && at < first_sequences.size(); ++at) {
    status = ReserveSlot(parts_->shards.count() + at);
  }
  status = status.ok() ? parts_->context.manifest.CreateShards(first_sequences, shards) : status;
  for (size_t at = 0; status.ok() && at < shards->size(); ++at) {
    ShardStart start;
    start.shard = (*shards)[at];
    start.next_sequence = start.first_sequence = first_sequences[at];
    start.duplicates = DuplicateTable({parts_->context.options.producers_max});
    status = AddShard(std::move(start));
  }
  return status;
}

Status Core::DeleteShard(uint64_t shard) {
  return DeleteShards({shard});
}

// One group commit and one write of the manifest for all of them.
Status Core::DeleteShards(const std::vector<uint64_t>& shards) {
  const std::lock_guard<std::mutex> lock(shards_mutex_);
  Status status = CheckOpen();
  std::vector<ShardLog*> logs;
  std::set<uint64_t> named;
  for (size_t at = 0; status.ok() && at < shards.size(); ++at) {
    ShardLog* const log = parts_->shards.Find(shards[at]);
    const bool is_new = named.insert(shards[at]).second;
    status = log != nullptr && is_new ? Status() : NoSuchShard(shards[at]);
    logs.push_back(log);
  }
  if (!status.ok() || logs.empty()) {
    return status;
  }
  for (size_t at = 0; at < logs.size(); ++at) {
    logs[at]->RefuseAppends(NoSuchShard(shards[at]));
  }
  parts_->committer->Commit(logs);
  status = parts_->context.manifest.DeleteShards(shards);
  if (status.ok()) {
    for (size_t at = 0; at < logs.size(); ++at) {
      parts_->shards.Forget(shards[at]);
      logs[at]->ReleaseAll();
    }
    parts_->context.NotifyCommitted();
  }
  return status;
}

// First nothing more is appended and all of it is durable; then the manifest says so; then the last
// segment is sealed, which without the manifest's word would tell recovery that a segment is
// missing.
Status Core::SealShards(const std::vector<uint64_t>& shards) {
  const std::lock_guard<std::mutex> lock(shards_mutex_);
  Status status = CheckOpen();
  std::vector<ShardLog*> logs;
  for (const uint64_t shard : shards) {
    ShardLog* const log = parts_->shards.Find(shard);
    if (status.ok() && log == nullptr) {
      status = NoSuchShard(shard);
    }
    const bool is_new = std::find(logs.begin(), logs.end(), log) == logs.end();
    if (status.ok() && is_new && !parts_->context.manifest.contents().shards.at(shard).sealed) {
      logs.push_back(log);
    }
  }
  if (!status.ok() || logs.empty()) {
    return status;
  }
  for (ShardLog* const log : logs) {
    log->RefuseAppends(Status(
        Code::kShardClosed,
        Format("shard %llu is sealed; append to its children", static_cast<ull>(log->shard()))));
  }
  parts_->committer->Commit(logs);
  std::vector<ShardEnd> ends;
  for (ShardLog* const log : logs) {
    if (log->failed()) {
      return log->state();
    }
    ShardStats stats{};
    log->GetStats(&stats);
    ends.push_back({log->shard(), stats.appended_end, stats.next_sequence});
  }
  status = parts_->context.manifest.SealShards(ends);
  if (status.ok()) {
    for (ShardLog* const log : logs) {
      log->Seal();
    }
    parts_->committer->Commit(logs);
  }
  return status;
}

void Core::PersistTrims(const std::vector<ShardLog*>& shards) {
  std::vector<std::pair<uint64_t, ManifestShard>> trims;
  {
    const std::lock_guard<std::mutex> lock(shards_mutex_);
    for (ShardLog* const shard : shards) {
      trims.emplace_back(shard->shard(), shard->TrimState());
    }
    // A manifest that fails keeps its segments: they are trimmed for readers, and freed after the
    // next open.
    if (!parts_->context.manifest.TrimShards(trims).ok()) {
      return;
    }
  }
  for (size_t at = 0; at < shards.size(); ++at) {
    shards[at]->ReleaseTrimmed(trims[at].second.trimmed_start);
  }
}

Status Core::Scrub(uint64_t shard, uint64_t bytes_per_second, ScrubReport* report) {
  Status status = CheckOpen();
  const uint32_t count = parts_->shards.count();
  const auto started = std::chrono::steady_clock::now();
  bool found = shard == 0;
  for (uint32_t slot = 0; status.ok() && slot < count; ++slot) {
    ShardLog* const log = parts_->shards.At(slot);
    if (shard != 0 && log->shard() != shard) {
      continue;
    }
    found = true;
    ShardReader reader(&parts_->context, log);
    for (const SegmentView& view : log->Views()) {
      status = status.ok() ? reader.Scrub(view, report) : status;
      status = status.ok() ? CheckOpen() : status;
      if (status.ok() && bytes_per_second != 0) {
        status = WaitUntil(started +
                           std::chrono::microseconds(report->bytes * 1000000 / bytes_per_second));
      }
    }
  }
  return found ? status : NoSuchShard(shard);
}

// Sleeps, but not past the close of the log.
Status Core::WaitUntil(std::chrono::steady_clock::time_point due) const {
  constexpr auto kSlice = std::chrono::milliseconds(20);
  Status status = CheckOpen();
  while (status.ok() && std::chrono::steady_clock::now() < due) {
    std::this_thread::sleep_until(std::min(due, std::chrono::steady_clock::now() + kSlice));
    status = CheckOpen();
  }
  return status;
}

// The helper's: goes round all shards, a segment at a time, at the pace of its calls.
void Core::ScrubSlice(uint64_t bytes) {
  const uint32_t count = parts_->shards.count();
  uint64_t& credit = scrub_credit_;
  credit += bytes;
  for (uint32_t passed = 0; passed <= count && count != 0; ++passed) {
    ShardLog* const log = parts_->shards.At(parts_->scrub_slot % count);
    for (const SegmentView& view : log->Views()) {
      if (view.active || view.segment->base_position < parts_->scrub_position) {
        continue;
      }
      const uint64_t size = view.limit - view.segment->base_position;
      if (size > credit) {
        return;  // saved up for
      }
      credit -= size;
      ScrubReport report;
      static_cast<void>(
          ShardReader(&parts_->context, log).Scrub(view, &report));  // damage is in the shard
      parts_->scrub_position = view.limit;
    }
    parts_->scrub_position = 0;
    parts_->scrub_slot = (parts_->scrub_slot + 1) % count;
    if (parts_->scrub_slot == 0) {
      parts_->context.counters.scrub_pass_count.fetch_add(1, std::memory_order_relaxed);
    }
  }
  credit = 0;  // everything has been seen in this call
}

Status Core::FindShard(uint64_t shard, uint32_t* slot) const {
  const std::lock_guard<std::mutex> lock(shards_mutex_);
  const ShardLog* const log = parts_->shards.Find(shard);
  if (log == nullptr) {
    return NoSuchShard(shard);
  }
  *slot = log->slot();
  return Status();
}

std::vector<uint64_t> Core::ListShards() const {
  const std::lock_guard<std::mutex> lock(shards_mutex_);
  std::vector<uint64_t> shards;
  for (const auto& [shard, state] : parts_->context.manifest.contents().shards) {
    shards.push_back(shard);
  }
  return shards;
}

Status Core::Append(uint32_t slot, const AppendRequest& request, AppendResult* result) {
  ShardLog* const log = parts_->shards.At(slot);
  if (log == nullptr) {
    return NoSuchSlot(slot);
  }
  Status status = log->Append(request, result);
  if (status.ok() && parts_->chores->inline_mode() && !result->committed) {
    parts_->committer->RunQueued();
    status = log->failed() ? log->state() : Status();
    result->committed = status.ok();
  }
  return status;
}

Status Core::FindRepeat(uint32_t slot, uint64_t producer_id, uint32_t producer_sequence,
                        DuplicateVerdict* verdict, AppendResult* result) const {
  const ShardLog* const log = parts_->shards.At(slot);
  return log == nullptr ? NoSuchSlot(slot)
                        : log->FindRepeat(producer_id, producer_sequence, verdict, result);
}

Status Core::SetKeys(const std::vector<MasterKey>& keys, std::vector<uint64_t>* checks) {
  Status status = CheckOpen();
  status = status.ok() ? parts_->context.keyring.SetKeys(keys, checks) : status;
  const uint32_t count = parts_->shards.count();
  for (uint32_t slot = 0; status.ok() && slot < count; ++slot) {
    parts_->shards.At(slot)->RenewEncryption();
  }
  return status;
}

void Core::SetEncryption(const std::vector<uint32_t>& slots, const KeyName& name) {
  for (const uint32_t slot : slots) {
    ShardLog* const log = parts_->shards.At(slot);
    if (log != nullptr) {
      log->SetEncryption(name);
    }
  }
}

Status Core::Read(uint32_t slot, uint64_t position, uint32_t bytes_max, ReadResult* result,
                  ReadForm form) {
  ShardLog* const log = parts_->shards.At(slot);
  Status status = log == nullptr ? NoSuchSlot(slot) : CheckOpen();
  return status.ok() ? ShardReader(&parts_->context, log).Read(position, bytes_max, result, form)
                     : status;
}

Status Core::Seek(uint32_t slot, uint64_t sequence, uint64_t* position) {
  ShardLog* const log = parts_->shards.At(slot);
  Status status = log == nullptr ? NoSuchSlot(slot) : CheckOpen();
  return status.ok() ? ShardReader(&parts_->context, log).Seek(sequence, position) : status;
}

Status Core::SeekTime(uint32_t slot, uint64_t millis, uint64_t* position) {
  ShardLog* const log = parts_->shards.At(slot);
  Status status = log == nullptr ? NoSuchSlot(slot) : CheckOpen();
  return status.ok() ? ShardReader(&parts_->context, log).SeekTime(millis, position) : status;
}

Status Core::Trim(uint32_t slot, uint64_t sequence) {
  ShardLog* const log = parts_->shards.At(slot);
  Status status = log == nullptr ? NoSuchSlot(slot) : CheckOpen();
  status = status.ok() ? ShardReader(&parts_->context, log).Trim(sequence) : status;
  if (status.ok() && parts_->chores->inline_mode()) {
    parts_->committer->RunQueued();
  }
  return status;
}

Status Core::GetShardStats(uint32_t slot, ShardStats* stats) const {
  const ShardLog* const log = parts_->shards.At(slot);
  if (log == nullptr) {
    return NoSuchSlot(slot);
  }
  log->GetStats(stats);
  return Status();
}

CoreStats Core::GetStats() const {
  const CoreContext& context = parts_->context;
  const CoreCounters& counters = context.counters;
  CoreStats stats{};
  const uint32_t count = parts_->shards.count();
  for (uint32_t slot = 0; slot < count; ++slot) {
    const ShardLog* const log = parts_->shards.At(slot);
    stats.append_count += log->append_count();
    stats.append_bytes += log->append_bytes();
    stats.damaged_range_count += log->damage_count();
  }
  {
    const std::lock_guard<std::mutex> lock(shards_mutex_);
    stats.shard_count = context.manifest.contents().shards.size();
  }
  stats.sync_count = counters.sync_count.load(std::memory_order_relaxed);
  stats.sync_group_count = counters.sync_group_count.load(std::memory_order_relaxed);
  stats.sync_micros_total = counters.sync_micros_total.load(std::memory_order_relaxed);
  stats.disk_bytes_free = counters.disk_bytes_free.load(std::memory_order_relaxed);
  stats.disk_low_water_bytes = context.disk_low_water.load(std::memory_order_relaxed);
  stats.disk_full = context.disk_full.load(std::memory_order_relaxed);
  stats.spare_segment_count = context.pool->spare_count();
  stats.mapped_segment_count = context.cache == nullptr ? 0 : context.cache->mapped_count();
  stats.scrubbed_bytes = counters.scrubbed_bytes.load(std::memory_order_relaxed);
  stats.scrub_pass_count = counters.scrub_pass_count.load(std::memory_order_relaxed);
  stats.opened_clean = counters.opened_clean;
  stats.open_micros = counters.open_micros;
  stats.recovered_torn_shards = counters.torn_shards;
  stats.recovered_torn_bytes = counters.torn_bytes;
  stats.proven_bytes = counters.proven_bytes;
  return stats;
}

Status Core::ShardState(uint32_t slot) const {
  const ShardLog* const log = parts_->shards.At(slot);
  return log == nullptr ? NoSuchSlot(slot) : log->state();
}

void Core::AddListener(CommitListener* listener) {
  const std::lock_guard<std::mutex> lock(parts_->context.listeners_mutex);
  parts_->context.listeners.push_back(listener);
}

void Core::RemoveListener(CommitListener* listener) {
  const std::lock_guard<std::mutex> lock(parts_->context.listeners_mutex);
  auto& listeners = parts_->context.listeners;
  listeners.erase(std::remove(listeners.begin(), listeners.end(), listener), listeners.end());
}

void Core::RunChores() {
  parts_->committer->RunQueued();
  parts_->helper->RunOnce(/*periodic=*/true);
  parts_->committer->CheckIdleShards();
}

}  // namespace millrace::log
