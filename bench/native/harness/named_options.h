// The command line of a load generator: `--name value` in any order, each with a default.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace millrace::bench {

class NamedOptions {
 public:
  // `defaults` has all names there are. Ends the program when it does not know one that is given.
  NamedOptions(const char* program, const char* usage, std::map<std::string, std::string> defaults,
               int argument_count, char** arguments)
      : program_(program), usage_(usage), values_(std::move(defaults)) {
    for (int i = 1; i < argument_count; i += 2) {
      const auto known = values_.find(arguments[i]);
      if (known == values_.end() || i + 1 == argument_count) {
        ExitWithUsage(std::string("what is ") + arguments[i] + "?");
      }
      known->second = arguments[i + 1];
    }
  }

  const std::string& Text(const std::string& name) const { return values_.find(name)->second; }

  uint64_t Number(const std::string& name) const {
    const std::string& value = Text(name);
    uint64_t number = 0;
    const char* const end = value.data() + value.size();
    const auto [stopped, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc() || stopped != end) {
      ExitWithUsage(name + ": wanted a number, got " + value);
    }
    return number;
  }

  uint32_t Count(const std::string& name) const { return static_cast<uint32_t>(Number(name)); }

  [[noreturn]] void ExitWithUsage(const std::string& what) const {
    std::fprintf(stderr, "%s: %s\n%s", program_, what.c_str(), usage_);
    std::exit(2);
  }

 private:
  const char* program_;
  const char* usage_;
  std::map<std::string, std::string> values_;
};

}  // namespace millrace::bench
