#include "transform/tokenizer_pipeline.h"

#include <algorithm>

#include "base/utf8.h"
#include "transform/tokenizer_bytes.h"
#include "transform/wordpiece_normalizer.h"

namespace headrace {
namespace {

// A word of megabytes must not leave a thread with its memory for ever.
constexpr size_t kKeptTokens = 65'536;

bool is_white(char32_t c) {
  // U+0120 is how byte-level tokens write a space.
  return c == 0x120 || (bert_character(c).flags & BertCharacter::kWhite) != 0;
}

size_t leading_white(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) {
    const CodePoint point = decode_code_point(text, at);
    if (!is_white(point.value)) break;
    at += point.length;
  }
  return count;
}

size_t trailing_white(std::string_view text) {
  size_t count = 0;
  for (size_t end = text.size(); end > 0; ++count) {
    const size_t before = code_point_floor(text, end - 1);
    if (!is_white(decode_code_point(text, before).value)) break;
    end = before;
  }
  return count;
}

bool is_continuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0) == 0x80;
}

Result<AddedTokens> build_added(const TokenizerConfig& config, std::vector<AddedToken> tokens,
                                const std::vector<std::string>& patterns) {
  Result<AddedTokens> added = AddedTokens::build(std::move(tokens), patterns);
  if (!added) {
    added = std::unexpected(std::move(added).error().with_context(config.path + ": added_tokens"));
  }
  return added;
}

}  // namespace

void OffsetTrim::apply(std::string_view text, size_t leading, size_t trailing, bool first,
                       PlacedToken& token) const {
  for (const bool prefix : passes_) {
    const bool added = prefix && leading == 1 && (first || token.begin == 0);
    for (size_t i = added ? leading : 0; i < leading && token.begin < token.end; ++i) {
      token.begin += decode_code_point(text, token.begin).length;
    }
    if (trailing == 0) continue;
    size_t end = token.end;
    size_t left = trailing;
    while (left > 0 && end > 0) {
      end = code_point_floor(text, end - 1);
      --left;
    }
    if (left == 0) token.end = std::max(static_cast<uint32_t>(end), token.begin);
  }
}

void OffsetTrim::apply(std::string_view text, std::string_view token_text, bool first,
                       PlacedToken& token) const {
  if (empty()) return;
  apply(text, leading_white(token_text), trailing_white(token_text), first, token);
}

Result<AddedTokens> raw_added_tokens(const TokenizerConfig& config) {
  std::vector<AddedToken> tokens;
  std::vector<std::string> patterns;
  for (const AddedToken& token : config.added_tokens) {
    if (token.normalized) continue;
    tokens.push_back(token);
    patterns.push_back(token.content);
  }
  return build_added(config, std::move(tokens), patterns);
}

Result<TextPipeline> TextPipeline::build(const TokenizerConfig& config) {
  HR_ASSIGN(TextNormalizer normalizer, TextNormalizer::build(config));
  std::vector<AddedToken> tokens;
  std::vector<std::string> patterns;
  std::vector<std::pair<int32_t, std::string>> normalized;
  for (const AddedToken& token : config.added_tokens) {
    if (!token.normalized) continue;
    std::string pattern = normalizer.apply(token.content);
    if (pattern != token.content) normalized.emplace_back(token.id, pattern);
    tokens.push_back(token);
    patterns.push_back(std::move(pattern));
  }
  HR_ASSIGN(AddedTokens added, build_added(config, std::move(tokens), patterns));
  TextPipeline out(std::move(added));
  out.normalizer_ = std::move(normalizer);
  out.normalized_ = std::move(normalized);
  HR_ASSIGN(out.splitter_, TextSplitter::build(config));
  HR_ASSIGN(out.model_, make_token_model(config));
  out.trim_ = OffsetTrim(config.trims);
  out.reads_bytes_ = config.reads_bytes;
  out.maps_bytes_ =
      !config.reads_bytes &&
      std::any_of(config.pre_tokenizers.begin(), config.pre_tokenizers.end(),
                  [](const auto& step) { return step.kind == PreTokenizerStep::Kind::byte_level; });
  out.find_white(config);
  return out;
}

void TextPipeline::find_white(const TokenizerConfig& config) {
  if (trim_.empty() || reads_bytes_) return;
  trims_as_text_ = config.model == ModelKind::unigram;
  for (const VocabularyEntry& entry : config.vocabulary) {
    if (trims_as_text_) {
      if (config.byte_fallback && is_byte_token(entry.token)) white_[entry.id] = {};
      continue;
    }
    const auto leading = static_cast<uint32_t>(leading_white(entry.token));
    const auto trailing = static_cast<uint32_t>(trailing_white(entry.token));
    if (leading + trailing > 0) white_[entry.id] = {leading, trailing};
  }
}

// Trims a token that the model made of `part` of what it saw. What counts is the token's own
// string, which is another where the token is the unknown one, or has a prefix.
void TextPipeline::trim_made(std::string_view text, std::string_view part, bool first,
                             PlacedToken& token) const {
  if (reads_bytes_) return trim_blanks(text, part, first, token);
  const auto white = white_.find(token.id);
  if (white != white_.end()) {
    trim_.apply(text, white->second.leading, white->second.trailing, first, token);
  } else if (trims_as_text_) {
    trim_.apply(text, part, first, token);
  }
}

// Trims a token of a byte-level vocabulary, whose only white character is the blank.
void TextPipeline::trim_blanks(std::string_view text, std::string_view part, bool first,
                               PlacedToken& token) const {
  const size_t from = part.find_first_not_of(' ');
  const bool all_white = from == std::string_view::npos;
  trim_.apply(text, all_white ? part.size() : from,
              all_white ? part.size() : part.size() - 1 - part.find_last_not_of(' '), first, token);
}

// Appends the tokens of the word aligned.text[begin, end).
void TextPipeline::put_word(std::string_view text, const AlignedText& aligned, size_t begin,
                            size_t end, bool first, std::vector<PlacedToken>& out) const {
  thread_local std::vector<ModelToken> tokens;
  tokens.clear();
  std::string_view word = std::string_view(aligned.text).substr(begin, end - begin);
  const Span* spans = aligned.spans.data() + begin;
  thread_local AlignedText symbols;
  if (maps_bytes_) {
    symbols.clear();
    for (size_t i = 0; i < word.size(); ++i) {
      symbols.append(symbol_of_byte(static_cast<uint8_t>(word[i])), spans[i]);
    }
    word = symbols.text;
    spans = symbols.spans.data();
  }
  model_->tokenize(word, tokens);
  for (const ModelToken& made : tokens) {
    PlacedToken token{made.id, spans[made.begin].begin, spans[made.end - 1].end};
    if (!trim_.empty()) {
      const std::string_view part = word.substr(made.begin, made.end - made.begin);
      trim_made(text, part, first && out.empty(), token);
    }
    out.push_back(token);
  }
  if (tokens.capacity() > kKeptTokens) std::vector<ModelToken>().swap(tokens);
  if (symbols.text.capacity() > kKeptTokens) symbols = AlignedText();
}

void TextPipeline::encode(std::string_view text, size_t begin, size_t end, Place place,
                          std::vector<PlacedToken>& out) const {
  AlignedText aligned;
  aligned.assign(text, begin, end);
  normalizer_.apply(aligned, place.begins, place.ends);
  if (aligned.text.empty()) return;
  std::vector<TextPiece> pieces;
  added_.split(
      aligned.text,
      [&pieces](size_t from, size_t to) { pieces.push_back({from, to, TextPiece::kWord}); },
      [&pieces](const AddedTokens::Match& match) {
        pieces.push_back({match.begin, match.end, match.id});
      });
  splitter_.apply(aligned, pieces, place.begins);
  const std::string_view all = aligned.text;
  for (const TextPiece& piece : pieces) {
    if (piece.id == TextPiece::kWord) {
      put_word(text, aligned, piece.begin, piece.end, place.first, out);
      continue;
    }
    PlacedToken token{piece.id, aligned.spans[piece.begin].begin, aligned.spans[piece.end - 1].end};
    trim_.apply(text, all.substr(piece.begin, piece.end - piece.begin), place.first && out.empty(),
                token);
    out.push_back(token);
  }
}

// Appends the tokens of `word`, of which the model made `tokens`.
void TextPipeline::put_tokens(std::string_view text, const Word& word,
                              std::span<const ModelToken> tokens, bool first,
                              std::vector<PlacedToken>& out) const {
  const size_t shift = word.lead.text.size();
  for (const ModelToken& made : tokens) {
    // A token of some bytes of a character stands for all of it.
    const TextPipeline::Lead& lead = word.lead;
    size_t from = lead.begin + (lead.unit > 0 ? made.begin / lead.unit : 0);
    if (made.begin >= shift) {
      from = word.begin + made.begin - shift;
      while (is_continuation(text[from])) --from;
    }
    size_t to = lead.end;
    if (lead.unit > 0) to = lead.begin + (made.end + lead.unit - 1) / lead.unit;
    if (made.end > shift) {
      to = word.begin + made.end - shift;
      while (to < word.end && is_continuation(text[to])) ++to;
    }
    PlacedToken token{made.id, static_cast<uint32_t>(from), static_cast<uint32_t>(to)};
    if (!trim_.empty() && shift == 0) {
      trim_blanks(text, text.substr(word.begin + made.begin, made.end - made.begin),
                  first && out.empty(), token);
    }
    out.push_back(token);
  }
}

void TextPipeline::encode_word(std::string_view text, const Word& word, bool first,
                               std::vector<PlacedToken>& out) const {
  thread_local std::vector<ModelToken> tokens;
  thread_local std::string led;
  tokens.clear();
  std::string_view bytes = text.substr(word.begin, word.end - word.begin);
  if (!word.lead.text.empty()) {
    led.assign(word.lead.text).append(bytes);
    bytes = led;
  }
  model_->tokenize(bytes, tokens);
  put_tokens(text, word, tokens, first, out);
  if (tokens.capacity() > kKeptTokens) std::vector<ModelToken>().swap(tokens);
  if (led.capacity() > kKeptTokens) std::string().swap(led);
}

void TextPipeline::encode_words(std::string_view text, std::span<const Word> words,
                                std::vector<PlacedToken>& out, std::vector<WordEnd>& ends) const {
  thread_local std::vector<ModelToken> tokens;
  thread_local std::vector<WordEnd> token_ends;
  thread_local std::vector<std::string_view> seen;
  thread_local std::string led;
  tokens.clear();
  token_ends.clear();
  seen.clear();
  led.clear();
  size_t size = 0;
  for (const Word& word : words) size += word.lead.text.size() + word.end - word.begin;
  led.reserve(size);  // it must not move while it grows
  for (const Word& word : words) {
    const std::string_view bytes = text.substr(word.begin, word.end - word.begin);
    if (word.lead.text.empty()) {
      seen.push_back(bytes);
      continue;
    }
    const size_t from = led.size();
    led.append(word.lead.text).append(bytes);
    seen.push_back(std::string_view(led).substr(from));
  }
  model_->tokenize_words(seen, tokens, token_ends);
  size_t from = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    put_tokens(text, words[i], std::span(tokens).subspan(from, token_ends[i].tokens - from), false,
               out);
    from = token_ends[i].tokens;
    ends.push_back({static_cast<uint32_t>(out.size()), token_ends[i].close});
  }
}

std::optional<AlignedText> TextPipeline::only_word(std::string_view text, size_t begin,
                                                   size_t end) const {
  AlignedText aligned;
  aligned.assign(text, begin, end);
  normalizer_.apply(aligned, false, false);
  std::vector<TextPiece> pieces = {{0, aligned.text.size(), TextPiece::kWord}};
  splitter_.apply(aligned, pieces, false);
  if (pieces.size() != 1 || pieces[0].begin != 0 || pieces[0].end != aligned.text.size()) {
    return std::nullopt;
  }
  return aligned;
}

}  // namespace headrace
