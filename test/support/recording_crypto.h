// The crypto of the process, with a memory: every key and nonce that anything was encrypted with,
// over all logs that were ever opened with it. What a crash takes from the disk stays in here.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "native/base/crypto.h"

namespace millrace::support {

class RecordingCrypto final : public base::Crypto {
 public:
  bool Random(uint8_t* to, size_t bytes) override {
    return base::SystemCrypto()->Random(to, bytes);
  }

  bool Derive(base::ByteSpan key, base::ByteSpan salt, base::ByteSpan info, uint8_t* to,
              size_t bytes) override {
    return base::SystemCrypto()->Derive(key, salt, info, to, bytes);
  }

  std::unique_ptr<base::Aead> MakeAead(const uint8_t* key) override {
    return std::make_unique<RecordingAead>(this, key);
  }

  // Batches that were encrypted, whatever has become of them.
  size_t sealed_count() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return sealed_count_;
  }

  // Different pairs of a key and a nonce among them.
  size_t pair_count() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return pairs_.size();
  }

 private:
  class RecordingAead final : public base::Aead {
   public:
    RecordingAead(RecordingCrypto* crypto, const uint8_t* key)
        : crypto_(crypto),
          key_(reinterpret_cast<const char*>(key), base::kAeadKeyBytes),
          inner_(base::SystemCrypto()->MakeAead(key)) {}

    base::AeadVerdict Seal(const uint8_t* nonce, base::ByteSpan associated,
                           const base::ByteSpan* pieces, size_t piece_count, uint8_t* to,
                           uint8_t* tag) override {
      crypto_->Record(key_ +
                      std::string(reinterpret_cast<const char*>(nonce), base::kAeadNonceBytes));
      return inner_->Seal(nonce, associated, pieces, piece_count, to, tag);
    }

    base::AeadVerdict Open(const uint8_t* nonce, base::ByteSpan associated, base::ByteSpan sealed,
                           const uint8_t* tag, uint8_t* to) override {
      return inner_->Open(nonce, associated, sealed, tag, to);
    }

   private:
    RecordingCrypto* const crypto_;
    const std::string key_;
    const std::unique_ptr<base::Aead> inner_;
  };

  void Record(std::string pair) {
    const std::lock_guard<std::mutex> lock(mutex_);
    sealed_count_ += 1;
    pairs_.insert(std::move(pair));
  }

  mutable std::mutex mutex_;
  size_t sealed_count_ = 0;      // under mutex_
  std::set<std::string> pairs_;  // under mutex_
};

}  // namespace millrace::support
