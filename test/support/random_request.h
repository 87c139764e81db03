// Random requests, valid and damaged, for the tests that compare with the reference.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "test/support/msgpack_encode.h"
#include "test/support/seeded_random.h"

namespace millrace::support {

inline Width RandomWidth(SeededRandom* random, Width shortest) {
  static constexpr Width kWidths[] = {Width::kFix, Width::k8, Width::k16, Width::k32};
  if (!random->OneIn(4)) {
    return shortest;
  }
  const Width width = kWidths[random->Below(4)];
  return width < shortest ? shortest : width;
}

inline std::string RandomKey(SeededRandom* random) {
  static const std::string kCharacters[] = {"a", "7", "\xc3\xa9", "\xe2\x82\xac",
                                            "\xf0\x9f\x92\xa7"};
  const uint32_t kind = random->Below(8);
  const uint32_t characters = random->OneIn(40)  ? 250 + random->Below(10)
                              : random->OneIn(6) ? 20 + random->Below(60)
                                                 : 1 + random->Below(12);
  std::string key;
  for (uint32_t i = 0; i < characters; ++i) {
    key += kCharacters[kind < 5 ? i % 2 : random->Below(5)];
  }
  return key;
}

inline Bytes RandomData(SeededRandom* random) {
  Bytes data(random->OneIn(20) ? random->Below(700) : random->Below(60));
  for (uint8_t& byte : data) {
    byte = random->Byte();
  }
  return data;
}

inline Bytes RandomRecord(SeededRandom* random) {
  const std::string key = RandomKey(random);
  const Bytes data = RandomData(random);
  Width pair = RandomWidth(random, Width::kFix);
  pair = pair == Width::k8 ? Width::k16 : pair;
  Bytes out;
  AppendArrayHeader(&out, 2, pair);
  if (random->OneIn(12)) {
    out.push_back(0xc0);
  } else {
    AppendStr(&out, key, RandomWidth(random, StrWidth(key.size())));
  }
  AppendBin(&out, data, RandomWidth(random, BinWidth(data.size())));
  return out;
}

inline Bytes RandomHashKeys(SeededRandom* random, size_t count) {
  if (random->OneIn(2)) {
    return kNilByte;
  }
  std::vector<HashKeyBytes> keys(count);
  for (HashKeyBytes& key : keys) {
    if (!random->OneIn(3)) {
      key = Bytes(16, random->OneIn(3) ? 0xff : 0x00);
      std::generate(key->begin() + random->Below(16), key->end(), [&] { return random->Byte(); });
    }
  }
  return HashKeyArray(keys);
}

inline Bytes RandomUnsigned(SeededRandom* random, int widest) {
  static constexpr uint8_t kTypes[] = {0xcc, 0xcd, 0xce, 0xcf};
  const uint32_t choice = random->Below(static_cast<uint32_t>(widest) + 2);
  if (choice == 0) {
    return {static_cast<uint8_t>(random->Below(128))};
  }
  const bool is_signed = random->OneIn(4);
  Bytes out = {static_cast<uint8_t>(kTypes[choice - 1] + (is_signed ? 4 : 0))};
  const int bits = 8 << (choice - 1);
  const uint64_t value = random->Any() >> (64 - bits) >> (is_signed ? 1 : 0);
  AppendBig(&out, value, bits / 8);
  return out;
}

inline Bytes RandomRequest(SeededRandom* random) {
  std::vector<Bytes> records(1 + random->Below(random->OneIn(5) ? 40 : 6));
  for (Bytes& record : records) {
    record = RandomRecord(random);
  }
  return Concatenate({RecordArray(records), RandomHashKeys(random, records.size()),
                      RandomUnsigned(random, 3), RandomUnsigned(random, 2)});
}

// One change to any bytes: flipped, overwritten with a type byte, taken out, put in, or cut.
inline void Damage(SeededRandom* random, Bytes* bytes) {
  static constexpr uint8_t kTypes[] = {0x00, 0x7f, 0x80, 0x81, 0x90, 0x91, 0x92, 0x93, 0xa0,
                                       0xa1, 0xbf, 0xc0, 0xc1, 0xc2, 0xc4, 0xc5, 0xc6, 0xc7,
                                       0xca, 0xcb, 0xcc, 0xcf, 0xd0, 0xd3, 0xd4, 0xd9, 0xda,
                                       0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xed, 0xf4, 0xff};
  if (bytes->empty()) {
    return;
  }
  const uint32_t place = random->Below(static_cast<uint32_t>(bytes->size()));
  const auto at = bytes->begin() + place;
  switch (random->Below(5)) {
    case 0:
      *at = static_cast<uint8_t>(*at ^ (1u << random->Below(8)));
      break;
    case 1:
      *at = kTypes[random->Below(sizeof kTypes)];
      break;
    case 2:
      bytes->erase(at);
      break;
    case 3:
      bytes->insert(at, kTypes[random->Below(sizeof kTypes)]);
      break;
    default:
      bytes->resize(place);
      break;
  }
}

}  // namespace millrace::support
