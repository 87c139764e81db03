// The batch: what one append writes to one shard, what a reader gets and what a subscriber is sent,
// byte for byte. FORMAT.md is the specification; these constants are its only home, and a test
// compares the two.
//
//   byte  0  0x9b           array of 11 elements; never zero: a zero byte means "nothing here"
//         1  0xce crc32c    u32, masked; over bytes kBatchChecksummedStart to the end
//         6  0xcf shard     u64  unique in the data directory, never reused
//        15  0xcf sequence  u64  first sequence number; the records take consecutive numbers
//        24  0xce count     u32  records; 0 = a marker batch
//        29  0xcf arrival   u64  ms since 1970; never decreases within a shard
//        38  0xce epoch     u32  writer epoch
//        43  0xcf producer  u64  0 = not idempotent
//        52  0xce producer sequence u32
//        57  0xcf synced upto u64  position known durable when this batch was written
//        66  0xce flags     u32  codec of the records, 0 = none
//        71  0xc6 length    u32  bin 32: the records, back to back
//        76  records
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/format/msgpack_format.h"

namespace millrace::format {

inline constexpr uint8_t kBatchMarker = kFixArray | 11;
inline constexpr size_t kBatchMarkerAt = 0;
inline constexpr size_t kBatchCrcAt = 2;
inline constexpr size_t kBatchChecksummedStart = 6;
inline constexpr size_t kBatchShardAt = 7;
inline constexpr size_t kBatchFirstSequenceAt = 16;
inline constexpr size_t kBatchCountAt = 25;
inline constexpr size_t kBatchArrivalAt = 30;
inline constexpr size_t kBatchEpochAt = 39;
inline constexpr size_t kBatchProducerIdAt = 44;
inline constexpr size_t kBatchProducerSequenceAt = 53;
inline constexpr size_t kBatchSyncedUptoAt = 58;
inline constexpr size_t kBatchFlagsAt = 67;
inline constexpr size_t kBatchRecordsLengthAt = 72;
inline constexpr size_t kBatchHeaderBytes = 76;

// The type byte of each field, and where it stands. A header in which one of them differs is not a
// batch header.
struct BatchTypeByte {
  uint8_t at;
  uint8_t value;
};

inline constexpr BatchTypeByte kBatchTypeBytes[] = {
    {0, kBatchMarker}, {1, kUint32},  {6, kUint64},  {15, kUint64}, {24, kUint32}, {29, kUint64},
    {38, kUint32},     {43, kUint64}, {52, kUint32}, {57, kUint64}, {66, kUint32}, {71, kBin32},
};

// The bytes of one batch, header included. A request holds at most 10 MiB of keys and data; the
// rest is room for the MessagePack headers of its records and for the batch header.
inline constexpr uint32_t kBatchBytesMax = 11u * 1024 * 1024;
inline constexpr uint32_t kBatchRecordsBytesMax = kBatchBytesMax - kBatchHeaderBytes;
inline constexpr uint32_t kBatchRecordCountMax = 1u << 20;

// Low byte of `flags`: the codec of the records. Higher bits are reserved and zero. kCodecSealed is
// the log's own (sealed_format.h): nobody appends it, and readers get what was appended.
inline constexpr uint32_t kCodecNone = 0;
inline constexpr uint32_t kCodecSealed = 1;
inline constexpr uint32_t kCodecMask = 0xff;

// The checksum is stored masked, as bytes that contain a batch would otherwise fool a CRC over them
// (a CRC over data followed by its own CRC is a constant).
inline constexpr uint32_t kCrcMaskDelta = 0x6d696c6c;

constexpr uint32_t MaskCrc(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + kCrcMaskDelta;
}

constexpr uint32_t UnmaskCrc(uint32_t masked) {
  const uint32_t rotated = masked - kCrcMaskDelta;
  return (rotated << 15) | (rotated >> 17);
}

static_assert(UnmaskCrc(MaskCrc(0x12345678u)) == 0x12345678u);
static_assert(kBatchRecordsLengthAt + sizeof(uint32_t) == kBatchHeaderBytes);

}  // namespace millrace::format
