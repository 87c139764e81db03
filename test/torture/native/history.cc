#include "test/torture/native/history.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>

namespace millrace::torture {

void History::Report(const char* format, ...) {
  if (violations_.size() >= kViolationsMax) {
    return;
  }
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  violations_.emplace_back(text);
}

History::Shard* History::Find(const Event& event) {
  const auto found = shards_.find(event.shard);
  if (found != shards_.end()) {
    return &found->second;
  }
  Report("misplaced: event %d names shard %" PRIu64 ", which nobody created",
         static_cast<int>(event.kind), event.shard);
  return nullptr;
}

void History::Put(const Event& event, const uint64_t* hashes) {
  switch (event.kind) {
    case EventKind::kOpened:
    case EventKind::kClosed:
    case EventKind::kStopped:
      return;
    case EventKind::kCreating:
      creating_ += event.count;
      return;
    case EventKind::kCreated:
      return OnCreated(event);
    case EventKind::kShardStart:
      return OnShardStart(event.shard, event);
    case EventKind::kAllRead:
      return OnAllRead();
    default:
      break;
  }
  Shard* shard = Find(event);
  if (shard == nullptr) {
    return;
  }
  switch (event.kind) {
    case EventKind::kSent:
      shard->sent.push_back(Batch{{hashes, hashes + event.count}});
      return;
    case EventKind::kRefused:
      if (!shard->sent.empty()) {
        shard->sent.pop_back();
      }
      return;
    case EventKind::kAcked:
      return OnAcked(event.shard, shard, event);
    case EventKind::kServed:
      return OnServed(event.shard, shard, event, hashes);
    case EventKind::kTrimming:
      if (Binds(event)) {
        shard->kept_from = std::max(shard->kept_from, event.sequence);
      }
      return;
    case EventKind::kSealing:
      shard->sealing = shard->sealing || Binds(event);
      return;
    case EventKind::kSealed:
      shard->sealed = shard->sealed || Binds(event);
      return;
    case EventKind::kDeleting:
      shard->deleting = shard->deleting || Binds(event);
      return;
    case EventKind::kDeleted:
      shard->deleted = shard->deleted || Binds(event);
      return;
    default:
      return OnReadEvent(event, hashes);
  }
}

void History::OnReadEvent(const Event& event, const uint64_t* hashes) {
  Shard* shard = &shards_[event.shard];
  switch (event.kind) {
    case EventKind::kRead:
      return OnRead(event.shard, shard, event, hashes);
    case EventKind::kReadFailed:
      shard->read_failed = true;
      return Report("lost: shard %" PRIu64 " cannot be read from position %" PRIu64
                    " on (code %" PRIu32 ")",
                    event.shard, event.sequence, event.count);
    case EventKind::kShardEnd:
      return OnShardEnd(event.shard, shard, event.sequence);
    default:
      return Report("event %d is unknown", static_cast<int>(event.kind));
  }
}

void History::OnCreated(const Event& event) {
  creating_ -= std::min<uint64_t>(creating_, 1);
  Shard& shard = shards_[event.shard];
  if (shard.base != 0) {
    return Report("misplaced: shard %" PRIu64 " was created twice", event.shard);
  }
  shard.base = event.sequence;
  shard.kept_from = event.sequence;
  shard.durable_next = Binds(event) ? event.sequence : 0;
}

void History::OnAcked(uint64_t id, Shard* shard, const Event& event) {
  if (shard->sent.empty() || shard->sent.front().hashes.size() != event.count) {
    return Report("shard %" PRIu64 ": %" PRIu32 " records acknowledged at %" PRIu64
                  " that are not those sent",
                  id, event.count, event.sequence);
  }
  if (event.sequence != shard->known_next()) {
    Report("gap: shard %" PRIu64 " acknowledged %" PRIu64 " where %" PRIu64 " was next", id,
           event.sequence, shard->known_next());
    shard->known.clear();
    shard->base = event.sequence;
  }
  const Batch batch = std::move(shard->sent.front());
  shard->sent.pop_front();
  shard->known.insert(shard->known.end(), batch.hashes.begin(), batch.hashes.end());
  acked_record_count_ += event.count;
  if (Binds(event) && (event.durable != 0 || crash_ == Outage::kProcess)) {
    shard->durable_next = shard->known_next();
  }
}

// What a reader has seen must stay, whatever the writer knew of it.
void History::OnServed(uint64_t id, Shard* shard, const Event& event, const uint64_t* hashes) {
  for (uint32_t i = 0; i < event.count; i++) {
    const uint64_t sequence = event.sequence + i;
    if (sequence < shard->base) {
      continue;
    }
    if (sequence >= shard->known_next()) {
      return Report("phantom: shard %" PRIu64 " served %" PRIu64 ", which was not acknowledged", id,
                    sequence);
    }
    if (shard->known[sequence - shard->base] != hashes[i]) {
      return Report("two contents: shard %" PRIu64 " served other bytes as %" PRIu64, id, sequence);
    }
  }
  if (Binds(event) && (event.durable != 0 || crash_ == Outage::kProcess)) {
    shard->durable_next = std::max(shard->durable_next, event.sequence + event.count);
  }
}

void History::OnShardStart(uint64_t id, const Event& event) {
  auto found = shards_.find(id);
  if (found == shards_.end()) {
    // A creation that was under way when the program died may have happened; then the shard is
    // empty.
    if (creating_ == 0) {
      Report("phantom: shard %" PRIu64 " was never created", id);
    } else {
      creating_--;
    }
    found = shards_.emplace(id, Shard{}).first;
    found->second.base = event.sequence;
    found->second.kept_from = event.sequence;
    found->second.durable_next = event.sequence;
  }
  Shard& shard = found->second;
  if (shard.deleted) {
    Report("misplaced: shard %" PRIu64 " is back after its deletion", id);
  }
  if (shard.sealed && event.durable == 0) {
    Report("misplaced: shard %" PRIu64 " was closed and takes appends again", id);
  }
  if (event.durable != 0 && !shard.sealing) {
    Report("misplaced: shard %" PRIu64 " is closed, and nobody closed it", id);
  }
  shard.seen = true;
  shard.sealed = event.durable != 0;
  shard.any_read = false;
  shard.read_failed = false;
  shard.adopted = 0;
}

void History::OnRead(uint64_t id, Shard* shard, const Event& event, const uint64_t* hashes) {
  read_record_count_ += event.count;
  if (!shard->any_read) {
    shard->any_read = true;
    PassTrimmed(shard, event.sequence);
    shard->read_first = event.sequence;
    shard->read_next = event.sequence;
    if (event.sequence < shard->base) {
      Report("phantom: shard %" PRIu64 " has %" PRIu64 " again, which an earlier read did not find",
             id, event.sequence);
    }
  }
  if (event.sequence != shard->read_next) {
    Report("gap: shard %" PRIu64 " goes on with %" PRIu64 " where %" PRIu64 " is next", id,
           event.sequence, shard->read_next);
  }
  for (uint32_t i = 0; i < event.count; i++) {
    const uint64_t sequence = event.sequence + i;
    if (sequence >= shard->known_next()) {
      Adopt(id, shard, sequence, hashes[i]);
    } else if (sequence >= shard->base && shard->known[sequence - shard->base] != hashes[i]) {
      Report("two contents: shard %" PRIu64 " has other bytes at %" PRIu64, id, sequence);
    }
  }
  shard->read_next = event.sequence + event.count;
}

// A trim may reach beyond the last acknowledgement that was noted: it was given, but the program
// died before it could tell. What was sent up to there was in the log, and nobody will see it.
void History::PassTrimmed(Shard* shard, uint64_t first) {
  while (shard->known_next() < first && first <= shard->kept_from && !shard->sent.empty()) {
    const std::vector<uint64_t>& hashes = shard->sent.front().hashes;
    shard->known.insert(shard->known.end(), hashes.begin(), hashes.end());
    shard->sent.pop_front();
  }
}

// A record beyond what was acknowledged must be the next of those that were sent.
void History::Adopt(uint64_t id, Shard* shard, uint64_t sequence, uint64_t hash) {
  if (sequence == shard->known_next() && !shard->sent.empty() &&
      shard->sent.front().hashes[shard->adopted] == hash) {
    shard->known.push_back(hash);
    if (++shard->adopted == shard->sent.front().hashes.size()) {
      shard->sent.pop_front();
      shard->adopted = 0;
    }
    return;
  }
  Report("phantom: shard %" PRIu64 " has a record at %" PRIu64 " that was not sent for it", id,
         sequence);
}

void History::OnShardEnd(uint64_t id, Shard* shard, uint64_t next_sequence) {
  const uint64_t read_next = shard->any_read ? shard->read_next : next_sequence;
  if (next_sequence != read_next) {
    Report("gap: shard %" PRIu64 " would number its next record %" PRIu64
           ", its last read ends at %" PRIu64,
           id, next_sequence, read_next);
  }
  if (read_next < shard->durable_next && !shard->read_failed) {
    Report("lost: shard %" PRIu64 " ends before %" PRIu64 ", and %" PRIu64 " records up to %" PRIu64
           " were acknowledged",
           id, read_next, shard->durable_next - read_next, shard->durable_next);
  }
  const uint64_t first = shard->any_read ? shard->read_first : next_sequence;
  PassTrimmed(shard, first);
  // A trim may reach beyond what the history calls durable: an acknowledgement is noted after it
  // was given, and the trim may come in between.
  if (first > shard->kept_from && shard->kept_from < shard->durable_next) {
    Report("lost: shard %" PRIu64 " begins at %" PRIu64 ", and %" PRIu64 " was never trimmed", id,
           first, shard->kept_from);
  }
  if (shard->adopted != 0) {
    Report("half a batch: shard %" PRIu64 " ends within a batch, at %" PRIu64, id, read_next);
  }
  if (next_sequence > shard->known_next()) {
    Report("gap: shard %" PRIu64 " skips from %" PRIu64 " to %" PRIu64, id, shard->known_next(),
           next_sequence);
  }

  // From now on exactly this is the content: what was unanswered and is not there must never come
  // back.
  while (!shard->known.empty() && shard->base < first) {
    shard->known.pop_front();
    shard->base++;
  }
  while (!shard->known.empty() && shard->known_next() > read_next) {
    shard->known.pop_back();
  }
  if (shard->known.empty()) {
    shard->base = next_sequence;
  }
  shard->durable_next = shard->known_next();
  shard->sent.clear();
  shard->adopted = 0;
}

void History::OnAllRead() {
  full_read_count_++;
  for (auto it = shards_.begin(); it != shards_.end();) {
    Shard& shard = it->second;
    const bool must_exist = !shard.deleting && shard.durable_next != 0;
    if (!shard.seen && must_exist) {
      Report("lost: shard %" PRIu64 " is gone, and nobody deleted it", it->first);
    }
    if (!shard.seen && shard.durable_next == 0) {
      // Created behind the cut: it never was, and its id may be given to another.
      it = shards_.erase(it);
      continue;
    }
    if (!shard.seen) {
      // Its id is remembered, so that a shard which comes back is found out.
      shard.deleted = true;
      shard.known.clear();
      shard.sent.clear();
    }
    shard.seen = false;
    shard.sealing = shard.sealed;
    shard.deleting = shard.deleted;
    ++it;
  }
  creating_ = 0;
}

}  // namespace millrace::torture
