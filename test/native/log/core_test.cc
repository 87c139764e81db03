// The log as its owner sees it: append, read, seek, trim, close, reopen. Faults,
// power cuts and damage are tried by the programs in test/torture/native.
#include "native/log/core.h"

#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "test/support/log_harness.h"

namespace millrace {
namespace {

using base::Code;
using log::AppendRequest;
using log::AppendResult;
using log::Core;
using log::Durability;
using log::Piece;
using log::ReadResult;
using support::LogHarness;
using support::ReadBack;

class CoreTest : public ::testing::Test {
 protected:
  void SetUp() override { log_.Open(); }

  AppendResult Put(uint32_t slot, const AppendRequest& request, Code wanted) {
    AppendResult result{};
    EXPECT_EQ(log_.core->Append(slot, request, &result).code(), wanted);
    return result;
  }

  LogHarness log_;
};

TEST_F(CoreTest, NumbersRecordsConsecutivelyAndReadsThemBack) {
  const uint32_t slot = log_.Create();
  EXPECT_EQ(log_.Append(slot, "one").first_sequence, 1u);
  EXPECT_EQ(log_.Append(slot, "twothree", 2).first_sequence, 2u);
  EXPECT_EQ(log_.Append(slot, "four").first_sequence, 4u);
  const ReadBack all = log_.ReadAll(slot);
  EXPECT_EQ(all.batches, (std::vector<std::string>{"one", "twothree", "four"}));
  EXPECT_EQ(all.next_sequence, 5u);
}

TEST_F(CoreTest, RefusesANumberThatWouldOverflow) {
  const uint32_t slot = log_.Create(UINT64_MAX - 1);
  const Piece piece = LogHarness::PieceOf("abc");
  Put(slot, LogHarness::Request(piece, 3), Code::kLimitExceeded);
  EXPECT_EQ(log_.Stats(slot).appended_end, 0u);
}

TEST_F(CoreTest, ReadsWithinTheByteBudgetButAtLeastOneBatch) {
  const uint32_t slot = log_.Create();
  const std::string records(1000, 'r');
  for (int batch = 0; batch < 10; ++batch) {
    log_.Append(slot, records);
  }
  ReadResult result;
  ASSERT_TRUE(log_.core->Read(slot, 0, 1, &result).ok());
  EXPECT_EQ(result.batch_count, 1u);
  ASSERT_TRUE(log_.core->Read(slot, 0, 3 * 1076 + 5, &result).ok());
  EXPECT_EQ(result.batch_count, 3u);
  EXPECT_EQ(result.next_sequence, 4u);
  ASSERT_TRUE(log_.core->Read(slot, result.next_position, UINT32_MAX, &result).ok());
  EXPECT_EQ(result.batch_count, 7u);
  ASSERT_TRUE(log_.core->Read(slot, result.next_position, UINT32_MAX, &result).ok());
  EXPECT_EQ(result.bytes, 0u);
}

TEST_F(CoreTest, RefusesPositionsThatAreNotTheStartOfABatch) {
  const uint32_t slot = log_.Create();
  log_.Append(slot, std::string(500, 'a'));
  const uint64_t second = log_.Append(slot, "b").end_position;
  ReadResult result;
  EXPECT_EQ(log_.core->Read(slot, 1, 100, &result).code(), Code::kInvalidArgument);
  EXPECT_EQ(log_.core->Read(slot, 577, 100, &result).code(), Code::kInvalidArgument);
  EXPECT_EQ(log_.core->Read(slot, second + 1, 100, &result).code(), Code::kSequenceNumberInFuture);
}

TEST_F(CoreTest, NeverServesTheCopyOfABatchInsideARecord) {
  const uint32_t slot = log_.Create();
  log_.Append(slot, "first");
  ReadResult first;
  ASSERT_TRUE(log_.core->Read(slot, 0, 1, &first).ok());
  const std::string copy(reinterpret_cast<const char*>(first.data), first.bytes);
  const uint64_t start = log_.Append(slot, copy + copy).end_position - 2 * copy.size();
  ReadResult result;
  EXPECT_EQ(log_.core->Read(slot, start, 100, &result).code(), Code::kInvalidArgument);
}

TEST_F(CoreTest, SeeksBySequenceNumberAcrossSegments) {
  const uint32_t slot = log_.Create();
  for (int batch = 0; batch < 400; ++batch) {
    log_.Append(slot, std::string(3000, static_cast<char>('a' + batch % 26)), 3);
  }
  ASSERT_GT(log_.Stats(slot).segment_count, 2u);
  for (uint64_t sequence = 1; sequence <= 1200; sequence += 7) {
    uint64_t position = 0;
    ASSERT_TRUE(log_.core->Seek(slot, sequence, &position).ok());
    ReadResult result;
    ASSERT_TRUE(log_.core->Read(slot, position, 1, &result).ok());
    EXPECT_EQ(result.first_sequence, (sequence - 1) / 3 * 3 + 1);
  }
  uint64_t position = 0;
  ASSERT_TRUE(log_.core->Seek(slot, 1201, &position).ok());
  EXPECT_EQ(position, log_.Stats(slot).committed_end);
  EXPECT_EQ(log_.core->Seek(slot, 1202, &position).code(), Code::kSequenceNumberInFuture);
  EXPECT_EQ(log_.core->Seek(slot, 0, &position).code(), Code::kSequenceNumberTrimmed);
}

TEST_F(CoreTest, SeeksByTimeAndArrivalNeverGoesBack) {
  const uint32_t slot = log_.Create();
  std::vector<uint64_t> ends{0};
  for (int batch = 0; batch < 300; ++batch) {
    log_.clock.wall_millis += 10;
    ends.push_back(log_.Append(slot, std::string(5000, 'x')).end_position);
  }
  const uint64_t first_time = 1700000000010;
  log_.clock.wall_millis -= 100000;  // the clock steps back
  log_.Append(slot, "late");
  EXPECT_EQ(log_.Stats(slot).last_arrival_millis, first_time + 2990);
  uint64_t position = 0;
  for (uint64_t batch = 0; batch < 300; batch += 13) {
    ASSERT_TRUE(log_.core->SeekTime(slot, first_time + batch * 10 - 3, &position).ok());
    EXPECT_EQ(position, ends[batch]);
  }
  ASSERT_TRUE(log_.core->SeekTime(slot, first_time + 2991, &position).ok());
  EXPECT_EQ(position, log_.Stats(slot).committed_end);
  ASSERT_TRUE(log_.core->SeekTime(slot, 0, &position).ok());
  EXPECT_EQ(position, 0u);
}

TEST_F(CoreTest, TrimsWholeBatchesAndFreesSegments) {
  const uint32_t slot = log_.Create();
  for (int batch = 0; batch < 1000; ++batch) {
    log_.Append(slot, std::string(3000, 't'), 2);
  }
  const uint32_t before = log_.Stats(slot).segment_count;
  ASSERT_TRUE(log_.core->Trim(slot, 1500).ok());
  const log::ShardStats stats = log_.Stats(slot);
  EXPECT_EQ(stats.first_sequence, 1499u);  // the batch that holds 1500 begins there
  EXPECT_LT(stats.segment_count, before);
  ReadResult result;
  const base::Status trimmed = log_.core->Read(slot, 0, 1, &result);
  EXPECT_EQ(trimmed.code(), Code::kSequenceNumberTrimmed);
  ASSERT_TRUE(log_.core->Read(slot, trimmed.range_start(), 1, &result).ok());
  EXPECT_EQ(result.first_sequence, 1499u);
  EXPECT_TRUE(log_.core->Trim(slot, 10).ok());  // never back
  EXPECT_EQ(log_.Stats(slot).first_sequence, 1499u);
  EXPECT_EQ(log_.core->Trim(slot, 5000).code(), Code::kSequenceNumberInFuture);
}

TEST_F(CoreTest, GoesOnAfterEverythingWasTrimmedAndTheLogReopened) {
  const uint32_t slot = log_.Create();
  log_.Append(slot, "gone", 4);
  ASSERT_TRUE(log_.core->Trim(slot, 5).ok());
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(log_.core->Close().ok());
    log_.Open();
    EXPECT_EQ(log_.ReadAll(0, log_.Stats(0).trimmed_start).batches.size(),
              static_cast<size_t>(round));
    EXPECT_EQ(log_.Append(0, "next").first_sequence, 5u + static_cast<uint64_t>(round));
  }
}

TEST_F(CoreTest, AnswersARepeatWithTheFirstNumbersAlsoAfterReopening) {
  const uint32_t slot = log_.Create();
  const Piece piece = LogHarness::PieceOf("idempotent");
  AppendRequest request = LogHarness::Request(piece, 2);
  request.producer_id = 77;
  request.producer_sequence = 5;
  const AppendResult first = Put(slot, request, Code::kOk);
  log_.Append(slot, "other");
  const AppendResult again = Put(slot, request, Code::kOk);
  EXPECT_TRUE(again.duplicate);
  EXPECT_TRUE(again.committed);
  EXPECT_EQ(again.first_sequence, first.first_sequence);
  EXPECT_EQ(again.end_position, first.end_position);
  request.producer_sequence = 7;
  Put(slot, request, Code::kProducerSequenceGap);
  request.producer_gaps_allowed = true;
  EXPECT_FALSE(Put(slot, request, Code::kOk).duplicate);
  request.count = 3;
  Put(slot, request, Code::kInvalidArgument);  // the number names another batch

  const std::string crashed = log_.CopyAsAfterCrash();
  ASSERT_TRUE(log_.core->Close().ok());
  request.count = 2;
  request.producer_sequence = 5;
  for (const std::string& path : {log_.path, crashed}) {
    log_.path = path;
    log_.Open();
    EXPECT_EQ(Put(0, request, Code::kOk).first_sequence, first.first_sequence) << path;
    ASSERT_TRUE(log_.core->Close().ok());
  }
}

TEST_F(CoreTest, FencesWritersByEpochAndByExpectedSequence) {
  const uint32_t slot = log_.Create();
  const Piece piece = LogHarness::PieceOf("x");
  AppendRequest request = LogHarness::Request(piece);
  request.epoch = 3;
  Put(slot, request, Code::kOk);
  request.epoch = 2;
  Put(slot, request, Code::kWriterFenced);
  request.epoch = 0;
  request.expected_sequence = 1;
  Put(slot, request, Code::kWriterFenced);
  request.expected_sequence = 2;
  EXPECT_EQ(Put(slot, request, Code::kOk).first_sequence, 2u);
  ASSERT_TRUE(log_.core->Close().ok());
  log_.Open();
  EXPECT_EQ(log_.Stats(0).epoch, 3u);
}

TEST_F(CoreTest, RefusesWhatABatchCannotHold) {
  const uint32_t slot = log_.Create();
  const std::string bytes(16, 'b');
  const Piece piece = LogHarness::PieceOf(bytes);
  AppendRequest request = LogHarness::Request(piece, 0);
  Put(slot, request, Code::kInvalidArgument);
  request.count = format::kBatchRecordCountMax + 1;
  Put(slot, request, Code::kInvalidArgument);
  request = LogHarness::Request(piece);
  request.records_bytes = 0;
  Put(slot, request, Code::kInvalidArgument);
  request.records_bytes = format::kBatchRecordsBytesMax + 1;
  Put(slot, request, Code::kInvalidArgument);
  request = LogHarness::Request(piece);
  request.flags = 0x100;
  Put(slot, request, Code::kInvalidArgument);
  Put(99, LogHarness::Request(piece), Code::kShardNotFound);
  EXPECT_EQ(log_.Stats(slot).appended_end, 0u);
}

TEST_F(CoreTest, KeepsTheLargestBatch) {
  const uint32_t slot = log_.Create();
  const std::string records(format::kBatchRecordsBytesMax, 'L');
  log_.Append(slot, records);
  EXPECT_EQ(log_.ReadAll(slot).batches, std::vector<std::string>{records});
}

TEST_F(CoreTest, OpensCleanAfterACloseWithoutAScan) {
  const uint32_t slot = log_.Create();
  for (int batch = 0; batch < 100; ++batch) {
    log_.Append(slot, std::string(4000, 'c'));
  }
  ASSERT_TRUE(log_.core->Close().ok());
  EXPECT_TRUE(std::filesystem::exists(log_.path + "/verified-end"));
  log_.Open();
  EXPECT_TRUE(log_.core->GetStats().opened_clean);
  EXPECT_FALSE(std::filesystem::exists(log_.path + "/verified-end"));
  EXPECT_EQ(log_.ReadAll(0).batches.size(), 100u);
  EXPECT_EQ(log_.Append(0, "on").first_sequence, 101u);
}

TEST_F(CoreTest, RecoversEverythingAfterACrash) {
  const uint32_t slot = log_.Create();
  for (int batch = 0; batch < 200; ++batch) {
    log_.Append(slot, std::string(2500, 'r'), 1,
                batch % 2 == 0 ? Durability::kDisk : Durability::kOs);
  }
  log_.path = log_.CopyAsAfterCrash();
  log_.Open();
  EXPECT_FALSE(log_.core->GetStats().opened_clean);
  EXPECT_EQ(log_.ReadAll(0).batches.size(), 200u);
  EXPECT_EQ(log_.Append(0, "on").first_sequence, 201u);
}

TEST_F(CoreTest, ProvesAnIdleTailWithAMarkerThatTakesNoNumber) {
  const uint32_t slot = log_.Create();
  log_.Append(slot, "before");
  for (int chore = 0; chore < 4; ++chore) {
    log_.core->RunChores();
  }
  const log::ShardStats stats = log_.Stats(slot);
  EXPECT_EQ(stats.appended_end, 76u + 6 + 76);
  EXPECT_EQ(stats.synced_end, stats.appended_end);
  EXPECT_EQ(log_.Append(slot, "after").first_sequence, 2u);
  EXPECT_EQ(log_.ReadAll(slot).batches, (std::vector<std::string>{"before", "after"}));
}

TEST_F(CoreTest, AnOsAppendIsAcknowledgedAtOnceAndSyncedWhenIdle) {
  const uint32_t slot = log_.Create();
  const AppendResult result = log_.Append(slot, "fast", 1, Durability::kOs);
  EXPECT_TRUE(result.committed);
  EXPECT_EQ(result.durability, Durability::kOs);
  EXPECT_EQ(log_.Stats(slot).synced_end, 0u);
  for (int chore = 0; chore < 4; ++chore) {
    log_.core->RunChores();
  }
  EXPECT_EQ(log_.Stats(slot).synced_end, log_.Stats(slot).appended_end);
}

TEST_F(CoreTest, AnswersLogClosedAfterClose) {
  const uint32_t slot = log_.Create();
  ASSERT_TRUE(log_.core->Close().ok());
  ASSERT_TRUE(log_.core->Close().ok());
  const Piece piece = LogHarness::PieceOf("x");
  Put(slot, LogHarness::Request(piece), Code::kLogClosed);
  ReadResult result;
  std::vector<uint64_t> shards;
  log::ScrubReport report;
  EXPECT_EQ(log_.core->Read(slot, 0, 1, &result).code(), Code::kLogClosed);
  EXPECT_EQ(log_.core->CreateShards({1}, &shards).code(), Code::kLogClosed);
  EXPECT_EQ(log_.core->Scrub(0, 0, &report).code(), Code::kLogClosed);
  EXPECT_EQ(log_.core->Flush().code(), Code::kLogClosed);
}

TEST_F(CoreTest, ReadBytesOutliveTrimAndClose) {
  const uint32_t slot = log_.Create();
  log_.Append(slot, "kept");
  ReadResult result;
  ASSERT_TRUE(log_.core->Read(slot, 0, 100, &result).ok());
  ASSERT_TRUE(log_.core->Trim(slot, 2).ok());
  ASSERT_TRUE(log_.core->Close().ok());
  log_.core.reset();
  log::BatchHeader header;
  EXPECT_EQ(log::CheckBatch(result.data, result.bytes, &header), log::BatchCheck::kWhole);
}

TEST_F(CoreTest, AlignsCommitsToPagesWhenAsked) {
  ASSERT_TRUE(log_.core->Close().ok());
  log_.options.align_commits = true;
  log_.options.segment_bytes_min = log_.options.segment_bytes_max;  // positions count from one base
  log_.Open();
  const uint32_t slot = log_.Create();
  for (int batch = 0; batch < 50; ++batch) {
    log_.Append(slot, std::string(static_cast<size_t>(1 + batch * 97), 'a'));
    const log::ShardStats stats = log_.Stats(slot);
    EXPECT_EQ(stats.synced_end % base::kPageBytes, 0u);
  }
  EXPECT_EQ(log_.ReadAll(slot).batches.size(), 50u);
}

TEST_F(CoreTest, OneOwnerAtATime) {
  std::shared_ptr<Core> second;
  EXPECT_EQ(Core::Open(log_.path, log_.options, &second).code(), Code::kLogLocked);
  log::ScrubReport report;
  EXPECT_EQ(log::VerifyDirectory(log_.path, nullptr, &report).code(), Code::kLogLocked);
  ASSERT_TRUE(log_.core->Close().ok());
  EXPECT_TRUE(Core::Open(log_.path, log_.options, &second).ok());
}

TEST_F(CoreTest, RefusesForeignFilesAndNewerFormatsWithoutWriting) {
  ASSERT_TRUE(log_.core->Close().ok());
  std::shared_ptr<Core> core;
  const std::string foreign = log_.directory.File("foreign");
  std::filesystem::create_directory(foreign);
  std::ofstream(foreign + "/holiday.jpg") << "x";
  EXPECT_EQ(Core::Open(foreign, log_.options, &core).code(), Code::kFormatUnsupported);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(foreign), {}), 1);
  std::ofstream(log_.path + "/log/stray") << "x";
  EXPECT_EQ(Core::Open(log_.path, log_.options, &core).code(), Code::kFormatUnsupported);
  std::filesystem::remove(log_.path + "/log/stray");
  std::ofstream(log_.path + "/FORMAT") << "millrace-log 2 0123456789abcdef\n";
  EXPECT_EQ(Core::Open(log_.path, log_.options, &core).code(), Code::kFormatUnsupported);
  EXPECT_TRUE(std::filesystem::exists(log_.path + "/verified-end"));
}

TEST_F(CoreTest, RefusesOptionsThatMakeNoSense) {
  std::shared_ptr<Core> core;
  log::CoreOptions options = log_.options;
  options.segment_bytes_max = options.segment_bytes_min - base::kPageBytes;
  EXPECT_EQ(Core::Open(log_.directory.File("a"), options, &core).code(), Code::kInvalidArgument);
  options = log_.options;
  options.segment_bytes_min = 1000;
  EXPECT_EQ(Core::Open(log_.directory.File("a"), options, &core).code(), Code::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(log_.directory.File("a")));
}

class WakeCounter : public log::CommitListener {
 public:
  void OnCommitted() override { ++wakes; }

  std::atomic<int> wakes{0};
};

TEST(CoreThreadsTest, ManyWritersShareOneLogAndSyncsAreShared) {
  LogHarness log;
  log.options.inline_mode = false;
  log.options.clock = nullptr;
  log.Open();
  WakeCounter counter;
  log.core->AddListener(&counter);
  std::vector<uint32_t> slots;
  for (int shard = 0; shard < 4; ++shard) {
    slots.push_back(log.Create());
  }
  constexpr int kPerWriter = 500;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&log, &slots, writer] {
      for (int batch = 0; batch < kPerWriter; ++batch) {
        log.Append(slots[static_cast<size_t>(batch % 4)],
                   std::to_string(writer) + ":" + std::to_string(batch));
      }
    });
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  ASSERT_TRUE(log.core->Flush().ok());
  size_t batches = 0;
  for (const uint32_t slot : slots) {
    std::vector<int> last(4, -1);
    for (const std::string& record : log.ReadAll(slot).batches) {
      const int number = std::stoi(record.substr(2));
      int& before = last[static_cast<size_t>(record[0] - '0')];
      EXPECT_LT(before, number);  // each writer's order is kept
      before = number;
      ++batches;
    }
  }
  EXPECT_EQ(batches, 4u * kPerWriter);
  EXPECT_GT(counter.wakes.load(), 0);
  EXPECT_LT(log.core->GetStats().sync_count, 4u * kPerWriter);
  log.core->RemoveListener(&counter);
  EXPECT_TRUE(log.core->Close().ok());
}

}  // namespace
}  // namespace millrace
