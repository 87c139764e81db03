// What recovery changes on disk: the tail of a segment, and nothing else. Every call is synced when
// it returns, unless it says otherwise.
#pragma once

#include <cstdint>

#include "native/base/status.h"
#include "native/log/core_context.h"
#include "native/log/segment.h"

namespace millrace::log {

// Copies [from, to) of a torn tail to the directory `aside`, under a name that tells segment and
// position. The copy is for a person's look alone; only the last kAsideFilesMax are kept.
base::Status CopyAside(CoreContext* context, const Segment& segment, uint64_t from, uint64_t to);

inline constexpr size_t kAsideFilesMax = 32;

// Zeroes everything from `end_position` to the end of the data area, so that nothing there can ever
// be taken for a part of the log.
base::Status ZeroTail(CoreContext* context, const Segment& segment, uint64_t end_position);

// Writes the bytes of [from, to) again, in place, and those of the header blocks when
// `with_header`. After a failed sync the page cache may show, as clean, what never reached the
// disk; only bytes that are written again are sure to be synced. `sync` false leaves the sync to
// the next commit.
base::Status ProveTail(CoreContext* context, const Segment& segment, uint64_t from, uint64_t to,
                       bool with_header, bool sync);

// Makes a segment file that has lost its end as long as it was; what is missing reads as zeros.
base::Status RestoreLength(CoreContext* context, const SegmentFile& file);

// Takes a segment that was never acknowledged out of its shard: its headers no longer say that it
// belongs there.
base::Status DisownSegment(CoreContext* context, const Segment& segment);

// Writes the seal of a segment that was full, but not sealed, when the process stopped.
base::Status WriteSeal(CoreContext* context, const Segment& segment,
                       const format::SegmentSeal& seal);

}  // namespace millrace::log
