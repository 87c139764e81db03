#include "test/support/scan_judge.h"

#include <algorithm>

#include "native/base/status.h"

namespace millrace::support {
namespace {

using base::Format;
using ull = unsigned long long;

std::string FindGap(const log::ScanInput& input, const JudgedScan& scan) {
  uint64_t position = input.start_position;
  uint64_t sequence = input.expected_sequence;
  size_t range = 0;
  const auto& damaged = scan.result.damaged;
  const auto pass_ranges = [&] {
    for (; range < damaged.size() && damaged[range].start == position &&
           damaged[range].expected_sequence == sequence;
         ++range) {
      position = damaged[range].end;
      sequence = damaged[range].next_sequence;
    }
  };
  for (const CollectingVisitor::Seen& seen : scan.visitor.seen()) {
    pass_ranges();
    if (seen.position != position || seen.header.first_sequence != sequence) {
      return Format("batch at %llu with number %llu where %llu and %llu were due",
                    static_cast<ull>(seen.position), static_cast<ull>(seen.header.first_sequence),
                    static_cast<ull>(position), static_cast<ull>(sequence));
    }
    position += seen.header.bytes();
    sequence = seen.header.next_sequence();
  }
  pass_ranges();
  if (range != damaged.size()) {
    return Format("damaged range %llu of %llu is not in its place", static_cast<ull>(range),
                  static_cast<ull>(damaged.size()));
  }
  if (position != scan.result.end || sequence != scan.result.next_sequence) {
    return Format("the end is %llu with number %llu, and what was found ends at %llu with %llu",
                  static_cast<ull>(scan.result.end), static_cast<ull>(scan.result.next_sequence),
                  static_cast<ull>(position), static_cast<ull>(sequence));
  }
  return "";
}

std::string FindBackwardRange(const log::ScanResult& result) {
  for (const log::DamagedRange& range : result.damaged) {
    if (range.end < range.start || range.next_sequence < range.expected_sequence) {
      return Format("the damaged range at %llu goes backwards", static_cast<ull>(range.start));
    }
  }
  return "";
}

std::string FindWrongTail(const log::ScanInput& input, const log::ScanResult& result) {
  const uint64_t data_end = input.base_position + input.bytes;
  if (input.has_recorded_end) {
    const bool reached = result.end == std::max(input.recorded_end, input.start_position);
    return reached && result.tail == log::TailVerdict::kClean ? "" : "torn before a recorded end";
  }
  if (result.end > data_end || result.torn_bytes_end > data_end ||
      result.torn_bytes_end < result.end ||
      result.torn_bytes_end - result.end > log::kTornCopyBytesMax) {
    return "the tail is out of bounds";
  }
  return "";
}

std::string FindBeyondRecordedEnd(const log::ScanInput& input, const JudgedScan& scan) {
  const auto& damaged = scan.result.damaged;
  if (!input.has_recorded_end || damaged.empty()) {
    return "";
  }
  for (const CollectingVisitor::Seen& seen : scan.visitor.seen()) {
    if (seen.position > damaged[0].start &&
        seen.header.next_sequence() > input.recorded_next_sequence) {
      return Format("number %llu is served behind damage, and the recorded end is before %llu",
                    static_cast<ull>(seen.header.first_sequence),
                    static_cast<ull>(input.recorded_next_sequence));
    }
  }
  const uint64_t due = std::max(input.recorded_next_sequence, damaged[0].expected_sequence);
  return scan.result.next_sequence == due
             ? ""
             : Format("behind damage the end has number %llu instead of %llu",
                      static_cast<ull>(scan.result.next_sequence), static_cast<ull>(due));
}

// The next scan, after the caller did what recovery.h asks of it.
std::string FindChangeAfterCut(const log::ScanInput& input, const JudgedScan& scan) {
  Bytes cut(input.data, input.data + input.bytes);
  const uint64_t kept = std::min(scan.result.end - input.base_position, input.bytes);
  std::fill(cut.begin() + static_cast<std::ptrdiff_t>(kept), cut.end(), uint8_t{0});
  log::ScanInput again = input;
  again.data = cut.data();
  if (!scan.result.damaged.empty() && !input.has_recorded_end) {
    again.has_recorded_end = true;
    again.recorded_end = scan.result.end;
    again.recorded_next_sequence = scan.result.next_sequence;
  }
  const log::ScanResult second = log::ScanSegment(again, nullptr);
  if (second.tail != log::TailVerdict::kClean || second.end != scan.result.end ||
      second.next_sequence != scan.result.next_sequence ||
      second.damaged.empty() != scan.result.damaged.empty()) {
    return Format("after the cut a scan ends at %llu with number %llu instead of %llu with %llu",
                  static_cast<ull>(second.end), static_cast<ull>(second.next_sequence),
                  static_cast<ull>(scan.result.end), static_cast<ull>(scan.result.next_sequence));
  }
  return "";
}

}  // namespace

JudgedScan RunScan(const log::ScanInput& input) {
  JudgedScan scan;
  scan.result = log::ScanSegment(input, &scan.visitor);
  return scan;
}

std::string FindUnsound(const log::ScanInput& input, const JudgedScan& scan) {
  for (const std::string& wrong :
       {FindGap(input, scan), FindBackwardRange(scan.result), FindWrongTail(input, scan.result),
        FindBeyondRecordedEnd(input, scan), FindChangeAfterCut(input, scan)}) {
    if (!wrong.empty()) {
      return wrong;
    }
  }
  return scan.visitor.seen().size() == scan.result.batch_count ? "" : "a wrong count of batches";
}

std::string FindForged(const SegmentBuilder& original, const JudgedScan& scan) {
  size_t at = 0;
  const auto& batches = original.batches();
  for (const CollectingVisitor::Seen& seen : scan.visitor.seen()) {
    while (at < batches.size() && batches[at].position < seen.position) {
      ++at;
    }
    const uint64_t start = seen.position - original.base_position();
    if (at == batches.size() || batches[at].position != seen.position ||
        batches[at].header.bytes() != seen.bytes.size() ||
        !std::equal(seen.bytes.begin(), seen.bytes.end(),
                    original.data().begin() + static_cast<std::ptrdiff_t>(start))) {
      return Format("a batch at %llu that was never written there",
                    static_cast<ull>(seen.position));
    }
  }
  return "";
}

}  // namespace millrace::support
