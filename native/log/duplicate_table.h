// The duplicate table of one shard: the last batches of each idempotent producer, so that a batch
// sent again gets its first answer instead of a second place in the log.
//
// It is derived from batch headers alone, in log order, and bounded: with the same headers and
// limits it always ends up the same, so the table that recovery rebuilds equals the one that was
// lost. Owned by its shard. Not thread-safe. An empty table holds no heap. Memory is taken without
// throwing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::log {

struct DuplicateLimits {
  uint32_t producers_max = 1024;
};

inline constexpr int kBatchesPerProducer = 5;

enum class DuplicateVerdict : uint8_t {
  kNew,     // the next number of this producer, or a producer that is not known (it may start
            // anywhere)
  kRepeat,  // in the log already
  kGap,     // beyond the next number: a batch before it is missing
  kTooOld,  // below the batches that are kept: in the log or not, nobody can tell
};

// Where a batch of a producer went.
struct PriorBatch {
  uint32_t producer_sequence = 0;
  uint32_t count = 0;
  uint64_t first_sequence = 0;
  uint64_t end_position = 0;

  friend bool operator==(const PriorBatch&, const PriorBatch&) = default;
};

class DuplicateTable {
 public:
  DuplicateTable() = default;

  explicit DuplicateTable(DuplicateLimits limits) : limits_(limits) {}

  DuplicateTable(DuplicateTable&&) noexcept;
  DuplicateTable& operator=(DuplicateTable&&) noexcept;
  DuplicateTable(const DuplicateTable&) = delete;
  DuplicateTable& operator=(const DuplicateTable&) = delete;
  ~DuplicateTable() = default;

  // Producer sequences are compared modulo 2^32, so 0 follows 2^32 - 1. `prior` is filled for
  // kRepeat and may be null.
  DuplicateVerdict Check(uint64_t producer_id, uint32_t producer_sequence, PriorBatch* prior) const;

  // Called in log order for every batch whose producer_id is not 0. When a producer is one too
  // many, the one whose last batch is oldest in the log goes. False when out of memory, with
  // nothing changed.
  bool Record(uint64_t producer_id, const PriorBatch& batch);

  // Copies the content of `other`, limits included. False when out of memory, with nothing changed.
  bool CopyFrom(const DuplicateTable& other);

  void Clear();

  size_t size() const { return size_; }

  size_t heap_bytes() const;

  // The snapshot: u32 version, u32 producers, then each producer from the oldest last batch to the
  // newest: u64 id, u32 batches, and each batch from the oldest: u32 producer sequence, u32 count,
  // u64 first sequence, u64 end position. Little-endian. Whoever stores it adds a checksum.
  std::vector<uint8_t> Encode() const;

  // False, with nothing changed, when the bytes are no snapshot, exceed the limits, or memory is
  // short.
  bool Decode(const uint8_t* data, size_t size);

  // The same producers, in the same order, with the same batches.
  friend bool operator==(const DuplicateTable& a, const DuplicateTable& b);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Producer {
    uint64_t id;
    uint32_t older;  // neighbours in the order of last batches
    uint32_t newer;
    uint32_t batch_count;
    uint32_t newest;  // index into batches, a ring
    PriorBatch batches[kBatchesPerProducer];

    // 0 is the newest.
    const PriorBatch& batch(uint32_t age) const {
      return batches[(newest + kBatchesPerProducer - age) % kBatchesPerProducer];
    }
  };

  uint32_t FindSlot(uint64_t producer_id) const;
  const Producer* Find(uint64_t producer_id) const;
  bool Reserve(uint32_t capacity);
  void FillSlot(uint32_t producer);
  void EmptySlot(uint32_t slot);
  void Unlink(uint32_t producer);
  void LinkNewest(uint32_t producer);
  Producer* Add(uint64_t producer_id);
  uint32_t Evict();
  size_t DecodeProducer(const uint8_t* data, size_t size);

  DuplicateLimits limits_;
  std::unique_ptr<Producer[]> producers_;
  std::unique_ptr<uint32_t[]> slots_;  // open addressing, linear; index into producers_, or kNone
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;    // of producers_
  uint32_t slot_count_ = 0;  // a power of two, at least twice capacity_
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
};

}  // namespace millrace::log
