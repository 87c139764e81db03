#include "test/support/sim_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "native/base/check.h"
#include "test/support/sim_page.h"

namespace millrace::support {

namespace {

constexpr uint64_t kPage = base::kPageBytes;

// What a page remembers of its past since the last sync. Dropping a version only narrows what a cut
// may bring back.
constexpr size_t kPendingVersionsMax = 8;

// Stores that are closer to each other than this count as one.
constexpr uint64_t kStoredGapBytes = 64;

// Calls part(page index, offset in the page, bytes, offset in the range) for each page of a range.
template <typename Part>
void ForEachPage(uint64_t offset, uint64_t bytes, Part part) {
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t at = (offset + done) % kPage;
    const uint64_t count = std::min(kPage - at, bytes - done);
    part((offset + done) / kPage, at, count, done);
    done += count;
  }
}

// The runs of differing bytes of two pages.
void AppendDifferences(const uint8_t* before, const uint8_t* after, uint64_t page_offset,
                       std::vector<StoredRange>* stored) {
  uint64_t start = kPage;
  uint64_t end = 0;
  for (uint64_t i = 0; i < kPage; ++i) {
    if (before[i] == after[i]) {
      continue;
    }
    if (start != kPage && i - end >= kStoredGapBytes) {
      stored->push_back({page_offset + start, end - start});
      start = kPage;
    }
    start = std::min(start, i);
    end = i + 1;
  }
  if (start != kPage) {
    stored->push_back({page_offset + start, end - start});
  }
}

}  // namespace

SimFile::SimFile(uint64_t id, std::shared_ptr<const FileImage> image)
    : id_(id), frozen_(std::move(image)), bytes_(frozen_->bytes), durable_bytes_(frozen_->bytes) {}

SimFile::~SimFile() {
  MILLRACE_CHECK(views_.empty());
}

size_t SimFile::Read(void* data, size_t bytes, uint64_t offset) const {
  if (offset >= bytes_) {
    return 0;
  }
  const size_t count = static_cast<size_t>(std::min<uint64_t>(bytes, bytes_ - offset));
  if (memory_) {
    std::memcpy(data, memory_->data() + offset, count);
    return count;
  }
  ForEachPage(offset, count, [&](uint64_t index, uint64_t at, uint64_t part, uint64_t done) {
    const SimPagePtr& page = frozen_ ? frozen_->pages[index] : pages_[index].seen;
    std::memcpy(static_cast<uint8_t*>(data) + done, BytesOf(page) + at, part);
  });
  return count;
}

void SimFile::Write(const void* data, size_t bytes, uint64_t offset) {
  if (bytes == 0) {
    return;
  }
  Thaw();
  Grow(offset + bytes);
  const uint8_t* const source = static_cast<const uint8_t*>(data);
  ForEachPage(offset, bytes, [&](uint64_t index, uint64_t at, uint64_t part, uint64_t done) {
    Page& page = pages_[index];
    page.seen = Patched(page.seen, at, source + done, part);
    page.dirty = true;
    AddPending(&page, page.seen);
  });
  if (memory_) {
    std::memcpy(memory_->data() + offset, source, bytes);
  }
}

void SimFile::Grow(uint64_t bytes) {
  if (bytes <= bytes_) {
    return;
  }
  Thaw();
  const uint64_t pages_before = pages_.size();
  pages_.resize(PagesFor(bytes));
  if (memory_) {
    memory_->Grow(pages_.size() * kPage);
    std::memset(memory_->data() + pages_before * kPage, 0, (pages_.size() - pages_before) * kPage);
  }
  bytes_ = bytes;
  if (pending_bytes_.size() == kPendingVersionsMax) {
    pending_bytes_.erase(pending_bytes_.begin());
  }
  pending_bytes_.push_back(bytes);
}

void SimFile::Observe(std::vector<StoredRange>* stored) {
  const bool writable =
      std::any_of(views_.begin(), views_.end(), [](const View& view) { return view.writable; });
  if (!writable) {
    return;
  }
  CollectTraps();
  const uint8_t* const live = memory_->data();
  for (uint64_t index = 0; index < pages_.size(); ++index) {
    if (std::memcmp(live + index * kPage, BytesOf(pages_[index].seen), kPage) != 0) {
      NoteChange(index, stored);
    }
  }
}

void SimFile::NoteChange(uint64_t index, std::vector<StoredRange>* stored) {
  Page& page = pages_[index];
  SimPagePtr now = CopyOf(memory_->data() + index * kPage);
  if (stored != nullptr) {
    AppendDifferences(BytesOf(page.seen), now->bytes, index * kPage, stored);
  }
  page.seen = std::move(now);
  page.dirty = true;
  AddPending(&page, page.seen);
}

void SimFile::AddPending(Page* page, SimPagePtr version) {
  if (page->pending.size() == kPendingVersionsMax) {
    // Any but the newest, in turn, so that both early and late versions stay among the possible
    // ones.
    const uint64_t index = version_to_drop_++ % (kPendingVersionsMax - 1);
    page->pending.erase(page->pending.begin() + static_cast<ptrdiff_t>(index));
  }
  page->pending.push_back(std::move(version));
}

void SimFile::CollectTraps() {
  std::vector<uint64_t> stored_pages;
  for (View& view : views_) {
    if (view.trap) {
      view.trap->Collect(&stored_pages);
    }
  }
  for (const uint64_t index : stored_pages) {
    if (index < pages_.size()) {
      pages_[index].dirty = true;
    }
  }
}

void SimFile::TrapLostPage(uint64_t index) {
  for (View& view : views_) {
    if (!view.writable || index >= PagesFor(view.bytes)) {
      continue;
    }
    if (!view.trap) {
      view.trap = std::make_unique<StoreTrap>(view.at, view.bytes);
    }
    view.trap->Arm(index);
  }
}

void SimFile::PageRange(uint64_t offset, uint64_t bytes, uint64_t* first, uint64_t* last) const {
  const uint64_t end = bytes > bytes_ || offset > bytes_ - bytes ? bytes_ : offset + bytes;
  *first = offset / kPage;
  *last = PagesFor(end);
}

void SimFile::Sync(uint64_t offset, uint64_t bytes) {
  durable_bytes_ = bytes_;
  if (!pending_bytes_.empty()) {
    pending_bytes_.clear();
    clean_image_.reset();
  }
  uint64_t first;
  uint64_t last;
  PageRange(offset, bytes, &first, &last);
  for (uint64_t index = first; index < std::min<uint64_t>(last, pages_.size()); ++index) {
    Page& page = pages_[index];
    if (page.dirty) {
      page.durable = page.seen;
      page.pending.clear();
      page.dirty = false;
      clean_image_.reset();
    }
  }
}

void SimFile::FailSync(uint64_t offset, uint64_t bytes) {
  uint64_t first;
  uint64_t last;
  PageRange(offset, bytes, &first, &last);
  for (uint64_t index = first; index < std::min<uint64_t>(last, pages_.size()); ++index) {
    Page& page = pages_[index];
    if (page.dirty) {
      page.dirty = false;
      if (page.lost()) {
        TrapLostPage(index);
      }
    }
  }
}

void SimFile::Touch(uint64_t offset, uint64_t bytes) {
  uint64_t first;
  uint64_t last;
  PageRange(offset, bytes, &first, &last);
  for (uint64_t index = first; index < std::min<uint64_t>(last, pages_.size()); ++index) {
    pages_[index].dirty = true;
  }
}

void SimFile::SetLive(uint64_t index, const SimPagePtr& contents) {
  pages_[index].seen = contents;
  if (memory_) {
    std::memcpy(memory_->data() + index * kPage, BytesOf(contents), kPage);
  }
}

void SimFile::Overwrite(uint64_t offset, const void* data, size_t bytes) {
  MILLRACE_CHECK(offset <= bytes_ && bytes <= bytes_ - offset);
  Thaw();
  clean_image_.reset();
  const uint8_t* const source = static_cast<const uint8_t*>(data);
  ForEachPage(offset, bytes, [&](uint64_t index, uint64_t at, uint64_t part, uint64_t done) {
    Page& page = pages_[index];
    page.durable = Patched(page.durable, at, source + done, part);
    for (SimPagePtr& version : page.pending) {
      version = Patched(version, at, source + done, part);
    }
    SetLive(index, Patched(page.seen, at, source + done, part));
  });
}

uint8_t* SimFile::Map(uint64_t bytes, bool writable) {
  MILLRACE_CHECK(bytes > 0 && bytes <= bytes_);
  Thaw();
  if (!memory_) {
    memory_ = SimMemory::Create(pages_.size() * kPage);
    for (uint64_t index = 0; index < pages_.size(); ++index) {
      std::memcpy(memory_->data() + index * kPage, BytesOf(pages_[index].seen), kPage);
    }
  }
  uint8_t* const at = memory_->MapView(bytes, writable);
  if (at == nullptr) {
    return nullptr;
  }
  views_.push_back({at, bytes, writable, nullptr});
  if (writable) {
    for (uint64_t index = 0; index < PagesFor(bytes); ++index) {
      if (pages_[index].lost()) {
        TrapLostPage(index);
      }
    }
  }
  return at;
}

void SimFile::Unmap(uint8_t* at) {
  const auto view =
      std::find_if(views_.begin(), views_.end(), [&](const View& other) { return other.at == at; });
  MILLRACE_CHECK(view != views_.end());
  view->trap.reset();
  SimMemory::UnmapView(at, view->bytes);
  views_.erase(view);
}

void SimFile::DetachView(uint8_t* at) {
  const auto view =
      std::find_if(views_.begin(), views_.end(), [&](const View& other) { return other.at == at; });
  MILLRACE_CHECK(view != views_.end());
  view->trap.reset();
  SimMemory::DetachView(at, view->bytes, view->writable, memory_->data());
  views_.erase(view);
}

void SimFile::Thaw() {
  if (!frozen_) {
    return;
  }
  pages_.resize(PagesFor(bytes_));
  for (uint64_t index = 0; index < pages_.size(); ++index) {
    pages_[index].durable = frozen_->pages[index];
    pages_[index].seen = frozen_->pages[index];
  }
  clean_image_ = frozen_;
  frozen_.reset();
}

}  // namespace millrace::support
