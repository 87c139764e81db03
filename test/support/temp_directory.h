// A directory on the real file system that goes away, with all in it, at the end of a test.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

namespace millrace::support {

class TempDirectory {
 public:
  TempDirectory() : path_(testing::TempDir() + "millrace-XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr) << path_;
  }

  ~TempDirectory() {
    std::error_code ignored;  // a leftover directory is no failure of the test
    std::filesystem::remove_all(path_, ignored);
  }

  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }

  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace millrace::support
