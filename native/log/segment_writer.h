// The one writer of an active segment: brings batches into the file, and syncs them.
//
// Threads: the appending side is called under the lock of the shard. Syncs are the committer's, one
// call at a time, while appends go on behind the range that is being synced.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "native/base/status.h"
#include "native/format/segment_format.h"
#include "native/log/batch_view.h"
#include "native/log/options.h"
#include "native/log/segment_pool.h"
#include "native/log/staged_tail.h"

namespace millrace::log {

// How a batch gets into the file: by stores through the map, or gathered in memory until it is
// written, at the latest by the commit round that makes it durable.
enum class Way : uint8_t { kMapped, kStaged };

class SegmentWriter {
 public:
  // Takes the spare, for a segment that begins at `base_position`. The spare is consumed in either
  // case. `way` is that of the first batch.
  static base::Status Begin(SpareSegment spare, uint64_t base_position, Way way,
                            std::shared_ptr<SegmentWriter>* writer);

  // Writes the header, and its copy, into a segment that has just begun; magic, version, file_bytes
  // and checksum are filled in. After a failure the file may or may not be a segment of the shard,
  // so no other file may become the same one.
  base::Status WriteHeaders(format::SegmentHeader header);

  // Opens a segment that recovery or an idle shard left, to go on at `end_position`.
  static base::Status Resume(const std::shared_ptr<SegmentFile>& file, uint64_t base_position,
                             uint64_t end_position, std::shared_ptr<SegmentWriter>* writer);

  ~SegmentWriter();

  // Counts this writer in `open_writers` for as long as it lives; borrowed, outlives the writer.
  void CountIn(std::atomic<uint32_t>* open_writers);

  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  const std::shared_ptr<SegmentFile>& file() const { return file_; }

  uint64_t base_position() const { return base_position_; }

  uint64_t end_position() const { return base_position_ + (offset_ - data_start()); }

  uint64_t room() const { return data_end() - offset_; }

  // Makes place for the next `bytes` bytes. On the mapped way they are faulted in, so that a full
  // or failing disk is an error here instead of a signal in Store, and what is staged goes into the
  // file, as what follows it is about to be visible. `*wants_populate` is set when the helper
  // should fault more in ahead.
  base::Status Prepare(uint64_t bytes, Way way, bool* wants_populate);

  // Copies one batch behind the last one and checksums it; `header.records_bytes` must be the sum
  // of the pieces, and Prepare must have been called for its bytes. Returns the checksum.
  uint32_t Store(BatchHeader header, const Piece* pieces, size_t piece_count, Way way);

  // The way for a batch that is to be visible at once. The map pays where much is appended between
  // two syncs: in huge pages, the first store after one makes 2 MiB dirty again.
  Way WayForVisible() const { return offset_ < written_upto_ ? Way::kStaged : Way::kMapped; }

  // Writes what is staged, for it to be visible. Where that fails nothing is lost, and the next
  // sync tries it again.
  base::Status WriteStaged();

  // A commit round begins: its sync is to make durable what has been stored so far.
  void HandOver();

  // The helper's: faults in the pages ahead of the tail.
  void PopulateAhead();

  // No batch will follow: unmaps the file. Write-back takes the right to write away from every page
  // of a writable map, which interrupts all other threads of the process, the appender too; pages
  // that nobody maps are written back for nothing. Only SyncWhole and SyncSeal may follow.
  void Finish();

  // After Finish: makes all of the file durable, and its directory entry.
  base::Status SyncWhole();

  // Makes [from, to) durable, and with the first call the header, its copy and the directory entry.
  base::Status Sync(uint64_t from_position, uint64_t to_position);
  void StartWriteback(uint64_t from_position, uint64_t to_position);

  // After SyncWhole: writes the seal into the trailer and makes it durable.
  base::Status SyncSeal(const format::SegmentSeal& seal);

 private:
  SegmentWriter(SpareSegment spare, uint64_t base_position, uint64_t offset, bool fresh);

  base::Status PopulateEdges();
  void WriteForNow();
  base::Status Populate(uint64_t end);
  base::Status SyncEntry();

  uint64_t data_start() const { return format::kSegmentHeaderBlockBytes; }

  uint64_t data_end() const { return file_->bytes() - format::kSegmentTrailerBlockBytes; }

  uint64_t OffsetOf(uint64_t position) const { return data_start() + (position - base_position_); }

  const std::shared_ptr<SegmentFile> file_;
  const int fd_;
  std::mutex map_mutex_;  // between Finish and the helper
  uint8_t* map_;          // null after Finish; the appender and the committer know when that is
  const uint64_t base_position_;

  uint64_t offset_;                  // of the tail in the file
  uint64_t written_upto_;            // offset from which on batches may go through the map
  std::atomic<uint64_t> populated_;  // from the tail up to here pages have been faulted in
  std::atomic<uint64_t> tail_{0};    // offset_, for the helper
  StagedTail staged_;
  bool header_synced_;  // the committer's
  std::atomic<uint32_t>* open_writers_ = nullptr;
};

}  // namespace millrace::log
