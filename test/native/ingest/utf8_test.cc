#include "native/ingest/utf8.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/guarded_bytes.h"
#include "test/support/request_reference.h"
#include "test/support/seeded_random.h"

namespace millrace::ingest {
namespace {

using support::GuardedBytes;
using support::ReferenceCharacters;
using support::SeededRandom;
using support::TestCount;

Utf8Scan Scan(const std::string& text) {
  return ScanUtf8(reinterpret_cast<const uint8_t*>(text.data()),
                  static_cast<uint32_t>(text.size()));
}

TEST(Utf8, CountsCharactersAndNotBytes) {
  EXPECT_EQ(Scan("").characters, 0u);
  EXPECT_EQ(Scan("key").characters, 3u);
  EXPECT_EQ(Scan("\xc3\xa9t\xc3\xa9").characters, 3u);
  EXPECT_EQ(Scan("\xe2\x82\xac").characters, 1u);
  EXPECT_EQ(Scan("\xf0\x9f\x92\xa7 water").characters, 7u);
  EXPECT_EQ(Scan(std::string(1, '\0')).characters, 1u);
}

TEST(Utf8, TakesTheEdgesOfEveryLength) {
  for (const char* text :
       {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    const Utf8Scan scan = Scan(text);
    EXPECT_EQ(scan.valid_bytes, std::string(text).size());
    EXPECT_EQ(scan.characters, 1u);
  }
}

struct Malformed {
  const char* what;
  const char* text;
};

TEST(Utf8, RefusesEveryClassOfMalformedText) {
  static constexpr Malformed kCases[] = {
      {"a continuation alone", "\x80"},
      {"the last continuation alone", "\xbf"},
      {"overlong slash", "\xc0\xaf"},
      {"overlong, c1", "\xc1\xbf"},
      {"overlong in three bytes", "\xe0\x9f\xbf"},
      {"overlong in four bytes", "\xf0\x8f\xbf\xbf"},
      {"the first surrogate", "\xed\xa0\x80"},
      {"the last surrogate", "\xed\xbf\xbf"},
      {"a surrogate pair (CESU-8)", "\xed\xa0\xbd\xed\xb2\xa7"},
      {"above U+10FFFF", "\xf4\x90\x80\x80"},
      {"a first byte that does not exist", "\xf5\x80\x80\x80"},
      {"five bytes", "\xf8\x88\x80\x80\x80"},
      {"six bytes", "\xfc\x84\x80\x80\x80\x80"},
      {"fe", "\xfe"},
      {"ff", "\xff"},
      {"two bytes cut short", "\xc3"},
      {"three bytes cut short", "\xe2\x82"},
      {"four bytes cut short", "\xf0\x9f\x92"},
      {"a first byte before ASCII", "\xc3z"},
      {"the third byte is ASCII", "\xe2\x82z"},
      {"the fourth byte is a first byte", "\xf0\x9f\x92\xc3"},
      {"UTF-16", "\xff\xfek"},
      {"Latin-1", "\xe9t\xe9"},
  };
  for (const Malformed& malformed : kCases) {
    const std::string before = "0123456789";
    for (const std::string after : {"", "01234567"}) {
      std::string text = before;
      text.append(malformed.text).append(after);
      const Utf8Scan scan = Scan(text);
      EXPECT_EQ(scan.valid_bytes, before.size()) << malformed.what;
      EXPECT_EQ(scan.characters, before.size()) << malformed.what;
    }
  }
}

void ExpectAsReference(const std::vector<uint8_t>& text) {
  const Utf8Scan scan = ScanUtf8(text.data(), static_cast<uint32_t>(text.size()));
  const int64_t characters = ReferenceCharacters(text);
  ASSERT_EQ(scan.valid_bytes == text.size(), characters >= 0);
  if (characters >= 0) {
    ASSERT_EQ(scan.characters, static_cast<uint32_t>(characters));
  }
}

TEST(Utf8, AgreesWithTheReferenceOnEverySequenceOfThreeBytes) {
  std::vector<uint8_t> text(3);
  for (uint32_t bits = 0; bits < 1u << 24; ++bits) {
    text[0] = static_cast<uint8_t>(bits >> 16);
    text[1] = static_cast<uint8_t>(bits >> 8);
    text[2] = static_cast<uint8_t>(bits);
    ASSERT_NO_FATAL_FAILURE(ExpectAsReference(text)) << bits;
  }
}

TEST(Utf8, AgreesWithTheReferenceOnSequencesOfFourBytes) {
  static constexpr uint8_t kEdges[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
  for (uint32_t first = 0xe0; first <= 0xff; ++first) {
    for (uint32_t second = 0; second <= 0xff; ++second) {
      for (const uint8_t third : kEdges) {
        for (const uint8_t fourth : kEdges) {
          ASSERT_NO_FATAL_FAILURE(ExpectAsReference(
              {static_cast<uint8_t>(first), static_cast<uint8_t>(second), third, fourth}));
        }
      }
    }
  }
}

TEST(Utf8, AgreesWithTheReferenceOnRandomText) {
  SeededRandom random;
  GuardedBytes guarded(256);
  static const std::string kParts[] = {"abcdefgh", "k", "\xc3\xa9", "\xe2\x82\xac",
                                       "\xf0\x9f\x92\xa7"};
  const uint64_t count = TestCount(20'000);
  for (uint64_t i = 0; i < count; ++i) {
    std::vector<uint8_t> text;
    for (uint32_t part = random.Below(12); part > 0; --part) {
      const std::string& chosen = kParts[random.Below(5)];
      text.insert(text.end(), chosen.begin(), chosen.end());
    }
    if (!text.empty() && random.OneIn(2)) {
      text[random.Below(static_cast<uint32_t>(text.size()))] = random.Byte();
    }
    const Utf8Scan scan = ScanUtf8(guarded.Put(text), static_cast<uint32_t>(text.size()));
    const int64_t characters = ReferenceCharacters(text);
    ASSERT_EQ(scan.valid_bytes == text.size(), characters >= 0) << "seed " << random.seed();
    ASSERT_TRUE(characters < 0 || scan.characters == characters) << "seed " << random.seed();
  }
}

TEST(Utf8, FindsAByteThatIsNotAsciiAtEveryPlace) {
  GuardedBytes guarded(300);
  for (uint32_t bytes = 0; bytes <= 80; ++bytes) {
    std::vector<uint8_t> text(bytes, 0x7f);
    EXPECT_TRUE(IsAscii(guarded.Put(text), bytes));
    for (uint32_t place = 0; place < bytes; ++place) {
      text[place] = 0x80;
      EXPECT_FALSE(IsAscii(guarded.Put(text), bytes)) << place << " of " << bytes;
      text[place] = 0x7f;
    }
  }
}

TEST(Utf8, TheWindowJudgesTheTextAndNothingBehindIt) {
  for (uint32_t bytes = 0; bytes <= kAsciiWindowBytes; ++bytes) {
    std::vector<uint8_t> text(kAsciiWindowBytes, 0xff);
    std::fill_n(text.begin(), bytes, static_cast<uint8_t>(0x7f));
    EXPECT_TRUE(IsAsciiInWindow(text.data(), bytes));
    for (uint32_t place = 0; place < bytes; ++place) {
      text[place] = 0x80;
      EXPECT_FALSE(IsAsciiInWindow(text.data(), bytes)) << place << " of " << bytes;
      text[place] = 0x7f;
    }
  }
}

}  // namespace
}  // namespace millrace::ingest
