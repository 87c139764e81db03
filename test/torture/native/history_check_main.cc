// Judges the judge (history.h): hand-made histories with one broken promise each must be found out,
// and generated ones that are good must pass, with their damaged copies found out again.
//
//   history_check_main [--count HISTORIES] [--seed N]
#include <cinttypes>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "test/torture/native/arguments.h"
#include "test/torture/native/event.h"
#include "test/torture/native/history.h"
#include "test/torture/native/random.h"

namespace millrace::torture {
namespace {

struct Line {
  Event event;
  std::vector<uint64_t> hashes;
};

// A history that is written down before it is judged.
class Script {
 public:
  Script& Add(EventKind kind, uint64_t shard, uint64_t sequence, uint32_t count,
              std::vector<uint64_t> hashes = {}, bool durable = true, uint64_t clock = 0) {
    Event event{kind};
    event.shard = shard;
    event.sequence = sequence;
    event.count = count;
    event.durable = durable ? 1 : 0;
    event.clock = clock;
    lines_.push_back({event, std::move(hashes)});
    return *this;
  }

  Script& Create(uint64_t shard, uint64_t first = 1, uint64_t clock = 0) {
    Add(EventKind::kCreating, 0, 0, 1, {}, true, clock);
    return Add(EventKind::kCreated, shard, first, 0, {}, true, clock);
  }

  Script& Send(uint64_t shard, const std::vector<uint64_t>& hashes) {
    return Add(EventKind::kSent, shard, 0, static_cast<uint32_t>(hashes.size()), hashes);
  }

  Script& Ack(uint64_t shard, uint64_t sequence, uint32_t count, bool durable = true,
              uint64_t clock = 0) {
    return Add(EventKind::kAcked, shard, sequence, count, {}, durable, clock);
  }

  // A full read of one shard; batches do not matter for it.
  Script& Read(uint64_t shard, uint64_t first, const std::vector<uint64_t>& hashes,
               bool sealed = false) {
    Add(EventKind::kShardStart, shard, first, 0, {}, sealed);
    if (!hashes.empty()) {
      Add(EventKind::kRead, shard, first, static_cast<uint32_t>(hashes.size()), hashes);
    }
    return Add(EventKind::kShardEnd, shard, first + hashes.size(), 0);
  }

  Script& AllRead() { return Add(EventKind::kAllRead, 0, 0, 0); }

  std::vector<Line>& lines() { return lines_; }

  std::vector<std::string> Judge(Outage crash, uint64_t clock_max = UINT64_MAX) const {
    History history(crash);
    history.SetClockMax(clock_max);
    for (const Line& line : lines_) {
      history.Put(line.event, line.hashes.data());
    }
    return history.violations();
  }

 private:
  std::vector<Line> lines_;
};

// Two batches of one shard, acknowledged: records 1 to 3.
Script Base() {
  return Script().Create(7).Send(7, {11, 12}).Ack(7, 1, 2).Send(7, {13}).Ack(7, 3, 1);
}

struct HandMade {
  const char* name;
  const char* finding;  // what the first violation begins with; null = there must be none
  Script script;
  Outage crash = Outage::kProcess;
  uint64_t clock_max = UINT64_MAX;
};

std::vector<HandMade> GoodOnes() {
  return {
      {"all there", nullptr, Base().Read(7, 1, {11, 12, 13}).AllRead()},
      {"unanswered and there", nullptr,
       Base().Send(7, {14, 15}).Read(7, 1, {11, 12, 13, 14, 15}).AllRead()},
      {"unanswered and gone", nullptr, Base().Send(7, {14}).Read(7, 1, {11, 12, 13}).AllRead()},
      {"trimmed", nullptr, Base().Add(EventKind::kTrimming, 7, 3, 0).Read(7, 3, {13}).AllRead()},
      {"trim undone", nullptr,
       Base().Add(EventKind::kTrimming, 7, 3, 0).Read(7, 1, {11, 12, 13}).AllRead()},
      {"all trimmed", nullptr, Base().Add(EventKind::kTrimming, 7, 4, 0).Read(7, 4, {}).AllRead()},
      {"trimmed up to what was never seen acknowledged", nullptr,
       Base()
           .Send(7, {14, 15})
           .Send(7, {16})
           .Add(EventKind::kTrimming, 7, 6, 0)
           .Read(7, 6, {16})
           .AllRead()},
      {"all trimmed before it was seen acknowledged", nullptr,
       Base().Send(7, {14, 15}).Add(EventKind::kTrimming, 7, 6, 0).Read(7, 6, {}).AllRead()},
      {"created and unknown", nullptr,
       Script().Add(EventKind::kCreating, 0, 0, 1).Read(9, 1, {}).AllRead()},
      {"deletion under way", nullptr, Base().Add(EventKind::kDeleting, 7, 0, 0).AllRead()},
      {"refused", nullptr,
       Base().Send(7, {14}).Add(EventKind::kRefused, 7, 0, 0).Read(7, 1, {11, 12, 13}).AllRead()},
      {"number used for the first time", nullptr,
       Base()
           .Send(7, {14})
           .Read(7, 1, {11, 12, 13})
           .AllRead()
           .Send(7, {15})
           .Ack(7, 4, 1)
           .Read(7, 1, {11, 12, 13, 15})},
      {"weak acknowledgement undone by a power cut", nullptr,
       Base().Send(7, {14}).Ack(7, 4, 1, false).Read(7, 1, {11, 12, 13}).AllRead(), Outage::kPower},
      {"acknowledged after the cut", nullptr,
       Script().Create(7).Send(7, {11}).Ack(7, 1, 1, true, 200).Read(7, 1, {}).AllRead(),
       Outage::kPower, 100},
      {"created after the cut", nullptr, Script().Create(7, 1, 200).AllRead(), Outage::kPower, 100},
      {"id of what was created after the cut", nullptr,
       Script().Create(7, 1, 200).AllRead().Create(7), Outage::kPower, 100},
  };
}

std::vector<HandMade> LossesAndContents() {
  return {
      {"last record lost", "lost", Base().Read(7, 1, {11, 12}).AllRead()},
      {"all lost", "lost", Base().Read(7, 1, {}).AllRead()},
      {"first record lost", "lost", Base().Read(7, 2, {12, 13}).AllRead()},
      {"more trimmed than asked", "lost",
       Base().Add(EventKind::kTrimming, 7, 2, 0).Read(7, 3, {13}).AllRead()},
      {"shard lost", "lost", Base().AllRead()},
      {"unreadable", "lost",
       Base()
           .Add(EventKind::kShardStart, 7, 1, 0, {}, false)
           .Add(EventKind::kReadFailed, 7, 1, 12)},
      {"weak acknowledgement undone by a kill", "lost",
       Base().Send(7, {14}).Ack(7, 4, 1, false).Read(7, 1, {11, 12, 13}).AllRead()},
      {"lost although durable before the cut", "lost",
       Script().Create(7).Send(7, {11}).Ack(7, 1, 1, true, 100).Read(7, 1, {}).AllRead(),
       Outage::kPower, 100},
      {"served and gone", "lost",
       Base()
           .Send(7, {14})
           .Ack(7, 4, 1, false)
           .Add(EventKind::kServed, 7, 4, 1, {14})
           .Read(7, 1, {11, 12, 13}),
       Outage::kPower},
      {"found once, lost later", "lost",
       Base().Send(7, {14}).Read(7, 1, {11, 12, 13, 14}).AllRead().Read(7, 1, {11, 12, 13})},
      {"other bytes", "two contents", Base().Read(7, 1, {11, 99, 13}).AllRead()},
      {"two records swapped", "two contents", Base().Read(7, 1, {12, 11, 13}).AllRead()},
      {"served other bytes", "two contents", Base().Add(EventKind::kServed, 7, 2, 1, {99})},
      {"other bytes after the cut", "two contents",
       Script().Create(7).Send(7, {11}).Ack(7, 1, 1, true, 200).Read(7, 1, {99}).AllRead(),
       Outage::kPower, 100},
  };
}

std::vector<HandMade> PhantomsAndGaps() {
  return {
      {"never sent", "phantom", Base().Read(7, 1, {11, 12, 13, 14}).AllRead()},
      {"of another shard", "phantom",
       Base().Create(8).Send(8, {21}).Read(7, 1, {11, 12, 13, 21}).AllRead()},
      {"trimmed further than was sent", "phantom",
       Base().Send(7, {14}).Add(EventKind::kTrimming, 7, 6, 0).Read(7, 6, {16})},
      {"missing, and the trim is not as far", "phantom",
       Base().Send(7, {14}).Send(7, {15}).Add(EventKind::kTrimming, 7, 4, 0).Read(7, 5, {15})},
      {"second unanswered without the first", "phantom",
       Base().Send(7, {14}).Send(7, {15}).Read(7, 1, {11, 12, 13, 15}).AllRead()},
      {"gone and back", "phantom",
       Base().Send(7, {14}).Read(7, 1, {11, 12, 13}).AllRead().Read(7, 1, {11, 12, 13, 14})},
      {"refused and there", "phantom",
       Base().Send(7, {14}).Add(EventKind::kRefused, 7, 0, 0).Read(7, 1, {11, 12, 13, 14})},
      {"served before acknowledged", "phantom",
       Base().Send(7, {14}).Add(EventKind::kServed, 7, 4, 1, {14})},
      {"unknown shard", "phantom", Base().Read(9, 1, {}).AllRead()},
      {"trimmed, gone and back", "phantom",
       Base()
           .Add(EventKind::kTrimming, 7, 3, 0)
           .Read(7, 3, {13})
           .AllRead()
           .Read(7, 1, {11, 12, 13})},
      {"numbers skipped in an acknowledgement", "gap", Base().Send(7, {14}).Ack(7, 5, 1)},
      {"number given twice", "gap", Base().Send(7, {14}).Ack(7, 3, 1)},
      {"numbers skipped in a read", "gap",
       Base()
           .Add(EventKind::kShardStart, 7, 1, 0, {}, false)
           .Add(EventKind::kRead, 7, 1, 1, {11})
           .Add(EventKind::kRead, 7, 3, 1, {13})},
      {"next number skips", "gap",
       Base()
           .Add(EventKind::kShardStart, 7, 1, 0, {}, false)
           .Add(EventKind::kRead, 7, 1, 3, {11, 12, 13})
           .Add(EventKind::kShardEnd, 7, 9, 0)},
      {"half a batch", "half a batch", Base().Send(7, {14, 15}).Read(7, 1, {11, 12, 13, 14})},
      {"another count acknowledged", "shard 7", Base().Send(7, {14, 15}).Ack(7, 4, 1)},
      {"deleted and back", "misplaced",
       Base()
           .Add(EventKind::kDeleting, 7, 0, 0)
           .Add(EventKind::kDeleted, 7, 0, 0)
           .Read(7, 1, {11, 12, 13})},
      {"closed and open again", "misplaced",
       Base()
           .Add(EventKind::kSealing, 7, 0, 0)
           .Add(EventKind::kSealed, 7, 0, 0)
           .Read(7, 1, {11, 12, 13})},
      {"closed by nobody", "misplaced", Base().Read(7, 1, {11, 12, 13}, true)},
      {"created twice", "misplaced", Base().Create(7)},
  };
}

bool JudgeHandMade(const HandMade& made) {
  const std::vector<std::string> found = made.script.Judge(made.crash, made.clock_max);
  const bool good = made.finding == nullptr
                        ? found.empty()
                        : !found.empty() && found[0].rfind(made.finding, 0) == 0;
  if (!good) {
    std::fprintf(stderr, "violation: history \"%s\": expected %s, found %s\n", made.name,
                 made.finding == nullptr ? "nothing" : made.finding,
                 found.empty() ? "nothing" : found[0].c_str());
  }
  return good;
}

// A log in memory whose crashes lose only what they may.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  Script Make() {
    Script script;
    const uint64_t shards = random_.Between(1, 4);
    for (uint64_t shard = 1; shard <= shards; shard++) {
      script.Create(shard);
      contents_[shard] = {};
      first_[shard] = 1;
    }
    const uint64_t lives = random_.Between(1, 5);
    for (uint64_t i = 0; i < lives; i++) {
      Live(&script);
    }
    return script;
  }

 private:
  void Live(Script* script) {
    std::map<uint64_t, std::vector<std::vector<uint64_t>>> unanswered;
    const uint64_t steps = random_.Below(40);
    for (uint64_t i = 0; i < steps; i++) {
      const uint64_t shard = random_.Between(1, contents_.size());
      std::vector<uint64_t>& content = contents_[shard];
      auto& waiting = unanswered[shard];
      if (random_.OneIn(10)) {
        const uint64_t next = first_[shard] + content.size();
        const uint64_t target = random_.Between(first_[shard], next);
        script->Add(EventKind::kTrimming, shard, target, 0);
        content.erase(content.begin(),
                      content.begin() + static_cast<std::ptrdiff_t>(target - first_[shard]));
        first_[shard] = target;
      } else if (!waiting.empty() && random_.OneIn(2)) {
        script->Ack(shard, first_[shard] + content.size(),
                    static_cast<uint32_t>(waiting.front().size()));
        content.insert(content.end(), waiting.front().begin(), waiting.front().end());
        waiting.erase(waiting.begin());
      } else {
        waiting.push_back(MakeRecords());
        script->Send(shard, waiting.back());
      }
    }
    for (auto& [shard, content] : contents_) {
      const uint64_t survivors = random_.Below(unanswered[shard].size() + 1);
      for (uint64_t i = 0; i < survivors; i++) {
        const std::vector<uint64_t>& batch = unanswered[shard][i];
        content.insert(content.end(), batch.begin(), batch.end());
      }
      script->Read(shard, first_[shard], content);
    }
    script->AllRead();
  }

  std::vector<uint64_t> MakeRecords() {
    std::vector<uint64_t> hashes(random_.Between(1, 5));
    for (uint64_t& hash : hashes) {
      hash = random_.Next();
    }
    return hashes;
  }

  Random random_;
  std::map<uint64_t, std::vector<uint64_t>> contents_;
  std::map<uint64_t, uint64_t> first_;
};

// Breaks one promise of a good history, in a way that can never be good. False where it has nothing
// to break.
bool Damage(Random* random, Script* script) {
  std::vector<Line*> reads;
  for (Line& line : script->lines()) {
    if (line.event.kind == EventKind::kRead) {
      reads.push_back(&line);
    }
  }
  if (reads.empty()) {
    return false;
  }
  Line* read = reads[random->Below(reads.size())];
  switch (random->Below(4)) {
    case 0:  // other bytes
      read->hashes[random->Below(read->hashes.size())] ^= 1;
      break;
    case 1:  // one record too many
      read->hashes.push_back(random->Next());
      read->event.count++;
      break;
    case 2:  // the same records, numbered differently
      read->event.sequence++;
      break;
    default:  // a record left out of the middle or the end, while the numbers go on
      read->hashes.erase(read->hashes.begin() +
                         static_cast<std::ptrdiff_t>(random->Below(read->hashes.size())));
      read->event.count--;
      break;
  }
  return true;
}

bool JudgeGenerated(uint64_t seed, uint64_t* damaged_count) {
  Script script = Generator(seed).Make();
  const std::vector<std::string> found = script.Judge(Outage::kProcess);
  if (!found.empty()) {
    std::fprintf(stderr, "violation: good history %" PRIu64 " was blamed: %s\n", seed,
                 found[0].c_str());
    return false;
  }
  Random random(seed);
  if (!Damage(&random, &script)) {
    return true;
  }
  (*damaged_count)++;
  if (script.Judge(Outage::kProcess).empty()) {
    std::fprintf(stderr, "violation: damaged history %" PRIu64 " was not found out\n", seed);
    return false;
  }
  return true;
}

int Main(const Arguments& arguments) {
  bool good = true;
  uint64_t hand_made_count = 0;
  for (const auto& set : {GoodOnes(), LossesAndContents(), PhantomsAndGaps()}) {
    for (const HandMade& made : set) {
      good = JudgeHandMade(made) && good;
      hand_made_count++;
    }
  }
  Random random(arguments.Number("seed", 1));
  const uint64_t count = arguments.Number("count", 2000);
  uint64_t damaged_count = 0;
  for (uint64_t i = 0; i < count && good; i++) {
    good = JudgeGenerated(random.Next(), &damaged_count);
  }
  std::printf("result {\"trials\": %" PRIu64 ", \"note\": \"%" PRIu64 " hand-made, %" PRIu64
              " damaged and found out\"}\n",
              count + hand_made_count, hand_made_count, damaged_count);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace millrace::torture

int main(int count, char** values) {
  return millrace::torture::Main(millrace::torture::Arguments(count, values));
}
