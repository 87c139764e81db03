#include "test/torture/native/sim_model.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace millrace::torture {
namespace {

class Packer {
 public:
  Packer(uint8_t* bytes, size_t bytes_max) : at_(bytes), left_(bytes_max) {}

  template <typename Value>
  void Put(const Value& value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    Put(&value, sizeof value);
  }

  void Put(const void* data, size_t bytes) {
    fits_ = fits_ && bytes <= left_;
    if (fits_ && bytes != 0) {
      std::memcpy(at_, data, bytes);
      at_ += bytes;
      left_ -= bytes;
    }
  }

  bool fits() const { return fits_; }

 private:
  uint8_t* at_;
  size_t left_;
  bool fits_ = true;
};

class Unpacker {
 public:
  explicit Unpacker(const uint8_t* bytes) : at_(bytes) {}

  template <typename Value>
  void Take(Value* value) {
    std::memcpy(value, at_, sizeof *value);
    at_ += sizeof *value;
  }

  void Take(void* data, size_t bytes) {
    if (bytes != 0) {
      std::memcpy(data, at_, bytes);
      at_ += bytes;
    }
  }

 private:
  const uint8_t* at_;
};

template <typename Shard, typename Visit>
void ForEachScalar(Shard* shard, Visit visit) {
  visit(&shard->shard);
  visit(&shard->created_sequence);
  visit(&shard->trim_floor);
  visit(&shard->trim_ceiling);
  visit(&shard->failed_since);
  visit(&shard->disk_floor);
  visit(&shard->kill_floor);
  visit(&shard->slot);
  visit(&shard->epoch);
  visit(&shard->presence);
  visit(&shard->sealed);
  visit(&shard->maybe_sealed);
  visit(&shard->failed);
}

}  // namespace

bool ShardModel::CountBefore(uint64_t sequence, size_t* count) const {
  const auto found = std::lower_bound(
      batches.begin(), batches.end(), sequence,
      [](const SentBatch& batch, uint64_t wanted) { return batch.first_sequence < wanted; });
  *count = static_cast<size_t>(found - batches.begin());
  return found == batches.end() ? sequence == next_sequence() : found->first_sequence == sequence;
}

void ShardModel::RaiseDiskFloor(uint64_t position) {
  while (disk_floor < batches.size() && batches[disk_floor].end_position != 0 &&
         batches[disk_floor].end_position <= position) {
    ++disk_floor;
  }
  kill_floor = std::max(kill_floor, disk_floor);
}

ShardModel* DirectoryModel::Find(uint64_t shard) {
  const auto found = std::find_if(shards.begin(), shards.end(),
                                  [shard](const ShardModel& one) { return one.shard == shard; });
  return found == shards.end() ? nullptr : &*found;
}

bool DirectoryModel::Encode(uint8_t* bytes, size_t bytes_max) const {
  Packer packer(bytes, bytes_max);
  packer.Put(initialized);
  packer.Put(next_shard);
  packer.Put(shards.size());
  for (const ShardModel& shard : shards) {
    ForEachScalar(&shard, [&packer](const auto* value) { packer.Put(*value); });
    packer.Put(shard.batches.size());
    packer.Put(shard.batches.data(), shard.batches.size() * sizeof(SentBatch));
  }
  return packer.fits();
}

void DirectoryModel::Decode(const uint8_t* bytes) {
  Unpacker unpacker(bytes);
  size_t count = 0;
  unpacker.Take(&initialized);
  unpacker.Take(&next_shard);
  unpacker.Take(&count);
  shards.assign(count, ShardModel{});
  for (ShardModel& shard : shards) {
    ForEachScalar(&shard, [&unpacker](auto* value) { unpacker.Take(value); });
    unpacker.Take(&count);
    shard.batches.resize(count);
    unpacker.Take(shard.batches.data(), count * sizeof(SentBatch));
  }
}

}  // namespace millrace::torture
