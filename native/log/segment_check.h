// Verifying one whole segment: every batch against checksum and order, and all of them against the
// seal. For Scrub and for verifying a directory.
#pragma once

#include "native/base/status.h"
#include "native/log/options.h"
#include "native/log/segment.h"
#include "native/log/segment_loader.h"

namespace millrace::log {

// Checks the batches of [base_position, limit), where `limit` is known from outside, and adds what
// it finds to the report; the damage alone also goes to `damaged`. `vouched` is what an index knows
// of the segment. A status that is not ok is a failing disk, not damage.
base::Status CheckSegment(const Segment& segment, uint64_t limit, uint64_t limit_sequence,
                          const VouchedStarts& vouched, ScrubReport* report,
                          std::vector<DamagedRange>* damaged);

// The same for a segment whose end is not known: the tail that an open would find. `*end` and
// `*next_sequence` say where it is; a torn tail is counted, not reported as damage.
base::Status CheckOpenSegment(const Segment& segment, ScrubReport* report, uint64_t* end,
                              uint64_t* next_sequence);

}  // namespace millrace::log
