// First byte even: the rest is a tokenizer.json for the reader. Odd: the rest is a text, which the
// fast paths and the general path of each kind of tokenizer, and of one whose settings its first
// bytes choose, must split alike, with offsets inside
// the text; what is decoded again must be valid UTF-8.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "transform/tokenizer.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_general.h"
#include "transform/tokenizer_samples.h"
#include "transform/wordpiece.h"

namespace headrace {
namespace {

// Matches in normalized text only, so that every text takes the general path; never in the corpus.
constexpr const char* kNeverThere = "qjxqzzjvqx";

TokenizerConfig config(bool lowercase, bool general) {
  TokenizerConfig out;
  out.path = "fuzz";
  int32_t id = 0;
  for (const char* token :
       {"[UNK]",      "[MASK]",       "the",      "##s",        "a", "##b", "e",    "##e",
        "1",          "##1",          ".",        "!",          "'", "caf", "##fe", "\xC3\xA9",
        "##\xC3\xA9", "\xE4\xB8\xAD", "\xCC\x81", "##\xCC\x81", "-"}) {
    out.vocabulary.push_back({token, id++});
  }
  out.unknown_token = "[UNK]";
  out.continuing_prefix = "##";
  NormalizerStep bert;
  bert.kind = NormalizerStep::Kind::bert;
  bert.bert = {true, true, lowercase, lowercase};
  out.normalizers.push_back(bert);
  PreTokenizerStep split;
  split.kind = PreTokenizerStep::Kind::bert;
  out.pre_tokenizers.push_back(split);
  out.added_tokens.push_back({.content = "[MASK]", .id = 1, .special = true});
  if (general) out.added_tokens.push_back({.content = kNeverThere, .id = id, .normalized = true});
  return out;
}

std::shared_ptr<const Tokenizer> build(bool lowercase, bool general) {
  auto tokenizer = WordPieceTokenizer::build(config(lowercase, general));
  HR_CHECK(tokenizer.has_value(), "the vocabulary above is well-formed");
  return *tokenizer;
}

void check_text(std::string_view text, const Tokenizer& fast, const Tokenizer& general) {
  Encoding a;
  Encoding b;
  fast.encode(text, a);
  general.encode(text, b);
  for (const int32_t id : b.ids) {
    if (id == 21) return;  // the pattern was there after all
  }
  HR_CHECK(a.ids == b.ids, "the fast path gives the same ids");
  HR_CHECK(a.begins == b.begins && a.ends == b.ends, "the fast path gives the same offsets");
  for (size_t i = 0; i < a.ids.size(); ++i) {
    HR_CHECK(a.begins[i] < a.ends[i] && a.ends[i] <= text.size(), "offsets lie in the text");
  }
  std::vector<int32_t> ids;
  HR_CHECK(fast.encode_ids(text, 7, ids) == a.ids.size(), "all tokens are counted");
  offsets_to_code_points(text, a.begins, a.ends);
  const size_t points = count_code_points(text);
  for (const uint32_t end : a.ends) HR_CHECK(end <= points, "code points lie in the text");
}

struct General {
  std::shared_ptr<const Tokenizer> tokenizer;
  TextPipeline pipeline;
  AddedTokens added;
};

// Nothing: it is refused.
std::optional<General> build_one(const std::string& json) {
  auto config = parse_tokenizer_config(json, "fuzz");
  if (!config) {
    HR_CHECK(config.error().code() == ErrorCode::unsupported, "the samples are well-formed");
    return std::nullopt;
  }
  auto pipeline = TextPipeline::build(*config);
  auto added = raw_added_tokens(*config);
  HR_CHECK(pipeline.has_value() && added.has_value(), "the samples are supported");
  auto tokenizer = GeneralTokenizer::build(*std::move(config));
  HR_CHECK(tokenizer.has_value(), "the samples are supported");
  return General{*tokenizer, *std::move(pipeline), *std::move(added)};
}

std::vector<General> build_general() {
  std::vector<General> out;
  for (const samples::Sample& sample : samples::all()) {
    std::optional<General> built = build_one(sample.json);
    HR_CHECK(built.has_value(), "the samples are supported");
    out.push_back(*std::move(built));
  }
  return out;
}

void check_general(std::string_view text, const General& general) {
  std::vector<PlacedToken> slow;
  general.added.split(
      text,
      [&](size_t begin, size_t end) {
        std::vector<PlacedToken> piece;
        general.pipeline.encode(text, begin, end, {true, true, slow.empty()}, piece);
        slow.insert(slow.end(), piece.begin(), piece.end());
      },
      [&](const AddedTokens::Match& match) {
        PlacedToken token{match.id, static_cast<uint32_t>(match.begin),
                          static_cast<uint32_t>(match.end)};
        general.pipeline.trim().apply(text, text.substr(match.begin, match.end - match.begin),
                                      slow.empty(), token);
        slow.push_back(token);
      });
  Encoding fast;
  general.tokenizer->encode(text, fast);
  HR_CHECK(fast.ids.size() == slow.size(), "the fast ways give as many tokens");
  for (size_t i = 0; i < slow.size(); ++i) {
    HR_CHECK(fast.ids[i] == slow[i].id, "the fast ways give the same ids");
    HR_CHECK(fast.begins[i] == slow[i].begin && fast.ends[i] == slow[i].end,
             "the fast ways give the same offsets");
    HR_CHECK(fast.begins[i] <= fast.ends[i] && fast.ends[i] <= text.size(),
             "offsets lie in the text");
  }
  HR_CHECK(is_valid_utf8(general.tokenizer->decode(fast.ids, false)), "decoded text is text");
}

}  // namespace
}  // namespace headrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    auto config = headrace::parse_tokenizer_config(std::string(rest), "fuzz");
    if (!config) return 0;
    const bool word_piece = headrace::WordPieceTokenizer::takes(*config);
    auto tokenizer = word_piece ? headrace::WordPieceTokenizer::build(*std::move(config))
                                : headrace::GeneralTokenizer::build(*std::move(config));
    if (!tokenizer) return 0;
    headrace::Encoding pair;
    (*tokenizer)->encode_pair("The caf\xC3\xA9, 12 ", " a\xFFthe \n", pair);
    (void)(*tokenizer)->decode(pair.ids, true);
    return 0;
  }
  static const auto uncased = headrace::build(true, false);
  static const auto uncased_general = headrace::build(true, true);
  static const auto cased = headrace::build(false, false);
  static const auto cased_general = headrace::build(false, true);
  headrace::check_text(rest, *uncased, *uncased_general);
  headrace::check_text(rest, *cased, *cased_general);
  static const auto general = headrace::build_general();
  for (const auto& each : general) headrace::check_general(rest, each);
  // And settings that the text's first bytes choose.
  uint32_t number = 0;
  for (const char c : rest.substr(0, 3)) number = number << 8 | static_cast<uint8_t>(c);
  const auto chosen = headrace::build_one(
      headrace::samples::combination(number % headrace::samples::kCombinations));
  if (chosen) headrace::check_general(rest, *chosen);
  headrace::Encoding plain;
  headrace::Tokenizer::without_model()->encode(rest, plain);
  return 0;
}
