// Encrypting the records of a batch on their way into the file, and decrypting them on their way
// out (format/sealed_format.h has the layout). What is on disk is a batch like any other, whose
// checksum needs no key.
#pragma once

#include <cstdint>
#include <memory>

#include "native/base/status.h"
#include "native/log/batch_view.h"
#include "native/log/keyring.h"
#include "native/log/options.h"

namespace millrace::log {

// A marker is not: one that says so has been made of another batch.
inline bool IsSealed(const BatchHeader& header) {
  return (header.flags & format::kCodecMask) == format::kCodecSealed;
}

// The bytes that stand for the records of a batch.
struct SealedRecords {
  std::unique_ptr<uint8_t[]> memory;
  Piece piece{nullptr, 0};
};

// Encrypts the records of the batch with this header, all fields of which are final but flags and
// records_bytes: those are set to what is stored. `header->flags` and the pieces say what the
// records are. LIMIT_EXCEEDED without memory, ENCRYPTION_UNAVAILABLE when the library refuses;
// `*header` is of no use then.
base::Status SealRecords(const SealingKey& key, const Piece* pieces, size_t piece_count,
                         BatchHeader* header, SealedRecords* sealed);

// Decrypts the batch at `batch`, the checksum of which has been verified, to `to`: the batch as it
// would be without encryption, of fewer bytes than this one. KEY_NOT_FOUND, KEY_MISMATCH,
// ENCRYPTION_UNAVAILABLE; LOG_CORRUPT when it is not what the key has encrypted, as its bytes, its
// numbers or its place are others.
base::Status OpenBatch(Keyring* keyring, const uint8_t* batch, const BatchHeader& header,
                       uint8_t* to, uint64_t* bytes);

// Makes a run of stored batches one that can be handed out: in memory of its own, decrypted. A
// batch that cannot be decrypted ends it; where that is the first, its status is the answer, with
// the range of positions for LOG_CORRUPT.
base::Status OpenSlice(Keyring* keyring, ReadResult* result);

}  // namespace millrace::log
