// Notices the first store to chosen pages of a writable map, whatever is stored: the page is
// write-protected, the store faults, the handler notes it and lets it through. The kernel finds the
// stores to clean pages in the same way.
//
// Needed where comparing bytes is not enough: after a failed sync a page may be rewritten with the
// very bytes that it shows already, and that store alone decides whether the next sync writes it.
//
// The handler for the fault signal is installed with the first armed page; faults elsewhere go to
// the handler before it. Arm and Collect need a lock of the caller; stores may come from any
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::support {

class StoreTrap {
 public:
  // `map` must be writable, and stay mapped until the trap is gone.
  StoreTrap(uint8_t* map, uint64_t bytes);
  ~StoreTrap();
  StoreTrap(const StoreTrap&) = delete;
  StoreTrap& operator=(const StoreTrap&) = delete;

  // The page of kPageBytes with this index. Where the system's pages are larger, its neighbours
  // share its fate.
  void Arm(uint64_t page);

  // Appends the pages that were stored to since they were armed, and forgets them.
  void Collect(std::vector<uint64_t>* pages);

  // For the signal handler: false when the address is not one of an armed page.
  bool OnFault(uintptr_t address);

 private:
  uint8_t* const map_;
  const uint64_t system_page_bytes_;
  const uint64_t system_pages_;
  uint64_t slot_;
  std::unique_ptr<std::atomic<uint8_t>[]> states_;  // one per page of the system
  std::atomic<uint64_t> hits_{0};
};

}  // namespace millrace::support
