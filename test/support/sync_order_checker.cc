#include "test/support/sync_order_checker.h"

#include <algorithm>
#include <limits>

#include "native/base/file_ops.h"

namespace millrace::support {

namespace {

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string Trimmed(std::string path) {
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

std::string RangeText(const std::string& path, uint64_t start, uint64_t end) {
  return path + " [" + std::to_string(start) + ", " + std::to_string(end) + ")";
}

}  // namespace

void SyncOrderChecker::Follow(SimFileOps* files) {
  for (const SimCall& call : files->TakeCalls()) {
    Add(call);
  }
}

void SyncOrderChecker::Add(const SimCall& call) {
  switch (call.kind) {
    case SimCallKind::kStore:
    case SimCallKind::kWrite:
      OnStore(call);
      OnLength(call);
      break;
    case SimCallKind::kAllocate:
      OnLength(call);
      break;
    case SimCallKind::kSyncData:
    case SimCallKind::kSyncRange:
    case SimCallKind::kStartWriteback:
      OnSync(call);
      break;
    default:
      OnEntry(call);
  }
}

// A failed write has stored a part: the range is not durable either way. A store makes its whole
// pages dirty, so the next sync writes again what a failed one may have dropped from them; the
// trace does not show bytes that were stored with the value they had.
void SyncOrderChecker::OnStore(const SimCall& call) {
  FileState& file = files_[call.file];
  file.unsynced.Add(call.offset, call.offset + call.bytes);
  const uint64_t start = call.offset / base::kPageBytes * base::kPageBytes;
  const uint64_t end =
      (call.offset + call.bytes + base::kPageBytes - 1) / base::kPageBytes * base::kPageBytes;
  ByteRanges* const unsynced = &file.unsynced;
  file.failed.ForEachIn(start, end,
                        [unsynced](uint64_t from, uint64_t to) { unsynced->Add(from, to); });
  file.failed.Remove(start, end);
}

void SyncOrderChecker::OnLength(const SimCall& call) {
  FileState& file = files_[call.file];
  const bool grown = call.kind != SimCallKind::kStore && call.file_bytes > file.length;
  file.length = std::max(file.length, call.file_bytes);
  file.length_pending = file.length_pending || grown;
}

void SyncOrderChecker::OnSync(const SimCall& call) {
  if (call.lied || (call.kind == SimCallKind::kStartWriteback && call.result == 0)) {
    return;  // proves nothing
  }
  FileState& file = files_[call.file];
  const uint64_t start = call.offset / base::kPageBytes * base::kPageBytes;
  const uint64_t limit = std::numeric_limits<uint64_t>::max() - base::kPageBytes;
  const uint64_t wanted = call.bytes > limit - call.offset ? limit : call.offset + call.bytes;
  const uint64_t end = (wanted + base::kPageBytes - 1) / base::kPageBytes * base::kPageBytes;
  if (call.result == 0) {
    file.unsynced.Remove(start, end);
    file.synced.Add(start, end);
    file.durable_length = std::max(file.length, call.file_bytes);
    file.length_pending = false;
    return;
  }
  ByteRanges* const failed = &file.failed;
  file.unsynced.ForEachIn(start, end, [&](uint64_t from, uint64_t to) { failed->Add(from, to); });
  file.unsynced.Remove(start, end);
}

void SyncOrderChecker::OnEntry(const SimCall& call) {
  if (call.result < 0 || call.lied) {
    return;
  }
  const std::string path = Trimmed(call.path);
  switch (call.kind) {
    case SimCallKind::kOpen:
      ids_[path] = call.file;
      if (call.created) {
        pending_entries_.insert(path);
      } else if (!files_.contains(call.file)) {
        files_[call.file].length = call.file_bytes;
        files_[call.file].durable_length = call.file_bytes;
      }
      break;
    case SimCallKind::kMakeDirectory:
      pending_entries_.insert(path);
      break;
    case SimCallKind::kUnlink:
      ids_.erase(path);
      pending_entries_.insert(path);
      break;
    case SimCallKind::kRename: {
      const std::string to = Trimmed(call.to);
      if (const auto id = ids_.find(path); id != ids_.end()) {
        ids_[to] = id->second;
        ids_.erase(path);
      }
      pending_entries_.insert(path);
      pending_entries_.insert(to);
      break;
    }
    case SimCallKind::kSyncDirectory:
      std::erase_if(pending_entries_,
                    [&](const std::string& entry) { return ParentOf(entry) == path; });
      break;
    default:
      break;
  }
}

std::string SyncOrderChecker::PendingEntryOn(const std::string& path) const {
  for (std::string entry = path; !entry.empty(); entry = ParentOf(entry)) {
    if (pending_entries_.contains(entry)) {
      return entry;
    }
  }
  return "";
}

std::string SyncOrderChecker::Judge(const std::string& path, uint64_t start, uint64_t end) {
  const auto id = ids_.find(path);
  if (id == ids_.end()) {
    return RangeText(path, start, end) + ": no such file in the trace";
  }
  const FileState& file = files_[id->second];
  if (file.unsynced.Overlaps(start, end)) {
    return RangeText(path, start, end) + ": stored after the last sync";
  }
  if (file.failed.Overlaps(start, end)) {
    return RangeText(path, start, end) + ": its sync failed, and nothing has stored it again";
  }
  if (!file.synced.Covers(start, end)) {
    return RangeText(path, start, end) + ": never synced";
  }
  if (file.length_pending && end > file.durable_length) {
    return RangeText(path, start, end) + ": beyond the length that was synced";
  }
  const std::string pending = PendingEntryOn(path);
  if (!pending.empty()) {
    return RangeText(path, start, end) + ": the directory entry " + pending + " is not synced";
  }
  return "";
}

std::string SyncOrderChecker::Acknowledge(const std::string& path, uint64_t offset,
                                          uint64_t bytes) {
  std::string wrong = Judge(Trimmed(path), offset, offset + bytes);
  if (!wrong.empty()) {
    violations_.push_back(wrong);
  }
  return wrong;
}

}  // namespace millrace::support
