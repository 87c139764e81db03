#include <cstring>

#include "native/format/segment_format.h"
#include "native/log/batch_view.h"
#include "native/log/core.h"
#include "test/torture/native/bit_rot.h"

namespace millrace::torture {

using support::SimFileOps;

namespace {

class FixedClock : public base::Clock {
 public:
  uint64_t WallMillis() override { return 1700000000000; }

  uint64_t SteadyMillis() override { return 1; }
};

FixedClock fixed_clock;

void AppendRecord(std::string* records, const std::string& data) {
  records->append("\x92\xa1k\xc5", 4);
  records->push_back(static_cast<char>(data.size() >> 8));
  records->push_back(static_cast<char>(data.size()));
  records->append(data);
}

// Data that looks like a batch: a reader of damaged bytes must not fall for it.
std::string FakeBatch(Random* random) {
  std::string fake(format::kBatchHeaderBytes + 8, '\0');
  log::BatchHeader header;
  header.shard = random->Between(1, 2);
  header.first_sequence = random->Between(1, 400);
  header.count = 1;
  header.records_bytes = 8;
  auto* const bytes = reinterpret_cast<uint8_t*>(fake.data());
  log::WriteBatchHeader(bytes, header);
  log::SealBatch(bytes, fake.size());
  return fake;
}

void AppendRandom(log::Core* core, uint32_t slot, Random* random) {
  const uint32_t count = static_cast<uint32_t>(random->Between(1, 5));
  std::string records;
  for (uint32_t record = 0; record < count; ++record) {
    std::string data(random->OneIn(20) ? random->Between(2000, 12000) : random->Between(0, 300),
                     '\0');
    for (char& byte : data) {
      byte = static_cast<char>(random->Next());
    }
    AppendRecord(&records, random->OneIn(10) ? FakeBatch(random) : data);
  }
  const log::Piece piece{reinterpret_cast<const uint8_t*>(records.data()),
                         static_cast<uint32_t>(records.size())};
  log::AppendRequest request;
  request.pieces = &piece;
  request.piece_count = 1;
  request.records_bytes = piece.bytes;
  request.count = count;
  log::AppendResult result{};
  if (!core->Append(slot, request, &result).ok()) {
    std::abort();  // the undamaged log must take everything
  }
}

// Finds each batch's file by its bytes, which are unique.
void Locate(Specimen* specimen) {
  for (const std::string& path : specimen->disk->FilePaths()) {
    if (!IsSegment(path)) {
      continue;
    }
    const std::vector<uint8_t> file = specimen->disk->ReadFile(path);
    uint64_t at = format::kSegmentHeaderBlockBytes;
    log::BatchHeader header;
    while (log::CheckBatch(file.data() + at, file.size() - at, &header) ==
           log::BatchCheck::kWhole) {
      for (auto& [position, batch] : specimen->shards[header.shard]) {
        if (batch.bytes.size() == header.bytes() &&
            std::memcmp(batch.bytes.data(), file.data() + at, batch.bytes.size()) == 0) {
          batch.path = path;
          batch.offset = at;
        }
      }
      at += header.bytes();
    }
  }
}

void Memorize(log::Core* core, Specimen* specimen) {
  for (const uint64_t shard : core->ListShards()) {
    uint32_t slot = 0;
    log::ShardStats stats{};
    if (!core->FindShard(shard, &slot).ok() || !core->GetShardStats(slot, &stats).ok()) {
      std::abort();
    }
    uint64_t position = stats.trimmed_start;
    log::ReadResult result;
    while (core->Read(slot, position, 1, &result).ok() && result.bytes != 0) {
      specimen->shards[shard][position] = {
          result.next_position,
          std::string(reinterpret_cast<const char*>(result.data), result.bytes),
          result.record_count == 0, "", 0};
      position = result.next_position;
    }
  }
}

}  // namespace

Specimen MakeSpecimen(uint64_t seed, bool clean) {
  Random random(seed);
  Specimen specimen;
  specimen.clean = clean;
  specimen.options.inline_mode = true;
  specimen.options.clock = &fixed_clock;
  specimen.options.segment_bytes_min = 32 * 1024;
  specimen.options.segment_bytes_max = 64 * 1024;
  specimen.options.disk_low_water_bytes = 1;
  specimen.options.spare_segments = 1;
  auto disk = std::make_unique<SimFileOps>("/disk");
  disk->SetTracing(false);
  log::CoreOptions options = specimen.options;
  options.file_ops = disk.get();
  std::shared_ptr<log::Core> core;
  std::vector<uint64_t> shards;
  if (!log::Core::Open(kSpecimenDirectory, options, &core).ok() ||
      !core->CreateShards({1, 1000}, &shards).ok()) {
    std::abort();
  }
  for (int batch = 0; batch < 150; ++batch) {
    AppendRandom(core.get(), static_cast<uint32_t>(random.Below(2)), &random);
  }
  for (int chore = 0; chore < 6; ++chore) {
    core->RunChores();
  }
  if (clean) {
    Memorize(core.get(), &specimen);
    if (!core->Close().ok()) {
      std::abort();
    }
    specimen.disk = disk->KillCopy();
  } else {
    Memorize(core.get(), &specimen);
    specimen.disk = disk->KillCopy();
  }
  specimen.disk->SetTracing(false);
  Locate(&specimen);
  return specimen;
}

}  // namespace millrace::torture
