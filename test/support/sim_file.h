// A file on the simulated disk: its live bytes, which is what processes see, and per page what the
// disk may hold.
//
// The life of a page of 4 KiB:
//   durable   what the last successful sync of this page left on the disk
//   seen      the live bytes at the last observation
//   pending   what the page showed at observations since `durable`; write-back may have put any of
//   it on the disk dirty     the next sync writes it
// A successful sync of a dirty page makes `seen` durable and forgets what is pending. A failed one
// only clears `dirty` (fsyncgate): the page goes on showing bytes that the disk may lack, and later
// syncs pass over it until a process stores to it again. Such a page is called lost.
//
// Stores through maps are found by comparing, when Observe is called. A lost page is watched by a
// StoreTrap as well, since rewriting it with the same bytes matters. Not safe for use from several
// threads at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "native/base/file_ops.h"
#include "test/support/cut_dice.h"
#include "test/support/sim_memory.h"
#include "test/support/sim_page.h"
#include "test/support/store_trap.h"

namespace millrace::support {

// The contents of a file on a disk that nobody has open.
struct FileImage {
  std::vector<SimPagePtr> pages;
  uint64_t bytes = 0;
};

// Bytes that were changed through a map: [offset, offset + bytes).
struct StoredRange {
  uint64_t offset;
  uint64_t bytes;
};

class SimFile {
 public:
  SimFile(uint64_t id, std::shared_ptr<const FileImage> image);
  ~SimFile();
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;

  uint64_t id() const { return id_; }

  uint64_t bytes() const { return bytes_; }

  // What it takes of the disk: its length, or more where blocks are kept for it.
  uint64_t blocks_bytes() const { return std::max(bytes_, reserved_bytes_); }

  // Keeps blocks for so many bytes. A power cut gives those beyond the length back.
  void Reserve(uint64_t bytes) { reserved_bytes_ = std::max(reserved_bytes_, bytes); }

  // As pread and pwrite; what is written is dirty even when it changes nothing.
  size_t Read(void* data, size_t bytes, uint64_t offset) const;
  void Write(const void* data, size_t bytes, uint64_t offset);

  // Grows the file, with zeros; never shrinks it.
  void Grow(uint64_t bytes);

  // Finds the stores through maps since the last call and appends them to `stored` (may be null).
  void Observe(std::vector<StoredRange>* stored);

  // A successful sync, and a failed one, of the pages that [offset, offset + bytes) touches. The
  // file has been observed just before.
  void Sync(uint64_t offset, uint64_t bytes);
  void FailSync(uint64_t offset, uint64_t bytes);

  // Makes pages dirty, as populating them for writing does.
  void Touch(uint64_t offset, uint64_t bytes);

  // Memory pressure: each lost page shows what the disk holds from now on.
  void EvictLostPages(CutDice* dice);

  // Bit rot and forged contents: changes the live and the durable bytes alike. Inside the file
  // only.
  void Overwrite(uint64_t offset, const void* data, size_t bytes);

  // A null view: refused. The view must be given back before the file is destroyed.
  uint8_t* Map(uint64_t bytes, bool writable);
  void Unmap(uint8_t* at);
  // The process of this view has died: the view becomes private memory, which UnmapView of
  // SimMemory releases.
  void DetachView(uint8_t* at);

  // What the disk holds after a power cut. Observed just before.
  std::shared_ptr<const FileImage> Cut(CutDice* dice) const;

  // A copy with the same live and durable state, without views and locks. Observed just before.
  std::shared_ptr<SimFile> Clone() const;

  // How many descriptors and maps hold the file: its space is free only when it is unlinked and
  // unused.
  uint32_t handles = 0;
  // The descriptor that holds the lock, 0 for none.
  uint64_t lock_holder = 0;
  // As errseq_t of Linux: a failed write-back is reported once to each descriptor that was open
  // then, or to the next one when nobody has heard of it.
  uint64_t writeback_failures = 0;
  uint64_t writeback_failures_reported = 0;
  int writeback_error = 0;

 private:
  struct Page {
    SimPagePtr durable;
    SimPagePtr seen;
    std::vector<SimPagePtr> pending;
    bool dirty = false;

    bool lost() const { return !dirty && !pending.empty(); }
  };

  struct View {
    uint8_t* at;
    uint64_t bytes;
    bool writable;
    std::unique_ptr<StoreTrap> trap;
  };

  void Thaw();
  void CollectTraps();
  void TrapLostPage(uint64_t index);
  void NoteChange(uint64_t index, std::vector<StoredRange>* stored);
  void AddPending(Page* page, SimPagePtr version);
  void SetLive(uint64_t index, const SimPagePtr& contents);
  SimPagePtr CutPage(const Page& page, CutDice* dice) const;
  void PageRange(uint64_t offset, uint64_t bytes, uint64_t* first, uint64_t* last) const;

  const uint64_t id_;
  std::shared_ptr<const FileImage>
      frozen_;  // the contents while nobody has changed or mapped anything
  uint64_t bytes_;
  uint64_t reserved_bytes_ = 0;
  uint64_t durable_bytes_;
  std::vector<uint64_t> pending_bytes_;  // sizes since the last sync
  std::vector<Page> pages_;              // empty while frozen
  std::unique_ptr<SimMemory> memory_;    // null until the first map
  std::vector<View> views_;
  uint64_t version_to_drop_ = 0;
  mutable std::shared_ptr<const FileImage>
      clean_image_;  // of the durable state; reset when that changes
};

}  // namespace millrace::support
