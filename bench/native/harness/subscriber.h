// One subscriber of a shard: a connection that never blocks, not even to come into being, so that
// thousands of them can be made at once. It gives back the credit that it has used, and sees to it
// that each record comes once and in its order.
#pragma once

#include <sys/epoll.h>

#include <string>
#include <vector>

#include "bench/native/harness/push_parser.h"
#include "bench/native/harness/put_answers.h"
#include "bench/native/harness/web_socket.h"
#include "native/log/batch_view.h"
#include "test/support/msgpack_encode.h"

namespace millrace::bench {

struct SubscriberPlan {
  uint16_t port = 0;
  std::string stream = "bench";
  std::string shard_id = "0";
  bool from_oldest = false;
  uint32_t credit_bytes = 256 * 1024;
  // The raw server: any message subscribes, any answer says so, and there is no credit.
  bool is_raw = false;
};

// Is told what a subscriber goes through.
class SubscriberOwner {
 public:
  SubscriberOwner() = default;
  SubscriberOwner(const SubscriberOwner&) = delete;
  SubscriberOwner& operator=(const SubscriberOwner&) = delete;
  virtual ~SubscriberOwner() = default;

  virtual void Subscribed() = 0;
  // Records that have not come before.
  virtual void Took(uint64_t first_sequence, uint32_t count) = 0;
};

class Subscriber {
 public:
  Subscriber(const SubscriberPlan& plan, SubscriberOwner* owner) : plan_(plan), owner_(owner) {}

  ~Subscriber() { Drop(); }

  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Begins to connect, and registers with `epoll` under this number.
  void Connect(int epoll, uint32_t index) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(plan_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
                    errno != EINPROGRESS)) {
      Fail(std::string("connect: ") + std::strerror(errno));
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    state_ = State::kConnecting;
    answer_.clear();
    parser_ = PushParser();
    unreturned_bytes_ = 0;
    Watch(epoll, EPOLL_CTL_ADD, index, EPOLLIN | EPOLLOUT);
  }

  // Ends the connection without a word, and without leaving its port in use.
  void Drop() {
    if (fd_ < 0) {
      return;
    }
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(fd_);
    fd_ = -1;
  }

  // Whether it is read from: one that is not is a stalled one.
  void SetReading(int epoll, uint32_t index, bool reads) const {
    Watch(epoll, EPOLL_CTL_MOD, index, reads ? uint32_t{EPOLLIN} : 0);
  }

  // `buffer` is lent, for all subscribers in turn.
  void Handle(uint32_t events, int epoll, uint32_t index, std::vector<uint8_t>* buffer) {
    if (state_ == State::kConnecting && (events & EPOLLOUT) != 0) {
      ShakeHands();
      Watch(epoll, EPOLL_CTL_MOD, index, EPOLLIN);
    }
    if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) {
      Receive(buffer);
    }
  }

  void Receive(std::vector<uint8_t>* buffer) {
    const ssize_t count = ::recv(fd_, buffer->data(), buffer->size(), 0);
    if (count > 0) {
      Take(buffer->data(), static_cast<size_t>(count));
    } else if (count == 0) {
      Fail("the server closed the connection of a subscriber");
    } else if (errno != EAGAIN) {
      Fail(std::string("recv: ") + std::strerror(errno));
    }
  }

  int fd() const { return fd_; }

  uint64_t records() const { return records_; }

  uint64_t slices() const { return slices_; }

  uint64_t batches() const { return batches_; }

  uint64_t bytes() const { return bytes_; }

  uint64_t next_sequence() const { return next_sequence_; }

  // What PushParser hands on.
  void Slice(uint64_t bytes) {
    slices_ += 1;
    bytes_ += bytes;
    unreturned_bytes_ += bytes;
  }

  void Batch(const log::BatchHeader& header, const uint8_t* whole) {
    batches_ += 1;
    if (header.shard != shard_number_ && !plan_.is_raw) {
      Fail("a batch is of another shard");
    }
    if (next_sequence_ == 0) {
      next_sequence_ = header.first_sequence;
    }
    // The first slice may begin with what was not asked for.
    const bool is_in_order = is_first_slice_ ? header.first_sequence <= next_sequence_
                                             : header.first_sequence == next_sequence_;
    if (!is_in_order) {
      Fail(base::Format("record %llu came instead of %llu",
                        static_cast<unsigned long long>(header.first_sequence),
                        static_cast<unsigned long long>(next_sequence_)));
    }
    CheckSample(header, whole);
    if (header.next_sequence() <= next_sequence_) {
      return;
    }
    is_first_slice_ = false;
    const auto count = static_cast<uint32_t>(header.next_sequence() - next_sequence_);
    const uint64_t first = next_sequence_;
    next_sequence_ += count;
    records_ += count;
    owner_->Took(first, count);
  }

  void Message(uint8_t opcode, const uint8_t* payload, size_t bytes) {
    if (opcode == kPing) {
      SendFrame(kPong, {});
    } else if (opcode != kBinary) {
      Fail("the server closed the connection of a subscriber, or sent something else");
    } else if (plan_.is_raw) {
      if (state_ == State::kSubscribing) {
        SetSubscribed();
      }
    } else {
      MessageReader reader(payload, bytes);
      reader.Array();
      TakeMessage(reader.Unsigned(), &reader);
    }
  }

 private:
  using Bytes = support::Bytes;
  enum class State : uint8_t { kConnecting, kShaking, kSubscribing, kSubscribed };

  static constexpr uint8_t kBinary = 0x82;
  static constexpr uint8_t kPing = 0x89;
  static constexpr uint8_t kPong = 0x8a;
  // src/wire/operations.ts, subscription-operations.ts and pushes.ts have these.
  static constexpr uint8_t kWelcome = 0x01;
  static constexpr uint8_t kSubscribeToShard = 0x28;
  static constexpr uint8_t kHeartbeat = 0x42;
  static constexpr uint8_t kCredit = 0x50;
  static constexpr size_t kAnswerBytesMax = 4096;
  // Of so many batches that come in one piece one is checked byte by byte.
  static constexpr uint64_t kBatchesPerCheck = 64;

  void Watch(int epoll, int operation, uint32_t index, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.u32 = index;
    if (::epoll_ctl(epoll, operation, fd_, &event) != 0) {
      Fail("epoll_ctl failed");
    }
  }

  void ShakeHands() {
    int error = 0;
    socklen_t error_bytes = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
    if (error != 0) {
      Fail(std::string("connect: ") + std::strerror(error));
    }
    const std::string request = HandshakeRequest(plan_.port);
    SendWhole(reinterpret_cast<const uint8_t*>(request.data()), request.size());
    state_ = State::kShaking;
  }

  void Take(const uint8_t* at, size_t bytes) {
    if (state_ == State::kShaking) {
      const size_t taken = TakeHandshake(at, bytes);
      at += taken;
      bytes -= taken;
    }
    if (bytes > 0) {
      parser_.Take(at, bytes, this);
    }
    if (unreturned_bytes_ >= plan_.credit_bytes / 2 && !plan_.is_raw) {
      ReturnCredit();
    }
  }

  size_t TakeHandshake(const uint8_t* at, size_t bytes) {
    for (size_t taken = 0; taken < bytes;) {
      answer_.push_back(static_cast<char>(at[taken]));
      taken += 1;
      if (answer_.size() > kAnswerBytesMax) {
        Fail("no answer to the handshake: " + answer_);
      }
      if (answer_.ends_with("\r\n\r\n")) {
        if (answer_.find(" 101 ") == std::string::npos) {
          Fail("the handshake was refused: " + answer_);
        }
        state_ = State::kSubscribing;
        if (plan_.is_raw) {
          SendFrame(kBinary, {0});
        }
        return taken;
      }
    }
    return bytes;
  }

  void TakeMessage(uint64_t opcode, MessageReader* reader) {
    if (opcode == kWelcome) {
      Subscribe();
    } else if (opcode == kSubscribeToShard) {
      TakeSubscribed(reader);
    } else if (opcode != kHeartbeat) {
      Fail("a subscriber was told " + std::to_string(opcode) + ": a gap, or the end");
    }
  }

  void Subscribe() {
    Bytes payload;
    support::AppendArrayHeader(&payload, 10);
    support::AppendBytes(&payload, {kSubscribeToShard, 1});
    support::AppendStr(&payload, plan_.stream, support::StrWidth(plan_.stream.size()));
    support::AppendStr(&payload, plan_.shard_id, support::StrWidth(plan_.shard_id.size()));
    payload.push_back(format::kNil);  // no consumer
    const std::string type = next_sequence_ > 0  ? "AT_SEQUENCE_NUMBER"
                             : plan_.from_oldest ? "TRIM_HORIZON"
                                                 : "LATEST";
    support::AppendStr(&payload, type, support::StrWidth(type.size()));
    if (next_sequence_ > 0) {
      payload.push_back(format::kUint64);
      support::AppendBig(&payload, next_sequence_, 8);
    } else {
      payload.push_back(format::kNil);
    }
    payload.push_back(format::kNil);  // no timestamp
    payload.push_back(format::kUint32);
    support::AppendBig(&payload, plan_.credit_bytes, 4);
    payload.push_back(format::kNil);  // no lease
    SendFrame(kBinary, payload);
  }

  void TakeSubscribed(MessageReader* reader) {
    reader->Unsigned();  // the request id
    if (!reader->TakeNil()) {
      const std::string code = reader->Text();
      Fail("the broker refused a subscription: " + code + ": " + reader->Text());
    }
    subscription_id_ = static_cast<uint32_t>(reader->Unsigned());
    reader->Array();
    reader->Text();  // the name of the shard
    shard_number_ = reader->Unsigned();
    const uint64_t first = reader->Unsigned();
    if (next_sequence_ > 0 && first != next_sequence_) {
      Fail("a subscription that goes on does so elsewhere");
    }
    next_sequence_ = first;
    SetSubscribed();
  }

  void SetSubscribed() {
    state_ = State::kSubscribed;
    is_first_slice_ = true;
    owner_->Subscribed();
  }

  void CheckSample(const log::BatchHeader& header, const uint8_t* whole) {
    if (plan_.is_raw || whole == nullptr || batches_ % kBatchesPerCheck != 0) {
      return;
    }
    log::BatchHeader checked;
    if (log::CheckBatch(whole, header.bytes(), &checked) != log::BatchCheck::kWhole) {
      Fail("a batch came damaged");
    }
  }

  void ReturnCredit() {
    Bytes payload;
    support::AppendArrayHeader(&payload, 3);
    payload.push_back(kCredit);
    for (const uint64_t number : {uint64_t{subscription_id_}, unreturned_bytes_}) {
      payload.push_back(format::kUint32);
      support::AppendBig(&payload, number, 4);
    }
    unreturned_bytes_ = 0;
    SendFrame(kBinary, payload);
  }

  // RFC 6455, 5.2, with a mask of zero: what these frames cost is not measured.
  void SendFrame(uint8_t opcode, const Bytes& payload) const {
    Bytes frame = {opcode, static_cast<uint8_t>(0x80 | payload.size())};
    if (payload.size() >= 126) {
      frame[1] = 0x80 | 126;
      support::AppendBig(&frame, payload.size(), 2);
    }
    support::AppendBig(&frame, 0, 4);
    support::AppendBytes(&frame, payload);
    SendWhole(frame.data(), frame.size());
  }

  void SendWhole(const uint8_t* bytes, size_t count) const {
    if (::send(fd_, bytes, count, MSG_NOSIGNAL) != static_cast<ssize_t>(count)) {
      Fail(std::string("a subscriber cannot send: ") + std::strerror(errno));
    }
  }

  const SubscriberPlan& plan_;
  SubscriberOwner* const owner_;
  int fd_ = -1;
  State state_ = State::kConnecting;
  std::string answer_;
  PushParser parser_;
  uint32_t subscription_id_ = 0;
  uint64_t shard_number_ = 0;
  uint64_t next_sequence_ = 0;  // 0 = not known yet
  bool is_first_slice_ = true;
  uint64_t unreturned_bytes_ = 0;
  uint64_t records_ = 0;
  uint64_t slices_ = 0;
  uint64_t batches_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace millrace::bench
