// base/crypto.h over the EVP functions of OpenSSL 3. They are found by name at run time: the
// headers need not be there to build this, and the process has one OpenSSL, not two.
#include <dlfcn.h>

#include <mutex>
#include <utility>
#include <vector>

#include "native/base/crypto.h"

namespace millrace::base {

namespace {

// As in the headers of OpenSSL, whose interface keeps them.
constexpr int kGetTag = 0x10;
constexpr int kSetTag = 0x11;
constexpr int kHkdf = 1036;

struct CipherContext;  // EVP_CIPHER_CTX
struct CipherKind;     // EVP_CIPHER
struct DigestKind;     // EVP_MD
struct KeyContext;     // EVP_PKEY_CTX
struct Engine;

struct Functions {
  const CipherKind* (*EVP_aes_256_gcm)();
  CipherContext* (*EVP_CIPHER_CTX_new)();
  void (*EVP_CIPHER_CTX_free)(CipherContext*);
  int (*EVP_CIPHER_CTX_ctrl)(CipherContext*, int, int, void*);
  int (*EVP_EncryptInit_ex)(CipherContext*, const CipherKind*, Engine*, const uint8_t*,
                            const uint8_t*);
  int (*EVP_EncryptUpdate)(CipherContext*, uint8_t*, int*, const uint8_t*, int);
  int (*EVP_EncryptFinal_ex)(CipherContext*, uint8_t*, int*);
  int (*EVP_DecryptInit_ex)(CipherContext*, const CipherKind*, Engine*, const uint8_t*,
                            const uint8_t*);
  int (*EVP_DecryptUpdate)(CipherContext*, uint8_t*, int*, const uint8_t*, int);
  int (*EVP_DecryptFinal_ex)(CipherContext*, uint8_t*, int*);
  const DigestKind* (*EVP_sha256)();
  KeyContext* (*EVP_PKEY_CTX_new_id)(int, Engine*);
  void (*EVP_PKEY_CTX_free)(KeyContext*);
  int (*EVP_PKEY_derive_init)(KeyContext*);
  int (*EVP_PKEY_CTX_set_hkdf_md)(KeyContext*, const DigestKind*);
  int (*EVP_PKEY_CTX_set1_hkdf_salt)(KeyContext*, const uint8_t*, int);
  int (*EVP_PKEY_CTX_set1_hkdf_key)(KeyContext*, const uint8_t*, int);
  int (*EVP_PKEY_CTX_add1_hkdf_info)(KeyContext*, const uint8_t*, int);
  int (*EVP_PKEY_derive)(KeyContext*, uint8_t*, size_t*);
  int (*RAND_bytes)(uint8_t*, int);
  void (*ERR_clear_error)();
};

template <typename Function>
bool Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

bool FindAll(void* library, Functions* it) {
  return Find(library, "EVP_aes_256_gcm", &it->EVP_aes_256_gcm) &&
         Find(library, "EVP_CIPHER_CTX_new", &it->EVP_CIPHER_CTX_new) &&
         Find(library, "EVP_CIPHER_CTX_free", &it->EVP_CIPHER_CTX_free) &&
         Find(library, "EVP_CIPHER_CTX_ctrl", &it->EVP_CIPHER_CTX_ctrl) &&
         Find(library, "EVP_EncryptInit_ex", &it->EVP_EncryptInit_ex) &&
         Find(library, "EVP_EncryptUpdate", &it->EVP_EncryptUpdate) &&
         Find(library, "EVP_EncryptFinal_ex", &it->EVP_EncryptFinal_ex) &&
         Find(library, "EVP_DecryptInit_ex", &it->EVP_DecryptInit_ex) &&
         Find(library, "EVP_DecryptUpdate", &it->EVP_DecryptUpdate) &&
         Find(library, "EVP_DecryptFinal_ex", &it->EVP_DecryptFinal_ex) &&
         Find(library, "EVP_sha256", &it->EVP_sha256) &&
         Find(library, "EVP_PKEY_CTX_new_id", &it->EVP_PKEY_CTX_new_id) &&
         Find(library, "EVP_PKEY_CTX_free", &it->EVP_PKEY_CTX_free) &&
         Find(library, "EVP_PKEY_derive_init", &it->EVP_PKEY_derive_init) &&
         Find(library, "EVP_PKEY_CTX_set_hkdf_md", &it->EVP_PKEY_CTX_set_hkdf_md) &&
         Find(library, "EVP_PKEY_CTX_set1_hkdf_salt", &it->EVP_PKEY_CTX_set1_hkdf_salt) &&
         Find(library, "EVP_PKEY_CTX_set1_hkdf_key", &it->EVP_PKEY_CTX_set1_hkdf_key) &&
         Find(library, "EVP_PKEY_CTX_add1_hkdf_info", &it->EVP_PKEY_CTX_add1_hkdf_info) &&
         Find(library, "EVP_PKEY_derive", &it->EVP_PKEY_derive) &&
         Find(library, "RAND_bytes", &it->RAND_bytes) &&
         Find(library, "ERR_clear_error", &it->ERR_clear_error);
}

// What failed leaves an error in the thread's queue, where others would take it for theirs.
template <typename Answer>
Answer Failed(const Functions& functions, Answer answer) {
  functions.ERR_clear_error();
  return answer;
}

// Contexts that have the key already, for whoever comes next: to set one up takes longer than to
// encrypt a small batch. There are never more than threads that were at it at once.
class ContextPool {
 public:
  explicit ContextPool(const Functions* functions) : functions_(functions) {}

  ~ContextPool() {
    for (CipherContext* const context : free_) {
      functions_->EVP_CIPHER_CTX_free(context);
    }
  }

  ContextPool(const ContextPool&) = delete;
  ContextPool& operator=(const ContextPool&) = delete;

  // Null when there is none.
  CipherContext* Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) {
      return nullptr;
    }
    CipherContext* const context = free_.back();
    free_.pop_back();
    return context;
  }

  void Return(CipherContext* context) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(context);
  }

 private:
  const Functions* const functions_;
  std::mutex mutex_;                  // a leaf
  std::vector<CipherContext*> free_;  // under mutex_
};

class OpenSslAead : public Aead {
 public:
  OpenSslAead(const Functions* functions, const uint8_t* key)
      : functions_(*functions), sealing_(functions), opening_(functions) {
    for (size_t i = 0; i < kAeadKeyBytes; ++i) {
      key_[i] = key[i];
    }
  }

  ~OpenSslAead() override { Wipe(key_, sizeof key_); }

  OpenSslAead(const OpenSslAead&) = delete;
  OpenSslAead& operator=(const OpenSslAead&) = delete;

  AeadVerdict Seal(const uint8_t* nonce, ByteSpan associated, const ByteSpan* pieces,
                   size_t piece_count, uint8_t* to, uint8_t* tag) override {
    CipherContext* const context = Begin(&sealing_, functions_.EVP_EncryptInit_ex);
    if (context == nullptr) {
      return Failed(functions_, AeadVerdict::kFailed);
    }
    int bytes = 0;
    bool good = functions_.EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
                functions_.EVP_EncryptUpdate(context, nullptr, &bytes, associated.data,
                                             static_cast<int>(associated.bytes)) == 1;
    for (size_t i = 0; good && i < piece_count; ++i) {
      good = functions_.EVP_EncryptUpdate(context, to, &bytes, pieces[i].data,
                                          static_cast<int>(pieces[i].bytes)) == 1;
      to += pieces[i].bytes;
    }
    good =
        good && functions_.EVP_EncryptFinal_ex(context, to, &bytes) == 1 &&
        functions_.EVP_CIPHER_CTX_ctrl(context, kGetTag, static_cast<int>(kAeadTagBytes), tag) == 1;
    sealing_.Return(context);
    return good ? AeadVerdict::kOk : Failed(functions_, AeadVerdict::kFailed);
  }

  AeadVerdict Open(const uint8_t* nonce, ByteSpan associated, ByteSpan sealed, const uint8_t* tag,
                   uint8_t* to) override {
    CipherContext* const context = Begin(&opening_, functions_.EVP_DecryptInit_ex);
    if (context == nullptr) {
      return Failed(functions_, AeadVerdict::kFailed);
    }
    int bytes = 0;
    const bool begun =
        functions_.EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
        functions_.EVP_DecryptUpdate(context, nullptr, &bytes, associated.data,
                                     static_cast<int>(associated.bytes)) == 1 &&
        functions_.EVP_DecryptUpdate(context, to, &bytes, sealed.data,
                                     static_cast<int>(sealed.bytes)) == 1 &&
        functions_.EVP_CIPHER_CTX_ctrl(context, kSetTag, static_cast<int>(kAeadTagBytes),
                                       const_cast<uint8_t*>(tag)) == 1;
    const bool genuine =
        begun && functions_.EVP_DecryptFinal_ex(context, to + sealed.bytes, &bytes) == 1;
    opening_.Return(context);
    if (genuine) {
      return AeadVerdict::kOk;
    }
    return Failed(functions_, begun ? AeadVerdict::kForged : AeadVerdict::kFailed);
  }

 private:
  using Init = int (*)(CipherContext*, const CipherKind*, Engine*, const uint8_t*, const uint8_t*);

  CipherContext* Begin(ContextPool* pool, Init init) {
    CipherContext* const ready = pool->Take();
    if (ready != nullptr) {
      return ready;
    }
    CipherContext* const made = functions_.EVP_CIPHER_CTX_new();
    if (made == nullptr || init(made, functions_.EVP_aes_256_gcm(), nullptr, key_, nullptr) == 1) {
      return made;
    }
    functions_.EVP_CIPHER_CTX_free(made);
    return nullptr;
  }

  const Functions& functions_;
  ContextPool sealing_;
  ContextPool opening_;
  uint8_t key_[kAeadKeyBytes];
};

class OpenSslCrypto : public Crypto {
 public:
  explicit OpenSslCrypto(const Functions& functions) : functions_(functions) {}

  bool Random(uint8_t* to, size_t bytes) override {
    return functions_.RAND_bytes(to, static_cast<int>(bytes)) == 1 || Failed(functions_, false);
  }

  bool Derive(ByteSpan key, ByteSpan salt, ByteSpan info, uint8_t* to, size_t bytes) override {
    KeyContext* const context = functions_.EVP_PKEY_CTX_new_id(kHkdf, nullptr);
    size_t derived = bytes;
    const bool good =
        context != nullptr && functions_.EVP_PKEY_derive_init(context) == 1 &&
        functions_.EVP_PKEY_CTX_set_hkdf_md(context, functions_.EVP_sha256()) == 1 &&
        (salt.bytes == 0 || functions_.EVP_PKEY_CTX_set1_hkdf_salt(
                                context, salt.data, static_cast<int>(salt.bytes)) == 1) &&
        functions_.EVP_PKEY_CTX_set1_hkdf_key(context, key.data, static_cast<int>(key.bytes)) ==
            1 &&
        (info.bytes == 0 || functions_.EVP_PKEY_CTX_add1_hkdf_info(
                                context, info.data, static_cast<int>(info.bytes)) == 1) &&
        functions_.EVP_PKEY_derive(context, to, &derived) == 1 && derived == bytes;
    functions_.EVP_PKEY_CTX_free(context);
    return good || Failed(functions_, false);
  }

  std::unique_ptr<Aead> MakeAead(const uint8_t* key) override {
    return std::make_unique<OpenSslAead>(&functions_, key);
  }

 private:
  const Functions functions_;
};

// Where the process exports some OpenSSL, that one or none: a second one beside it would share
// symbols with it.
Crypto* FindCrypto() {
  void* library = RTLD_DEFAULT;
  if (dlsym(RTLD_DEFAULT, "EVP_EncryptUpdate") == nullptr) {
    library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      library = dlopen("libcrypto.3.dylib", RTLD_NOW | RTLD_LOCAL);
    }
    if (library == nullptr) {
      return nullptr;
    }
  }
  Functions functions{};
  return FindAll(library, &functions) ? new OpenSslCrypto(functions) : nullptr;
}

}  // namespace

Crypto* SystemCrypto() {
  static Crypto* const crypto = FindCrypto();
  return crypto;
}

void Wipe(void* data, size_t bytes) {
  volatile uint8_t* const at = static_cast<uint8_t*>(data);
  for (size_t i = 0; i < bytes; ++i) {
    at[i] = 0;
  }
}

}  // namespace millrace::base
