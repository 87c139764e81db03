// What the disk may hold of a file when the power goes.

#include <algorithm>
#include <cstring>

#include "test/support/sim_file.h"

namespace millrace::support {

namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kSectorsPerPage = base::kPageBytes / kSectorBytes;

// A torn sector in so many is torn inside: the disk took its bytes while the processor was storing
// them.
constexpr uint64_t kMidStoreOneIn = 8;
constexpr uint64_t kStoreBytes = 8;

}  // namespace

SimPagePtr SimFile::CutPage(const Page& page, CutDice* dice) const {
  if (page.pending.empty()) {
    return page.durable;
  }
  if (!dice->TearPage()) {
    return dice->KeepPage() ? page.pending[dice->PickVersion(page.pending.size())] : page.durable;
  }
  auto version = [&](uint64_t index) {
    return BytesOf(index == 0 ? page.durable : page.pending[index - 1]);
  };
  auto torn = std::make_shared<SimPage>();
  for (uint64_t sector = 0; sector < kSectorsPerPage; ++sector) {
    const uint64_t at = sector * kSectorBytes;
    const uint64_t index = dice->Below(page.pending.size() + 1);
    std::memcpy(torn->bytes + at, version(index) + at, kSectorBytes);
    if (index < page.pending.size() && dice->Below(kMidStoreOneIn) == 0) {
      const uint64_t newer = dice->Below(kSectorBytes / kStoreBytes) * kStoreBytes;
      std::memcpy(torn->bytes + at, version(index + 1) + at, newer);
    }
  }
  return torn;
}

std::shared_ptr<const FileImage> SimFile::Cut(CutDice* dice) const {
  if (frozen_) {
    return frozen_;
  }
  const bool clean =
      pending_bytes_.empty() && std::all_of(pages_.begin(), pages_.end(),
                                            [](const Page& page) { return page.pending.empty(); });
  if (clean && clean_image_) {
    return clean_image_;
  }
  auto image = std::make_shared<FileImage>();
  const bool resized = !pending_bytes_.empty() && dice->KeepPage();
  image->bytes =
      resized ? pending_bytes_[dice->PickVersion(pending_bytes_.size())] : durable_bytes_;
  image->pages.reserve(PagesFor(image->bytes));
  for (uint64_t index = 0; index < PagesFor(image->bytes); ++index) {
    image->pages.push_back(CutPage(pages_[index], dice));
  }
  const uint64_t in_last_page = image->bytes % base::kPageBytes;
  if (in_last_page != 0) {
    // The file system clears what lies beyond the end when the file grows again.
    const uint64_t beyond = base::kPageBytes - in_last_page;
    SimPagePtr& last = image->pages.back();
    last = Patched(last, in_last_page, kZeroPage.bytes, beyond);
  }
  if (clean) {
    clean_image_ = image;
  }
  return image;
}

std::shared_ptr<SimFile> SimFile::Clone() const {
  auto copy = std::make_shared<SimFile>(id_, frozen_ ? frozen_ : std::make_shared<FileImage>());
  copy->reserved_bytes_ = reserved_bytes_;
  if (frozen_) {
    return copy;
  }
  copy->frozen_.reset();
  copy->bytes_ = bytes_;
  copy->durable_bytes_ = durable_bytes_;
  copy->pending_bytes_ = pending_bytes_;
  copy->pages_ = pages_;
  copy->clean_image_ = clean_image_;
  copy->writeback_failures = writeback_failures;
  copy->writeback_failures_reported = writeback_failures_reported;
  copy->writeback_error = writeback_error;
  return copy;
}

void SimFile::EvictLostPages(CutDice* dice) {
  for (uint64_t index = 0; index < pages_.size(); ++index) {
    Page& page = pages_[index];
    if (page.lost()) {
      page.durable = CutPage(page, dice);
      page.pending.clear();
      SetLive(index, page.durable);
      clean_image_.reset();
    }
  }
}

}  // namespace millrace::support
