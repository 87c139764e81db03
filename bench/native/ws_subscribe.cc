// The subscribers of the broker benches: any number of them on one shard, each on a connection of
// its own. Says when all have subscribed, and what came of it when each has had its records; some
// of them can stall meanwhile, or all of them can lose their connections at once. Every record has
// to come to each of them once, and in its order. JSON documents on standard output, one a line.
//
// This thread never sleeps while it receives: to wake it would take the sender longer than to send,
// on a virtual machine, and subscribers elsewhere cost no broker that.
//
//   ws_subscribe --port N [--name value]...      kUsage has the names
#include <sys/epoll.h>

#include <array>
#include <cinttypes>
#include <iostream>
#include <memory>

#include "bench/native/harness/measure.h"
#include "bench/native/harness/named_options.h"
#include "bench/native/harness/server_usage.h"
#include "bench/native/harness/subscriber.h"

namespace millrace::bench {

namespace {

constexpr const char* kUsage =
    "usage: ws_subscribe --port N [--name value]...\n"
    "  --server broker|raw           raw: sends without being asked for anything\n"
    "  --server-pid PID              to take its CPU time\n"
    "  --stream NAME --shard ID      what they subscribe to\n"
    "  --from oldest|latest          where they begin\n"
    "  --credit N                    bytes that may be on their way to each\n"
    "  --subscribers N --stalled N   of them, those that do not read until the others are done\n"
    "  --records N --warm-up N       that each gets; of them, before the clock starts\n"
    "  --mode run|live|hold|storm    once all have subscribed: receive; receive what may be more\n"
    "                                than that, as others put; wait for the end of the input;\n"
    "                                lose all connections at a line of the input\n";

struct SubscribeOptions {
  SubscriberPlan plan;
  uint32_t server_pid = 0;
  uint32_t subscribers = 1;
  uint32_t stalled = 0;
  uint64_t records = 1;
  uint64_t warm_up = 0;
  std::string mode;
};

SubscribeOptions ParseSubscribeOptions(int argument_count, char** arguments) {
  const NamedOptions given("ws_subscribe", kUsage,
                           {{"--port", "0"},
                            {"--server", "broker"},
                            {"--server-pid", "0"},
                            {"--stream", "bench"},
                            {"--shard", "0"},
                            {"--from", "latest"},
                            {"--credit", "262144"},
                            {"--subscribers", "1"},
                            {"--stalled", "0"},
                            {"--records", "1"},
                            {"--warm-up", "0"},
                            {"--mode", "run"}},
                           argument_count, arguments);
  SubscribeOptions options;
  options.plan.port = static_cast<uint16_t>(given.Number("--port"));
  options.plan.is_raw = given.Text("--server") == "raw";
  options.plan.stream = given.Text("--stream");
  options.plan.shard_id = given.Text("--shard");
  options.plan.from_oldest = given.Text("--from") == "oldest";
  options.plan.credit_bytes = given.Count("--credit");
  options.server_pid = given.Count("--server-pid");
  options.subscribers = given.Count("--subscribers");
  options.stalled = given.Count("--stalled");
  options.records = given.Number("--records");
  options.warm_up = given.Number("--warm-up");
  options.mode = given.Text("--mode");
  if (options.plan.port == 0 || options.subscribers <= options.stalled ||
      options.records <= options.warm_up) {
    given.ExitWithUsage("a port, more subscribers than stall, more records than the warm-up");
  }
  return options;
}

// Waits for a line of the input, or its end.
void AwaitLine() {
  std::string line;
  std::getline(std::cin, line);
}

void PrintLine(const std::string& json) {
  std::printf("%s\n", json.c_str());
  std::fflush(stdout);
}

// All subscribers, and the clock around the records that are measured.
class Crowd : public SubscriberOwner {
 public:
  explicit Crowd(const SubscribeOptions& options)
      : options_(options),
        reading_(options.subscribers - options.stalled),
        warm_up_(options.warm_up * reading_),
        wanted_(options.records * reading_),
        buffer_(kReceiveBytes),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (uint32_t i = 0; i < options.subscribers; ++i) {
      subscribers_.push_back(std::make_unique<Subscriber>(options.plan, this));
    }
  }

  ~Crowd() override { ::close(epoll_); }

  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // From now until all of them have subscribed, and says how long that took.
  void SubscribeAll() {
    StartClock();
    subscribed_ = 0;
    for (uint32_t index = 0; index < subscribers_.size(); ++index) {
      subscribers_[index]->Connect(epoll_, index);
      // So that connections are taken while others begin.
      HandleEvents();
    }
    HandleEventsUntil([this] { return subscribed_ == subscribers_.size(); });
    StopClock();
    PrintLine(base::Format(
        "{\"subscribed\":%zu,\"seconds\":%.6f,\"idleShare\":%.4f,\"serverCpuSeconds\":%.6f}",
        subscribed_, seconds_, idle_seconds_ / seconds_, server_cpu_seconds_));
  }

  void DropAll() {
    for (const auto& subscriber : subscribers_) {
      subscriber->Drop();
    }
  }

  void Stall(bool stalls) {
    for (uint32_t index = reading_; index < subscribers_.size(); ++index) {
      subscribers_[index]->SetReading(epoll_, index, !stalls);
    }
  }

  // Receives until each of those that read has had its records.
  void Receive() {
    StartClock();
    HandleEventsUntil([this] { return taken_ >= wanted_; });
  }

  // The same for those that were stalled. Returns how long it took.
  double Resume() {
    const double start = NowSeconds();
    wanted_ += options_.records * options_.stalled;
    Stall(false);
    HandleEventsUntil([this] { return taken_ >= wanted_; });
    return NowSeconds() - start;
  }

  // Ends the bench unless each of the first `count` has had its records, no fewer, and no more
  // where nobody else puts any.
  std::string Verify(size_t count) const {
    for (size_t i = 0; i < count; ++i) {
      const uint64_t records = subscribers_[i]->records();
      const bool is_more = records > options_.records && options_.mode != "live";
      if (records < options_.records || is_more) {
        Fail(base::Format("subscriber %zu had %" PRIu64 " records instead of %" PRIu64, i, records,
                          options_.records));
      }
    }
    return base::Format("%zu x %" PRIu64 " records, each once and in order", count,
                        options_.records);
  }

  void PrintReport() const {
    uint64_t slices = 0;
    uint64_t batches = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < reading_; ++i) {
      slices += subscribers_[i]->slices();
      batches += subscribers_[i]->batches();
      bytes += subscribers_[i]->bytes();
    }
    const auto all = static_cast<double>(wanted_);
    const auto measured = static_cast<double>(wanted_ - warm_up_);
    PrintLine(base::Format(
        "{\"records\":%.0f,\"frames\":%.0f,\"bytes\":%.0f,\"batchesPerFrame\":%.3f,"
        "\"seconds\":%.6f,\"idleShare\":%.4f,\"serverCpuSeconds\":%.6f,\"verified\":\"%s\"}",
        measured, static_cast<double>(slices) * measured / all,
        static_cast<double>(bytes) * measured / all,
        static_cast<double>(batches) / static_cast<double>(slices), seconds_,
        idle_seconds_ / seconds_, server_cpu_seconds_, Verify(reading_).c_str()));
  }

  void Subscribed() override { subscribed_ += 1; }

  void Took(uint64_t /*first_sequence*/, uint32_t count) override {
    const uint64_t before = taken_;
    taken_ += count;
    if (before < warm_up_ && taken_ >= warm_up_) {
      StartClock();
    }
    if (before < wanted_ && taken_ >= wanted_) {
      StopClock();
    }
  }

 private:
  static constexpr double kPatienceSeconds = 30;
  static constexpr size_t kReceiveBytes = 512 * 1024;

  template <typename IsSo>
  void HandleEventsUntil(IsSo is_so) {
    double last_seconds = NowSeconds();  // when something came, or when it was last looked
    double waited_seconds = 0;
    while (!is_so()) {
      const bool has_come = HandleEvents();
      const double now = NowSeconds();
      waited_seconds = has_come ? 0 : waited_seconds + (now - last_seconds);
      idle_seconds_ += has_come ? 0 : now - last_seconds;
      last_seconds = now;
      if (waited_seconds > kPatienceSeconds) {
        Fail("nothing came for 30 seconds");
      }
    }
  }

  // Returns whether there was any.
  bool HandleEvents() {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      subscribers_[event.data.u32]->Handle(event.events, epoll_, event.data.u32, &buffer_);
    }
    return count > 0;
  }

  void StartClock() {
    start_server_cpu_seconds_ = CpuSecondsOf(options_.server_pid);
    idle_seconds_ = 0;
    start_seconds_ = NowSeconds();
  }

  void StopClock() {
    seconds_ = NowSeconds() - start_seconds_;
    server_cpu_seconds_ = CpuSecondsOf(options_.server_pid) - start_server_cpu_seconds_;
  }

  const SubscribeOptions& options_;
  const uint32_t reading_;
  const uint64_t warm_up_;  // of all that read, together
  uint64_t wanted_;
  uint64_t taken_ = 0;
  size_t subscribed_ = 0;
  std::vector<uint8_t> buffer_;
  const int epoll_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  double start_seconds_ = 0;
  double idle_seconds_ = 0;
  double start_server_cpu_seconds_ = 0;
  double seconds_ = 0;
  double server_cpu_seconds_ = 0;
};

void Run(const SubscribeOptions& options) {
  Crowd crowd(options);
  crowd.SubscribeAll();
  if (options.mode == "hold") {
    AwaitLine();
    return;
  }
  if (options.mode == "storm") {
    AwaitLine();
    crowd.DropAll();
    crowd.SubscribeAll();
  }
  crowd.Stall(true);
  crowd.Receive();
  crowd.PrintReport();
  if (options.stalled > 0) {
    AwaitLine();
    const double seconds = crowd.Resume();
    PrintLine(base::Format("{\"seconds\":%.6f,\"verified\":\"%s\"}", seconds,
                           crowd.Verify(options.subscribers).c_str()));
  }
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  PinToLastProcessor();
  Run(ParseSubscribeOptions(argument_count, arguments));
  return 0;
}
