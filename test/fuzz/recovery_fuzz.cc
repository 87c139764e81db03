// Any bytes as the data area of a segment: the scan does not crash, stays within the bytes, ends,
// and what it says is sound (scan_judge.h). The first bytes of the input choose what the scan is
// told; behind them stands a program that builds a segment image out of real batches and raw bytes,
// as random bytes alone would never hold a checksum.
//
//   cmake --preset fuzz && cmake --build --preset fuzz && build-fuzz/recovery_fuzz -max_len=4096
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "native/log/recovery.h"
#include "test/fuzz/time_limit.h"
#include "test/support/scan_judge.h"
#include "test/support/segment_builder.h"

namespace {

using millrace::log::BatchHeader;
using millrace::log::ScanInput;
using millrace::support::Bytes;

constexpr uint64_t kShard = 7;
constexpr uint64_t kBase = 4096;
constexpr size_t kImageBytesMax = 16384;

// Reads the input as a program; past its end everything is zero.
class Program {
 public:
  Program(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool done() const { return at_ >= size_; }

  uint8_t Byte() { return at_ < size_ ? data_[at_++] : uint8_t{0}; }

  uint32_t Short() {
    const uint32_t high = Byte();
    return high << 8 | Byte();
  }

  Bytes Take(size_t bytes) {
    const size_t taken = std::min(bytes, size_ - std::min(at_, size_));
    Bytes out(data_ + std::min(at_, size_), data_ + std::min(at_, size_) + taken);
    at_ += taken;
    return out;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

void Append(Bytes* image, const Bytes& bytes) {
  const size_t room = kImageBytesMax - image->size();
  image->insert(image->end(), bytes.begin(),
                bytes.begin() + static_cast<std::ptrdiff_t>(std::min(room, bytes.size())));
}

// A batch near to what would continue the log, its fields off by what the program says.
Bytes MakeBatch(Program* program, const Bytes& image, uint64_t* sequence) {
  const uint8_t choice = program->Byte();
  BatchHeader header;
  header.shard = (choice & 1) != 0 ? kShard + 1 : kShard;
  header.first_sequence = *sequence + ((choice & 2) != 0 ? program->Byte() : 0) -
                          ((choice & 4) != 0 ? program->Byte() : 0);
  header.count = program->Byte() % 4;
  header.epoch = (choice & 8) != 0 ? program->Byte() : 1;
  header.synced_upto = (choice & 16) != 0 ? kBase + program->Short() : kBase + image.size();
  header.arrival_millis = image.size();
  header.flags = (choice & 32) != 0 ? 1 : 0;
  if (header.shard == kShard && (choice & 6) == 0) {
    *sequence += header.count;
  }
  if ((choice & 64) != 0) {
    return millrace::support::BuildBatch(header, program->Take(program->Byte()));
  }
  std::vector<std::string> payloads(header.count);
  for (std::string& payload : payloads) {
    // A record may hold bytes of the image so far, whole batches among them.
    const size_t start = image.empty() ? 0 : program->Short() % image.size();
    const size_t bytes = std::min<size_t>(program->Byte(), image.size() - start);
    payload.assign(image.begin() + static_cast<std::ptrdiff_t>(start),
                   image.begin() + static_cast<std::ptrdiff_t>(start + bytes));
  }
  return millrace::support::BuildBatch(header, millrace::support::EncodeRecords(payloads));
}

Bytes MakeImage(Program* program, std::vector<uint64_t>* starts, uint64_t* sequence) {
  Bytes image;
  while (!program->done() && image.size() < kImageBytesMax) {
    switch (program->Byte() % 6) {
      case 0:
      case 1:
      case 2:
        starts->push_back(kBase + image.size());
        Append(&image, MakeBatch(program, image, sequence));
        break;
      case 3:
        Append(&image, program->Take(program->Byte()));
        break;
      case 4:
        Append(&image, Bytes(program->Short() % 1024));
        break;
      default:
        if (!image.empty()) {
          image[program->Short() % image.size()] ^= program->Byte();
        }
        break;
    }
  }
  return image;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const millrace::fuzz::TimeLimit limit;
  Program program(data, size);
  const uint8_t told = program.Byte();
  const uint32_t end = program.Short();
  const uint32_t synced = program.Short();
  std::vector<uint64_t> starts;
  uint64_t sequence = 1;
  const Bytes image = MakeImage(&program, &starts, &sequence);

  ScanInput input;
  input.data = image.data();
  input.bytes = image.size();
  input.base_position = kBase;
  input.shard = kShard;
  input.start_position = kBase;
  if ((told & 1) != 0) {
    input.has_recorded_end = true;
    input.recorded_end =
        (told & 2) != 0 ? kBase + image.size() : kBase + end % (kImageBytesMax + 9);
    input.recorded_next_sequence = (told & 4) != 0 ? sequence : 1 + synced % 64;
  } else if ((told & 8) != 0) {
    input.later_synced_upto = kBase + synced;
  }
  if ((told & 16) != 0) {
    input.vouched = starts.data();
    input.vouched_count = starts.size();
  }
  const std::string unsound =
      millrace::support::FindUnsound(input, millrace::support::RunScan(input));
  if (!unsound.empty()) {
    std::fprintf(stderr, "recovery_fuzz: %s\n", unsound.c_str());
    std::abort();
  }
  return 0;
}
