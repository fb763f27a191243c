#include "transform/tokenizer_inner_cuts.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <string_view>

#include "transform/tokenizer_model.h"

namespace headrace {
namespace {

// Beyond this a sum's rounding could be more than what Unigram calls a close choice.
constexpr double kScoreMax = 1000;

// Which ASCII characters are always a symbol of their own before anything is merged.
std::array<bool, 128> known_characters(const TokenizerConfig& config) {
  std::array<bool, 128> out{};
  std::set<std::string, std::less<>> bytes;
  for (size_t byte = 0; byte < 256; ++byte) bytes.insert(byte_token(static_cast<uint8_t>(byte)));
  size_t found = 0;
  bool others = false;  // a token could be merged of those that stand for bytes
  for (const VocabularyEntry& entry : config.vocabulary) {
    const std::string& token = entry.token;
    if (token.size() == 1 && static_cast<uint8_t>(token[0]) < 128) {
      out[static_cast<uint8_t>(token[0])] = true;
    }
    if (token.find("<0x") == std::string::npos) continue;
    if (bytes.contains(token)) {
      ++found;
    } else {
      others = true;
    }
  }
  const bool fallback = config.model == ModelKind::bpe && config.byte_fallback && found == 256;
  if (fallback && !others) out.fill(true);
  return out;
}

}  // namespace

InnerCuts InnerCuts::find(const TokenizerConfig& config, const std::array<bool, 128>& plain) {
  InnerCuts out;
  const bool bpe = config.model == ModelKind::bpe && !config.ignore_merges &&
                   config.continuing_prefix.empty() && config.word_suffix.empty();
  const bool unigram = config.model == ModelKind::unigram &&
                       std::all_of(config.scores.begin(), config.scores.end(),
                                   [](double score) { return std::abs(score) <= kScoreMax; });
  if (!bpe && !unigram) return out;
  for (uint8_t c = '!'; c <= '~'; ++c) {
    if (!plain[c]) return out;
    out.clean_[c] = true;
  }
  constexpr std::string_view kWhite = "\t\n\v\f\r";
  out.white_clean_ = std::all_of(kWhite.begin(), kWhite.end(),
                                 [&](char c) { return plain[static_cast<uint8_t>(c)]; });
  for (const char c : kWhite) out.clean_[static_cast<uint8_t>(c)] = out.white_clean_;

  const std::array<bool, 128> known = known_characters(config);
  for (size_t from = 0; from < 128; ++from) {
    for (size_t to = 0; to < 128; ++to) {
      const bool apart = known[from] && known[to] && out.clean_[from] && out.clean_[to];
      if (apart) out.apart_[from][to / 64] |= uint64_t{1} << (to % 64);
    }
  }
  for (const VocabularyEntry& entry : config.vocabulary) {
    for (size_t i = 1; i < entry.token.size(); ++i) {
      const auto from = static_cast<uint8_t>(entry.token[i - 1]);
      const auto to = static_cast<uint8_t>(entry.token[i]);
      if (from < 128 && to < 128) out.apart_[from][to / 64] &= ~(uint64_t{1} << (to % 64));
    }
  }
  for (char from = '0'; from <= '9'; ++from) {
    for (char to = '0'; to <= '9'; ++to) {
      out.digits_apart_ = out.digits_apart_ || out.between(from, to);
    }
  }
  out.any_ = true;
  return out;
}

}  // namespace headrace
