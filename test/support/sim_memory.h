// The live bytes of one simulated file, as memory that several maps share: what a process stores
// through one map, every other map shows, exactly as with a page cache.
//
// Backed by an anonymous file of the operating system. Destroyed memory goes to a pool of the
// process and is used again, since creating and faulting it anew for each crash state would cost
// more than everything else.
#pragma once

#include <cstdint>
#include <memory>

namespace millrace::support {

// Not safe for use from several threads at once; the pool is.
class SimMemory {
 public:
  // Holds at least `bytes`. The contents are those of an earlier life: the caller fills it.
  static std::unique_ptr<SimMemory> Create(uint64_t bytes);

  // No view may be left.
  ~SimMemory();
  SimMemory(const SimMemory&) = delete;
  SimMemory& operator=(const SimMemory&) = delete;

  // Always writable; for the simulator alone. Moves when the memory grows.
  uint8_t* data() { return data_; }

  uint64_t capacity() const { return capacity_; }

  // Existing views stay valid. The added bytes have no defined contents.
  void Grow(uint64_t bytes);

  // A map of the first `bytes`. A store through a read-only view is a SIGSEGV. Null when the system
  // refuses.
  uint8_t* MapView(uint64_t bytes, bool writable);
  static void UnmapView(uint8_t* at, uint64_t bytes);

  // Turns a view into private memory with the same contents, at the same address: stores through it
  // reach nobody.
  static void DetachView(uint8_t* at, uint64_t bytes, bool writable, const uint8_t* contents);

 private:
  SimMemory(int fd, uint8_t* data, uint64_t capacity) : fd_(fd), data_(data), capacity_(capacity) {}

  int fd_;
  uint8_t* data_;
  uint64_t capacity_;
};

}  // namespace millrace::support
