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

bool WordPieceTokenizer::takes(const TokenizerConfig& config) {
  const auto& normalizers = config.normalizers;
  const bool plain = normalizers.empty() ||
                     (normalizers.size() == 1 && normalizers[0].kind == NormalizerStep::Kind::bert);
  const auto& splits = config.pre_tokenizers;
  return config.model == ModelKind::word_piece && plain && config.trims.empty() &&
         splits.size() == 1 && splits[0].kind == PreTokenizerStep::Kind::bert;
}

Result<std::shared_ptr<const Tokenizer>> WordPieceTokenizer::build(TokenizerConfig config) {
  const BertOptions bert = config.normalizers.empty() ? BertOptions() : config.normalizers[0].bert;
  HR_ASSIGN(WordPieceVocabulary vocabulary, WordPieceVocabulary::build(config));
  std::vector<AddedToken> raw;
  std::vector<AddedToken> normalized;
  std::vector<std::string> raw_patterns;
  std::vector<std::string> normalized_patterns;
  std::vector<std::pair<int32_t, std::string>> looks;
  for (const AddedToken& token : config.added_tokens) {
    if (!token.normalized) {
      raw.push_back(token);
      raw_patterns.push_back(token.content);
      continue;
    }
    std::string pattern;
    auto collect = [&pattern](const PlacedCharacter& c) { append_code_point(c.value, pattern); };
    BertStream stream(bert, collect);
    for (size_t at = 0; at < token.content.size();) {
      const CodePoint point = decode_code_point(token.content, at);
      stream.feed({point.value, 0, 0});
      at += point.length;
    }
    stream.finish();
    if (pattern != token.content) looks.emplace_back(token.id, pattern);
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
                                                  std::move(normalized_added), bert);
  out->prepare(config);
  HR_TRY(out->frame(config, std::move(looks)));
  return out;
}

void WordPieceTokenizer::prepare(const TokenizerConfig& config) {
  fast_ = bert_.clean_text && bert_.handle_chinese_chars && bert_.strip_accents == bert_.lowercase;
  // A limit so low that words of a block can pass it is left to the slower way.
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

size_t WordPieceTokenizer::encode_ids(std::string_view text, size_t limit,
                                      std::vector<int32_t>& out) const {
  HR_CHECK(text.size() <= UINT32_MAX, "offsets have 32 bits");
  if (cuts_beginning() && limit != 0) return encode_ending(text, limit, out);
  IdSink sink(limit == 0 ? SIZE_MAX : limit, out);
  for (const int32_t id : special_before()) sink.put(id, 0, 0);
  Run<IdSink>(*this, text, sink).encode();
  for (const int32_t id : special_after()) sink.put(id, 0, 0);
  sink.flush();
  end_cut(sink.count(), limit, out);
  return sink.count();
}

}  // namespace headrace
