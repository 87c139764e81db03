#include "test/torture/native/sim_driver.h"

#include <algorithm>
#include <utility>

#include "test/torture/native/sim_judge.h"

namespace millrace::torture {

using base::Code;
using base::Format;
using base::Status;
using ull = unsigned long long;

namespace {

constexpr uint64_t kKibi = 1024;

// What the log may answer when the machine below it fails. A log that blames its own data for that
// (LOG_CORRUPT), or itself (INTERNAL), is wrong.
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

// While something fails on purpose, reads may fail too. What they must not do is to miss or invent
// records.
bool IsLossText(const std::string& wrong) {
  return wrong.find("LOST") != std::string::npos || wrong.find("PHANTOM") != std::string::npos;
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

DriverRules DrawRules(Random* random) {
  DriverRules rules;
  if (random->OneIn(3)) {
    rules.uniform_bytes = static_cast<uint32_t>(random->Between(2, 7)) * 1024;
  }
  return rules;
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
  const auto live = std::count_if(model_.shards.begin(), model_.shards.end(),
                                  [](const auto& one) { return one.presence == Presence::kThere; });
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

// A creation that failed left shards that may be there, and the next one uses their ids. When it
// succeeds, the failed one has left nothing; when it does not, it was not even tried, as the
// manifest takes no more.
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

std::string SimDriver::Trim() {
  ShardModel* const shard = PickShard(/*open_for_appends=*/false);
  if (shard == nullptr || shard->batches.empty() || shard->failed) {
    return "";
  }
  // Never all of the future, now and then all of the past.
  const SentBatch& upto = shard->batches[random_.Below(shard->batches.size())];
  const bool everything = random_.OneIn(6);
  const uint64_t sequence = everything
                                ? shard->next_sequence()
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
  // A trim is in effect at once. It is durable too unless the manifest has failed, of which a trim
  // says nothing.
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
  const Status status = core_->SealShards({shard->shard});
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
