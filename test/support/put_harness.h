// A stream in a log of its own: shards that are split and merged, and PutRecords requests to them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/ingest/put_records.h"
#include "test/support/log_harness.h"
#include "test/support/msgpack_encode.h"

namespace millrace::support {

// The place of a record that has no key.
inline constexpr uint32_t kNoPlace = UINT32_MAX;

// A record that goes where the test wants it: the hash space is cut into 2^16 keys.
struct PlacedRecord {
  uint32_t place;  // below 2^16, or kNoPlace
  std::string data;
};

// What became of one record.
struct PutOutcome {
  uint64_t shard = 0;
  uint64_t sequence = 0;
  base::Code refused = base::Code::kOk;
  uint32_t route = 0;
  uint32_t retry_millis = 0;
};

class PutHarness {
 public:
  static constexpr uint32_t kPlaces = 1 << 16;

  struct Shard {
    uint32_t end;  // its last place
    uint64_t id;
  };

  using Map = std::vector<Shard>;

  PutHarness() : put(ingest::PutRecords::Create(500)) {
    log.Open();
    EXPECT_NE(put, nullptr);
  }

  uint64_t NewShard() {
    std::vector<uint64_t> shards;
    const base::Status status = log.core->CreateShards({next_first_sequence_}, &shards);
    EXPECT_TRUE(status.ok()) << status.message();
    next_first_sequence_ += uint64_t{1} << 32;
    return shards.at(0);
  }

  // Replaces the open map; the one before it becomes the newest of the previous ones.
  void Reshard(Map open) {
    if (!maps.empty()) {
      for (const Shard& shard : maps[0]) {
        const auto same = [&shard](const Shard& it) { return it.id == shard.id; };
        if (std::none_of(open.begin(), open.end(), same)) {
          EXPECT_TRUE(log.core->SealShards({shard.id}).ok());
        }
      }
    }
    maps.insert(maps.begin(), std::move(open));
    SetRoutes();
  }

  void SetRoutes() {
    ingest::RouteSettings settings;
    settings.limits = limits;
    for (const Map& map : maps) {
      settings.maps.emplace_back();
      for (const Shard& shard : map) {
        ingest::OpenShard open = {};
        base::StoreBig64(open.ending_hash_key, (uint64_t{shard.end} << 48) | (UINT64_MAX >> 16));
        base::StoreBig64(open.ending_hash_key + 8, UINT64_MAX);
        open.shard = shard.id;
        settings.maps.back().push_back(open);
      }
    }
    const base::Status status = ingest::Routes::Create(*log.core, settings, &meters, &routes);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  static Bytes BodyOf(const std::vector<PlacedRecord>& records, uint64_t producer_id,
                      uint32_t producer_sequence) {
    std::vector<Bytes> encoded;
    std::vector<HashKeyBytes> keys;
    for (const PlacedRecord& record : records) {
      const Bytes data(record.data.begin(), record.data.end());
      if (record.place == kNoPlace) {
        Bytes keyless = {0x92, 0xc0};
        AppendBin(&keyless, data, BinWidth(data.size()));
        encoded.push_back(keyless);
        keys.emplace_back(std::nullopt);
        continue;
      }
      encoded.push_back(MakeRecord("k", data));
      Bytes key(16, 0);
      base::StoreBig64(key.data(), uint64_t{record.place} << 48);
      keys.emplace_back(key);
    }
    Bytes producer = {0xcf};
    AppendBig(&producer, producer_id, 8);
    producer.push_back(0xce);
    AppendBig(&producer, producer_sequence, 4);
    return Concatenate({RecordArray(encoded), HashKeyArray(keys), producer});
  }

  // One outcome per record, as the answer tells them.
  std::vector<PutOutcome> Put(const std::vector<PlacedRecord>& records, uint64_t producer_id = 0,
                              uint32_t producer_sequence = 0) {
    const Bytes body = BodyOf(records, producer_id, producer_sequence);
    const base::Status status =
        put->Run(log.core.get(), *routes, body.data(), static_cast<uint32_t>(body.size()), options);
    EXPECT_TRUE(status.ok()) << status.message();
    return Outcomes(records.size());
  }

  // All the data of a shard, in order.
  std::vector<std::string> DataOf(uint64_t shard) {
    std::vector<std::string> data;
    for (const std::string& batch : log.ReadAll(log.SlotOf(shard)).batches) {
      const auto* at = reinterpret_cast<const uint8_t*>(batch.data());
      const uint8_t* const end = at + batch.size();
      while (at < end) {
        ingest::RecordShape shape = {};
        if (!ingest::ScanRecord(at, end, UINT32_MAX, &shape)) {
          ADD_FAILURE() << "no record at byte " << at - (end - batch.size());
          return data;
        }
        const uint32_t bytes = shape.payload_bytes - shape.key_bytes;
        at += shape.bytes;
        data.emplace_back(reinterpret_cast<const char*>(at - bytes), bytes);
      }
    }
    return data;
  }

  LogHarness log;
  std::unique_ptr<ingest::PutRecords> put;
  ingest::PutRecords::Options options;
  std::vector<Map> maps;  // the open one, then previous ones, newest first
  std::optional<ingest::ThroughputLimits> limits;
  ingest::MeterTable meters;
  std::shared_ptr<const ingest::Routes> routes;

 private:
  // Reads the encoded answer, so that it is tested with all else.
  std::vector<PutOutcome> Outcomes(size_t record_count) {
    std::vector<uint8_t> answer(put->AnswerBytesMax());
    const size_t size = put->EncodeAnswer(answer.data(), answer.size());
    EXPECT_LE(size, answer.size());
    const size_t tail_bytes = 5 + 5 + record_count * (put->part_count() > 256 ? 2 : 1);
    const uint8_t* ordinals = answer.data() + size - tail_bytes + 5;
    EXPECT_EQ(ordinals[-5], 0xc6);
    std::vector<uint64_t> next;
    for (size_t i = 0; i < put->part_count(); ++i) {
      next.push_back(put->parts()[i].first_sequence);
    }
    std::vector<PutOutcome> outcomes;
    for (size_t i = 0; i < record_count; ++i) {
      const size_t ordinal =
          put->part_count() > 256 ? base::LoadBig16(ordinals + 2 * i) : ordinals[i];
      const ingest::PutRecordsPart& part = put->parts()[ordinal];
      const bool has_it = part.refused == base::Code::kOk;
      outcomes.push_back(
          {part.shard, has_it ? next[ordinal]++ : 0, part.refused, part.route, part.retry_millis});
    }
    for (size_t i = 0; i < put->part_count(); ++i) {
      const ingest::PutRecordsPart& part = put->parts()[i];
      const uint64_t told =
          part.refused == base::Code::kOk ? next[i] - part.first_sequence : part.count;
      EXPECT_EQ(told, part.count);
    }
    return outcomes;
  }

  uint64_t next_first_sequence_ = 1;
};

}  // namespace millrace::support
