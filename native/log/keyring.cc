#include "native/log/keyring.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "native/base/bytes.h"

namespace millrace::log {

using base::ByteSpan;
using base::Code;
using base::Format;
using base::Status;

namespace {

using ull = unsigned long long;

// Each open of the log has a salt, and a data key to be derived: more than a reader of old records
// meets in a while, and not much memory.
constexpr size_t kOpeningMax = 256;

template <size_t kBytes>
ByteSpan SpanOf(const char (&text)[kBytes]) {
  return {reinterpret_cast<const uint8_t*>(text), kBytes - 1};
}

Status Unavailable() {
  return Status(Code::kEncryptionUnavailable,
                "this process has no OpenSSL 3 (AES-256-GCM, HKDF): encrypted streams can neither "
                "be written nor read; run on a Node.js that exports it");
}

bool IsKeyId(const std::string& id) {
  return !id.empty() && id.size() <= format::kKeyIdBytesMax &&
         std::all_of(id.begin(), id.end(), [](char it) {
           return (it >= '0' && it <= '9') || (it >= 'A' && it <= 'Z') ||
                  (it >= 'a' && it <= 'z') || it == '.' || it == '_' || it == '-';
         });
}

}  // namespace

MasterKey::MasterKey(std::string id, const uint8_t* bytes) : id_(std::move(id)) {
  std::memcpy(bytes_, bytes, sizeof bytes_);
}

const uint8_t* SealingKey::salt() const {
  return keyring_->salt_;
}

uint64_t SealingKey::TakeCounter() const {
  return keyring_->counter_.fetch_add(1, std::memory_order_relaxed);
}

Status Keyring::DrawSaltLocked() {
  if (crypto_ == nullptr) {
    return Unavailable();
  }
  if (!has_salt_ && !crypto_->Random(salt_, sizeof salt_)) {
    return Status(Code::kEncryptionUnavailable,
                  "OpenSSL has no random bytes, without which nothing can be encrypted");
  }
  has_salt_ = true;
  return Status();
}

Status Keyring::SetKeys(const std::vector<MasterKey>& keys, std::vector<uint64_t>* checks) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Status status = DrawSaltLocked();
  std::map<std::string, Held> held;
  checks->clear();
  for (size_t at = 0; status.ok() && at < keys.size(); ++at) {
    const MasterKey& key = keys[at];
    if (!IsKeyId(key.id())) {
      return Status(Code::kInvalidArgument,
                    Format("an id of a key has 1 to %zu letters, digits, '.', '_' and '-'",
                           format::kKeyIdBytesMax));
    }
    uint8_t check[sizeof(uint64_t)];
    if (!crypto_->Derive(key.bytes(), {nullptr, 0}, SpanOf(format::kKeyCheckInfo), check,
                         sizeof check)) {
      return Status(Code::kEncryptionUnavailable, "OpenSSL does not derive keys (HKDF-SHA256)");
    }
    checks->push_back(base::LoadBig64(check));
    if (!held.emplace(key.id(), Held{key, checks->back(), nullptr, {}}).second) {
      return Status(Code::kInvalidArgument,
                    Format("there are two keys with the id %s", key.id().c_str()));
    }
  }
  if (status.ok()) {
    keys_.swap(held);
  }
  return status;
}

Status Keyring::FindLocked(const KeyName& name, Held** held) {
  Status status = DrawSaltLocked();
  if (!status.ok()) {
    return status;
  }
  const auto found = keys_.find(name.id);
  if (found == keys_.end()) {
    return Status(Code::kKeyNotFound,
                  Format("key %s is not in the key file; put it back into the file that keyFile "
                         "(--key-file) names: nothing is lost meanwhile",
                         name.id.c_str()));
  }
  if (found->second.check != name.check) {
    return Status(Code::kKeyMismatch,
                  Format("key %s of the key file is another one than that of the records (check "
                         "%016llx, wanted %016llx); put the one back that had this id (keyFile, "
                         "--key-file): nothing is lost meanwhile",
                         name.id.c_str(), static_cast<ull>(found->second.check),
                         static_cast<ull>(name.check)));
  }
  *held = &found->second;
  return status;
}

Status Keyring::OpeningLocked(Held* held, const uint8_t* salt, std::shared_ptr<base::Aead>* aead) {
  const std::string name(reinterpret_cast<const char*>(salt), format::kSealedSaltBytes);
  const auto found = held->opening.find(name);
  if (found != held->opening.end()) {
    *aead = found->second;
    return Status();
  }
  uint8_t key[base::kAeadKeyBytes];
  if (crypto_->Derive(held->key.bytes(), {salt, format::kSealedSaltBytes},
                      SpanOf(format::kDataKeyInfo), key, sizeof key)) {
    *aead = crypto_->MakeAead(key);
  }
  base::Wipe(key, sizeof key);
  if (*aead == nullptr) {
    return Status(Code::kEncryptionUnavailable, "OpenSSL does not set up AES-256-GCM");
  }
  if (held->opening.size() >= kOpeningMax) {
    held->opening.clear();
  }
  held->opening[name] = *aead;
  return Status();
}

Status Keyring::FindSealing(const KeyName& name, std::shared_ptr<const SealingKey>* key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Held* held = nullptr;
  Status status = FindLocked(name, &held);
  if (status.ok() && held->sealing == nullptr) {
    std::shared_ptr<base::Aead> aead;
    status = OpeningLocked(held, salt_, &aead);
    if (status.ok()) {
      held->sealing = std::make_shared<const SealingKey>(this, name, std::move(aead));
    }
  }
  if (status.ok()) {
    *key = held->sealing;
  }
  return status;
}

Status Keyring::FindOpening(const KeyName& name, const uint8_t* salt,
                            std::shared_ptr<base::Aead>* aead) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Held* held = nullptr;
  Status status = FindLocked(name, &held);
  return status.ok() ? OpeningLocked(held, salt, aead) : status;
}

}  // namespace millrace::log
