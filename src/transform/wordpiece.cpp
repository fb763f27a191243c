#include "transform/wordpiece.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "transform/wordpiece_normalizer.h"
#include "transform/wordpiece_run.h"
#include "transform/wordpiece_sinks.h"

namespace headrace {

Result<std::shared_ptr<const Tokenizer>> WordPieceTokenizer::build(TokenizerConfig config) {
  HR_ASSIGN(WordPieceVocabulary vocabulary, WordPieceVocabulary::build(config));
  std::vector<AddedToken> raw;
  std::vector<AddedToken> normalized;
  std::vector<std::string> raw_patterns;
  std::vector<std::string> normalized_patterns;
  for (const AddedToken& token : config.added_tokens) {
    if (!token.normalized) {
      raw.push_back(token);
      raw_patterns.push_back(token.content);
      continue;
    }
    std::string pattern;
    auto collect = [&pattern](const PlacedCharacter& c) { append_code_point(c.value, pattern); };
    BertStream stream(config.bert, collect);
    for (size_t at = 0; at < token.content.size();) {
      const CodePoint point = decode_code_point(token.content, at);
      stream.feed({point.value, 0, 0});
      at += point.length;
    }
    stream.finish();
    normalized.push_back(token);
    normalized_patterns.push_back(std::move(pattern));
  }
  const auto build_added = [&config](std::vector<AddedToken> tokens,
                                     const std::vector<std::string>& patterns) {
    Result<AddedTokens> added = AddedTokens::build(std::move(tokens), patterns);
    if (!added) {
      added =
          std::unexpected(std::move(added).error().with_context(config.path + ": added_tokens"));
    }
    return added;
  };
  HR_ASSIGN(AddedTokens raw_added, build_added(std::move(raw), raw_patterns));
  HR_ASSIGN(AddedTokens normalized_added, build_added(std::move(normalized), normalized_patterns));
  auto out = std::make_shared<WordPieceTokenizer>(std::move(vocabulary), std::move(raw_added),
                                                  std::move(normalized_added), config.bert);
  out->prepare(config);
  out->special_before_ = std::move(config.special_before);
  out->special_after_ = std::move(config.special_after);
  out->tokens_ = std::move(config.vocabulary);
  std::sort(out->tokens_.begin(), out->tokens_.end(),
            [](const VocabularyEntry& a, const VocabularyEntry& b) { return a.id < b.id; });
  for (AddedToken& token : config.added_tokens) {
    if (out->token(token.id).empty()) {
      const VocabularyEntry entry{std::move(token.content), token.id};
      const auto place =
          std::lower_bound(out->tokens_.begin(), out->tokens_.end(), entry.id,
                           [](const VocabularyEntry& a, int32_t id) { return a.id < id; });
      out->tokens_.insert(place, entry);
    }
  }
  return out;
}

void WordPieceTokenizer::prepare(const TokenizerConfig& config) {
  fast_ = bert_.clean_text && bert_.handle_chinese_chars && bert_.strip_accents == bert_.lowercase;
  // The tables of words hold no word over the limit, so a limit below 16 would need a count.
  if (config.word_chars_max < kWordKeyBytes) fast_ = false;
  kinds_.fill(Kind::kBeyond);
  std::vector<Piece> pieces;
  for (char32_t c = 0; c < 128; ++c) {
    const uint8_t flags = bert_character(c).flags;
    const bool letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9');
    kinds_[c] = letter                                ? Kind::kWord
                : flags & BertCharacter::kOther       ? Kind::kDrop
                : flags & BertCharacter::kWhite       ? Kind::kSpace
                : flags & BertCharacter::kPunctuation ? Kind::kPunctuation
                                                      : Kind::kBeyond;
    HR_CHECK(kinds_[c] != Kind::kBeyond, "every ASCII character has a part in BERT's splitting");
    const char byte = static_cast<char>(c);
    vocabulary_.pieces({&byte, 1}, pieces);
    punctuation_ids_[c] = pieces.front().id;
  }
}

void WordPieceTokenizer::encode(std::string_view text, Encoding& out) const {
  HR_CHECK(text.size() <= UINT32_MAX, "offsets have 32 bits");
  EncodingSink sink(out);
  Run<EncodingSink>(*this, text, sink).encode();
  sink.flush();
}

void WordPieceTokenizer::encode_with_special(std::string_view text, Encoding& out) const {
  const auto put = [&out](std::span<const int32_t> ids) {
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.begins.insert(out.begins.end(), ids.size(), 0);
    out.ends.insert(out.ends.end(), ids.size(), 0);
  };
  put(special_before_);
  encode(text, out);
  put(special_after_);
}

size_t WordPieceTokenizer::encode_ids(std::string_view text, size_t limit,
                                      std::vector<int32_t>& out) const {
  HR_CHECK(text.size() <= UINT32_MAX, "offsets have 32 bits");
  IdSink sink(limit == 0 ? SIZE_MAX : limit, out);
  for (const int32_t id : special_before_) sink.put(id, 0, 0);
  Run<IdSink>(*this, text, sink).encode();
  for (const int32_t id : special_after_) sink.put(id, 0, 0);
  sink.flush();
  return sink.count();
}

std::string_view WordPieceTokenizer::token(int32_t id) const {
  const auto found = std::lower_bound(
      tokens_.begin(), tokens_.end(), id,
      [](const VocabularyEntry& entry, int32_t wanted) { return entry.id < wanted; });
  return found != tokens_.end() && found->id == id ? std::string_view(found->token)
                                                   : std::string_view();
}

}  // namespace headrace
