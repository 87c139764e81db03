// What must hold for every scan of every segment, however damaged.
#pragma once

#include <cstdint>
#include <string>

#include "native/log/recovery.h"
#include "test/support/segment_builder.h"

namespace millrace::support {

// A scan and what it accepted.
struct JudgedScan {
  log::ScanResult result;
  CollectingVisitor visitor;
};

JudgedScan RunScan(const log::ScanInput& input);

// Empty when the scan is sound, else what is wrong with it:
//   - batches and damaged ranges follow each other without gap or overlap, in positions and in
//     numbers, and end at result.end with result.next_sequence;
//   - before a recorded end nothing is torn, and the scan reaches that end;
//   - behind damage no number is beyond that of the recorded end, unless the damage begins there;
//   - what it says about the tail is within the data;
//   - with everything behind the end zeroed, and the end recorded when there was damage, a second
//     scan says clean at the same end with the same number.
std::string FindUnsound(const log::ScanInput& input, const JudgedScan& scan);

// Empty when each accepted batch is one that the builder of `original` wrote, at its place, byte
// for byte; else names the first that is not.
std::string FindForged(const SegmentBuilder& original, const JudgedScan& scan);

}  // namespace millrace::support
