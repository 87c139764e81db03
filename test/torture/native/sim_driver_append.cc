// The appends of SimDriver, and what their answers promise. Everything else is in sim_driver.cc.
#include <algorithm>
#include <cstring>

#include "native/format/batch_format.h"
#include "test/torture/native/records.h"
#include "test/torture/native/sim_driver.h"

namespace millrace::torture {

using base::Code;
using base::Format;
using base::Status;
using ull = unsigned long long;

namespace {

constexpr uint64_t kProducersPerShard = 3;

void FillRecords(uint32_t bytes, Random* random, std::vector<uint8_t>* records) {
  records->resize(bytes);
  size_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    const uint64_t word = random->Next();
    std::memcpy(records->data() + at, &word, sizeof word);
  }
  const uint64_t word = random->Next();
  std::memcpy(records->data() + at, &word, bytes - at);
}

const SentBatch* LastOf(const ShardModel& shard, uint64_t producer_id) {
  const auto found =
      std::find_if(shard.batches.rbegin(), shard.batches.rend(),
                   [producer_id](const auto& one) { return one.producer_id == producer_id; });
  return found == shard.batches.rend() ? nullptr : &*found;
}

}  // namespace

uint32_t SimDriver::DrawBytes() {
  if (rules_.uniform_bytes != 0) {
    return rules_.uniform_bytes;
  }
  const uint64_t kind = random_.Below(100);
  const uint64_t bound = kind < 60 ? 300 : kind < 97 ? 4096 : rules_.records_bytes_max;
  return static_cast<uint32_t>(
      random_.Between(1, std::min<uint64_t>(bound, rules_.records_bytes_max)));
}

std::string SimDriver::Append() {
  ShardModel* const shard = PickShard(/*open_for_appends=*/false);
  return shard == nullptr ? "" : AppendTo(shard, DrawBytes(), !random_.OneIn(3));
}

// A producer with a number in reach: the next one.
void SimDriver::DrawProducer(const ShardModel& shard, SentBatch* batch) {
  if (!random_.OneIn(3)) {
    return;
  }
  batch->producer_id = shard.shard * 16 + random_.Between(1, kProducersPerShard);
  const SentBatch* const last = LastOf(shard, batch->producer_id);
  batch->producer_sequence =
      last == nullptr ? static_cast<uint32_t>(random_.Below(3)) : last->producer_sequence + 1;
}

std::string SimDriver::AppendTo(ShardModel* shard, uint32_t records_bytes, bool disk) {
  FillRecords(records_bytes, &random_, &records_);
  SentBatch batch{};
  batch.first_sequence = shard->next_sequence();
  batch.hash = HashRecord(records_.data(), records_.size());
  const bool several = rules_.uniform_bytes == 0 && random_.OneIn(3);
  batch.count = static_cast<uint32_t>(several ? random_.Between(2, 40) : 1);
  batch.records_bytes = records_bytes;
  batch.disk = disk ? 1 : 0;
  const bool raises = random_.OneIn(40);
  batch.epoch = shard->epoch + (raises ? 1 : 0);
  DrawProducer(*shard, &batch);
  // A failed or sealed shard takes nothing: what is sent all the same must not be there afterwards.
  const bool refuses = shard->failed || shard->sealed;
  if (!refuses) {
    shard->batches.push_back(batch);
  }
  const log::Piece piece{records_.data(), records_bytes};
  log::AppendRequest request;
  request.pieces = &piece;
  request.piece_count = 1;
  request.records_bytes = records_bytes;
  request.count = batch.count;
  request.producer_id = batch.producer_id;
  request.producer_sequence = batch.producer_sequence;
  request.epoch = raises ? batch.epoch : 0;
  request.durability = disk ? log::Durability::kDisk : log::Durability::kOs;
  log::AppendResult result{};
  Tell("Append", true);
  const Status status = core_->Append(shard->slot, request, &result);
  Returned();
  std::string wrong;
  if (refuses) {
    const Code due = shard->failed ? Code::kLogFailed : Code::kShardClosed;
    wrong = status.code() == due ? ""
                                 : "a shard that has failed or is sealed answers an append with " +
                                       std::string(base::CodeName(status.code()));
  } else {
    wrong = SettleAppend(shard, status, result);
  }
  Tell("Append", false);
  return wrong;
}

std::string SimDriver::SettleAppend(ShardModel* shard, const Status& status,
                                    const log::AppendResult& result) {
  SentBatch& batch = shard->batches.back();
  if (!status.ok()) {
    NoteFailures();
    if (!shard->failed) {
      shard->batches.pop_back();  // refused, so nothing of it may ever be seen
    }
    return NoteError("Append", status);
  }
  if (result.first_sequence != batch.first_sequence || result.count != batch.count ||
      result.duplicate || !result.committed) {
    return Format(
        "an append to shard %llu is numbered %llu (%u records, duplicate %d, committed %d), not "
        "%llu",
        static_cast<ull>(shard->shard), static_cast<ull>(result.first_sequence), result.count,
        result.duplicate, result.committed, static_cast<ull>(batch.first_sequence));
  }
  const size_t before = shard->batches.size() - 1;
  const uint64_t least = (before == 0 ? 0 : shard->batches[before - 1].end_position) +
                         format::kBatchHeaderBytes + batch.records_bytes;
  if (result.end_position < least) {
    return Format("an append to shard %llu ends at position %llu, which overlaps the one before it",
                  static_cast<ull>(shard->shard), static_cast<ull>(result.end_position));
  }
  batch.end_position = result.end_position;
  shard->epoch = batch.epoch;
  ++acks_;
  const bool disk = batch.disk != 0 || result.durability == log::Durability::kDisk;
  shard->kill_floor = shard->batches.size();
  if (disk) {
    shard->disk_floor = shard->batches.size();
  }
  RaiseFloors();
  std::string wrong = disk && on_disk_ack_ ? on_disk_ack_(*shard, batch) : "";
  if (wrong.empty() && !shard->failed && random_.OneIn(16)) {
    // A copy, as the vector may move.
    const SentBatch& prior =
        shard->batches[shard->batches.size() - 1 -
                       random_.Below(std::min<size_t>(shard->batches.size(), 4))];
    wrong = CheckDuplicate(shard, SentBatch(prior));
  }
  return wrong;
}

// A producer that repeats one of its last batches is told the numbers of the first time.
std::string SimDriver::CheckDuplicate(ShardModel* shard, const SentBatch& prior) {
  if (prior.producer_id == 0 || prior.first_sequence < shard->trim_ceiling) {
    return "";  // the producers of trimmed batches may be forgotten
  }
  const std::vector<uint8_t> records(prior.records_bytes, 'r');
  const log::Piece piece{records.data(), prior.records_bytes};
  log::AppendRequest request;
  request.pieces = &piece;
  request.piece_count = 1;
  request.records_bytes = prior.records_bytes;
  request.count = prior.count;
  request.producer_id = prior.producer_id;
  request.producer_sequence = prior.producer_sequence;
  log::AppendResult result{};
  Tell("Append", true);
  const Status status = core_->Append(shard->slot, request, &result);
  Returned();
  RaiseFloors();
  if (!status.ok()) {
    return NoteError("Append of a repeat", status);
  }
  return result.duplicate && result.first_sequence == prior.first_sequence
             ? ""
             : Format(
                   "producer %llu repeats sequence %u to shard %llu, first numbered %llu: taken as "
                   "new",
                   static_cast<ull>(prior.producer_id), prior.producer_sequence,
                   static_cast<ull>(shard->shard), static_cast<ull>(prior.first_sequence));
}

}  // namespace millrace::torture
