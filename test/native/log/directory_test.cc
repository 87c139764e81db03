// What an open makes of the files it finds: its own, those of somebody else, those of a later
// version, and none where there should be some. Nothing is written where it refuses.
#include "native/log/directory.h"

#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "native/log/core.h"
#include "native/log/directory_names.h"
#include "test/support/log_harness.h"
#include "test/support/sim_file_ops.h"

namespace millrace {
namespace {

using base::Code;
using base::Status;
using log::Core;
using support::LogHarness;

namespace fs = std::filesystem;

// Every path below `directory`, with the bytes of the files.
std::map<std::string, std::string> TreeOf(const std::string& directory) {
  std::map<std::string, std::string> tree;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    std::stringstream bytes;
    if (entry.is_regular_file()) {
      bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    }
    tree[entry.path()] = bytes.str();
  }
  return tree;
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

class DirectoryTest : public ::testing::Test {
 protected:
  // A directory with one record in one shard, closed.
  void MakeLog() {
    log_.Open();
    log_.Append(log_.Create(), "kept");
    ASSERT_TRUE(log_.core->Close().ok());
  }

  std::string MakeFolder(const std::string& name) const {
    std::string path = log_.directory.File(name.c_str());
    fs::create_directories(path);
    return path;
  }

  Status TryOpen(const std::string& path) {
    std::shared_ptr<Core> core;
    return Core::Open(path, log_.options, &core);
  }

  // An open and a verification refuse it, and change nothing.
  void ExpectRefused(const std::string& path, Code code, const std::string& says) {
    const std::map<std::string, std::string> before = TreeOf(path);
    const Status opened = TryOpen(path);
    EXPECT_EQ(opened.code(), code) << opened.message();
    EXPECT_NE(opened.message().find(says), std::string::npos) << opened.message();
    log::ScrubReport report;
    const Status verified = log::VerifyDirectory(path, nullptr, &report);
    EXPECT_EQ(verified.code(), code) << verified.message();
    EXPECT_TRUE(TreeOf(path) == before) << path << " was changed";
  }

  // The path of the file in log/ that holds `bytes`.
  std::string SegmentWith(const std::string& bytes) const {
    for (const auto& [path, content] : TreeOf(log_.path + "/log")) {
      if (content.find(bytes) != std::string::npos) {
        return path;
      }
    }
    ADD_FAILURE() << "no segment holds " << bytes;
    return "";
  }

  LogHarness log_;
};

TEST_F(DirectoryTest, ALostFormatIsNoFreshStart) {
  MakeLog();
  const std::string format = TreeOf(log_.path)[log_.path + "/FORMAT"];
  fs::remove(log_.path + "/FORMAT");
  ExpectRefused(log_.path, Code::kCatalogUnreadable, "/FORMAT is missing");
  ExpectRefused(log_.path, Code::kCatalogUnreadable, format.substr(0, format.size() - 1));
  fs::remove(log_.path + "/LOCK");
  ExpectRefused(log_.path, Code::kCatalogUnreadable, "restore it from a copy");
  WriteFile(log_.path + "/FORMAT", format);
  log_.Open();
  EXPECT_EQ(log_.ReadAll(0).batches, std::vector<std::string>{"kept"});
}

TEST_F(DirectoryTest, AManifestOfAnotherDirectoryIsNotMendedWith) {
  MakeLog();
  const std::string other = log_.directory.File("other");
  ASSERT_TRUE(TryOpen(other).ok());
  const std::string first = log_.path + "/manifest-a";
  const std::string second = log_.path + "/manifest-b";
  const std::string own = TreeOf(log_.path)[first];
  const std::string foreign = TreeOf(other)[other + "/manifest-a"];
  // The first copy leads, alone, or beside one of the same generation.
  for (const bool alone : {false, true}) {
    WriteFile(first, foreign);
    if (alone) {
      fs::remove(second);
    }
    const std::map<std::string, std::string> before = TreeOf(log_.path);
    const Status status = TryOpen(log_.path);
    EXPECT_EQ(status.code(), Code::kCatalogUnreadable);
    EXPECT_NE(status.message().find("another data directory"), std::string::npos);
    EXPECT_TRUE(TreeOf(log_.path) == before) << "alone: " << alone;
  }
  WriteFile(first, own);
  WriteFile(second, foreign);
  log_.Open();
  EXPECT_EQ(log_.ReadAll(0).batches, std::vector<std::string>{"kept"});
  ASSERT_TRUE(log_.core->Close().ok());
  fs::remove(first);
  log_.Open();
  EXPECT_EQ(log_.ReadAll(0).batches, std::vector<std::string>{"kept"});
}

TEST_F(DirectoryTest, ALostFormatIsToldByTheSegmentsOrTheManifestAlone) {
  MakeLog();
  fs::remove(log_.path + "/FORMAT");
  const std::string bare = MakeFolder("bare");
  fs::copy(log_.path + "/log", bare + "/log", fs::copy_options::recursive);
  ExpectRefused(bare, Code::kCatalogUnreadable, "together with manifest-a and manifest-b");
  fs::remove_all(log_.path + "/log");
  fs::remove(log_.path + "/manifest-a");
  ExpectRefused(log_.path, Code::kCatalogUnreadable, "/FORMAT is missing");
  fs::resize_file(log_.path + "/manifest-b", 10);
  ExpectRefused(log_.path, Code::kCatalogUnreadable, "is damaged");
}

TEST_F(DirectoryTest, AFormatThatIsLostAfterTheLastShardWasDeletedIsMissedToo) {
  log_.Open();
  const uint64_t shard = log_.Stats(log_.Create()).shard;
  ASSERT_TRUE(log_.core->DeleteShard(shard).ok());
  ASSERT_TRUE(log_.core->Close().ok());
  fs::remove_all(log_.path + "/log");
  fs::remove(log_.path + "/FORMAT");
  ExpectRefused(log_.path, Code::kCatalogUnreadable, "/FORMAT is missing");
}

TEST_F(DirectoryTest, AFirstOpenThatWasCutShortIsDoneAnew) {
  log_.Open();
  ASSERT_TRUE(log_.core->Close().ok());
  const std::string cut = MakeFolder("cut");
  for (const char* const name : {"LOCK", "log", "aside", "manifest-a.new", "manifest-a",
                                 "manifest-b.new", "manifest-b", "FORMAT.new"}) {
    // One step further: FORMAT, which is the last, is still missing.
    const std::string from = log_.path + "/" + fs::path(name).stem().string();
    fs::copy(from, cut + "/" + name, fs::copy_options::none);
    const std::string copy = MakeFolder(std::string("cut-") + name);
    fs::copy(cut, copy, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    fs::remove_all(copy + "/log");  // with the spares, which are made behind FORMAT
    const Status status = TryOpen(copy);
    EXPECT_TRUE(status.ok()) << name << ": " << status.message();
  }
}

TEST_F(DirectoryTest, AFolderOfSomebodyElseStaysUntouched) {
  const std::string root = MakeFolder("root");
  WriteFile(root + "/holiday.jpg", "x");
  ExpectRefused(root, Code::kFormatUnsupported, "/holiday.jpg is not a file of Millrace");
  const std::string logs = MakeFolder("logs");
  fs::create_directory(logs + "/log");
  WriteFile(logs + "/log/server.log.new", "started\n");
  ExpectRefused(logs, Code::kFormatUnsupported, "/log/server.log.new is not a file of Millrace");
  const std::string plain = MakeFolder("plain");
  WriteFile(plain + "/log", "started\n");
  ExpectRefused(plain, Code::kFormatUnsupported, "/log is not a file of Millrace");
  const std::string aside = MakeFolder("aside");
  fs::create_directory(aside + "/aside");
  WriteFile(aside + "/aside/notes.txt", "x");
  ExpectRefused(aside, Code::kFormatUnsupported, "/aside/notes.txt is not a file of Millrace");
  fs::create_directory(MakeFolder("disk") + "/lost+found");
  EXPECT_TRUE(TryOpen(log_.directory.File("disk")).ok());
}

TEST_F(DirectoryTest, ForeignFilesAmongItsOwnAreRefusedToo) {
  MakeLog();
  WriteFile(log_.path + "/log/stray", "x");
  ExpectRefused(log_.path, Code::kFormatUnsupported, "/log/stray is not a file of Millrace");
  fs::remove(log_.path + "/log/stray");
  WriteFile(log_.path + "/aside/notes.txt", "x");
  EXPECT_TRUE(TryOpen(log_.path).ok());
}

TEST_F(DirectoryTest, ANewerFormatIsNamedBeforeItsNewFiles) {
  MakeLog();
  WriteFile(log_.path + "/FORMAT", "millrace-log 2 0123456789abcdef\n");
  WriteFile(log_.path + "/manifest-c", "x");
  WriteFile(log_.path + "/log/0000000000000001.sum", "x");
  ExpectRefused(log_.path, Code::kFormatUnsupported, "has format 2, this Millrace reads up to 1");
  WriteFile(log_.path + "/FORMAT", "not a line of Millrace\n");
  ExpectRefused(log_.path, Code::kFormatUnsupported, "/manifest-c is not a file of Millrace");
  fs::remove(log_.path + "/manifest-c");
  fs::remove(log_.path + "/log/0000000000000001.sum");
  ExpectRefused(log_.path, Code::kCatalogUnreadable, "/FORMAT is damaged");
}

TEST_F(DirectoryTest, WhatMayNotBeReadIsNamed) {
  support::SimFileOps disk("/disk");
  log_.options.file_ops = &disk;
  log_.path = "/disk/log";
  MakeLog();
  using Kind = support::SimCallKind;
  const std::pair<Kind, const char*> denied[] = {
      {Kind::kList, "/disk/log"},   {Kind::kOpen, "/FORMAT"},  {Kind::kOpen, "/LOCK"},
      {Kind::kOpen, "/manifest-a"}, {Kind::kList, "/log/log"}, {Kind::kOpen, ".seg"}};
  for (const auto& [kind, part] : denied) {
    support::SimFault fault;
    fault.kind = kind;
    fault.path_part = part;
    fault.error = EACCES;
    fault.for_ever = true;
    disk.AddFault(fault);
    log::ScrubReport report;
    const Status verified = log::VerifyDirectory(log_.path, &disk, &report);
    EXPECT_EQ(verified.code(), Code::kAccessDenied) << part << ": " << verified.message();
    EXPECT_NE(verified.message().find(part), std::string::npos) << verified.message();
    EXPECT_EQ(TryOpen(log_.path).code(), Code::kAccessDenied) << part;
    disk.ClearFaults();
  }
  log::ScrubReport report;
  const Status verified = log::VerifyDirectory(log_.path, &disk, &report);
  EXPECT_TRUE(verified.ok()) << verified.message();
}

TEST_F(DirectoryTest, OnlyItsOwnCopiesOfTornTailsGiveWay) {
  log_.Open();
  log_.Append(log_.Create(), "torn to pieces", 1, log::Durability::kOs);
  log_.path = log_.CopyAsAfterCrash();
  const std::string segment = SegmentWith("torn to pieces");
  std::fstream(segment, std::ios::in | std::ios::out | std::ios::binary)
      .seekp(static_cast<std::streamoff>(TreeOf(log_.path)[segment].find("torn to pieces")))
      .put('T');
  for (int file = 10; file < 50; ++file) {
    const std::string number = std::to_string(file);
    WriteFile(log_.path + "/aside/00000000000000" + number + "-0000000000000000.torn", "x");
    WriteFile(log_.path + "/aside/00-notes-" + number, "x");
  }
  log_.Open();
  int own = 0;
  int foreign = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(log_.path + "/aside")) {
    ++(log::IsAsideName(entry.path().filename()) ? own : foreign);
  }
  EXPECT_EQ(own, 32);
  EXPECT_EQ(foreign, 40);
}

TEST_F(DirectoryTest, NamesOfItsOwnInAside) {
  EXPECT_TRUE(log::IsAsideName("0000000000000007-00000000000000ff.torn"));
  for (const char* const name :
       {"0000000000000007-00000000000000ff.torn.gz", "0000000000000007.torn", "notes.txt", "",
        "0000000000000007", "0000000000000007-00000000000000fF.torn"}) {
    EXPECT_FALSE(log::IsAsideName(name)) << name;
  }
}

}  // namespace
}  // namespace millrace
