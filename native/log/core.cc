#include "native/log/core.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "native/log/core_parts.h"
#include "native/log/open_directory.h"
#include "native/log/shard_reader.h"
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
      context, [this](std::vector<ShardLog*> shards) { return PersistTrims(std::move(shards)); });
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
  parts_->committer->RetryTrims();
  parts_->helper->RunOnce(/*periodic=*/false);
  if (status.ok()) {
    WriteVerifiedEnd();
  }
  const std::lock_guard<std::mutex> lock(shards_mutex_);
  parts_->context.manifest.Close();
  parts_->context.pool->Close();
  parts_->context.directory.Release();
  return status;
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

// Where there is no room for it, or it fails otherwise, the log is closed as well as ever: all that
// was appended is on disk, and the next open scans. What was begun of it goes, since on a full disk
// it takes what others need.
void Core::WriteVerifiedEnd() {
  CoreContext& context = parts_->context;
  VerifiedEnd end;
  end.directory_id = context.directory.id();
  end.manifest_generation = context.manifest.contents().generation;
  end.manifest_record_count = context.manifest.contents().record_count;
  for (const auto& [shard, state] : context.manifest.contents().shards) {
    const ShardLog* const log = parts_->shards.Find(shard);
    VerifiedShard verified;
    if (log == nullptr || log->damage_count() != 0 || !log->GetVerified(&verified)) {
      return;  // the next open looks at the bytes; damage is found again then
    }
    end.shards.push_back(std::move(verified));
  }
  const std::vector<uint8_t> bytes = EncodeVerifiedEnd(end);
  const Status written = ReplaceFile(context.file_ops, context.directory.path(), kVerifiedEndName,
                                     bytes.data(), bytes.size());
  if (!written.ok()) {
    DropReplacement(context.file_ops, context.directory.path(), kVerifiedEndName);
  }
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
  stats.sync_wait_count = counters.sync_wait_count.load(std::memory_order_relaxed);
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
  {
    const std::lock_guard<std::mutex> lock(parts_->context.listeners_mutex);
    auto& listeners = parts_->context.listeners;
    listeners.erase(std::remove(listeners.begin(), listeners.end(), listener), listeners.end());
  }
  parts_->context.listener_turn.Forget();
}

void Core::ListenerHeard() {
  parts_->context.listener_turn.Hear();
}

void Core::RunChores() {
  parts_->committer->RunQueued();
  parts_->helper->RunOnce(/*periodic=*/true);
  parts_->committer->CheckIdleShards();
  parts_->committer->RetryTrims();
}

}  // namespace millrace::log
