// A folder of its own for what a bench writes, gone with it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "native/base/check.h"

namespace millrace::bench {

class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& parent) : path_(parent + "/millrace-bench-XXXXXX") {
    MILLRACE_CHECK(::mkdtemp(path_.data()) != nullptr);
  }

  ~ScratchDirectory() {
    std::error_code ignored;  // what is left over is in a folder for temporary files
    std::filesystem::remove_all(path_, ignored);
  }

  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace millrace::bench
