#include "native/log/core_context.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "native/base/cpu.h"
#include "native/log/core.h"

namespace millrace::log {

namespace {

constexpr uint64_t kDefaultMapsMax = 65530;  // vm.max_map_count as kernels ship it
constexpr uint32_t kMappedSegmentsMin = 16;

// A quarter of the maps that the process may have: writers take as many again, and the host of an
// embedded log wants the rest.
uint32_t DefaultMappedSegments() {
  struct rlimit files {};

  const uint64_t files_max =
      getrlimit(RLIMIT_NOFILE, &files) == 0 ? static_cast<uint64_t>(files.rlim_cur) : 1024;
  const uint64_t quarter = std::min(files_max, kDefaultMapsMax) / 4;
  return static_cast<uint32_t>(std::clamp<uint64_t>(quarter, kMappedSegmentsMin, 16384));
}

// Half of the descriptors; beyond that a shard lets go of its file after each commit.
uint32_t OpenWritersMax() {
  struct rlimit files {};

  const uint64_t files_max =
      getrlimit(RLIMIT_NOFILE, &files) == 0 ? static_cast<uint64_t>(files.rlim_cur) : 1024;
  return static_cast<uint32_t>(std::min(files_max, kDefaultMapsMax) / 2);
}

constexpr uint64_t kLowWaterPercent = 5;
constexpr uint64_t kLowWaterSegments = 2;

}  // namespace

CoreContext::CoreContext(std::string path, const CoreOptions& core_options)
    : options(core_options),
      file_ops(core_options.file_ops != nullptr ? core_options.file_ops : base::PosixFileOps()),
      clock(core_options.clock != nullptr ? core_options.clock : base::SystemClock()),
      keyring(core_options.crypto != nullptr ? core_options.crypto : base::SystemCrypto()),
      directory(file_ops, std::move(path)),
      manifest(file_ops, &directory),
      pool(std::make_shared<SegmentPool>(file_ops, directory.log_path(),
                                         core_options.spare_segments)),
      committed(std::make_shared<CommittedTable>()),
      listener_turn(core_options.listener_wait_micros_max, core_options.current_processor != nullptr
                                                               ? core_options.current_processor
                                                               : base::CurrentProcessor),
      open_writers_max(OpenWritersMax()) {}

void CoreContext::MakeCache() {
  cache = std::make_unique<SegmentCache>(
      options.mapped_segments_max != 0 ? options.mapped_segments_max : DefaultMappedSegments(),
      directory.id());
}

void CoreContext::NotifyCommitted() {
  const std::lock_guard<std::mutex> lock(listeners_mutex);
  for (CommitListener* listener : listeners) {
    listener->OnCommitted();
  }
}

void CoreContext::MeasureSpace() {
  base::FileSystemSpace space{};
  if (file_ops->FreeSpace(directory.log_path(), &space) != 0) {
    return;  // unknown: an allocation that fails will tell
  }
  uint64_t low = options.disk_low_water_bytes;
  if (low == 0) {
    low = std::max(space.bytes_total / 100 * kLowWaterPercent,
                   kLowWaterSegments * options.segment_bytes_max);
  }
  const uint64_t high = low + std::max(low / 4, options.segment_bytes_max);
  counters.disk_bytes_free.store(space.bytes_free, std::memory_order_relaxed);
  disk_low_water.store(low, std::memory_order_relaxed);
  if (space.bytes_free < low) {
    NoteDiskFull();
  } else if (space.bytes_free >= high) {
    disk_full.store(false, std::memory_order_relaxed);
    pool->SetRecycling(true);
  }
}

void CoreContext::NoteDiskFull() {
  disk_full.store(true, std::memory_order_relaxed);
  pool->SetRecycling(false);
}

void CoreContext::GiveSpaceBack() {
  NoteDiskFull();
  pool->ReleaseSpace();
}

void CoreContext::Fail(const base::Status& status) {
  {
    const std::lock_guard<std::mutex> lock(failure_mutex_);
    if (failed.load(std::memory_order_relaxed)) {
      return;
    }
    failure_ = status;
    failed.store(true, std::memory_order_release);
  }
}

base::Status CoreContext::failure() const {
  const std::lock_guard<std::mutex> lock(failure_mutex_);
  return failure_;
}

base::Status CoreContext::DiskFullStatus() const {
  const auto mebibytes = [](uint64_t bytes) {
    return static_cast<unsigned long long>(bytes / (1024 * 1024));
  };
  const uint64_t low = disk_low_water.load(std::memory_order_relaxed);
  return base::Status(
      base::Code::kDiskFull,
      base::Format("%s: the disk is full (%llu MiB free, the low-water mark is %llu MiB, set by "
                   "diskLowWaterBytes); "
                   "free or trim space, appends resume by themselves",
                   directory.path().c_str(),
                   mebibytes(counters.disk_bytes_free.load(std::memory_order_relaxed)),
                   mebibytes(low)));
}

}  // namespace millrace::log
