// A set of byte positions, kept as sorted ranges that do not touch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

namespace millrace::support {

class ByteRanges {
 public:
  // Each of these is about [start, end).
  void Add(uint64_t start, uint64_t end) {
    if (start >= end) {
      return;
    }
    auto range = ranges_.upper_bound(start);
    if (range != ranges_.begin() && std::prev(range)->second >= start) {
      --range;
      start = range->first;
    }
    while (range != ranges_.end() && range->first <= end) {
      end = std::max(end, range->second);
      range = ranges_.erase(range);
    }
    ranges_[start] = end;
  }

  void Remove(uint64_t start, uint64_t end) {
    if (start >= end) {
      return;
    }
    auto range = ranges_.upper_bound(start);
    if (range != ranges_.begin()) {
      --range;
    }
    while (range != ranges_.end() && range->first < end) {
      const uint64_t range_start = range->first;
      const uint64_t range_end = range->second;
      if (range_end <= start) {
        ++range;
        continue;
      }
      range = ranges_.erase(range);
      if (range_start < start) {
        ranges_[range_start] = start;
      }
      if (range_end > end) {
        ranges_[end] = range_end;
      }
    }
  }

  bool Overlaps(uint64_t start, uint64_t end) const {
    if (start >= end) {
      return false;
    }
    const auto range = ranges_.lower_bound(end);
    return range != ranges_.begin() && std::prev(range)->second > start;
  }

  bool Covers(uint64_t start, uint64_t end) const {
    if (start >= end) {
      return true;
    }
    const auto range = ranges_.upper_bound(start);
    return range != ranges_.begin() && std::prev(range)->second >= end;
  }

  // Calls visit(start, end) for the parts of the set inside [start, end).
  template <typename Visit>
  void ForEachIn(uint64_t start, uint64_t end, Visit visit) const {
    for (const auto& [range_start, range_end] : ranges_) {
      if (range_start < end && range_end > start) {
        visit(std::max(start, range_start), std::min(end, range_end));
      }
    }
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;  // start to end
};

}  // namespace millrace::support
