// What a core is made of. Private to its sources.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "native/log/committer.h"
#include "native/log/core.h"
#include "native/log/core_context.h"
#include "native/log/helper.h"
#include "native/log/shard_table.h"

namespace millrace::log {

inline base::Status NoSuchShard(uint64_t shard) {
  return base::Status(
      base::Code::kShardNotFound,
      base::Format("there is no shard %llu", static_cast<unsigned long long>(shard)));
}

// The chores of a core with threads go to them; without, the append itself commits.
class CoreChores : public Chores {
 public:
  CoreChores(Committer* committer, Helper* helper, ShardTable* shards, bool inline_mode)
      : committer_(committer), helper_(helper), shards_(shards), inline_mode_(inline_mode) {}

  void RequestCommit(ShardLog* shard) override { committer_->RequestCommit(shard); }

  void RequestIdleCheck(ShardLog* shard) override { committer_->RequestIdleCheck(shard); }

  void RequestTrim(ShardLog* shard) override { committer_->RequestTrim(shard); }

  void RequestPopulate(std::shared_ptr<SegmentWriter> writer) override {
    helper_->RequestPopulate(std::move(writer));
  }

  void RequestSpare() override { helper_->RequestSpare(); }

  void RequestIndexFile(std::shared_ptr<Segment> segment, std::vector<uint8_t> snapshot) override {
    helper_->RequestIndexFile(std::move(segment), std::move(snapshot));
  }

  ShardTable* shards() const { return shards_; }

  bool inline_mode() const { return inline_mode_; }

 private:
  Committer* const committer_;
  Helper* const helper_;
  ShardTable* const shards_;
  const bool inline_mode_;
};

// The parts of a core, in the order in which they may be destroyed backwards.
struct Core::Parts {
  Parts(std::string path, const CoreOptions& options) : context(std::move(path), options) {}

  CoreContext context;
  ShardTable shards;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<Helper> helper;
  std::unique_ptr<CoreChores> chores;
  uint32_t scrub_slot = 0;  // the background scrub's place; the helper's
  uint64_t scrub_position = 0;
};

}  // namespace millrace::log
