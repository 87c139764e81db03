#include "test/torture/native/bit_rot.h"

#include <algorithm>
#include <cstring>

#include "native/format/segment_format.h"
#include "native/log/batch_view.h"
#include "native/log/core.h"
#include "native/log/segment_index.h"

namespace millrace::torture {

using base::Code;
using base::Format;
using base::Status;
using support::SimFileOps;

namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kLargestBatch = 64 * 1024;

using ull = unsigned long long;

bool IsSegment(const std::string& path) {
  return path.ends_with(".seg");
}

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

namespace {

class Inflictor {
 public:
  Inflictor(const Specimen& specimen, SimFileOps* disk, Random* random)
      : specimen_(specimen), disk_(disk), random_(random) {
    for (const std::string& path : specimen.disk->FilePaths()) {
      (IsSegment(path) ? segments_ : others_).push_back(path);
    }
    std::erase_if(others_,
                  [](const std::string& path) { return path.ends_with("/LOCK"); });  // empty
  }

  Damage Run() {
    if (random_->OneIn(6)) {
      DamageOther();
    } else {
      DamageSegment();
    }
    return std::move(damage_);
  }

 private:
  void DamageSegment() {
    path_ = Pick(segments_);
    content_ = disk_->ReadFile(path_);
    switch (random_->Below(10)) {
      case 0:
      case 1:
      case 2:
        return FlipBits();
      case 3:
        return Fill(kSectorBytes, 0, "zeroed sector");
      case 4:
        return Fill(base::kPageBytes, 0, "zeroed page");
      case 5:
        return CopyHere("stale or misdirected page", Pick(segments_));
      case 6:
        return SwapPages();
      case 7:
        return Cut();
      case 8:
        return Extend();
      default:
        return random_->OneIn(2) ? Remove() : SwapFiles();
    }
  }

  // Index files, one copy of the manifest, the verified end: nothing may be lost. FORMAT is a line
  // that a person can write again: without it an open is refused.
  void DamageOther() {
    path_ = Pick(others_);
    content_ = disk_->ReadFile(path_);
    damage_.refused = path_.ends_with("/FORMAT");
    if (damage_.refused || random_->OneIn(4) || content_.empty()) {
      Say("removed");
      disk_->Unlink(path_);
    } else if (random_->OneIn(2)) {
      FlipBits();
    } else {
      Fill(kSectorBytes, 0, "zeroed sector");
    }
    damage_.bytes.clear();
  }

  std::string Pick(const std::vector<std::string>& paths) {
    return paths[random_->Below(paths.size())];
  }

  void Say(const std::string& what) { damage_.what = what + " of " + path_; }

  void Write(uint64_t start, const std::vector<uint8_t>& bytes) {
    disk_->Overwrite(path_, start, bytes.data(), bytes.size());
    damage_.bytes.push_back({path_, start, start + bytes.size()});
  }

  void FlipBits() {
    static constexpr uint64_t kCounts[] = {1, 1, 2, 8, 32, 64};
    const uint64_t count = kCounts[random_->Below(6)];
    const bool burst = random_->OneIn(3);
    damage_.exact = count == 1;
    damage_.scattered = count > 2 && !burst;
    const uint64_t start = random_->Below(content_.size() * 8);
    Say(Format("%llu flipped bits from bit %llu", static_cast<ull>(count),
               static_cast<ull>(start)));
    for (uint64_t flip = 0; flip < count; ++flip) {
      const uint64_t bit = burst ? std::min<uint64_t>(start + flip % 32, content_.size() * 8 - 1)
                                 : (flip == 0 ? start : random_->Below(content_.size() * 8));
      content_[bit / 8] = static_cast<uint8_t>(content_[bit / 8] ^ (1u << (bit % 8)));
      Write(bit / 8, {content_[bit / 8]});
    }
  }

  void Fill(uint64_t bytes, uint8_t value, const char* what) {
    const uint64_t start = random_->Below(content_.size() / bytes + 1) * bytes;
    const uint64_t end = std::min<uint64_t>(start + bytes, content_.size());
    Say(Format("%s at %llu", what, static_cast<ull>(start)));
    if (start < end) {
      Write(start, std::vector<uint8_t>(end - start, value));
    }
  }

  void CopyHere(const char* what, const std::string& from) {
    const std::vector<uint8_t> source = disk_->ReadFile(from);
    const uint64_t bytes = random_->OneIn(2) ? base::kPageBytes : kSectorBytes;
    const uint64_t start = random_->Below(content_.size() / bytes) * bytes;
    const uint64_t other = random_->Below(source.size() / bytes) * bytes;
    Say(Format("%s at %llu from %llu of %s", what, static_cast<ull>(start), static_cast<ull>(other),
               from.c_str()));
    const auto begin = source.begin() + static_cast<ptrdiff_t>(other);
    Write(start, std::vector<uint8_t>(begin, begin + static_cast<ptrdiff_t>(bytes)));
  }

  void SwapPages() {
    const uint64_t pages = content_.size() / base::kPageBytes;
    const uint64_t first = random_->Below(pages) * base::kPageBytes;
    const uint64_t second = random_->Below(pages) * base::kPageBytes;
    Say(Format("swapped pages at %llu and %llu", static_cast<ull>(first),
               static_cast<ull>(second)));
    const auto page = [this](uint64_t at) {
      const auto begin = content_.begin() + static_cast<ptrdiff_t>(at);
      return std::vector<uint8_t>(begin, begin + static_cast<ptrdiff_t>(base::kPageBytes));
    };
    const std::vector<uint8_t> one = page(first);
    const std::vector<uint8_t> two = page(second);
    Write(first, two);
    Write(second, one);
  }

  void Replace(const std::vector<uint8_t>& content) {
    disk_->Unlink(path_);
    const int fd = disk_->Open(path_, base::OpenMode::kCreateNew);
    if (!content.empty()) {
      disk_->PWrite(fd, content.data(), content.size(), 0);
    }
    disk_->SyncData(fd);
    disk_->Close(fd);
  }

  void Cut() {
    const uint64_t end = random_->Below(content_.size());
    Say(Format("cut to %llu bytes", static_cast<ull>(end)));
    damage_.bytes.push_back({path_, end, content_.size()});
    content_.resize(end);
    Replace(content_);
  }

  void Extend() {
    Say("junk appended to the end");
    for (uint64_t byte = random_->Between(1, 9000); byte > 0; --byte) {
      content_.push_back(static_cast<uint8_t>(random_->Next()));
    }
    Replace(content_);
  }

  void Remove() {
    Say("removal");
    damage_.bytes.push_back({path_, 0, content_.size()});
    disk_->Unlink(path_);
  }

  void SwapFiles() {
    const std::string other = Pick(segments_);
    Say("swap with " + other);
    if (other == path_) {
      return;
    }
    const std::string between = path_ + ".new";
    disk_->Rename(path_, between);
    disk_->Rename(other, path_);
    disk_->Rename(between, other);
    if (specimen_.clean) {  // an unclean open finds out by the headers
      damage_.bytes.push_back({path_, 0, content_.size()});
      damage_.bytes.push_back({other, 0, UINT64_MAX});
    }
  }

  const Specimen& specimen_;
  SimFileOps* const disk_;
  Random* const random_;
  std::vector<std::string> segments_;
  std::vector<std::string> others_;
  std::string path_;
  std::vector<uint8_t> content_;
  Damage damage_;
};

class Judgement {
 public:
  Judgement(const Specimen& specimen, const Damage& damage)
      : specimen_(specimen), damage_(damage) {}

  std::string Run(SimFileOps* disk) {
    log::CoreOptions options = specimen_.options;
    options.file_ops = disk;
    std::shared_ptr<log::Core> core;
    if (damage_.refused) {
      const std::map<std::string, std::vector<uint8_t>> before = FilesOf(disk);
      const Status refusal = log::Core::Open(kSpecimenDirectory, options, &core);
      return JudgeLostFormat(refusal, FilesOf(disk) == before);
    }
    const Status status = log::Core::Open(kSpecimenDirectory, options, &core);
    if (!status.ok()) {
      return Format("does not open: %s %s", base::CodeName(status.code()),
                    status.message().c_str());
    }
    for (const auto& [shard, batches] : specimen_.shards) {
      std::string wrong = JudgeShard(core.get(), shard, batches);
      if (!wrong.empty()) {
        return Format("shard %llu: %s", static_cast<ull>(shard), wrong.c_str());
      }
    }
    return "";
  }

 private:
  static std::map<std::string, std::vector<uint8_t>> FilesOf(SimFileOps* disk) {
    std::map<std::string, std::vector<uint8_t>> files;
    for (const std::string& path : disk->FilePaths()) {
      files[path] = disk->ReadFile(path);
    }
    return files;
  }

  static std::string JudgeLostFormat(const Status& status, bool unchanged) {
    if (status.code() != Code::kCatalogUnreadable) {
      return Format("opens without FORMAT: %s %s", base::CodeName(status.code()),
                    status.message().c_str());
    }
    return unchanged ? "" : "the refused open has changed files";
  }

  bool IsTouched(const KnownBatch& batch) const {
    return std::any_of(damage_.bytes.begin(), damage_.bytes.end(), [&batch](const auto& bytes) {
      return bytes.path == batch.path && bytes.start < batch.offset + batch.bytes.size() &&
             batch.offset < bytes.end;
    });
  }

  // After an unclean stop the last bytes of a shard are known by nothing but themselves: a damage
  // that takes the marker along with what it proves looks like a tail that was never written.
  bool MayVanish(const std::map<uint64_t, KnownBatch>& batches, uint64_t position) const {
    if (specimen_.clean) {
      return false;
    }
    const KnownBatch& last = batches.rbegin()->second;
    if (!IsTouched(last)) {
      return false;
    }
    for (auto at = batches.find(position); at != batches.end(); ++at) {
      if (!IsTouched(at->second)) {
        return false;
      }
    }
    return true;
  }

  // Refused is what the damage touched, and no more than that when it left the length of the first
  // batch or its records to tell where the next one begins. Where it did not, what follows up to
  // the next index point is refused too, as nothing tells it from a planted copy; and in a segment
  // that was open when the process was killed, of which no index exists, everything up to its end
  // may be.
  std::string JudgeRefusal(uint64_t start, uint64_t end,
                           const std::map<uint64_t, KnownBatch>& batches,
                           std::map<uint64_t, KnownBatch>::const_iterator* known) const {
    const bool first_touched = IsTouched((*known)->second);
    uint64_t touched_end = start;
    bool indexed = specimen_.clean;
    for (; *known != batches.end() && (*known)->first < end; ++*known) {
      const KnownBatch& batch = (*known)->second;
      touched_end = IsTouched(batch) ? batch.end : touched_end;
      indexed = indexed || batch.path != batches.rbegin()->second.path;
    }
    end = std::min(end, batches.rbegin()->second.end);  // a lost last segment is given a wide berth
    if (damage_.scattered) {
      return "";
    }
    const uint64_t slack = damage_.exact ? 0 : log::kIndexIntervalBytes + kLargestBatch;
    if (!first_touched || (indexed && end > touched_end + slack)) {
      return Format("positions %llu to %llu are refused, more than the damage touched",
                    static_cast<ull>(start), static_cast<ull>(end));
    }
    return "";
  }

  std::string JudgeShard(log::Core* core, uint64_t shard,
                         const std::map<uint64_t, KnownBatch>& batches) {
    uint32_t slot = 0;
    if (!core->FindShard(shard, &slot).ok()) {
      return "is gone";
    }
    uint64_t position = batches.begin()->first;
    for (auto known = batches.begin(); known != batches.end();) {
      log::ReadResult result;
      const Status status = core->Read(slot, position, 1, &result);
      if (status.code() == Code::kLogCorrupt && status.range_end() > position) {
        std::string wrong = JudgeRefusal(position, status.range_end(), batches, &known);
        if (!wrong.empty()) {
          return wrong;
        }
        position = status.range_end();
        continue;
      }
      if (!status.ok()) {
        return Format("position %llu: %s %s", static_cast<ull>(position),
                      base::CodeName(status.code()), status.message().c_str());
      }
      if (result.bytes == 0) {
        return known->second.marker || MayVanish(batches, known->first)
                   ? ""
                   : Format("ends at %llu, unnoticed", static_cast<ull>(position));
      }
      const std::string served(reinterpret_cast<const char*>(result.data), result.bytes);
      if (known->first != position || served != known->second.bytes) {
        return Format("position %llu serves what was never written there",
                      static_cast<ull>(position));
      }
      position = result.next_position;
      ++known;
    }
    return "";
  }

  const Specimen& specimen_;
  const Damage& damage_;
};

}  // namespace

Damage Inflict(const Specimen& specimen, SimFileOps* disk, Random* random) {
  return Inflictor(specimen, disk, random).Run();
}

std::string Judge(const Specimen& specimen, const Damage& damage, SimFileOps* disk) {
  return Judgement(specimen, damage).Run(disk);
}

}  // namespace millrace::torture
