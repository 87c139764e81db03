// The sparse index of a full segment, when it is not in memory: from its file, or from the segment
// itself.
#pragma once

#include <memory>
#include <vector>

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/recovery.h"
#include "native/log/segment.h"

namespace millrace::log {

// The starts of batches that an index vouches for, for a scan.
class VouchedStarts {
 public:
  VouchedStarts() = default;

  explicit VouchedStarts(const SegmentIndex& index)
      : positions_(index.VouchedPositions()), sequences_(index.VouchedSequences()) {}

  // Lets `input` use those before its end. Must outlive the scan.
  void Lend(ScanInput* input) const;

 private:
  std::vector<uint64_t> positions_;
  std::vector<uint64_t> sequences_;
};

// Reads the index file of a full segment, whose end_position must be set. False when it is missing
// or damaged. `snapshot`, the bytes of the duplicate table at its end, may be null.
bool ReadIndexFile(CoreContext* context, const Segment& segment, SegmentIndex* index,
                   std::vector<uint8_t>* snapshot);

// Loads the index of a full segment into the cache. A missing or damaged index file is no error:
// the index is built again by scanning the segment, and damage that the scan meets is added to
// `damaged`.
base::Status LoadIndex(CoreContext* context, Segment* segment,
                       std::shared_ptr<const SegmentIndex>* index,
                       std::vector<DamagedRange>* damaged);

// Writes the index file of a sealed segment. A failure costs a scan later, and is ignored.
void SaveIndex(CoreContext* context, Segment* segment, const std::vector<uint8_t>& snapshot);

// What a scan of the whole segment needs to know; the end is `limit`, which is known from outside.
ScanInput ScanInputOf(const Segment& segment, const Mapping& mapping, uint64_t limit,
                      uint64_t limit_sequence);

}  // namespace millrace::log
