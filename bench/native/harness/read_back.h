// Reads a shard through GetRecords from a given iterator to its end, and makes the account of it
// that the acknowledgements made: the two have to be the same.
#pragma once

#include <poll.h>

#include <string>

#include "bench/native/harness/put_answers.h"
#include "bench/native/harness/web_socket.h"
#include "native/base/crc32c.h"
#include "native/ingest/record_scanner.h"
#include "native/log/batch_view.h"

namespace millrace::bench {

class ReadBack {
 public:
  explicit ReadBack(uint16_t port) : socket_(port) {}

  ShardAccount ReadShard(std::string iterator) {
    ShardAccount account;
    for (bool is_at_end = false; !is_at_end;) {
      Request(iterator);
      is_at_end = Answer(&account, &iterator);
    }
    return account;
  }

 private:
  static constexpr uint8_t kGetRecords = 0x23;
  static constexpr int kPatienceMillis = 30'000;

  void Request(const std::string& iterator) const {
    support::Bytes payload;
    support::AppendArrayHeader(&payload, 4);
    payload.push_back(kGetRecords);
    payload.push_back(0);  // request id
    support::AppendStr(&payload, iterator, support::StrWidth(iterator.size()));
    payload.push_back(format::kNil);
    support::Bytes frame = {0x82, 0x80 | 126};
    support::AppendBig(&frame, payload.size(), 2);
    support::AppendBig(&frame, 0, 4);  // the mask: nothing here is measured
    support::AppendBytes(&frame, payload);
    if (socket_.Send(frame.data(), frame.size()) != frame.size()) {
      Fail("a request for records was not sent");
    }
  }

  // Whether the answer was the last: one without records.
  bool Answer(ShardAccount* account, std::string* iterator) {
    bool is_answered = false;
    bool is_at_end = false;
    while (!is_answered) {
      pollfd ready{socket_.fd(), POLLIN, 0};
      if (::poll(&ready, 1, kPatienceMillis) != 1) {
        Fail("no answer to a request for records");
      }
      socket_.Receive([&](const uint8_t* payload, size_t bytes) {
        MessageReader reader(payload, bytes);
        reader.Array();
        if (reader.Unsigned() == kGetRecords) {
          is_at_end = TakeRecords(&reader, account, iterator);
          is_answered = true;
        }
      });
    }
    return is_at_end;
  }

  static bool TakeRecords(MessageReader* reader, ShardAccount* account, std::string* iterator) {
    reader->Unsigned();  // request id
    if (!reader->TakeNil()) {
      const std::string code = reader->Text();
      Fail("the broker refused to be read: " + code + ": " + reader->Text());
    }
    const bool is_closed = reader->TakeNil();
    if (!is_closed) {
      *iterator = reader->Text();
    }
    reader->Unsigned();  // milliseconds behind the latest
    if (reader->Array() != 0) {
      Fail("a shard of the bench has children");
    }
    const uint64_t first = reader->Unsigned();
    const uint64_t count = reader->Unsigned();
    uint32_t bytes = 0;
    const uint8_t* const slice = reader->Bin(&bytes);
    const uint64_t before = account->records;
    AddSlice(slice, bytes, first, first + count, account);
    if (account->records - before != count) {
      Fail("an answer does not hold the records that it announces");
    }
    return count == 0 || is_closed;
  }

  // Adds the records of whole batches with sequence numbers in [first, end).
  static void AddSlice(const uint8_t* at, uint64_t bytes, uint64_t first, uint64_t end,
                       ShardAccount* account) {
    const uint8_t* const slice_end = at + bytes;
    while (at != slice_end) {
      log::BatchHeader header;
      if (log::CheckBatch(at, static_cast<uint64_t>(slice_end - at), &header) !=
          log::BatchCheck::kWhole) {
        Fail("a batch that was read is damaged");
      }
      const uint8_t* record = at + format::kBatchHeaderBytes;
      at += header.bytes();
      for (uint64_t sequence = header.first_sequence; sequence < header.next_sequence();
           ++sequence) {
        ingest::RecordShape shape;
        if (!ingest::ScanRecord(record, at, UINT32_MAX, &shape)) {
          Fail("a record that was read is malformed");
        }
        if (sequence >= first && sequence < end) {
          account->Add(sequence, base::Crc32c(0, record, shape.bytes));
        }
        record += shape.bytes;
      }
    }
  }

  WebSocket socket_;
};

}  // namespace millrace::bench
