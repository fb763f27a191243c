#include "transform/tokenizer_spaced.h"

#include <algorithm>

#include "base/utf8.h"
#include "transform/tokenizer_characters.h"

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
  if (any_normalized || !config.trims.empty()) return std::nullopt;
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
  const bool whole = (steps.empty() || (metaspace && !white_first && !steps[0].split)) &&
                     config.model == ModelKind::bpe && !config.ignore_merges &&
                     config.continuing_prefix.empty() && config.word_suffix.empty();
  if (!splits && !whole) return std::nullopt;

  SpacedChunks out;
  out.has_map_ = std::any_of(config.normalizers.begin(), config.normalizers.end(),
                             [](const auto& step) { return step.kind == Normalizer::precompiled; });
  std::string space = normalized(normalizer, "a b");
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
