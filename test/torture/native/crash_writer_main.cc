// The crash loop: a child opens a log, reads all of it, writes to it and is killed at a random
// moment, again and again, in one directory. The parent never touches the log; it hears through a
// pipe what the child does and is told, and judges every full read against the whole history.
//
//   crash_writer_main --dir DIRECTORY [--count KILLS] [--seed N]
//
// Most kills come U(0, 20 ms) after the child has read everything and begun to write; some come
// U(0, 20 ms) after its start, in the middle of the recovery from the kill before; and some rounds
// end with a clean close.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "native/base/check.h"
#include "native/log/core.h"
#include "test/torture/native/arguments.h"
#include "test/torture/native/full_read.h"
#include "test/torture/native/history.h"
#include "test/torture/native/log_writer.h"

namespace millrace::torture {
namespace {

constexpr uint64_t kKillMicrosMax = 20'000;
constexpr uint64_t kHangMicros = 60'000'000;
constexpr uint64_t kCleanSteps = 20;
constexpr uint32_t kUniformDataBytes = 8000;
constexpr uint64_t kKillsPerKind = 100;        // any sizes and uniform ones take turns
constexpr uint64_t kRoundsPerSecondHint = 16;  // how often progress is printed

uint64_t NowMicros() {
  struct timespec now;
  MILLRACE_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

enum class RoundEnd : uint8_t { kKillWhileWriting, kKillWhileOpening, kCloseCleanly };

struct Round {
  uint64_t seed;
  RoundEnd end;
  uint64_t kill_micros;
  bool uniform;
};

Round DrawRound(Random* random, uint64_t kills) {
  Round round;
  round.uniform = kills / kKillsPerKind % 2 != 0;
  const uint64_t kind = random->Below(100);
  round.seed = random->Next();
  round.kill_micros = random->Below(kKillMicrosMax);
  round.end = kind < 80   ? RoundEnd::kKillWhileWriting
              : kind < 95 ? RoundEnd::kKillWhileOpening
                          : RoundEnd::kCloseCleanly;
  return round;
}

// Few shards that fill their segments with batches of one size: after a crash the segments begin
// with the numbers with which lost ones began.
void MakeUniform(LogWriterOptions* options) {
  options->sizes.every_data_bytes = kUniformDataBytes;
  options->shards_max = 2;
  options->unanswered_max = 64;
  options->os_percent = 0;
  options->trim_one_in = 400;
}

// The life of the child. Ends by being killed, or by _exit, so that nothing of the parent's state
// is torn down twice.
[[noreturn]] void RunChild(const std::string& directory, const Round& round, int fd) {
  EventWriter events(fd, "");
  Random random(round.seed);
  log::CoreOptions core_options;
  core_options.segment_bytes_max = random.OneIn(2) ? 1024 * 1024 : format::kSegmentBytesMin;
  core_options.align_commits = random.OneIn(8);
  std::shared_ptr<log::Core> core;
  base::Status status = log::Core::Open(directory, core_options, &core);
  if (status.ok()) {
    Event opened{EventKind::kOpened};
    opened.sequence = core->GetStats().opened_clean ? 1 : 0;
    events.Put(opened);
    ReadEverything(core.get(), &events);
    LogWriterOptions options;
    options.seed = random.Next();
    options.os_percent = random.OneIn(2) ? 0 : 30;
    options.serve = random.OneIn(4);
    options.unanswered_max = static_cast<uint32_t>(random.Between(1, 32));
    if (round.uniform) {
      MakeUniform(&options);
    }
    options.step_count = round.end == RoundEnd::kCloseCleanly ? kCleanSteps : UINT64_MAX;
    LogWriter writer(core.get(), core_options.inline_mode, options, &events);
    status = writer.Run();
  }
  if (status.ok()) {
    status = core->Close();
  }
  if (status.ok()) {
    events.Put(Event{EventKind::kClosed});
    _exit(0);
  }
  std::fprintf(stderr, "%s: %s\n", base::CodeName(status.code()), status.message().c_str());
  _exit(1);
}

// Passes events to the judge and notes what the loop itself wants to know.
class Listener final : public EventSink {
 public:
  explicit Listener(History* history) : history_(history) {}

  using EventSink::Put;

  void Put(const Event& event, const uint64_t* hashes) override {
    history_->Put(event, hashes);
    opened_clean_ = opened_clean_ || (event.kind == EventKind::kOpened && event.sequence == 1);
    opened_ = opened_ || event.kind == EventKind::kOpened;
    all_read_ = all_read_ || event.kind == EventKind::kAllRead;
    closed_ = closed_ || event.kind == EventKind::kClosed;
  }

  bool opened() const { return opened_; }

  bool opened_clean() const { return opened_clean_; }

  bool all_read() const { return all_read_; }

  bool closed() const { return closed_; }

 private:
  History* history_;
  bool opened_ = false;
  bool opened_clean_ = false;
  bool all_read_ = false;
  bool closed_ = false;
};

class CrashLoop {
 public:
  CrashLoop(std::string directory, uint64_t seed)
      : directory_(std::move(directory)), random_(seed) {}

  // One life of a child. False when the loop cannot go on.
  bool Run(const Round& round) {
    int ends[2];
    MILLRACE_CHECK(pipe2(ends, O_CLOEXEC) == 0);
    const pid_t child = fork();
    MILLRACE_CHECK(child >= 0);
    if (child == 0) {
      close(ends[0]);
      RunChild(directory_, round, ends[1]);
    }
    close(ends[1]);
    Listener listener(&history_);
    const bool killed = Follow(child, round, ends[0], &listener);
    close(ends[0]);
    int status = 0;
    MILLRACE_CHECK(waitpid(child, &status, 0) == child);
    kills_ += killed ? 1 : 0;
    return Judge(killed, status, listener);
  }

  Round Draw() { return DrawRound(&random_, kills_); }

  uint64_t kills() const { return kills_; }

  const History& history() const { return history_; }

 private:
  // Reads the pipe until the child is gone; kills it when its time has come. True when it was
  // killed as planned.
  bool Follow(pid_t child, const Round& round, int fd, Listener* listener) {
    const uint64_t started = NowMicros();
    uint64_t kill_at = UINT64_MAX;
    if (round.end == RoundEnd::kKillWhileOpening) {
      kill_at = started + round.kill_micros;
    }
    bool killed = false;
    EventReader reader;
    std::vector<uint8_t> buffer(1 << 16);
    for (;;) {
      const uint64_t now = NowMicros();
      if (!killed && now >= kill_at) {
        MILLRACE_CHECK(kill(child, SIGKILL) == 0);
        killed = true;
      }
      if (!killed && now > started + kHangMicros) {
        std::fprintf(stderr, "violation: the child hangs\n");
        hung_ = true;
        MILLRACE_CHECK(kill(child, SIGKILL) == 0);
        killed = true;
      }
      struct pollfd readable = {fd, POLLIN, 0};
      const uint64_t wait = kill_at == UINT64_MAX || killed ? 100'000 : kill_at - now;
      const struct timespec timeout = {0,
                                       static_cast<long>(std::min<uint64_t>(wait, 100'000) * 1000)};
      if (ppoll(&readable, 1, &timeout, nullptr) <= 0) {
        continue;
      }
      const ssize_t bytes = read(fd, buffer.data(), buffer.size());
      if (bytes == 0) {
        return killed;
      }
      MILLRACE_CHECK(bytes > 0);
      reader.Feed(buffer.data(), static_cast<size_t>(bytes), listener);
      if (!killed && !history_.violations().empty()) {
        // The directory is evidence: as little as can be is to be written to it from now on.
        MILLRACE_CHECK(kill(child, SIGKILL) == 0);
        killed = true;
      }
      if (round.end == RoundEnd::kKillWhileWriting && kill_at == UINT64_MAX &&
          listener->all_read()) {
        kill_at = NowMicros() + round.kill_micros;
      }
    }
  }

  bool Judge(bool killed, int status, const Listener& listener) {
    bool good = !hung_ && history_.violations().empty();
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
      std::fprintf(stderr, "violation: the child ended by itself, %s %d\n",
                   WIFSIGNALED(status) ? "by signal" : "with status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
      good = false;
    }
    if (listener.opened() && closed_cleanly_ && !listener.opened_clean()) {
      std::fprintf(stderr,
                   "violation: a log that was closed cleanly was scanned when it was opened\n");
      good = false;
    }
    if (listener.opened() || listener.closed()) {
      closed_cleanly_ = listener.closed();
    } else if (killed) {
      closed_cleanly_ = false;
    }
    return good;
  }

  std::string directory_;
  Random random_;
  History history_{Outage::kProcess};
  uint64_t kills_ = 0;
  bool hung_ = false;
  bool closed_cleanly_ = false;
};

int Main(const Arguments& arguments) {
  const uint64_t count = arguments.Number("count", 1000);
  const std::string directory = arguments.Needed("dir");
  CrashLoop loop(directory, arguments.Number("seed", 1));
  bool good = true;
  while (good && loop.kills() < count) {
    good = loop.Run(loop.Draw());
    if (loop.kills() % kRoundsPerSecondHint == 0) {
      std::printf("progress %" PRIu64 "\n", loop.kills());
      std::fflush(stdout);
    }
  }
  // Twice cleanly at the end: the first opens what the last kill left, the second what the first
  // closed.
  for (int i = 0; i < 2 && good; i++) {
    Round last = loop.Draw();
    last.end = RoundEnd::kCloseCleanly;
    good = loop.Run(last);
  }
  for (const std::string& violation : loop.history().violations()) {
    std::fprintf(stderr, "violation: %s\n", violation.c_str());
  }
  std::printf("result {\"trials\": %" PRIu64 ", \"note\": \"%" PRIu64 " full reads, %" PRIu64
              " records acknowledged\", \"fullReads\": %" PRIu64 ", \"acked\": %" PRIu64 "}\n",
              loop.kills(), loop.history().full_read_count(), loop.history().acked_record_count(),
              loop.history().full_read_count(), loop.history().acked_record_count());
  return good ? 0 : 1;
}

}  // namespace
}  // namespace millrace::torture

int main(int count, char** values) {
  return millrace::torture::Main(millrace::torture::Arguments(count, values));
}
