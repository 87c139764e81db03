#include "native/log/segment_loader.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::log {

using base::Status;

namespace {

// An index point per 16 KiB of the largest segment, 16 bytes each, and a duplicate table of five
// batches per producer.
constexpr uint64_t kIndexBytesMax = 64 * 1024 * 1024;

IndexIdentity IdentityOf(const CoreContext& context, const Segment& segment) {
  return {context.directory.id(), segment.shard, segment.base_position, segment.end_position};
}

class IndexBuilder : public BatchVisitor {
 public:
  explicit IndexBuilder(SegmentIndex* index) : index_(index) {}

  void OnBatch(uint64_t position, const BatchHeader& header, const uint8_t*) override {
    static_cast<void>(index_->Add(position, header));  // a missing point costs a longer walk
  }

 private:
  SegmentIndex* const index_;
};

}  // namespace

void VouchedStarts::Lend(ScanInput* input) const {
  const uint64_t end = input->base_position + input->bytes;
  const auto behind = std::lower_bound(positions_.begin(), positions_.end(), end);
  input->vouched = positions_.data();
  input->vouched_count = static_cast<size_t>(behind - positions_.begin());
  input->vouched_sequences = sequences_.data();
}

ScanInput ScanInputOf(const Segment& segment, const Mapping& mapping, uint64_t limit,
                      uint64_t limit_sequence) {
  ScanInput input;
  input.data = mapping.data() + format::kSegmentHeaderBlockBytes;
  input.bytes = limit - segment.base_position;
  input.base_position = input.start_position = segment.base_position;
  input.shard = segment.shard;
  input.expected_sequence = segment.first_sequence;
  input.has_recorded_end = true;
  input.recorded_end = limit;
  input.recorded_next_sequence = limit_sequence;
  return input;
}

bool ReadIndexFile(CoreContext* context, const Segment& segment, SegmentIndex* index,
                   std::vector<uint8_t>* snapshot) {
  bool exists = false;
  std::vector<uint8_t> bytes;
  const Status read =
      ReadWholeFile(context->file_ops, IndexPathOf(*segment.file), kIndexBytesMax, &exists, &bytes);
  DuplicateSnapshotView view;
  if (!read.ok() || !exists ||
      !DecodeIndex(bytes.data(), bytes.size(), IdentityOf(*context, segment), index, &view)) {
    return false;
  }
  if (snapshot != nullptr) {
    snapshot->assign(view.data, view.data + view.size);
  }
  return true;
}

Status LoadIndex(CoreContext* context, Segment* segment, std::shared_ptr<const SegmentIndex>* index,
                 std::vector<DamagedRange>* damaged) {
  *index = context->cache->FindIndex(segment);
  if (*index != nullptr) {
    return Status();
  }
  auto loaded = std::make_shared<SegmentIndex>(segment->base_position, segment->first_sequence);
  if (!ReadIndexFile(context, *segment, loaded.get(), nullptr)) {
    std::shared_ptr<const Mapping> mapping;
    Status status = context->cache->Map(segment, &mapping);
    if (!status.ok()) {
      return status;
    }
    status = mapping->Touch(0, mapping->bytes());
    if (!status.ok()) {
      return status;
    }
    *loaded = SegmentIndex(segment->base_position, segment->first_sequence);
    IndexBuilder builder(loaded.get());
    const ScanResult result = ScanSegment(
        ScanInputOf(*segment, *mapping, segment->end_position, segment->next_sequence), &builder);
    damaged->insert(damaged->end(), result.damaged.begin(), result.damaged.end());
  }
  *index = std::move(loaded);
  context->cache->StoreIndex(segment, *index);
  return Status();
}

void SaveIndex(CoreContext* context, Segment* segment, const std::vector<uint8_t>& snapshot) {
  const std::shared_ptr<const SegmentIndex> index = context->cache->FindIndex(segment);
  if (index == nullptr) {
    return;
  }
  const std::vector<uint8_t> bytes =
      EncodeIndex(*index, IdentityOf(*context, *segment), {snapshot.data(), snapshot.size()});
  const std::string path = IndexPathOf(*segment->file);
  static_cast<void>(context->file_ops->Unlink(path));  // of an earlier life of the segment's file
  const int fd = context->file_ops->Open(path, base::OpenMode::kCreateNew);
  if (fd < 0) {
    return;
  }
  const int error = context->file_ops->PWrite(fd, bytes.data(), bytes.size(), 0);
  context->file_ops->Close(fd);  // never trusted without its checksum
  if (error != 0) {
    static_cast<void>(context->file_ops->Unlink(path));
  }
}

}  // namespace millrace::log
