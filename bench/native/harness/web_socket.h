// One WebSocket connection of a load generator: blocking until its handshake is done, and never
// afterwards. It knows as much of RFC 6455 as the answers of our server need.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "native/base/bytes.h"

namespace millrace::bench {

[[noreturn]] inline void Fail(const std::string& reason) {
  std::fprintf(stderr, "bench: %s\n", reason.c_str());
  std::exit(1);
}

// For a broker that asks who its clients are; nothing where no token is set.
inline std::string AuthorizationHeader() {
  const char* token = std::getenv("MILLRACE_BENCH_TOKEN");
  return token == nullptr ? "" : std::string("Authorization: Bearer ") + token + "\r\n";
}

inline std::string HandshakeRequest(uint16_t port) {
  return "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
         "Sec-WebSocket-Protocol: millrace.v1\r\n" +
         AuthorizationHeader() + "\r\n";
}

class WebSocket {
 public:
  explicit WebSocket(uint16_t port) : received_(kReceiveBytes) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      Fail(std::string("connect: ") + std::strerror(errno));
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ShakeHands(port);
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  }

  ~WebSocket() { ::close(fd_); }

  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  int fd() const { return fd_; }

  // Returns the bytes that were taken: 0 while the socket is full.
  size_t Send(const uint8_t* bytes, size_t count) const {
    const ssize_t sent = ::send(fd_, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      Fail(std::string("send: ") + std::strerror(errno));
    }
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }

  // Receives once and hands every whole message, `(const uint8_t* payload, size_t bytes)`, to
  // `take`. The bytes are only lent.
  template <typename Take>
  void Receive(Take take) {
    const ssize_t count =
        ::recv(fd_, received_.data() + received_end_, received_.size() - received_end_, 0);
    if (count == 0) {
      Fail("the server closed the connection");
    }
    if (count < 0) {
      if (errno != EAGAIN) {
        Fail(std::string("recv: ") + std::strerror(errno));
      }
      return;
    }
    received_end_ += static_cast<size_t>(count);
    TakeMessages(take);
  }

 private:
  static constexpr size_t kReceiveBytes = 256 * 1024;
  static constexpr uint8_t kFinalBinary = 0x82;
  static constexpr uint8_t kFinalClose = 0x88;
  static constexpr uint8_t kFinalPing = 0x89;

  void ShakeHands(uint16_t port) {
    const std::string request = HandshakeRequest(port);
    if (Send(reinterpret_cast<const uint8_t*>(request.data()), request.size()) != request.size()) {
      Fail("the handshake was not sent");
    }
    // One byte at a time: what follows the answer is the first frame.
    std::string answer;
    while (answer.size() < 4 || answer.compare(answer.size() - 4, 4, "\r\n\r\n") != 0) {
      char byte = 0;
      if (::recv(fd_, &byte, 1, 0) != 1 || answer.size() > kReceiveBytes) {
        Fail("no answer to the handshake: " + answer);
      }
      answer.push_back(byte);
    }
    if (answer.find(" 101 ") == std::string::npos) {
      Fail("the handshake was refused: " + answer);
    }
  }

  template <typename Take>
  void TakeMessages(Take take) {
    size_t at = 0;
    for (;;) {
      size_t header = 2;
      uint64_t bytes = 0;
      if (!ReadFrameHeader(at, &header, &bytes)) {
        break;
      }
      if (received_end_ - at < header + bytes) {
        MakeRoom(at, header + bytes);
        return;
      }
      const uint8_t* const payload = received_.data() + at + header;
      if (received_[at] == kFinalBinary) {
        take(payload, bytes);
      } else if (received_[at] == kFinalClose) {
        FailClosed(payload, bytes);
      } else if (received_[at] != kFinalPing) {  // runs are shorter than the patience of a server
        Fail("a frame of an unexpected type");
      }
      at += header + bytes;
    }
    MakeRoom(at, 0);
  }

  [[noreturn]] static void FailClosed(const uint8_t* payload, uint64_t bytes) {
    constexpr size_t kCodeBytes = 2;
    if (bytes < kCodeBytes) {
      Fail("the server closed without a code");
    }
    const auto* const reason = reinterpret_cast<const char*>(payload + kCodeBytes);
    Fail("the server closed with " + std::to_string(base::LoadBig16(payload)) + " " +
         std::string(reason, bytes - kCodeBytes));
  }

  bool ReadFrameHeader(size_t at, size_t* header, uint64_t* bytes) const {
    const size_t left = received_end_ - at;
    const uint8_t* const frame = received_.data() + at;
    if (left < 2) {
      return false;
    }
    *header = frame[1] < 126 ? 2 : frame[1] == 126 ? 4 : 10;
    if (left < *header) {
      return false;
    }
    *bytes = frame[1] < 126    ? frame[1]
             : frame[1] == 126 ? base::LoadBig16(frame + 2)
                               : base::LoadBig64(frame + 2);
    return true;
  }

  // Moves what is left from `at` on to the start, and makes room for a message of so many bytes.
  void MakeRoom(size_t at, size_t bytes) {
    std::memmove(received_.data(), received_.data() + at, received_end_ - at);
    received_end_ -= at;
    if (received_.size() < bytes) {
      received_.resize(2 * bytes);
    }
  }

  int fd_ = -1;
  std::vector<uint8_t> received_;
  size_t received_end_ = 0;
};

}  // namespace millrace::bench
