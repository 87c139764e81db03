// Clocks and counters of a bench.
#pragma once

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <vector>

namespace millrace::bench {

inline double NowSeconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Usage {
  double cpu_seconds;
  double system_seconds;  // of them, in the kernel
  uint64_t minor_faults;
};

inline Usage UsageOf(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime), seconds(usage.ru_stime),
          static_cast<uint64_t>(usage.ru_minflt)};
}

inline Usage ThreadUsage() { return UsageOf(RUSAGE_THREAD); }

inline Usage ProcessUsage() { return UsageOf(RUSAGE_SELF); }

// Keeps the calling thread on the last processor, and leaves the others to the threads of the core. Threads inherit the pin: it is to
// be set after the core has started its own.
inline void PinToLastProcessor() {
  cpu_set_t all;
  CPU_ZERO(&all);
  if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) {
    return;  // there is nothing to keep apart
  }
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &all)) {
    --last;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  static_cast<void>(sched_setaffinity(0, sizeof one, &one));
}

// The figures of the repetitions of one measurement.
class Series {
 public:
  void Add(double value) { values_.push_back(value); }

  size_t size() const { return values_.size(); }
  double first() const { return values_.empty() ? 0 : values_.front(); }
  double Lowest() const { return Quantile(0); }
  double Median() const { return Quantile(0.5); }
  double Highest() const { return Quantile(1); }

  // The smallest value that at least this share of the values does not pass.
  double Quantile(double share) const {
    if (values_.empty()) {
      return 0;
    }
    std::vector<double> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    const double place = share * static_cast<double>(sorted.size() - 1);
    return sorted[static_cast<size_t>(place + 0.5)];
  }

 private:
  std::vector<double> values_;
};

}  // namespace millrace::bench
