#include "test/torture/native/full_read.h"

#include <cinttypes>
#include <cstdio>
#include <vector>

#include "native/base/check.h"
#include "native/format/batch_format.h"
#include "test/torture/native/records.h"

namespace millrace::torture {
namespace {

constexpr uint32_t kReadBytesMax = 1024 * 1024;

// Null, or what is wrong with the batch at this place of a slice. `hashes` get those of its
// records; the payload of a marker batch, which holds none, is padding.
const char* FindFault(const uint8_t* data, uint32_t bytes, uint64_t shard, uint64_t sequence,
                      BatchFields* batch, std::vector<uint64_t>* hashes) {
  hashes->clear();
  if (!TakeBatch(data, bytes, batch)) {
    return "a slice holds something that is not a batch";
  }
  if (batch->shard != shard) {
    return "a batch of another shard was served";
  }
  if (batch->first_sequence != sequence) {
    return "the numbers of two batches do not follow each other";
  }
  if (batch->count > 0 &&
      !HashRecords(data + format::kBatchHeaderBytes, batch->records_bytes, batch->count, hashes)) {
    return "the records of a batch are not whole";
  }
  return nullptr;
}

base::Status TellBatches(uint64_t shard, const log::ReadResult& read, EventKind kind, bool durable,
                         EventSink* sink) {
  uint64_t sequence = read.first_sequence;
  uint64_t arrival_millis = 0;
  std::vector<uint64_t> hashes;
  for (uint32_t at = 0; at < read.bytes;) {
    BatchFields batch;
    const char* fault =
        FindFault(read.data + at, read.bytes - at, shard, sequence, &batch, &hashes);
    if (fault == nullptr && batch.arrival_millis < arrival_millis) {
      fault = "time goes back within a shard";
    }
    if (fault != nullptr) {
      return base::Status(
          base::Code::kInternal,
          base::Format("%s, at record %" PRIu64 " of shard %" PRIu64, fault, sequence, shard));
    }
    if (batch.count > 0) {
      Event event{kind};
      event.durable = durable ? 1 : 0;
      event.shard = shard;
      event.sequence = sequence;
      event.count = batch.count;
      sink->Put(event, hashes.data());
    }
    sequence += batch.count;
    arrival_millis = batch.arrival_millis;
    at += static_cast<uint32_t>(format::kBatchHeaderBytes) + batch.records_bytes;
  }
  return {};
}

void ReadShard(log::Core* core, uint64_t shard, EventSink* sink) {
  uint32_t slot = 0;
  log::ShardStats stats;
  MILLRACE_CHECK(core->FindShard(shard, &slot).ok());
  MILLRACE_CHECK(core->GetShardStats(slot, &stats).ok());
  Event start{EventKind::kShardStart};
  start.shard = shard;
  start.sequence = stats.first_sequence;
  start.durable = stats.sealed ? 1 : 0;
  sink->Put(start);
  uint64_t position = stats.trimmed_start;
  const base::Status status = ReadShardFrom(core, slot, EventKind::kRead, &position, sink);
  if (!status.ok()) {
    std::fprintf(stderr, "shard %" PRIu64 ", read from position %" PRIu64 ": %s: %s\n", shard,
                 position, base::CodeName(status.code()), status.message().c_str());
    Event failed{EventKind::kReadFailed};
    failed.shard = shard;
    failed.sequence = position;
    failed.count = static_cast<uint32_t>(status.code());
    sink->Put(failed);
  }
  Event end{EventKind::kShardEnd};
  end.shard = shard;
  end.sequence = stats.next_sequence;
  sink->Put(end);
}

}  // namespace

base::Status ReadShardFrom(log::Core* core, uint32_t slot, EventKind kind, uint64_t* position,
                           EventSink* sink) {
  const log::CommittedSlot& committed = core->committed()->At(slot);
  const uint64_t shard = committed.shard.load(std::memory_order_acquire);
  for (;;) {
    log::ReadResult read;
    base::Status status = core->Read(slot, *position, kReadBytesMax, &read);
    if (!status.ok() || read.bytes == 0) {
      return status;
    }
    const bool durable = committed.synced_end.load(std::memory_order_acquire) >= read.next_position;
    status = TellBatches(shard, read, kind, durable, sink);
    if (!status.ok()) {
      return status;
    }
    *position = read.next_position;
  }
}

void ReadEverything(log::Core* core, EventSink* sink) {
  for (const uint64_t shard : core->ListShards()) {
    ReadShard(core, shard, sink);
  }
  sink->Put(Event{EventKind::kAllRead});
}

}  // namespace millrace::torture
