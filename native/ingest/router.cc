#include "native/ingest/router.h"

#include <cstring>
#include <new>

#include "native/base/check.h"

namespace millrace::ingest {

namespace {

template <typename T>
bool AllocateArray(std::unique_ptr<T[]>* array, size_t count) {
  array->reset(new (std::nothrow) T[count]());
  return *array != nullptr;
}

// Puts one more record at the end of a run. `pieces` and `records` are the run's own, writable.
// Whether a record joins the piece before it is as random as the hash keys, so it is computed and
// not branched on.
void Append(const ScannedRequest& request, uint32_t index, ShardRun* run, uint32_t* records,
            Piece* pieces) {
  const uint8_t* data = request.record_data(index);
  const uint32_t bytes = request.record(index).shape.bytes;
  const bool joins = run->count > 0 && records[run->count - 1] + 1 == index;
  const uint32_t place = run->piece_count - (joins ? 1 : 0);
  Piece* piece = &pieces[place];
  piece->data = joins ? piece->data : data;
  piece->bytes = (joins ? piece->bytes : 0) + bytes;
  records[run->count] = index;
  run->count += 1;
  run->bytes += bytes;
  run->piece_count = place + 1;
}

}  // namespace

std::unique_ptr<Router> Router::Create(uint32_t records_max) {
  MILLRACE_CHECK(records_max <= kRoutedRecordsMax);
  std::unique_ptr<Router> router(new (std::nothrow) Router(records_max));
  if (router != nullptr && !router->Allocate()) {
    return nullptr;
  }
  return router;
}

bool Router::Allocate() {
  return AllocateArray(&md5_inputs_, records_max_) && AllocateArray(&digests_, records_max_) &&
         AllocateArray(&hashed_records_, records_max_) &&
         AllocateArray(&hash_keys_, records_max_) && AllocateArray(&run_of_record_, records_max_) &&
         AllocateArray(&sorted_records_, records_max_) && AllocateArray(&pieces_, records_max_) &&
         AllocateArray(&runs_, records_max_) && AllocateArray(&first_places_, records_max_) &&
         AllocateArray(&run_of_ordinal_, kOpenShardsMax);
}

void Router::Route(const ShardMap& shards, const ScannedRequest& request, const HashKey& keyless) {
  has_hash_keys_ = false;
  keyless_ = keyless;
  RouteAgain(shards, request);
}

void Router::RouteAgain(const ShardMap& shards, const ScannedRequest& request) {
  MILLRACE_CHECK(request.record_count() > 0 && request.record_count() <= records_max_);
  if (shards.shard_count() == 1) {
    RouteToOnlyShard(shards, request);
    return;
  }
  if (!has_hash_keys_) {
    FindHashKeys(request);
  }
  CountRuns(shards, request.record_count());
  FillRuns(request);
}

void Router::RouteToOnlyShard(const ShardMap& shards, const ScannedRequest& request) {
  const uint32_t count = request.record_count();
  const ScannedRecord& last = request.record(count - 1);
  const uint32_t bytes = last.offset + last.shape.bytes - request.record(0).offset;
  for (uint32_t index = 0; index < count; ++index) {
    sorted_records_[index] = index;
  }
  std::memset(run_of_record_.get(), 0, count * sizeof run_of_record_[0]);
  pieces_[0] = {request.record_data(0), bytes};
  first_places_[0] = 0;
  runs_[0] = {shards.shard(0), 0, count, bytes, 1, sorted_records_.get(), pieces_.get()};
  run_count_ = 1;
}

void Router::FindHashKeys(const ScannedRequest& request) {
  const uint32_t count = request.record_count();
  uint32_t hashed_count = 0;
  for (uint32_t index = 0; index < count; ++index) {
    const uint8_t* explicit_hash_key = request.explicit_hash_key(index);
    if (explicit_hash_key != nullptr) {
      hash_keys_[index] = LoadHashKey(explicit_hash_key);
      continue;
    }
    const uint32_t key_bytes = request.record(index).shape.key_bytes;
    if (key_bytes == 0) {
      hash_keys_[index] = keyless_;
      continue;
    }
    md5_inputs_[hashed_count] = {request.key(index), key_bytes};
    hashed_records_[hashed_count] = index;
    ++hashed_count;
  }
  base::Md5Batch(md5_inputs_.get(), hashed_count, digests_.get());
  for (uint32_t i = 0; i < hashed_count; ++i) {
    hash_keys_[hashed_records_[i]] = LoadHashKey(digests_[i].bytes);
  }
  has_hash_keys_ = true;
}

// First half of the counting sort: how many records each shard gets, and so where its run begins.
void Router::CountRuns(const ShardMap& shards, uint32_t record_count) {
  run_count_ = 0;
  for (uint32_t index = 0; index < record_count; ++index) {
    const uint32_t ordinal = shards.Find(hash_keys_[index]);
    uint32_t run = run_of_ordinal_[ordinal];
    if (run == 0) {
      runs_[run_count_] = {shards.shard(ordinal), ordinal, 0, 0, 0, nullptr, nullptr};
      run = ++run_count_;
      run_of_ordinal_[ordinal] = static_cast<uint16_t>(run);
    }
    run_of_record_[index] = static_cast<uint16_t>(run - 1);
    runs_[run - 1].count += 1;
  }
  uint32_t place = 0;
  for (uint32_t i = 0; i < run_count_; ++i) {
    ShardRun& run = runs_[i];
    run_of_ordinal_[run.ordinal] = 0;
    first_places_[i] = place;
    place += run.count;
    run.count = 0;
  }
}

// Second half: the records in the order of the request, each behind the others of its run.
void Router::FillRuns(const ScannedRequest& request) {
  for (uint32_t i = 0; i < run_count_; ++i) {
    runs_[i].records = &sorted_records_[first_places_[i]];
    runs_[i].pieces = &pieces_[first_places_[i]];
  }
  for (uint32_t index = 0; index < request.record_count(); ++index) {
    const uint32_t run = run_of_record_[index];
    const uint32_t first = first_places_[run];
    Append(request, index, &runs_[run], &sorted_records_[first], &pieces_[first]);
  }
}

void Router::Drop(const ScannedRequest& request, uint32_t run_index, const uint8_t* dropped) {
  MILLRACE_CHECK(run_index < run_count_);
  ShardRun& run = runs_[run_index];
  const uint32_t count = run.count;
  uint32_t* records = &sorted_records_[first_places_[run_index]];
  Piece* pieces = &pieces_[first_places_[run_index]];
  run.count = 0;
  run.bytes = 0;
  run.piece_count = 0;
  // In place: no more records are kept than were looked at, so only places already read are
  // written.
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t index = records[i];
    if (dropped[index] == 0) {
      Append(request, index, &run, records, pieces);
    }
  }
}

}  // namespace millrace::ingest
