// FORMAT.md against the headers that hold the layout: neither may change without the other.
#include <cstddef>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/base/bytes.h"
#include "native/format/batch_format.h"
#include "native/format/manifest_format.h"
#include "native/format/sealed_format.h"
#include "native/format/segment_format.h"
#include "native/log/batch_view.h"
#include "native/log/recovery_table.h"
#include "native/log/sealed_batch.h"

#ifndef MILLRACE_SOURCE_DIR
#define MILLRACE_SOURCE_DIR "."
#endif

namespace millrace {
namespace {

using Rows = std::map<std::string, size_t>;  // field -> place

std::vector<std::string> Lines() {
  std::ifstream file(std::string(MILLRACE_SOURCE_DIR) + "/native/FORMAT.md");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream stream(line);
  for (std::string cell; std::getline(stream, cell, '|');) {
    const size_t first = cell.find_first_not_of(' ');
    const size_t last = cell.find_last_not_of(' ');
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return cells;
}

// The table that follows the first line beginning with `heading`: the names in column
// `name_column`, the places in the first.
Rows TableAfter(const std::string& heading, size_t name_column) {
  Rows rows;
  bool seen = false;
  for (const std::string& line : Lines()) {
    seen = seen || line.rfind(heading, 0) == 0;
    const std::vector<std::string> cells = Cells(line);
    const bool is_row = cells.size() > name_column && !cells[1].empty() &&
                        cells[1].find_first_not_of("0123456789") == std::string::npos;
    if (seen && is_row) {
      rows[cells[name_column]] = std::stoul(cells[1]);
    } else if (seen && !rows.empty()) {
      break;
    }
  }
  return rows;
}

TEST(FormatDocumentTest, BatchTable) {
  const Rows wanted = {
      {"marker", format::kBatchMarkerAt},
      {"crc32c", format::kBatchCrcAt},
      {"shard", format::kBatchShardAt},
      {"first sequence", format::kBatchFirstSequenceAt},
      {"count", format::kBatchCountAt},
      {"arrival", format::kBatchArrivalAt},
      {"epoch", format::kBatchEpochAt},
      {"producer id", format::kBatchProducerIdAt},
      {"producer sequence", format::kBatchProducerSequenceAt},
      {"synced upto", format::kBatchSyncedUptoAt},
      {"flags", format::kBatchFlagsAt},
      {"records length", format::kBatchRecordsLengthAt},
      {"records", format::kBatchHeaderBytes},
  };
  EXPECT_EQ(TableAfter("## The batch", 3), wanted);
}

#define MILLRACE_FIELD(structure, field) \
  { #field, offsetof(structure, field) }

TEST(FormatDocumentTest, SegmentHeaderTable) {
  using format::SegmentHeader;
  const Rows wanted = {
      MILLRACE_FIELD(SegmentHeader, magic),         MILLRACE_FIELD(SegmentHeader, version),
      MILLRACE_FIELD(SegmentHeader, reserved),      MILLRACE_FIELD(SegmentHeader, directory_id),
      MILLRACE_FIELD(SegmentHeader, shard),         MILLRACE_FIELD(SegmentHeader, ordinal),
      MILLRACE_FIELD(SegmentHeader, base_position), MILLRACE_FIELD(SegmentHeader, first_sequence),
      MILLRACE_FIELD(SegmentHeader, file_bytes),    MILLRACE_FIELD(SegmentHeader, created_millis),
      MILLRACE_FIELD(SegmentHeader, reserved2),     MILLRACE_FIELD(SegmentHeader, crc32c),
  };
  EXPECT_EQ(TableAfter("**Header**, 80 bytes", 2), wanted);
}

TEST(FormatDocumentTest, SealTable) {
  using format::SegmentSeal;
  const Rows wanted = {
      MILLRACE_FIELD(SegmentSeal, magic),
      MILLRACE_FIELD(SegmentSeal, shard),
      MILLRACE_FIELD(SegmentSeal, base_position),
      MILLRACE_FIELD(SegmentSeal, end_position),
      MILLRACE_FIELD(SegmentSeal, first_sequence),
      MILLRACE_FIELD(SegmentSeal, next_sequence),
      MILLRACE_FIELD(SegmentSeal, batch_count),
      MILLRACE_FIELD(SegmentSeal, first_arrival_millis),
      MILLRACE_FIELD(SegmentSeal, last_arrival_millis),
      MILLRACE_FIELD(SegmentSeal, chain_hash),
      MILLRACE_FIELD(SegmentSeal, epoch),
      MILLRACE_FIELD(SegmentSeal, flags),
      MILLRACE_FIELD(SegmentSeal, reserved),
      MILLRACE_FIELD(SegmentSeal, crc32c),
  };
  EXPECT_EQ(TableAfter("**Seal**, 96 bytes", 2), wanted);
}

TEST(FormatDocumentTest, ManifestTable) {
  using format::ManifestRecord;
  const Rows wanted = {
      MILLRACE_FIELD(ManifestRecord, magic),  MILLRACE_FIELD(ManifestRecord, crc32c),
      MILLRACE_FIELD(ManifestRecord, type),   MILLRACE_FIELD(ManifestRecord, reserved),
      MILLRACE_FIELD(ManifestRecord, number), MILLRACE_FIELD(ManifestRecord, shard),
      MILLRACE_FIELD(ManifestRecord, a),      MILLRACE_FIELD(ManifestRecord, b),
      MILLRACE_FIELD(ManifestRecord, c),      MILLRACE_FIELD(ManifestRecord, d),
  };
  EXPECT_EQ(TableAfter("## The manifest", 2), wanted);
}

TEST(FormatDocumentTest, SealedTable) {
  const Rows wanted = {
      {"version", format::kSealedVersionAt},    {"codec", format::kSealedCodecAt},
      {"id length", format::kSealedIdLengthAt}, {"reserved", format::kSealedReservedAt},
      {"key check", format::kSealedKeyCheckAt}, {"salt", format::kSealedSaltAt},
      {"counter", format::kSealedCounterAt},    {"key id", format::kSealedKeyIdAt},
  };
  EXPECT_EQ(TableAfter("## Encrypted records", 3), wanted);
  EXPECT_EQ(format::SealedOverhead(8), 60u);
}

// What is found, as the page names it, in the order of FoundBytes.
constexpr const char* kFoundNames[log::kFoundBytesCount] = {
    "the end of the data area",
    "the recorded end",
    "zeros up to the end",
    "zeros, then other bytes",
    "a whole batch of another shard",
    "a whole batch of this shard, sequence too low",
    "fewer bytes than a header",
    "bytes that are no header",
    "a length beyond the segment or the batch limit",
    "a full length, checksum wrong",
    "a whole batch whose sequence skips ahead",
    "a whole batch that continues, epoch too low",
};

std::string VerdictName(const log::RecoveryDecision& decision) {
  static constexpr const char* kVerdicts[] = {"clean", "torn", "corrupt"};
  return kVerdicts[static_cast<size_t>(decision.verdict)];
}

TEST(FormatDocumentTest, RecoveryTable) {
  std::vector<std::vector<std::string>> wanted;
  for (const log::RecoveryRow& row : log::kRecoveryTable) {
    wanted.push_back({"", kFoundNames[static_cast<size_t>(row.found)], VerdictName(row.open[0]),
                      VerdictName(row.open[1]), VerdictName(row.open[2]), VerdictName(row.sealed)});
  }
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (const std::string& line : Lines()) {
    if (line == "| found at X | no later batch | su <= X | su > X | before a recorded end |") {
      inside = true;
    } else if (inside && line.rfind("| ", 0) == 0) {
      rows.push_back(Cells(line));
    } else {
      inside = inside && line.rfind("|---", 0) == 0;
    }
  }
  EXPECT_EQ(rows, wanted);
}

// The bytes of one of the worked examples, counted from 0.
std::vector<uint8_t> WorkedExample(int wanted) {
  std::vector<uint8_t> batch;
  bool inside = false;
  for (const std::string& line : Lines()) {
    if (line == "```hex") {
      inside = wanted-- == 0;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      std::stringstream stream(line);
      for (std::string byte; stream >> byte;) {
        batch.push_back(static_cast<uint8_t>(std::stoul(byte, nullptr, 16)));
      }
    }
  }
  return batch;
}

TEST(FormatDocumentTest, EncryptedExampleIsThatOfBefore) {
  const std::vector<uint8_t> batch = WorkedExample(1);
  log::BatchHeader header;
  ASSERT_EQ(log::CheckBatch(batch.data(), batch.size(), &header), log::BatchCheck::kWhole);
  EXPECT_EQ(header.bytes(), batch.size());
  EXPECT_EQ(header.crc32c, 0x840e04a6u);
  EXPECT_TRUE(log::IsSealed(header));
  uint8_t key[base::kAeadKeyBytes];
  std::iota(key, key + sizeof key, uint8_t{0});
  log::Keyring keyring(base::SystemCrypto());
  std::vector<uint64_t> checks;
  ASSERT_TRUE(keyring.SetKeys({log::MasterKey("k1", key)}, &checks).ok());
  EXPECT_EQ(checks.at(0), 0x682af580595dce99u);
  std::vector<uint8_t> opened(batch.size());
  uint64_t bytes = 0;
  const base::Status status = log::OpenBatch(&keyring, batch.data(), header, opened.data(), &bytes);
  ASSERT_TRUE(status.ok()) << status.message();
  opened.resize(bytes);
  EXPECT_EQ(opened, WorkedExample(0));
}

TEST(FormatDocumentTest, WorkedExampleIsAWholeBatch) {
  const std::vector<uint8_t> batch = WorkedExample(0);
  log::BatchHeader header;
  ASSERT_EQ(log::CheckBatch(batch.data(), batch.size(), &header), log::BatchCheck::kWhole);
  EXPECT_EQ(header.bytes(), batch.size());
  EXPECT_EQ(header.crc32c, 0x3599d6c9u);
  EXPECT_EQ(header.shard, 7u);
  EXPECT_EQ(header.first_sequence, 42u);
  EXPECT_EQ(header.count, 2u);
  EXPECT_EQ(header.arrival_millis, 1700000000000u);
  EXPECT_EQ(header.epoch, 1u);
  EXPECT_EQ(header.producer_id, 0u);
  EXPECT_EQ(header.synced_upto, 4096u);
  EXPECT_EQ(header.flags, format::kCodecNone);
}

}  // namespace
}  // namespace millrace
