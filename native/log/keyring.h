// The master keys of an open log, what is encrypted with them, and what can be decrypted.
//
// A (key, nonce) pair must never come twice. Each keyring draws a salt of its own, so that every
// open of the log has data keys of its own, and counts what it encrypts; the count is that of the
// keyring and not of a key, so it goes on when keys are set again. Nothing of this is kept on disk
// to be lost in a crash: the next open draws another salt.
//
// Safe from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "native/base/crypto.h"
#include "native/base/status.h"
#include "native/format/sealed_format.h"

namespace millrace::log {

// A key as its owner has it. Wiped when it goes.
class MasterKey {
 public:
  MasterKey(std::string id, const uint8_t* bytes);

  ~MasterKey() { base::Wipe(bytes_, sizeof bytes_); }

  MasterKey(const MasterKey&) = default;
  MasterKey& operator=(const MasterKey&) = default;

  const std::string& id() const { return id_; }

  base::ByteSpan bytes() const { return {bytes_, sizeof bytes_}; }

 private:
  std::string id_;
  uint8_t bytes_[base::kAeadKeyBytes];
};

// What a shard is to be encrypted with: the id of a key, and the check that tells it from another
// key which somebody has given the same id.
struct KeyName {
  std::string id;  // empty = not encrypted
  uint64_t check = 0;

  bool operator==(const KeyName&) const = default;
};

class Keyring;

// One key as it is used to encrypt, of a keyring that outlives it.
class SealingKey {
 public:
  SealingKey(Keyring* keyring, KeyName name, std::shared_ptr<base::Aead> aead)
      : keyring_(keyring), name_(std::move(name)), aead_(std::move(aead)) {}

  const KeyName& name() const { return name_; }

  base::Aead* aead() const { return aead_.get(); }

  const uint8_t* salt() const;

  // The next of the keyring.
  uint64_t TakeCounter() const;

 private:
  Keyring* const keyring_;
  const KeyName name_;
  const std::shared_ptr<base::Aead> aead_;
};

class Keyring {
 public:
  // Null: there is no encryption in this process, which every call then says.
  explicit Keyring(base::Crypto* crypto) : crypto_(crypto) {}

  Keyring(const Keyring&) = delete;
  Keyring& operator=(const Keyring&) = delete;

  // These keys and no others from now on. `checks` gets the check of each. INVALID_ARGUMENT for an
  // id that is none or comes twice, ENCRYPTION_UNAVAILABLE.
  base::Status SetKeys(const std::vector<MasterKey>& keys, std::vector<uint64_t>* checks);

  // KEY_NOT_FOUND, KEY_MISMATCH, ENCRYPTION_UNAVAILABLE.
  base::Status FindSealing(const KeyName& name, std::shared_ptr<const SealingKey>* key);

  // What decrypts batches of that key and salt; errors as FindSealing.
  base::Status FindOpening(const KeyName& name, const uint8_t* salt,
                           std::shared_ptr<base::Aead>* aead);

 private:
  friend class SealingKey;

  struct Held {
    MasterKey key;
    uint64_t check;
    std::shared_ptr<const SealingKey> sealing;                   // made when it is first asked for
    std::map<std::string, std::shared_ptr<base::Aead>> opening;  // by salt
  };

  base::Status DrawSaltLocked();
  base::Status FindLocked(const KeyName& name, Held** held);
  base::Status OpeningLocked(Held* held, const uint8_t* salt, std::shared_ptr<base::Aead>* aead);

  base::Crypto* const crypto_;
  std::atomic<uint64_t> counter_{0};
  std::mutex mutex_;                          // a leaf
  bool has_salt_ = false;                     // under mutex_; drawn once, then only read
  uint8_t salt_[format::kSealedSaltBytes]{};  // the same
  std::map<std::string, Held> keys_;          // under mutex_; by id
};

}  // namespace millrace::log
