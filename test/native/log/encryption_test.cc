// Shards that are encrypted, as their owner and their readers see them.
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "native/base/bytes.h"
#include "native/log/batch_view.h"
#include "native/log/sealed_batch.h"
#include "test/support/log_harness.h"
#include "test/support/test_keys.h"

namespace millrace {
namespace {

using base::Code;
using log::AppendRequest;
using log::AppendResult;
using log::BatchHeader;
using log::Durability;
using log::KeyName;
using log::Piece;
using log::ReadForm;
using log::ReadResult;
using support::KeyOf;
using support::LogHarness;
using support::SetKeys;

constexpr const char* kCanary = "a canary that nobody is to find";
using Strings = std::vector<std::string>;

bool DiskHas(const std::string& path, const std::string& wanted) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) {
      continue;
    }
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.find(wanted) != std::string::npos) {
      return true;
    }
  }
  return false;
}

class EncryptionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    log_.Open();
    key_ = SetKeys(log_.core.get(), {KeyOf("k1", 'a')});
    slot_ = log_.Create();
    log_.core->SetEncryption({slot_}, key_);
  }

  base::Status Read(uint64_t position, ReadResult* result, ReadForm form = ReadForm::kPlain) {
    return log_.core->Read(slot_, position, 64 * 1024, result, form);
  }

  base::Status TryAppend(const std::string& records) {
    const Piece piece = LogHarness::PieceOf(records);
    AppendResult result{};
    return log_.core->Append(slot_, LogHarness::Request(piece), &result);
  }

  // Changes bytes of the first batch on disk, as who has the disk can: with a checksum that fits.
  template <typename Change>
  void ChangeOnDisk(const Change& change) {
    const std::string path = [this] {
      for (const auto& entry : std::filesystem::directory_iterator(log_.path + "/log")) {
        std::ifstream file(entry.path(), std::ios::binary);
        file.seekg(format::kSegmentHeaderBlockBytes);
        if (file.get() == format::kBatchMarker) {
          return entry.path().string();
        }
      }
      return std::string();
    }();
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    std::string batch(2000, '\0');
    file.seekg(format::kSegmentHeaderBlockBytes);
    file.read(batch.data(), static_cast<std::streamsize>(batch.size()));
    auto* const bytes = reinterpret_cast<uint8_t*>(batch.data());
    change(bytes);
    const uint64_t size = log_.Stats(slot_).appended_end;
    log::SealBatch(bytes, size);
    file.seekp(format::kSegmentHeaderBlockBytes);
    file.write(batch.data(), static_cast<std::streamsize>(size));
  }

  LogHarness log_;
  KeyName key_;
  uint32_t slot_ = 0;
};

TEST_F(EncryptionTest, GivesReadersWhatWasAppended) {
  log_.Append(slot_, kCanary, 3);
  log_.Append(slot_, "second");
  EXPECT_EQ(log_.ReadAll(slot_).batches, (Strings{kCanary, "second"}));
  EXPECT_EQ(log_.ReadAll(slot_).next_sequence, 5u);
  EXPECT_FALSE(DiskHas(log_.path, "canary"));
}

TEST_F(EncryptionTest, MakesTheBatchThatWouldBeThereWithoutEncryption) {
  const uint32_t plain_slot = log_.Create();
  const Piece piece = LogHarness::PieceOf(kCanary);
  AppendRequest request = LogHarness::Request(piece, 2);
  request.flags = 7;  // of the producer
  request.producer_id = 5;
  request.producer_sequence = 1;
  request.epoch = 9;
  AppendResult result{};
  ASSERT_TRUE(log_.core->Append(slot_, request, &result).ok());
  ASSERT_TRUE(log_.core->Append(plain_slot, request, &result).ok());
  ReadResult sealed;
  ReadResult plain;
  ASSERT_TRUE(Read(0, &sealed).ok());
  ASSERT_TRUE(log_.core->Read(plain_slot, 0, 64 * 1024, &plain).ok());
  ASSERT_EQ(sealed.bytes, plain.bytes);
  EXPECT_EQ(sealed.next_position - plain.next_position, format::SealedOverhead(2));
  std::string same(reinterpret_cast<const char*>(sealed.data), sealed.bytes);
  // They are batches of two shards.
  auto* const bytes = reinterpret_cast<uint8_t*>(same.data());
  base::StoreBig64(bytes + format::kBatchShardAt,
                   base::LoadBig64(plain.data + format::kBatchShardAt));
  log::SealBatch(bytes, same.size());
  EXPECT_EQ(same, std::string(reinterpret_cast<const char*>(plain.data), plain.bytes));
}

TEST_F(EncryptionTest, ReadsAsStoredWithoutAKey) {
  log_.Append(slot_, kCanary, 3);
  SetKeys(log_.core.get(), {});
  ReadResult stored;
  ASSERT_TRUE(Read(0, &stored, ReadForm::kStored).ok());
  BatchHeader header;
  ASSERT_EQ(log::CheckBatch(stored.data, stored.bytes, &header), log::BatchCheck::kWhole);
  EXPECT_TRUE(log::IsSealed(header));
  EXPECT_EQ(stored.next_sequence, 4u);
  EXPECT_EQ(stored.decrypted, nullptr);
}

TEST_F(EncryptionTest, GoesOnAfterAnOpenOnceItIsTold) {
  log_.Append(slot_, "first");
  const uint64_t shard = log_.Stats(slot_).shard;
  ASSERT_TRUE(log_.core->Close().ok());
  log_.Open();
  slot_ = log_.SlotOf(shard);
  ReadResult result;
  EXPECT_EQ(Read(0, &result).code(), Code::kKeyNotFound);
  log_.core->SetEncryption({slot_}, key_);
  EXPECT_EQ(TryAppend("refused").code(), Code::kKeyNotFound);
  SetKeys(log_.core.get(), {KeyOf("k1", 'a')});
  log_.Append(slot_, kCanary);
  EXPECT_EQ(log_.ReadAll(slot_).batches, (Strings{"first", kCanary}));
  EXPECT_FALSE(DiskHas(log_.path, "canary"));
}

TEST_F(EncryptionTest, ChangesTheKeyAndReadsWhatWasBefore) {
  log_.Append(slot_, "plain no more");
  const KeyName second = SetKeys(log_.core.get(), {KeyOf("k1", 'a'), KeyOf("k2", 'b')});
  log_.core->SetEncryption({slot_}, second);
  const uint64_t middle = log_.Append(slot_, "second").end_position;
  log_.core->SetEncryption({slot_}, {});
  log_.Append(slot_, "plain again");
  EXPECT_EQ(log_.ReadAll(slot_).batches, (Strings{"plain no more", "second", "plain again"}));
  EXPECT_TRUE(DiskHas(log_.path, "plain again"));
  // Without the first key everything else is read.
  SetKeys(log_.core.get(), {KeyOf("k2", 'b')});
  ReadResult result;
  const base::Status status = Read(0, &result);
  EXPECT_EQ(status.code(), Code::kKeyNotFound);
  EXPECT_NE(status.message().find("k1"), std::string::npos);
  uint64_t position = 0;
  ASSERT_TRUE(log_.core->Seek(slot_, 2, &position).ok());
  EXPECT_EQ(log_.ReadAll(slot_, position).batches, (Strings{"second", "plain again"}));
  EXPECT_EQ(log_.ReadAll(slot_, middle).batches, Strings{"plain again"});
}

TEST_F(EncryptionTest, EndsAReadBeforeABatchWhoseKeyIsMissing) {
  log_.core->SetEncryption({slot_}, {});
  const uint64_t first = log_.Append(slot_, "plain").end_position;
  log_.core->SetEncryption({slot_}, key_);
  log_.Append(slot_, "sealed");
  SetKeys(log_.core.get(), {});
  ReadResult result;
  ASSERT_TRUE(Read(0, &result).ok());
  EXPECT_EQ(result.next_position, first);
  EXPECT_EQ(result.next_sequence, 2u);
  EXPECT_EQ(result.batch_count, 1u);
  EXPECT_EQ(Read(first, &result).code(), Code::kKeyNotFound);
}

TEST_F(EncryptionTest, TellsAnotherKeyOfTheSameId) {
  log_.Append(slot_, "first");
  SetKeys(log_.core.get(), {KeyOf("k1", 'b')});
  ReadResult result;
  const base::Status status = Read(0, &result);
  EXPECT_EQ(status.code(), Code::kKeyMismatch);
  EXPECT_EQ(status.range_end(), 0u);
  EXPECT_EQ(TryAppend("refused").code(), Code::kKeyMismatch);
  SetKeys(log_.core.get(), {KeyOf("k1", 'a')});
  log_.Append(slot_, "second");
  EXPECT_EQ(log_.ReadAll(slot_).batches, (Strings{"first", "second"}));
}

TEST_F(EncryptionTest, NeverAppendsPlainTextForWantOfAKey) {
  SetKeys(log_.core.get(), {});
  const base::Status status = TryAppend(kCanary);
  EXPECT_EQ(status.code(), Code::kKeyNotFound);
  EXPECT_NE(status.message().find("key k1"), std::string::npos);
  EXPECT_NE(status.message().find("--key-file"), std::string::npos);
  EXPECT_EQ(log_.Stats(slot_).appended_end, 0u);
  EXPECT_FALSE(DiskHas(log_.path, "canary"));
}

TEST_F(EncryptionTest, FindsEveryByteThatSomebodyHasChanged) {
  log_.Append(slot_, "some records");
  const uint64_t bytes = log_.Stats(slot_).appended_end;
  for (size_t at = format::kBatchShardAt; at < bytes; ++at) {
    if (at == format::kBatchFlagsAt + 3) {
      continue;  // the codec: then it is a forged batch that is not encrypted, which anybody can
                 // make
    }
    uint8_t was = 0;
    ChangeOnDisk([at, &was](uint8_t* batch) {
      was = batch[at];
      batch[at] ^= 1;
    });
    ReadResult result;
    const base::Status status = Read(0, &result);
    EXPECT_FALSE(status.ok()) << "byte " << at;
    ChangeOnDisk([at, was](uint8_t* batch) { batch[at] = was; });
  }
  EXPECT_EQ(log_.ReadAll(slot_).batches, Strings{"some records"});
}

TEST_F(EncryptionTest, IsNotFooledByABatchThatWasRenumbered) {
  log_.Append(slot_, "some records");
  ChangeOnDisk([](uint8_t* batch) { base::StoreBig64(batch + format::kBatchArrivalAt, 1); });
  ReadResult result;
  const base::Status status = Read(0, &result);
  EXPECT_EQ(status.code(), Code::kLogCorrupt);
  EXPECT_EQ(status.range_start(), 0u);
  EXPECT_EQ(status.range_end(), log_.Stats(slot_).appended_end);
}

TEST_F(EncryptionTest, AnswersRepeatsOfAProducerWithoutAKey) {
  const Piece piece = LogHarness::PieceOf("records");
  AppendRequest request = LogHarness::Request(piece, 2);
  request.producer_id = 5;
  request.producer_sequence = 1;
  AppendResult first{};
  ASSERT_TRUE(log_.core->Append(slot_, request, &first).ok());
  SetKeys(log_.core.get(), {});
  AppendResult again{};
  ASSERT_TRUE(log_.core->Append(slot_, request, &again).ok());
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.first_sequence, first.first_sequence);
  EXPECT_EQ(again.end_position, first.end_position);
}

TEST_F(EncryptionTest, TakesTheLargestBatchThatFits) {
  const uint32_t most = format::kBatchRecordsBytesMax - format::SealedOverhead(2);
  EXPECT_EQ(TryAppend(std::string(most + 1, 'r')).code(), Code::kInvalidArgument);
  const std::string records(most, 'r');
  log_.Append(slot_, records);
  EXPECT_EQ(log_.Stats(slot_).appended_end, format::kBatchBytesMax);
  EXPECT_EQ(log_.ReadAll(slot_).batches, Strings{records});
}

TEST_F(EncryptionTest, LetsNobodyAppendWhatLooksEncrypted) {
  const Piece piece = LogHarness::PieceOf("records");
  AppendRequest request = LogHarness::Request(piece);
  request.flags = format::kCodecSealed;
  AppendResult result{};
  EXPECT_EQ(log_.core->Append(slot_, request, &result).code(), Code::kInvalidArgument);
}

TEST_F(EncryptionTest, ScrubsAndRecoversWithoutAKey) {
  log_.clock.wall_millis += 1;
  for (int batch = 0; batch < 100; ++batch) {
    log_.Append(slot_, std::string(3000, 'r'), 1, Durability::kOs);
  }
  ASSERT_TRUE(log_.core->Flush().ok());
  const uint64_t shard = log_.Stats(slot_).shard;
  const std::string copy = log_.CopyAsAfterCrash();
  ASSERT_TRUE(log_.core->Close().ok());
  log_.path = copy;
  log_.Open();
  slot_ = log_.SlotOf(shard);
  EXPECT_EQ(log_.Stats(slot_).next_sequence, 101u);
  log::ScrubReport report;
  ASSERT_TRUE(log_.core->Scrub(0, 0, &report).ok());
  EXPECT_EQ(report.record_count, 100u);
  EXPECT_TRUE(report.damaged.empty());
  uint64_t position = 1;
  ASSERT_TRUE(log_.core->SeekTime(slot_, log_.clock.wall_millis, &position).ok());
  EXPECT_EQ(position, 0u);
  ASSERT_TRUE(log_.core->Trim(slot_, 50).ok());
  SetKeys(log_.core.get(), {KeyOf("k1", 'a')});
  EXPECT_EQ(log_.ReadAll(slot_, log_.Stats(slot_).trimmed_start).batches.size(), 51u);
}

TEST_F(EncryptionTest, ReadsWhileKeysAndShardsChange) {
  for (int batch = 0; batch < 50; ++batch) {
    log_.Append(slot_, "record");
  }
  std::vector<std::thread> readers;
  std::atomic<bool> failed{false};
  for (int thread = 0; thread < 2; ++thread) {
    readers.emplace_back([this, &failed] {
      for (int round = 0; round < 50; ++round) {
        ReadResult result;
        const base::Status status = log_.core->Read(slot_, 0, 1024, &result);
        failed = failed || (!status.ok() && status.code() != Code::kKeyNotFound);
      }
    });
  }
  for (int round = 0; round < 50; ++round) {
    SetKeys(log_.core.get(), {});
    SetKeys(log_.core.get(), {KeyOf("k1", 'a')});
    log_.Append(slot_, "record");
  }
  for (std::thread& reader : readers) {
    reader.join();
  }
  EXPECT_FALSE(failed);
}

TEST(KeyringTest, SaysWhenTheProcessHasNoCrypto) {
  log::Keyring keyring(nullptr);
  std::vector<uint64_t> checks;
  EXPECT_EQ(keyring.SetKeys({KeyOf("k1", 'a')}, &checks).code(), Code::kEncryptionUnavailable);
  std::shared_ptr<const log::SealingKey> sealing;
  EXPECT_EQ(keyring.FindSealing({"k1", 1}, &sealing).code(), Code::kEncryptionUnavailable);
}

TEST(KeyringTest, RefusesIdsThatAreNoneAndThatComeTwice) {
  log::Keyring keyring(base::SystemCrypto());
  std::vector<uint64_t> checks;
  for (const std::string& id : {std::string(), std::string("a b"), std::string(65, 'a')}) {
    EXPECT_EQ(keyring.SetKeys({KeyOf(id, 'a')}, &checks).code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(keyring.SetKeys({KeyOf("k1", 'a'), KeyOf("k1", 'b')}, &checks).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace millrace
