#include "test/support/segment_builder.h"

#include <algorithm>

#include "native/base/bytes.h"
#include "native/base/check.h"

namespace millrace::support {
namespace {

void AppendText(Bytes* out, std::string_view text) {
  out->insert(out->end(), text.begin(), text.end());
}

void AppendSize(Bytes* out, uint8_t type, size_t size, size_t size_bytes) {
  out->push_back(type);
  for (size_t i = size_bytes; i-- > 0;) {
    out->push_back(static_cast<uint8_t>(size >> (8 * i)));
  }
}

void AppendSizedHeader(Bytes* out, uint8_t type8, size_t size) {
  if (size <= UINT8_MAX) {
    AppendSize(out, type8, size, 1);
  } else if (size <= UINT16_MAX) {
    AppendSize(out, static_cast<uint8_t>(type8 + 1), size, 2);
  } else {
    AppendSize(out, static_cast<uint8_t>(type8 + 2), size, 4);
  }
}

}  // namespace

Bytes EncodeRecord(std::string_view key, std::string_view data) {
  constexpr size_t kFixStrMax = 31;
  Bytes out{format::kFixArray | 2};
  if (key.size() <= kFixStrMax) {
    out.push_back(static_cast<uint8_t>(format::kFixStr | key.size()));
  } else {
    AppendSizedHeader(&out, format::kStr8, key.size());
  }
  AppendText(&out, key);
  AppendSizedHeader(&out, format::kBin8, data.size());
  AppendText(&out, data);
  return out;
}

Bytes EncodeRecords(const std::vector<std::string>& payloads) {
  Bytes out;
  for (const std::string& payload : payloads) {
    const Bytes record = EncodeRecord("key", payload);
    out.insert(out.end(), record.begin(), record.end());
  }
  return out;
}

Bytes BuildBatch(log::BatchHeader header, const Bytes& records) {
  header.records_bytes = static_cast<uint32_t>(records.size());
  Bytes batch(header.bytes());
  log::WriteBatchHeader(batch.data(), header);
  std::copy(records.begin(), records.end(), batch.begin() + format::kBatchHeaderBytes);
  log::SealBatch(batch.data(), batch.size());
  return batch;
}

void FixChecksum(uint8_t* batch) {
  const uint32_t records_bytes = base::LoadBig32(batch + format::kBatchRecordsLengthAt);
  log::SealBatch(batch, format::kBatchHeaderBytes + uint64_t{records_bytes});
}

std::string ToString(const Bytes& bytes) {
  return std::string(bytes.begin(), bytes.end());
}

SegmentBuilder::SegmentBuilder(const Options& options)
    : options_(options),
      data_(options.data_bytes),
      end_(options.base_position),
      next_sequence_(options.first_sequence),
      epoch_(options.epoch) {}

void SegmentBuilder::FixSyncedUpto(uint64_t position) {
  follow_sync_ = false;
  synced_upto_ = position;
}

void SegmentBuilder::FollowSync() {
  follow_sync_ = true;
}

void SegmentBuilder::SetProducer(uint64_t id, uint32_t sequence) {
  producer_id_ = id;
  producer_sequence_ = sequence;
}

uint64_t SegmentBuilder::Append(const std::vector<std::string>& payloads) {
  return AppendRecords(EncodeRecords(payloads), static_cast<uint32_t>(payloads.size()));
}

uint64_t SegmentBuilder::AppendMarker(size_t padding_bytes) {
  return AppendRecords(Bytes(padding_bytes), 0);
}

uint64_t SegmentBuilder::AppendRecords(const Bytes& records, uint32_t count, uint32_t flags) {
  log::BatchHeader header = NextHeader();
  header.count = count;
  header.flags = flags;
  return Write(header, records);
}

log::BatchHeader SegmentBuilder::NextHeader() const {
  log::BatchHeader header;
  header.shard = options_.shard;
  header.first_sequence = next_sequence_;
  header.arrival_millis = arrival_millis_;
  header.epoch = epoch_;
  header.producer_id = producer_id_;
  header.producer_sequence = producer_sequence_;
  header.synced_upto = follow_sync_ ? end_ : synced_upto_;
  return header;
}

void SegmentBuilder::Put(uint64_t position, const Bytes& bytes) {
  MILLRACE_CHECK(position >= options_.base_position);
  MILLRACE_CHECK(position - options_.base_position + bytes.size() <= data_.size());
  std::copy(bytes.begin(), bytes.end(), At(position));
}

uint64_t SegmentBuilder::Write(const log::BatchHeader& header, const Bytes& records) {
  const Bytes batch = BuildBatch(header, records);
  const uint64_t position = end_;
  Put(position, batch);
  log::BatchHeader written;
  MILLRACE_CHECK(log::CheckBatch(At(position), batch.size(), &written) == log::BatchCheck::kWhole);
  batches_.push_back({position, written});
  end_ += batch.size();
  next_sequence_ = written.next_sequence();
  arrival_millis_ += 5;
  producer_id_ = 0;
  producer_sequence_ = 0;
  return position;
}

std::vector<uint64_t> SegmentBuilder::Positions() const {
  std::vector<uint64_t> positions(batches_.size());
  std::transform(batches_.begin(), batches_.end(), positions.begin(),
                 [](const BuiltBatch& batch) { return batch.position; });
  return positions;
}

log::ScanInput SegmentBuilder::Open() const {
  log::ScanInput input;
  input.data = data_.data();
  input.bytes = data_.size();
  input.base_position = options_.base_position;
  input.shard = options_.shard;
  input.start_position = options_.base_position;
  input.expected_sequence = options_.first_sequence;
  return input;
}

log::ScanInput SegmentBuilder::Sealed() const {
  log::ScanInput input = Open();
  input.has_recorded_end = true;
  input.recorded_end = end_;
  input.recorded_next_sequence = next_sequence_;
  return input;
}

}  // namespace millrace::support
