// The decision table is exhaustive, agrees with its own comment, and never cuts what was durable.
#include "native/log/recovery_table.h"

#include <set>

#include <gtest/gtest.h>

namespace millrace::log {
namespace {

TEST(RecoveryTable, DecidesEveryCombinationAndReachesEveryCase) {
  std::set<RecoveryCase> reached;
  for (size_t found = 0; found < kFoundBytesCount; ++found) {
    ASSERT_EQ(static_cast<size_t>(kRecoveryTable[found].found), found);
    for (size_t later = 0; later < kLaterBatchCount; ++later) {
      for (const bool sealed : {false, true}) {
        const RecoveryDecision decision =
            Decide(static_cast<FoundBytes>(found), static_cast<LaterBatch>(later), sealed);
        EXPECT_STRNE(RecoveryCaseName(decision.recovery_case), "");
        reached.insert(decision.recovery_case);
        if (sealed && static_cast<FoundBytes>(found) != FoundBytes::kRecordedEnd) {
          EXPECT_EQ(decision.verdict, RecoveryVerdict::kCorrupt) << found;
        }
      }
    }
  }
  EXPECT_EQ(reached.size(), kRecoveryCaseCount);
}

// Bytes that were durable are never cut, and a later batch never makes bad bytes more trusted.
TEST(RecoveryTable, NeverCutsWhatWasDurable) {
  for (const RecoveryRow& row : kRecoveryTable) {
    const RecoveryVerdict none = row.open[static_cast<size_t>(LaterBatch::kNone)].verdict;
    const RecoveryVerdict synced = row.open[static_cast<size_t>(LaterBatch::kSyncedBeyond)].verdict;
    const RecoveryVerdict unsynced = row.open[static_cast<size_t>(LaterBatch::kUnsynced)].verdict;
    EXPECT_NE(none, RecoveryVerdict::kCorrupt);
    EXPECT_NE(unsynced, RecoveryVerdict::kCorrupt);
    EXPECT_NE(synced, RecoveryVerdict::kTorn);
  }
}

// The table as the comment of recovery_table.h draws it: case and verdict of each cell, c, t or x
// for clean, torn and corrupt.
TEST(RecoveryTable, IsTheTableOfItsComment) {
  struct Cell {
    int number;
    char verdict;
  };

  constexpr size_t kColumns = kLaterBatchCount + 1;
  constexpr Cell kCells[kFoundBytesCount][kColumns] = {
      {{1, 'c'}, {1, 'c'}, {1, 'c'}, {12, 'x'}},    {{13, 'c'}, {13, 'c'}, {13, 'c'}, {13, 'c'}},
      {{2, 'c'}, {10, 't'}, {14, 'x'}, {12, 'x'}},  {{15, 't'}, {10, 't'}, {10, 'x'}, {12, 'x'}},
      {{3, 'c'}, {16, 't'}, {17, 'x'}, {12, 'x'}},  {{4, 'c'}, {16, 't'}, {17, 'x'}, {12, 'x'}},
      {{5, 't'}, {8, 't'}, {9, 'x'}, {12, 'x'}},    {{18, 't'}, {8, 't'}, {9, 'x'}, {12, 'x'}},
      {{6, 't'}, {8, 't'}, {9, 'x'}, {12, 'x'}},    {{7, 't'}, {8, 't'}, {9, 'x'}, {12, 'x'}},
      {{11, 't'}, {11, 't'}, {11, 'x'}, {12, 'x'}}, {{19, 't'}, {19, 't'}, {20, 'x'}, {12, 'x'}},
  };
  for (size_t found = 0; found < kFoundBytesCount; ++found) {
    for (size_t column = 0; column < kColumns; ++column) {
      const bool sealed = column == kLaterBatchCount;
      const RecoveryDecision decision =
          Decide(static_cast<FoundBytes>(found),
                 sealed ? LaterBatch::kNone : static_cast<LaterBatch>(column), sealed);
      const Cell& cell = kCells[found][column];
      EXPECT_EQ(static_cast<int>(decision.recovery_case), cell.number) << found << ", " << column;
      EXPECT_EQ("ctx"[static_cast<size_t>(decision.verdict)], cell.verdict)
          << found << ", " << column;
    }
  }
}

}  // namespace
}  // namespace millrace::log
