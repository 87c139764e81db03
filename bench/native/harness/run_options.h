// The command line that all benches share.
//
//   <bench> [--load full|quick|tiny] [--dir DIR] [--memory-dir DIR] [--part NAME]
//
// DIR is a folder on the disk that is to be measured, the memory folder one on tmpfs. What a bench
// makes there it removes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace millrace::bench {

// Full is for figures, quick for a look, tiny proves that the bench runs.
enum class Load : uint8_t { kFull, kQuick, kTiny };

struct RunOptions {
  Load load = Load::kFull;
  std::string directory = ".";
  std::string memory_directory = "/dev/shm";
  std::string part;  // of the bench; empty = all of it

  template <typename Value>
  Value Pick(Value full, Value quick, Value tiny) const {
    return load == Load::kFull ? full : load == Load::kQuick ? quick : tiny;
  }

  bool Wants(const char* name) const { return part.empty() || part == name; }
};

[[noreturn]] inline void ExitWithUsage(const char* program, const char* what) {
  std::fprintf(stderr,
               "%s: %s\nusage: %s [--load full|quick|tiny] [--dir DIR] [--memory-dir DIR] "
               "[--part NAME]\n",
               program, what, program);
  std::exit(2);
}

inline Load ParseLoad(const char* program, const std::string& name) {
  if (name == "full") {
    return Load::kFull;
  }
  if (name == "quick") {
    return Load::kQuick;
  }
  if (name != "tiny") {
    ExitWithUsage(program, "--load is full, quick or tiny");
  }
  return Load::kTiny;
}

inline RunOptions ParseRunOptions(int argument_count, char** arguments) {
  RunOptions options;
  for (int i = 1; i < argument_count; i += 2) {
    const std::string name = arguments[i];
    if (i + 1 == argument_count) {
      ExitWithUsage(arguments[0], "an option without a value");
    }
    const std::string value = arguments[i + 1];
    if (name == "--load") {
      options.load = ParseLoad(arguments[0], value);
    } else if (name == "--dir") {
      options.directory = value;
    } else if (name == "--memory-dir") {
      options.memory_directory = value;
    } else if (name == "--part") {
      options.part = value;
    } else {
      ExitWithUsage(arguments[0], ("unknown option " + name).c_str());
    }
  }
  return options;
}

}  // namespace millrace::bench
