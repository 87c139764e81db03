#include <algorithm>
#include <map>
#include <utility>

#include "native/log/open_directory.h"
#include "native/log/segment_blocks.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::OsError;
using base::Status;

namespace {

using ull = unsigned long long;

bool IsPossibleSize(uint64_t bytes) {
  return bytes > format::kSegmentOverheadBytes && bytes <= (uint64_t{1} << 40) &&
         bytes % base::kPageBytes == 0;
}

Status ReadBlocks(base::FileOps* file_ops, const Directory& directory, uint64_t id,
                  std::shared_ptr<SegmentFile>* file, SegmentBlocks* blocks) {
  const std::string path = directory.log_path() + "/" + SegmentFile::NameOf(id);
  const int fd = file_ops->Open(path, base::OpenMode::kRead);
  if (fd < 0) {
    return OsError("open", path, -fd);
  }
  const int64_t size = file_ops->Size(fd);
  Status status;
  if (size < 0) {
    status = OsError("stat", path, static_cast<int>(-size));
  } else {
    status =
        ReadSegmentBlocks(file_ops, fd, path, static_cast<uint64_t>(size), directory.id(), blocks);
  }
  file_ops->Close(fd);  // opened for reading
  const bool good =
      blocks->header_check == HeaderCheck::kGood && IsPossibleSize(blocks->header.file_bytes);
  *file = std::make_shared<SegmentFile>(
      file_ops, directory.log_path(), id,
      good ? blocks->header.file_bytes : static_cast<uint64_t>(std::max<int64_t>(size, 0)));
  return status;
}

std::shared_ptr<Segment> MakeSegment(const SegmentBlocks& blocks,
                                     std::shared_ptr<SegmentFile> file) {
  auto segment = std::make_shared<Segment>();
  segment->file = std::move(file);
  segment->shard = blocks.header.shard;
  segment->ordinal = blocks.header.ordinal;
  segment->base_position = blocks.header.base_position;
  segment->first_sequence = blocks.header.first_sequence;
  segment->created_millis = blocks.header.created_millis;
  segment->sealed = blocks.sealed;
  segment->end_position = blocks.sealed ? blocks.seal.end_position : blocks.header.base_position;
  segment->next_sequence = blocks.sealed ? blocks.seal.next_sequence : blocks.header.first_sequence;
  segment->last_arrival_millis = blocks.sealed ? blocks.seal.last_arrival_millis : 0;
  segment->epoch = blocks.sealed ? blocks.seal.epoch : 0;
  return segment;
}

Status CheckBlocks(const SegmentFile& file, const SegmentBlocks& blocks) {
  if (blocks.header_check == HeaderCheck::kNewer) {
    return Status(Code::kFormatUnsupported,
                  Format("%s has format %u, this Millrace reads up to %u; open it with the version "
                         "that wrote it, or a later one",
                         file.path().c_str(), blocks.header.version, format::kFormatVersion));
  }
  if (blocks.header_check == HeaderCheck::kForeign) {
    return Status(Code::kFormatUnsupported,
                  Format("%s belongs to another data directory (%016llx); move it elsewhere",
                         file.path().c_str(), static_cast<ull>(blocks.header.directory_id)));
  }
  return Status();
}

// Whether the file begins with the first batch of the segment that its header names.
Status HoldsFirstBatch(base::FileOps* file_ops, const Segment& segment, bool* holds) {
  const std::string& path = segment.file->path();
  const int fd = file_ops->Open(path, base::OpenMode::kRead);
  if (fd < 0) {
    return OsError("open", path, -fd);
  }
  uint8_t batch[format::kBatchHeaderBytes] = {};
  const int64_t got = file_ops->PRead(fd, batch, sizeof batch, format::kSegmentHeaderBlockBytes);
  file_ops->Close(fd);  // opened for reading
  format::SegmentHeader header{};
  header.shard = segment.shard;
  header.first_sequence = segment.first_sequence;
  *holds = got == sizeof batch && BeginsWith(batch, header);
  return got < 0 ? OsError("read", path, static_cast<int>(-got)) : Status();
}

// Two files that name the same segment: a header block was written to a wrong place. The segment is
// the one that begins with its batches; the other is free, if it does not.
Status FreeImpostors(base::FileOps* file_ops, FoundShard* shard,
                     std::vector<std::shared_ptr<SegmentFile>>* free) {
  auto& segments = shard->segments;
  for (size_t at = 0; at + 1 < segments.size();) {
    const Segment& one = *segments[at].segment;
    const Segment& other = *segments[at + 1].segment;
    if (one.base_position != other.base_position || one.ordinal != other.ordinal) {
      ++at;
      continue;
    }
    bool is_one = false;
    bool is_other = false;
    Status status = HoldsFirstBatch(file_ops, one, &is_one);
    status = status.ok() ? HoldsFirstBatch(file_ops, other, &is_other) : status;
    if (!status.ok()) {
      return status;
    }
    if (is_one == is_other) {
      ++at;
      continue;
    }
    const auto impostor = segments.begin() + static_cast<ptrdiff_t>(is_one ? at + 1 : at);
    free->push_back(impostor->segment->file);
    segments.erase(impostor);
  }
  return Status();
}

// What lies before the segment that holds the trimmed start is free. Without a seal too: a file
// that has begun its next life may still show the header of the one before, and would be taken for
// a tail.
void FreeTrimmed(uint64_t trimmed_start, FoundShard* shard,
                 std::vector<std::shared_ptr<SegmentFile>>* free) {
  auto& segments = shard->segments;
  const auto is_trimmed = [&segments, trimmed_start](size_t at) {
    const FoundSegment& found = segments[at];
    return (found.sealed && found.segment->end_position <= trimmed_start) ||
           (at + 1 < segments.size() && segments[at + 1].segment->base_position <= trimmed_start);
  };
  size_t trimmed = 0;
  while (trimmed < segments.size() && is_trimmed(trimmed)) {
    free->push_back(segments[trimmed].segment->file);
    ++trimmed;
  }
  segments.erase(segments.begin(), segments.begin() + static_cast<ptrdiff_t>(trimmed));
}

}  // namespace

Status FindSegments(base::FileOps* file_ops, const Directory& directory,
                    const ManifestContents& manifest, std::vector<FoundShard>* shards,
                    std::vector<std::shared_ptr<SegmentFile>>* free) {
  std::vector<uint64_t> ids;
  std::vector<uint64_t> index_ids;
  Status status = directory.ListSegments(&ids, &index_ids);
  if (!status.ok()) {
    return status;  // else the log would be taken for an empty one, and its files for free ones
  }
  std::map<uint64_t, FoundShard> found;
  for (const uint64_t id : ids) {
    SegmentBlocks blocks;
    std::shared_ptr<SegmentFile> file;
    status = ReadBlocks(file_ops, directory, id, &file, &blocks);
    status = status.ok() ? CheckBlocks(*file, blocks) : status;
    if (!status.ok()) {
      return status;
    }
    const auto shard = manifest.shards.find(blocks.header.shard);
    const bool live = blocks.header_check == HeaderCheck::kGood &&
                      blocks.header.file_bytes == file->bytes() && shard != manifest.shards.end();
    const bool shorter = blocks.file_bytes < file->bytes();
    if (!live) {
      free->push_back(std::move(file));
      continue;
    }
    FoundShard& of_shard = found[blocks.header.shard];
    of_shard.shard = blocks.header.shard;
    const bool has_successor = blocks.sealed && (blocks.seal.flags & format::kSealEndsLog) == 0;
    of_shard.segments.push_back(
        {MakeSegment(blocks, std::move(file)), blocks.sealed, shorter, has_successor});
  }
  for (auto& [shard, of_shard] : found) {
    std::sort(of_shard.segments.begin(), of_shard.segments.end(),
              [](const FoundSegment& a, const FoundSegment& b) {
                return a.segment->base_position != b.segment->base_position
                           ? a.segment->base_position < b.segment->base_position
                           : a.segment->ordinal < b.segment->ordinal;
              });
    status = FreeImpostors(file_ops, &of_shard, free);
    if (!status.ok()) {
      return status;
    }
    for (size_t at = 0; at + 1 < of_shard.segments.size(); ++at) {
      of_shard.segments[at].lacks_successor = false;
    }
    FreeTrimmed(manifest.shards.at(shard).trimmed_start, &of_shard, free);
    shards->push_back(std::move(of_shard));
  }
  return Status();
}

}  // namespace millrace::log
