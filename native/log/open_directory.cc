#include "native/log/open_directory.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "native/log/shard_recovery.h"
#include "native/log/tail_repair.h"
#include "native/log/verified_end.h"

namespace millrace::log {

using base::OsError;
using base::Status;

namespace {

constexpr uint64_t kVerifiedEndBytesMax = uint64_t{1} << 30;

// The verified end, when it is there and belongs to this very state of the manifest, as it was
// before the open may have written it anew.
bool ReadVerifiedEnd(CoreContext* context, VerifiedEnd* end, bool* exists) {
  std::vector<uint8_t> bytes;
  const Status status =
      ReadWholeFile(context->file_ops, context->directory.path() + "/" + kVerifiedEndName,
                    kVerifiedEndBytesMax, exists, &bytes);
  const Manifest& manifest = context->manifest;
  return status.ok() && *exists && DecodeVerifiedEnd(bytes.data(), bytes.size(), end) &&
         end->directory_id == manifest.contents().directory_id &&
         end->manifest_generation == manifest.loaded_generation() &&
         end->manifest_record_count == manifest.loaded_record_count() &&
         end->shards.size() == manifest.contents().shards.size();
}

// A file that has lost its end gets it back as zeros; that these were not written shows when they
// are read.
bool RestoreIfShort(CoreContext* context, const SegmentFile& file) {
  const int fd = context->file_ops->Open(file.path(), base::OpenMode::kRead);
  if (fd < 0) {
    return false;
  }
  const int64_t size = context->file_ops->Size(fd);
  context->file_ops->Close(fd);  // opened for reading
  return size >= 0 &&
         (static_cast<uint64_t>(size) >= file.bytes() || RestoreLength(context, file).ok());
}

bool StartFromVerified(CoreContext* context, const VerifiedShard& verified,
                       const std::set<uint64_t>& files, ShardStart* start) {
  const auto manifest = context->manifest.contents().shards.find(verified.shard);
  if (manifest == context->manifest.contents().shards.end()) {
    return false;
  }
  start->shard = verified.shard;
  start->end_position = start->synced_end = verified.end_position;
  start->next_sequence = verified.next_sequence;
  start->trimmed_start = manifest->second.trimmed_start;
  start->first_sequence = manifest->second.first_sequence;
  start->last_arrival_millis = verified.last_arrival_millis;
  start->epoch = static_cast<uint32_t>(verified.epoch);
  start->sealed = manifest->second.sealed;
  start->tail_proven = verified.tail_proven != 0;
  bool last_is_missing = false;
  for (const VerifiedSegment& one : verified.segments) {
    if (files.count(one.file_id) == 0) {
      start->damaged.push_back(
          {one.base_position, one.end_position, one.first_sequence, one.next_sequence});
      last_is_missing = &one == &verified.segments.back();
      continue;
    }
    auto segment = std::make_shared<Segment>();
    segment->file = std::make_shared<SegmentFile>(context->file_ops, context->directory.log_path(),
                                                  one.file_id, one.file_bytes);
    segment->shard = verified.shard;
    segment->ordinal = one.ordinal;
    segment->base_position = one.base_position;
    segment->first_sequence = one.first_sequence;
    segment->created_millis = one.created_millis;
    segment->end_position = one.end_position;
    segment->next_sequence = one.next_sequence;
    segment->last_arrival_millis = one.last_arrival_millis;
    segment->epoch = static_cast<uint32_t>(one.epoch);
    segment->sealed = one.sealed != 0;
    if (!RestoreIfShort(context, *segment->file)) {
      return false;
    }
    start->segments.push_back(std::move(segment));
  }
  if (!verified.last_index.empty() && !last_is_missing) {
    Segment& last = *start->segments.back();
    last.active_index = std::make_unique<SegmentIndex>();
    const IndexIdentity identity{context->directory.id(), verified.shard, last.base_position,
                                 last.end_position};
    if (!DecodeIndex(verified.last_index.data(), verified.last_index.size(), identity,
                     last.active_index.get(), nullptr)) {
      return false;
    }
  }
  start->duplicates = DuplicateTable({context->options.producers_max});
  return start->duplicates.Decode(verified.duplicates.data(), verified.duplicates.size());
}

// Files that no shard uses are not taken over as spares. After a crash one may hold batches that
// recovery did not keep, of a shard that goes on, and numbers that this shard gives again: in a
// segment that begins with one of them they would look like its own.
void RemoveFreeFiles(CoreContext* context, const std::set<uint64_t>& files,
                     const std::set<uint64_t>& used) {
  for (const uint64_t id : files) {
    if (used.count(id) == 0) {
      const std::string path = context->directory.log_path() + "/" + SegmentFile::NameOf(id);
      static_cast<void>(context->file_ops->Unlink(path));  // tried again by the next open
    }
  }
}

void RemoveStrayIndexes(CoreContext* context, const std::vector<uint64_t>& indexes,
                        const std::set<uint64_t>& used) {
  for (const uint64_t id : indexes) {
    if (used.count(id) == 0) {
      static_cast<void>(context->file_ops->Unlink(
          IndexPathOf(SegmentFile(context->file_ops, context->directory.log_path(), id, 0))));
    }
  }
}

Status Recover(CoreContext* context, std::vector<ShardStart>* shards) {
  std::vector<FoundShard> found;
  std::vector<std::shared_ptr<SegmentFile>> free;
  const ManifestContents& manifest = context->manifest.contents();
  Status status = FindSegments(context->file_ops, context->directory, manifest, &found, &free);
  status = status.ok() ? context->directory.SyncEntries() : status;
  std::map<uint64_t, FoundShard> by_shard;
  for (FoundShard& one : found) {
    for (const FoundSegment& segment : one.segments) {
      if (status.ok() && segment.shorter) {
        status = RestoreLength(context, *segment.segment->file);
      }
    }
    by_shard[one.shard] = std::move(one);
  }
  for (const auto& [shard, state] : manifest.shards) {
    if (!status.ok()) {
      return status;
    }
    RecoveryPlan plan;
    status = PlanRecovery(context, shard, state, std::move(by_shard[shard]), &plan);
    status = status.ok() ? CarryOut(context, &plan) : status;
    shards->push_back(std::move(plan.start));
  }
  return status;
}

}  // namespace

Status OpenShards(CoreContext* context, std::vector<ShardStart>* shards) {
  std::vector<uint64_t> ids;
  std::vector<uint64_t> index_ids;
  Status status = context->directory.ListSegments(&ids, &index_ids);
  if (!status.ok()) {
    return status;
  }
  const std::set<uint64_t> files(ids.begin(), ids.end());
  context->pool->ReserveIds(ids.empty() ? 0 : ids.back());

  VerifiedEnd end;
  bool exists = false;
  bool clean = ReadVerifiedEnd(context, &end, &exists);
  shards->resize(clean ? end.shards.size() : 0);
  for (size_t at = 0; clean && at < end.shards.size(); ++at) {
    clean = StartFromVerified(context, end.shards[at], files, &(*shards)[at]);
  }
  if (exists) {
    const std::string path = context->directory.path() + "/" + kVerifiedEndName;
    int error = context->file_ops->Unlink(path);
    error = error == -ENOENT ? 0 : error;  // one that could not be opened need not be there
    error = error == 0 ? context->file_ops->SyncDirectory(context->directory.path()) : error;
    if (error != 0) {
      return OsError("removal", path, -error);
    }
  }
  context->counters.opened_clean = clean;
  if (!clean) {
    shards->clear();
    status = Recover(context, shards);
  }
  if (!status.ok()) {
    return status;
  }
  std::set<uint64_t> used;
  for (const ShardStart& shard : *shards) {
    for (const auto& segment : shard.segments) {
      used.insert(segment->file->id());
    }
  }
  RemoveFreeFiles(context, files, used);
  RemoveStrayIndexes(context, index_ids, used);
  return Status();
}

}  // namespace millrace::log
