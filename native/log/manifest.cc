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
// A manifest is written anew at an open when it holds this many records more than twice its shards.
constexpr uint64_t kSlackRecordsMax = 4096;

// Blocks that are kept for records to come, at least half of it: 512 trims and more.
constexpr uint64_t kReservedAheadBytes = 64 * 1024;

constexpr uint64_t kManifestBytesMax = uint64_t{1} << 30;

bool IsDiskFull(int error) {
  return error == -ENOSPC || error == -EDQUOT;
}

// `*both_exist` says whether none is missing; one that is has no bytes.
Status ReadBoth(base::FileOps* file_ops, const std::string& directory,
                std::vector<uint8_t> (&bytes)[2], bool* both_exist) {
  *both_exist = true;
  Status status;
  for (int copy = 0; status.ok() && copy < 2; ++copy) {
    bool exists = false;
    status = ReadWholeFile(file_ops, directory + "/" + kNames[copy], kManifestBytesMax, &exists,
                           &bytes[copy]);
    *both_exist = *both_exist && exists;
  }
  return status;
}

}  // namespace

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
  bool both_exist = false;  // what is missing counts as damaged
  Status status = ReadBoth(file_ops, directory, bytes, &both_exist);
  return status.ok() ? ParseManifest(bytes[0], bytes[1], contents) : status;
}

Status Manifest::Create(uint64_t directory_id) {
  contents_ = ManifestContents{};
  contents_.directory_id = directory_id;
  return Rewrite();
}

Status Manifest::Load() {
  Status status = Read(file_ops_, directory_->path(), &contents_);
  // Before anything is mended: the other copy may be the right one.
  if (status.ok() && contents_.directory_id != directory_->id()) {
    status = Status(Code::kCatalogUnreadable,
                    Format("%s: the manifest belongs to another data directory; restore "
                           "manifest-a and manifest-b from a backup",
                           directory_->path().c_str()));
  }
  if (!status.ok()) {
    return status;
  }
  loaded_generation_ = contents_.generation;
  loaded_record_count_ = contents_.record_count;
  const bool grown = contents_.record_count > 2 * contents_.shards.size() + kSlackRecordsMax;
  if (!contents_.damaged && !grown) {
    return OpenForAppend();
  }
  status = Rewrite();
  if (status.code() != Code::kDiskFull) {
    return status;
  }
  // A full disk is opened all the same, or nobody could free it.
  return contents_.damaged ? MendInPlace(status) : OpenForAppend();
}

// Writes a new generation of both copies. Each is complete and synced before either takes the place
// of an old one, so at any moment at least one copy is whole. DISK_FULL: nothing has changed.
Status Manifest::Rewrite() {
  Close();
  const uint64_t generation = contents_.generation + 1;
  std::vector<ManifestRecord> records;
  records.push_back(MakeManifestRecord(ManifestType::kStart, 0, contents_.directory_id, generation,
                                       contents_.next_shard, format::kFormatVersion));
  for (const auto& [shard, state] : contents_.shards) {
    records.push_back(MakeManifestRecord(ManifestType::kShard, shard, state.trimmed_start,
                                         state.first_sequence, state.sealed ? 1 : 0,
                                         state.created_sequence));
  }
  NumberManifestRecords(0, &records);
  const size_t bytes = records.size() * sizeof(ManifestRecord);
  Status status;
  for (const char* name : kNames) {
    status = status.ok()
                 ? WriteReplacement(file_ops_, directory_->path(), name, records.data(), bytes)
                 : status;
  }
  if (!status.ok()) {
    for (const char* name : kNames) {
      DropReplacement(file_ops_, directory_->path(), name);
    }
    return status;
  }
  for (const char* name : kNames) {
    status = PutReplacement(file_ops_, directory_->path(), name);
    if (!status.ok()) {
      return status.code() == Code::kDiskFull ? Status(Code::kLogFailed, status.message()) : status;
    }
  }
  contents_.generation = generation;
  contents_.record_count = records.size();
  contents_.damaged = false;
  return OpenForAppend();
}

// Makes both copies say what they say together, where there is no room to write them anew. The
// first record, without which a copy does not count, is written last: a copy of another generation
// must not count before all of it is of this one. A copy that reads well is written, too: it may be
// so in memory alone. And one of this generation may have its name in memory alone.
Status Manifest::MendInPlace(const Status& full) {
  std::vector<uint8_t> bytes[2];
  bool both_exist = false;
  Status status = ReadBoth(file_ops_, directory_->path(), bytes, &both_exist);
  std::vector<ManifestRecord> records;
  bool damaged = false;
  status = status.ok() ? MergeManifest(bytes[0], bytes[1], &records, &damaged) : status;
  if (!status.ok() || !both_exist) {
    return status.ok() ? full : status;  // a copy that is missing needs a file
  }
  status = OpenCopies();
  const size_t records_bytes = records.size() * sizeof(ManifestRecord);
  if (!status.ok() || IsDiskFull(ReserveBoth(records_bytes))) {
    return status.ok() ? full : status;  // and a short one blocks
  }
  const int error = file_ops_->SyncDirectory(directory_->path());
  status = error == 0 ? status : OsError("sync", directory_->path(), -error);
  for (int copy = 0; status.ok() && copy < 2; ++copy) {
    std::vector<uint8_t> wanted(std::max(bytes[copy].size(), records_bytes));
    std::memcpy(wanted.data(), records.data(), records_bytes);
    constexpr size_t kFirst = sizeof(ManifestRecord);
    status = WriteAndSync(copy, wanted.data() + kFirst, wanted.size() - kFirst, kFirst);
    status = status.ok() ? WriteAndSync(copy, wanted.data(), kFirst, 0) : status;
  }
  status = status.ok() ? directory_->ConfirmSyncs() : status;
  if (status.ok()) {
    ReserveAhead();
  }
  return status;
}

Status Manifest::OpenForAppend() {
  Status status = OpenCopies();
  if (status.ok()) {
    ReserveAhead();
  }
  return status;
}

Status Manifest::OpenCopies() {
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

Status Manifest::ReserveRecords(size_t count) {
  if (!failed_.ok()) {
    return failed_;
  }
  return ReserveUpTo((contents_.record_count + count) * sizeof(ManifestRecord));
}

// Finds room for the records of both copies before anything of them is written: what one copy has
// and the other has no room for would have to be taken back. And some more, while there is some: a
// full disk is freed by trims, which need records of their own. In small steps, and no further than
// the records at first: where there is too little, a file system may keep that for the one copy all
// the same, and has nothing for the other one then. What a refused attempt got stays: it is room
// for the trims that free the disk, the next attempt begins where this one ended, and to give it
// back would be to cut a file that holds records. Of what the first copy alone got, one step at
// the most, the next attempt finds that it is there.
Status Manifest::ReserveUpTo(uint64_t bytes) {
  if (bytes + kReservedAheadBytes / 2 <= reserved_bytes_) {
    return Status();
  }
  int error = 0;
  while (error == 0 && reserved_bytes_ < bytes + kReservedAheadBytes) {
    const uint64_t held =
        std::max(reserved_bytes_, contents_.record_count * sizeof(ManifestRecord));
    const uint64_t end = held < bytes ? bytes : bytes + kReservedAheadBytes;
    error = ReserveBoth(std::min(held + base::kPageBytes, end));
  }
  // Where blocks cannot be kept at all the write finds out.
  return IsDiskFull(error) && bytes > reserved_bytes_
             ? OsError("reservation", directory_->path() + "/" + kNames[0], -error)
             : Status();
}

// Where there is no room for records to come they ask for themselves.
void Manifest::ReserveAhead() {
  static_cast<void>(ReserveUpTo(contents_.record_count * sizeof(ManifestRecord)));
}

int Manifest::ReserveBoth(uint64_t bytes) {
  int error = file_ops_->Reserve(fds_[0], bytes);
  error = error == 0 ? file_ops_->Reserve(fds_[1], bytes) : error;
  if (error == 0) {
    reserved_bytes_ = bytes;
  }
  return error;
}

Status Manifest::Append(std::vector<ManifestRecord> records) {
  if (!failed_.ok()) {
    return failed_;
  }
  if (fds_[0] < 0 || fds_[1] < 0) {
    return Status(Code::kLogClosed, "the log is closed; open it again");
  }
  const uint64_t start = contents_.record_count;
  NumberManifestRecords(start, &records);
  const size_t bytes = records.size() * sizeof(ManifestRecord);
  Status room = ReserveUpTo(start * sizeof(ManifestRecord) + bytes);
  if (!room.ok()) {
    return room;
  }
  for (int copy = 0; copy < 2; ++copy) {
    // Whether records of a write that failed are on disk is unknown, and a second sync would not
    // tell.
    failed_ = WriteAndSync(copy, records.data(), bytes, start * sizeof(ManifestRecord));
    if (!failed_.ok()) {
      return failed_;
    }
  }
  failed_ = directory_->ConfirmSyncs();
  if (!failed_.ok()) {
    return failed_;
  }
  for (const ManifestRecord& record : records) {
    if (!ApplyManifestRecord(record, &contents_)) {
      failed_ = Status(Code::kInternal, "a manifest record contradicts those before it");
      return failed_;
    }
  }
  contents_.record_count += records.size();
  return Status();
}

Status Manifest::WriteAndSync(int copy, const void* data, size_t bytes, uint64_t offset) {
  int error = file_ops_->PWrite(fds_[copy], data, bytes, offset);
  error = error == 0 ? file_ops_->SyncData(fds_[copy]) : error;
  return error == 0
             ? Status()
             : Status(Code::kLogFailed,
                      Format("%s/%s: write or sync failed: %s; shards cannot be created, trimmed, "
                             "sealed or deleted until the log is opened again",
                             directory_->path().c_str(), kNames[copy],
                             base::ErrnoText(-error).c_str()));
}

Status Manifest::CreateShards(const std::vector<uint64_t>& first_sequences,
                              std::vector<uint64_t>* shards) {
  std::vector<ManifestRecord> records;
  records.reserve(first_sequences.size());
  uint64_t shard = contents_.next_shard;
  for (const uint64_t first_sequence : first_sequences) {
    records.push_back(MakeManifestRecord(ManifestType::kCreate, shard++, first_sequence));
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
      records.push_back(MakeManifestRecord(ManifestType::kTrim, shard, state.trimmed_start,
                                           state.first_sequence));
    }
  }
  return records.empty() ? Status() : Append(std::move(records));
}

Status Manifest::SealShards(const std::vector<ShardEnd>& ends) {
  std::vector<ManifestRecord> records;
  records.reserve(ends.size());
  for (const ShardEnd& end : ends) {
    records.push_back(
        MakeManifestRecord(ManifestType::kSeal, end.shard, end.end_position, end.next_sequence));
  }
  return Append(std::move(records));
}

Status Manifest::DeleteShards(const std::vector<uint64_t>& shards) {
  std::vector<ManifestRecord> records;
  records.reserve(shards.size());
  for (const uint64_t shard : shards) {
    records.push_back(MakeManifestRecord(ManifestType::kDelete, shard));
  }
  return Append(std::move(records));
}

}  // namespace millrace::log
