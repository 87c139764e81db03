// The choices of a power cut: which of the writes that no sync has confirmed reached the disk.
#pragma once

#include <cstdint>
#include <random>

namespace millrace::support {

using Random = std::mt19937_64;

enum class CutMode : uint8_t {
  kRandom,      // every write for itself, pages torn at sectors
  kKeepSynced,  // nothing but what was synced
  kKeepAll,     // everything, as if all had been written back just in time
};

// Draws its odds once per cut, so that cuts which lose or keep almost everything are as frequent as
// the mixed ones. `random` must outlive the dice.
class CutDice {
 public:
  CutDice(CutMode mode, Random* random) : mode_(mode), random_(random) {
    if (mode_ == CutMode::kRandom) {
      static constexpr uint32_t kKeepOdds[] = {0, 16, 128, 240, 256};
      static constexpr uint32_t kTearOdds[] = {0, 32, 192};
      page_keep_odds_ = kKeepOdds[Below(5)];
      entry_keep_odds_ = kKeepOdds[Below(5)];
      tear_odds_ = kTearOdds[Below(3)];
    }
  }

  bool KeepPage() { return Keep(page_keep_odds_); }

  bool KeepEntry() { return Keep(entry_keep_odds_); }

  bool TearPage() { return mode_ == CutMode::kRandom && Below(256) < tear_odds_; }

  // Which of `count` versions that may have been written; the last is the newest.
  uint64_t PickVersion(uint64_t count) {
    return mode_ != CutMode::kRandom || Below(2) == 0 ? count - 1 : Below(count);
  }

  uint64_t Below(uint64_t bound) { return (*random_)() % bound; }

 private:
  bool Keep(uint32_t odds) {
    switch (mode_) {
      case CutMode::kKeepSynced:
        return false;
      case CutMode::kKeepAll:
        return true;
      case CutMode::kRandom:
        break;
    }
    return Below(256) < odds;
  }

  const CutMode mode_;
  Random* const random_;
  uint32_t page_keep_odds_ = 0;
  uint32_t entry_keep_odds_ = 0;
  uint32_t tear_odds_ = 0;
};

}  // namespace millrace::support
