#include <algorithm>
#include <utility>

#include "native/format/segment_format.h"
#include "native/log/core.h"
#include "test/torture/native/bit_rot.h"

namespace millrace::torture {

using base::Format;
using support::SimFileOps;

namespace {

constexpr uint64_t kSectorBytes = 512;

using ull = unsigned long long;

class Inflictor {
 public:
  Inflictor(const Specimen& specimen, SimFileOps* disk, Random* random)
      : specimen_(specimen), disk_(disk), random_(random) {
    for (const std::string& path : specimen.disk->FilePaths()) {
      (IsSegment(path) ? segments_ : others_).push_back(path);
    }
    std::erase_if(others_,
                  [](const std::string& path) { return path.ends_with("/LOCK"); });  // empty
  }

  Damage Run() {
    if (random_->OneIn(6)) {
      DamageOther();
    } else {
      DamageSegment();
    }
    return std::move(damage_);
  }

 private:
  void DamageSegment() {
    path_ = Pick(segments_);
    content_ = disk_->ReadFile(path_);
    switch (random_->Below(10)) {
      case 0:
      case 1:
      case 2:
        return FlipBits();
      case 3:
        return Fill(kSectorBytes, 0, "zeroed sector");
      case 4:
        return Fill(base::kPageBytes, 0, "zeroed page");
      case 5:
        return CopyHere("stale or misdirected page", Pick(segments_));
      case 6:
        return SwapPages();
      case 7:
        return Cut();
      case 8:
        return Extend();
      default:
        return random_->OneIn(2) ? Remove() : SwapFiles();
    }
  }

  // Index files, one copy of the manifest, the verified end: nothing may be lost. FORMAT is a line
  // that a person can write again: without it an open is refused.
  void DamageOther() {
    path_ = Pick(others_);
    content_ = disk_->ReadFile(path_);
    damage_.refused = path_.ends_with("/FORMAT");
    if (damage_.refused || random_->OneIn(4) || content_.empty()) {
      Say("removed");
      disk_->Unlink(path_);
    } else if (random_->OneIn(2)) {
      FlipBits();
    } else {
      Fill(kSectorBytes, 0, "zeroed sector");
    }
    damage_.bytes.clear();
  }

  std::string Pick(const std::vector<std::string>& paths) {
    return paths[random_->Below(paths.size())];
  }

  void Say(const std::string& what) { damage_.what = what + " of " + path_; }

  void Write(uint64_t start, const std::vector<uint8_t>& bytes) {
    disk_->Overwrite(path_, start, bytes.data(), bytes.size());
    damage_.bytes.push_back({path_, start, start + bytes.size()});
  }

  void FlipBits() {
    static constexpr uint64_t kCounts[] = {1, 1, 2, 8, 32, 64};
    const uint64_t count = kCounts[random_->Below(6)];
    const bool burst = random_->OneIn(3);
    damage_.exact = count == 1;
    damage_.scattered = count > 2 && !burst;
    const uint64_t start = random_->Below(content_.size() * 8);
    Say(Format("%llu flipped bits from bit %llu", static_cast<ull>(count),
               static_cast<ull>(start)));
    for (uint64_t flip = 0; flip < count; ++flip) {
      const uint64_t bit = burst ? std::min<uint64_t>(start + flip % 32, content_.size() * 8 - 1)
                                 : (flip == 0 ? start : random_->Below(content_.size() * 8));
      content_[bit / 8] = static_cast<uint8_t>(content_[bit / 8] ^ (1u << (bit % 8)));
      Write(bit / 8, {content_[bit / 8]});
    }
  }

  void Fill(uint64_t bytes, uint8_t value, const char* what) {
    const uint64_t start = random_->Below(content_.size() / bytes + 1) * bytes;
    const uint64_t end = std::min<uint64_t>(start + bytes, content_.size());
    Say(Format("%s at %llu", what, static_cast<ull>(start)));
    if (start < end) {
      Write(start, std::vector<uint8_t>(end - start, value));
    }
  }

  void CopyHere(const char* what, const std::string& from) {
    const std::vector<uint8_t> source = disk_->ReadFile(from);
    const uint64_t bytes = random_->OneIn(2) ? base::kPageBytes : kSectorBytes;
    const uint64_t start = random_->Below(content_.size() / bytes) * bytes;
    const uint64_t other = random_->Below(source.size() / bytes) * bytes;
    Say(Format("%s at %llu from %llu of %s", what, static_cast<ull>(start), static_cast<ull>(other),
               from.c_str()));
    const auto begin = source.begin() + static_cast<ptrdiff_t>(other);
    Write(start, std::vector<uint8_t>(begin, begin + static_cast<ptrdiff_t>(bytes)));
  }

  void SwapPages() {
    const uint64_t pages = content_.size() / base::kPageBytes;
    const uint64_t first = random_->Below(pages) * base::kPageBytes;
    const uint64_t second = random_->Below(pages) * base::kPageBytes;
    Say(Format("swapped pages at %llu and %llu", static_cast<ull>(first),
               static_cast<ull>(second)));
    const auto page = [this](uint64_t at) {
      const auto begin = content_.begin() + static_cast<ptrdiff_t>(at);
      return std::vector<uint8_t>(begin, begin + static_cast<ptrdiff_t>(base::kPageBytes));
    };
    const std::vector<uint8_t> one = page(first);
    const std::vector<uint8_t> two = page(second);
    Write(first, two);
    Write(second, one);
  }

  void Replace(const std::vector<uint8_t>& content) {
    disk_->Unlink(path_);
    const int fd = disk_->Open(path_, base::OpenMode::kCreateNew);
    if (!content.empty()) {
      disk_->PWrite(fd, content.data(), content.size(), 0);
    }
    disk_->SyncData(fd);
    disk_->Close(fd);
  }

  void Cut() {
    const uint64_t end = random_->Below(content_.size());
    Say(Format("cut to %llu bytes", static_cast<ull>(end)));
    damage_.bytes.push_back({path_, end, content_.size()});
    content_.resize(end);
    Replace(content_);
  }

  void Extend() {
    Say("junk appended to the end");
    for (uint64_t byte = random_->Between(1, 9000); byte > 0; --byte) {
      content_.push_back(static_cast<uint8_t>(random_->Next()));
    }
    Replace(content_);
  }

  void Remove() {
    Say("removal");
    damage_.bytes.push_back({path_, 0, content_.size()});
    disk_->Unlink(path_);
  }

  void SwapFiles() {
    const std::string other = Pick(segments_);
    Say("swap with " + other);
    if (other == path_) {
      return;
    }
    const std::string between = path_ + ".new";
    disk_->Rename(path_, between);
    disk_->Rename(other, path_);
    disk_->Rename(between, other);
    if (specimen_.clean) {  // an unclean open finds out by the headers
      damage_.bytes.push_back({path_, 0, content_.size()});
      damage_.bytes.push_back({other, 0, UINT64_MAX});
    }
  }

  const Specimen& specimen_;
  SimFileOps* const disk_;
  Random* const random_;
  std::vector<std::string> segments_;
  std::vector<std::string> others_;
  std::string path_;
  std::vector<uint8_t> content_;
  Damage damage_;
};

}  // namespace

Damage Inflict(const Specimen& specimen, SimFileOps* disk, Random* random) {
  return Inflictor(specimen, disk, random).Run();
}

}  // namespace millrace::torture
