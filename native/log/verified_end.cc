#include "native/log/verified_end.h"

#include <cstring>

#include "native/base/bytes.h"
#include "native/base/crc32c.h"
#include "native/format/batch_format.h"
#include "native/format/segment_format.h"

namespace millrace::log {

namespace {

constexpr uint64_t kMagic = 0x31444e4556524c4d;  // "MLRVEND1"
constexpr size_t kSegmentFields = sizeof(VerifiedSegment) / sizeof(uint64_t);

static_assert(sizeof(VerifiedSegment) == kSegmentFields * sizeof(uint64_t));

class Writer {
 public:
  void Put32(uint32_t value) { PutBytes(&value, sizeof value); }

  void Put64(uint64_t value) { PutBytes(&value, sizeof value); }

  void PutBytes(const void* data, size_t bytes) {
    const auto* from = static_cast<const uint8_t*>(data);
    bytes_.insert(bytes_.end(), from, from + bytes);
  }

  void PutBlock(const std::vector<uint8_t>& block) {
    Put32(static_cast<uint32_t>(block.size()));
    PutBytes(block.data(), block.size());
  }

  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  uint32_t Get32() {
    uint32_t value = 0;
    GetBytes(&value, sizeof value);
    return value;
  }

  uint64_t Get64() {
    uint64_t value = 0;
    GetBytes(&value, sizeof value);
    return value;
  }

  void GetBytes(void* to, size_t bytes) {
    if (bytes > left_) {
      good_ = false;
      return;
    }
    std::memcpy(to, at_, bytes);
    at_ += bytes;
    left_ -= bytes;
  }

  std::vector<uint8_t> GetBlock() {
    const uint32_t size = Get32();
    std::vector<uint8_t> block;
    if (good_ && size <= left_) {
      block.assign(at_, at_ + size);
      at_ += size;
      left_ -= size;
    } else {
      good_ = false;
    }
    return block;
  }

  // A count of things that take at least `bytes_each` each; 0 and no longer good when they cannot
  // fit.
  uint32_t GetCount(size_t bytes_each) {
    const uint32_t count = Get32();
    if (count > left_ / bytes_each) {
      good_ = false;
      return 0;
    }
    return count;
  }

  bool good() const { return good_; }

  size_t left() const { return left_; }

 private:
  const uint8_t* at_;
  size_t left_;
  bool good_ = true;
};

constexpr size_t kShardBytesMin = 6 * sizeof(uint64_t) + 3 * sizeof(uint32_t);

void PutShard(const VerifiedShard& shard, Writer* writer) {
  for (const uint64_t field : {shard.shard, shard.end_position, shard.next_sequence,
                               shard.last_arrival_millis, shard.epoch, shard.tail_proven}) {
    writer->Put64(field);
  }
  writer->Put32(static_cast<uint32_t>(shard.segments.size()));
  for (const VerifiedSegment& segment : shard.segments) {
    writer->PutBytes(&segment, sizeof segment);
  }
  writer->PutBlock(shard.last_index);
  writer->PutBlock(shard.duplicates);
}

void GetShard(Reader* reader, VerifiedShard* shard) {
  for (uint64_t* field : {&shard->shard, &shard->end_position, &shard->next_sequence,
                          &shard->last_arrival_millis, &shard->epoch, &shard->tail_proven}) {
    *field = reader->Get64();
  }
  shard->segments.resize(reader->GetCount(sizeof(VerifiedSegment)));
  for (VerifiedSegment& segment : shard->segments) {
    reader->GetBytes(&segment, sizeof segment);
  }
  shard->last_index = reader->GetBlock();
  shard->duplicates = reader->GetBlock();
}

}  // namespace

std::vector<uint8_t> EncodeVerifiedEnd(const VerifiedEnd& end) {
  Writer writer;
  writer.Put64(kMagic);
  writer.Put32(format::kFormatVersion);
  writer.Put32(static_cast<uint32_t>(end.shards.size()));
  writer.Put64(end.directory_id);
  writer.Put64(end.manifest_generation);
  writer.Put64(end.manifest_record_count);
  for (const VerifiedShard& shard : end.shards) {
    PutShard(shard, &writer);
  }
  writer.Put32(format::MaskCrc(base::Crc32c(0, writer.bytes().data(), writer.bytes().size())));
  return std::move(writer.bytes());
}

bool DecodeVerifiedEnd(const uint8_t* data, size_t size, VerifiedEnd* end) {
  if (size < sizeof(uint32_t)) {
    return false;
  }
  const size_t body = size - sizeof(uint32_t);
  if (base::LoadLittle32(data + body) != format::MaskCrc(base::Crc32c(0, data, body))) {
    return false;
  }
  Reader reader(data, body);
  if (reader.Get64() != kMagic || reader.Get32() != format::kFormatVersion) {
    return false;
  }
  end->shards.resize(reader.GetCount(kShardBytesMin));
  end->directory_id = reader.Get64();
  end->manifest_generation = reader.Get64();
  end->manifest_record_count = reader.Get64();
  for (VerifiedShard& shard : end->shards) {
    GetShard(&reader, &shard);
  }
  return reader.good() && reader.left() == 0;
}

}  // namespace millrace::log
