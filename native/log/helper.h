// The second thread of an open log: everything that is better done ahead or later than in an append
// or a commit. Faults pages in ahead of appenders, keeps spare segments ready,
// writes index files, measures free space, lets go of what readers no longer use, scrubs at a set
// pace.
//
// Threads: requests are quick and may come under the lock of a shard.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "native/log/core_context.h"

namespace millrace::log {

class Helper {
 public:
  // `scrub_slice` verifies about that many bytes of sealed segments, going on where it stopped.
  using ScrubSlice = std::function<void(uint64_t bytes)>;

  Helper(CoreContext* context, ScrubSlice scrub_slice);
  ~Helper();
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  void Start();
  void Stop();

  void RequestPopulate(std::shared_ptr<SegmentWriter> writer);
  void RequestIndexFile(std::shared_ptr<Segment> segment, std::vector<uint8_t> snapshot);
  void RequestSpare();

  // Does what is queued, and the periodic work when `periodic`. For inline mode; the thread does
  // the same.
  void RunOnce(bool periodic);

 private:
  struct IndexFile {
    std::shared_ptr<Segment> segment;
    std::vector<uint8_t> snapshot;
  };

  struct Work {
    std::vector<std::shared_ptr<SegmentWriter>> populates;
    std::vector<IndexFile> index_files;
    bool spare = false;

    bool empty() const { return populates.empty() && index_files.empty() && !spare; }
  };

  void Run();
  void Do(const Work& work);
  void PopulateFirst();
  void DoPeriodic();

  CoreContext* const context_;
  const ScrubSlice scrub_slice_;
  uint32_t ticks_ = 0;  // the thread's

  std::mutex mutex_;
  std::condition_variable wanted_;
  Work work_;          // under mutex_
  bool stop_ = false;  // under mutex_
  std::thread thread_;
};

}  // namespace millrace::log
