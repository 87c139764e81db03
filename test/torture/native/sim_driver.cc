#include "test/torture/native/sim_driver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "native/format/batch_format.h"
#include "test/torture/native/records.h"
#include "test/torture/native/sim_judge.h"

namespace millrace::torture {

using base::Code;
using base::Format;
using base::Status;
using ull = unsigned long long;

namespace {

constexpr uint64_t kProducersPerShard = 3;
constexpr uint64_t kKibi = 1024;

// What the log may answer when the machine below it fails. A log that blames its own data for that (LOG_CORRUPT), or
// itself (INTERNAL), is wrong.
bool IsFaultCode(Code code) {
  switch (code) {
    case Code::kDiskFull:
    case Code::kLogFailed:
    case Code::kAccessDenied:
    case Code::kLimitExceeded:
      return true;
    default:
      return false;
  }
}

// While something fails on purpose, reads may fail too. What they must not do is to miss or invent records.
bool IsLossText(const std::string& wrong) {
  return wrong.find("LOST") != std::string::npos || wrong.find("PHANTOM") != std::string::npos;
}

void FillRecords(uint32_t bytes, Random* random, std::vector<uint8_t>* records) {
  records->resize(bytes);
  size_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    const uint64_t word = random->Next();
    std::memcpy(records->data() + at, &word, sizeof word);
  }
  const uint64_t word = random->Next();
  std::memcpy(records->data() + at, &word, bytes - at);
}

const SentBatch* LastOf(const ShardModel& shard, uint64_t producer_id) {
  const auto found =
      std::find_if(shard.batches.rbegin(), shard.batches.rend(),
                   [producer_id](const auto& one) { return one.producer_id == producer_id; });
  return found == shard.batches.rend() ? nullptr : &*found;
}

}  // namespace

log::CoreOptions DrawOptions(Random* random) {
  log::CoreOptions options;
  options.inline_mode = true;
  static constexpr uint64_t kSizes[] = {16, 16, 32, 64};
  options.segment_bytes_min = kSizes[random->Below(4)] * kKibi;
  options.segment_bytes_max = options.segment_bytes_min << (2 * random->Below(3));
  options.segment_bytes_max = std::min(options.segment_bytes_max, 256 * kKibi);
  options.spare_segments = static_cast<uint32_t>(random->Below(3));
  options.disk_low_water_bytes = 1;
  options.mapped_segments_max = static_cast<uint32_t>(random->Between(1, 8));
  options.scrub_bytes_per_second = random->OneIn(4) ? 256 * kKibi : 0;
  options.align_commits = random->OneIn(4);
  return options;
}

SimDriver::SimDriver(const std::string& path, const log::CoreOptions& options,
                     const DriverRules& rules, uint64_t seed, DirectoryModel model)
    : path_(path),
      options_(options),
      rules_(rules),
      random_(seed),
      clock_(1'700'000'000'000),
      model_(std::move(model)) {
  options_.clock = &clock_;
}

SimDriver::~SimDriver() = default;

void SimDriver::Tell(const char* call, bool begins) {
  if (on_change_) {
    on_change_(call, begins);
  }
}

void SimDriver::Returned() {
  if (on_return_) {
    on_return_();
  }
}

std::string SimDriver::NoteError(const char* call, const Status& status) {
  last_error_ = status;
  ++refusals_;
  if (rules_.faults && IsFaultCode(status.code()) && !status.message().empty()) {
    return "";
  }
  return Format("%s is refused: %s: %s", call, base::CodeName(status.code()),
                status.message().c_str());
}

std::string SimDriver::Open(Crash crash) {
  settled_ = false;
  Tell("Open", true);
  const Status status = log::Core::Open(path_, options_, &core_);
  Returned();
  Tell("Open", false);
  if (!status.ok()) {
    core_.reset();
    return NoteError("Open", status);
  }
  std::string wrong;
  if (crash == Crash::kClosed && !rules_.faults && !core_->GetStats().opened_clean) {
    wrong = "a log that was closed is recovered as if it had crashed";
  }
  // On a copy: whoever looks at the model before all of it is judged sees what it was.
  DirectoryModel certain = model_;
  wrong = wrong.empty() ? JudgeOpened(core_.get(), crash, &certain) : wrong;
  if (wrong.empty()) {
    model_ = std::move(certain);
    settled_ = true;
  } else if (rules_.faults && !IsLossText(wrong)) {
    // With a fault under way a read may fail; what is there is judged after the next open.
    Drop();
    wrong.clear();
  }
  Tell("Opened", false);
  return wrong;
}

std::string SimDriver::Judge() {
  std::string wrong = JudgeRunning(core_.get(), model_);
  return rules_.faults && !IsLossText(wrong) ? "" : wrong;
}

void SimDriver::NoteFailures() {
  for (ShardModel& shard : model_.shards) {
    if (shard.presence == Presence::kGone || shard.failed ||
        core_->ShardState(shard.slot).code() != Code::kLogFailed) {
      continue;
    }
    // What was visible and not durable is in doubt from now on.
    shard.failed = true;
    shard.kill_floor = shard.disk_floor;
  }
}

void SimDriver::RaiseFloors() {
  for (ShardModel& shard : model_.shards) {
    if (shard.presence == Presence::kThere) {
      shard.RaiseDiskFloor(core_->committed()->At(shard.slot).synced_end.load());
    }
  }
  NoteFailures();
}

DirectoryModel SimDriver::SnapshotModel() const {
  DirectoryModel model = model_;
  if (core_ == nullptr || !settled_) {
    return model;
  }
  for (ShardModel& shard : model.shards) {
    if (shard.presence == Presence::kGone || shard.slot == UINT32_MAX) {
      continue;
    }
    const log::CommittedSlot& line = core_->committed()->At(shard.slot);
    shard.RaiseDiskFloor(line.synced_end.load());
    // What a reader could see by now, and was sent to be on disk first.
    const uint64_t visible = line.committed_next_sequence.load();
    for (size_t at = shard.disk_floor; at < shard.batches.size(); ++at) {
      if (shard.batches[at].disk != 0 && shard.batches[at].next_sequence() <= visible) {
        shard.disk_floor = at + 1;
      }
    }
    if (line.state.load() == static_cast<uint64_t>(Code::kLogFailed)) {
      shard.kill_floor = shard.disk_floor;
    }
    shard.kill_floor = std::max(shard.kill_floor, shard.disk_floor);
  }
  return model;
}

ShardModel* SimDriver::PickShard(bool open_for_appends) {
  std::vector<ShardModel*> fitting;
  for (ShardModel& shard : model_.shards) {
    const bool open = !shard.sealed && !shard.failed;
    // A seal that ended with an error has left the shard in a state that only the next open tells.
    if (shard.presence == Presence::kThere && !shard.maybe_sealed && (open || !open_for_appends)) {
      fitting.push_back(&shard);
    }
  }
  return fitting.empty() ? nullptr : fitting[random_.Below(fitting.size())];
}

std::string SimDriver::Step() {
  if (random_.OneIn(8)) {
    clock_.Step(static_cast<int64_t>(random_.Below(200'000)) - 100'000);
  }
  const auto live = std::count_if(model_.shards.begin(), model_.shards.end(), [](const auto& one) {
    return one.presence == Presence::kThere;
  });
  const uint64_t kind = random_.Below(100);
  if (live == 0 || (kind < 4 && static_cast<size_t>(live) < rules_.shards_max)) {
    return Create();
  }
  if (kind < 76) {
    return Append();
  }
  if (kind < 88) {
    return Chores();
  }
  if (kind < 94) {
    return Trim();
  }
  if (kind < 96) {
    return Flush();
  }
  if (kind < 97) {
    return Seal();
  }
  return kind < 98 ? Delete() : Judge();
}

std::string SimDriver::Create() {
  std::vector<uint64_t> first_sequences(random_.OneIn(3) ? 2 : 1, 1);
  const size_t known = model_.shards.size();
  for (uint64_t& first : first_sequences) {
    static constexpr uint64_t kStarts[] = {1, 1, 1000, (uint64_t{1} << 53) - 2};
    first = kStarts[random_.Below(4)];
    ShardModel shard;
    shard.shard = model_.next_shard + (model_.shards.size() - known);
    shard.created_sequence = shard.trim_floor = shard.trim_ceiling = first;
    shard.presence = Presence::kMaybe;
    shard.slot = UINT32_MAX;
    model_.shards.push_back(std::move(shard));
  }
  std::vector<uint64_t> ids;
  Tell("CreateShards", true);
  const Status status = core_->CreateShards(first_sequences, &ids);
  Returned();
  for (size_t at = 0; status.ok() && at < first_sequences.size(); ++at) {
    ShardModel& shard = model_.shards[known + at];
    if (at >= ids.size() || ids[at] != shard.shard ||
        !core_->FindShard(shard.shard, &shard.slot).ok()) {
      return Format("CreateShards names shard %llu, the next one is %llu",
                    static_cast<ull>(at < ids.size() ? ids[at] : 0), static_cast<ull>(shard.shard));
    }
    shard.presence = Presence::kThere;
    model_.next_shard = shard.shard + 1;
  }
  DropTwins(known, status.ok());
  Tell("CreateShards", false);
  return status.ok() ? "" : NoteError("CreateShards", status);
}

// A creation that failed left shards that may be there, and the next one uses their ids. When it succeeds, the failed one
// has left nothing; when it does not, it was not even tried, as the manifest takes no more.
void SimDriver::DropTwins(size_t first_new, bool keep_new) {
  std::vector<ShardModel>& shards = model_.shards;
  const auto first = shards.begin() + static_cast<ptrdiff_t>(first_new);
  const auto is_twin = [](const ShardModel& one, auto begin, auto end) {
    return std::any_of(begin, end,
                       [&one](const ShardModel& other) { return other.shard == one.shard; });
  };
  if (keep_new) {
    const std::vector<ShardModel> fresh(first, shards.end());
    shards.erase(std::remove_if(shards.begin(), first,
                                [&](const ShardModel& one) {
                                  return is_twin(one, fresh.begin(), fresh.end());
                                }),
                 first);
    return;
  }
  const std::vector<ShardModel> before(shards.begin(), first);
  if (is_twin(*first, before.begin(), before.end())) {
    shards.erase(first, shards.end());
  }
}

uint32_t SimDriver::DrawBytes() {
  const uint64_t kind = random_.Below(100);
  const uint64_t bound = kind < 60 ? 300 : kind < 97 ? 4096 : rules_.records_bytes_max;
  return static_cast<uint32_t>(random_.Between(1, std::min<uint64_t>(bound, rules_.records_bytes_max)));
}

std::string SimDriver::Append() {
  ShardModel* const shard = PickShard(/*open_for_appends=*/false);
  return shard == nullptr ? "" : AppendTo(shard, DrawBytes(), !random_.OneIn(3));
}

// A producer with a number in reach: the next one.
void SimDriver::DrawProducer(const ShardModel& shard, SentBatch* batch) {
  if (!random_.OneIn(3)) {
    return;
  }
  batch->producer_id = shard.shard * 16 + random_.Between(1, kProducersPerShard);
  const SentBatch* const last = LastOf(shard, batch->producer_id);
  batch->producer_sequence =
      last == nullptr ? static_cast<uint32_t>(random_.Below(3)) : last->producer_sequence + 1;
}

std::string SimDriver::AppendTo(ShardModel* shard, uint32_t records_bytes, bool disk) {
  FillRecords(records_bytes, &random_, &records_);
  SentBatch batch{};
  batch.first_sequence = shard->next_sequence();
  batch.hash = HashRecord(records_.data(), records_.size());
  batch.count = static_cast<uint32_t>(random_.OneIn(3) ? random_.Between(2, 40) : 1);
  batch.records_bytes = records_bytes;
  batch.disk = disk ? 1 : 0;
  const bool raises = random_.OneIn(40);
  batch.epoch = shard->epoch + (raises ? 1 : 0);
  DrawProducer(*shard, &batch);
  // A failed or sealed shard takes nothing: what is sent all the same must not be there afterwards.
  const bool refuses = shard->failed || shard->sealed;
  if (!refuses) {
    shard->batches.push_back(batch);
  }
  const log::Piece piece{records_.data(), records_bytes};
  log::AppendRequest request;
  request.pieces = &piece;
  request.piece_count = 1;
  request.records_bytes = records_bytes;
  request.count = batch.count;
  request.producer_id = batch.producer_id;
  request.producer_sequence = batch.producer_sequence;
  request.epoch = raises ? batch.epoch : 0;
  request.durability = disk ? log::Durability::kDisk : log::Durability::kOs;
  log::AppendResult result{};
  Tell("Append", true);
  const Status status = core_->Append(shard->slot, request, &result);
  Returned();
  std::string wrong;
  if (refuses) {
    const Code due = shard->failed ? Code::kLogFailed : Code::kShardClosed;
    wrong = status.code() == due
                ? ""
                : "a shard that has failed or is sealed answers an append with " +
                      std::string(base::CodeName(status.code()));
  } else {
    wrong = SettleAppend(shard, status, result);
  }
  Tell("Append", false);
  return wrong;
}

std::string SimDriver::SettleAppend(ShardModel* shard, const Status& status,
                                    const log::AppendResult& result) {
  SentBatch& batch = shard->batches.back();
  if (!status.ok()) {
    NoteFailures();
    if (!shard->failed) {
      shard->batches.pop_back();  // refused, so nothing of it may ever be seen
    }
    return NoteError("Append", status);
  }
  if (result.first_sequence != batch.first_sequence || result.count != batch.count ||
      result.duplicate || !result.committed) {
    return Format("an append to shard %llu is numbered %llu (%u records, duplicate %d, committed %d), not %llu",
                  static_cast<ull>(shard->shard), static_cast<ull>(result.first_sequence),
                  result.count, result.duplicate, result.committed,
                  static_cast<ull>(batch.first_sequence));
  }
  const size_t before = shard->batches.size() - 1;
  const uint64_t least = (before == 0 ? 0 : shard->batches[before - 1].end_position) +
                         format::kBatchHeaderBytes + batch.records_bytes;
  if (result.end_position < least) {
    return Format("an append to shard %llu ends at position %llu, which overlaps the one before it",
                  static_cast<ull>(shard->shard), static_cast<ull>(result.end_position));
  }
  batch.end_position = result.end_position;
  shard->epoch = batch.epoch;
  ++acks_;
  const bool disk = batch.disk != 0 || result.durability == log::Durability::kDisk;
  shard->kill_floor = shard->batches.size();
  if (disk) {
    shard->disk_floor = shard->batches.size();
  }
  RaiseFloors();
  std::string wrong = disk && on_disk_ack_ ? on_disk_ack_(*shard, batch) : "";
  if (wrong.empty() && !shard->failed && random_.OneIn(16)) {
    // A copy, as the vector may move.
    const SentBatch& prior = shard->batches[shard->batches.size() - 1 - random_.Below(std::min<size_t>(shard->batches.size(), 4))];
    wrong = CheckDuplicate(shard, SentBatch(prior));
  }
  return wrong;
}

// A producer that repeats one of its last batches is told the numbers of the first time.
std::string SimDriver::CheckDuplicate(ShardModel* shard, const SentBatch& prior) {
  if (prior.producer_id == 0 || prior.first_sequence < shard->trim_ceiling) {
    return "";  // the producers of trimmed batches may be forgotten
  }
  const std::vector<uint8_t> records(prior.records_bytes, 'r');
  const log::Piece piece{records.data(), prior.records_bytes};
  log::AppendRequest request;
  request.pieces = &piece;
  request.piece_count = 1;
  request.records_bytes = prior.records_bytes;
  request.count = prior.count;
  request.producer_id = prior.producer_id;
  request.producer_sequence = prior.producer_sequence;
  log::AppendResult result{};
  Tell("Append", true);
  const Status status = core_->Append(shard->slot, request, &result);
  Returned();
  RaiseFloors();
  if (!status.ok()) {
    return NoteError("Append of a repeat", status);
  }
  return result.duplicate && result.first_sequence == prior.first_sequence
             ? ""
             : Format("producer %llu repeats sequence %u to shard %llu, first numbered %llu: taken as new",
                      static_cast<ull>(prior.producer_id), prior.producer_sequence,
                      static_cast<ull>(shard->shard), static_cast<ull>(prior.first_sequence));
}

std::string SimDriver::Trim() {
  ShardModel* const shard = PickShard(/*open_for_appends=*/false);
  if (shard == nullptr || shard->batches.empty() || shard->failed) {
    return "";
  }
  // Never all of the future, now and then all of the past.
  const SentBatch& upto = shard->batches[random_.Below(shard->batches.size())];
  const bool everything = random_.OneIn(6);
  const uint64_t sequence = everything ? shard->next_sequence()
                                       : random_.Between(upto.first_sequence, upto.next_sequence() - 1);
  const uint64_t left = everything ? sequence : upto.first_sequence;
  return TrimTo(shard, sequence, left);
}

std::string SimDriver::TrimAll(uint64_t shard) {
  ShardModel* const model = model_.Find(shard);
  return TrimTo(model, model->next_sequence(), model->next_sequence());
}

// `left` is the first sequence number of the batch that holds `sequence`.
std::string SimDriver::TrimTo(ShardModel* shard, uint64_t sequence, uint64_t left) {
  shard->trim_ceiling = std::max(shard->trim_ceiling, left);
  Tell("Trim", true);
  const Status status = core_->Trim(shard->slot, sequence);
  Returned();
  log::ShardStats stats{};
  static_cast<void>(core_->GetShardStats(shard->slot, &stats));
  // A trim is in effect at once. It is durable too unless the manifest has failed, of which a trim says nothing.
  if (status.ok() && !rules_.faults) {
    shard->trim_floor = shard->trim_ceiling;
  }
  RaiseFloors();
  Tell("Trim", false);
  if (status.ok() && stats.first_sequence != std::max(left, stats.first_sequence)) {
    return "a trim is not in effect when it returns";
  }
  return status.ok() ? "" : NoteError("Trim", status);
}

std::string SimDriver::Chores() {
  Tell("RunChores", true);
  core_->RunChores();
  Returned();
  RaiseFloors();
  Tell("RunChores", false);
  return "";
}

std::string SimDriver::Flush() {
  Tell("Flush", true);
  const Status status = core_->Flush();
  Returned();
  RaiseFloors();
  for (ShardModel& shard : model_.shards) {
    if (status.ok() && shard.presence == Presence::kThere) {
      shard.disk_floor = shard.kill_floor = shard.batches.size();
    }
  }
  Tell("Flush", false);
  return status.ok() ? "" : NoteError("Flush", status);
}

std::string SimDriver::Seal() {
  ShardModel* const shard = PickShard(/*open_for_appends=*/true);
  if (shard == nullptr) {
    return "";
  }
  shard->maybe_sealed = true;
  Tell("SealShard", true);
  const Status status = core_->SealShard(shard->shard);
  Returned();
  RaiseFloors();
  if (status.ok()) {
    shard->sealed = true;
    shard->maybe_sealed = false;
    shard->disk_floor = shard->kill_floor = shard->batches.size();
  }
  Tell("SealShard", false);
  return status.ok() ? "" : NoteError("SealShard", status);
}

std::string SimDriver::Delete() {
  ShardModel* const shard = PickShard(/*open_for_appends=*/false);
  if (shard == nullptr || model_.shards.size() < 2) {
    return "";
  }
  shard->presence = Presence::kMaybe;
  Tell("DeleteShard", true);
  const Status status = core_->DeleteShard(shard->shard);
  Returned();
  if (status.ok()) {
    shard->presence = Presence::kGone;
  }
  RaiseFloors();
  Tell("DeleteShard", false);
  return status.ok() ? "" : NoteError("DeleteShard", status);
}

std::string SimDriver::Close(Crash* crash) {
  Tell("Close", true);
  const Status status = core_->Close();
  Returned();
  RaiseFloors();
  core_.reset();
  *crash = status.ok() ? Crash::kClosed : Crash::kKill;
  for (ShardModel& shard : model_.shards) {
    if (status.ok() && shard.presence != Presence::kGone && !shard.failed) {
      shard.disk_floor = shard.kill_floor = shard.batches.size();
    }
  }
  Tell("Close", false);
  return status.ok() ? "" : NoteError("Close", status);
}

void SimDriver::Drop() {
  Tell("Drop", true);
  core_.reset();
}

}  // namespace millrace::torture
