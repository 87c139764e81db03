// The sparse index of a full segment, when it is not in memory: from its file, or from the segment itself.
#pragma once

#include <memory>

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/recovery.h"
#include "native/log/segment.h"

namespace millrace::log {

// Loads the index of a full segment into the cache. A missing or damaged index file is no error: the index is built
// again by scanning the segment, and damage that the scan meets is added to `damaged`.
base::Status LoadIndex(CoreContext* context, Segment* segment,
                       std::shared_ptr<const SegmentIndex>* index,
                       std::vector<DamagedRange>* damaged);

// The bytes of the duplicate table that the segment's index file holds; false when there is no good index file.
bool LoadDuplicates(CoreContext* context, const Segment& segment, std::vector<uint8_t>* snapshot);

// Writes the index file of a sealed segment. A failure costs a scan later, and is ignored.
void SaveIndex(CoreContext* context, Segment* segment, const std::vector<uint8_t>& snapshot);

// What a scan of the segment from `start` needs to know; the end is `limit`, which is known from outside.
ScanInput ScanInputOf(const Segment& segment, const Mapping& mapping, const IndexPoint& start,
                      uint64_t limit, uint64_t limit_sequence);

}  // namespace millrace::log
