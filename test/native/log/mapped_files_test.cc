// What a reader holds stays what it was: no segment file is cut, overwritten or given its next life
// while it is mapped, whatever is trimmed, appended or deleted meanwhile (a truncated file under a
// map is a signal, a recycled one is another shard's data).
#include <sys/stat.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "native/base/file_ops.h"
#include "test/support/log_harness.h"

namespace millrace::log {
namespace {

using support::LogHarness;

constexpr size_t kRecordsBytes = 5000;
constexpr int kBatchesPerSegment = 11;  // of 64 KiB
constexpr size_t kFreeFilesMax = 16;    // that the log keeps for new segments, at most

std::string RecordsOf(uint64_t number) {
  return std::string(kRecordsBytes, static_cast<char>('a' + number % 26));
}

// The sizes of all segment files that are linked, seen through descriptors that stay open.
class FileSizes {
 public:
  explicit FileSizes(const std::string& directory) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.path().extension() == ".seg") {
        const int fd = base::PosixFileOps()->Open(entry.path(), base::OpenMode::kRead);
        EXPECT_GE(fd, 0);
        sizes_[fd] = base::PosixFileOps()->Size(fd);
      }
    }
  }

  ~FileSizes() {
    for (const auto& [fd, size] : sizes_) {
      base::PosixFileOps()->Close(fd);
    }
  }

  FileSizes(const FileSizes&) = delete;
  FileSizes& operator=(const FileSizes&) = delete;

  // Each file is as long as it was, and none has given blocks back (a hole under a map reads as
  // zeros).
  bool AreKept() const {
    for (const auto& [fd, size] : sizes_) {
      struct stat now = {};
      if (fstat(fd, &now) != 0 || now.st_size != size || now.st_blocks * 512 < size) {
        return false;
      }
    }
    return true;
  }

  size_t count() const { return sizes_.size(); }

 private:
  std::map<int, int64_t> sizes_;
};

// A read and a copy of what it showed.
struct Held {
  ReadResult read;
  std::string copy;

  bool is_kept() const { return std::memcmp(read.data, copy.data(), copy.size()) == 0; }
};

class MappedFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    log_.options.segment_bytes_max = log_.options.segment_bytes_min;
    log_.Open();
    slot_ = log_.Create();
  }

  void Fill(int segments) {
    for (int batch = 0; batch < segments * kBatchesPerSegment; ++batch) {
      log_.Append(slot_, RecordsOf(++number_), 1, Durability::kOs);
    }
    ASSERT_TRUE(log_.core->Flush().ok());
    log_.core->RunChores();
  }

  std::vector<Held> HoldAll() {
    std::vector<Held> held;
    uint64_t position = log_.Stats(slot_).trimmed_start;
    while (position < log_.Stats(slot_).committed_end) {
      Held one;
      EXPECT_TRUE(log_.core->Read(slot_, position, 20'000, &one.read).ok());
      one.copy.assign(reinterpret_cast<const char*>(one.read.data), one.read.bytes);
      position = one.read.next_position;
      held.push_back(std::move(one));
    }
    return held;
  }

  void TrimAll() {
    ASSERT_TRUE(log_.core->Trim(slot_, log_.Stats(slot_).next_sequence).ok());
    log_.core->RunChores();
  }

  size_t FileCount() const { return FileSizes(log_.path + "/log").count(); }

  LogHarness log_;
  uint32_t slot_ = 0;
  uint64_t number_ = 0;
};

TEST_F(MappedFilesTest, KeepWhatAReaderHoldsWhileTheirSegmentsAreTrimmed) {
  Fill(8);
  const std::vector<Held> held = HoldAll();
  ASSERT_GT(held.size(), 8u);
  const FileSizes sizes(log_.path + "/log");
  for (int round = 0; round < 4; ++round) {
    TrimAll();
    ASSERT_TRUE(sizes.AreKept()) << "a file that is mapped was cut";
    Fill(8);
    ASSERT_TRUE(sizes.AreKept()) << "a file that is mapped was cut";
    for (const Held& one : held) {
      ASSERT_TRUE(one.is_kept()) << "position " << one.read.position << " changed under its reader";
    }
  }
}

// The same, after the shard is deleted and the log closed.
TEST_F(MappedFilesTest, KeepWhatAReaderHoldsAfterDeletionAndClose) {
  Fill(4);
  const std::vector<Held> held = HoldAll();
  const FileSizes sizes(log_.path + "/log");
  ASSERT_TRUE(log_.core->DeleteShard(log_.Stats(slot_).shard).ok());
  slot_ = log_.Create();
  Fill(8);
  ASSERT_TRUE(sizes.AreKept()) << "a file that is mapped was cut";
  ASSERT_TRUE(log_.core->Close().ok());
  log_.core.reset();
  ASSERT_TRUE(sizes.AreKept()) << "a file that is mapped was cut";
  for (const Held& one : held) {
    ASSERT_TRUE(one.is_kept()) << "position " << one.read.position << " changed under its reader";
  }
}

// Without readers the same files serve again: the tests above are about files that the log wants
// back.
TEST_F(MappedFilesTest, AreUsedAgainOnceNobodyHoldsThem) {
  Fill(8);
  const size_t files = FileCount();
  for (int round = 0; round < 12; ++round) {
    TrimAll();
    Fill(8);
    EXPECT_LE(FileCount(), files + kFreeFilesMax) << "round " << round;
  }
}

// Readers hold what they read for a while and look at it again, as the log is trimmed behind and in
// front of them.
TEST(MappedFilesThreadsTest, KeepWhatReadersHoldUnderAWriterThatTrims) {
  LogHarness log;
  log.options.segment_bytes_max = log.options.segment_bytes_min;
  log.options.inline_mode = false;
  log.options.clock = nullptr;
  log.Open();
  const uint32_t slot = log.Create();
  std::atomic<bool> done{false};
  std::atomic<int> changed{0};
  std::atomic<int> looked{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&log, &done, &changed, &looked, slot] {
      std::vector<Held> held;
      uint64_t position = 0;
      while (!done) {
        Held one;
        const base::Status status = log.core->Read(slot, position, 20'000, &one.read);
        if (status.code() == base::Code::kSequenceNumberTrimmed) {
          position = status.range_start();
        } else if (status.ok() && one.read.bytes != 0) {
          one.copy.assign(reinterpret_cast<const char*>(one.read.data), one.read.bytes);
          position = one.read.next_position;
          held.push_back(std::move(one));
        }
        if (held.size() == 64) {
          for (const Held& kept : held) {
            changed += kept.is_kept() ? 0 : 1;
            ++looked;
          }
          held.clear();
        }
      }
    });
  }
  constexpr uint64_t kBatches = 3000;
  for (uint64_t number = 1; number <= kBatches; ++number) {
    const AppendResult result = log.Append(slot, RecordsOf(number), 1, Durability::kOs);
    if (number % kBatchesPerSegment == 0) {
      EXPECT_TRUE(log.core->Flush().ok());
      EXPECT_TRUE(log.core->Trim(slot, result.first_sequence).ok());
    }
  }
  done = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  EXPECT_EQ(changed.load(), 0);
  EXPECT_GT(looked.load(), 0);
  EXPECT_TRUE(log.core->Close().ok());
}

}  // namespace
}  // namespace millrace::log
