// What the broker answers to put requests, checked, and the account of what it has acknowledged:
// per shard the count, the highest sequence number, and a fingerprint over which record got which
// sequence number. A log that holds the same account holds exactly those records.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bench/native/harness/put_frames.h"
#include "bench/native/harness/web_socket.h"
#include "native/base/bytes.h"
#include "native/ingest/msgpack_header.h"

namespace millrace::bench {

// Steps through a message that has to be well-formed; ends the bench where it is not.
class MessageReader {
 public:
  MessageReader(const uint8_t* at, size_t bytes) : at_(at), end_(at + bytes) {}

  uint32_t Array() { return Take(ingest::ReadArrayHeader(at_, end_), "an array"); }

  uint64_t Unsigned() {
    const ingest::UnsignedValue value = ingest::ReadUnsigned(at_, end_);
    if (value.fault != ingest::HeaderFault::kNone) {
      FailAt("an unsigned integer");
    }
    at_ += value.bytes;
    return value.value;
  }

  std::string Text() {
    const uint32_t bytes = Take(ingest::ReadStrHeader(at_, end_), "a str");
    const uint8_t* const start = Bytes(bytes);
    return {reinterpret_cast<const char*>(start), bytes};
  }

  const uint8_t* Bin(uint32_t* bytes) {
    *bytes = Take(ingest::ReadBinHeader(at_, end_), "a bin");
    return Bytes(*bytes);
  }

  // Whether a nil, or a bool that is `true`, stands here; it is taken.
  bool TakeNil() { return TakeByte(format::kNil); }

  bool Bool() {
    constexpr uint8_t kFalse = 0xc2;
    constexpr uint8_t kTrue = 0xc3;
    const bool is_true = TakeByte(kTrue);
    if (!is_true && !TakeByte(kFalse)) {
      FailAt("a bool");
    }
    return is_true;
  }

 private:
  uint32_t Take(const ingest::Header& header, const char* wanted) {
    if (header.fault != ingest::HeaderFault::kNone) {
      FailAt(wanted);
    }
    at_ += header.bytes;
    return header.length;
  }

  const uint8_t* Bytes(uint32_t bytes) {
    if (bytes > static_cast<size_t>(end_ - at_)) {
      FailAt("more bytes");
    }
    at_ += bytes;
    return at_ - bytes;
  }

  bool TakeByte(uint8_t byte) {
    const bool is_it = at_ != end_ && *at_ == byte;
    at_ += is_it ? 1 : 0;
    return is_it;
  }

  [[noreturn]] void FailAt(const char* wanted) const {
    Fail(std::string("an answer has ") + ingest::DescribeValue(at_, end_) + " instead of " +
         wanted);
  }

  const uint8_t* at_;
  const uint8_t* end_;
};

struct ShardAccount {
  uint64_t records = 0;
  uint64_t last_sequence = 0;
  uint64_t fingerprint = 0;

  // Adding is commutative: requests of several connections may be counted in any order.
  void Add(uint64_t sequence, uint32_t record_crc) {
    uint64_t mix = (sequence * 0x9e3779b97f4a7c15u) ^ record_crc;
    mix = (mix ^ (mix >> 32)) * 0xd6e8feb86659fd93u;
    fingerprint += mix ^ (mix >> 32);
    records += 1;
    last_sequence = std::max(last_sequence, sequence);
  }

  bool operator==(const ShardAccount& other) const = default;
};

// Checks the answers on one connection and adds them to an account that all connections share.
class PutAnswers {
 public:
  PutAnswers(const FrameOptions& options, std::vector<ShardAccount>* accounts)
      : options_(options), accounts_(accounts), last_sequences_(options.shards) {}

  // The request id of an answer that says that it worked. Ends the bench where it did not.
  uint32_t ReadHead(MessageReader* reader) const {
    reader->Array();
    const uint64_t opcode = reader->Unsigned();
    const auto request_id = static_cast<uint32_t>(reader->Unsigned());
    if (opcode != static_cast<uint64_t>(options_.kind)) {
      Fail("an answer has opcode " + std::to_string(opcode));
    }
    if (!reader->TakeNil()) {
      const std::string code = reader->Text();
      Fail("the broker refused a request: " + code + ": " + reader->Text());
    }
    const std::string durability = reader->Text();
    if (durability != options_.durability && durability != "disk") {
      Fail("an answer names durability " + durability);
    }
    return request_id;
  }

  // What follows the head, for the frame that was sent.
  void ReadBody(MessageReader* reader, const PutFrame& frame) {
    switch (options_.kind) {
      case PutKind::kRecord:
        ReadRecord(reader, frame);
        break;
      case PutKind::kRecords:
        ReadRecords(reader, frame);
        break;
      case PutKind::kBatch:
        ReadBatch(reader, frame);
        break;
    }
  }

 private:
  void ReadRecord(MessageReader* reader, const PutFrame& frame) {
    const std::string shard_id = reader->Text();
    const auto shard = std::strtoul(shard_id.c_str() + shard_id.find('-') + 1, nullptr, 10);
    const uint64_t sequence = reader->Unsigned();
    AccountOf(shard, sequence, 1).Add(sequence, frame.record_crcs[0]);
  }

  void ReadBatch(MessageReader* reader, const PutFrame& frame) {
    uint64_t sequence = reader->Unsigned();
    if (reader->Bool()) {
      Fail("a batch without a producer was called a duplicate");
    }
    ShardAccount& account = AccountOf(frame.shard, sequence, options_.records);
    for (const uint32_t crc : frame.record_crcs) {
      account.Add(sequence++, crc);
    }
  }

  void ReadRecords(MessageReader* reader, const PutFrame& frame) {
    struct Part {
      ShardAccount* account;
      uint64_t next_sequence;
      uint64_t end_sequence;
    };

    std::vector<uint64_t> shards(reader->Array());
    for (uint64_t& shard : shards) {
      shard = reader->Unsigned();
    }
    reader->Array();
    std::vector<Part> parts(reader->Array());
    if (parts.size() != shards.size() || parts.size() > 256) {
      Fail("an answer has " + std::to_string(shards.size()) + " indexes for " +
           std::to_string(parts.size()) + " shards");
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      reader->Array();
      reader->Unsigned();  // the shard's number in the log
      const uint64_t sequence = reader->Unsigned();
      const uint64_t count = reader->Unsigned();
      if (!reader->TakeNil()) {
        Fail("a shard refused its records: " + reader->Text());
      }
      if (!reader->TakeNil()) {
        Fail("a shard that took its records asks for a pause");
      }
      parts[i] = {&AccountOf(shards[i], sequence, count), sequence, sequence + count};
    }
    uint32_t ordinal_count = 0;
    const uint8_t* const ordinals = reader->Bin(&ordinal_count);
    if (ordinal_count != frame.record_crcs.size() || reader->Unsigned() != 0) {
      Fail("an answer is not about all records of its request");
    }
    for (uint32_t i = 0; i < ordinal_count; ++i) {
      if (ordinals[i] >= parts.size()) {
        Fail("an answer names a shard that it does not list");
      }
      Part& part = parts[ordinals[i]];
      part.account->Add(part.next_sequence++, frame.record_crcs[i]);
    }
    for (const Part& part : parts) {
      if (part.next_sequence != part.end_sequence) {
        Fail("an answer counts the records of a shard in two ways");
      }
    }
  }

  // The account of a shard that has just numbered `count` records: on one connection the numbers
  // rise.
  ShardAccount& AccountOf(uint64_t shard, uint64_t first_sequence, uint64_t count) {
    if (shard >= accounts_->size()) {
      Fail("an answer names shard " + std::to_string(shard));
    }
    if (first_sequence <= last_sequences_[shard]) {
      Fail("sequence numbers of shard " + std::to_string(shard) + " do not rise");
    }
    last_sequences_[shard] = first_sequence + count - 1;
    return (*accounts_)[shard];
  }

  const FrameOptions& options_;
  std::vector<ShardAccount>* const accounts_;
  std::vector<uint64_t> last_sequences_;
};

}  // namespace millrace::bench
