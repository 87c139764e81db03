// The load generator of the broker benches: put requests over WebSockets, with a window of requests
// in flight on each connection. Every answer is checked, and with --iterators the records are read
// back afterwards and compared with what was acknowledged. One JSON document on standard output.
//
//   ws_load --port N [--name value]...      kUsage has the names
#include <sys/epoll.h>

#include <array>
#include <memory>

#include "bench/native/harness/measure.h"
#include "bench/native/harness/named_options.h"
#include "bench/native/harness/put_answers.h"
#include "bench/native/harness/put_frames.h"
#include "bench/native/harness/read_back.h"
#include "bench/native/harness/server_usage.h"
#include "bench/native/harness/web_socket.h"

namespace millrace::bench {

namespace {

constexpr const char* kUsage =
    "usage: ws_load --port N [--name value]...\n"
    "  --kind record|records|batch   what a frame is: PutRecord, PutRecords or PutBatch\n"
    "  --stream NAME --shards N      where it goes\n"
    "  --durability os|disk\n"
    "  --records N --record-bytes N  of one frame\n"
    "  --frames N --warm-up N        that are sent; of them, before the clock starts\n"
    "  --connections N --window N    requests in flight on each\n"
    "  --answers broker|ack          ack: any message answers the oldest request\n"
    "  --mask random|zero            zero: to show what unmasking costs\n"
    "  --server-pid PID              to take its CPU time\n"
    "  --iterators A,B,...           of the shards, at their starts: reads them back\n";

struct LoadOptions {
  FrameOptions frames;
  uint16_t port = 0;
  uint32_t connections = 1;
  uint32_t window = 1;
  uint64_t frame_count = 1;
  uint64_t warm_up = 0;
  bool answers_are_acks = false;
  uint32_t server_pid = 0;
  std::vector<std::string> iterators;
};

PutKind ParseKind(const NamedOptions& given) {
  const std::string& value = given.Text("--kind");
  if (value == "record") {
    return PutKind::kRecord;
  }
  if (value == "records") {
    return PutKind::kRecords;
  }
  if (value != "batch") {
    given.ExitWithUsage("--kind is record, records or batch");
  }
  return PutKind::kBatch;
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t comma = list.find(','); comma != std::string::npos; comma = list.find(',', start)) {
    parts.push_back(list.substr(start, comma - start));
    start = comma + 1;
  }
  parts.push_back(list.substr(start));
  return parts;
}

LoadOptions ParseLoadOptions(int argument_count, char** arguments) {
  const NamedOptions given("ws_load", kUsage,
                           {{"--kind", "records"},
                            {"--stream", "bench"},
                            {"--shards", "4"},
                            {"--durability", "os"},
                            {"--records", "500"},
                            {"--port", "0"},
                            {"--warm-up", "0"},
                            {"--connections", "1"},
                            {"--frames", "1"},
                            {"--window", "1"},
                            {"--answers", "broker"},
                            {"--mask", "random"},
                            {"--server-pid", "0"},
                            {"--iterators", ""},
                            {"--record-bytes", "100"}},
                           argument_count, arguments);
  LoadOptions options;
  options.port = static_cast<uint16_t>(given.Number("--port"));
  options.connections = given.Count("--connections");
  options.window = given.Count("--window");
  options.frame_count = given.Number("--frames");
  options.warm_up = given.Number("--warm-up");
  options.answers_are_acks = given.Text("--answers") == "ack";
  options.server_pid = given.Count("--server-pid");
  if (!given.Text("--iterators").empty()) {
    options.iterators = Split(given.Text("--iterators"));
  }
  options.frames.kind = ParseKind(given);
  options.frames.stream = given.Text("--stream");
  options.frames.durability = given.Text("--durability");
  options.frames.shards = given.Count("--shards");
  options.frames.records = given.Count("--records");
  options.frames.record_bytes = given.Count("--record-bytes");
  options.frames.masks_are_zero = given.Text("--mask") == "zero";
  // Whole rounds over the shards, and some frames more than are in flight, so that no branch
  // predictor learns a few of them by heart.
  const uint32_t frames = std::max(options.window, 16u);
  options.frames.frames =
      (frames + options.frames.shards - 1) / options.frames.shards * options.frames.shards;
  if (options.port == 0 || options.connections == 0 || options.window == 0 ||
      options.frame_count <= options.warm_up || options.frames.shards == 0) {
    given.ExitWithUsage("a port, connections, a window, shards, and frames beyond the warm-up");
  }
  return options;
}

// The frames of all connections, and the clock around those that are measured.
class Progress {
 public:
  explicit Progress(const LoadOptions& options) : options_(options) {
    if (options.warm_up == 0) {
      Start();
    }
  }

  bool TakeFrame() {
    const bool is_left = queued_ < options_.frame_count;
    queued_ += is_left ? 1 : 0;
    return is_left;
  }

  void CountAnswer() {
    answered_ += 1;
    if (answered_ == options_.warm_up) {
      Start();
    } else if (answered_ == options_.frame_count) {
      seconds_ = NowSeconds() - start_seconds_;
      cpu_seconds_ = ThreadUsage().cpu_seconds - start_cpu_seconds_;
      server_cpu_seconds_ = ServerCpuSeconds() - start_server_cpu_seconds_;
    }
  }

  // Latencies of the warm-up are none.
  void AddLatency(double seconds) {
    if (answered_ > options_.warm_up) {
      latencies_.Add(seconds * 1e6);
    }
  }

  bool is_done() const { return answered_ == options_.frame_count; }

  void Print(const std::string& verified) const {
    const auto frames = static_cast<double>(options_.frame_count - options_.warm_up);
    std::printf(
        "{\"frames\":%.0f,\"records\":%.0f,\"frameBytes\":%zu,\"seconds\":%.6f,"
        "\"idleShare\":%.4f,\"serverCpuSeconds\":%.6f,"
        "\"latencyMicros\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f},"
        "\"verified\":\"%s\"}\n",
        frames, frames * options_.frames.records, frame_bytes_, seconds_,
        1 - cpu_seconds_ / seconds_, server_cpu_seconds_, latencies_.Quantile(0.5),
        latencies_.Quantile(0.99), latencies_.Quantile(0.999), latencies_.Highest(),
        verified.c_str());
  }

  void set_frame_bytes(size_t bytes) { frame_bytes_ = bytes; }

 private:
  void Start() {
    start_server_cpu_seconds_ = ServerCpuSeconds();
    start_cpu_seconds_ = ThreadUsage().cpu_seconds;
    start_seconds_ = NowSeconds();
  }

  double ServerCpuSeconds() const {
    return options_.server_pid == 0 ? 0 : CpuSecondsOf(options_.server_pid);
  }

  const LoadOptions& options_;
  uint64_t queued_ = 0;
  uint64_t answered_ = 0;
  size_t frame_bytes_ = 0;
  double start_seconds_ = 0;
  double start_cpu_seconds_ = 0;
  double start_server_cpu_seconds_ = 0;
  double seconds_ = 0;
  double cpu_seconds_ = 0;
  double server_cpu_seconds_ = 0;
  Series latencies_;
};

class LoadConnection {
 public:
  LoadConnection(const LoadOptions& options, uint64_t seed, std::vector<ShardAccount>* accounts,
                 Progress* progress)
      : options_(options),
        progress_(progress),
        socket_(options.port),
        ring_(WithSeed(options.frames, seed)),
        answers_(options.frames, accounts),
        waiting_(options.window) {}

  int fd() const { return socket_.fd(); }

  size_t frame_bytes() const { return ring_.frame(0).end - ring_.frame(0).start; }

  // Fills the window and sends what the socket takes. Returns whether something is left to send.
  bool Send() {
    while (next_id_ - oldest_id_ < options_.window && progress_->TakeFrame()) {
      ring_.SetRequestId(next_id_ % ring_.size(), next_id_);
      waiting_[next_id_ % options_.window] = true;
      next_id_ += 1;
    }
    if (options_.window == 1 && sent_id_ != next_id_) {
      sent_seconds_ = NowSeconds();
    }
    while (sent_id_ != next_id_) {
      const uint32_t first = sent_id_ % ring_.size();
      const uint32_t last = std::min(first + (next_id_ - sent_id_), ring_.size()) - 1;
      const size_t sent =
          socket_.Send(ring_.bytes() + sent_bytes_, ring_.frame(last).end - sent_bytes_);
      if (sent == 0) {
        return true;
      }
      sent_bytes_ += sent;
      while (sent_id_ != next_id_ && ring_.frame(sent_id_ % ring_.size()).end <= sent_bytes_) {
        sent_id_ += 1;
        sent_bytes_ = sent_id_ % ring_.size() == 0 ? 0 : sent_bytes_;
      }
    }
    return false;
  }

  void Receive() {
    socket_.Receive([this](const uint8_t* payload, size_t bytes) {
      if (options_.answers_are_acks) {
        Answered(oldest_id_);
        return;
      }
      constexpr uint8_t kWelcome = 0x01;
      if (bytes > 1 && payload[1] == kWelcome) {
        return;
      }
      MessageReader reader(payload, bytes);
      const uint32_t request_id = answers_.ReadHead(&reader);
      Answered(request_id);
      answers_.ReadBody(&reader, ring_.frame(request_id % ring_.size()));
    });
  }

 private:
  static FrameOptions WithSeed(FrameOptions options, uint64_t seed) {
    options.seed = seed;
    return options;
  }

  void Answered(uint32_t request_id) {
    if (request_id - oldest_id_ >= next_id_ - oldest_id_ ||
        !waiting_[request_id % options_.window]) {
      Fail("request " + std::to_string(request_id) + " was answered and is not in flight");
    }
    waiting_[request_id % options_.window] = false;
    while (oldest_id_ != next_id_ && !waiting_[oldest_id_ % options_.window]) {
      oldest_id_ += 1;
    }
    if (options_.window == 1) {
      progress_->AddLatency(NowSeconds() - sent_seconds_);
    }
    progress_->CountAnswer();
  }

  const LoadOptions& options_;
  Progress* const progress_;
  WebSocket socket_;
  FrameRing ring_;
  PutAnswers answers_;
  std::vector<bool> waiting_;  // by id modulo the window: as many ids as that are in flight
  uint32_t oldest_id_ = 0;     // that is not answered
  uint32_t sent_id_ = 0;       // that is not sent whole
  uint32_t next_id_ = 0;
  size_t sent_bytes_ = 0;  // of the ring, in this round
  double sent_seconds_ = 0;
};

using Connections = std::vector<std::unique_ptr<LoadConnection>>;

void Wait(int epoll, int operation, const LoadConnection& connection, uint32_t index,
          bool for_room) {
  epoll_event event{};
  event.events = for_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u32 = index;
  if (::epoll_ctl(epoll, operation, connection.fd(), &event) != 0) {
    Fail("epoll_ctl failed");
  }
}

void RunLoad(const Connections& connections, const Progress& progress) {
  constexpr int kPatienceMillis = 30'000;
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<bool> is_blocked(connections.size());
  const auto send = [&](uint32_t index) {
    const bool blocked = connections[index]->Send();
    if (blocked != is_blocked[index]) {
      Wait(epoll, EPOLL_CTL_MOD, *connections[index], index, blocked);
      is_blocked[index] = blocked;
    }
  };
  for (uint32_t index = 0; index < connections.size(); ++index) {
    Wait(epoll, EPOLL_CTL_ADD, *connections[index], index, /*for_room=*/false);
    send(index);
  }
  std::array<epoll_event, 128> events{};
  while (!progress.is_done()) {
    const int count =
        ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), kPatienceMillis);
    if (count == 0) {
      Fail("no answer for 30 seconds");
    }
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) {
        connections[event.data.u32]->Receive();
      }
      send(event.data.u32);
    }
  }
  ::close(epoll);
}

// What was read back, in words; ends the bench when it is not what was acknowledged.
std::string Verify(const LoadOptions& options, const std::vector<ShardAccount>& accounts) {
  if (options.iterators.empty()) {
    return "";
  }
  if (options.iterators.size() != accounts.size()) {
    Fail("--iterators: one for each shard");
  }
  ReadBack read_back(options.port);
  uint64_t records = 0;
  uint64_t fingerprint = 0;
  for (size_t shard = 0; shard < accounts.size(); ++shard) {
    const ShardAccount read = read_back.ReadShard(options.iterators[shard]);
    const ShardAccount& put = accounts[shard];
    if (!(read == put)) {
      Fail(
          base::Format("shard %zu holds %llu records up to sequence number %llu (%016llx), "
                       "acknowledged were %llu up to %llu (%016llx)",
                       shard, static_cast<unsigned long long>(read.records),
                       static_cast<unsigned long long>(read.last_sequence),
                       static_cast<unsigned long long>(read.fingerprint),
                       static_cast<unsigned long long>(put.records),
                       static_cast<unsigned long long>(put.last_sequence),
                       static_cast<unsigned long long>(put.fingerprint)));
    }
    records += read.records;
    fingerprint ^= read.fingerprint;
  }
  return base::Format("%llu records read back, %016llx", static_cast<unsigned long long>(records),
                      static_cast<unsigned long long>(fingerprint));
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  PinToLastProcessor();
  const LoadOptions options = ParseLoadOptions(argument_count, arguments);
  std::vector<ShardAccount> accounts(options.frames.shards);
  Progress progress(options);
  Connections connections;
  for (uint32_t index = 0; index < options.connections; ++index) {
    connections.push_back(
        std::make_unique<LoadConnection>(options, index + 1, &accounts, &progress));
  }
  progress.set_frame_bytes(connections[0]->frame_bytes());
  RunLoad(connections, progress);
  connections.clear();
  progress.Print(Verify(options, accounts));
  return 0;
}
