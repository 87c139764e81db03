#include "test/torture/native/sim_witness.h"

#include <vector>

#include "native/base/bytes.h"
#include "native/base/status.h"
#include "native/format/batch_format.h"
#include "native/format/segment_format.h"

namespace millrace::torture {

using base::Format;
using ull = unsigned long long;

namespace {

// The copy in the trailer stands for a header that is gone.
format::SegmentHeader ReadHeader(support::SimFileOps* reader, const std::string& path) {
  format::SegmentHeader header{};
  const int fd = reader->Open(path, base::OpenMode::kRead);
  const int64_t size = reader->Size(fd);
  if (size >= static_cast<int64_t>(format::kSegmentOverheadBytes)) {
    reader->PRead(fd, &header, sizeof header, 0);
    if (header.magic != format::kSegmentMagic) {
      reader->PRead(fd, &header, sizeof header,
                    static_cast<uint64_t>(size) - format::kSegmentTrailerBlockBytes);
    }
  }
  reader->Close(fd);
  return header;
}

}  // namespace

// A segment ends where the next batch and a marker do not fit any more, so a place that has that
// much room is still the active one.
bool SimWitness::Fits(const Place& place, uint64_t shard, uint64_t start, uint64_t end) const {
  return !place.path.empty() && place.shard == shard && place.base_position <= start &&
         end - place.base_position + format::kBatchHeaderBytes + format::kSegmentOverheadBytes <=
             place.file_bytes;
}

void SimWitness::Find(support::SimFileOps* machine, uint64_t shard, uint64_t start) {
  place_ = Place{};
  const auto reader = machine->Neighbour();
  reader->SetTracing(false);
  for (const std::string& path : reader->FilePaths()) {
    if (path.find(log_path_) != 0 || path.size() < 4 ||
        path.compare(path.size() - 4, 4, ".seg") != 0) {
      continue;
    }
    const format::SegmentHeader header = ReadHeader(reader.get(), path);
    const bool mine = header.magic == format::kSegmentMagic && header.shard == shard &&
                      header.base_position <= start;
    if (mine && (place_.path.empty() || header.base_position >= place_.base_position)) {
      place_ = {path, shard, header.base_position, header.file_bytes};
    }
  }
}

std::string SimWitness::OnAck(support::SimFileOps* machine, const ShardModel& shard,
                              const SentBatch& batch, uint64_t refusals) {
  const uint64_t end = batch.end_position;
  const uint64_t start = end - format::kBatchHeaderBytes - batch.records_bytes;
  if (!Fits(place_, shard.shard, start, end) || refusals != refusals_) {
    refusals_ = refusals;
    Find(machine, shard.shard, start);
  }
  if (place_.path.empty()) {
    return Format("an acknowledged batch of shard %llu at %llu is in no segment file",
                  static_cast<ull>(shard.shard), static_cast<ull>(start));
  }
  checker_.Follow(machine);
  const uint64_t offset = start - place_.base_position + format::kSegmentHeaderBlockBytes;
  const std::string wrong =
      checker_.Acknowledge(place_.path, offset, format::kBatchHeaderBytes + batch.records_bytes);
  return wrong.empty() ? "" : "acknowledged before it was synced: " + wrong;
}

}  // namespace millrace::torture
