// Takes apart what a broker sends over a WebSocket, in whatever pieces it comes, and copies next to
// nothing: of a slice it looks at the headers of the batches alone. So one thread can receive what
// a broker sends to a thousand subscribers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bench/native/harness/web_socket.h"
#include "native/base/bytes.h"
#include "native/log/batch_view.h"

namespace millrace::bench {

class PushParser {
 public:
  // Hands on what has come, in its order, to a handler with
  //   void Slice(uint64_t bytes)          a slice of so many bytes begins
  //   void Batch(const log::BatchHeader& header, const uint8_t* whole)
  //                                       one of its batches; `whole` where it came in one piece
  //   void Message(uint8_t opcode, const uint8_t* payload, size_t bytes)
  //                                       any other message; the opcode is that of the WebSocket
  template <typename Handler>
  void Take(const uint8_t* at, size_t bytes, Handler* handler) {
    at_ = at;
    end_ = at + bytes;
    while (Step(handler)) {
    }
  }

 private:
  enum class State : uint8_t { kHead, kLength, kStart, kMessage, kBatch, kRecords };

  static constexpr uint8_t kFinalBinary = 0x82;
  static constexpr uint8_t kShortLengthMax = 125;
  static constexpr uint8_t kLength16 = 126;

  // Answers false when it needs more bytes.
  template <typename Handler>
  bool Step(Handler* handler) {
    switch (state_) {
      case State::kHead:
        return TakeHead();
      case State::kLength:
        return TakeLength();
      case State::kStart:
        return TakeStart(handler);
      case State::kMessage:
        return TakeMessage(handler);
      case State::kBatch:
        return TakeBatch(handler);
      case State::kRecords:
        return SkipRecords();
    }
    return false;
  }

  bool TakeHead() {
    const uint8_t* const head = Gather(2);
    if (head == nullptr) {
      return false;
    }
    opcode_ = head[0];
    left_ = head[1];
    length_bytes_ = head[1] == kLength16 ? 2 : 8;
    state_ = head[1] > kShortLengthMax ? State::kLength : State::kStart;
    return true;
  }

  bool TakeLength() {
    const uint8_t* const length = Gather(length_bytes_);
    if (length == nullptr) {
      return false;
    }
    left_ = length_bytes_ == 2 ? base::LoadBig16(length) : base::LoadBig64(length);
    state_ = State::kStart;
    return true;
  }

  template <typename Handler>
  bool TakeStart(Handler* handler) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(left_, format::kBatchHeaderBytes));
    const uint8_t* const start = Gather(wanted);
    if (start == nullptr) {
      return false;
    }
    if (opcode_ == kFinalBinary && wanted == format::kBatchHeaderBytes &&
        start[0] == format::kBatchMarker && start[1] == format::kUint32) {
      handler->Slice(left_);
      BeginBatch(start, handler);
      return true;
    }
    message_.assign(start, start + wanted);
    left_ -= wanted;
    state_ = State::kMessage;
    return true;
  }

  template <typename Handler>
  bool TakeMessage(Handler* handler) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(left_, Available()));
    message_.insert(message_.end(), at_, at_ + count);
    at_ += count;
    left_ -= count;
    if (left_ > 0) {
      return false;
    }
    state_ = State::kHead;
    handler->Message(opcode_, message_.data(), message_.size());
    return true;
  }

  template <typename Handler>
  bool TakeBatch(Handler* handler) {
    const uint8_t* const start = Gather(format::kBatchHeaderBytes);
    if (start == nullptr) {
      return false;
    }
    BeginBatch(start, handler);
    return true;
  }

  template <typename Handler>
  void BeginBatch(const uint8_t* start, Handler* handler) {
    log::BatchHeader header;
    if (log::ReadBatchHeader(start, left_, &header) != log::BatchCheck::kWhole) {
      Fail("a slice has something that is no batch");
    }
    const bool is_whole =
        start + format::kBatchHeaderBytes == at_ && Available() >= header.records_bytes;
    left_ -= header.bytes();
    skip_ = header.records_bytes;
    state_ = State::kRecords;
    handler->Batch(header, is_whole ? start : nullptr);
  }

  bool SkipRecords() {
    const auto count = static_cast<size_t>(std::min<uint64_t>(skip_, Available()));
    at_ += count;
    skip_ -= count;
    if (skip_ > 0) {
      return false;
    }
    state_ = left_ > 0 ? State::kBatch : State::kHead;
    return true;
  }

  size_t Available() const { return static_cast<size_t>(end_ - at_); }

  // The next `count` bytes in one piece, or nullptr as long as they have not all come.
  const uint8_t* Gather(size_t count) {
    if (gathered_.size() == gathered_count_) {
      gathered_.clear();
      if (Available() >= count) {
        at_ += count;
        gathered_count_ = 0;
        return at_ - count;
      }
      gathered_count_ = count;
    }
    const size_t some = std::min(count - gathered_.size(), Available());
    gathered_.insert(gathered_.end(), at_, at_ + some);
    at_ += some;
    return gathered_.size() == count ? gathered_.data() : nullptr;
  }

  State state_ = State::kHead;
  uint8_t opcode_ = 0;
  size_t length_bytes_ = 0;
  uint64_t left_ = 0;  // of the payload
  uint64_t skip_ = 0;  // of the records of a batch
  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  std::vector<uint8_t> gathered_;  // the beginning of what did not come in one piece
  size_t gathered_count_ = 0;      // how long that will be
  std::vector<uint8_t> message_;
};

}  // namespace millrace::bench
