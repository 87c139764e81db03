// The records of an encrypted batch (codec kCodecSealed in its flags). FORMAT.md is the
// specification; these constants are its only home, and a test compares the two.
//
//   byte  0  version    u8   1
//         1  codec      u8   of the records when they are decrypted
//         2  id length  u8   1 to 64
//         3  reserved   u8   0
//         4  key check  u64  tells the master key from another one of the same id
//        12  salt       16 bytes, drawn when the log was opened
//        28  counter    u64  never twice under a salt
//        36  key id     as many bytes as `id length` says
//            ciphertext, and a tag of 16 bytes at the end
//
// The data key is HKDF-SHA256 of the master key with the salt and kDataKeyInfo, the nonce 4 zero
// bytes and the counter. Associated data is everything in front of the ciphertext but marker and
// checksum: the batch from kBatchChecksummedStart on, this header, the key id.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/format/batch_format.h"

namespace millrace::format {

inline constexpr uint8_t kSealedVersion = 1;
inline constexpr size_t kSealedVersionAt = 0;
inline constexpr size_t kSealedCodecAt = 1;
inline constexpr size_t kSealedIdLengthAt = 2;
inline constexpr size_t kSealedReservedAt = 3;
inline constexpr size_t kSealedKeyCheckAt = 4;
inline constexpr size_t kSealedSaltAt = 12;
inline constexpr size_t kSealedCounterAt = 28;
inline constexpr size_t kSealedKeyIdAt = 36;

inline constexpr size_t kSealedSaltBytes = 16;
inline constexpr size_t kSealedTagBytes = 16;
inline constexpr size_t kKeyIdBytesMax = 64;

inline constexpr char kDataKeyInfo[] = "millrace data key 1";
inline constexpr char kKeyCheckInfo[] = "millrace key check 1";

// What encryption adds to the records of a batch.
constexpr uint32_t SealedOverhead(size_t key_id_bytes) {
  return static_cast<uint32_t>(kSealedKeyIdAt + key_id_bytes + kSealedTagBytes);
}

static_assert(kSealedSaltAt + kSealedSaltBytes == kSealedCounterAt);
static_assert(kSealedCounterAt + sizeof(uint64_t) == kSealedKeyIdAt);

}  // namespace millrace::format
