// Status, codes and messages.
#include "native/base/status.h"

#include <cerrno>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

TEST(Status, TheDefaultIsOk) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), Code::kOk);
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status.range_start(), 0u);
  EXPECT_EQ(status.range_end(), 0u);
  EXPECT_EQ(sizeof(Status), sizeof(void*));
}

TEST(Status, CarriesCodeMessageAndRange) {
  const Status status(Code::kLogCorrupt, "bad", 10, 20);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), Code::kLogCorrupt);
  EXPECT_EQ(status.message(), "bad");
  EXPECT_EQ(status.range_start(), 10u);
  EXPECT_EQ(status.range_end(), 20u);
  const Status without_range(Code::kInternal, "worse");
  EXPECT_EQ(without_range.range_end(), 0u);
}

TEST(Status, CopiesAreIndependentAndMovesLeaveOk) {
  Status status(Code::kDiskFull, "full");
  Status copy = status;
  EXPECT_EQ(copy.message(), "full");
  const Status* const same = &copy;
  copy = *same;
  EXPECT_EQ(copy.message(), "full");
  copy = Status();
  EXPECT_TRUE(copy.ok());
  EXPECT_EQ(status.code(), Code::kDiskFull);
  copy = status;
  const Status moved = std::move(status);
  EXPECT_EQ(moved.code(), Code::kDiskFull);
  EXPECT_TRUE(status.ok());  // NOLINT(bugprone-use-after-move): what a move leaves is the point
  EXPECT_EQ(copy.message(), "full");
}

TEST(Status, EveryCodeHasANameOfItsOwn) {
  std::set<std::string> names;
  for (uint8_t code = 0; code < static_cast<uint8_t>(Code::kCount); ++code) {
    const std::string name = CodeName(static_cast<Code>(code));
    EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), std::string::npos) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_STREQ(CodeName(Code::kOk), "OK");
  EXPECT_STREQ(CodeName(Code::kDiskFull), "DISK_FULL");
  EXPECT_STREQ(CodeName(Code::kInternal), "INTERNAL");
}

TEST(Format, GrowsWithItsText) {
  EXPECT_EQ(Format("%d of %s", 3, "four"), "3 of four");
  EXPECT_EQ(Format("%s", ""), "");
  for (const size_t length : {510u, 511u, 512u, 513u, 5000u}) {
    const std::string text(length, 'x');
    EXPECT_EQ(Format("%s!", text.c_str()), text + "!");
  }
}

TEST(OsError, ChoosesTheCodeAndNamesPathReasonAndRemedy) {
  const std::pair<int, Code> cases[] = {
      {ENOSPC, Code::kDiskFull},      {EDQUOT, Code::kDiskFull},
      {EACCES, Code::kAccessDenied},  {EPERM, Code::kAccessDenied},
      {EROFS, Code::kAccessDenied},   {EMFILE, Code::kLimitExceeded},
      {ENFILE, Code::kLimitExceeded}, {ENOMEM, Code::kLimitExceeded},
      {EIO, Code::kLogFailed},        {ENOENT, Code::kLogFailed},
  };
  for (const auto& [error_number, code] : cases) {
    const Status status = OsError("open", "/data/x", error_number);
    EXPECT_EQ(status.code(), code) << error_number;
    EXPECT_EQ(status.message().find("/data/x: open failed: "), 0u) << status.message();
    EXPECT_EQ(status.message().find(';') != std::string::npos, code != Code::kLogFailed)
        << status.message();
  }
  EXPECT_EQ(OsError("fdatasync", "/d", EIO).message(), "/d: fdatasync failed: Input/output error");
}

}  // namespace
}  // namespace millrace::base
