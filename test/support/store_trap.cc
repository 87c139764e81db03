#include "test/support/store_trap.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "native/base/check.h"
#include "native/base/file_ops.h"

namespace millrace::support {

namespace {

constexpr uint8_t kOpen = 0;   // stores pass
constexpr uint8_t kArmed = 1;  // the next store faults
constexpr uint8_t kHit = 2;    // it did

// A fixed table, for the handler may neither lock nor allocate.
constexpr uint64_t kSlots = 1024;
std::atomic<StoreTrap*> slots[kSlots];

#if defined(__APPLE__)
constexpr int kFaultSignal = SIGBUS;
#else
constexpr int kFaultSignal = SIGSEGV;
#endif

struct sigaction previous_action;

void HandleFault(int /*signal*/, siginfo_t* facts, void* /*context*/) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(facts->si_addr);
  for (std::atomic<StoreTrap*>& slot : slots) {
    StoreTrap* const trap = slot.load(std::memory_order_acquire);
    if (trap != nullptr && trap->OnFault(address)) {
      return;
    }
  }
  // A real fault: it repeats at once, and meets whoever was responsible before.
  ::sigaction(kFaultSignal, &previous_action, nullptr);
}

void InstallHandler() {
  struct sigaction action = {};
  action.sa_sigaction = HandleFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  MILLRACE_CHECK(::sigaction(kFaultSignal, &action, &previous_action) == 0);
}

uint64_t SystemPageBytes() {
  const uint64_t bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::max(bytes, base::kPageBytes);
}

}  // namespace

StoreTrap::StoreTrap(uint8_t* map, uint64_t bytes)
    : map_(map),
      system_page_bytes_(SystemPageBytes()),
      system_pages_((bytes + system_page_bytes_ - 1) / system_page_bytes_),
      slot_(0),
      states_(new std::atomic<uint8_t>[system_pages_]()) {
  [[maybe_unused]] static const bool installed = (InstallHandler(), true);
  for (;; ++slot_) {
    MILLRACE_CHECK(slot_ < kSlots);
    StoreTrap* expected = nullptr;
    if (slots[slot_].compare_exchange_strong(expected, this)) {
      return;
    }
  }
}

StoreTrap::~StoreTrap() {
  slots[slot_].store(nullptr, std::memory_order_release);
}

void StoreTrap::Arm(uint64_t page) {
  const uint64_t index = page * base::kPageBytes / system_page_bytes_;
  MILLRACE_CHECK(index < system_pages_);
  if (states_[index].exchange(kArmed) != kArmed) {
    MILLRACE_CHECK(::mprotect(map_ + index * system_page_bytes_, system_page_bytes_, PROT_READ) ==
                   0);
  }
}

void StoreTrap::Collect(std::vector<uint64_t>* pages) {
  if (hits_.exchange(0) == 0) {
    return;
  }
  const uint64_t pages_per_system_page = system_page_bytes_ / base::kPageBytes;
  for (uint64_t index = 0; index < system_pages_; ++index) {
    uint8_t hit = kHit;
    if (states_[index].compare_exchange_strong(hit, kOpen)) {
      for (uint64_t i = 0; i < pages_per_system_page; ++i) {
        pages->push_back(index * pages_per_system_page + i);
      }
    }
  }
}

bool StoreTrap::OnFault(uintptr_t address) {
  const uintptr_t start = reinterpret_cast<uintptr_t>(map_);
  if (address < start || address >= start + system_pages_ * system_page_bytes_) {
    return false;
  }
  const uint64_t index = (address - start) / system_page_bytes_;
  uint8_t* const page = map_ + index * system_page_bytes_;
  // An open page cannot fault, unless another thread has just let its own store through: then the
  // repeated one passes.
  if (::mprotect(page, system_page_bytes_, PROT_READ | PROT_WRITE) != 0) {
    return false;
  }
  uint8_t armed = kArmed;
  if (states_[index].compare_exchange_strong(armed, kHit)) {
    hits_.fetch_add(1);
  }
  return true;
}

}  // namespace millrace::support
