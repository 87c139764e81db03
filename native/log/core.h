// An open data directory: any number of shards, one committer thread, one helper thread.
//
// Threads. Every method is safe to call from any thread. None of Append, Read, Seek, SeekTime, Trim
// and the getters waits for a disk (a Read of a cold page does); the methods under "slow" do, and
// belong on a thread of their own.
//
// Lock order, outermost first. A thread that holds one may take only those below it.
//   1. CoreRegistry::mutex_          which directories are open in this process
//   2. Core::shards_mutex_           creation and deletion of shards, the manifest
//   3. ShardLog::mutex_              positions, segments and duplicates of one shard
//   4. SegmentCache::mutex_          which segments are mapped for readers
//   5. SegmentPool::mutex_           spare files
//   6. Committer::mutex_, ListenerTurn::mutex_, Helper::mutex_, StagedTail::handed_mutex_,
//      Mapping::seen_mutex_, Keyring::mutex_, listeners: leaves, never held while another is taken
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "native/base/status.h"
#include "native/log/committed_table.h"
#include "native/log/duplicate_table.h"
#include "native/log/keyring.h"
#include "native/log/options.h"

namespace millrace::log {

class Manifest;
class ShardLog;
struct ShardStart;

// Told when committed positions have moved, or a shard has failed. Called on the committer's or an
// appender's thread, often; must be quick, must not call back into the core, and coalesces by
// itself.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void OnCommitted() = 0;
};

class Core {
 public:
  // Opens `path`, creating the directory if it is missing or empty (its parent must exist).
  // Recovers what an unclean stop left. LOG_LOCKED when another process or another Core has it open
  // (the registry shares one, see core_registry.h), FORMAT_UNSUPPORTED for a newer format or a
  // directory with foreign files, CATALOG_UNREADABLE when the manifest cannot be read,
  // ACCESS_DENIED, DISK_FULL, LIMIT_EXCEEDED, LOG_FAILED from the operating system.
  static base::Status Open(const std::string& path, const CoreOptions& options,
                           std::shared_ptr<Core>* core);

  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Slow

  // Commits everything, proves the tails, records the verified end, stops the threads. Closes also
  // when it fails, which it does where something that was appended may not be on disk; later calls
  // answer LOG_CLOSED. Called by the destructor when nobody has.
  base::Status Close();

  // Creates shards whose first records take the given sequence numbers (at least 1). Durable on
  // return.
  base::Status CreateShards(const std::vector<uint64_t>& first_sequences,
                            std::vector<uint64_t>* shards);

  // Forgets a shard and frees its segments. Durable on return. Its id is never used again.
  // DISK_FULL: nothing has changed, the shard takes appends as before.
  base::Status DeleteShard(uint64_t shard);

  // The same for several, or for none of them: SHARD_NOT_FOUND when one is not there, or named
  // twice.
  base::Status DeleteShards(const std::vector<uint64_t>& shards);

  // Closes shards to appends for good, after all that was appended is durable. Reads go on. Durable
  // on return, and takes the time of one: they share commits. After a failure, and where one is not
  // there (SHARD_NOT_FOUND), the call can be repeated; what is sealed already stays so. DISK_FULL:
  // nothing has changed, the shards take appends as before.
  base::Status SealShards(const std::vector<uint64_t>& shards);

  // Verifies every committed batch of every shard (or of one: `shard` != 0) against checksum, order
  // and seal; damage is quarantined and reported. `bytes_per_second` 0 = as fast as possible.
  base::Status Scrub(uint64_t shard, uint64_t bytes_per_second, ScrubReport* report);

  // Waits until everything appended so far, in either mode, is on disk.
  base::Status Flush();

  // Quick

  // The slot of a shard: a small number, stable while the core is open, by which the quick methods
  // know it.
  base::Status FindShard(uint64_t shard, uint32_t* slot) const;
  std::vector<uint64_t> ListShards() const;

  base::Status Append(uint32_t slot, const AppendRequest& request, AppendResult* result);

  // What the shard knows of a batch of a producer, without appending anything. kRepeat fills
  // `result` as the Append of it would. SHARD_NOT_FOUND, and what a shard that has failed answers;
  // one that is sealed still knows its producers.
  base::Status FindRepeat(uint32_t slot, uint64_t producer_id, uint32_t producer_sequence,
                          DuplicateVerdict* verdict, AppendResult* result) const;

  // The keys that shards can be encrypted with and read by, and no others, from now on. `checks`
  // gets of each what tells it from another key of the same id. INVALID_ARGUMENT,
  // ENCRYPTION_UNAVAILABLE.
  base::Status SetKeys(const std::vector<MasterKey>& keys, std::vector<uint64_t>* checks);

  // From now on the records of these shards are encrypted with that key, or are not where it has no
  // id. While the log has no such key, appends are refused: KEY_NOT_FOUND, KEY_MISMATCH or
  // ENCRYPTION_UNAVAILABLE. Not kept on disk: the owner says it after each open, before it appends.
  void SetEncryption(const std::vector<uint32_t>& slots, const KeyName& name);

  // Reads whole batches from `position`, which must be the start of a batch (a position that an
  // append, a read or a seek gave) or the committed end. SEQUENCE_NUMBER_TRIMMED below the trimmed
  // start (range_start of the status = where reading can go on), SEQUENCE_NUMBER_IN_FUTURE beyond
  // the committed end, LOG_CORRUPT for a damaged batch (the status carries its range; reading can
  // go on at range_end), LOG_FAILED in the unproven tail of a failed shard. Of an encrypted batch,
  // unless it is read as stored: KEY_NOT_FOUND, KEY_MISMATCH, ENCRYPTION_UNAVAILABLE.
  base::Status Read(uint32_t slot, uint64_t position, uint32_t bytes_max, ReadResult* result,
                    ReadForm form = ReadForm::kPlain);

  // The position of the batch that holds `sequence`; the committed end for the next sequence
  // number.
  base::Status Seek(uint32_t slot, uint64_t sequence, uint64_t* position);

  // The position of the first batch that arrived at `millis` or later; the committed end when there
  // is none.
  base::Status SeekTime(uint32_t slot, uint64_t millis, uint64_t* position);

  // Drops records below `sequence`: whole batches below the one that holds it are no longer read,
  // segments that hold nothing else are freed. In effect on return, durable with the next group
  // commit.
  base::Status Trim(uint32_t slot, uint64_t sequence);

  base::Status GetShardStats(uint32_t slot, ShardStats* stats) const;
  CoreStats GetStats() const;

  // Committed positions, readable without a call. Shared: outlives the core.
  const std::shared_ptr<CommittedTable>& committed() const { return committed_; }

  // Why a shard refuses appends: ok, LOG_FAILED with its cause, SHARD_CLOSED or LOG_CLOSED.
  base::Status ShardState(uint32_t slot) const;

  // Listeners are borrowed; RemoveListener returns when no call to it is running.
  void AddListener(CommitListener* listener);
  void RemoveListener(CommitListener* listener);

  // A listener was told, and has begun what it does then, on the thread that this is called on. One
  // that never says so goes without the time that listener_turn.h saves.
  void ListenerHeard();

  // Inline mode: prepares spares, proves idle tails, writes indexes, measures free space. One pass.
  void RunChores();

  const std::string& path() const;

 private:
  struct Parts;

  Core(std::string path, const CoreOptions& options);

  base::Status OpenDirectory();
  base::Status CheckOpen() const;
  base::Status AddShard(ShardStart start);
  base::Status ReserveSlot(uint64_t slot);
  base::Status FlushAll();
  base::Status WaitUntil(std::chrono::steady_clock::time_point due) const;
  void WriteVerifiedEnd();
  base::Status ChangeManifest(const std::function<base::Status(Manifest&)>& change);
  base::Status ReserveManifest(size_t record_count);
  std::vector<ShardLog*> PersistTrims(std::vector<ShardLog*> shards);
  base::Status PersistTrimsAtOnce(const std::vector<ShardLog*>& shards);
  void ScrubSlice(uint64_t bytes);

  const std::unique_ptr<Parts> parts_;
  const std::shared_ptr<CommittedTable> committed_;

  mutable std::mutex shards_mutex_;  // creation and deletion of shards, and the manifest
  std::atomic<bool> closed_{false};
  uint64_t scrub_credit_ = 0;  // the helper's
};

// Verifies a directory that nobody has open, without changing it. LOG_LOCKED when somebody has.
base::Status VerifyDirectory(const std::string& path, base::FileOps* file_ops, ScrubReport* report);

}  // namespace millrace::log
