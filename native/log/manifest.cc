#include "native/log/manifest.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "native/base/crc32c.h"
#include "native/format/batch_format.h"
#include "native/format/segment_format.h"
#include "native/log/directory.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::OsError;
using base::Status;
using format::ManifestRecord;
using format::ManifestType;

namespace {

constexpr const char* kNames[2] = {"manifest-a", "manifest-b"};
constexpr size_t kChecksummedStart = offsetof(ManifestRecord, type);

// A manifest is written anew at an open when it holds this many records more than twice its shards.
constexpr uint64_t kSlackRecordsMax = 4096;

// Blocks that are kept for records to come, at least half of it: 512 trims and more.
constexpr uint64_t kReservedAheadBytes = 64 * 1024;

constexpr uint64_t kManifestBytesMax = uint64_t{1} << 30;

bool IsDiskFull(int error) {
  return error == -ENOSPC || error == -EDQUOT;
}

uint32_t ChecksumOf(const ManifestRecord& record) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&record);
  return format::MaskCrc(
      base::Crc32c(0, bytes + kChecksummedStart, sizeof record - kChecksummedStart));
}

ManifestRecord MakeRecord(ManifestType type, uint64_t shard, uint64_t a = 0, uint64_t b = 0,
                          uint64_t c = 0, uint64_t d = 0) {
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

bool Apply(const ManifestRecord& record, ManifestContents* contents) {
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

std::optional<uint64_t> GenerationOf(const std::vector<uint8_t>& bytes) {
  const std::optional<ManifestRecord> start = RecordAt(bytes, 0);
  return start && start->type == static_cast<uint32_t>(ManifestType::kStart)
             ? std::optional<uint64_t>(start->b)
             : std::nullopt;
}

}  // namespace

Status ParseManifest(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                     ManifestContents* contents) {
  *contents = ManifestContents{};
  const std::optional<uint64_t> generations[2] = {GenerationOf(first), GenerationOf(second)};
  if (!generations[0] && !generations[1]) {
    return Unreadable(0, "is damaged");
  }
  // Copies of two generations: a rewrite was cut short between the two renames, and the later one
  // is whole by itself.
  const bool both = generations[0] && generations[1] && *generations[0] == *generations[1];
  const bool first_leads =
      generations[0] && (!generations[1] || *generations[0] >= *generations[1]);
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
      end =
          number;  // the torn end of the first copy: the second is written once that one is on disk
      break;
    }
    if (!record) {
      return Unreadable(number, "is damaged");
    }
    if (number == 0) {
      Status status = ApplyStart(*record, contents);
      if (!status.ok()) {
        return status;
      }
    } else if (!Apply(*record, contents)) {
      return Unreadable(number, "contradicts those before it");
    }
  }
  contents->record_count = end;
  contents->damaged = !both || leader.size() != other.size() ||
                      leader.size() != end * sizeof(ManifestRecord) ||
                      std::memcmp(leader.data(), other.data(), leader.size()) != 0;
  return Status();
}

Manifest::Manifest(base::FileOps* file_ops, const Directory* directory)
    : file_ops_(file_ops), directory_(directory) {}

Manifest::~Manifest() {
  Close();
}

void Manifest::Close() {
  for (int& fd : fds_) {
    if (fd >= 0) {
      file_ops_->Close(fd);  // every record has been synced through it
      fd = -1;
    }
  }
}

Status Manifest::Read(base::FileOps* file_ops, const std::string& directory,
                      ManifestContents* contents) {
  std::vector<uint8_t> bytes[2];
  for (int copy = 0; copy < 2; ++copy) {
    bool exists = false;
    Status status = ReadWholeFile(file_ops, directory + "/" + kNames[copy], kManifestBytesMax,
                                  &exists, &bytes[copy]);
    if (!status.ok()) {
      return status;
    }
  }
  return ParseManifest(bytes[0], bytes[1], contents);
}

Status Manifest::Create(uint64_t directory_id) {
  contents_ = ManifestContents{};
  contents_.directory_id = directory_id;
  return Rewrite();
}

Status Manifest::Load() {
  Status status = Read(file_ops_, directory_->path(), &contents_);
  if (!status.ok()) {
    return status;
  }
  loaded_generation_ = contents_.generation;
  loaded_record_count_ = contents_.record_count;
  const bool grown = contents_.record_count > 2 * contents_.shards.size() + kSlackRecordsMax;
  return contents_.damaged || grown ? Rewrite() : OpenForAppend();
}

// Writes a new generation of both copies. Each is complete and synced before it takes the place of
// the old one, so at any moment at least one copy is whole.
Status Manifest::Rewrite() {
  Close();
  ++contents_.generation;
  std::vector<ManifestRecord> records;
  records.push_back(MakeRecord(ManifestType::kStart, 0, contents_.directory_id,
                               contents_.generation, contents_.next_shard, format::kFormatVersion));
  for (const auto& [shard, state] : contents_.shards) {
    records.push_back(MakeRecord(ManifestType::kShard, shard, state.trimmed_start,
                                 state.first_sequence, state.sealed ? 1 : 0,
                                 state.created_sequence));
  }
  for (size_t number = 0; number < records.size(); ++number) {
    records[number].number = number;
    records[number].crc32c = ChecksumOf(records[number]);
  }
  const size_t bytes = records.size() * sizeof(ManifestRecord);
  for (const char* name : kNames) {
    Status status = ReplaceFile(file_ops_, directory_->path(), name, records.data(), bytes);
    if (!status.ok()) {
      return status;
    }
  }
  contents_.record_count = records.size();
  contents_.damaged = false;
  return OpenForAppend();
}

Status Manifest::OpenForAppend() {
  reserved_bytes_ = 0;
  for (int copy = 0; copy < 2; ++copy) {
    const std::string path = directory_->path() + "/" + kNames[copy];
    fds_[copy] = file_ops_->Open(path, base::OpenMode::kReadWrite);
    if (fds_[copy] < 0) {
      return OsError("open", path, -fds_[copy]);
    }
  }
  return Status();
}

// Finds room for the records of both copies before anything of them is written: what one copy has
// and the other has no room for would have to be taken back. And some more, while there is some: a
// full disk is freed by trims, which need records of their own.
Status Manifest::ReserveUpTo(uint64_t bytes) {
  if (bytes + kReservedAheadBytes / 2 <= reserved_bytes_) {
    return Status();
  }
  int error = ReserveBoth(bytes + kReservedAheadBytes);
  if (error == 0) {
    reserved_bytes_ = bytes + kReservedAheadBytes;
  } else if (IsDiskFull(error) && bytes > reserved_bytes_) {
    error = ReserveBoth(bytes);
    if (error == 0) {
      reserved_bytes_ = bytes;
    } else if (IsDiskFull(error)) {
      return OsError("reservation", directory_->path() + "/" + kNames[0], -error);
    }
  }
  // Where blocks cannot be kept the write finds out.
  return Status();
}

int Manifest::ReserveBoth(uint64_t bytes) {
  const int error = file_ops_->Reserve(fds_[0], bytes);
  return error == 0 ? file_ops_->Reserve(fds_[1], bytes) : error;
}

Status Manifest::Append(std::vector<ManifestRecord> records) {
  if (!failed_.ok()) {
    return failed_;
  }
  if (fds_[0] < 0 || fds_[1] < 0) {
    return Status(Code::kLogClosed, "the log is closed; open it again");
  }
  const uint64_t start = contents_.record_count;
  for (size_t index = 0; index < records.size(); ++index) {
    records[index].number = start + index;
    records[index].crc32c = ChecksumOf(records[index]);
  }
  const size_t bytes = records.size() * sizeof(ManifestRecord);
  Status room = ReserveUpTo(start * sizeof(ManifestRecord) + bytes);
  if (!room.ok()) {
    return room;
  }
  for (int copy = 0; copy < 2; ++copy) {
    int error =
        file_ops_->PWrite(fds_[copy], records.data(), bytes, start * sizeof(ManifestRecord));
    error = error == 0 ? file_ops_->SyncData(fds_[copy]) : error;
    if (error != 0) {
      // Whether the records are on disk is now unknown, and a second sync would not tell.
      failed_ =
          Status(Code::kLogFailed,
                 Format("%s/%s: write or sync failed: %s; shards cannot be created, trimmed, "
                        "sealed or deleted until the log is opened again",
                        directory_->path().c_str(), kNames[copy], base::ErrnoText(-error).c_str()));
      return failed_;
    }
  }
  failed_ = directory_->ConfirmSyncs();
  if (!failed_.ok()) {
    return failed_;
  }
  for (const ManifestRecord& record : records) {
    if (!Apply(record, &contents_)) {
      failed_ = Status(Code::kInternal, "a manifest record contradicts those before it");
      return failed_;
    }
  }
  contents_.record_count += records.size();
  return Status();
}

Status Manifest::CreateShards(const std::vector<uint64_t>& first_sequences,
                              std::vector<uint64_t>* shards) {
  std::vector<ManifestRecord> records;
  records.reserve(first_sequences.size());
  uint64_t shard = contents_.next_shard;
  for (const uint64_t first_sequence : first_sequences) {
    records.push_back(MakeRecord(ManifestType::kCreate, shard++, first_sequence));
  }
  Status status = Append(records);
  if (status.ok()) {
    shards->clear();
    for (const ManifestRecord& record : records) {
      shards->push_back(record.shard);
    }
  }
  return status;
}

Status Manifest::TrimShards(const std::vector<std::pair<uint64_t, ManifestShard>>& trimmed) {
  std::vector<ManifestRecord> records;
  for (const auto& [shard, state] : trimmed) {
    // A shard may have been deleted since its trim was asked for.
    if (contents_.shards.count(shard) != 0) {
      records.push_back(
          MakeRecord(ManifestType::kTrim, shard, state.trimmed_start, state.first_sequence));
    }
  }
  return records.empty() ? Status() : Append(std::move(records));
}

Status Manifest::SealShards(const std::vector<ShardEnd>& ends) {
  std::vector<ManifestRecord> records;
  records.reserve(ends.size());
  for (const ShardEnd& end : ends) {
    records.push_back(
        MakeRecord(ManifestType::kSeal, end.shard, end.end_position, end.next_sequence));
  }
  return Append(std::move(records));
}

Status Manifest::DeleteShards(const std::vector<uint64_t>& shards) {
  std::vector<ManifestRecord> records;
  records.reserve(shards.size());
  for (const uint64_t shard : shards) {
    records.push_back(MakeRecord(ManifestType::kDelete, shard));
  }
  return Append(std::move(records));
}

}  // namespace millrace::log
