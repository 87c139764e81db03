// Files for new segments: fully allocated, mapped and partly faulted in ahead of their use, so that
// an append that changes segments touches no directory and waits for no disk.
//
// A spare file lies in the log directory under its final name; what makes it a segment of a shard
// is the header that the shard writes into it. So no rename and no directory sync stands between a
// full segment and the next append.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "native/base/status.h"
#include "native/log/segment_file.h"

namespace millrace::log {

// The sizes of segments: segment_bytes_min times powers of kSegmentGrowthFactor. The size of a
// shard's next segment follows how fast the last one filled: four times as large when it took under
// a minute, a quarter when it took over an hour, and always room for the batch at hand.
// `previous_bytes` 0 = the shard's first.
uint64_t NextSegmentBytes(uint64_t previous_bytes, uint64_t fill_millis, uint64_t batch_bytes,
                          uint64_t bytes_min, uint64_t bytes_max);

// A file ready to be written: open, mapped writable. Moves to a SegmentWriter.
struct SpareSegment {
  std::shared_ptr<SegmentFile> file;
  int fd = -1;
  uint8_t* map = nullptr;
  uint64_t populated_bytes = 0;  // from the start of the file
};

class SegmentPool : public std::enable_shared_from_this<SegmentPool> {
 public:
  SegmentPool(base::FileOps* file_ops, std::string directory, uint32_t spare_count);
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  // The ids of files that exist, before the first Take. New files get higher ones.
  void ReserveIds(uint64_t id_max);

  // Takes a spare of exactly `bytes`, or makes a file at once when none is ready. DISK_FULL,
  // LIMIT_EXCEEDED, LOG_FAILED; nothing is left behind then. `stores` says whether it will be
  // stored to through its map: the spares that follow are then faulted in. `*prepared` says whether
  // it was ready.
  base::Status Take(uint64_t bytes, bool stores, SpareSegment* spare, bool* prepared);

  // A retired file whose last user is gone. All that it holds has been committed and trimmed, or is
  // of a shard that is deleted: no number in it will be given again. False when the pool does not
  // want it: the caller unlinks it. `entry_synced` says whether its directory entry
  // is known to be durable.
  bool Recycle(uint64_t id, uint64_t bytes, bool entry_synced);

  // Makes spares of the size that was asked for last, up to the wanted count, one call of the
  // helper's. True when it did something and should be called again.
  bool Refill(base::Status* status);

  // Whether retired files are kept for new segments. They are not while the disk is full.
  void SetRecycling(bool recycles);

  // Gives the space of all spares and free files back to the file system: the disk is full.
  void ReleaseSpace();

  // Closes and forgets all spares; their files stay, and the next open removes them.
  void Close();

  uint32_t spare_count() const;

 private:
  struct FreeFile {
    uint64_t id;
    uint64_t bytes;
    bool entry_synced;
  };

  static constexpr size_t kFreeFilesMax = 16;

  FreeFile TakeFreeFileLocked();
  base::Status MakeFile(uint64_t bytes, SpareSegment* spare);
  base::Status ReopenFile(const FreeFile& file, SpareSegment* spare);
  base::Status MapFile(SpareSegment* spare);
  int PopulateSpare(const SpareSegment& spare, uint64_t ahead);
  void Discard(SpareSegment* spare);

  base::FileOps* const file_ops_;
  const std::string directory_;
  const uint32_t spares_wanted_;

  mutable std::mutex mutex_;
  uint64_t next_id_ = 1;              // under mutex_
  uint64_t wanted_bytes_ = 0;         // under mutex_; the size asked for last, 0 = none yet
  bool wanted_stores_ = false;        // under mutex_; as for the last Take
  bool closed_ = false;               // under mutex_
  bool recycles_ = true;              // under mutex_
  std::vector<SpareSegment> spares_;  // under mutex_
  std::vector<FreeFile> free_files_;  // under mutex_
};

// Bytes that are faulted in ahead of an appender.
inline constexpr uint64_t kPopulateAheadBytes = 8 * 1024 * 1024;

}  // namespace millrace::log
