// What the sources of the seam over the operating system share. Private to them.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace millrace::base {

// macOS refuses a transfer of 2 GiB and more, Linux cuts it short; both continue after a smaller
// one.
inline constexpr size_t kTransferBytesMax = size_t{1} << 30;

// Repeats `call` while a signal interrupts it; its result, or -errno.
template <typename Call>
auto RetryInterrupted(Call call) -> decltype(call()) {
  for (;;) {
    const auto result = call();
    if (result >= 0) {
      return result;
    }
    if (errno != EINTR) {
      return -errno;
    }
  }
}

int WriteAll(int fd, const uint8_t* data, uint64_t bytes, uint64_t offset);

// Data and whatever metadata is needed to read it back.
int FlushFile(int fd);

// As FileOps::Allocate and FileOps::Reserve, of at least one byte.
int AllocateFile(int fd, uint64_t bytes);
int ReserveFile(int fd, uint64_t bytes);

}  // namespace millrace::base
