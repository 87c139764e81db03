#include "test/torture/native/sim_judge.h"

#include <algorithm>
#include <set>

#include "native/base/status.h"
#include "native/format/batch_format.h"
#include "test/torture/native/records.h"

namespace millrace::torture {
namespace {

using base::Code;
using base::Format;
using base::Status;
using ull = unsigned long long;

constexpr uint32_t kReadBytes = 64 * 1024;

std::string Said(const char* call, const Status& status) {
  return Format("%s: %s: %s", call, base::CodeName(status.code()), status.message().c_str());
}

// One shard of one open core against its history.
class ShardJudge {
 public:
  ShardJudge(log::Core* core, const ShardModel& shard) : core_(core), shard_(shard) {}

  // Finds how many batches survived, at least `floor`.
  std::string Judge(size_t floor);

  const log::ShardStats& stats() const { return stats_; }

  size_t kept() const { return kept_; }

  // Ends of the batches that were read; the model may not have known them.
  const std::vector<std::pair<size_t, uint64_t>>& ends() const { return ends_; }

 private:
  std::string Wrong(const std::string& what) const {
    return Format("shard %llu: ", static_cast<ull>(shard_.shard)) + what;
  }

  std::string JudgeNumbers(size_t floor);
  std::string JudgeRecords();
  std::string JudgeRead(const log::ReadResult& read);
  std::string JudgeBatch(const uint8_t* at, const BatchFields& fields, uint64_t position);
  std::string JudgeSeeks();

  bool readable_all() const { return !shard_.failed; }

  log::Core* const core_;
  const ShardModel& shard_;
  uint32_t slot_ = 0;
  log::ShardStats stats_{};
  size_t kept_ = 0;
  size_t next_ = 0;  // the batch that must be read next
  std::vector<std::pair<size_t, uint64_t>> ends_;
};

std::string ShardJudge::Judge(size_t floor) {
  Status status = core_->FindShard(shard_.shard, &slot_);
  status = status.ok() ? core_->GetShardStats(slot_, &stats_) : status;
  if (!status.ok()) {
    return Wrong(Said("FindShard", status));
  }
  std::string wrong = JudgeNumbers(floor);
  wrong = wrong.empty() ? JudgeRecords() : wrong;
  return wrong.empty() ? JudgeSeeks() : wrong;
}

std::string ShardJudge::JudgeNumbers(size_t floor) {
  if (!stats_.damaged.empty()) {
    const log::DamagedRange& range = stats_.damaged.front();
    return Wrong(
        Format("positions %llu to %llu (sequence numbers %llu to %llu) are called damaged, and "
               "nothing was",
               static_cast<ull>(range.start), static_cast<ull>(range.end),
               static_cast<ull>(range.expected_sequence), static_cast<ull>(range.next_sequence)));
  }
  if (!shard_.CountBefore(stats_.next_sequence, &kept_)) {
    return Wrong(Format(
        "the next sequence number is %llu, inside a batch or beyond %llu, the end of what was sent",
        static_cast<ull>(stats_.next_sequence), static_cast<ull>(shard_.next_sequence())));
  }
  if (kept_ < floor) {
    return Wrong(
        Format("LOST: the log ends before sequence number %llu, what was promised reaches to %llu",
               static_cast<ull>(stats_.next_sequence),
               static_cast<ull>(shard_.batches[floor - 1].next_sequence())));
  }
  size_t trimmed = 0;
  if (stats_.first_sequence < shard_.trim_floor || stats_.first_sequence > shard_.trim_ceiling ||
      !shard_.CountBefore(stats_.first_sequence, &trimmed)) {
    return Wrong(Format("the oldest record is %llu, trims asked for %llu to %llu",
                        static_cast<ull>(stats_.first_sequence),
                        static_cast<ull>(shard_.trim_floor),
                        static_cast<ull>(shard_.trim_ceiling)));
  }
  const bool ordered = stats_.trimmed_start <= stats_.committed_end &&
                       stats_.committed_end <= stats_.appended_end &&
                       stats_.synced_end <= stats_.appended_end && stats_.slot == slot_;
  if (!ordered) {
    return Wrong("its positions are out of order");
  }
  const bool sealed_right = stats_.sealed == shard_.sealed || shard_.maybe_sealed;
  if (!sealed_right || stats_.failed != shard_.failed) {
    return Wrong(Format("sealed %d, failed %d; told so far: %d, %d", stats_.sealed, stats_.failed,
                        shard_.sealed, shard_.failed));
  }
  next_ = trimmed;
  return "";
}

// Reads to the committed end; of a failed shard to the end of what is not in doubt, behind which
// reads are refused.
std::string ShardJudge::JudgeRecords() {
  uint64_t position = stats_.trimmed_start;
  const uint64_t end =
      readable_all() ? stats_.committed_end : std::min(stats_.committed_end, stats_.synced_end);
  while (position < end) {
    log::ReadResult read;
    const Status status = core_->Read(slot_, position, kReadBytes, &read);
    if (!status.ok()) {
      return Wrong(Said("Read", status));
    }
    std::string wrong = JudgeRead(read);
    if (!wrong.empty()) {
      return wrong;
    }
    position = read.next_position;
  }
  if (position < stats_.committed_end) {
    log::ReadResult read;
    const Status status = core_->Read(slot_, position, kReadBytes, &read);
    return status.code() == Code::kLogFailed
               ? ""
               : Wrong("the tail in doubt is served: " + Said("Read", status));
  }
  if (next_ != kept_ && stats_.committed_next_sequence == stats_.next_sequence) {
    return Wrong(Format("LOST: reading ends before batch %zu of %zu", next_, kept_));
  }
  return "";
}

std::string ShardJudge::JudgeRead(const log::ReadResult& read) {
  if (read.bytes == 0) {
    return Wrong(Format("nothing is read at %llu, the log goes on to %llu",
                        static_cast<ull>(read.position), static_cast<ull>(stats_.committed_end)));
  }
  size_t at = 0;
  while (at < read.bytes) {
    BatchFields fields;
    if (!TakeBatch(read.data + at, read.bytes - at, &fields)) {
      return Wrong(
          Format("what is read at %llu is no batch", static_cast<ull>(read.position + at)));
    }
    std::string wrong = JudgeBatch(read.data + at, fields, read.position + at);
    if (!wrong.empty()) {
      return wrong;
    }
    at += format::kBatchHeaderBytes + fields.records_bytes;
  }
  return read.position + at == read.next_position ? ""
                                                  : Wrong("the next position of a read is wrong");
}

std::string ShardJudge::JudgeBatch(const uint8_t* at, const BatchFields& fields,
                                   uint64_t position) {
  if (fields.shard != shard_.shard) {
    return Wrong(Format("PHANTOM: a batch of shard %llu", static_cast<ull>(fields.shard)));
  }
  if (fields.count == 0) {
    return "";  // a marker
  }
  if (next_ >= kept_) {
    return Wrong(Format("PHANTOM: sequence number %llu was never sent",
                        static_cast<ull>(fields.first_sequence)));
  }
  const SentBatch& sent = shard_.batches[next_];
  const uint64_t end = position + format::kBatchHeaderBytes + fields.records_bytes;
  const bool same = fields.first_sequence == sent.first_sequence && fields.count == sent.count &&
                    fields.records_bytes == sent.records_bytes &&
                    (sent.end_position == 0 || sent.end_position == end) &&
                    fields.epoch == sent.epoch &&
                    HashRecord(at + format::kBatchHeaderBytes, fields.records_bytes) == sent.hash;
  if (!same) {
    return Wrong(
        Format("PHANTOM: what is read at %llu as sequence number %llu is not what was sent as %llu",
               static_cast<ull>(position), static_cast<ull>(fields.first_sequence),
               static_cast<ull>(sent.first_sequence)));
  }
  ends_.emplace_back(next_, end);
  ++next_;
  return "";
}

// The ends, and one place in between.
std::string ShardJudge::JudgeSeeks() {
  uint64_t position = 0;
  Status status = core_->Seek(slot_, stats_.committed_next_sequence, &position);
  if (!status.ok() || position != stats_.committed_end) {
    return Wrong("the committed end is not found: " + Said("Seek", status));
  }
  if (ends_.empty()) {
    return "";
  }
  const auto& [index, end] = ends_[ends_.size() / 2];
  const SentBatch& wanted = shard_.batches[index];
  status = core_->Seek(slot_, wanted.next_sequence() - 1, &position);
  const uint64_t start = end - format::kBatchHeaderBytes - wanted.records_bytes;
  if (!status.ok() || position != start) {
    return Wrong(Format("sequence number %llu is found at %llu, it is at %llu: ",
                        static_cast<ull>(wanted.next_sequence() - 1), static_cast<ull>(position),
                        static_cast<ull>(start)) +
                 Said("Seek", status));
  }
  return "";
}

// What was found is promised: an open proves all that it serves.
void Settle(const ShardJudge& judge, ShardModel* shard) {
  shard->batches.resize(judge.kept());
  for (const auto& [index, end] : judge.ends()) {
    shard->batches[index].end_position = end;
  }
  shard->disk_floor = shard->kill_floor = judge.kept();
  shard->trim_floor = shard->trim_ceiling = judge.stats().first_sequence;
  shard->sealed = judge.stats().sealed;
  shard->maybe_sealed = false;
  shard->presence = Presence::kThere;
  shard->slot = judge.stats().slot;
  shard->epoch = judge.stats().epoch;
}

// Shards with a wrong presence, and shards that nobody made.
std::string JudgePresence(const std::vector<uint64_t>& found, DirectoryModel* model) {
  for (const uint64_t shard : found) {
    const ShardModel* const known = model->Find(shard);
    if (known == nullptr || known->presence == Presence::kGone) {
      return Format("shard %llu is there, and was %s", static_cast<ull>(shard),
                    known == nullptr ? "never created" : "deleted");
    }
  }
  const std::set<uint64_t> there(found.begin(), found.end());
  for (ShardModel& shard : model->shards) {
    if (there.count(shard.shard) != 0) {
      continue;
    }
    if (shard.presence == Presence::kThere) {
      return Format("LOST: shard %llu is gone", static_cast<ull>(shard.shard));
    }
    shard.presence = Presence::kGone;
  }
  return "";
}

uint64_t NextShardAfter(const DirectoryModel& model) {
  uint64_t next = model.next_shard;
  for (const ShardModel& shard : model.shards) {
    if (shard.presence != Presence::kGone) {
      next = std::max(next, shard.shard + 1);
    }
  }
  return next;
}

}  // namespace

std::string JudgeOpened(log::Core* core, Crash crash, DirectoryModel* model) {
  std::string wrong = JudgePresence(core->ListShards(), model);
  for (ShardModel& shard : model->shards) {
    if (!wrong.empty() || shard.presence == Presence::kGone) {
      continue;
    }
    shard.failed = false;
    ShardJudge judge(core, shard);
    wrong = judge.Judge(crash == Crash::kCut ? shard.disk_floor : shard.kill_floor);
    if (wrong.empty()) {
      Settle(judge, &shard);
    }
  }
  if (!wrong.empty()) {
    return wrong;
  }
  model->initialized = true;
  model->next_shard = NextShardAfter(*model);
  std::erase_if(model->shards,
                [](const ShardModel& shard) { return shard.presence == Presence::kGone; });
  return "";
}

std::string JudgeRunning(log::Core* core, const DirectoryModel& model) {
  for (const ShardModel& shard : model.shards) {
    if (shard.presence != Presence::kThere) {
      continue;
    }
    ShardJudge judge(core, shard);
    std::string wrong = judge.Judge(shard.failed ? shard.disk_floor : shard.batches.size());
    if (!wrong.empty()) {
      return wrong;
    }
  }
  return "";
}

std::string JudgeVerified(const std::string& path, base::FileOps* file_ops, Crash crash,
                          const DirectoryModel& model) {
  log::ScrubReport report;
  const Status status = log::VerifyDirectory(path, file_ops, &report);
  if (!status.ok()) {
    return model.initialized ? Said("VerifyDirectory", status) : "";
  }
  for (const log::DamageReport& damage : report.damaged) {
    // The copies of the manifest may differ after a crash: that is what there are two for.
    if (damage.shard != 0 || crash == Crash::kClosed) {
      return Format("VerifyDirectory finds damage in shard %llu at %llu to %llu: %s",
                    static_cast<ull>(damage.shard), static_cast<ull>(damage.range.start),
                    static_cast<ull>(damage.range.end), damage.reason.c_str());
    }
  }
  uint64_t records = 0;
  for (const ShardModel& shard : model.shards) {
    records += shard.presence == Presence::kThere ? shard.next_sequence() - shard.trim_floor : 0;
  }
  if (crash == Crash::kClosed && report.record_count < records) {
    return Format("VerifyDirectory counts %llu records of %llu",
                  static_cast<ull>(report.record_count), static_cast<ull>(records));
  }
  return "";
}

}  // namespace millrace::torture
