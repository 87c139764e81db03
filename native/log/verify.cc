// Verifying a directory that nobody has open: what an open would find, and every sealed byte
// besides. Changes nothing.

#include "native/log/core.h"
#include "native/log/directory.h"
#include "native/log/manifest.h"
#include "native/log/open_directory.h"
#include "native/log/segment_check.h"
#include "native/log/shard_recovery.h"

namespace millrace::log {

using base::Code;
using base::Status;

namespace {

void NoteGap(uint64_t shard, uint64_t end, uint64_t next_sequence, const Segment& next,
             ScrubReport* report) {
  if (next.base_position > end) {
    report->damaged.push_back({shard,
                               {end, next.base_position, next_sequence, next.first_sequence},
                               "a segment is missing"});
  }
}

Status VerifyShard(const FoundShard& shard, const ManifestShard& manifest, ScrubReport* report) {
  uint64_t end = manifest.trimmed_start;
  uint64_t next_sequence = manifest.first_sequence;
  bool sealed_before = false;
  for (size_t at = 0; at < shard.segments.size(); ++at) {
    const FoundSegment& found = shard.segments[at];
    const Segment& segment = *found.segment;
    if (at != 0 && segment.base_position < end) {
      continue;  // an earlier recovery cut the log before it
    }
    if (segment.base_position > end && !sealed_before) {
      SegmentProof proof;
      Status peeked = FindProof(shard.segments, at, &proof);
      if (!peeked.ok()) {
        return peeked;
      }
      if (!proof.sealed && proof.synced_upto <= end) {
        ++report->torn_shards;  // from here on nothing had been on disk
        return Status();
      }
    }
    sealed_before = found.sealed;
    NoteGap(shard.shard, end, next_sequence, segment, report);
    Status status;
    if (found.sealed) {
      std::vector<DamagedRange> damaged;
      status = CheckSegment(segment, segment.end_position, segment.next_sequence, VouchedStarts(),
                            report, &damaged);
      end = segment.end_position;
      next_sequence = segment.next_sequence;
    } else {
      status = CheckOpenSegment(segment, report, &end, &next_sequence);
    }
    if (status.code() == Code::kLogCorrupt) {
      report->damaged.push_back({shard.shard,
                                 {segment.base_position, segment.base_position,
                                  segment.first_sequence, segment.first_sequence},
                                 status.message()});
    } else if (!status.ok()) {
      return status;
    }
  }
  if (!shard.segments.empty() && shard.segments.back().lacks_successor && !manifest.sealed) {
    report->damaged.push_back(
        {shard.shard, {end, end, next_sequence, next_sequence}, "the last segment is missing"});
  }
  return Status();
}

}  // namespace

Status VerifyDirectory(const std::string& path, base::FileOps* file_ops, ScrubReport* report) {
  file_ops = file_ops != nullptr ? file_ops : base::PosixFileOps();
  Directory directory(file_ops, path);
  Status status = directory.AcquireForReading();
  ManifestContents manifest;
  status = status.ok() ? Manifest::Read(file_ops, path, &manifest) : status;
  std::vector<FoundShard> shards;
  std::vector<std::shared_ptr<SegmentFile>> free;
  status = status.ok() ? FindSegments(file_ops, directory, manifest, &shards, &free) : status;
  report->free_segments = free.size();
  for (const FoundShard& shard : shards) {
    const ManifestShard& state = manifest.shards.at(shard.shard);
    status = status.ok() ? VerifyShard(shard, state, report) : status;
    std::erase_if(report->damaged, [&shard, &state](const DamageReport& damage) {
      return damage.shard == shard.shard && IsTrimmedAway(damage.range, state.trimmed_start);
    });
  }
  if (status.ok() && manifest.damaged) {
    report->damaged.push_back(
        {0, {0, 0, 0, 0}, "manifest-a and manifest-b differ; the next open repairs that"});
  }
  return status;
}

}  // namespace millrace::log
