// The simulated seam as a process sees it: files, maps, names, limits, misuse.
#include "test/support/sim_file_ops.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::support {
namespace {

using base::OpenMode;

constexpr uint64_t kFileBytes = 64 * 1024;

class SimFileOpsTest : public testing::Test {
 protected:
  int Create(const std::string& path, uint64_t bytes = kFileBytes) {
    const int fd = files_.Open(path, OpenMode::kCreateNew);
    EXPECT_GT(fd, 0);
    EXPECT_EQ(files_.Allocate(fd, bytes), 0);
    return fd;
  }

  uint8_t* Map(int fd, bool writable, uint64_t bytes = kFileBytes) {
    uint8_t* map = nullptr;
    EXPECT_EQ(files_.Map(fd, bytes, writable, &map), 0);
    return map;
  }

  SimFileOps files_{"/data"};
};

TEST_F(SimFileOpsTest, OpenModesFollowTheContract) {
  EXPECT_EQ(files_.Open("/data/a", OpenMode::kRead), -ENOENT);
  EXPECT_EQ(files_.Open("/data/a", OpenMode::kReadWrite), -ENOENT);
  EXPECT_EQ(files_.Open("/data/none/a", OpenMode::kCreate), -ENOENT);
  EXPECT_EQ(files_.Open("/elsewhere/a", OpenMode::kCreate), -ENOENT);
  const int created = files_.Open("/data/a", OpenMode::kCreate);
  EXPECT_GT(created, 0);
  EXPECT_EQ(files_.Open("/data/a", OpenMode::kCreateNew), -EEXIST);
  const int again = files_.Open("/data/a", OpenMode::kCreate);
  EXPECT_GT(again, created);
  EXPECT_EQ(files_.Open("/data", OpenMode::kRead), -EISDIR);
  EXPECT_EQ(files_.Open("/data/a/b", OpenMode::kRead), -ENOTDIR);
  EXPECT_EQ(files_.open_descriptors(), 2u);
  EXPECT_EQ(files_.Close(created), 0);
  EXPECT_EQ(files_.Close(again), 0);
  EXPECT_EQ(files_.open_descriptors(), 0u);
  EXPECT_EQ(files_.misuses(), 0u);
}

TEST_F(SimFileOpsTest, MapsAndDescriptorsShowTheSameBytes) {
  const int fd = Create("/data/a");
  uint8_t* const writable = Map(fd, true);
  const uint8_t* const readable = Map(fd, false);
  ASSERT_NE(writable, readable);
  EXPECT_EQ(readable[kFileBytes - 1], 0);

  std::memcpy(writable + 5000, "through a map", 13);
  char text[13];
  EXPECT_EQ(files_.PRead(fd, text, sizeof text, 5000), 13);
  EXPECT_EQ(std::string(text, 13), "through a map");
  EXPECT_EQ(std::memcmp(readable + 5000, "through a map", 13), 0);

  EXPECT_EQ(files_.PWrite(fd, "through a call", 14, 8190), 0);
  EXPECT_EQ(std::memcmp(readable + 8190, "through a call", 14), 0);
  EXPECT_EQ(std::memcmp(writable + 8190, "through a call", 14), 0);

  // A map outlives its descriptor, and the name of the file.
  EXPECT_EQ(files_.Close(fd), 0);
  EXPECT_EQ(files_.Unlink("/data/a"), 0);
  writable[0] = 7;
  EXPECT_EQ(readable[0], 7);
  EXPECT_EQ(files_.Unmap(writable, kFileBytes), 0);
  EXPECT_EQ(files_.Unmap(const_cast<uint8_t*>(readable), kFileBytes), 0);
  EXPECT_EQ(files_.misuses(), 0u);
}

TEST_F(SimFileOpsTest, FilesGrowWithZerosAndKeepTheirBytes) {
  const int fd = files_.Open("/data/a", OpenMode::kCreate);
  EXPECT_EQ(files_.PWrite(fd, "abc", 3, 10), 0);
  EXPECT_EQ(files_.Size(fd), 13);
  uint8_t* const map = Map(fd, true, 13);
  EXPECT_EQ(files_.Allocate(fd, 300 * 1024), 0);
  EXPECT_EQ(files_.Allocate(fd, 100), 0);
  EXPECT_EQ(files_.Size(fd), 300 * 1024);
  std::vector<uint8_t> contents(300 * 1024, 0xff);
  EXPECT_EQ(files_.PRead(fd, contents.data(), contents.size() + 5, 0), 300 * 1024);
  EXPECT_EQ(std::memcmp(contents.data() + 10, "abc", 3), 0);
  EXPECT_EQ(std::count(contents.begin(), contents.end(), 0), 300 * 1024 - 3);
  map[10] = 'x';
  EXPECT_EQ(files_.PRead(fd, contents.data(), 3, 10), 3);
  EXPECT_EQ(contents[0], 'x');
  EXPECT_EQ(files_.PRead(fd, contents.data(), 3, 300 * 1024), 0);
}

TEST_F(SimFileOpsTest, MemoryOfEarlierFilesNeverShowsInNewOnes) {
  for (int round = 0; round < 5; ++round) {
    SimFileOps files("/data");
    const int fd = files.Open("/data/a", OpenMode::kCreateNew);
    EXPECT_EQ(files.Allocate(fd, 2 * base::kPageBytes), 0);
    uint8_t* map = nullptr;
    EXPECT_EQ(files.Map(fd, 2 * base::kPageBytes, true, &map), 0);
    EXPECT_EQ(files.Allocate(fd, kFileBytes), 0);
    uint8_t* whole = nullptr;
    EXPECT_EQ(files.Map(fd, kFileBytes, true, &whole), 0);
    EXPECT_EQ(std::count(whole, whole + kFileBytes, 0), static_cast<int64_t>(kFileBytes));
    std::memset(whole, 0xee, kFileBytes);
  }
}

TEST_F(SimFileOpsTest, NamesMoveAndVanish) {
  EXPECT_EQ(files_.MakeDirectory("/data"), -EEXIST);
  EXPECT_EQ(files_.MakeDirectory("/"), -EEXIST);
  EXPECT_EQ(files_.MakeDirectory("/data/shards"), 0);
  EXPECT_EQ(files_.MakeDirectory("/data/shards/"), -EEXIST);
  EXPECT_EQ(files_.Close(Create("/data/new")), 0);
  EXPECT_EQ(files_.Rename("/data/new", "/data/shards/1"), 0);
  EXPECT_EQ(files_.Rename("/data/new", "/data/shards/2"), -ENOENT);
  EXPECT_EQ(files_.Rename("/data/shards", "/data/shards/inside"), -EINVAL);
  EXPECT_EQ(files_.Rename("/data/shards/1", "/data/shards"), -EISDIR);
  EXPECT_EQ(files_.Unlink("/data/shards"), -EISDIR);
  std::vector<std::string> names = {"leftover"};
  EXPECT_EQ(files_.List("/data", &names), 0);
  EXPECT_EQ(names, std::vector<std::string>{"shards"});
  EXPECT_EQ(files_.List("/data/shards", &names), 0);
  EXPECT_EQ(names, std::vector<std::string>{"1"});
  EXPECT_EQ(files_.List("/data/shards/1", &names), -ENOTDIR);
  EXPECT_EQ(files_.SyncDirectory("/data/shards/1"), -ENOTDIR);
  EXPECT_EQ(files_.SyncDirectory("/"), 0);
  EXPECT_EQ(files_.FilePaths(), std::vector<std::string>{"/data/shards/1"});
  EXPECT_EQ(files_.Unlink("/data/shards/1"), 0);
  EXPECT_EQ(files_.Unlink("/data/shards/1"), -ENOENT);
  EXPECT_FALSE(files_.Exists("/data/shards/1"));
}

TEST_F(SimFileOpsTest, TheCapacityBoundsAllocationsAndWrites) {
  files_.SetCapacity(10 * base::kPageBytes);
  const int fd = Create("/data/a", 6 * base::kPageBytes);
  const int other = files_.Open("/data/b", OpenMode::kCreate);
  EXPECT_EQ(files_.Allocate(other, 5 * base::kPageBytes), -ENOSPC);
  EXPECT_EQ(files_.Size(other), 0);
  const std::vector<uint8_t> data(5 * base::kPageBytes, 1);
  EXPECT_EQ(files_.PWrite(other, data.data(), data.size(), 0), -ENOSPC);
  EXPECT_EQ(files_.Size(other), static_cast<int64_t>(4 * base::kPageBytes));
  // What is allocated can be written on a full disk.
  EXPECT_EQ(files_.PWrite(fd, data.data(), data.size(), 0), 0);
  base::FileSystemSpace space = {};
  EXPECT_EQ(files_.FreeSpace("/data", &space), 0);
  EXPECT_EQ(space.bytes_total, 10 * base::kPageBytes);
  EXPECT_EQ(space.bytes_free, 0u);
  // The space of an unlinked file is free once nobody has it open.
  EXPECT_EQ(files_.Unlink("/data/a"), 0);
  EXPECT_EQ(files_.FreeSpace("/data", &space), 0);
  EXPECT_EQ(space.bytes_free, 0u);
  EXPECT_EQ(files_.Close(fd), 0);
  EXPECT_EQ(files_.FreeSpace("/data", &space), 0);
  EXPECT_EQ(space.bytes_free, 6 * base::kPageBytes);
}

TEST_F(SimFileOpsTest, DescriptorsAndMapsHaveLimits) {
  SimLimits limits;
  limits.descriptors_max = 2;
  limits.maps_max = 1;
  SimFileOps files("/data", limits);
  const int fd = files.Open("/data/a", OpenMode::kCreate);
  EXPECT_GT(files.Open("/data/b", OpenMode::kCreate), 0);
  EXPECT_EQ(files.Open("/data/a", OpenMode::kRead), -EMFILE);
  EXPECT_EQ(files.Open("/data/c", OpenMode::kCreate), -EMFILE);
  EXPECT_FALSE(files.Exists("/data/c"));
  EXPECT_EQ(files.Allocate(fd, kFileBytes), 0);
  uint8_t* map = nullptr;
  uint8_t* second = nullptr;
  EXPECT_EQ(files.Map(fd, kFileBytes, false, &map), 0);
  EXPECT_EQ(files.Map(fd, kFileBytes, false, &second), -ENOMEM);
  EXPECT_EQ(files.Unmap(map, kFileBytes), 0);
  EXPECT_EQ(files.Map(fd, kFileBytes, false, &second), 0);
}

TEST_F(SimFileOpsTest, ALockExcludesOtherDescriptorsAndDiesWithItsOwner) {
  const int fd = files_.Open("/data/LOCK", OpenMode::kCreate);
  const int other = files_.Open("/data/LOCK", OpenMode::kCreate);
  EXPECT_EQ(files_.Lock(fd), 0);
  EXPECT_EQ(files_.Lock(fd), 0);
  EXPECT_EQ(files_.Lock(other), -EWOULDBLOCK);
  EXPECT_EQ(files_.Close(fd), 0);
  EXPECT_EQ(files_.Lock(other), 0);

  const std::unique_ptr<SimFileOps> neighbour = files_.Neighbour();
  const int foreign = neighbour->Open("/data/LOCK", OpenMode::kCreate);
  EXPECT_EQ(neighbour->Lock(foreign), -EWOULDBLOCK);
  const std::unique_ptr<SimFileOps> next = files_.Kill();
  EXPECT_EQ(neighbour->Lock(foreign), 0);
  EXPECT_EQ(next->Lock(next->Open("/data/LOCK", OpenMode::kReadWrite)), -EWOULDBLOCK);
}

TEST_F(SimFileOpsTest, MisuseIsRefusedAndCounted) {
  const int fd = Create("/data/a");
  EXPECT_EQ(files_.Close(fd), 0);
  EXPECT_EQ(files_.Close(fd), -EBADF);
  EXPECT_EQ(files_.Size(fd), -EBADF);
  EXPECT_EQ(files_.misuses(), 2u);
  const int readable = files_.Open("/data/a", OpenMode::kRead);
  EXPECT_EQ(files_.PWrite(readable, "x", 1, 0), -EBADF);
  EXPECT_EQ(files_.Allocate(readable, 1), -EBADF);
  uint8_t* map = nullptr;
  EXPECT_EQ(files_.Map(readable, kFileBytes, true, &map), -EACCES);
  EXPECT_EQ(files_.Map(readable, kFileBytes + 1, false, &map), -EINVAL);
  EXPECT_EQ(files_.Map(readable, 0, false, &map), -EINVAL);
  EXPECT_EQ(files_.misuses(), 7u);
  EXPECT_EQ(files_.Map(readable, kFileBytes, false, &map), 0);
  EXPECT_EQ(files_.Populate(map, kFileBytes, false), 0);
  EXPECT_EQ(files_.Populate(map, kFileBytes + 1, false), -ENOMEM);
  EXPECT_EQ(files_.Populate(map, kFileBytes, true), -EINVAL);
  EXPECT_EQ(files_.SyncRange(readable, map + 1, 0, 1), -EINVAL);
  EXPECT_EQ(files_.SyncRange(readable, map, 1, kFileBytes), -ENOMEM);
  EXPECT_EQ(files_.Unmap(map, kFileBytes - 1), -EINVAL);
  EXPECT_EQ(files_.misuses(), 12u);
  EXPECT_EQ(files_.Unmap(map, kFileBytes), 0);
  EXPECT_EQ(files_.Unmap(map, kFileBytes), -EINVAL);
}

TEST_F(SimFileOpsTest, ReadOnlyMapsRefuseStores) {
  const int fd = Create("/data/a");
  uint8_t* const map = Map(fd, false);
  EXPECT_DEATH(*static_cast<volatile uint8_t*>(map) = 1, "");
}

TEST_F(SimFileOpsTest, UnmappedMemoryIsGone) {
  const int fd = Create("/data/a");
  uint8_t* const map = Map(fd, true);
  EXPECT_EQ(::msync(map, kFileBytes, MS_ASYNC), 0);
  const int unmapped = files_.Unmap(map, kFileBytes);
  // Asked at once, and not by a store: whatever allocates next may be given the same addresses.
  const int synced = ::msync(map, kFileBytes, MS_ASYNC);
  const int error = errno;
  EXPECT_EQ(unmapped, 0);
  EXPECT_EQ(synced, -1);
  EXPECT_EQ(error, ENOMEM);
}

TEST_F(SimFileOpsTest, TheTraceNamesEveryCallAndEveryStore) {
  const int fd = Create("/data/a");
  uint8_t* const map = Map(fd, true);
  EXPECT_EQ(files_.TakeCalls().size(), 3u);
  map[100] = 1;
  map[120] = 2;
  map[4095] = 3;
  map[4096] = 4;
  EXPECT_EQ(files_.SyncRange(fd, map, 100, 3996), 0);
  const std::vector<SimCall> calls = files_.TakeCalls();
  ASSERT_EQ(calls.size(), 4u);
  EXPECT_EQ(calls[0].Text(), "store /data/a [100, +21) = 0");
  EXPECT_EQ(calls[1].Text(), "store /data/a [4095, +1) = 0");
  EXPECT_EQ(calls[2].Text(), "store /data/a [4096, +1) = 0");
  EXPECT_EQ(calls[3].Text(), "SyncRange /data/a [100, +3996) = 0");
  EXPECT_EQ(calls[3].file, calls[0].file);
  EXPECT_EQ(files_.call_count(), 4u);
  EXPECT_EQ(files_.Rename("/data/a", "/data/b"), 0);
  EXPECT_EQ(files_.calls().back().Text(), "Rename /data/a -> /data/b [0, +0) = 0");
  files_.SetTracing(false);
  EXPECT_EQ(files_.Size(fd), static_cast<int64_t>(kFileBytes));
  EXPECT_EQ(files_.TakeCalls().size(), 1u);
  EXPECT_EQ(files_.call_count(), 6u);
}

TEST_F(SimFileOpsTest, BeforeCallSeesThePathAndMayTakeImages) {
  const int fd = Create("/data/a");
  std::vector<std::string> seen;
  Random random(1);
  files_.SetBeforeCall([&](const SimCall& call) {
    seen.push_back(call.Text());
    EXPECT_NE(files_.CutPower(&random), nullptr);
  });
  EXPECT_EQ(files_.PWrite(fd, "abc", 3, 7), 0);
  EXPECT_EQ(files_.Unlink("/data/a"), 0);
  EXPECT_EQ(seen,
            (std::vector<std::string>{"PWrite /data/a [7, +3) = 0", "Unlink /data/a [0, +0) = 0"}));
  files_.SetBeforeCall(nullptr);
}

}  // namespace
}  // namespace millrace::support
