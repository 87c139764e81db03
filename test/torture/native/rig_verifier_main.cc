// Opens a log after a crash, reads all of it, and compares it with what its writer was told. Then
// it writes a little more and reads again: a log that has lost nothing must also go on.
//
//   rig_verifier_main --dir LOG --events FILE [--clock-max N] [--crash process|power]
//                     [--note 0|1] [--steps N] [--seed N]
//
//   clock-max  the crash left what the disk under test had at this clock
//   crash      whether acknowledgements of the operating system alone must hold
//   note       append what is read and done to the events, for a log that is written to again
//   steps      how much is written in the end; 0 = nothing
//
// Exit status 0: every promise held. 1: violations, one per line. The last line is `result {...}`.
#include <fcntl.h>

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

void LoadEvents(const std::string& path, History* history) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  MILLRACE_CHECK(file != nullptr);
  EventReader reader;
  std::vector<uint8_t> buffer(1 << 20);
  size_t bytes = 0;
  while ((bytes = std::fread(buffer.data(), 1, buffer.size(), file)) > 0) {
    reader.Feed(buffer.data(), bytes, history);
  }
  MILLRACE_CHECK(std::fclose(file) == 0);
}

// Tells two sinks.
class Tee final : public EventSink {
 public:
  // Borrows both; `second` may be null.
  Tee(EventSink* first, EventSink* second) : first_(first), second_(second) {}

  using EventSink::Put;

  void Put(const Event& event, const uint64_t* hashes) override {
    first_->Put(event, hashes);
    if (second_ != nullptr) {
      second_->Put(event, hashes);
    }
  }

 private:
  EventSink* first_;
  EventSink* second_;
};

// A disk that is full refuses the extra work; that is no violation.
base::Status GoOn(log::Core* core, const Arguments& arguments, EventSink* sink) {
  LogWriterOptions options;
  options.seed = arguments.Number("seed", 1);
  options.step_count = arguments.Number("steps", 4);
  if (options.step_count == 0) {
    return {};
  }
  options.sizes.batch_bytes_max = 16 * 1024;
  options.reshard_one_in = 4;
  base::Status status;
  {
    LogWriter writer(core, false, options, sink);
    status = writer.Run();
  }
  if (status.ok() || status.code() == base::Code::kDiskFull) {
    ReadEverything(core, sink);
    return {};
  }
  return status;
}

int Main(const Arguments& arguments) {
  const bool power = arguments.Text("crash", "process") == "power";
  History history(power ? Outage::kPower : Outage::kProcess);
  history.SetClockMax(arguments.Number("clock-max", UINT64_MAX));
  LoadEvents(arguments.Needed("events"), &history);
  history.SetClockMax(UINT64_MAX);

  std::unique_ptr<EventWriter> notes;
  if (arguments.Number("note", 0) != 0) {
    const int fd = open(arguments.Needed("events").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    MILLRACE_CHECK(fd >= 0);
    notes = std::make_unique<EventWriter>(fd, "");
  }
  Tee sink(&history, notes.get());
  log::CoreOptions options;
  options.segment_bytes_max = 1024 * 1024;
  std::shared_ptr<log::Core> core;
  base::Status status = log::Core::Open(arguments.Needed("dir"), options, &core);
  if (status.ok()) {
    ReadEverything(core.get(), &sink);
    status = GoOn(core.get(), arguments, &sink);
  }
  if (status.ok()) {
    status = core->Close();
  }
  if (!status.ok()) {
    std::fprintf(stderr, "violation: %s: %s\n", base::CodeName(status.code()),
                 status.message().c_str());
  }
  for (const std::string& violation : history.violations()) {
    std::fprintf(stderr, "violation: %s\n", violation.c_str());
  }
  std::printf("result {\"acked\": %" PRIu64 ", \"read\": %" PRIu64 ", \"violations\": %zu}\n",
              history.acked_record_count(), history.read_record_count(),
              history.violations().size());
  return status.ok() && history.violations().empty() ? 0 : 1;
}

}  // namespace
}  // namespace millrace::torture

int main(int count, char** values) {
  return millrace::torture::Main(millrace::torture::Arguments(count, values));
}
