#include "native/ingest/utf8.h"

namespace millrace::ingest {

namespace {

bool IsContinuation(uint8_t byte) {
  return (byte & 0xc0) == 0x80;
}

// The range of the second byte depends on the first: that is what keeps out overlong forms (e0 80,
// f0 80), surrogates (ed a0) and code points above U+10FFFF (f4 90). See table 3-7 of the Unicode
// standard.
bool IsSecondByte(uint8_t first, uint8_t second) {
  switch (first) {
    case 0xe0:
      return second >= 0xa0 && second <= 0xbf;
    case 0xed:
      return second >= 0x80 && second <= 0x9f;
    case 0xf0:
      return second >= 0x90 && second <= 0xbf;
    case 0xf4:
      return second >= 0x80 && second <= 0x8f;
    default:
      return IsContinuation(second);
  }
}

// The length that a first byte announces; 0 for a byte that starts nothing (a continuation, c0, c1,
// f5 and above).
uint32_t AnnouncedBytes(uint8_t first) {
  if (first < 0x80) {
    return 1;
  }
  if (first < 0xc2 || first > 0xf4) {
    return 0;
  }
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

// The length of the well-formed sequence at `text`, 0 when there is none.
uint32_t SequenceBytes(const uint8_t* text, uint32_t bytes_left) {
  const uint32_t length = AnnouncedBytes(text[0]);
  if (length < 2 || length > bytes_left) {
    return length > bytes_left ? 0 : length;
  }
  if (!IsSecondByte(text[0], text[1])) {
    return 0;
  }
  for (uint32_t i = 2; i < length; ++i) {
    if (!IsContinuation(text[i])) {
      return 0;
    }
  }
  return length;
}

}  // namespace

Utf8Scan ScanUtf8(const uint8_t* text, uint32_t bytes) {
  Utf8Scan scan = {0, 0};
  while (scan.valid_bytes < bytes) {
    const uint8_t* at = text + scan.valid_bytes;
    const uint32_t left = bytes - scan.valid_bytes;
    if (left >= kWordBytes && (LoadWord(at) & kNonAsciiBits) == 0) {
      scan.characters += kWordBytes;
      scan.valid_bytes += kWordBytes;
      continue;
    }
    const uint32_t length = SequenceBytes(at, left);
    if (length == 0) {
      return scan;
    }
    scan.characters += 1;
    scan.valid_bytes += length;
  }
  return scan;
}

}  // namespace millrace::ingest
