// Finds whole batches of one shard in bytes that are not trusted, by trying every byte. What it
// finds is evidence and no more: a record may hold a perfect copy of a batch (resync.h says what
// else is needed before one is served).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/log/batch_view.h"

namespace millrace::log {

// The bytes of a scan. Places in it are relative to `data`; `base_position` turns them into
// positions. `data` must outlive it.
struct ScanArea {
  const uint8_t* data = nullptr;
  uint64_t bytes = 0;  // up to the recorded end, when there is one
  uint64_t base_position = 0;
  uint64_t shard = 0;
};

// What a scan may still spend on checksums and on walks over what it found, in bytes.
class WorkBudget {
 public:
  explicit WorkBudget(uint64_t bytes) : bytes_left_(bytes) {}

  void Spend(uint64_t bytes) { bytes_left_ -= bytes < bytes_left_ ? bytes : bytes_left_; }

  void Exhaust() { bytes_left_ = 0; }

  bool exhausted() const { return bytes_left_ == 0; }

 private:
  uint64_t bytes_left_;
};

// CheckBatch at `at`; what it had to checksum is charged to the budget.
BatchCheck CheckAt(const ScanArea& area, uint64_t at, BatchHeader* header, WorkBudget* budget);

// Whole batches that follow each other byte for byte and number for number.
struct BatchRun {
  uint64_t start;
  uint64_t end;
  uint64_t first_sequence;
  uint64_t next_sequence;
  uint64_t synced_upto_max;
  uint32_t epoch_first;
  uint32_t epoch_last;

  // The first batch of the run that cannot lie in the payload of one that began before the run: a
  // run of whole batches longer than any batch is not the content of one. 0 = none.
  uint64_t sure_start;
  uint64_t sure_sequence;
};

// The runs from one place to the end of the area. Computed once, at the first damage; the answers
// then serve every later damage of the same scan.
class BatchSearch {
 public:
  // `work_bytes` bounds what it may checksum.
  explicit BatchSearch(uint64_t work_bytes) : budget_(work_bytes) {}

  // Finds the batches of area.shard at or behind `from` whose first sequence number is at least
  // `sequence_min`. Stops early when the work runs out or there are more runs than kRunsMax.
  void Run(const ScanArea& area, uint64_t from, uint64_t sequence_min);

  bool done() const { return done_; }

  // False when it had to stop early: there may be more batches than it found.
  bool complete() const { return !budget_.exhausted(); }

  // The runs that end behind `at` are runs()[FirstBehind(at)] and those after it.
  size_t FirstBehind(uint64_t at) const;

  const std::vector<BatchRun>& runs() const { return runs_; }

  // The highest `synced upto` of the runs from `index` on, 0 without any.
  uint64_t SyncedUptoMax(size_t index) const;
  // The same for the sequence number after each run.
  uint64_t NextSequenceMax(size_t index) const;

  static constexpr size_t kRunsMax = 65536;

 private:
  struct Suffix {
    uint64_t synced_upto_max;
    uint64_t next_sequence_max;
  };

  bool Take(uint64_t at, const BatchHeader& header);
  void ComputeSuffixes();

  WorkBudget budget_;
  std::vector<BatchRun> runs_;
  std::vector<Suffix> suffixes_;
  bool done_ = false;
};

}  // namespace millrace::log
