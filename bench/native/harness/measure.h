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

inline Usage ThreadUsage() {
  return UsageOf(RUSAGE_THREAD);
}

inline Usage ProcessUsage() {
  return UsageOf(RUSAGE_SELF);
}

// The processors that this process may use, as they were at the first call.
inline const cpu_set_t& AllowedProcessors() {
  static const cpu_set_t allowed = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    static_cast<void>(sched_getaffinity(0, sizeof set, &set));
    return set;
  }();
  return allowed;
}

// Puts the calling thread on the last processor, or on all others. Threads inherit this: a log that
// is opened on the others leaves the last one to who appends or reads. Does nothing where there is
// only one.
inline void PinThread(bool to_last) {
  cpu_set_t chosen = AllowedProcessors();
  if (CPU_COUNT(&chosen) < 2) {
    return;
  }
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &chosen)) {
    --last;
  }
  if (to_last) {
    CPU_ZERO(&chosen);
    CPU_SET(last, &chosen);
  } else {
    CPU_CLR(last, &chosen);
  }
  static_cast<void>(sched_setaffinity(0, sizeof chosen, &chosen));
}

inline void PinToLastProcessor() {
  PinThread(/*to_last=*/true);
}

inline void LeaveLastProcessor() {
  PinThread(/*to_last=*/false);
}

// The smallest of the values, which are ascending, that at least this share of them does not pass.
inline double QuantileOf(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) {
    return 0;
  }
  const double place = share * static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(place + 0.5)];
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

  double Quantile(double share) const {
    std::vector<double> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    return QuantileOf(sorted, share);
  }

 private:
  std::vector<double> values_;
};

}  // namespace millrace::bench
