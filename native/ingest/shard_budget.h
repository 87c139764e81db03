// How much one shard of a limited stream takes in. Pure: the clock is an argument, and nothing is
// locked.
//
//   bytes    a tank, full at first: what is taken drains it, and it refills steadily. So a burst as
//            large as the tank is taken at once, and no more than it refills in the long run.
//   records  so many within each second, counted from the first record that a second has. A tank
//            would refill within the second, and take more than the limit says.
//
// What is larger than the tank, or than what a second allows, is taken when nothing has been taken
// before it, and paid for afterwards: the tank goes below empty, the second lasts longer.
#pragma once

#include <cstdint>

namespace millrace::ingest {

struct ThroughputLimits {
  uint64_t records_per_second = 0;
  uint64_t bytes_per_second = 0;
  uint64_t bytes_burst = 0;  // the size of the tank
};

// The most that a limit may be: products with it stay within 64 bits.
inline constexpr uint64_t kThroughputLimitMax = uint64_t{1} << 40;

class ShardBudget {
 public:
  // What the passing of time gives back. Comes before the other calls; a clock that goes back
  // stands still.
  void Advance(const ThroughputLimits& limits, uint64_t now_millis);

  // Takes all of it, or nothing.
  bool Take(const ThroughputLimits& limits, uint64_t records, uint64_t bytes);

  // Undoes a Take.
  void GiveBack(uint64_t records, uint64_t bytes);

  // How long until Take works, if nobody takes anything meanwhile; 0 = now.
  uint64_t WaitMillis(const ThroughputLimits& limits, uint64_t records, uint64_t bytes) const;

 private:
  bool HasRecords(const ThroughputLimits& limits, uint64_t records) const {
    return records_taken_ == 0 || records_taken_ + records <= limits.records_per_second;
  }

  uint64_t now_millis_ = 0;
  uint64_t drained_ = 0;        // of the tank, in 1/1000 bytes: what refills in a ms is then whole
  uint64_t records_taken_ = 0;  // in this second
  uint64_t second_end_ = 0;
};

}  // namespace millrace::ingest
