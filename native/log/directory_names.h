// The names of the files of a data directory (directory.h has the table). Pure.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::log {

// "<16 hex digits>.<extension>"; false for anything else. `extension` begins with the dot.
bool ParseFileName(const std::string& name, const char* extension, uint64_t* id);

// Whether Millrace makes a file of this name in the directory itself, in log/ and in aside/.
bool IsDirectoryName(const std::string& name);
bool IsLogName(const std::string& name);
bool IsAsideName(const std::string& name);

// What a file system of its own puts into the root of a disk.
bool IsToleratedName(const std::string& name);

}  // namespace millrace::log
