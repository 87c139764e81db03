#include "native/addon/control_thread.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace millrace::addon {

namespace {

// A thread and its queue. std::thread reports failure by throwing, which this build cannot catch;
// hence pthread.
class Worker {
 public:
  bool Run(std::function<void()> job) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!started_) {
      stopping_ = false;
      started_ = pthread_create(&thread_, nullptr, Main, this) == 0;
      if (!started_) {
        return false;
      }
    }
    jobs_.push_back(std::move(job));
    changed_.notify_one();
    return true;
  }

  // Runs what is queued to its end. Nobody calls Run at the same time.
  void Join() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!started_) {
        return;
      }
      stopping_ = true;
      changed_.notify_one();
    }
    pthread_join(thread_, nullptr);
    const std::lock_guard<std::mutex> lock(mutex_);
    started_ = false;
  }

 private:
  static void* Main(void* self) {
    pthread_setname_np(pthread_self(), "millrace-ctl");
    static_cast<Worker*>(self)->Loop();
    return nullptr;
  }

  void Loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) {
        return;
      }
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // what it holds may lock something
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;  // under mutex_
  pthread_t thread_ = {};                   // under mutex_
  bool started_ = false;                    // under mutex_
  bool stopping_ = false;                   // under mutex_
};

struct Threads {
  std::mutex mutex;
  int user_count = 0;  // under mutex
  Worker change;
  Worker scan;
};

// Never destroyed: workers may still run while the process's statics are torn down.
Threads* ProcessThreads() {
  static Threads* const threads = new Threads;
  return threads;
}

}  // namespace

void ControlThread::AddUser() {
  Threads* const threads = ProcessThreads();
  const std::lock_guard<std::mutex> lock(threads->mutex);
  ++threads->user_count;
}

void ControlThread::RemoveUser() {
  Threads* const threads = ProcessThreads();
  // Held while joining: an environment that comes now waits, and starts the threads anew
  // afterwards.
  const std::lock_guard<std::mutex> lock(threads->mutex);
  if (--threads->user_count == 0) {
    threads->scan.Join();
    threads->change.Join();
  }
}

bool ControlThread::Run(Lane lane, std::function<void()> job) {
  Threads* const threads = ProcessThreads();
  return (lane == Lane::kScan ? threads->scan : threads->change).Run(std::move(job));
}

}  // namespace millrace::addon
