#include "native/ingest/put_records.h"

#include <algorithm>
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
constexpr size_t kShardAnswerBytesMax = 1 + 9 + 9 + 5 + 1 + kCodeBytesMax + 5;
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

// Where the records of a request go that have no key: steps of the golden ratio around the hash
// space, as they cover it evenly however many there are, and also when only each n-th of them is
// looked at. Of an idempotent producer the request itself says it, so that a repeat goes where the
// first one went, whatever was resharded between.
HashKey SpreadPoint(uint64_t start, uint64_t step) {
  constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;  // of 2^64
  constexpr uint64_t kStartFactor = 0xd1342543de82ef95;  // odd: no two starts become one
  return {start * kStartFactor + step * kGoldenRatio, 0};
}

// Keys and data of a run. Summed up where it is needed: one more sum for each record that is routed
// would cost as much as all else that limits and counts do.
uint64_t PayloadBytes(const ScannedRequest& request, const ShardRun& run) {
  if (run.count == request.record_count()) {
    return request.payload_bytes();
  }
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < run.count; ++i) {
    bytes += request.record(run.records[i]).shape.payload_bytes;
  }
  return bytes;
}

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
  Status keys;
  if (Status status = Scan(body, bytes, options, &keys); !status.ok()) {
    return status;
  }
  const RouteMap& open = routes.open();
  const bool is_idempotent = request_->producer_id() != 0;
  const HashKey keyless = is_idempotent
                              ? SpreadPoint(request_->producer_id(), request_->producer_sequence())
                              : SpreadPoint(0, routes.CountSpread());
  router_->Route(*open.shards, *request_, keyless);
  const bool settles = is_idempotent && IsKnownToRetired(*core, routes);
  if (settles || routes.limits().has_value()) {
    std::memset(settled_.get(), 0, request_->record_count());
  }
  if (settles) {
    SettleRepeats(*core, routes);
    router_->RouteAgain(*open.shards, *request_);
  }
  for (uint32_t index = 0; settles && index < router_->run_count(); ++index) {
    router_->Drop(*request_, index, settled_.get());
  }
  if (!keys.ok() && HasNewKeyless(*core, open)) {
    part_count_ = 0;
    return keys;
  }
  for (uint32_t index = 0; index < router_->run_count(); ++index) {
    if (router_->run(index).count != 0) {
      PutRun(core, routes, index, options);
    }
  }
  return Status();
}

// Where keys are required, a request without some of them may be the repeat of one that came before
// they were: `keys` gets why it is refused unless it is.
Status PutRecords::Scan(const uint8_t* body, uint32_t bytes, const Options& options, Status* keys) {
  ScanLimits limits;
  limits.record_bytes_max = options.record_bytes_max;
  limits.records_max = records_max_;
  limits.keys_required = options.keys_required;
  Status status = request_->Scan(body, bytes, limits);
  if (status.code() != Code::kInvalidArgument || !options.keys_required) {
    return status;
  }
  limits.keys_required = false;
  if (!request_->Scan(body, bytes, limits).ok() || request_->producer_id() == 0) {
    return status;
  }
  *keys = std::move(status);
  return Status();
}

// Whether a record without a key is left that no shard has already.
bool PutRecords::HasNewKeyless(const log::Core& core, const RouteMap& open) const {
  for (uint32_t index = 0; index < router_->run_count(); ++index) {
    const ShardRun& run = router_->run(index);
    bool has_keyless = false;
    for (uint32_t i = 0; i < run.count; ++i) {
      has_keyless = has_keyless || request_->record(run.records[i]).shape.key_bytes == 0;
    }
    auto verdict = log::DuplicateVerdict::kNew;
    log::AppendResult first{};
    if (has_keyless && !(core.FindRepeat(open.slots[run.ordinal], request_->producer_id(),
                                         request_->producer_sequence(), &verdict, &first)
                             .ok() &&
                         verdict == log::DuplicateVerdict::kRepeat)) {
      return true;
    }
  }
  return false;
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
  for (auto map = routes.previous().rbegin(); map != routes.previous().rend(); ++map) {
    router_->RouteAgain(*map->shards, *request_);
    for (uint32_t index = 0; index < router_->run_count(); ++index) {
      const ShardRun& run = router_->run(index);
      if (map->slots[run.ordinal] != kNoSlot && settled_[run.records[0]] == 0) {
        SettleRun(core, {&*map, &run});
      }
    }
  }
}

void PutRecords::SettleRun(const log::Core& core, const Place& place) {
  const ShardRun& run = *place.run;
  auto verdict = log::DuplicateVerdict::kNew;
  log::AppendResult first{};
  const Status status = core.FindRepeat(place.map->slots[run.ordinal], request_->producer_id(),
                                        request_->producer_sequence(), &verdict, &first);
  if (status.code() == Code::kShardNotFound ||
      (status.ok() && verdict != log::DuplicateVerdict::kRepeat &&
       verdict != log::DuplicateVerdict::kTooOld)) {
    return;  // it has none of it, so the open shards get it
  }
  for (uint32_t i = 0; i < run.count; ++i) {
    settled_[run.records[i]] = 1;
  }
  if (!status.ok()) {
    AddPart(place, 0, run.count, status.code(), first);
  } else if (verdict == log::DuplicateVerdict::kTooOld) {
    // It is a request that was answered long ago: the open shards would take it for a new one.
    AddPart(place, 0, run.count, Code::kProducerSequenceGap, first);
  } else {
    AddRepeat(place, first, 0);
  }
}

void PutRecords::PutRun(log::Core* core, const Routes& routes, uint32_t run_index,
                        const Options& options) {
  const ShardRun& run = router_->run(run_index);
  const Place place = {&routes.open(), &run};
  const bool is_limited = routes.limits().has_value();
  if (is_limited && AnswerRepeat(*core, routes, place, options)) {
    return;
  }
  const uint64_t bytes = PayloadBytes(*request_, run);
  const Refusal refusal = is_limited ? Throttle(routes, run_index, bytes, options) : Refusal();
  if (run.count != 0) {
    log::AppendResult result{};
    const Status status = Append(core, place, options, &result);
    if (status.ok() && !result.duplicate) {
      routes.meter(run.ordinal)->CountAppended(run.count, bytes - refusal.bytes);
    } else if (is_limited) {
      routes.meter(run.ordinal)->GiveBack(run.count, bytes - refusal.bytes);
    } else if (status.code() == Code::kInvalidArgument &&
               AnswerRepeat(*core, routes, place, options)) {
      return;  // the stream had limits the first time
    }
    AddPart(place, 0, run.count, status.code(), result);
  }
  if (refusal.count != 0) {
    AddThrottled(place, refusal);
  }
}

// Answers for a run that its shard has taken already: false when it has not. Comes before the
// limits, which count nothing twice.
bool PutRecords::AnswerRepeat(const log::Core& core, const Routes& routes, const Place& place,
                              const Options& options) {
  if (request_->producer_id() == 0) {
    return false;
  }
  const ShardRun& run = *place.run;
  auto verdict = log::DuplicateVerdict::kNew;
  log::AppendResult first{};
  const Status status = core.FindRepeat(place.map->slots[run.ordinal], request_->producer_id(),
                                        request_->producer_sequence(), &verdict, &first);
  if (!status.ok() || verdict != log::DuplicateVerdict::kRepeat || first.count > run.count) {
    return false;  // what is wrong with it the append says
  }
  uint64_t retry_millis = 0;
  if (first.count < run.count && routes.limits().has_value()) {
    const RecordShape& shape = request_->record(run.records[first.count]).shape;
    retry_millis = routes.meter(run.ordinal)
                       ->WaitMillis(*routes.limits(), options.now_millis, 1, shape.payload_bytes);
  }
  AddRepeat(place, first, retry_millis);
  return true;
}

// Takes out of the run what is beyond the limits. The part that tells of it comes next, or behind
// the one of what is left.
Refusal PutRecords::Throttle(const Routes& routes, uint32_t run_index, uint64_t bytes,
                             const Options& options) {
  const ShardRun& run = router_->run(run_index);
  const bool in_order = request_->producer_id() != 0;
  const Refusal refusal = routes.meter(run.ordinal)
                              ->Charge(*routes.limits(), options.now_millis, *request_, run, bytes,
                                       in_order, settled_.get());
  if (refusal.count == 0) {
    return refusal;
  }
  TellPartsFromRuns();
  const size_t part = part_count_ + (refusal.count < run.count ? 1 : 0);
  for (uint32_t i = 0; i < run.count; ++i) {
    if (settled_[run.records[i]] != 0) {
      part_of_record_[run.records[i]] = static_cast<uint16_t>(part);
    }
  }
  router_->Drop(*request_, run_index, settled_.get());
  return refusal;
}

Status PutRecords::Append(log::Core* core, const Place& place, const Options& options,
                          log::AppendResult* result) const {
  const ShardRun& run = *place.run;
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
  return core->Append(place.map->slots[run.ordinal], append, result);
}

// The first answer. Where the batch has fewer records than the run, the shard refused those behind
// them as beyond its limits, and they were to be put again under another number: so they are
// refused once more.
void PutRecords::AddRepeat(const Place& place, const log::AppendResult& first,
                           uint64_t retry_millis) {
  const uint32_t count = place.run->count;
  if (first.count > count) {
    AddPart(place, 0, count, Code::kInvalidArgument, first);
    return;
  }
  if (first.count < count) {
    TellPartsFromRuns();
  }
  AddPart(place, 0, first.count, Code::kOk, first);
  if (first.count < count) {
    AddPart(place, first.count, count - first.count, Code::kThroughputExceeded, first);
    parts_[part_count_ - 1].retry_millis = static_cast<uint32_t>(retry_millis);
  }
}

// Adds the part for so many records of the run, from the one at `first` on.
void PutRecords::AddPart(const Place& place, uint32_t first, uint32_t count, Code refused,
                         const log::AppendResult& result) {
  const ShardRun& run = *place.run;
  if (!parts_are_runs_) {
    for (uint32_t i = first; i < first + count; ++i) {
      part_of_record_[run.records[i]] = static_cast<uint16_t>(part_count_);
    }
  }
  parts_[part_count_] = {run.shard,
                         place.map->first_route + run.ordinal,
                         place.map->slots[run.ordinal],
                         count,
                         refused == Code::kOk ? result.first_sequence : 0,
                         result.end_position,
                         result.committed,
                         result.duplicate,
                         result.durability,
                         refused,
                         0};
  part_count_ += 1;
}

// For records that are in no run any more: Throttle has said which part is theirs.
void PutRecords::AddThrottled(const Place& place, const Refusal& refusal) {
  AddPart(place, 0, 0, Code::kThroughputExceeded, {});
  parts_[part_count_ - 1].count = refusal.count;
  parts_[part_count_ - 1].retry_millis = static_cast<uint32_t>(refusal.retry_millis);
}

// From here on a run may have no part, or two: what is known by the runs is written down.
void PutRecords::TellPartsFromRuns() {
  if (!parts_are_runs_) {
    return;
  }
  parts_are_runs_ = false;
  std::copy_n(router_->runs_of_records(), request_->record_count(), part_of_record_.get());
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
    writer.Byte(format::kFixArray | 5);
    writer.Uint64(part.shard);
    writer.Uint64(part.first_sequence);
    writer.Uint32(format::kUint32, part.count);
    if (part.refused == Code::kOk) {
      writer.Byte(format::kNil);
    } else {
      writer.ShortString(base::CodeName(part.refused));
      failed += part.count;
    }
    if (part.refused == Code::kThroughputExceeded) {
      writer.Uint32(format::kUint32, part.retry_millis);
    } else {
      writer.Byte(format::kNil);
    }
  }
  const uint32_t records = part_count_ == 0 ? 0 : request_->record_count();
  const uint16_t* const parts =
      parts_are_runs_ ? router_->runs_of_records() : part_of_record_.get();
  const bool wide = part_count_ > kShardsOfOneByteMax;
  writer.Uint32(format::kBin32, wide ? 2 * records : records);
  for (uint32_t record = 0; record < records; ++record) {
    if (wide) {
      writer.Uint16(parts[record]);
    } else {
      writer.Byte(static_cast<uint8_t>(parts[record]));
    }
  }
  writer.Uint32(format::kUint32, failed);
  return static_cast<size_t>(writer.at() - to);
}

}  // namespace millrace::ingest
