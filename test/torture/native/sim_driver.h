// Drives one log with random operations, keeps the model of what it sent and was promised, and
// notices promises that are wrong at once. The log runs inline, so that a seed repeats every system
// call.
//
// Each operation returns the first thing that is wrong, or nothing. Not safe for use from several
// threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "native/base/clock.h"
#include "native/log/core.h"
#include "test/torture/native/random.h"
#include "test/torture/native/sim_model.h"

namespace millrace::torture {

// Goes on a little with every look; now and then it is stepped, in either direction.
class SteppedClock final : public base::Clock {
 public:
  explicit SteppedClock(uint64_t millis) : millis_(millis) {}

  uint64_t WallMillis() override { return millis_ += 1; }

  uint64_t SteadyMillis() override { return steady_ += 1; }

  void Step(int64_t millis) { millis_ += static_cast<uint64_t>(millis); }

 private:
  uint64_t millis_;
  uint64_t steady_ = 1;
};

struct DriverRules {
  // Something fails on purpose: errors are answers too, if they say which.
  bool faults = false;

  // What an append may be as large as, and how often one is.
  uint32_t records_bytes_max = 24 * 1024;

  // Every batch has one record and so many bytes; 0 = any. A log that goes on after a crash then
  // has its numbers where they stood before, and its segments begin with the same ones.
  uint32_t uniform_bytes = 0;

  size_t shards_max = 3;
};

// Of any sizes, or of one alone.
DriverRules DrawRules(Random* random);

class SimDriver {
 public:
  // Called before each call of the log and after it, for who mirrors the model or looks at the
  // machine.
  using OnChange = std::function<void(const char* call, bool begins)>;

  // Called for each acknowledgement with disk durability. Says what is wrong with it, or nothing.
  using OnDiskAck = std::function<std::string(const ShardModel& shard, const SentBatch& batch)>;

  // `options` bring the file operations; the model is taken over. The clock is the driver's.
  SimDriver(const std::string& path, const log::CoreOptions& options, const DriverRules& rules,
            uint64_t seed, DirectoryModel model);
  ~SimDriver();
  SimDriver(const SimDriver&) = delete;
  SimDriver& operator=(const SimDriver&) = delete;

  void SetOnChange(OnChange on_change) { on_change_ = std::move(on_change); }

  // Called as soon as the log has returned, before its answer is looked at.
  void SetOnReturn(std::function<void()> on_return) { on_return_ = std::move(on_return); }

  void SetOnDiskAck(OnDiskAck on_disk_ack) { on_disk_ack_ = std::move(on_disk_ack); }

  void SetFileOps(base::FileOps* file_ops) { options_.file_ops = file_ops; }

  void SetFaults(bool faults) { rules_.faults = faults; }

  // Opens after `crash` and judges. With faults the open may fail, and is_open() tells.
  std::string Open(Crash crash);

  bool is_open() const { return core_ != nullptr; }

  // One random operation on the open log.
  std::string Step();

  std::string Create();
  std::string Append();
  // Of at least one byte, at most `records_bytes_max`, to this shard.
  std::string AppendTo(ShardModel* shard, uint32_t records_bytes, bool disk);
  std::string Trim();
  std::string TrimAll(uint64_t shard);
  std::string Chores();
  std::string Flush();
  std::string Seal();
  std::string Delete();
  std::string Judge();

  // Sets *crash to kClosed when the log says that it has closed, to kKill when it could not.
  std::string Close(Crash* crash);

  // The process has died: its objects go without a promise being added. The file operations must be
  // dead by then.
  void Drop();

  // For an image taken at this very moment, in the midst of a call: with what is visible or called
  // durable by now.
  DirectoryModel SnapshotModel() const;

  const DirectoryModel& model() const { return model_; }

  log::Core* core() { return core_.get(); }

  uint64_t acks() const { return acks_; }

  uint64_t refusals() const { return refusals_; }

  // Codes of the last error that was met; for reports.
  const base::Status& last_error() const { return last_error_; }

 private:
  struct Producer {
    uint64_t id;
    uint32_t next;
  };

  std::string TrimTo(ShardModel* shard, uint64_t sequence, uint64_t left);
  void DropTwins(size_t first_new, bool keep_new);
  ShardModel* PickShard(bool open_for_appends);
  uint32_t DrawBytes();
  std::string SettleAppend(ShardModel* shard, const base::Status& status,
                           const log::AppendResult& result);
  std::string CheckDuplicate(ShardModel* shard, const SentBatch& prior);
  std::string NoteError(const char* call, const base::Status& status);
  void DrawProducer(const ShardModel& shard, SentBatch* batch);
  void NoteFailures();
  void RaiseFloors();
  void Tell(const char* call, bool begins);
  void Returned();

  const std::string path_;
  log::CoreOptions options_;
  DriverRules rules_;
  Random random_;
  SteppedClock clock_;
  DirectoryModel model_;
  std::shared_ptr<log::Core> core_;
  bool settled_ = false;  // the model is about the core that is open
  std::vector<uint8_t> records_;
  OnChange on_change_;
  std::function<void()> on_return_;
  OnDiskAck on_disk_ack_;
  base::Status last_error_;
  uint64_t acks_ = 0;
  uint64_t refusals_ = 0;
};

// Options that a seed draws: small segments, few spares and maps, with and without aligned commits.
log::CoreOptions DrawOptions(Random* random);

}  // namespace millrace::torture
