#include "native/log/duplicate_table.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "native/base/bytes.h"
#include "native/base/check.h"

namespace millrace::log {
namespace {

constexpr uint32_t kSnapshotVersion = 1;
constexpr size_t kSnapshotHeaderBytes = 8;
constexpr size_t kSnapshotProducerBytes = 12;
constexpr size_t kSnapshotBatchBytes = 24;
constexpr uint32_t kFirstCapacity = 4;
constexpr uint32_t kSlotsPerProducer = 2;

// Producer ids are drawn at random, but a client chooses them: the mixing keeps chosen runs of ids
// from sharing slots.
uint32_t Mix(uint64_t id) {
  id ^= id >> 32;
  id *= 0xd6e8feb86659fd93u;
  id ^= id >> 32;
  id *= 0xd6e8feb86659fd93u;
  id ^= id >> 32;
  return static_cast<uint32_t>(id);
}

void AppendLittle32(std::vector<uint8_t>* out, uint32_t value) {
  const size_t at = out->size();
  out->resize(at + sizeof value);
  base::StoreLittle32(out->data() + at, value);
}

void AppendLittle64(std::vector<uint8_t>* out, uint64_t value) {
  const size_t at = out->size();
  out->resize(at + sizeof value);
  base::StoreLittle64(out->data() + at, value);
}

}  // namespace

DuplicateTable::DuplicateTable(DuplicateTable&& other) noexcept {
  *this = std::move(other);
}

DuplicateTable& DuplicateTable::operator=(DuplicateTable&& other) noexcept {
  limits_ = other.limits_;
  producers_ = std::move(other.producers_);
  slots_ = std::move(other.slots_);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  slot_count_ = std::exchange(other.slot_count_, 0);
  oldest_ = std::exchange(other.oldest_, kNone);
  newest_ = std::exchange(other.newest_, kNone);
  return *this;
}

DuplicateVerdict DuplicateTable::Check(uint64_t producer_id, uint32_t producer_sequence,
                                       PriorBatch* prior) const {
  const Producer* producer = Find(producer_id);
  if (producer == nullptr) {
    return DuplicateVerdict::kNew;
  }
  for (uint32_t age = 0; age < producer->batch_count; ++age) {
    const PriorBatch& batch = producer->batch(age);
    if (batch.producer_sequence == producer_sequence) {
      if (prior != nullptr) {
        *prior = batch;
      }
      return DuplicateVerdict::kRepeat;
    }
  }
  const uint32_t ahead = producer_sequence - producer->batch(0).producer_sequence;
  if (ahead == 1) {
    return DuplicateVerdict::kNew;
  }
  return ahead <= INT32_MAX ? DuplicateVerdict::kGap : DuplicateVerdict::kTooOld;
}

bool DuplicateTable::Record(uint64_t producer_id, const PriorBatch& batch) {
  const uint32_t slot = FindSlot(producer_id);
  Producer* producer = nullptr;
  if (slot == kNone) {
    producer = Add(producer_id);
    if (producer == nullptr) {
      return false;
    }
  } else {
    producer = &producers_[slots_[slot]];
    Unlink(slots_[slot]);
  }
  LinkNewest(static_cast<uint32_t>(producer - producers_.get()));
  producer->newest = (producer->newest + 1) % kBatchesPerProducer;
  producer->batches[producer->newest] = batch;
  producer->batch_count = std::min<uint32_t>(producer->batch_count + 1, kBatchesPerProducer);
  return true;
}

bool DuplicateTable::CopyFrom(const DuplicateTable& other) {
  DuplicateTable copy(other.limits_);
  if (other.size_ > 0 && !copy.Reserve(other.size_)) {
    return false;
  }
  for (uint32_t i = other.oldest_; i != kNone; i = other.producers_[i].newer) {
    Producer* producer = copy.Add(other.producers_[i].id);
    MILLRACE_CHECK(producer != nullptr);
    const uint32_t at = static_cast<uint32_t>(producer - copy.producers_.get());
    *producer = other.producers_[i];
    copy.LinkNewest(at);
  }
  *this = std::move(copy);
  return true;
}

void DuplicateTable::Clear() {
  *this = DuplicateTable(limits_);
}

size_t DuplicateTable::heap_bytes() const {
  return capacity_ * sizeof(Producer) + slot_count_ * sizeof(uint32_t);
}

std::vector<uint8_t> DuplicateTable::Encode() const {
  std::vector<uint8_t> out;
  out.reserve(kSnapshotHeaderBytes +
              size_ * (kSnapshotProducerBytes + kBatchesPerProducer * kSnapshotBatchBytes));
  AppendLittle32(&out, kSnapshotVersion);
  AppendLittle32(&out, size_);
  for (uint32_t i = oldest_; i != kNone; i = producers_[i].newer) {
    const Producer& producer = producers_[i];
    AppendLittle64(&out, producer.id);
    AppendLittle32(&out, producer.batch_count);
    for (uint32_t age = producer.batch_count; age-- > 0;) {
      const PriorBatch& batch = producer.batch(age);
      AppendLittle32(&out, batch.producer_sequence);
      AppendLittle32(&out, batch.count);
      AppendLittle64(&out, batch.first_sequence);
      AppendLittle64(&out, batch.end_position);
    }
  }
  return out;
}

bool DuplicateTable::Decode(const uint8_t* data, size_t size) {
  if (size < kSnapshotHeaderBytes || base::LoadLittle32(data) != kSnapshotVersion) {
    return false;
  }
  const uint32_t producers = base::LoadLittle32(data + 4);
  if (producers > limits_.producers_max ||
      producers > (size - kSnapshotHeaderBytes) / kSnapshotProducerBytes) {
    return false;
  }
  DuplicateTable decoded(limits_);
  size_t at = kSnapshotHeaderBytes;
  for (uint32_t i = 0; i < producers; ++i) {
    const size_t bytes = decoded.DecodeProducer(data + at, size - at);
    if (bytes == 0) {
      return false;
    }
    at += bytes;
  }
  if (at != size) {
    return false;
  }
  *this = std::move(decoded);
  return true;
}

// The bytes that the producer took, 0 when it is none, is there already, or memory is short.
size_t DuplicateTable::DecodeProducer(const uint8_t* data, size_t size) {
  if (size < kSnapshotProducerBytes) {
    return 0;
  }
  const uint64_t id = base::LoadLittle64(data);
  const uint32_t batches = base::LoadLittle32(data + 8);
  if (id == 0 || batches == 0 || batches > kBatchesPerProducer ||
      size - kSnapshotProducerBytes < batches * kSnapshotBatchBytes || Find(id) != nullptr) {
    return 0;
  }
  const uint8_t* at = data + kSnapshotProducerBytes;
  for (uint32_t i = 0; i < batches; ++i, at += kSnapshotBatchBytes) {
    const PriorBatch batch{.producer_sequence = base::LoadLittle32(at),
                           .count = base::LoadLittle32(at + 4),
                           .first_sequence = base::LoadLittle64(at + 8),
                           .end_position = base::LoadLittle64(at + 16)};
    if (!Record(id, batch)) {
      return 0;
    }
  }
  return static_cast<size_t>(at - data);
}

bool operator==(const DuplicateTable& a, const DuplicateTable& b) {
  if (a.size_ != b.size_) {
    return false;
  }
  uint32_t i = a.oldest_;
  uint32_t j = b.oldest_;
  for (; i != DuplicateTable::kNone; i = a.producers_[i].newer, j = b.producers_[j].newer) {
    const DuplicateTable::Producer& left = a.producers_[i];
    const DuplicateTable::Producer& right = b.producers_[j];
    if (left.id != right.id || left.batch_count != right.batch_count) {
      return false;
    }
    for (uint32_t age = 0; age < left.batch_count; ++age) {
      if (left.batch(age) != right.batch(age)) {
        return false;
      }
    }
  }
  return true;
}

// The slot of the producer, kNone when it has none.
uint32_t DuplicateTable::FindSlot(uint64_t producer_id) const {
  if (slot_count_ == 0) {
    return kNone;
  }
  const uint32_t mask = slot_count_ - 1;
  for (uint32_t slot = Mix(producer_id) & mask;; slot = (slot + 1) & mask) {
    if (slots_[slot] == kNone) {
      return kNone;
    }
    if (producers_[slots_[slot]].id == producer_id) {
      return slot;
    }
  }
}

const DuplicateTable::Producer* DuplicateTable::Find(uint64_t producer_id) const {
  const uint32_t slot = FindSlot(producer_id);
  return slot == kNone ? nullptr : &producers_[slots_[slot]];
}

// Makes room for `capacity` producers. Both arrays are taken before either is replaced, so that a
// failure changes nothing.
bool DuplicateTable::Reserve(uint32_t capacity) {
  uint32_t slot_count = kFirstCapacity * kSlotsPerProducer;
  while (slot_count < uint64_t{capacity} * kSlotsPerProducer) {
    slot_count *= 2;
  }
  std::unique_ptr<Producer[]> producers(new (std::nothrow) Producer[capacity]);
  std::unique_ptr<uint32_t[]> slots(new (std::nothrow) uint32_t[slot_count]);
  if (producers == nullptr || slots == nullptr) {
    return false;
  }
  std::copy_n(producers_.get(), size_, producers.get());
  std::fill_n(slots.get(), slot_count, kNone);
  producers_ = std::move(producers);
  slots_ = std::move(slots);
  capacity_ = capacity;
  slot_count_ = slot_count;
  for (uint32_t i = 0; i < size_; ++i) {
    FillSlot(i);
  }
  return true;
}

void DuplicateTable::FillSlot(uint32_t producer) {
  const uint32_t mask = slot_count_ - 1;
  uint32_t slot = Mix(producers_[producer].id) & mask;
  while (slots_[slot] != kNone) {
    slot = (slot + 1) & mask;
  }
  slots_[slot] = producer;
}

// Empties a slot and moves those behind it up, as a search ends at the first empty slot.
void DuplicateTable::EmptySlot(uint32_t slot) {
  const uint32_t mask = slot_count_ - 1;
  uint32_t hole = slot;
  for (uint32_t next = (slot + 1) & mask; slots_[next] != kNone; next = (next + 1) & mask) {
    const uint32_t home = Mix(producers_[slots_[next]].id) & mask;
    // What stands at `next` may fill the hole unless its home lies behind the hole.
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      slots_[hole] = slots_[next];
      hole = next;
    }
  }
  slots_[hole] = kNone;
}

void DuplicateTable::Unlink(uint32_t producer) {
  const uint32_t older = producers_[producer].older;
  const uint32_t newer = producers_[producer].newer;
  (older == kNone ? oldest_ : producers_[older].newer) = newer;
  (newer == kNone ? newest_ : producers_[newer].older) = older;
}

void DuplicateTable::LinkNewest(uint32_t producer) {
  producers_[producer].older = newest_;
  producers_[producer].newer = kNone;
  (newest_ == kNone ? oldest_ : producers_[newest_].newer) = producer;
  newest_ = producer;
}

// A producer without batches and not linked yet; null when out of memory, with nothing changed.
DuplicateTable::Producer* DuplicateTable::Add(uint64_t producer_id) {
  const uint32_t producers_max = std::max<uint32_t>(limits_.producers_max, 1);
  uint32_t at = size_;
  if (size_ >= producers_max) {
    at = Evict();
  } else if (size_ == capacity_) {
    const uint32_t wanted = capacity_ == 0 ? kFirstCapacity : capacity_ + capacity_;
    if (!Reserve(std::min(std::max(wanted, capacity_ + 1), producers_max))) {
      return nullptr;
    }
  }
  ++size_;
  producers_[at] = Producer{.id = producer_id,
                            .older = kNone,
                            .newer = kNone,
                            .batch_count = 0,
                            .newest = kBatchesPerProducer - 1,
                            .batches = {}};
  FillSlot(at);
  return &producers_[at];
}

// Removes the producer whose last batch is oldest in the log and returns its place.
uint32_t DuplicateTable::Evict() {
  const uint32_t at = oldest_;
  EmptySlot(FindSlot(producers_[at].id));
  Unlink(at);
  --size_;
  return at;
}

}  // namespace millrace::log
