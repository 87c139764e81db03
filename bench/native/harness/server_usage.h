// CPU seconds of all threads of another process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace millrace::bench {

// 0 for pid 0, or one that is gone.
inline double CpuSecondsOf(uint32_t pid) {
  double nanos = 0;
  std::error_code gone;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    std::ifstream statistics(task.path() / "schedstat");
    double of_thread = 0;
    statistics >> of_thread;
    nanos += of_thread;
  }
  return nanos / 1e9;
}

}  // namespace millrace::bench
