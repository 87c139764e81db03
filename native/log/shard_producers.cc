// What a shard knows of the batches of idempotent producers, for repeats to be answered.
#include "native/log/shard_log.h"

namespace millrace::log {

using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

}  // namespace

Status ShardLog::CheckDuplicateLocked(const AppendRequest& request, AppendResult* result,
                                      bool* repeat) const {
  PriorBatch prior;
  const DuplicateVerdict verdict =
      duplicates_.Check(request.producer_id, request.producer_sequence, &prior);
  const bool gap = verdict == DuplicateVerdict::kGap && !request.producer_gaps_allowed;
  if (gap || verdict == DuplicateVerdict::kTooOld) {
    return Status(Code::kProducerSequenceGap,
                  Format("producer %llu sent sequence %u to shard %llu, which is %s; begin again "
                         "under a new producer id",
                         static_cast<ull>(request.producer_id), request.producer_sequence,
                         static_cast<ull>(shard_),
                         gap ? "not the next one" : "older than the batches remembered"));
  }
  if (verdict != DuplicateVerdict::kRepeat) {
    return Status();
  }
  if (prior.count != request.count) {
    return Status(Code::kInvalidArgument,
                  Format("producer %llu repeats sequence %u with %u records, the first time it had "
                         "%u: a number names one batch",
                         static_cast<ull>(request.producer_id), request.producer_sequence,
                         request.count, prior.count));
  }
  *repeat = true;
  AnswerRepeatLocked(prior, result);
  return Status();
}

void ShardLog::AnswerRepeatLocked(const PriorBatch& prior, AppendResult* result) const {
  result->first_sequence = prior.first_sequence;
  result->count = prior.count;
  result->end_position = prior.end_position;
  result->duplicate = true;
  result->committed = prior.end_position <= committed_end_;
  result->durability =
      prior.end_position <= synced_end_ || !result->committed ? Durability::kDisk : Durability::kOs;
}

Status ShardLog::FindRepeat(uint64_t producer_id, uint32_t producer_sequence,
                            DuplicateVerdict* verdict, AppendResult* result) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!refusal_.ok() && refusal_.code() != Code::kShardClosed) {
    return refusal_;
  }
  PriorBatch prior;
  *verdict = duplicates_.Check(producer_id, producer_sequence, &prior);
  if (*verdict == DuplicateVerdict::kRepeat) {
    AnswerRepeatLocked(prior, result);
  }
  return Status();
}

}  // namespace millrace::log
