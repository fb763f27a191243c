#include "transform/tokenizer_normalizer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/utf8.h"
#include "transform/tokenizer_samples.h"

namespace headrace {
namespace {

TextNormalizer nfc() {
  const auto config =
      parse_tokenizer_config(samples::byte_level(samples::kGpt2, R"({"type":"NFC"})"), "sample");
  EXPECT_TRUE(config) << config.error().text();
  auto out = TextNormalizer::build(*config);
  EXPECT_TRUE(out) << out.error().text();
  return *std::move(out);
}

// Whether normalizing leaves everything where it is.
bool stays(const TextNormalizer& normalizer, const std::string& text) {
  AlignedText before;
  before.assign(text, 0, text.size());
  AlignedText after = before;
  normalizer.apply(after, true, true);
  if (after.text != before.text) return false;
  for (size_t i = 0; i < before.spans.size(); ++i) {
    if (after.spans[i].begin != before.spans[i].begin) return false;
    if (after.spans[i].end != before.spans[i].end) return false;
  }
  return true;
}

TEST(SurelyNfc, KnowsTextsOfManyScripts) {
  for (const char* text :
       {"plain", "caf\u00e9 \u2019s \u2014", "\u0939\u093f\u0928\u094d\u0926\u0940",
        "\u0627\u0644\u0639\u064e\u0631\u0628\u0650\u064a\u0629", "ti\u1ebfng Vi\u1ec7t",
        "\ud55c\uad6d\uc5b4", "\u0e44\u0e17\u0e22", "x\u0301y", "\u05e9\u05b8\u05dc", "\U0001F600",
        "\u0410\u0301", "\u0915\u094d\u0937"}) {
    EXPECT_TRUE(is_surely_nfc(text)) << text;
  }
  for (const char* text : {"e\u0301", "\u2126", "\u1100\u1161", "\uac00\u11a8", "a\u0301\u0323",
                           "\u00e9\u0323", "\u0344", "\U0001d15e", "\u0958", "\ufb1d"}) {
    EXPECT_FALSE(is_surely_nfc(text)) << text;
  }
}

TEST(SurelyNfc, IsNeverWrong) {
  const TextNormalizer normalizer = nfc();
  constexpr char32_t kPicked[] = {
      'a',   'e',    ' ',    '\n',   0xE9,   0x1EB9, 0x300,  0x301,  0x323,  0x327,   0x345,
      0x344, 0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01, 0x915,  0x93C,  0x94D,  0x958,   0x9C7,
      0x9BE, 0xDDD,  0xDCF,  0x1B05, 0x1B35, 0x302E, 0x3099, 0x304B, 0x2126, 0x1D15E, 0x1D165,
      0x5D0, 0x5B8,  0x5BC,  0x64B,  0x651,  0xFB1D, 0x4E2D, 0xF900, 0xE000, 0x11131, 0x11127};
  std::mt19937 random(1);
  size_t sure = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = round % 3 == 0 ? std::string(random() % 40, 'x') : "";
    const size_t size = 1 + random() % 6;
    for (size_t i = 0; i < size; ++i) {
      const char32_t c = random() % 4 == 0 ? static_cast<char32_t>(random() % 0x30000)
                                           : kPicked[random() % std::size(kPicked)];
      append_code_point(c, text);
    }
    if (!is_surely_nfc(text)) continue;
    ++sure;
    ASSERT_TRUE(stays(normalizer, text)) << text;
  }
  EXPECT_GT(sure, 10'000u);
  // Every character alone, behind a letter, and before a mark.
  for (char32_t c = 0x80; c < 0x30000; ++c) {
    std::string text;
    append_code_point(c, text);
    for (const std::string& around : {text, "a" + text, text + "\u0301", "\u0939" + text + "b"}) {
      if (is_surely_nfc(around)) {
        ASSERT_TRUE(stays(normalizer, around)) << around << " U+" << std::hex << uint32_t{c};
      }
    }
  }
}

}  // namespace
}  // namespace headrace
