// A data directory with anything done to it: the input is a list of edits of its files. Whatever
// they are, verifying changes nothing, opening ends, and what is served is whole batches of the
// right shard whose sequence numbers rise without a gap, except behind bytes that were refused by
// name. Edited batches may be given a right checksum again, which no bit rot would do, so that the
// code behind every check is met too; of the numbers of such forgeries nothing is asked.
//
//   cmake --preset fuzz && cmake --build --preset fuzz && build-fuzz/directory_fuzz -max_len=512
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "native/log/batch_view.h"
#include "native/log/core.h"
#include "test/fuzz/time_limit.h"
#include "test/support/sim_file_ops.h"
#include "test/torture/native/bit_rot.h"

namespace {

using millrace::base::Code;
using millrace::base::Format;
using millrace::base::OpenMode;
using millrace::base::Status;
using millrace::log::BatchCheck;
using millrace::log::BatchHeader;
using millrace::log::Core;
using millrace::log::CoreOptions;
using millrace::log::ReadResult;
using millrace::support::SimFileOps;
using millrace::torture::KnownBatch;
using millrace::torture::Specimen;

using Bytes = std::vector<uint8_t>;
using ull = unsigned long long;

constexpr size_t kEditsMax = 24;
constexpr size_t kSectorBytes = 512;
constexpr uint32_t kReadBytes[] = {1, 4096, 1024 * 1024};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "directory_fuzz: %s\n", what.c_str());
  std::abort();
}

// Reads the input as a program; past its end everything is zero.
class Program {
 public:
  Program(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool done() const { return at_ >= size_; }

  uint8_t Byte() { return at_ < size_ ? data_[at_++] : uint8_t{0}; }

  // Evenly spread below `bound`, which is not zero.
  size_t Below(size_t bound) {
    const uint32_t high = Byte();
    const uint32_t middle = Byte();
    return ((high << 16 | middle << 8) | Byte()) % bound;
  }

  Bytes Take(size_t bytes) {
    Bytes taken(bytes);
    std::generate(taken.begin(), taken.end(), [this] { return Byte(); });
    return taken;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

// Applies the edits of a program to the files of a disk.
class Editor {
 public:
  Editor(const Specimen& specimen, SimFileOps* disk, Program* program)
      : disk_(disk), program_(program), paths_(disk->FilePaths()) {
    for (const auto& [shard, batches] : specimen.shards) {
      for (const auto& [position, batch] : batches) {
        batches_.push_back(&batch);
      }
    }
  }

  void Run() {
    for (size_t edit = 0; edit < kEditsMax && !program_->done() && !paths_.empty(); ++edit) {
      One();
    }
  }

  // Whether a changed batch has a right checksum.
  bool has_forged() const { return has_forged_; }

 private:
  void One() {
    const uint8_t choice = program_->Byte() % 12;
    if (choice < 4) {
      return EditBatch();
    }
    const size_t file = program_->Below(paths_.size());
    const std::string path = paths_[file];
    Bytes content = disk_->ReadFile(path);
    switch (choice) {
      case 4:
      case 5:
        return Store(path, content.size(), program_->Below(content.size() + 1),
                     program_->Take(1 + program_->Byte() % 16));
      case 6:
        return Copy(path, content.size());
      case 7:
        content.resize(program_->Below(content.size() + 1));
        return Replace(path, content);
      case 8:
        content.resize(content.size() + program_->Below(2 * kSectorBytes), program_->Byte());
        return Replace(path, content);
      case 9:
        return Swap(path, paths_[program_->Below(paths_.size())]);
      case 10:
        disk_->Unlink(path);
        paths_.erase(paths_.begin() + static_cast<ptrdiff_t>(file));
        return;
      default:
        return Store(path, content.size(), program_->Below(content.size() + 1),
                     Bytes(kSectorBytes, 0));
    }
  }

  void Store(const std::string& path, size_t file_bytes, size_t at, const Bytes& bytes) {
    const size_t stored = std::min(bytes.size(), file_bytes - std::min(at, file_bytes));
    if (stored != 0) {
      disk_->Overwrite(path, at, bytes.data(), stored);
    }
  }

  // Changes a batch where it stood in the undamaged directory, most often its header, and makes its
  // checksum right again if the program says so.
  void EditBatch() {
    const KnownBatch& batch = *batches_[program_->Below(batches_.size())];
    if (std::find(paths_.begin(), paths_.end(), batch.path) == paths_.end()) {
      return;
    }
    const Bytes content = disk_->ReadFile(batch.path);
    if (batch.offset + batch.bytes.size() > content.size()) {
      return;
    }
    const auto start = content.begin() + static_cast<ptrdiff_t>(batch.offset);
    Bytes bytes(start, start + static_cast<ptrdiff_t>(batch.bytes.size()));
    const uint8_t how = program_->Byte();
    const size_t within = (how & 1) != 0 ? millrace::format::kBatchHeaderBytes : bytes.size();
    for (int change = how >> 2 & 3; change >= 0; --change) {
      bytes[program_->Below(within)] = program_->Byte();
    }
    BatchHeader header;
    const BatchCheck check = ReadBatchHeader(bytes.data(), bytes.size(), &header);
    if ((how & 2) != 0 && check == BatchCheck::kWhole) {
      millrace::log::SealBatch(bytes.data(), header.bytes());
      has_forged_ = true;
    }
    disk_->Overwrite(batch.path, batch.offset, bytes.data(), bytes.size());
  }

  void Copy(const std::string& path, size_t file_bytes) {
    const Bytes source = disk_->ReadFile(paths_[program_->Below(paths_.size())]);
    const size_t bytes = kSectorBytes << program_->Byte() % 8;
    const size_t from = program_->Below(source.size() / kSectorBytes + 1) * kSectorBytes;
    const size_t to = program_->Below(file_bytes / kSectorBytes + 1) * kSectorBytes;
    const size_t end = std::min(from + bytes, source.size());
    if (from < end) {
      Store(path, file_bytes, to,
            Bytes(source.begin() + static_cast<ptrdiff_t>(from),
                  source.begin() + static_cast<ptrdiff_t>(end)));
    }
  }

  void Swap(const std::string& path, const std::string& other) {
    const Bytes one = disk_->ReadFile(path);
    const Bytes two = disk_->ReadFile(other);
    Replace(path, two);
    Replace(other, one);
  }

  void Replace(const std::string& path, const Bytes& content) {
    disk_->Unlink(path);
    const int fd = disk_->Open(path, OpenMode::kCreateNew);
    if (!content.empty()) {
      disk_->PWrite(fd, content.data(), content.size(), 0);
    }
    disk_->SyncData(fd);
    disk_->Close(fd);
  }

  SimFileOps* const disk_;
  Program* const program_;
  std::vector<std::string> paths_;
  std::vector<const KnownBatch*> batches_;
  bool has_forged_ = false;
};

// How the directory is read, and what may be asked of it.
struct Reading {
  uint32_t bytes_max;
  bool has_forged;
};

// Reads one shard from its start to its end.
class ShardJudge {
 public:
  ShardJudge(Core* core, uint64_t shard, const Reading& reading)
      : core_(core), shard_(shard), reading_(reading) {}

  void Run() {
    millrace::log::ShardStats stats{};
    if (!core_->FindShard(shard_, &slot_).ok() || !core_->GetShardStats(slot_, &stats).ok()) {
      Fail(Format("shard %llu is listed and has no slot", static_cast<ull>(shard_)));
    }
    position_ = stats.trimmed_start;
    while (Next()) {
    }
    Seek(stats);
  }

 private:
  // Positions only rise, so this ends.
  bool Next() {
    ReadResult result;
    const Status status = core_->Read(slot_, position_, reading_.bytes_max, &result);
    uint64_t next = result.next_position;
    if (status.code() == Code::kLogCorrupt) {
      next = status.range_end();
      is_gap_named_ = true;
    } else if (status.code() == Code::kSequenceNumberTrimmed) {
      next = status.range_start();
      is_gap_named_ = true;
    } else if (!status.ok() || result.bytes == 0) {
      return false;
    } else {
      Check(result);
    }
    if (next <= position_) {
      Fail(Format("shard %llu does not go on behind position %llu: %s", static_cast<ull>(shard_),
                  static_cast<ull>(position_), status.message().c_str()));
    }
    position_ = next;
    return true;
  }

  void Check(const ReadResult& result) {
    uint32_t batches = 0;
    uint32_t records = 0;
    for (uint64_t at = 0; at < result.bytes; ++batches) {
      BatchHeader header;
      if (CheckBatch(result.data + at, result.bytes - at, &header) != BatchCheck::kWhole) {
        Fail("a batch that is served is not whole");
      }
      const bool follows = reading_.has_forged || sequence_ == 0 ||
                           header.first_sequence == sequence_ ||
                           (is_gap_named_ && header.first_sequence > sequence_);
      if (header.shard != shard_ || !follows) {
        Fail(Format("shard %llu serves number %llu of shard %llu after %llu",
                    static_cast<ull>(shard_), static_cast<ull>(header.first_sequence),
                    static_cast<ull>(header.shard), static_cast<ull>(sequence_)));
      }
      is_gap_named_ = false;
      sequence_ = header.next_sequence();
      records += header.count;
      at += header.bytes();
    }
    if (batches != result.batch_count || records != result.record_count ||
        sequence_ != result.next_sequence) {
      Fail("a read says of its batches what they are not");
    }
  }

  // Where a number is said to be, it is, or the bytes there are refused.
  void Seek(const millrace::log::ShardStats& stats) {
    const uint64_t first = stats.first_sequence;
    const uint64_t span = stats.committed_next_sequence - first;
    for (const uint64_t sequence : {first, first + span / 3, first + span}) {
      uint64_t position = 0;
      ReadResult result;
      if (core_->Seek(slot_, sequence, &position).ok() &&
          core_->Read(slot_, position, 1, &result).ok() && result.bytes != 0 &&
          !reading_.has_forged &&
          (result.first_sequence > sequence ||
           (result.next_sequence <= sequence && result.record_count != 0))) {
        Fail(Format("number %llu is said to be where %llu to %llu are", static_cast<ull>(sequence),
                    static_cast<ull>(result.first_sequence),
                    static_cast<ull>(result.next_sequence)));
      }
      static_cast<void>(core_->SeekTime(slot_, sequence << 32, &position));
    }
  }

  Core* const core_;
  const uint64_t shard_;
  const Reading reading_;
  uint32_t slot_ = 0;
  uint64_t position_ = 0;
  uint64_t sequence_ = 0;      // that comes next; 0 before the first batch
  bool is_gap_named_ = false;  // bytes were refused since the last batch
};

// A log that opens takes appends or says why not.
void AppendToAll(Core* core) {
  const uint8_t record[] = {0x92, 0xa1, 'k', 0xc4, 1, 'v'};
  const millrace::log::Piece piece{record, sizeof record};
  millrace::log::AppendRequest request;
  request.pieces = &piece;
  request.piece_count = 1;
  request.records_bytes = piece.bytes;
  request.count = 1;
  for (const uint64_t shard : core->ListShards()) {
    uint32_t slot = 0;
    millrace::log::AppendResult result{};
    if (core->FindShard(shard, &slot).ok()) {
      static_cast<void>(core->Append(slot, request, &result));
    }
  }
}

// Opens, reads everything, scrubs, appends, closes. False when it does not open, which the log may
// refuse to after such edits.
bool LiveOnce(const CoreOptions& options, const Reading& reading) {
  std::shared_ptr<Core> core;
  if (!Core::Open(millrace::torture::kSpecimenDirectory, options, &core).ok()) {
    return false;
  }
  for (const uint64_t shard : core->ListShards()) {
    ShardJudge(core.get(), shard, reading).Run();
  }
  millrace::log::ScrubReport report;
  static_cast<void>(core->Scrub(0, 0, &report));
  core->RunChores();
  for (const uint64_t shard : core->ListShards()) {
    ShardJudge(core.get(), shard, reading).Run();
  }
  AppendToAll(core.get());
  static_cast<void>(core->Close());
  return true;
}

std::vector<Bytes> AllFiles(SimFileOps* disk) {
  std::vector<Bytes> files;
  for (const std::string& path : disk->FilePaths()) {
    files.push_back(disk->ReadFile(path));
  }
  return files;
}

void VerifyUnchanged(SimFileOps* disk) {
  const std::vector<Bytes> before = AllFiles(disk);
  millrace::log::ScrubReport report;
  static_cast<void>(VerifyDirectory(millrace::torture::kSpecimenDirectory, disk, &report));
  if (AllFiles(disk) != before) {
    Fail("verifying has changed the directory");
  }
}

const Specimen& PickSpecimen(uint8_t choice) {
  static const Specimen specimens[] = {millrace::torture::MakeSpecimen(1, true),
                                       millrace::torture::MakeSpecimen(2, false),
                                       millrace::torture::MakeSpecimen(3, false)};
  return specimens[choice % 3];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const millrace::fuzz::TimeLimit limit;
  Program program(data, size);
  const uint8_t choice = program.Byte();
  const Specimen& specimen = PickSpecimen(choice);
  const auto disk = specimen.disk->KillCopy();
  disk->SetTracing(false);
  Editor editor(specimen, disk.get(), &program);
  editor.Run();
  if ((choice & 0x40) != 0) {
    VerifyUnchanged(disk.get());
  }
  CoreOptions options = specimen.options;
  options.file_ops = disk.get();
  const Reading reading{kReadBytes[choice / 3 % 3], editor.has_forged()};
  // What a log has made of its directory is one that it opens again.
  if (LiveOnce(options, reading) && !LiveOnce(options, reading)) {
    Fail("a directory that was opened and closed does not open");
  }
  return 0;
}
