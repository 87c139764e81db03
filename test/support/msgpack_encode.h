// Encodes MessagePack for tests, in any length encoding that can hold the length, also one that is
// longer than needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::support {

using Bytes = std::vector<uint8_t>;

// The bytes of a length field: 0 = within the type byte.
enum class Width : uint8_t { kFix = 0, k8 = 1, k16 = 2, k32 = 4 };

inline void AppendBig(Bytes* out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<uint8_t>(value >> shift));
  }
}

inline void AppendBytes(Bytes* out, const Bytes& bytes) {
  out->insert(out->end(), bytes.begin(), bytes.end());
}

inline void AppendArrayHeader(Bytes* out, uint32_t count, Width width = Width::kFix) {
  if (width == Width::kFix) {
    out->push_back(static_cast<uint8_t>(0x90 | count));
    return;
  }
  out->push_back(width == Width::k16 ? 0xdc : 0xdd);
  AppendBig(out, count, static_cast<int>(width));
}

inline uint8_t SizedType(uint8_t first, Width width) {
  return static_cast<uint8_t>(first + (width == Width::k8 ? 0 : width == Width::k16 ? 1 : 2));
}

inline void AppendStr(Bytes* out, const std::string& text, Width width) {
  if (width == Width::kFix) {
    out->push_back(static_cast<uint8_t>(0xa0 | text.size()));
  } else {
    out->push_back(SizedType(0xd9, width));
    AppendBig(out, text.size(), static_cast<int>(width));
  }
  out->insert(out->end(), text.begin(), text.end());
}

inline void AppendBin(Bytes* out, const Bytes& data, Width width) {
  out->push_back(SizedType(0xc4, width));
  AppendBig(out, data.size(), static_cast<int>(width));
  AppendBytes(out, data);
}

// The shortest encodings.
inline Width StrWidth(size_t bytes) {
  return bytes < 32      ? Width::kFix
         : bytes < 256   ? Width::k8
         : bytes < 65536 ? Width::k16
                         : Width::k32;
}

inline Width BinWidth(size_t bytes) {
  return bytes < 256 ? Width::k8 : bytes < 65536 ? Width::k16 : Width::k32;
}

inline Width ArrayWidth(size_t count) {
  return count < 16 ? Width::kFix : count < 65536 ? Width::k16 : Width::k32;
}

inline Bytes MakeRecord(const std::string& key, const Bytes& data) {
  Bytes out;
  AppendArrayHeader(&out, 2);
  AppendStr(&out, key, StrWidth(key.size()));
  AppendBin(&out, data, BinWidth(data.size()));
  return out;
}

inline Bytes Concatenate(const std::vector<Bytes>& parts) {
  Bytes out;
  for (const Bytes& part : parts) {
    AppendBytes(&out, part);
  }
  return out;
}

using HashKeyBytes = std::optional<Bytes>;  // nullopt = nil

inline Bytes HashKeyArray(const std::vector<HashKeyBytes>& keys) {
  Bytes out;
  AppendArrayHeader(&out, static_cast<uint32_t>(keys.size()), ArrayWidth(keys.size()));
  for (const HashKeyBytes& key : keys) {
    if (key.has_value()) {
      AppendBin(&out, *key, Width::k8);
    } else {
      out.push_back(0xc0);
    }
  }
  return out;
}

inline Bytes RecordArray(const std::vector<Bytes>& records) {
  Bytes out;
  AppendArrayHeader(&out, static_cast<uint32_t>(records.size()), ArrayWidth(records.size()));
  AppendBytes(&out, Concatenate(records));
  return out;
}

inline const Bytes kNilByte = {0xc0};
inline const Bytes kNoProducer = {0x00, 0x00};

// A whole request of an ordinary producer.
inline Bytes MakeRequest(const std::vector<Bytes>& records) {
  return Concatenate({RecordArray(records), kNilByte, kNoProducer});
}

inline Bytes MakeRequest(const std::vector<Bytes>& records, const std::vector<HashKeyBytes>& keys) {
  return Concatenate({RecordArray(records), HashKeyArray(keys), kNoProducer});
}

}  // namespace millrace::support
