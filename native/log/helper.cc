#include "native/log/helper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "native/log/segment_loader.h"
#include "native/log/segment_writer.h"

namespace millrace::log {

namespace {

constexpr auto kTick = std::chrono::milliseconds(250);
constexpr uint32_t kTicksPerSecond = 4;
constexpr uint32_t kTicksPerSweep =
    8;  // so what readers do not use for two to four seconds is let go

}  // namespace

Helper::Helper(CoreContext* context, ScrubSlice scrub_slice)
    : context_(context), scrub_slice_(std::move(scrub_slice)) {}

Helper::~Helper() {
  Stop();
}

void Helper::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Helper::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wanted_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Helper::RequestPopulate(std::shared_ptr<SegmentWriter> writer) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto& queued = work_.populates;
    if (std::find(queued.begin(), queued.end(), writer) != queued.end()) {
      return;
    }
    work_.populates.push_back(std::move(writer));
  }
  wanted_.notify_one();
}

void Helper::RequestIndexFile(std::shared_ptr<Segment> segment, std::vector<uint8_t> snapshot) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    work_.index_files.push_back({std::move(segment), std::move(snapshot)});
  }
  wanted_.notify_one();
}

void Helper::RequestSpare() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    work_.spare = true;
  }
  wanted_.notify_one();
}

void Helper::Run() {
  auto next_tick = std::chrono::steady_clock::now() + kTick;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wanted_.wait_until(lock, next_tick, [this] { return stop_ || !work_.empty(); });
      if (stop_) {
        return;
      }
    }
    const auto now = std::chrono::steady_clock::now();
    RunOnce(now >= next_tick);
    if (now >= next_tick) {
      next_tick = now + kTick;
    }
  }
}

void Helper::RunOnce(bool periodic) {
  Work work;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    work = std::move(work_);
    work_ = Work{};
  }
  Do(work);
  if (periodic) {
    DoPeriodic();
  }
}

void Helper::Do(const Work& work) {
  // First what an appender may be about to wait for.
  for (const auto& writer : work.populates) {
    writer->PopulateAhead();
  }
  if (work.spare && !context_->disk_full.load(std::memory_order_relaxed)) {
    base::Status status;
    do {
      PopulateFirst();
    } while (context_->pool->Refill(&status));
    // Without spares appends go on, as each makes its own file; where that fails too it says so.
    if (status.code() == base::Code::kDiskFull) {
      context_->NoteDiskFull();
    }
  }
  for (const IndexFile& file : work.index_files) {
    PopulateFirst();
    SaveIndex(context_, file.segment.get(), file.snapshot);
  }
}

// Everything else here takes longer than a fast appender needs for the pages that are ready, so it
// is looked before each piece of it whether somebody runs out of them.
void Helper::PopulateFirst() {
  std::vector<std::shared_ptr<SegmentWriter>> writers;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    writers.swap(work_.populates);
  }
  for (const auto& writer : writers) {
    writer->PopulateAhead();
  }
}

void Helper::DoPeriodic() {
  ++ticks_;
  context_->MeasureSpace();
  if (context_->disk_full.load(std::memory_order_relaxed)) {
    context_->pool->ReleaseSpace();
  }
  if (ticks_ % kTicksPerSweep == 0) {
    context_->cache->Sweep();
  }
  if (context_->options.scrub_bytes_per_second != 0) {
    scrub_slice_(context_->options.scrub_bytes_per_second / kTicksPerSecond);
  }
}

}  // namespace millrace::log
