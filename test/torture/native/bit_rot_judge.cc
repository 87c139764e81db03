#include <algorithm>

#include "native/log/core.h"
#include "native/log/segment_index.h"
#include "test/torture/native/bit_rot.h"

namespace millrace::torture {

using base::Code;
using base::Format;
using base::Status;
using support::SimFileOps;

namespace {

constexpr uint64_t kLargestBatch = 64 * 1024;

using ull = unsigned long long;

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

std::string Judge(const Specimen& specimen, const Damage& damage, SimFileOps* disk) {
  return Judgement(specimen, damage).Run(disk);
}

}  // namespace millrace::torture
