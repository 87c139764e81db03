// Shards that wait for something, each once, in the order in which they came.
#pragma once

#include <unordered_set>
#include <utility>
#include <vector>

namespace millrace::log {

class ShardLog;

class ShardQueue {
 public:
  bool empty() const { return shards_.empty(); }

  void Add(ShardLog* shard) {
    if (queued_.insert(shard).second) {
      shards_.push_back(shard);
    }
  }

  std::vector<ShardLog*> Take() {
    queued_.clear();
    return std::exchange(shards_, {});
  }

 private:
  std::vector<ShardLog*> shards_;
  std::unordered_set<ShardLog*> queued_;
};

}  // namespace millrace::log
