// Contents of a page of 4 KiB, shared by all files and machines that hold the same one.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

#include "native/base/file_ops.h"

namespace millrace::support {

struct SimPage {
  uint8_t bytes[base::kPageBytes];
};

// Never changed once it is shared. Null stands for a page of zeros.
using SimPagePtr = std::shared_ptr<const SimPage>;

inline constexpr SimPage kZeroPage = {};

inline const uint8_t* BytesOf(const SimPagePtr& page) {
  return page ? page->bytes : kZeroPage.bytes;
}

inline uint64_t PagesFor(uint64_t bytes) {
  return (bytes + base::kPageBytes - 1) / base::kPageBytes;
}

inline SimPagePtr CopyOf(const uint8_t* bytes) {
  auto page = std::make_shared<SimPage>();
  std::memcpy(page->bytes, bytes, base::kPageBytes);
  return page;
}

inline SimPagePtr Patched(const SimPagePtr& page, uint64_t at, const uint8_t* data,
                          uint64_t bytes) {
  auto patched = std::make_shared<SimPage>();
  std::memcpy(patched->bytes, BytesOf(page), base::kPageBytes);
  std::memcpy(patched->bytes + at, data, bytes);
  return patched;
}

}  // namespace millrace::support
