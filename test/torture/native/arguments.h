// `--name value` pairs of a command line.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace millrace::torture {

class Arguments {
 public:
  // Borrows the vector for its life.
  Arguments(int count, char** values) : count_(count), values_(values) {}

  std::string Text(const char* name, const char* fallback) const {
    for (int i = 1; i + 1 < count_; i += 2) {
      if (std::strncmp(values_[i], "--", 2) == 0 && std::strcmp(values_[i] + 2, name) == 0) {
        return values_[i + 1];
      }
    }
    return fallback;
  }

  uint64_t Number(const char* name, uint64_t fallback) const {
    const std::string text = Text(name, "");
    if (text.empty()) {
      return fallback;
    }
    char* end = nullptr;
    const uint64_t value = std::strtoull(text.c_str(), &end, 10);
    if (*end != '\0') {
      std::fprintf(stderr, "--%s %s: a whole number is needed\n", name, text.c_str());
      std::exit(2);
    }
    return value;
  }

  // For what has no sensible default: ends the program when it is missing.
  std::string Needed(const char* name) const {
    const std::string text = Text(name, "");
    if (text.empty()) {
      std::fprintf(stderr, "--%s is missing\n", name);
      std::exit(2);
    }
    return text;
  }

 private:
  int count_;
  char** values_;
};

}  // namespace millrace::torture
