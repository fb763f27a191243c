#include "transform/tokenizer_spaced.h"

#include <algorithm>
#include <span>

#include "base/utf8.h"
#include "transform/tokenizer_characters.h"
#include "transform/tokenizer_model.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace headrace {
namespace {

using Normalizer = NormalizerStep::Kind;
using PreTokenizer = PreTokenizerStep::Kind;

// Steps that treat the two sides of a cut alone.
bool is_local(const NormalizerStep& step) {
  if (step.kind == Normalizer::bert) return false;
  if (step.kind != Normalizer::replace) return true;
  if (step.regex) return step.pattern == " {2,}";
  if (step.pattern == " ") return true;
  return std::none_of(step.pattern.begin(), step.pattern.end(),
                      [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
}

// Splitting at blanks does nothing where the normalizer leaves none.
bool splits_blanks_only(const std::vector<PreTokenizerStep>& steps) {
  return steps.size() == 1 && steps[0].kind == PreTokenizer::split && !steps[0].regex &&
         steps[0].pattern == " ";
}

// BPE without a token for what it does not know: that moves the offsets of all that follows (a
// quirk of the reference that must be kept).
bool leaves_out(const TokenizerConfig& config) {
  if (config.model != ModelKind::bpe || !config.unknown_token.empty()) return false;
  const auto bytes = std::count_if(config.vocabulary.begin(), config.vocabulary.end(),
                                   [](const auto& entry) { return is_byte_token(entry.token); });
  return !config.byte_fallback || bytes < 256;
}

std::string normalized(const TextNormalizer& normalizer, std::string_view text) {
  AlignedText aligned;
  aligned.assign(text, 0, text.size());
  normalizer.apply(aligned, false, false);
  return aligned.text;
}

}  // namespace

std::optional<SpacedChunks> SpacedChunks::find(const TokenizerConfig& config,
                                               const TextNormalizer& normalizer) {
  const bool any_normalized = std::any_of(config.added_tokens.begin(), config.added_tokens.end(),
                                          [](const AddedToken& token) { return token.normalized; });
  if (any_normalized || !config.trims.empty() || leaves_out(config)) return std::nullopt;
  if (!std::all_of(config.normalizers.begin(), config.normalizers.end(), is_local)) {
    return std::nullopt;
  }
  const auto& steps = config.pre_tokenizers;
  const bool white_first = !steps.empty() && steps[0].kind == PreTokenizer::whitespace_split;
  const size_t next = white_first ? 1 : 0;
  const bool metaspace = steps.size() == next + 1 && steps[next].kind == PreTokenizer::metaspace;
  const bool splits =
      (white_first && (steps.size() == 1 || metaspace)) || (metaspace && steps[next].split);
  // Without splitting only BPE can be cut, and only where no token reaches across.
  const bool unsplit = steps.empty() || splits_blanks_only(steps);
  const bool whole = (unsplit || (metaspace && !white_first && !steps[0].split)) &&
                     config.model == ModelKind::bpe && !config.ignore_merges &&
                     config.continuing_prefix.empty() && config.word_suffix.empty();
  if (!splits && !whole) return std::nullopt;

  SpacedChunks out;
  out.has_map_ = std::any_of(config.normalizers.begin(), config.normalizers.end(),
                             [](const auto& step) { return step.kind == Normalizer::precompiled; });
  std::string space = normalized(normalizer, "a b");
  if (!steps.empty() && splits_blanks_only(steps) && space.find(' ') != std::string::npos) {
    return std::nullopt;
  }
  if (space.size() < 3 || !space.starts_with('a') || !space.ends_with('b')) return std::nullopt;
  space = space.substr(1, space.size() - 2);
  if (metaspace && space == " ") space = steps[next].pattern;
  const std::string normal_space = normalized(normalizer, "a b");
  if (splits && !white_first && space != steps[next].pattern) return std::nullopt;

  std::string list;
  for (const char c : {' ', '\n', '\t', '\r'}) {
    const std::string text = {'a', c, 'b'};
    const bool splits_here = splits && white_first;
    if (normalized(normalizer, text) == normal_space || splits_here) list += c;
  }
  for (size_t i = 0; i < out.space_list_.size(); ++i) {
    out.space_list_[i] = list[std::min(i, list.size() - 1)];
    out.spaces_[static_cast<uint8_t>(out.space_list_[i])] = true;
  }

  if (whole) {
    bool known = false;
    for (const VocabularyEntry& entry : config.vocabulary) {
      known = known || entry.token == space;
      for (size_t at = 1; (at = entry.token.find(space, at)) != std::string::npos; ++at) {
        const size_t before = code_point_floor(entry.token, at - 1);
        if (entry.token.compare(before, at - before, space) == 0) continue;
        out.joined_.push_back(decode_code_point(entry.token, before).value);
      }
    }
    if (!known) return std::nullopt;
    std::sort(out.joined_.begin(), out.joined_.end());
    out.joined_.erase(std::unique(out.joined_.begin(), out.joined_.end()), out.joined_.end());
  }

  for (size_t byte = 0; byte < 256; ++byte) {
    if (byte >= 0x80) {
      out.after_[byte] = After::look;
      continue;
    }
    // Only characters that stay visible: what vanishes, or becomes a space, could join two spaces.
    const char c = static_cast<char>(byte);
    if (c <= ' ' || c == 0x7F) continue;
    const std::string kept = normalized(normalizer, std::string{'a', c, 'b'});
    const bool stays = kept.size() >= 3 && kept.find(space) == std::string::npos &&
                       kept.find(' ') == std::string::npos;
    const bool joined =
        std::binary_search(out.joined_.begin(), out.joined_.end(), static_cast<char32_t>(byte));
    if (stays && !joined) out.after_[byte] = After::yes;
  }
  return out;
}

namespace {

constexpr char32_t kPlainMax = 0x10000;

// Characters with no effect on their neighbours: visible, no marks, clusters of their own.
bool stands_alone(char32_t c) {
  if (c <= ' ' || c == 0x7F || c == 0x2581 || c == 0xFFFD) return false;
  if (c < 0x80) return true;
  const TextCharacter& known = text_character(c);
  return known.category <= unicode::Category::So &&
         !(known.category >= unicode::Category::Mn && known.category <= unicode::Category::Me) &&
         known.cluster == Cluster::kOther && (known.flags & TextCharacter::kSpace) == 0;
}

// Whether the model sees `rest` as it is behind a blank, and what it sees of the blank.
std::optional<AlignedText> behind_blank(const TextPipeline& pipeline, std::string_view rest) {
  std::string text = "xx ";
  text += rest;
  std::optional<AlignedText> word = pipeline.only_word(text, 2, text.size());
  if (!word || !word->text.ends_with(rest)) return std::nullopt;
  const size_t lead = word->text.size() - rest.size();
  for (size_t i = lead; i < word->spans.size(); ++i) {
    const size_t at = 3 + i - lead;
    const size_t from = code_point_floor(text, at);
    const Span& span = word->spans[i];
    if (span.begin != from || span.end != from + decode_code_point(text, from).length) {
      return std::nullopt;
    }
  }
  return word;
}

}  // namespace

void SpacedChunks::find_plain(const TokenizerConfig& config, const TextPipeline& pipeline) {
  std::string replaced;   // characters that a step could look for several of
  bool any_white = true;  // no step cares for white space other than blanks
  for (const NormalizerStep& step : config.normalizers) {
    any_white =
        any_white && (step.kind == Normalizer::prepend ||
                      (step.kind == Normalizer::replace && !step.regex && step.pattern == " "));
    if (step.kind != Normalizer::replace) continue;
    if (step.regex && step.pattern != " {2,}") return;
    if (step.regex || step.pattern == " ") continue;
    if (!is_ascii(step.pattern)) return;
    replaced += step.pattern;
  }
  for (const PreTokenizerStep& step : config.pre_tokenizers) {
    any_white = any_white && step.kind != PreTokenizer::whitespace_split;
    if (step.kind != PreTokenizer::whitespace_split && step.kind != PreTokenizer::metaspace &&
        !splits_blanks_only(config.pre_tokenizers)) {
      return;
    }
  }
  // The blank's stand-in, and whether it stands for the blank or for what follows.
  const auto narrow = behind_blank(pipeline, "ab");
  const auto wide = behind_blank(pipeline, "\u0444b");
  if (!narrow || !wide) return;
  lead_ = narrow->text.substr(0, narrow->text.size() - 2);
  if (wide->text != lead_ + "\u0444b") return;
  const auto lead_is = [this](const AlignedText& word, uint32_t begin, uint32_t end) {
    return std::all_of(word.spans.begin(),
                       word.spans.begin() + static_cast<std::ptrdiff_t>(lead_.size()),
                       [&](const Span& span) { return span.begin == begin && span.end == end; });
  };
  lead_is_character_ = lead_is(*narrow, 3, 4) && lead_is(*wide, 3, 5);
  if (!lead_is_character_ && !(lead_is(*narrow, 2, 3) && lead_is(*wide, 2, 3))) return;
  for (size_t i = 0; i < blanks_most_; ++i) leads_ += lead_;
  if (!lead_is_character_ && !stands_for_each_blank(pipeline)) blanks_most_ = 1;

  plain_.assign(kPlainMax / 64, 0);
  std::string rest;
  std::vector<char32_t> group;
  const auto put = [&](std::span<const char32_t> characters) {
    rest = "a";
    for (const char32_t c : characters) {
      append_code_point(c, rest);
      rest += 'a';
    }
    if (!behind_blank(pipeline, rest)) return false;
    for (const char32_t c : characters) plain_[c / 64] |= uint64_t{1} << (c % 64);
    return true;
  };
  for (char32_t first = 0; first < kPlainMax; first += 64) {
    group.clear();
    for (char32_t c = first; c < first + 64; ++c) {
      const bool looked_for = c < 0x80 && replaced.find(static_cast<char>(c)) != std::string::npos;
      const bool surrogate = c >= 0xD800 && c < 0xE000;
      const bool white = any_white && c >= '\t' && c <= '\r';
      if ((stands_alone(c) || white) && !looked_for && !surrogate) group.push_back(c);
    }
    if (group.empty() || put(group)) continue;
    for (const char32_t& c : group) put({&c, 1});
  }
}

// Whether several blanks are as many of lead_.
bool SpacedChunks::stands_for_each_blank(const TextPipeline& pipeline) const {
  constexpr std::string_view kRest = "ab";
  const std::string text = "xx" + std::string(blanks_most_, ' ') + std::string(kRest);
  const std::optional<AlignedText> word = pipeline.only_word(text, 2, text.size());
  if (!word || word->text != leads_ + std::string(kRest)) return false;
  for (size_t i = 0; i < leads_.size(); ++i) {
    const size_t blank = 2 + i / lead_.size();
    if (word->spans[i].begin != blank || word->spans[i].end != blank + 1) return false;
  }
  return true;
}

void SpacedChunks::find_inner_cuts(const TokenizerConfig& config) {
  if (plain_.empty()) return;
  std::array<bool, 128> plain{};
  for (size_t c = 0; c < plain.size(); ++c) plain[c] = ((plain_[c / 64] >> (c % 64)) & 1) != 0;
  inner_ = InnerCuts::find(config, plain);
  // BPE alone, behind steps that care for nothing but blanks: a part can be cut off whatever else
  // is in its stretch, and without knowing where that ends.
  const bool cares = std::any_of(
      config.normalizers.begin(), config.normalizers.end(), [](const NormalizerStep& step) {
        return step.kind != Normalizer::prepend &&
               (step.kind != Normalizer::replace || step.regex || step.pattern != " ");
      });
  const bool unsplit = config.pre_tokenizers.empty() || splits_blanks_only(config.pre_tokenizers);
  parts_are_free_ = inner_.any() && config.model == ModelKind::bpe && !cares && unsplit;
  // White space that stays visible is as good as other characters before a blank.
  for (const char c : {'\t', '\n', '\r'}) {
    const bool joined =
        std::binary_search(joined_.begin(), joined_.end(), static_cast<char32_t>(c));
    const auto byte = static_cast<uint8_t>(c);
    if (plain[byte] && !spaces_[byte] && !joined) after_[byte] = After::yes;
  }
}

std::optional<TextPipeline::Word> SpacedChunks::plain_word(std::string_view text, size_t begin,
                                                           size_t end) const {
  if (plain_.empty()) return std::nullopt;
  TextPipeline::Word word{begin, end};
  if (spaces_[static_cast<uint8_t>(text[begin])]) {
    ++word.begin;
    if (lead_is_character_) {
      // White space that is dropped may be more than one character.
      while (word.begin < end && spaces_[static_cast<uint8_t>(text[word.begin])]) ++word.begin;
    } else {
      const size_t most = std::min(end, begin + blanks_most_);
      while (word.begin < most && text[word.begin] == ' ') ++word.begin;
    }
    if (word.begin == end) return std::nullopt;
    if (lead_is_character_) {
      const size_t length = decode_code_point(text, word.begin).length;
      word.lead = {lead_, 0, word.begin, word.begin + length};
    } else {
      word.lead = {std::string_view(leads_).substr(0, lead_.size() * (word.begin - begin)),
                   lead_.size(), begin, word.begin};
    }
  }
  const uint64_t* plain = plain_.data();
  for (size_t at = word.begin; at < end;) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (byte < 0x80) [[likely]] {
      if (((plain[byte / 64] >> (byte % 64)) & 1) == 0) return std::nullopt;
      ++at;
      continue;
    }
    const CodePoint point = decode_code_point(text, at);
    if (point.value >= kPlainMax || ((plain[point.value / 64] >> (point.value % 64)) & 1) == 0) {
      return std::nullopt;
    }
    at += point.length;
  }
  return word;
}

namespace {

uint64_t bits_below(size_t count) {  // of 0 to 63
  return (uint64_t{1} << count) - 1;
}

// The last of `bits`, of which there is one.
size_t last_of(uint64_t bits) {
  return 63 - static_cast<size_t>(std::countl_zero(bits));
}

// `inner` without the cuts of stretches that hold an `unclean` byte.
uint64_t clean_cuts(uint64_t inner, uint64_t starts, uint64_t unclean) {
  while (unclean != 0) {
    const auto bit = static_cast<size_t>(std::countr_zero(unclean));
    const uint64_t before = starts & (bits_below(bit) | uint64_t{1} << bit);
    const uint64_t after = starts & ~(bits_below(bit) | uint64_t{1} << bit);
    const uint64_t up_to = before == 0 ? 0 : bits_below(last_of(before));
    const uint64_t from =
        after == 0 ? 0 : ~bits_below(static_cast<size_t>(std::countr_zero(after)));
    inner &= up_to | from;
    unclean &= from;
  }
  return inner;
}

}  // namespace

SpacedChunks::Cuts SpacedChunks::cuts_of_block(std::string_view text, size_t at) const {
  const char* block = text.data() + at;
  const uint64_t spaces = space_bits(block);
  const uint64_t starts = spaces & ~(spaces << 1 | 1);
  Cuts out;
  uint64_t doubtful = 0;
  for (uint64_t rest = starts; rest != 0; rest &= rest - 1) {
    const auto bit = static_cast<size_t>(std::countr_zero(rest));
    const After after = after_.data()[static_cast<uint8_t>(block[bit - 1])];
    out.stretches |= uint64_t{after == After::yes} << bit;
    doubtful |= uint64_t{after == After::look} << bit;
  }
  for (; doubtful != 0; doubtful &= doubtful - 1) {
    const auto bit = static_cast<size_t>(std::countr_zero(doubtful));
    if (may_follow_slow(text, at + bit)) out.stretches |= uint64_t{1} << bit;
  }
  uint64_t inner = 0;
  if (inner_.any()) {
    const ByteSorts is = sorts_of_block(block);
    for (uint64_t rest = inner_.candidates(is) & ~starts; rest != 0; rest &= rest - 1) {
      const auto bit = static_cast<size_t>(std::countr_zero(rest));
      inner |= uint64_t{inner_.between(block[bit - 1], block[bit])} << bit;
    }
    if (!parts_are_free_) inner = clean_cuts(inner, out.stretches, inner_.unclean(is) & ~spaces);
  }
  const uint64_t last = parts_are_free_ ? out.stretches | inner : out.stretches;
  if (last == 0) return {};
  if (parts_are_free_) out.stretches = last;
  const size_t end = last_of(last);
  out.all = (out.stretches | inner) & (bits_below(end) | uint64_t{1} << end);
  return out;
}

void SpacedChunks::find_stretch(std::string_view text, size_t at, size_t end, Stretch& out) const {
  bool spaced = spaces_[static_cast<uint8_t>(text[at])];
  bool clean = inner_.any() && (spaced || inner_.is_clean(text[at]));
  size_t count = 0;
  for (++at; at < end; ++at) {
    const bool space = spaces_[static_cast<uint8_t>(text[at])];
    if (space && !spaced && may_follow(text, at)) break;
    if (!space && inner_.any() && inner_.between(text[at - 1], text[at])) {
      if (parts_are_free_) break;
      if (count < out.inner.size()) out.inner[count] = at;
      ++count;
    }
    spaced = space;
    clean = clean && (space || inner_.is_clean(text[at]));
  }
  out.end = at;
  out.inner_count = clean && count <= out.inner.size() ? count : 0;
}

bool SpacedChunks::may_begin(std::string_view piece, const TextNormalizer& normalizer) const {
  if (!has_map_ || after_[static_cast<uint8_t>(piece[0])] == After::yes ||
      spaces_[static_cast<uint8_t>(piece[0])]) {
    return true;
  }
  return !normalized(normalizer, piece.substr(0, decode_code_point(piece, 0).length)).empty();
}

bool SpacedChunks::may_follow_slow(std::string_view text, size_t at) const {
  const char32_t c = decode_code_point(text, code_point_floor(text, at - 1)).value;
  const TextCharacter& known = text_character(c);
  if (known.category > unicode::Category::So ||
      (known.category >= unicode::Category::Mn && known.category <= unicode::Category::Me) ||
      known.cluster == Cluster::kPrepend) {
    return false;
  }
  // Fillers of Hangul, the letter that looks like a space, and SentencePiece's own space.
  if (c == 0x115F || c == 0x1160 || c == 0x3164 || c == 0xFFA0 || c == 0x2800 || c == 0x2581 ||
      c == 0xFFFD) {
    return false;
  }
  // What decomposes into a space and marks ends in something that could vanish.
  char32_t parts[unicode::kDecompositionMax];
  const size_t count = unicode::decompose(c, true, parts);
  if (parts[0] == ' ' || (count > 1 && unicode::is_mark(parts[count - 1]) && parts[0] <= ' ')) {
    return false;
  }
  return !std::binary_search(joined_.begin(), joined_.end(), c);
}

uint64_t SpacedChunks::space_bits(const char* p) const {
  uint64_t out = 0;
#if defined(__SSE2__)
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
    __m128i found = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(space_list_[0]));
    for (size_t k = 1; k < space_list_.size(); ++k) {
      found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(space_list_[k])));
    }
    out |= uint64_t{static_cast<uint32_t>(_mm_movemask_epi8(found))} << (16 * i);
  }
#else
  for (size_t i = 0; i < kBlock; ++i) {
    if (spaces_[static_cast<uint8_t>(p[i])]) out |= uint64_t{1} << i;
  }
#endif
  return out;
}

}  // namespace headrace
