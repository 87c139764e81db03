// Put requests as WebSocket frames, built and masked before the clock starts. They stand back to
// back in a ring, so that one send takes as many of them as there are to send, and the only bytes
// that differ from round to round are those of the request id.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "native/base/bytes.h"
#include "native/base/crc32c.h"
#include "native/base/status.h"
#include "native/format/msgpack_format.h"
#include "test/support/msgpack_encode.h"

namespace millrace::bench {

// The values are the opcodes of src/wire/operations.ts.
enum class PutKind : uint8_t { kRecord = 0x20, kRecords = 0x21, kBatch = 0x24 };

struct FrameOptions {
  PutKind kind = PutKind::kRecords;
  std::string stream = "bench";
  std::string durability = "os";
  uint32_t shards = 4;          // of the stream: sealed batches go to one after another
  uint32_t records = 500;       // in one frame
  uint32_t record_bytes = 100;  // of data; 0x10 bytes of key come on top
  uint32_t frames = 16;         // in the ring
  uint64_t seed = 1;
  bool masks_are_zero = false;  // no legal client: shows what the unmasking of the server costs
};

struct PutFrame {
  size_t start;  // in the bytes of the ring
  size_t end;
  size_t request_id_at;
  std::array<uint8_t, 4> request_id_mask;
  uint32_t shard;                     // sealed batches alone
  std::vector<uint32_t> record_crcs;  // of the records as encoded, in their order
};

class FrameRing {
 public:
  explicit FrameRing(const FrameOptions& options) : random_(options.seed) {
    for (uint32_t index = 0; index < options.frames; ++index) {
      Add(options, index);
    }
  }

  const uint8_t* bytes() const { return bytes_.data(); }

  uint32_t size() const { return static_cast<uint32_t>(frames_.size()); }

  const PutFrame& frame(uint32_t index) const { return frames_[index]; }

  void SetRequestId(uint32_t index, uint32_t request_id) {
    const PutFrame& frame = frames_[index];
    uint8_t* const to = bytes_.data() + frame.request_id_at;
    base::StoreBig32(to, request_id);
    for (size_t i = 0; i < frame.request_id_mask.size(); ++i) {
      to[i] ^= frame.request_id_mask[i];
    }
  }

 private:
  using Bytes = support::Bytes;

  static constexpr size_t kRequestIdAt = 3;  // array of up to 15, opcode, type byte of a uint 32
  static constexpr size_t kMaskBytes = 4;

  Bytes MakeRecord(uint32_t record_bytes) {
    Bytes data(record_bytes);
    for (uint8_t& byte : data) {
      byte = static_cast<uint8_t>(random_());
    }
    return support::MakeRecord(base::Format("%016llx", static_cast<unsigned long long>(random_())),
                               data);
  }

  static Bytes Head(const FrameOptions& options, uint32_t elements) {
    Bytes head;
    support::AppendArrayHeader(&head, elements);
    head.push_back(static_cast<uint8_t>(options.kind));
    head.push_back(format::kUint32);
    support::AppendBig(&head, 0, 4);
    support::AppendStr(&head, options.stream, support::StrWidth(options.stream.size()));
    support::AppendStr(&head, options.durability, support::Width::kFix);
    return head;
  }

  static Bytes BatchPayload(const FrameOptions& options, uint32_t shard, const Bytes& records) {
    Bytes payload = Head(options, 10);
    for (const uint32_t number : {shard, options.records}) {
      payload.push_back(format::kUint32);
      support::AppendBig(&payload, number, 4);
    }
    support::AppendBytes(&payload, {0, 0, 0});  // no codec, no producer
    support::AppendBin(&payload, records, support::BinWidth(records.size()));
    return payload;
  }

  static Bytes RequestPayload(const FrameOptions& options, const std::vector<Bytes>& records) {
    return support::Concatenate({Head(options, 8), support::MakeRequest(records)});
  }

  void Add(const FrameOptions& options, uint32_t index) {
    PutFrame frame{};
    std::vector<Bytes> records;
    for (uint32_t i = 0; i < options.records; ++i) {
      records.push_back(MakeRecord(options.record_bytes));
      frame.record_crcs.push_back(base::Crc32c(0, records.back().data(), records.back().size()));
    }
    frame.shard = index % options.shards;
    const Bytes payload = options.kind == PutKind::kBatch
                              ? BatchPayload(options, frame.shard, support::Concatenate(records))
                              : RequestPayload(options, records);
    AddMasked(payload, options.masks_are_zero, &frame);
    frames_.push_back(std::move(frame));
  }

  // RFC 6455, 5.2: a final binary frame.
  void AddMasked(const Bytes& payload, bool mask_is_zero, PutFrame* frame) {
    frame->start = bytes_.size();
    bytes_.push_back(0x82);
    if (payload.size() < 126) {
      bytes_.push_back(static_cast<uint8_t>(0x80 | payload.size()));
    } else if (payload.size() < 65536) {
      bytes_.push_back(0x80 | 126);
      support::AppendBig(&bytes_, payload.size(), 2);
    } else {
      bytes_.push_back(0x80 | 127);
      support::AppendBig(&bytes_, payload.size(), 8);
    }
    std::array<uint8_t, kMaskBytes> mask{};
    for (uint8_t& byte : mask) {
      byte = mask_is_zero ? 0 : static_cast<uint8_t>(1 + random_() % 255);
    }
    bytes_.insert(bytes_.end(), mask.begin(), mask.end());
    frame->request_id_at = bytes_.size() + kRequestIdAt;
    for (size_t i = 0; i < frame->request_id_mask.size(); ++i) {
      frame->request_id_mask[i] = mask[(kRequestIdAt + i) % kMaskBytes];
    }
    for (size_t i = 0; i < payload.size(); ++i) {
      bytes_.push_back(payload[i] ^ mask[i % kMaskBytes]);
    }
    frame->end = bytes_.size();
  }

  std::mt19937_64 random_;
  Bytes bytes_;
  std::vector<PutFrame> frames_;
};

}  // namespace millrace::bench
