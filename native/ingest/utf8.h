// UTF-8, strictly: no overlong form, no surrogate, nothing above U+10FFFF, nothing cut short.
// Pure functions; safe from any thread.
#pragma once

#include <cstdint>
#include <cstring>

namespace millrace::ingest {

struct Utf8Scan {
  uint32_t characters;   // code points in the well-formed beginning
  uint32_t valid_bytes;  // its length: all the bytes when the text is well formed
};

// Stops at the first sequence that is not well formed.
Utf8Scan ScanUtf8(const uint8_t* text, uint32_t bytes);

inline constexpr uint64_t kNonAsciiBits = 0x8080808080808080;
inline constexpr uint32_t kWordBytes = sizeof(uint64_t);
inline constexpr uint32_t kAsciiWindowBytes = 32;

inline uint64_t LoadWord(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Whether the first `bytes` (at most 32) are ASCII. Takes no branch on the length, which differs
// from key to key, and therefore reads all 32 bytes: the caller guarantees that they are there.
inline bool IsAsciiInWindow(const uint8_t* text, uint32_t bytes) {
  // Sliding along this table gives `bytes` bytes that select the high bit and then bytes that
  // select nothing.
  alignas(64) static constexpr uint64_t kSelect[2 * kAsciiWindowBytes / kWordBytes] = {
      kNonAsciiBits, kNonAsciiBits, kNonAsciiBits, kNonAsciiBits, 0, 0, 0, 0};
  const uint8_t* select = reinterpret_cast<const uint8_t*>(kSelect) + (kAsciiWindowBytes - bytes);
  uint64_t found = 0;
  for (uint32_t i = 0; i < kAsciiWindowBytes; i += kWordBytes) {
    found |= LoadWord(text + i) & LoadWord(select + i);
  }
  return found == 0;
}

// Whether all of the bytes are ASCII; reads nothing else.
inline bool IsAscii(const uint8_t* text, uint32_t bytes) {
  uint64_t found = 0;
  if (bytes >= kWordBytes) {
    const uint32_t last = bytes - kWordBytes;
    for (uint32_t i = 0; i < last; i += kWordBytes) {
      found |= LoadWord(text + i);
    }
    found |= LoadWord(text + last);  // overlaps the word before it when the length is uneven
  } else {
    for (uint32_t i = 0; i < bytes; ++i) {
      found |= text[i];
    }
  }
  return (found & kNonAsciiBits) == 0;
}

}  // namespace millrace::ingest
