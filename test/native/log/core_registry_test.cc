#include "native/log/core_registry.h"

#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/temp_directory.h"

namespace millrace::log {
namespace {

using base::Code;
using base::Status;

class CoreRegistryTest : public ::testing::Test {
 protected:
  Status Acquire(const std::string& path, std::shared_ptr<Core>* core) {
    return registry_.Acquire(path, options_, core);
  }

  std::string PathOf(const char* name) const { return directory_.path() + "/" + name; }

  support::TempDirectory directory_;
  CoreRegistry registry_;
  CoreOptions options_;
};

TEST_F(CoreRegistryTest, SharesTheCoreOfADirectoryUntilTheLastUserIsGone) {
  std::shared_ptr<Core> first;
  std::shared_ptr<Core> second;
  ASSERT_TRUE(Acquire(PathOf("log"), &first).ok());
  ASSERT_TRUE(Acquire(PathOf("log"), &second).ok());
  EXPECT_EQ(first, second);
  EXPECT_EQ(registry_.open_count(), 1u);
  EXPECT_TRUE(registry_.Release(first).ok());
  std::vector<uint64_t> shards;
  EXPECT_TRUE(second->CreateShards({1}, &shards).ok());
  EXPECT_TRUE(registry_.Release(second).ok());
  EXPECT_EQ(registry_.open_count(), 0u);
  EXPECT_EQ(second->CreateShards({1}, &shards).code(), Code::kLogClosed);
}

TEST_F(CoreRegistryTest, KnowsADirectoryByWhateverName) {
  std::shared_ptr<Core> first;
  std::shared_ptr<Core> second;
  ASSERT_TRUE(Acquire(PathOf("log"), &first).ok());
  ASSERT_EQ(::symlink(PathOf("log").c_str(), PathOf("link").c_str()), 0);
  ASSERT_TRUE(Acquire(PathOf("link/."), &second).ok());
  EXPECT_EQ(first, second);
  EXPECT_TRUE(registry_.Release(first).ok());
  EXPECT_TRUE(registry_.Release(second).ok());
}

TEST_F(CoreRegistryTest, RefusesOtherOptionsAndNamesTheFirst) {
  std::shared_ptr<Core> core;
  std::shared_ptr<Core> other;
  ASSERT_TRUE(Acquire(PathOf("log"), &core).ok());
  options_.producers_max += 1;
  const Status status = Acquire(PathOf("log"), &other);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("producers_max"), std::string::npos) << status.message();
  EXPECT_EQ(other, nullptr);
  EXPECT_TRUE(registry_.Release(core).ok());
}

TEST_F(CoreRegistryTest, SharesNothingWithOrBesideAnExclusiveUser) {
  std::shared_ptr<Core> first;
  std::shared_ptr<Core> second;
  for (const bool first_is_exclusive : {true, false}) {
    options_.exclusive = first_is_exclusive;
    ASSERT_TRUE(Acquire(PathOf("log"), &first).ok());
    options_.exclusive = !first_is_exclusive;
    EXPECT_EQ(Acquire(PathOf("log"), &second).code(), Code::kLogLocked);
    options_.exclusive = true;
    EXPECT_EQ(Acquire(PathOf("log"), &second).code(), Code::kLogLocked);
    EXPECT_TRUE(registry_.Release(first).ok());
    ASSERT_TRUE(Acquire(PathOf("log"), &second).ok());
    EXPECT_TRUE(registry_.Release(second).ok());
    second.reset();
  }
}

TEST_F(CoreRegistryTest, ForgetsWhatDidNotOpen) {
  std::shared_ptr<Core> core;
  EXPECT_FALSE(Acquire(PathOf("missing/log"), &core).ok());
  EXPECT_EQ(core, nullptr);
  EXPECT_EQ(registry_.open_count(), 0u);
  ASSERT_TRUE(Acquire(PathOf("log"), &core).ok());
  EXPECT_TRUE(registry_.Release(core).ok());
}

TEST_F(CoreRegistryTest, KeepsSeveralDirectoriesApart) {
  std::shared_ptr<Core> a;
  std::shared_ptr<Core> b;
  ASSERT_TRUE(Acquire(PathOf("a"), &a).ok());
  ASSERT_TRUE(Acquire(PathOf("b"), &b).ok());
  EXPECT_NE(a, b);
  EXPECT_EQ(registry_.open_count(), 2u);
  EXPECT_TRUE(registry_.Release(a).ok());
  EXPECT_TRUE(registry_.Release(b).ok());
}

// Opening waits for an open or a close that another thread has under way: never LOG_LOCKED, never
// two cores at once.
TEST_F(CoreRegistryTest, ManyThreadsOpenAndCloseOneDirectory) {
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, &failures] {
      for (int round = 0; round < 25; ++round) {
        std::shared_ptr<Core> core;
        if (!Acquire(PathOf("log"), &core).ok() || !registry_.Release(core).ok()) {
          ++failures;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failures.load(), 0);
  EXPECT_EQ(registry_.open_count(), 0u);
}

}  // namespace
}  // namespace millrace::log
