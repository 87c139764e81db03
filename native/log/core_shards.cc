// The shards of a log: which there are, how they begin, are sealed and go.
#include <algorithm>
#include <set>
#include <utility>

#include "native/log/core_parts.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

}  // namespace

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
  status = status.ok() ? ChangeManifest([&](Manifest& manifest) {
    return manifest.CreateShards(first_sequences, shards);
  })
                       : status;
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
  status = status.ok() && !logs.empty() ? ReserveManifest(logs.size()) : status;
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
  status = status.ok() && !logs.empty() ? ReserveManifest(logs.size()) : status;
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
    parts_->context.NotifyCommitted();  // also where a seal had nothing to write
  }
  return status;
}

// Under shards_mutex_. What frees space, and what users wait for, goes before spare segments.
Status Core::ChangeManifest(const std::function<Status(Manifest&)>& change) {
  CoreContext& context = parts_->context;
  Status status = change(context.manifest);
  if (status.code() == Code::kDiskFull) {
    context.GiveSpaceBack();
    status = change(context.manifest);
  }
  return status;
}

// Before something is given up that a change without room would leave half done.
Status Core::ReserveManifest(size_t record_count) {
  return ChangeManifest(
      [record_count](Manifest& manifest) { return manifest.ReserveRecords(record_count); });
}

// Where the records of all have no room, those of fewer may: first of shards that give segments
// back, which makes room for the others.
std::vector<ShardLog*> Core::PersistTrims(std::vector<ShardLog*> shards) {
  std::stable_partition(shards.begin(), shards.end(),
                        [](const ShardLog* shard) { return shard->FreesSegment(); });
  size_t part = shards.size();
  while (!shards.empty() && part > 0) {
    const auto end = shards.begin() + static_cast<ptrdiff_t>(std::min(part, shards.size()));
    const Status status = PersistTrimsAtOnce(std::vector<ShardLog*>(shards.begin(), end));
    if (status.ok()) {
      shards.erase(shards.begin(), end);
      part *= 2;
    } else if (status.code() == Code::kDiskFull) {
      part = static_cast<size_t>(end - shards.begin()) / 2;
    } else {
      return {};  // trimmed for readers; the segments stay, as nothing can be said any more
    }
  }
  return shards;
}

Status Core::PersistTrimsAtOnce(const std::vector<ShardLog*>& shards) {
  std::vector<std::pair<uint64_t, ManifestShard>> trims;
  {
    const std::lock_guard<std::mutex> lock(shards_mutex_);
    for (ShardLog* const shard : shards) {
      trims.emplace_back(shard->shard(), shard->TrimState());
    }
    Status status = ChangeManifest([&](Manifest& manifest) { return manifest.TrimShards(trims); });
    if (!status.ok()) {
      return status;
    }
  }
  for (size_t at = 0; at < shards.size(); ++at) {
    shards[at]->ReleaseTrimmed(trims[at].second.trimmed_start);
  }
  return Status();
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

void Core::SetEncryption(const std::vector<uint32_t>& slots, const KeyName& name) {
  for (const uint32_t slot : slots) {
    ShardLog* const log = parts_->shards.At(slot);
    if (log != nullptr) {
      log->SetEncryption(name);
    }
  }
}

}  // namespace millrace::log
