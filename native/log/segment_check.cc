#include "native/log/segment_check.h"

#include <algorithm>

#include "native/log/segment_blocks.h"
#include "native/log/segment_loader.h"

namespace millrace::log {

using base::Code;
using base::Status;

namespace {

class Counter : public BatchVisitor {
 public:
  void OnBatch(uint64_t position, const BatchHeader& header, const uint8_t*) override {
    ++batch_count;
    record_count += header.count;
    chain_hash = ExtendChainHash(chain_hash, position, header.crc32c);
  }

  void AddTo(ScrubReport* report) const {
    report->batch_count += batch_count;
    report->record_count += record_count;
  }

  uint64_t batch_count = 0;
  uint64_t record_count = 0;
  uint64_t chain_hash = 0;
};

// A seal names the content of its segment. Without a good one (not sealed yet, or the seal itself
// is damaged, which loses nothing) there is nothing to compare.
bool MatchesSeal(const Segment& segment, const Mapping& mapping, uint64_t limit,
                 uint64_t chain_hash) {
  const uint8_t* const trailer =
      mapping.data() + mapping.bytes() - format::kSegmentTrailerBlockBytes;
  format::SegmentHeader header{};
  header.shard = segment.shard;
  header.base_position = segment.base_position;
  header.first_sequence = segment.first_sequence;
  header.file_bytes = mapping.bytes();
  format::SegmentSeal seal;
  return !CheckSegmentSeal(trailer + format::kSegmentSealAt, header, &seal) ||
         seal.end_position != limit || seal.chain_hash == chain_hash;
}

// A map of its own, so that a pass over everything does not drive what readers need out of the
// cache.
Status MapWhole(const Segment& segment, std::shared_ptr<const Mapping>* mapping) {
  Status status = Mapping::Open(segment.file, mapping);
  return status.ok() ? (*mapping)->Touch(0, (*mapping)->bytes()) : status;
}

}  // namespace

Status CheckSegment(const Segment& segment, uint64_t limit, uint64_t limit_sequence,
                    const VouchedStarts& vouched, ScrubReport* report,
                    std::vector<DamagedRange>* damaged) {
  const DamagedRange all{segment.base_position, limit, segment.first_sequence, limit_sequence};
  std::shared_ptr<const Mapping> mapping;
  Status status = MapWhole(segment, &mapping);
  if (!status.ok() && status.code() != Code::kLogCorrupt) {
    return status;
  }
  report->segment_count += 1;
  report->bytes += limit - segment.base_position;
  if (!status.ok()) {
    damaged->push_back(all);
    report->damaged.push_back({segment.shard, all, status.message()});
    return Status();
  }
  Counter counter;
  ScanInput input = ScanInputOf(segment, *mapping, limit, limit_sequence);
  vouched.Lend(&input);
  const ScanResult result = ScanSegment(input, &counter);
  counter.AddTo(report);
  for (const DamagedRange& range : result.damaged) {
    damaged->push_back(range);
    report->damaged.push_back({segment.shard, range, "checksum, order or length is wrong"});
  }
  if (result.damaged.empty() && !MatchesSeal(segment, *mapping, limit, counter.chain_hash)) {
    damaged->push_back(all);
    report->damaged.push_back({segment.shard, all, "the batches are not those that were sealed"});
  }
  return Status();
}

Status CheckOpenSegment(const Segment& segment, ScrubReport* report, uint64_t* end,
                        uint64_t* next_sequence) {
  std::shared_ptr<const Mapping> mapping;
  Status status = MapWhole(segment, &mapping);
  if (!status.ok()) {
    return status;
  }
  ScanInput input;
  input.data = mapping->data() + format::kSegmentHeaderBlockBytes;
  input.bytes = segment.file->bytes() - format::kSegmentOverheadBytes;
  input.base_position = input.start_position = segment.base_position;
  input.shard = segment.shard;
  input.expected_sequence = segment.first_sequence;
  Counter counter;
  const ScanResult result = ScanSegment(input, &counter);
  counter.AddTo(report);
  report->segment_count += 1;
  report->bytes += result.end - segment.base_position;
  report->torn_shards += result.tail == TailVerdict::kTorn ? 1 : 0;
  for (const DamagedRange& range : result.damaged) {
    report->damaged.push_back({segment.shard, range, "checksum, order or length is wrong"});
  }
  *end = result.end;
  *next_sequence = result.next_sequence;
  return Status();
}

}  // namespace millrace::log
