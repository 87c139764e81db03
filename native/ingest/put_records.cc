#include "native/ingest/put_records.h"

#include <cstring>
#include <new>
#include <utility>

#include "native/base/bytes.h"
#include "native/base/check.h"
#include "native/format/msgpack_format.h"

namespace millrace::ingest {

using base::Code;
using base::Status;

namespace {

constexpr size_t kShardsOfOneByteMax = 256;
constexpr size_t kCodeBytesMax = 31;  // a fixstr
constexpr size_t kShardAnswerBytesMax = 1 + 9 + 9 + 5 + 1 + kCodeBytesMax;
constexpr size_t kAnswerFrameBytes = 1 + 5 + 5 + 5;

// Writes MessagePack of fixed width, so that the size of an answer is known ahead.
class AnswerWriter {
 public:
  explicit AnswerWriter(uint8_t* to) : at_(to) {}

  void Byte(uint8_t value) { *at_++ = value; }

  void Uint32(uint8_t type, uint32_t value) {
    Byte(type);
    base::StoreBig32(at_, value);
    at_ += sizeof value;
  }

  void Uint64(uint64_t value) {
    Byte(format::kUint64);
    base::StoreBig64(at_, value);
    at_ += sizeof value;
  }

  void Uint16(uint16_t value) {
    base::StoreBig16(at_, value);
    at_ += sizeof value;
  }

  void ShortString(const char* text) {
    const size_t bytes = std::strlen(text);
    MILLRACE_CHECK(bytes <= kCodeBytesMax);
    Byte(static_cast<uint8_t>(format::kFixStr | bytes));
    std::memcpy(at_, text, bytes);
    at_ += bytes;
  }

  uint8_t* at() const { return at_; }

 private:
  uint8_t* at_;
};

}  // namespace

std::unique_ptr<PutRecords> PutRecords::Create(uint32_t records_max) {
  std::unique_ptr<PutRecords> put(new (std::nothrow) PutRecords(records_max));
  if (put != nullptr && !put->Allocate()) {
    return nullptr;
  }
  return put;
}

bool PutRecords::Allocate() {
  request_ = ScannedRequest::Create(records_max_);
  router_ = Router::Create(records_max_);
  parts_.reset(new (std::nothrow) PutRecordsPart[records_max_]);
  settled_.reset(new (std::nothrow) uint8_t[records_max_]);
  part_of_record_.reset(new (std::nothrow) uint16_t[records_max_]);
  return request_ != nullptr && router_ != nullptr && parts_ != nullptr && settled_ != nullptr &&
         part_of_record_ != nullptr;
}

Status PutRecords::Run(log::Core* core, const Routes& routes, const uint8_t* body, uint32_t bytes,
                       const Options& options) {
  part_count_ = 0;
  parts_are_runs_ = true;
  ScanLimits limits;
  limits.record_bytes_max = options.record_bytes_max;
  limits.records_max = records_max_;
  Status status = request_->Scan(body, bytes, limits);
  if (!status.ok()) {
    return status;
  }
  const RouteMap& open = routes.open();
  router_->Route(*open.shards, *request_);
  const bool settles = request_->producer_id() != 0 && IsKnownToRetired(*core, routes);
  if (settles) {
    SettleRepeats(*core, routes);
    router_->RouteAgain(*open.shards, *request_);
  }
  for (uint32_t index = 0; index < router_->run_count(); ++index) {
    if (settles) {
      router_->Drop(*request_, index, settled_.get());
    }
    if (router_->run(index).count != 0) {
      AppendRun(core, open, router_->run(index), options);
    }
  }
  return Status();
}

// Whether a retired shard may have any of it: one look per shard that the request reaches, and
// rarely more.
bool PutRecords::IsKnownToRetired(const log::Core& core, const Routes& routes) const {
  if (routes.previous().empty()) {
    return false;
  }
  for (uint32_t index = 0; index < router_->run_count(); ++index) {
    const Routes::Slots retired = routes.retired_of(router_->run(index).ordinal);
    for (size_t i = 0; i < retired.count; ++i) {
      auto verdict = log::DuplicateVerdict::kNew;
      log::AppendResult result{};
      const Status status = core.FindRepeat(retired.data[i], request_->producer_id(),
                                            request_->producer_sequence(), &verdict, &result);
      if (!status.ok() || verdict == log::DuplicateVerdict::kRepeat ||
          verdict == log::DuplicateVerdict::kTooOld) {
        return true;
      }
    }
  }
  return false;
}

// Asks the retired shards for what they have. A part that one of them took was taken whole by its
// range, so it is found by the map that had the shard, and by no other. The oldest map comes first:
// what it knows is the first answer.
void PutRecords::SettleRepeats(const log::Core& core, const Routes& routes) {
  parts_are_runs_ = false;
  std::memset(settled_.get(), 0, request_->record_count());
  for (auto map = routes.previous().rbegin(); map != routes.previous().rend(); ++map) {
    router_->RouteAgain(*map->shards, *request_);
    for (uint32_t index = 0; index < router_->run_count(); ++index) {
      const ShardRun& run = router_->run(index);
      if (map->slots[run.ordinal] != kNoSlot && settled_[run.records[0]] == 0) {
        SettleRun(core, *map, run);
      }
    }
  }
}

void PutRecords::SettleRun(const log::Core& core, const RouteMap& map, const ShardRun& run) {
  auto verdict = log::DuplicateVerdict::kNew;
  log::AppendResult result{};
  const Status status = core.FindRepeat(map.slots[run.ordinal], request_->producer_id(),
                                        request_->producer_sequence(), &verdict, &result);
  Code refused = status.code();
  if (status.ok() && verdict == log::DuplicateVerdict::kTooOld) {
    // It is a request that was answered long ago: the open shards would take it for a new one.
    refused = Code::kProducerSequenceGap;
  } else if (status.ok() && verdict == log::DuplicateVerdict::kRepeat) {
    refused = result.count == run.count ? Code::kOk : Code::kInvalidArgument;
  } else if (status.ok() || refused == Code::kShardNotFound) {
    return;  // it has none of it, so the open shards get it
  }
  for (uint32_t i = 0; i < run.count; ++i) {
    settled_[run.records[i]] = 1;
  }
  AddPart(map, run, refused, result);
}

void PutRecords::AppendRun(log::Core* core, const RouteMap& map, const ShardRun& run,
                           const Options& options) {
  log::AppendRequest append;
  append.pieces = run.pieces;
  append.piece_count = run.piece_count;
  append.records_bytes = run.bytes;
  append.count = run.count;
  append.producer_id = request_->producer_id();
  append.producer_sequence = request_->producer_sequence();
  append.producer_gaps_allowed =
      true;  // the numbers are those of requests, and not each reaches every shard
  append.epoch = options.epoch;
  append.durability = options.durability;
  log::AppendResult result{};
  const Status status = core->Append(map.slots[run.ordinal], append, &result);
  AddPart(map, run, status.code(), result);
}

void PutRecords::AddPart(const RouteMap& map, const ShardRun& run, Code refused,
                         const log::AppendResult& result) {
  if (!parts_are_runs_) {
    for (uint32_t i = 0; i < run.count; ++i) {
      part_of_record_[run.records[i]] = static_cast<uint16_t>(part_count_);
    }
  }
  parts_[part_count_] = {run.shard,
                         map.first_route + run.ordinal,
                         map.slots[run.ordinal],
                         run.count,
                         refused == Code::kOk ? result.first_sequence : 0,
                         result.end_position,
                         result.committed,
                         result.duplicate,
                         result.durability,
                         refused};
  part_count_ += 1;
}

size_t PutRecords::AnswerBytesMax() const {
  return kAnswerFrameBytes + records_max_ * (kShardAnswerBytesMax + sizeof(uint16_t));
}

size_t PutRecords::EncodeAnswer(uint8_t* to, size_t capacity) const {
  MILLRACE_CHECK(capacity >= AnswerBytesMax());
  AnswerWriter writer(to);
  uint32_t failed = 0;
  writer.Byte(format::kFixArray | 3);
  writer.Uint32(format::kArray32, static_cast<uint32_t>(part_count_));
  for (size_t index = 0; index < part_count_; ++index) {
    const PutRecordsPart& part = parts_[index];
    writer.Byte(format::kFixArray | 4);
    writer.Uint64(part.shard);
    writer.Uint64(part.first_sequence);
    writer.Uint32(format::kUint32, part.count);
    if (part.refused == Code::kOk) {
      writer.Byte(format::kNil);
    } else {
      writer.ShortString(base::CodeName(part.refused));
      failed += part.count;
    }
  }
  const uint32_t records = part_count_ == 0 ? 0 : request_->record_count();
  const bool wide = part_count_ > kShardsOfOneByteMax;
  writer.Uint32(format::kBin32, wide ? 2 * records : records);
  for (uint32_t record = 0; record < records; ++record) {
    const uint32_t part = PartOfRecord(record);
    if (wide) {
      writer.Uint16(static_cast<uint16_t>(part));
    } else {
      writer.Byte(static_cast<uint8_t>(part));
    }
  }
  writer.Uint32(format::kUint32, failed);
  return static_cast<size_t>(writer.at() - to);
}

}  // namespace millrace::ingest
