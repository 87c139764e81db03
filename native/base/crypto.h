// Authenticated encryption, key derivation and random bytes, as the core needs them. What does the
// work is the OpenSSL that is in the process already; no such thing is written here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace millrace::base {

inline constexpr size_t kAeadKeyBytes = 32;
inline constexpr size_t kAeadNonceBytes = 12;
inline constexpr size_t kAeadTagBytes = 16;

// Borrowed for a call.
struct ByteSpan {
  const uint8_t* data;
  size_t bytes;
};

enum class AeadVerdict : uint8_t {
  kOk,
  kForged,  // the tag does not fit: other bytes, another key, nonce or associated data
  kFailed,  // the library refused, as for want of memory
};

// AES-256-GCM under one key. Safe from any thread.
class Aead {
 public:
  virtual ~Aead() = default;

  // Encrypts the pieces, one behind the other, to `to`, and writes kAeadTagBytes to `tag`. A nonce
  // of kAeadNonceBytes is used once under a key, or both records are lost to whoever has both.
  virtual AeadVerdict Seal(const uint8_t* nonce, ByteSpan associated, const ByteSpan* pieces,
                           size_t piece_count, uint8_t* to, uint8_t* tag) = 0;

  // The reverse. What `to` holds is only meant to be seen after kOk.
  virtual AeadVerdict Open(const uint8_t* nonce, ByteSpan associated, ByteSpan sealed,
                           const uint8_t* tag, uint8_t* to) = 0;
};

// Safe from any thread.
class Crypto {
 public:
  virtual ~Crypto() = default;

  // Bytes that nobody can guess. False when there are none to be had.
  virtual bool Random(uint8_t* to, size_t bytes) = 0;

  // HKDF-SHA256 (RFC 5869), extract and expand.
  virtual bool Derive(ByteSpan key, ByteSpan salt, ByteSpan info, uint8_t* to, size_t bytes) = 0;

  // Null when the library refuses.
  virtual std::unique_ptr<Aead> MakeAead(const uint8_t* key) = 0;
};

// The functions of OpenSSL 3 that this process exports (Node does), or else those of the system's
// libcrypto. Null when there are none. Never goes away.
Crypto* SystemCrypto();

// Overwrites what nobody is to find in memory; the compiler does not leave it out.
void Wipe(void* data, size_t bytes);

}  // namespace millrace::base
