#include "test/support/sim_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <vector>

#include "native/base/check.h"

namespace millrace::support {

namespace {

constexpr uint64_t kCapacityMin = 64 * 1024;
constexpr uint64_t kPooledBytesMax = 256 * 1024 * 1024;

struct Region {
  int fd;
  uint8_t* data;
  uint64_t capacity;
};

// Regions by the power of two of their capacity.
struct Pool {
  std::mutex mutex;
  std::vector<Region> free[64];
  uint64_t bytes = 0;
};

Pool* ThePool() {
  static Pool* const pool =
      new Pool();  // outlives every file that a static object of a test may hold
  return pool;
}

int CreateAnonymousFile() {
#if defined(__linux__)
  return ::memfd_create("millrace-sim", MFD_CLOEXEC);
#else
  char name[64];
  static int counter = 0;
  std::snprintf(name, sizeof name, "/millrace-%d-%d", static_cast<int>(::getpid()), counter++);
  const int fd = ::shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd >= 0) {
    ::shm_unlink(name);
  }
  return fd;
#endif
}

uint8_t* MapWhole(int fd, uint64_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  MILLRACE_CHECK(at != MAP_FAILED);
  return static_cast<uint8_t*>(at);
}

uint64_t CapacityFor(uint64_t bytes) {
  return std::bit_ceil(bytes < kCapacityMin ? kCapacityMin : bytes);
}

std::vector<Region>* FreeList(uint64_t capacity) {
  return &ThePool()->free[std::countr_zero(capacity)];
}

}  // namespace

std::unique_ptr<SimMemory> SimMemory::Create(uint64_t bytes) {
  const uint64_t capacity = CapacityFor(bytes);
  {
    std::lock_guard<std::mutex> lock(ThePool()->mutex);
    std::vector<Region>* const free = FreeList(capacity);
    if (!free->empty()) {
      const Region region = free->back();
      free->pop_back();
      ThePool()->bytes -= capacity;
      return std::unique_ptr<SimMemory>(new SimMemory(region.fd, region.data, capacity));
    }
  }
  const int fd = CreateAnonymousFile();
  MILLRACE_CHECK(fd >= 0);
  MILLRACE_CHECK(::ftruncate(fd, static_cast<off_t>(capacity)) == 0);
  return std::unique_ptr<SimMemory>(new SimMemory(fd, MapWhole(fd, capacity), capacity));
}

SimMemory::~SimMemory() {
  {
    std::lock_guard<std::mutex> lock(ThePool()->mutex);
    if (ThePool()->bytes + capacity_ <= kPooledBytesMax) {
      FreeList(capacity_)->push_back({fd_, data_, capacity_});
      ThePool()->bytes += capacity_;
      return;
    }
  }
  ::munmap(data_, capacity_);
  ::close(fd_);
}

void SimMemory::Grow(uint64_t bytes) {
  if (bytes <= capacity_) {
    return;
  }
  const uint64_t capacity = CapacityFor(bytes);
  MILLRACE_CHECK(::ftruncate(fd_, static_cast<off_t>(capacity)) == 0);
  ::munmap(data_, capacity_);
  data_ = MapWhole(fd_, capacity);
  capacity_ = capacity;
}

uint8_t* SimMemory::MapView(uint64_t bytes, bool writable) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* const at = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd_, 0);
  return at == MAP_FAILED ? nullptr : static_cast<uint8_t*>(at);
}

void SimMemory::UnmapView(uint8_t* at, uint64_t bytes) {
  MILLRACE_CHECK(::munmap(at, bytes) == 0);
}

void SimMemory::DetachView(uint8_t* at, uint64_t bytes, bool writable, const uint8_t* contents) {
  void* const detached =
      ::mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  MILLRACE_CHECK(detached == at);
  std::memcpy(at, contents, bytes);
  if (!writable) {
    MILLRACE_CHECK(::mprotect(at, bytes, PROT_READ) == 0);
  }
}

}  // namespace millrace::support
