// What the scanner and the router should answer, written for clarity and in another way: a generic
// MessagePack parser that builds values, and judgements over those values. Shared by the random
// tests and the fuzz target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/base/status.h"
#include "native/ingest/record_scanner.h"

namespace millrace::support {

struct ReferenceRecord {
  std::vector<uint8_t> encoded;
  std::vector<uint8_t> key;
  std::vector<uint8_t> data;
  std::vector<uint8_t> explicit_hash_key;  // empty = none
};

struct ReferenceRequest {
  base::Code code = base::Code::kOk;
  std::vector<ReferenceRecord> records;
  uint64_t producer_id = 0;
  uint32_t producer_sequence = 0;
};

ReferenceRequest ReferenceScan(const std::vector<uint8_t>& body, const ingest::ScanLimits& limits);

base::Code ReferenceScanRecords(const std::vector<uint8_t>& data, const ingest::ScanLimits& limits,
                                uint32_t count_expected);

// The number of characters, or -1 when the text is not valid UTF-8.
int64_t ReferenceCharacters(const std::vector<uint8_t>& text);

}  // namespace millrace::support
