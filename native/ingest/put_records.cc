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
  auto request = ScannedRequest::Create(records_max);
  auto router = Router::Create(records_max);
  std::unique_ptr<PutRecordsShard[]> shards(new (std::nothrow) PutRecordsShard[records_max]);
  if (request == nullptr || router == nullptr || shards == nullptr) {
    return nullptr;
  }
  return std::unique_ptr<PutRecords>(new (std::nothrow) PutRecords(
      records_max, std::move(request), std::move(router), std::move(shards)));
}

PutRecords::PutRecords(uint32_t records_max, std::unique_ptr<ScannedRequest> request,
                       std::unique_ptr<Router> router, std::unique_ptr<PutRecordsShard[]> shards)
    : records_max_(records_max),
      request_(std::move(request)),
      router_(std::move(router)),
      shards_(std::move(shards)) {}

Status PutRecords::Run(log::Core* core, const ShardMap& routes, const uint32_t* slots,
                       const uint8_t* body, uint32_t bytes, const Options& options) {
  shard_count_ = 0;
  ScanLimits limits;
  limits.record_bytes_max = options.record_bytes_max;
  limits.records_max = records_max_;
  Status status = request_->Scan(body, bytes, limits);
  if (!status.ok()) {
    return status;
  }
  router_->Route(routes, *request_);
  for (uint32_t index = 0; index < router_->run_count(); ++index) {
    const ShardRun& run = router_->run(index);
    AppendRun(core, run, slots[run.ordinal], options, &shards_[index]);
  }
  shard_count_ = router_->run_count();
  return Status();
}

void PutRecords::AppendRun(log::Core* core, const ShardRun& run, uint32_t slot,
                           const Options& options, PutRecordsShard* shard) const {
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
  const Status status = core->Append(slot, append, &result);
  *shard = {run.shard,        run.ordinal,           slot,
            run.count,        result.first_sequence, result.end_position,
            result.committed, result.duplicate,      result.durability,
            status.code()};
}

size_t PutRecords::AnswerBytesMax() const {
  return kAnswerFrameBytes + records_max_ * (kShardAnswerBytesMax + sizeof(uint16_t));
}

size_t PutRecords::EncodeAnswer(uint8_t* to, size_t capacity) const {
  MILLRACE_CHECK(capacity >= AnswerBytesMax());
  AnswerWriter writer(to);
  uint32_t failed = 0;
  writer.Byte(format::kFixArray | 3);
  writer.Uint32(format::kArray32, static_cast<uint32_t>(shard_count_));
  for (size_t index = 0; index < shard_count_; ++index) {
    const PutRecordsShard& shard = shards_[index];
    writer.Byte(format::kFixArray | 4);
    writer.Uint64(shard.shard);
    writer.Uint64(shard.first_sequence);
    writer.Uint32(format::kUint32, shard.count);
    if (shard.refused == Code::kOk) {
      writer.Byte(format::kNil);
    } else {
      writer.ShortString(base::CodeName(shard.refused));
      failed += shard.count;
    }
  }
  const uint32_t records = shard_count_ == 0 ? 0 : request_->record_count();
  const bool wide = shard_count_ > kShardsOfOneByteMax;
  writer.Uint32(format::kBin32, wide ? 2 * records : records);
  for (uint32_t record = 0; record < records; ++record) {
    const uint32_t run = router_->run_of_record(record);
    if (wide) {
      writer.Uint16(static_cast<uint16_t>(run));
    } else {
      writer.Byte(static_cast<uint8_t>(run));
    }
  }
  writer.Uint32(format::kUint32, failed);
  return static_cast<size_t>(writer.at() - to);
}

}  // namespace millrace::ingest
