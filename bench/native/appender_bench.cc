// Map or pwritev: what one append costs through the two appenders, each into the same kind of file:
// {1 x 100 B, 1 x 1 KiB, 64 KiB batch} x {cold, warm} x {os, disk}. The map side is the log's own
// SegmentWriter. Cold: a fresh file, allocated and never touched. Warm: a recycled file, its pages
// in the cache and, for the map, faulted in.
#include <sys/uio.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/native/harness/batch_source.h"
#include "bench/native/harness/bench_log.h"
#include "bench/native/harness/plain_loop.h"
#include "bench/native/harness/report.h"
#include "bench/native/harness/run_options.h"
#include "bench/native/harness/scratch_directory.h"
#include "native/log/segment_pool.h"
#include "native/log/segment_writer.h"

namespace millrace::bench {

namespace {

constexpr uint64_t kSegmentBytes = 64 * 1024 * 1024;
constexpr uint64_t kDataStart = format::kSegmentHeaderBlockBytes;

struct Case {
  const char* name;
  uint32_t records;
  uint32_t record_bytes;
};

constexpr Case kCases[] = {
    {"1 x 100 B", 1, 100}, {"1 x 1 KiB", 1, 1024}, {"64 KiB batch", 580, 100}};

struct Appender {
  virtual ~Appender() = default;
  virtual void Append(const std::vector<uint8_t>& records) = 0;
  // Makes durable what was appended since the last call.
  virtual void Sync() = 0;
};

log::SpareSegment MakeSpare(const std::shared_ptr<log::SegmentPool>& pool, bool warm) {
  log::SpareSegment spare;
  bool prepared = false;
  MustWork(pool->Take(kSegmentBytes, /*stores=*/true, &spare, &prepared));
  if (warm) {
    // Written and synced once, then mapped anew: a recycled file.
    base::FileOps* const file_ops = spare.file->file_ops();
    MILLRACE_CHECK(file_ops->Populate(spare.map, kSegmentBytes, /*for_writing=*/true) == 0);
    MILLRACE_CHECK(file_ops->SyncData(spare.fd) == 0);
    MILLRACE_CHECK(file_ops->Unmap(spare.map, kSegmentBytes) == 0);
    MILLRACE_CHECK(file_ops->Map(spare.fd, kSegmentBytes, /*writable=*/true, &spare.map) == 0);
    MILLRACE_CHECK(file_ops->Populate(spare.map, kSegmentBytes, /*for_writing=*/true) == 0);
    spare.populated_bytes = kSegmentBytes;
  }
  MILLRACE_CHECK(spare.file->file_ops()->SyncDirectory(spare.file->directory()) == 0);
  spare.file->MarkEntrySynced();
  return spare;
}

class MapAppender final : public Appender {
 public:
  MapAppender(const std::shared_ptr<log::SegmentPool>& pool, bool warm) {
    format::SegmentHeader header{};
    header.shard = 1;
    MustWork(log::SegmentWriter::Begin(MakeSpare(pool, warm), 0, log::Way::kMapped, &writer_));
    MustWork(writer_->WriteHeaders(header));
    header_.shard = 1;
    header_.count = 1;
  }

  void Append(const std::vector<uint8_t>& records) override {
    bool wants_populate = false;
    MustWork(writer_->Prepare(BatchBytes(records), log::Way::kMapped, &wants_populate));
    const log::Piece piece{records.data(), static_cast<uint32_t>(records.size())};
    header_.records_bytes = piece.bytes;
    writer_->Store(header_, &piece, 1, log::Way::kMapped);
  }

  void Sync() override {
    MustWork(writer_->Sync(synced_, writer_->end_position()));
    synced_ = writer_->end_position();
  }

 private:
  std::shared_ptr<log::SegmentWriter> writer_;
  log::BatchHeader header_{};
  uint64_t synced_ = 0;
};

class WriteAppender final : public Appender {
 public:
  WriteAppender(const std::shared_ptr<log::SegmentPool>& pool, bool warm)
      : spare_(MakeSpare(pool, warm)) {
    // No map at all: one that is written through would have its pages protected at every sync.
    MILLRACE_CHECK(spare_.file->file_ops()->Unmap(spare_.map, kSegmentBytes) == 0);
    fields_.shard = 1;
    fields_.count = 1;
  }

  ~WriteAppender() override { spare_.file->file_ops()->Close(spare_.fd); }

  void Append(const std::vector<uint8_t>& records) override {
    uint8_t header[format::kBatchHeaderBytes];
    fields_.records_bytes = static_cast<uint32_t>(records.size());
    log::WriteBatchHeader(header, fields_);
    uint32_t crc = base::Crc32c(0, header + format::kBatchChecksummedStart,
                                sizeof header - format::kBatchChecksummedStart);
    crc = base::Crc32c(crc, records.data(), records.size());
    base::StoreBig32(header + format::kBatchCrcAt, format::MaskCrc(crc));
    const iovec pieces[] = {{header, sizeof header},
                            {const_cast<uint8_t*>(records.data()), records.size()}};
    const ssize_t written = ::pwritev(spare_.fd, pieces, 2, static_cast<off_t>(offset_));
    MILLRACE_CHECK(written == static_cast<ssize_t>(BatchBytes(records)));
    offset_ += BatchBytes(records);
  }

  void Sync() override { MILLRACE_CHECK(spare_.file->file_ops()->SyncData(spare_.fd) == 0); }

 private:
  log::SpareSegment spare_;
  log::BatchHeader fields_{};
  uint64_t offset_ = kDataStart;
};

// Several appends as one figure; with `disk` each append is synced and is a figure of its own.
struct Figures {
  Series micros;  // per append
  Series first_sync;
  Series faults;  // per append
};

void Measure(Appender* appender, const std::vector<uint8_t>& records, bool disk, uint64_t appends,
             Figures* figures) {
  if (disk) {
    appender->Append(records);
    const double start = NowSeconds();
    appender->Sync();
    figures->first_sync.Add((NowSeconds() - start) * 1e6);
  }
  const uint64_t faults = ThreadUsage().minor_faults;
  Series each;
  const double start = NowSeconds();
  for (uint64_t i = 0; i < appends; ++i) {
    const double append_start = disk ? NowSeconds() : 0;
    appender->Append(records);
    if (disk) {
      appender->Sync();
      each.Add((NowSeconds() - append_start) * 1e6);
    }
  }
  const double micros = (NowSeconds() - start) * 1e6 / static_cast<double>(appends);
  figures->micros.Add(disk ? each.Median() : micros);
  figures->faults.Add(static_cast<double>(ThreadUsage().minor_faults - faults) /
                      static_cast<double>(appends));
}

std::unique_ptr<Appender> MakeAppender(bool map, const std::shared_ptr<log::SegmentPool>& pool,
                                       bool warm) {
  if (map) {
    return std::make_unique<MapAppender>(pool, warm);
  }
  return std::make_unique<WriteAppender>(pool, warm);
}

Row MakeRow(const char* appender, const Case& given, bool warm, bool disk, const Figures& figures) {
  const std::string name = base::Format("%s, %s, %s, %s", appender, given.name,
                                        warm ? "warm" : "cold", disk ? "disk" : "os");
  Row row(name);
  row.Param("appender", appender)
      .Param("append", given.name)
      .Param("memory", warm ? "warm" : "cold")
      .Param("durability", disk ? "disk" : "os")
      .Value(figures.micros, "us/append")
      .Info("minorFaultsPerAppend", figures.faults.Median());
  if (disk) {
    row.Info("firstSyncMicros", figures.first_sync.Median());
  }
  return row;
}

void BenchCase(const RunOptions& options, const Case& given, bool warm, bool disk, Report* report) {
  const int repetitions = options.Pick(5, 3, 1);
  const std::vector<uint8_t> records = PackRecords(given.records, given.record_bytes);
  const uint64_t room = (kSegmentBytes - format::kSegmentOverheadBytes) / BatchBytes(records) - 1;
  const uint64_t appends = std::min<uint64_t>(
      room, disk ? options.Pick<uint64_t>(200, 50, 3) : options.Pick<uint64_t>(50'000, 20'000, 50));
  Figures figures[2];
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    for (int map = 0; map < 2; ++map) {
      const ScratchDirectory scratch(options.directory);
      const auto pool =
          std::make_shared<log::SegmentPool>(base::PosixFileOps(), scratch.path(), 0u);
      const auto appender = MakeAppender(map == 1, pool, warm);
      Measure(appender.get(), records, disk, appends, &figures[map]);
    }
  }
  const std::string check = std::to_string(appends) + " appends";
  report->Add(MakeRow("pwritev", given, warm, disk, figures[0]).Check(check));
  report->Add(MakeRow("map", given, warm, disk, figures[1])
                  .Limit("pwritev", figures[0].micros.Median(), "us/append")
                  .Check(check));
}

}  // namespace

}  // namespace millrace::bench

int main(int argument_count, char** arguments) {
  using namespace millrace::bench;
  const RunOptions options = ParseRunOptions(argument_count, arguments);
  Report report;
  PinToLastProcessor();
  for (const Case& given : kCases) {
    for (const bool disk : {false, true}) {
      for (const bool warm : {false, true}) {
        BenchCase(options, given, warm, disk, &report);
      }
    }
  }
  report.Print();
  return 0;
}
