// The seam over the real operating system.
#include "native/base/file_ops.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/temp_directory.h"

#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace millrace::base {
namespace {

constexpr uint64_t kFileBytes = 256 * 1024;

class PosixFileOpsTest : public testing::Test {
 protected:
  int Create(const std::string& name, uint64_t bytes = 0) {
    const int fd = files_->Open(directory_.File(name), OpenMode::kCreateNew);
    EXPECT_GE(fd, 0);
    EXPECT_EQ(files_->Allocate(fd, bytes), 0);
    return fd;
  }

  FileOps* const files_ = PosixFileOps();
  const support::TempDirectory directory_;
};

TEST_F(PosixFileOpsTest, OpenModesFollowTheContract) {
  const std::string path = directory_.File("a");
  EXPECT_EQ(files_->Open(path, OpenMode::kRead), -ENOENT);
  EXPECT_EQ(files_->Open(path, OpenMode::kReadWrite), -ENOENT);
  const int created = files_->Open(path, OpenMode::kCreate);
  ASSERT_GE(created, 0);
  EXPECT_EQ(files_->Open(path, OpenMode::kCreateNew), -EEXIST);
  struct stat facts;
  ASSERT_EQ(::fstat(created, &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_NE(::fcntl(created, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(files_->PWrite(created, "x", 1, 0), 0);
  const int readable = files_->Open(path, OpenMode::kRead);
  ASSERT_GE(readable, 0);
  EXPECT_EQ(files_->PWrite(readable, "y", 1, 0), -EBADF);
  EXPECT_EQ(files_->Close(readable), 0);
  EXPECT_EQ(files_->Close(created), 0);
  EXPECT_EQ(files_->Close(created), -EBADF);
}

TEST_F(PosixFileOpsTest, NeverOpensThroughALink) {
  EXPECT_EQ(files_->Close(Create("a")), 0);
  ASSERT_EQ(::symlink("a", directory_.File("link").c_str()), 0);
  ASSERT_EQ(::symlink("none", directory_.File("dangling").c_str()), 0);
  EXPECT_EQ(files_->Open(directory_.File("link"), OpenMode::kRead), -ELOOP);
  EXPECT_EQ(files_->Open(directory_.File("link"), OpenMode::kCreate), -ELOOP);
  EXPECT_EQ(files_->Open(directory_.File("dangling"), OpenMode::kCreate), -ELOOP);
}

TEST_F(PosixFileOpsTest, TransfersAreWhole) {
  const int fd = Create("a");
  std::vector<uint8_t> data(3 * 1024 * 1024 + 17);
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<uint8_t>(i * 31 + i / 4096);
  }
  EXPECT_EQ(files_->PWrite(fd, data.data(), data.size(), 5), 0);
  EXPECT_EQ(files_->Size(fd), static_cast<int64_t>(data.size() + 5));
  std::vector<uint8_t> read(data.size() + 100);
  EXPECT_EQ(files_->PRead(fd, read.data(), read.size(), 5), static_cast<int64_t>(data.size()));
  EXPECT_EQ(std::memcmp(read.data(), data.data(), data.size()), 0);
  EXPECT_EQ(files_->PRead(fd, read.data(), 10, data.size() + 5), 0);
  EXPECT_EQ(files_->PRead(fd, read.data(), 0, 0), 0);
  EXPECT_EQ(files_->PRead(fd, read.data(), 1, UINT64_MAX), -EINVAL);
  EXPECT_EQ(files_->PWrite(fd, read.data(), 1, UINT64_MAX - 1), -EINVAL);
  EXPECT_EQ(files_->Allocate(fd, UINT64_MAX), -EINVAL);
  EXPECT_EQ(files_->Close(fd), 0);
}

TEST_F(PosixFileOpsTest, AShortWriteIsContinuedUntilItsReasonShows) {
  const int fd = Create("a");
  auto write_beyond_limit = [&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {100, 100};
    const std::vector<uint8_t> data(200, 1);
    const bool limited = ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
    const int written = files_->PWrite(fd, data.data(), data.size(), 0);
    ::_exit(limited && written == -EFBIG && files_->Size(fd) == 100 ? 0 : 1);
  };
  EXPECT_EXIT(write_beyond_limit(), testing::ExitedWithCode(0), "");
  EXPECT_EQ(files_->Close(fd), 0);
}

TEST_F(PosixFileOpsTest, AFullDeviceIsNamed) {
#if defined(__linux__)
  const int full = files_->Open("/dev/full", OpenMode::kReadWrite);
  ASSERT_GE(full, 0);
  EXPECT_EQ(files_->PWrite(full, "x", 1, 0), -ENOSPC);
  EXPECT_EQ(files_->Close(full), 0);
#endif
  const int fd = Create("a", 1000);
  const int allocated = files_->Allocate(fd, uint64_t{1} << 60);
  EXPECT_TRUE(allocated == -ENOSPC || allocated == -EFBIG) << allocated;
  EXPECT_EQ(files_->Size(fd), 1000);
  EXPECT_EQ(files_->Close(fd), 0);
}

std::atomic<int> signals_handled{0};

TEST_F(PosixFileOpsTest, InterruptedCallsAreRepeated) {
  signals_handled = 0;
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) { signals_handled.fetch_add(1); };
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);  // without SA_RESTART
  const std::string pipe = directory_.File("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);

  // Opening a pipe for reading waits for a writer; every signal interrupts the wait. A signal is
  // sent until it is handled: one that comes just before the wait, the thread sanitizer keeps until
  // the wait has ended.
  std::atomic<int> reader{-1000};
  std::thread opening([&] { reader = files_->Open(pipe, OpenMode::kRead); });
  const pthread_t target = opening.native_handle();
  while (signals_handled < 100 && reader == -1000) {
    ASSERT_EQ(::pthread_kill(target, SIGUSR1), 0);
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  EXPECT_EQ(reader, -1000);
  const int writer = ::open(pipe.c_str(), O_WRONLY | O_CLOEXEC);
  opening.join();
  EXPECT_GE(reader, 0);
  EXPECT_EQ(files_->Close(reader), 0);
  ::close(writer);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(PosixFileOpsTest, AllocateTakesBlocksAndKeepsBytes) {
  const int fd = Create("a");
  EXPECT_EQ(files_->PWrite(fd, "abc", 3, 0), 0);
  EXPECT_EQ(files_->Allocate(fd, kFileBytes), 0);
  EXPECT_EQ(files_->Allocate(fd, 10), 0);
  EXPECT_EQ(files_->Allocate(fd, 0), 0);
  EXPECT_EQ(files_->Size(fd), static_cast<int64_t>(kFileBytes));
  struct stat facts;
  ASSERT_EQ(::fstat(fd, &facts), 0);
  EXPECT_GE(static_cast<uint64_t>(facts.st_blocks) * 512, kFileBytes);
  std::vector<uint8_t> contents(kFileBytes, 1);
  EXPECT_EQ(files_->PRead(fd, contents.data(), contents.size(), 0), kFileBytes);
  EXPECT_EQ(std::memcmp(contents.data(), "abc", 3), 0);
  EXPECT_EQ(std::count(contents.begin(), contents.end(), 0), kFileBytes - 3);
  EXPECT_EQ(files_->Close(fd), 0);
  EXPECT_EQ(files_->Allocate(fd, 1), -EBADF);
}

TEST_F(PosixFileOpsTest, SyncsWork) {
  const int fd = Create("a", kFileBytes);
  uint8_t* map = nullptr;
  ASSERT_EQ(files_->Map(fd, kFileBytes - 100, true, &map), 0);
  std::memset(map, 1, kFileBytes - 100);
  files_->StartWriteback(fd, 0, kPageBytes);
  files_->StartWriteback(fd, 0, 0);
  EXPECT_EQ(files_->SyncRange(fd, map, 5000, 100), 0);
  EXPECT_EQ(files_->SyncRange(fd, map, kFileBytes - 101, 1), 0);
  EXPECT_EQ(files_->SyncRange(fd, map, 1, 0), 0);
  EXPECT_EQ(files_->SyncData(fd), 0);
  EXPECT_EQ(files_->SyncData(-1), -EBADF);
  EXPECT_EQ(files_->Unmap(map, kFileBytes - 100), 0);
  EXPECT_EQ(files_->SyncRange(fd, map, 0, kPageBytes), -ENOMEM);
  EXPECT_EQ(files_->Close(fd), 0);
}

TEST_F(PosixFileOpsTest, ConfirmingSyncsChangesNothingThatShows) {
  const int fd = Create("a");
  EXPECT_EQ(files_->ConfirmSyncs(fd), 0);
  struct stat before;
  ASSERT_EQ(::fstat(fd, &before), 0);
  EXPECT_EQ(files_->ConfirmSyncs(fd), 0);
  struct stat after;
  ASSERT_EQ(::fstat(fd, &after), 0);
  EXPECT_EQ(before.st_size, 0);
  EXPECT_EQ(after.st_size, 0);
  EXPECT_EQ(after.st_blocks, before.st_blocks);
  EXPECT_EQ(files_->Close(fd), 0);
#if defined(__linux__)
  EXPECT_EQ(files_->ConfirmSyncs(fd), -EBADF);
#endif
}

TEST_F(PosixFileOpsTest, NamesMoveAndVanish) {
  EXPECT_EQ(files_->MakeDirectory(directory_.File("d")), 0);
  EXPECT_EQ(files_->MakeDirectory(directory_.File("d")), -EEXIST);
  struct stat facts;
  ASSERT_EQ(::stat(directory_.File("d").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
  EXPECT_EQ(files_->Close(Create("a")), 0);
  EXPECT_EQ(files_->Close(Create("b")), 0);
  EXPECT_EQ(files_->Rename(directory_.File("a"), directory_.File("b")), 0);
  EXPECT_EQ(files_->Rename(directory_.File("a"), directory_.File("b")), -ENOENT);
  EXPECT_EQ(files_->Rename(directory_.File("b"), directory_.File("d/c")), 0);
  std::vector<std::string> names = {"leftover"};
  EXPECT_EQ(files_->List(directory_.path(), &names), 0);
  EXPECT_EQ(names, std::vector<std::string>{"d"});
  EXPECT_EQ(files_->List(directory_.File("d"), &names), 0);
  EXPECT_EQ(names, std::vector<std::string>{"c"});
  EXPECT_EQ(files_->List(directory_.File("d/c"), &names), -ENOTDIR);
  EXPECT_EQ(files_->SyncDirectory(directory_.File("d")), 0);
  EXPECT_EQ(files_->SyncDirectory(directory_.File("d/c")), -ENOTDIR);
  EXPECT_EQ(files_->SyncDirectory(directory_.File("none")), -ENOENT);
  EXPECT_EQ(files_->Unlink(directory_.File("d/c")), 0);
  EXPECT_EQ(files_->Unlink(directory_.File("d/c")), -ENOENT);
}

TEST_F(PosixFileOpsTest, FreeSpaceIsPlausible) {
  FileSystemSpace space = {};
  ASSERT_EQ(files_->FreeSpace(directory_.path(), &space), 0);
  EXPECT_GT(space.bytes_total, 0u);
  EXPECT_LE(space.bytes_free, space.bytes_total);
  EXPECT_EQ(files_->FreeSpace(directory_.File("none"), &space), -ENOENT);
}

TEST_F(PosixFileOpsTest, MapsShareBytesAndOutliveTheDescriptor) {
  const int fd = Create("a", kFileBytes);
  uint8_t* writable = nullptr;
  uint8_t* readable = nullptr;
  ASSERT_EQ(files_->Map(fd, kFileBytes, true, &writable), 0);
  ASSERT_EQ(files_->Map(fd, kFileBytes, false, &readable), 0);
  EXPECT_EQ(files_->Map(fd, 0, true, &writable), -EINVAL);
  EXPECT_EQ(files_->Close(fd), 0);
  EXPECT_EQ(files_->Unlink(directory_.File("a")), 0);
  writable[kFileBytes - 1] = 9;
  EXPECT_EQ(readable[kFileBytes - 1], 9);
  EXPECT_DEATH(*static_cast<volatile uint8_t*>(readable) = 1, "");
  EXPECT_EQ(files_->Unmap(writable, kFileBytes), 0);
  EXPECT_EQ(files_->Unmap(readable, kFileBytes), 0);
  uint8_t* none = nullptr;
  EXPECT_EQ(files_->Map(-1, kFileBytes, false, &none), -EBADF);
}

#if defined(__linux__)
TEST_F(PosixFileOpsTest, ResidentBytesEndWhereTheDiskWouldBeMet) {
  constexpr uint64_t kWrittenBytes = 300 * kPageBytes;  // more than one question to the kernel
  const int fd = Create("a", kWrittenBytes + kFileBytes);
  const std::vector<uint8_t> contents(kWrittenBytes, 1);
  ASSERT_EQ(files_->PWrite(fd, contents.data(), contents.size(), 0), 0);
  uint8_t* map = nullptr;
  ASSERT_EQ(files_->Map(fd, kWrittenBytes + kFileBytes, false, &map), 0);
  EXPECT_EQ(files_->ResidentBytes(map, kWrittenBytes), kWrittenBytes);
  EXPECT_EQ(files_->ResidentBytes(map + 100, kWrittenBytes - 200), kWrittenBytes - 200);
  EXPECT_EQ(files_->ResidentBytes(map, kWrittenBytes + kFileBytes), kWrittenBytes);
  EXPECT_EQ(files_->ResidentBytes(map + 100, kWrittenBytes), kWrittenBytes - 100);
  EXPECT_EQ(files_->ResidentBytes(map + kWrittenBytes + 100, 10), 0);
  EXPECT_EQ(files_->ResidentBytes(map, 0), 0);
  EXPECT_EQ(files_->Unmap(map, kWrittenBytes + kFileBytes), 0);
  EXPECT_EQ(files_->Close(fd), 0);
}
#endif

TEST_F(PosixFileOpsTest, PopulateReportsWhatAnAccessWouldDieOf) {
  const int fd = Create("a", kPageBytes);
  uint8_t* map = nullptr;
  ASSERT_EQ(files_->Map(fd, 2 * kPageBytes, true, &map), 0);
  EXPECT_EQ(files_->Populate(map + 100, kPageBytes - 100, true), 0);
  EXPECT_EQ(files_->Populate(map, 1, false), 0);
  EXPECT_EQ(files_->Populate(map, 0, false), 0);
#if defined(__linux__)
  constexpr int kPopulateRead = 22;
  if (::madvise(map, kPageBytes, kPopulateRead) == 0) {
    EXPECT_EQ(files_->Populate(map, 2 * kPageBytes, false), -EIO);
    EXPECT_EQ(files_->Populate(map + kPageBytes, 1, true), -EIO);
  }
#endif
  EXPECT_EQ(files_->Unmap(map, 2 * kPageBytes), 0);
  EXPECT_EQ(files_->Close(fd), 0);
}

TEST_F(PosixFileOpsTest, ALockExcludesOtherOpenFiles) {
  const int fd = Create("LOCK");
  const int other = files_->Open(directory_.File("LOCK"), OpenMode::kReadWrite);
  EXPECT_EQ(files_->Lock(fd), 0);
  EXPECT_EQ(files_->Lock(fd), 0);
  EXPECT_EQ(files_->Lock(other), -EWOULDBLOCK);
  EXPECT_EQ(files_->Close(fd), 0);
  EXPECT_EQ(files_->Lock(other), 0);
  EXPECT_EQ(files_->Close(other), 0);
}

#if defined(__linux__)

// From now on the kernel answers the system call `number` of this process with `error`; unless
// `argument` is kAnyArgument, only where its third argument is that.
constexpr uint32_t kAnyArgument = UINT32_MAX;

bool RefuseCall(uint32_t number, uint32_t error, uint32_t argument) {
  const uint8_t skip_when_other = argument == kAnyArgument ? 0 : 1;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, skip_when_other),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(PosixFileOpsTest, AllocateWritesZerosWhereTheFileSystemCannot) {
  const int fd = Create("a");
  EXPECT_EQ(files_->PWrite(fd, "abc", 3, 0), 0);
  auto allocate = [&](uint32_t error) {
    const bool refused = RefuseCall(__NR_fallocate, error, kAnyArgument);
    const int allocated = files_->Allocate(fd, kFileBytes + 1);
    const int again = files_->Allocate(fd, 1);
    ::_exit(refused && allocated == 0 && again == 0 ? 0 : 1);
  };
  EXPECT_EXIT(allocate(EOPNOTSUPP), testing::ExitedWithCode(0), "");
  EXPECT_EQ(files_->Size(fd), static_cast<int64_t>(kFileBytes + 1));
  std::vector<uint8_t> contents(kFileBytes + 1, 1);
  EXPECT_EQ(files_->PRead(fd, contents.data(), contents.size(), 0), kFileBytes + 1);
  EXPECT_EQ(std::memcmp(contents.data(), "abc", 3), 0);
  EXPECT_EQ(std::count(contents.begin(), contents.end(), 0), kFileBytes - 2);
  struct stat facts;
  ASSERT_EQ(::fstat(fd, &facts), 0);
  EXPECT_GE(static_cast<uint64_t>(facts.st_blocks) * 512, kFileBytes);
  EXPECT_EXIT(allocate(ENOSYS), testing::ExitedWithCode(0), "");
  // Any other answer is final.
  EXPECT_EXIT(allocate(ENOSPC), testing::ExitedWithCode(1), "");
  EXPECT_EQ(files_->Close(fd), 0);
}

TEST_F(PosixFileOpsTest, PopulateKnowsTheAnswersOfOldKernelsAndBrokenMemory) {
  constexpr uint32_t kPopulateWrite = 23;
  const int fd = Create("a", kPageBytes);
  uint8_t* map = nullptr;
  ASSERT_EQ(files_->Map(fd, kPageBytes, true, &map), 0);
  auto populate = [&](uint32_t error) {
    const bool refused = RefuseCall(__NR_madvise, error, kPopulateWrite);
    ::_exit(refused ? -files_->Populate(map, kPageBytes, true) : 255);
  };
  EXPECT_EXIT(populate(EINVAL), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(populate(ENOSYS), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(populate(EFAULT), testing::ExitedWithCode(EIO), "");
  EXPECT_EXIT(populate(EHWPOISON), testing::ExitedWithCode(EIO), "");
  EXPECT_EXIT(populate(ENOMEM), testing::ExitedWithCode(ENOMEM), "");
  EXPECT_EQ(files_->Unmap(map, kPageBytes), 0);
  EXPECT_EQ(files_->Close(fd), 0);
}

TEST_F(PosixFileOpsTest, AFailedSyncIsReportedAsItIs) {
  const int fd = Create("a", kPageBytes);
  uint8_t* map = nullptr;
  ASSERT_EQ(files_->Map(fd, kPageBytes, true, &map), 0);
  auto sync = [&](bool range) {
    const bool refused = RefuseCall(range ? __NR_msync : __NR_fdatasync, EIO, kAnyArgument);
    const int synced = range ? files_->SyncRange(fd, map, 0, 1) : files_->SyncData(fd);
    ::_exit(refused ? -synced : 255);
  };
  EXPECT_EXIT(sync(false), testing::ExitedWithCode(EIO), "");
  EXPECT_EXIT(sync(true), testing::ExitedWithCode(EIO), "");
  EXPECT_EQ(files_->Unmap(map, kPageBytes), 0);
  EXPECT_EQ(files_->Close(fd), 0);
}

#endif

}  // namespace
}  // namespace millrace::base
