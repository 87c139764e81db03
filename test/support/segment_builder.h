// Builds batches and the data areas of whole segments in memory, for tests of everything that reads
// them, and damages them on purpose. Positions, numbers and checksums are right unless a test makes
// them wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/log/batch_view.h"
#include "native/log/recovery.h"

namespace millrace::support {

using Bytes = std::vector<uint8_t>;

// One record as the broker stores it: an array of a key (str) and data (bin), shortest headers.
Bytes EncodeRecord(std::string_view key, std::string_view data);

// The records of a batch whose data are `payloads`, back to back.
Bytes EncodeRecords(const std::vector<std::string>& payloads);

// A whole batch. `header.records_bytes` and `header.crc32c` are computed.
Bytes BuildBatch(log::BatchHeader header, const Bytes& records);

// Makes the checksum of the batch at `batch` right again. Its length must be.
void FixChecksum(uint8_t* batch);

std::string ToString(const Bytes& bytes);

// A batch that a builder wrote.
struct BuiltBatch {
  uint64_t position;
  log::BatchHeader header;

  uint64_t end() const { return position + header.bytes(); }
};

// The data area of one segment. What is appended continues the log; the rest is zero.
class SegmentBuilder {
 public:
  struct Options {
    uint64_t data_bytes = 4096;
    uint64_t shard = 7;
    uint64_t base_position = 10000;
    uint64_t first_sequence = 1;
    uint32_t epoch = 3;
  };

  explicit SegmentBuilder(const Options& options);

  // From here on batches carry this `synced upto`, until FollowSync. At first they follow.
  void FixSyncedUpto(uint64_t position);
  // Batches carry their own position: everything before them had been synced.
  void FollowSync();

  void SetEpoch(uint32_t epoch) { epoch_ = epoch; }

  void SetProducer(uint64_t id, uint32_t sequence);  // of the next batch alone

  // Each returns the position of the batch.
  uint64_t Append(const std::vector<std::string>& payloads);
  uint64_t AppendMarker(size_t padding_bytes = 0);
  // A batch with the header that the next one would have, and these records, `count` of them, with
  // this codec.
  uint64_t AppendRecords(const Bytes& records, uint32_t count, uint32_t flags = 0);

  // The header that the next batch will have, but for its records.
  log::BatchHeader NextHeader() const;

  // Writes anything anywhere; nothing else changes.
  void Put(uint64_t position, const Bytes& bytes);

  uint8_t* At(uint64_t position) { return data_.data() + (position - options_.base_position); }

  Bytes& data() { return data_; }

  const Bytes& data() const { return data_; }

  const std::vector<BuiltBatch>& batches() const { return batches_; }

  uint64_t base_position() const { return options_.base_position; }

  uint64_t shard() const { return options_.shard; }

  uint64_t end() const { return end_; }  // position after the last batch

  uint64_t next_sequence() const { return next_sequence_; }

  std::vector<uint64_t> Positions() const;  // of all batches

  // A scan of the whole area. Valid while the builder lives and is not appended to.
  log::ScanInput Open() const;
  // The same with the end recorded as it is now.
  log::ScanInput Sealed() const;

 private:
  uint64_t Write(const log::BatchHeader& header, const Bytes& records);

  Options options_;
  Bytes data_;
  std::vector<BuiltBatch> batches_;
  uint64_t end_;
  uint64_t next_sequence_;
  uint64_t arrival_millis_ = 1700000000000;
  uint32_t epoch_;
  bool follow_sync_ = true;
  uint64_t synced_upto_ = 0;
  uint64_t producer_id_ = 0;
  uint32_t producer_sequence_ = 0;
};

// Keeps what a scan accepts.
class CollectingVisitor : public log::BatchVisitor {
 public:
  struct Seen {
    uint64_t position;
    log::BatchHeader header;
    Bytes bytes;
  };

  void OnBatch(uint64_t position, const log::BatchHeader& header, const uint8_t* batch) override {
    seen_.push_back({position, header, Bytes(batch, batch + header.bytes())});
  }

  const std::vector<Seen>& seen() const { return seen_; }

 private:
  std::vector<Seen> seen_;
};

}  // namespace millrace::support
