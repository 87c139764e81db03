#include "native/log/manifest_records.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "native/base/crc32c.h"
#include "native/format/batch_format.h"
#include "native/format/segment_format.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;
using format::ManifestRecord;
using format::ManifestType;

namespace {

constexpr size_t kChecksummedStart = offsetof(ManifestRecord, type);

uint32_t ChecksumOf(const ManifestRecord& record) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&record);
  return format::MaskCrc(
      base::Crc32c(0, bytes + kChecksummedStart, sizeof record - kChecksummedStart));
}

std::optional<ManifestRecord> RecordAt(const std::vector<uint8_t>& bytes, uint64_t number) {
  if ((number + 1) * sizeof(ManifestRecord) > bytes.size()) {
    return std::nullopt;
  }
  ManifestRecord record;
  std::memcpy(&record, bytes.data() + number * sizeof record, sizeof record);
  const bool good = record.magic == format::kManifestMagic && record.number == number &&
                    record.crc32c == ChecksumOf(record);
  return good ? std::optional<ManifestRecord>(record) : std::nullopt;
}

bool HasRecordFrom(const std::vector<uint8_t>& bytes, uint64_t number) {
  for (; number * sizeof(ManifestRecord) < bytes.size(); ++number) {
    if (RecordAt(bytes, number)) {
      return true;
    }
  }
  return false;
}

Status Unreadable(uint64_t number, const char* why) {
  return Status(Code::kCatalogUnreadable,
                Format("manifest record %llu %s, in both copies; restore manifest-a or manifest-b "
                       "from a backup",
                       static_cast<unsigned long long>(number), why));
}

Status ApplyStart(const ManifestRecord& record, ManifestContents* contents) {
  if (record.d > format::kFormatVersion) {
    return Status(Code::kFormatUnsupported,
                  Format("the manifest has format %llu, this Millrace reads up to %u; open it "
                         "with the version that wrote it, or a later one",
                         static_cast<unsigned long long>(record.d), format::kFormatVersion));
  }
  contents->directory_id = record.a;
  contents->generation = record.b;
  contents->next_shard = record.c;
  return Status();
}

// These records and nothing else. Zeros behind them are nothing: so ends a longer copy that was
// mended in its place.
bool SaysExactly(const std::vector<uint8_t>& bytes, const std::vector<ManifestRecord>& records) {
  const size_t records_bytes = records.size() * sizeof(ManifestRecord);
  return bytes.size() >= records_bytes &&
         std::memcmp(bytes.data(), records.data(), records_bytes) == 0 &&
         std::all_of(bytes.begin() + static_cast<ptrdiff_t>(records_bytes), bytes.end(),
                     [](uint8_t byte) { return byte == 0; });
}

std::optional<ManifestRecord> StartOf(const std::vector<uint8_t>& bytes) {
  const std::optional<ManifestRecord> start = RecordAt(bytes, 0);
  return start && start->type == static_cast<uint32_t>(ManifestType::kStart) ? start : std::nullopt;
}

}  // namespace

ManifestRecord MakeManifestRecord(ManifestType type, uint64_t shard, uint64_t a, uint64_t b,
                                  uint64_t c, uint64_t d) {
  ManifestRecord record{};
  record.magic = format::kManifestMagic;
  record.type = static_cast<uint32_t>(type);
  record.shard = shard;
  record.a = a;
  record.b = b;
  record.c = c;
  record.d = d;
  return record;
}

void NumberManifestRecords(uint64_t first, std::vector<ManifestRecord>* records) {
  for (ManifestRecord& record : *records) {
    record.number = first++;
    record.crc32c = ChecksumOf(record);
  }
}

bool ApplyManifestRecord(const ManifestRecord& record, ManifestContents* contents) {
  auto& shards = contents->shards;
  const auto found = shards.find(record.shard);
  const bool known = found != shards.end();
  switch (static_cast<ManifestType>(record.type)) {
    case ManifestType::kStart:
      return false;  // only ever the first
    case ManifestType::kShard:
      shards[record.shard] = {record.d, record.a, record.b, record.c != 0};
      contents->next_shard = std::max(contents->next_shard, record.shard + 1);
      return !known;
    case ManifestType::kCreate:
      shards[record.shard] = {record.a, 0, record.a, false};
      contents->next_shard = std::max(contents->next_shard, record.shard + 1);
      return !known;
    case ManifestType::kTrim:
      if (known) {
        found->second.trimmed_start = record.a;
        found->second.first_sequence = record.b;
      }
      return known;
    case ManifestType::kSeal:
      if (known) {
        found->second.sealed = true;
      }
      return known;
    case ManifestType::kDelete:
      return shards.erase(record.shard) == 1;
  }
  return false;
}

Status MergeManifest(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                     std::vector<ManifestRecord>* records, bool* damaged) {
  records->clear();
  const std::optional<ManifestRecord> starts[2] = {StartOf(first), StartOf(second)};
  if (!starts[0] && !starts[1]) {
    return Unreadable(0, "is damaged");
  }
  // Copies of two generations: a rewrite was cut short between the two renames, and the later one
  // is whole by itself. Of two directories: somebody has put one there, or a first open was cut
  // short, twice.
  const bool both =
      starts[0] && starts[1] && starts[0]->a == starts[1]->a && starts[0]->b == starts[1]->b;
  const bool first_leads = starts[0] && (!starts[1] || starts[0]->b >= starts[1]->b);
  // A copy whose first record is damaged has no generation of its own; its records are of use only
  // where their number and checksum say so, which a stale generation could satisfy too. So it is
  // left out.
  const std::vector<uint8_t>& leader = first_leads ? first : second;
  const std::vector<uint8_t> empty;
  const std::vector<uint8_t>& other = both ? (first_leads ? second : first) : empty;

  const uint64_t slots =
      (std::max(leader.size(), other.size()) + sizeof(ManifestRecord) - 1) / sizeof(ManifestRecord);
  uint64_t end = slots;
  while (end > 0 && !RecordAt(leader, end - 1) && !RecordAt(other, end - 1)) {
    --end;
  }
  for (uint64_t number = 0; number < end; ++number) {
    std::optional<ManifestRecord> record = RecordAt(leader, number);
    if (!record) {
      record = RecordAt(other, number);
    }
    if (!record && both && !HasRecordFrom(other, number)) {
      break;  // the torn end of the first copy: the second is written once that one is on disk
    }
    if (!record) {
      return Unreadable(number, "is damaged");
    }
    records->push_back(*record);
  }
  *damaged = !both || !SaysExactly(leader, *records) || !SaysExactly(other, *records);
  return Status();
}

Status ParseManifest(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                     ManifestContents* contents) {
  *contents = ManifestContents{};
  std::vector<ManifestRecord> records;
  Status status = MergeManifest(first, second, &records, &contents->damaged);
  // What a later version wrote need not be whole to this one.
  const Status start = records.empty() ? status : ApplyStart(records[0], contents);
  status = start.ok() ? status : start;
  for (uint64_t number = 1; status.ok() && number < records.size(); ++number) {
    if (!ApplyManifestRecord(records[number], contents)) {
      status = Unreadable(number, "contradicts those before it");
    }
  }
  contents->record_count = records.size();
  return status;
}

}  // namespace millrace::log
