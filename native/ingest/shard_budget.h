// How much one shard of a limited stream takes in. Pure: the clock is an argument, and nothing is
// locked.
//
//   bytes    a tank, full at first: what is taken drains it, and it refills steadily. So a burst as
//            large as the tank is taken at once, and no more than it refills in the long run.
//   records  so many within any second, wherever it begins: each counts for 1000 ms. A tank would
//            refill within the second, and take more than the limit says; so would seconds that
//            begin anew, around the border of two.
//
// What is larger than the tank, or than what a second allows, is taken when nothing has been taken
// before it, and paid for afterwards: the tank goes below empty, its records count for longer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::ingest {

struct ThroughputLimits {
  uint64_t records_per_second = 0;
  uint64_t bytes_per_second = 0;
  uint64_t bytes_burst = 0;  // the size of the tank
};

// The most that a limit may be: products with it stay within 64 bits.
inline constexpr uint64_t kThroughputLimitMax = uint64_t{1} << 40;

// The records of the last second, by the millisecond in which they were taken: there are up to 1000
// of those, and as many as there were takes. It keeps the memory that it needed at its busiest.
class RecordWindow {
 public:
  // Forgets what counts no more.
  void Advance(uint64_t now_millis);

  // Whether so many more are within the limit.
  bool HasRoom(uint64_t limit, uint64_t records) const { return Fits(taken_, limit, records); }

  void Take(uint64_t limit, uint64_t now_millis, uint64_t records);

  // Undoes a Take, or the last part of what was taken.
  void GiveBack(uint64_t records);

  // When there is room for so many, if nobody takes anything meanwhile.
  uint64_t RoomAt(uint64_t limit, uint64_t now_millis, uint64_t records) const;

 private:
  struct Taken {
    uint64_t until;
    uint64_t records;
  };

  static bool Fits(uint64_t taken, uint64_t limit, uint64_t records) {
    return taken == 0 || taken + records <= limit;
  }

  std::vector<Taken> entries_;  // ascending; those before first_ are over
  size_t first_ = 0;
  uint64_t taken_ = 0;  // all from first_ on
};

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
  uint64_t now_millis_ = 0;
  uint64_t drained_ = 0;  // of the tank, in 1/1000 bytes: what refills in a ms is then whole
  RecordWindow records_;
};

}  // namespace millrace::ingest
