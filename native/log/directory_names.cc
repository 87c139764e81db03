#include "native/log/directory_names.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace millrace::log {

namespace {

constexpr size_t kDigits = 16;

constexpr const char* kDirectoryNames[] = {
    "FORMAT", "LOCK",           "manifest-a",     "manifest-b", "verified-end",    "log",
    "aside",  "manifest-a.new", "manifest-b.new", "FORMAT.new", "verified-end.new"};

}  // namespace

bool ParseFileName(const std::string& name, const char* extension, uint64_t* id) {
  if (name.size() != kDigits + std::strlen(extension) ||
      name.compare(kDigits, std::string::npos, extension) != 0) {
    return false;
  }
  *id = 0;
  for (size_t at = 0; at < kDigits; ++at) {
    const char digit = name[at];
    const bool decimal = digit >= '0' && digit <= '9';
    if (!decimal && (digit < 'a' || digit > 'f')) {
      return false;
    }
    *id = *id << 4 | static_cast<uint64_t>(decimal ? digit - '0' : digit - 'a' + 10);
  }
  return true;
}

bool IsDirectoryName(const std::string& name) {
  return std::any_of(std::begin(kDirectoryNames), std::end(kDirectoryNames),
                     [&name](const char* own) { return name == own; });
}

bool IsLogName(const std::string& name) {
  uint64_t id = 0;
  return ParseFileName(name, ".seg", &id) || ParseFileName(name, ".idx", &id);
}

bool IsAsideName(const std::string& name) {
  uint64_t number = 0;
  return name.size() > kDigits && name[kDigits] == '-' &&
         ParseFileName(name.substr(0, kDigits), "", &number) &&
         ParseFileName(name.substr(kDigits + 1), ".torn", &number);
}

bool IsToleratedName(const std::string& name) {
  return name == "lost+found";
}

}  // namespace millrace::log
