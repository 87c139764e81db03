// Put to push: one connection puts single records at the times of a timetable, whatever the broker
// does, and another one is subscribed to their shard. The time of a record runs from when it was to
// be put to when it was received: a broker that holds up the puts cannot hide that. This thread
// never sleeps, as its own wake-ups would be measured. One JSON document on standard output.
//
//   ws_latency --port N [--name value]...      kUsage has the names
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <limits>
#include <memory>

#include "bench/native/harness/measure.h"
#include "bench/native/harness/named_options.h"
#include "bench/native/harness/put_answers.h"
#include "bench/native/harness/put_frames.h"
#include "bench/native/harness/server_usage.h"
#include "bench/native/harness/subscriber.h"

namespace millrace::bench {

namespace {

constexpr const char* kUsage =
    "usage: ws_latency --port N [--name value]...\n"
    "  --server broker|raw           raw: relays each message, and looks at none\n"
    "  --server-pid PID              to take its CPU time\n"
    "  --stream NAME                 of one shard\n"
    "  --durability os|disk\n"
    "  --subscribers N               all of which are measured\n"
    "  --record-bytes N\n"
    "  --rate N                      records a second\n"
    "  --records N --warm-up N       in all; of them, before anything is measured\n";

struct LatencyOptions {
  SubscriberPlan plan;
  FrameOptions frames;
  uint32_t server_pid = 0;
  uint32_t subscribers = 1;
  double rate = 1000;
  uint64_t records = 1;
  uint64_t warm_up = 0;
};

LatencyOptions ParseLatencyOptions(int argument_count, char** arguments) {
  const NamedOptions given("ws_latency", kUsage,
                           {{"--port", "0"},
                            {"--server", "broker"},
                            {"--server-pid", "0"},
                            {"--stream", "bench"},
                            {"--durability", "os"},
                            {"--subscribers", "1"},
                            {"--record-bytes", "100"},
                            {"--rate", "1000"},
                            {"--records", "1"},
                            {"--warm-up", "0"}},
                           argument_count, arguments);
  LatencyOptions options;
  options.plan.port = static_cast<uint16_t>(given.Number("--port"));
  options.plan.is_raw = given.Text("--server") == "raw";
  options.plan.stream = given.Text("--stream");
  options.frames.kind = PutKind::kRecord;
  options.frames.stream = given.Text("--stream");
  options.frames.durability = given.Text("--durability");
  options.frames.shards = 1;
  options.frames.records = 1;
  options.frames.record_bytes = given.Count("--record-bytes");
  options.frames.frames = 1024;
  options.server_pid = given.Count("--server-pid");
  options.subscribers = given.Count("--subscribers");
  options.rate = static_cast<double>(given.Number("--rate"));
  options.records = given.Number("--records");
  options.warm_up = given.Number("--warm-up");
  if (options.plan.port == 0 || options.subscribers == 0 || options.rate == 0 ||
      options.records <= options.warm_up) {
    given.ExitWithUsage("a port, a subscriber, a rate, more records than the warm-up");
  }
  return options;
}

// When each record is to be put.
class Timetable {
 public:
  explicit Timetable(double rate) : seconds_per_record_(1 / rate) {}

  void Start() { start_ = NowSeconds() + kLeadSeconds; }

  double DueAt(uint64_t record) const {
    return start_ + static_cast<double>(record) * seconds_per_record_;
  }

 private:
  static constexpr double kLeadSeconds = 0.01;

  const double seconds_per_record_;
  double start_ = std::numeric_limits<double>::infinity();
};

// Sends each record when it is due, or as soon after that as the socket takes it.
class TimedProducer {
 public:
  TimedProducer(const LatencyOptions& options, const Timetable& timetable)
      : options_(options),
        timetable_(timetable),
        socket_(options.plan.port),
        ring_(options.frames),
        accounts_(1),
        answers_(options.frames, &accounts_) {}

  int fd() const { return socket_.fd(); }

  uint64_t answered() const { return answered_; }

  double late_share() const {
    return static_cast<double>(late_) / static_cast<double>(options_.records);
  }

  void SendDue() {
    const double now = NowSeconds();
    while (sent_ < options_.records && sent_ - answered_ < kInFlightMax &&
           timetable_.DueAt(sent_) <= now && SendNext()) {
      late_ += now - timetable_.DueAt(sent_) > kLateSeconds ? 1 : 0;
      sent_ += 1;
    }
  }

  void Receive() {
    socket_.Receive([this](const uint8_t* payload, size_t bytes) {
      constexpr uint8_t kWelcome = 0x01;
      if (bytes > 1 && payload[1] == kWelcome && !options_.plan.is_raw) {
        return;
      }
      if (!options_.plan.is_raw) {
        MessageReader reader(payload, bytes);
        const uint32_t request_id = answers_.ReadHead(&reader);
        answers_.ReadBody(&reader, ring_.frame(request_id % ring_.size()));
      }
      answered_ += 1;
    });
  }

 private:
  // What the broker allows; a record that has to wait for this has its time run on.
  static constexpr uint64_t kInFlightMax = 1024;
  // Later than this the time of a record says more about the generator than about the broker.
  static constexpr double kLateSeconds = 50e-6;

  // Returns false when the socket is full. A frame that it took in part is finished later.
  bool SendNext() {
    const auto index = static_cast<uint32_t>(sent_ % ring_.size());
    const PutFrame& frame = ring_.frame(index);
    if (sent_bytes_ == 0) {
      ring_.SetRequestId(index, static_cast<uint32_t>(sent_));
    }
    const size_t bytes = frame.end - frame.start;
    sent_bytes_ += socket_.Send(ring_.bytes() + frame.start + sent_bytes_, bytes - sent_bytes_);
    const bool is_sent = sent_bytes_ == bytes;
    sent_bytes_ = is_sent ? 0 : sent_bytes_;
    return is_sent;
  }

  const LatencyOptions& options_;
  const Timetable& timetable_;
  WebSocket socket_;
  FrameRing ring_;
  std::vector<ShardAccount> accounts_;
  PutAnswers answers_;
  uint64_t sent_ = 0;
  size_t sent_bytes_ = 0;  // of the next frame
  uint64_t answered_ = 0;
  uint64_t late_ = 0;
};

// Takes the time of each record that its subscriber gets.
class TimedOwner : public SubscriberOwner {
 public:
  TimedOwner(const LatencyOptions& options, const Timetable& timetable)
      : options_(options), timetable_(timetable) {
    micros_.reserve(options.records);
  }

  bool is_subscribed() const { return is_subscribed_; }

  uint64_t received() const { return received_; }

  const std::vector<double>& micros() const { return micros_; }

  void Subscribed() override { is_subscribed_ = true; }

  // The records come in the order in which they were put: one connection, one shard.
  void Took(uint64_t /*first_sequence*/, uint32_t count) override {
    const double now = NowSeconds();
    for (uint32_t i = 0; i < count; ++i, ++received_) {
      if (received_ >= options_.warm_up) {
        micros_.push_back((now - timetable_.DueAt(received_)) * 1e6);
      }
    }
  }

 private:
  const LatencyOptions& options_;
  const Timetable& timetable_;
  bool is_subscribed_ = false;
  uint64_t received_ = 0;
  std::vector<double> micros_;
};

class LatencyRun {
 public:
  explicit LatencyRun(const LatencyOptions& options)
      : options_(options),
        timetable_(options.rate),
        producer_(options, timetable_),
        buffer_(kReceiveBytes),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = options.subscribers;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, producer_.fd(), &event) != 0) {
      Fail("epoll_ctl failed");
    }
    for (uint32_t index = 0; index < options.subscribers; ++index) {
      owners_.push_back(std::make_unique<TimedOwner>(options, timetable_));
      subscribers_.push_back(std::make_unique<Subscriber>(options.plan, owners_.back().get()));
      subscribers_.back()->Connect(epoll_, index);
    }
  }

  ~LatencyRun() { ::close(epoll_); }

  LatencyRun(const LatencyRun&) = delete;
  LatencyRun& operator=(const LatencyRun&) = delete;

  void Run() {
    Until([](const TimedOwner& owner) { return owner.is_subscribed(); });
    timetable_.Start();
    const double server_cpu_start = CpuSecondsOf(options_.server_pid);
    const double cpu_start = ThreadUsage().cpu_seconds;
    const double start = NowSeconds();
    Until([this](const TimedOwner& owner) { return owner.received() >= options_.records; });
    server_cpu_seconds_ = CpuSecondsOf(options_.server_pid) - server_cpu_start;
    cpu_seconds_ = ThreadUsage().cpu_seconds - cpu_start;
    server_cpu_share_ = server_cpu_seconds_ / (NowSeconds() - start);
    while (producer_.answered() < options_.records) {
      Step();
    }
  }

  void Print() const {
    std::vector<double> micros;
    for (const auto& owner : owners_) {
      micros.insert(micros.end(), owner->micros().begin(), owner->micros().end());
    }
    std::sort(micros.begin(), micros.end());
    std::printf(
        "{\"p50Micros\":%.1f,\"p90Micros\":%.1f,\"p99Micros\":%.1f,\"p999Micros\":%.1f,"
        "\"p9999Micros\":%.1f,\"maxMicros\":%.1f,\"lateShare\":%.5f,\"serverCpuShare\":%.4f,"
        "\"serverCpuSeconds\":%.6f,\"cpuSeconds\":%.6f,\"verified\":\"%s\"}\n",
        QuantileOf(micros, 0.5), QuantileOf(micros, 0.9), QuantileOf(micros, 0.99),
        QuantileOf(micros, 0.999), QuantileOf(micros, 0.9999), QuantileOf(micros, 1),
        producer_.late_share(), server_cpu_share_, server_cpu_seconds_, cpu_seconds_,
        base::Format("%u x %" PRIu64 " records, each once and in order", options_.subscribers,
                     options_.records)
            .c_str());
  }

 private:
  static constexpr size_t kReceiveBytes = 256 * 1024;
  static constexpr double kPatienceSeconds = 30;

  template <typename IsSo>
  void Until(IsSo is_so) {
    const double end =
        NowSeconds() + kPatienceSeconds + static_cast<double>(options_.records) / options_.rate;
    for (const auto& owner : owners_) {
      while (!is_so(*owner)) {
        Step();
        if (NowSeconds() > end) {
          Fail("records did not come in time");
        }
      }
    }
  }

  void Step() {
    producer_.SendDue();
    std::array<epoll_event, 128> events{};
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      const uint32_t index = event.data.u32;
      if (index == options_.subscribers) {
        producer_.Receive();
      } else {
        subscribers_[index]->Handle(event.events, epoll_, index, &buffer_);
      }
    }
  }

  const LatencyOptions& options_;
  Timetable timetable_;
  TimedProducer producer_;
  std::vector<uint8_t> buffer_;
  const int epoll_;
  std::vector<std::unique_ptr<TimedOwner>> owners_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  double server_cpu_share_ = 0;
  double server_cpu_seconds_ = 0;
  double cpu_seconds_ = 0;
};

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  PinToLastProcessor();
  const LatencyOptions options = ParseLatencyOptions(argument_count, arguments);
  LatencyRun run(options);
  run.Run();
  run.Print();
  return 0;
}
