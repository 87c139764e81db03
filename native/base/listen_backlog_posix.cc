#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <string>

#include "native/base/listen_backlog.h"

namespace millrace::base {

namespace {

bool Listens(int fd) {
  int listens = 0;
  socklen_t bytes = sizeof listens;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) == 0 && listens != 0;
}

// 0 for what is no TCP socket.
uint16_t PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) {
    return 0;
  }
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return 0;
}

}  // namespace

Status SetListenBacklog(uint16_t port, int backlog, uint32_t* sockets) {
  *sockets = 0;
  std::error_code error;
  std::filesystem::directory_iterator entry("/dev/fd", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (!Listens(fd) || PortOf(fd) != port) {
      continue;
    }
    if (::listen(fd, backlog) != 0) {
      return Status(Code::kInternal, Format("listen: port %u: a backlog of %d: %s", unsigned{port},
                                            backlog, std::strerror(errno)));
    }
    *sockets += 1;
  }
  return Status();
}

}  // namespace millrace::base
