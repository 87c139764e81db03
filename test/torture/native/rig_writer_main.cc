// Writes to a log on a disk that is being recorded or broken, and notes in a file elsewhere what it
// was told. A test judges by those notes what the disk holds afterwards (rig_verifier_main.cc).
//
//   rig_writer_main --dir LOG --events FILE [--clock FILE] [--seed N] [--steps N] [--shards N]
//                   [--work append|segments|directory|fill] [--os-percent N] [--serve 0|1]
//                   [--persist 0|1] [--full-max N] [--inline 0|1] [--mapped-max N]
//                   [--close 0|1]
//
// Exit status 0: all steps done and the log closed (unless --close 0). 3: the log answered an
// error, which is printed; what was acknowledged until then must hold. The last line is `result
// {...}`.
#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>

#include "native/base/check.h"
#include "native/log/core.h"
#include "test/torture/native/arguments.h"
#include "test/torture/native/event.h"
#include "test/torture/native/log_writer.h"

namespace millrace::torture {
namespace {

constexpr int kExitStopped = 3;

// What is stressed: the data of few shards, the room on the disk, the change of segments, or names
// in the directory.
void Shape(const std::string& work, log::CoreOptions* core, LogWriterOptions* writer) {
  core->segment_bytes_max = 1024 * 1024;
  writer->reshard_one_in = 0;
  writer->delete_one_in = 0;
  if (work == "fill") {
    core->segment_bytes_max = 256 * 1024;
    writer->trim_one_in = 0;
    writer->shard_bytes_max = UINT64_MAX;
    writer->sizes.batch_records_max = 256;
  } else if (work == "segments") {
    core->segment_bytes_max = format::kSegmentBytesMin;
    writer->sizes.record_data_bytes_max = 8 * 1024;
    writer->sizes.batch_bytes_max = 32 * 1024;
    writer->trim_one_in = 8;
  } else if (work == "directory") {
    core->segment_bytes_max = format::kSegmentBytesMin;
    writer->sizes.record_data_bytes_max = 1024;
    writer->sizes.batch_bytes_max = 16 * 1024;
    writer->trim_one_in = 4;
    writer->reshard_one_in = 6;
    writer->delete_one_in = 3;
  }
}

void PrintResult(const LogWriter* writer, const base::Status& status) {
  std::printf("result {\"acked\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"full\": %" PRIu64
              ", \"refusedMillisMax\": %" PRIu64 ", \"refusedUntilMillis\": %" PRIu64
              ", \"code\": \"%s\"}\n",
              writer == nullptr ? 0 : writer->acked_batch_count(),
              writer == nullptr ? 0 : writer->refused_batch_count(),
              writer == nullptr ? 0 : writer->full_count(),
              writer == nullptr ? 0 : writer->refused_millis_max(),
              writer == nullptr ? 0 : writer->refused_max_until_millis(),
              base::CodeName(status.code()));
}

int Finish(const LogWriter* writer, const base::Status& status) {
  PrintResult(writer, status);
  if (status.ok()) {
    return 0;
  }
  std::fprintf(stderr, "%s: %s\n", base::CodeName(status.code()), status.message().c_str());
  return kExitStopped;
}

int Main(const Arguments& arguments) {
  log::CoreOptions core_options;
  LogWriterOptions options;
  Shape(arguments.Text("work", "append"), &core_options, &options);
  core_options.inline_mode = arguments.Number("inline", 0) != 0;
  core_options.mapped_segments_max = static_cast<uint32_t>(arguments.Number("mapped-max", 0));
  options.seed = arguments.Number("seed", 1);
  options.step_count = arguments.Number("steps", 100);
  options.full_count_max = arguments.Number("full-max", UINT64_MAX);
  options.os_percent = static_cast<uint32_t>(arguments.Number("os-percent", 0));
  if (options.os_percent == 100) {
    core_options.idle_marker_millis = UINT32_MAX;  // a control without syncs: none when idle either
  }
  options.serve = arguments.Number("serve", 0) != 0;
  options.persist = arguments.Number("persist", 0) != 0;
  options.shards_max = static_cast<uint32_t>(arguments.Number("shards", 4));
  options.shards_min = options.shards_max;

  const std::string events_path = arguments.Needed("events");
  const int fd = open(events_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  MILLRACE_CHECK(fd >= 0);
  EventWriter events(fd, arguments.Text("clock", ""));

  std::shared_ptr<log::Core> core;
  base::Status status = log::Core::Open(arguments.Needed("dir"), core_options, &core);
  if (!status.ok()) {
    return Finish(nullptr, status);
  }
  Event opened{EventKind::kOpened};
  opened.sequence = core->GetStats().opened_clean ? 1 : 0;
  events.Put(opened);
  LogWriter writer(core.get(), core_options.inline_mode, options, &events);
  status = writer.Run();
  if (status.ok() && arguments.Number("close", 1) == 0) {
    // Ends like a killed process: nothing is synced, nothing is recorded as clean.
    PrintResult(&writer, status);
    std::fflush(stdout);
    _exit(0);
  }
  if (status.ok()) {
    status = core->Close();
  }
  if (status.ok()) {
    events.Put(Event{EventKind::kClosed});
  }
  return Finish(&writer, status);
}

}  // namespace
}  // namespace millrace::torture

int main(int count, char** values) {
  return millrace::torture::Main(millrace::torture::Arguments(count, values));
}
