// Loads and stores at unaligned places, in both byte orders.
#include "native/base/bytes.h"

#include <array>
#include <cstdint>

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

constexpr size_t kPlaces = 9;  // every alignment, and back to the first

using Bytes = std::array<uint8_t, kPlaces + 8 + 1>;

// Stores through `store` at every alignment: reads back the same through `load`, has the wanted
// bytes, and touches nothing around them.
template <typename Value, typename Store, typename Load>
void CheckEveryPlace(Value value, const std::array<uint8_t, sizeof(Value)>& wanted, Store store,
                     Load load) {
  for (size_t place = 1; place <= kPlaces; ++place) {
    Bytes bytes;
    bytes.fill(0xee);
    store(bytes.data() + place, value);
    EXPECT_EQ(load(bytes.data() + place), value);
    for (size_t i = 0; i < bytes.size(); ++i) {
      const bool inside = i >= place && i < place + sizeof(Value);
      EXPECT_EQ(bytes[i], inside ? wanted[i - place] : 0xee) << place << " " << i;
    }
  }
}

TEST(Bytes, BigEndianIsTheOrderOfMessagePack) {
  CheckEveryPlace<uint16_t>(0x0102, {1, 2}, StoreBig16, LoadBig16);
  CheckEveryPlace<uint32_t>(0x01020384, {1, 2, 3, 0x84}, StoreBig32, LoadBig32);
  CheckEveryPlace<uint64_t>(0xf102030405060788, {0xf1, 2, 3, 4, 5, 6, 7, 0x88}, StoreBig64,
                            LoadBig64);
}

TEST(Bytes, LittleEndianIsTheOrderOfOurOwnFiles) {
  CheckEveryPlace<uint32_t>(0x81020304, {4, 3, 2, 0x81}, StoreLittle32, LoadLittle32);
  CheckEveryPlace<uint64_t>(0xf102030405060788, {0x88, 7, 6, 5, 4, 3, 2, 0xf1}, StoreLittle64,
                            LoadLittle64);
}

TEST(Bytes, ALittleEndian16IsLoadedLowByteFirst) {
  const uint8_t bytes[] = {0xff, 0x34, 0x92, 0xff};
  EXPECT_EQ(LoadLittle16(bytes + 1), 0x9234);
}

TEST(Bytes, ExtremesSurvive) {
  uint8_t bytes[8];
  for (const uint64_t value : {uint64_t{0}, UINT64_MAX, uint64_t{1} << 63, uint64_t{1}}) {
    StoreBig64(bytes, value);
    EXPECT_EQ(LoadBig64(bytes), value);
    StoreLittle64(bytes, value);
    EXPECT_EQ(LoadLittle64(bytes), value);
  }
}

}  // namespace
}  // namespace millrace::base
