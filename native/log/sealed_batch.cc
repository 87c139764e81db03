#include "native/log/sealed_batch.h"

#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "native/base/bytes.h"
#include "native/base/check.h"

namespace millrace::log {

using base::AeadVerdict;
using base::ByteSpan;
using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

static_assert(format::kSealedTagBytes == base::kAeadTagBytes);

// The counter in its last 8 bytes, zeros before it.
struct Nonce {
  explicit Nonce(uint64_t counter) {
    base::StoreBig64(bytes + sizeof bytes - sizeof counter, counter);
  }

  uint8_t bytes[base::kAeadNonceBytes] = {};
};

// What is authenticated and not encrypted, of a batch whose records begin with a sealed header.
ByteSpan AssociatedOf(const uint8_t* batch, size_t key_id_bytes) {
  return {batch + format::kBatchChecksummedStart, format::kBatchHeaderBytes -
                                                      format::kBatchChecksummedStart +
                                                      format::kSealedKeyIdAt + key_id_bytes};
}

void WriteSealedHeader(const SealingKey& key, uint32_t codec, uint64_t counter, uint8_t* at) {
  const std::string& id = key.name().id;
  at[format::kSealedVersionAt] = format::kSealedVersion;
  at[format::kSealedCodecAt] = static_cast<uint8_t>(codec);
  at[format::kSealedIdLengthAt] = static_cast<uint8_t>(id.size());
  at[format::kSealedReservedAt] = 0;
  base::StoreBig64(at + format::kSealedKeyCheckAt, key.name().check);
  std::memcpy(at + format::kSealedSaltAt, key.salt(), format::kSealedSaltBytes);
  base::StoreBig64(at + format::kSealedCounterAt, counter);
  std::memcpy(at + format::kSealedKeyIdAt, id.data(), id.size());
}

// Whether these records can be sealed ones.
bool HasSealedHeader(const uint8_t* at, uint32_t bytes) {
  return bytes >= format::SealedOverhead(1) && at[format::kSealedIdLengthAt] >= 1 &&
         at[format::kSealedIdLengthAt] <= format::kKeyIdBytesMax &&
         bytes >= format::SealedOverhead(at[format::kSealedIdLengthAt]);
}

Status Corrupt(const BatchHeader& header, const char* why) {
  return Status(
      Code::kLogCorrupt,
      Format("the encrypted batch of shard %llu with the sequence numbers from %llu up to, not "
             "including, %llu %s; everything else can be read",
             static_cast<ull>(header.shard), static_cast<ull>(header.first_sequence),
             static_cast<ull>(header.next_sequence()), why));
}

Status NoMemory(uint64_t bytes) {
  return Status(Code::kLimitExceeded,
                Format("no memory for %llu bytes of encrypted records", static_cast<ull>(bytes)));
}

}  // namespace

Status SealRecords(const SealingKey& key, const Piece* pieces, size_t piece_count,
                   BatchHeader* header, SealedRecords* sealed) {
  const size_t id_bytes = key.name().id.size();
  const uint32_t codec = header->flags & format::kCodecMask;
  header->flags = format::kCodecSealed;
  header->records_bytes += format::SealedOverhead(id_bytes);
  sealed->memory.reset(new (std::nothrow) uint8_t[header->bytes()]);
  if (sealed->memory == nullptr) {
    return NoMemory(header->bytes());
  }
  uint8_t* const batch = sealed->memory.get();
  uint8_t* const records = batch + format::kBatchHeaderBytes;
  const uint64_t counter = key.TakeCounter();
  WriteBatchHeader(batch, *header);
  WriteSealedHeader(key, codec, counter, records);
  std::vector<ByteSpan> spans(piece_count);
  for (size_t i = 0; i < piece_count; ++i) {
    spans[i] = {pieces[i].data, pieces[i].bytes};
  }
  const AeadVerdict verdict =
      key.aead()->Seal(Nonce(counter).bytes, AssociatedOf(batch, id_bytes), spans.data(),
                       spans.size(), records + format::kSealedKeyIdAt + id_bytes,
                       batch + header->bytes() - format::kSealedTagBytes);
  if (verdict != AeadVerdict::kOk) {
    return Status(Code::kEncryptionUnavailable,
                  "OpenSSL does not encrypt the batch; nothing was appended");
  }
  sealed->piece = {records, header->records_bytes};
  return Status();
}

Status OpenBatch(Keyring* keyring, const uint8_t* batch, const BatchHeader& header, uint8_t* to,
                 uint64_t* bytes) {
  const uint8_t* const records = batch + format::kBatchHeaderBytes;
  if (!HasSealedHeader(records, header.records_bytes)) {
    return Corrupt(header, "has no header of encrypted records");
  }
  if (records[format::kSealedVersionAt] != format::kSealedVersion) {
    return Status(Code::kFormatUnsupported,
                  Format("encrypted records of version %u, this is for version %u; read them with "
                         "the version that wrote them or a later one",
                         records[format::kSealedVersionAt], format::kSealedVersion));
  }
  const size_t id_bytes = records[format::kSealedIdLengthAt];
  const uint32_t overhead = format::SealedOverhead(id_bytes);
  KeyName name;
  name.id.assign(reinterpret_cast<const char*>(records + format::kSealedKeyIdAt), id_bytes);
  name.check = base::LoadBig64(records + format::kSealedKeyCheckAt);
  std::shared_ptr<base::Aead> aead;
  Status status = keyring->FindOpening(name, records + format::kSealedSaltAt, &aead);
  if (!status.ok()) {
    return status;
  }
  BatchHeader plain = header;
  plain.flags = records[format::kSealedCodecAt];
  plain.records_bytes -= overhead;
  const AeadVerdict verdict =
      aead->Open(Nonce(base::LoadBig64(records + format::kSealedCounterAt)).bytes,
                 AssociatedOf(batch, id_bytes),
                 {records + format::kSealedKeyIdAt + id_bytes, plain.records_bytes},
                 batch + header.bytes() - format::kSealedTagBytes, to + format::kBatchHeaderBytes);
  if (verdict == AeadVerdict::kFailed) {
    return Status(Code::kEncryptionUnavailable, "OpenSSL does not decrypt the batch; try again");
  }
  if (verdict == AeadVerdict::kForged) {
    return Corrupt(header, "is not what was encrypted: bytes, numbers or place are others");
  }
  WriteBatchHeader(to, plain);
  *bytes = plain.bytes();
  SealBatch(to, *bytes);
  return status;
}

Status OpenSlice(Keyring* keyring, ReadResult* result) {
  std::shared_ptr<uint8_t[]> memory(new (std::nothrow) uint8_t[result->bytes]);
  if (memory == nullptr) {
    return NoMemory(result->bytes);
  }
  ReadResult opened;
  opened.position = opened.next_position = result->position;
  opened.first_sequence = opened.next_sequence = result->first_sequence;
  opened.data = memory.get();
  for (uint32_t at = 0; at < result->bytes;) {
    const uint8_t* const batch = result->data + at;
    BatchHeader header;
    MILLRACE_CHECK(ReadBatchHeader(batch, result->bytes - at, &header) == BatchCheck::kWhole);
    uint8_t* const to = memory.get() + opened.bytes;
    uint64_t bytes = header.bytes();
    Status status;
    if (IsSealed(header)) {
      status = OpenBatch(keyring, batch, header, to, &bytes);
    } else {
      std::memcpy(to, batch, bytes);
    }
    if (!status.ok() && opened.bytes != 0) {
      break;
    }
    if (status.code() == Code::kLogCorrupt) {
      const uint64_t start = opened.next_position;
      return Status(Code::kLogCorrupt, status.message(), start, start + header.bytes());
    }
    if (!status.ok()) {
      return status;
    }
    opened.bytes += static_cast<uint32_t>(bytes);
    opened.next_position += header.bytes();
    opened.next_sequence = header.next_sequence();
    opened.batch_count += 1;
    opened.record_count += header.count;
    at += static_cast<uint32_t>(header.bytes());
  }
  opened.decrypted = std::move(memory);
  *result = std::move(opened);
  return Status();
}

}  // namespace millrace::log
