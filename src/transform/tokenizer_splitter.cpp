#include "transform/tokenizer_splitter.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_added.h"
#include "transform/tokenizer_characters.h"
#include "transform/tokenizer_normalizer.h"
#include "transform/wordpiece_normalizer.h"

namespace headrace {
namespace {

using Kind = PreTokenizerStep::Kind;

bool has_flag(char32_t c, uint8_t flag) {
  return (bert_character(c).flags & flag) != 0;
}

// Stretches between the characters that `is` tells; each of those is a match of its own.
template <typename Stretch, typename Is>
void split_at(std::string_view text, std::vector<Stretch>& out, Is&& is) {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_code_point(text, at);
    const size_t end = at + point.length;
    if (is(point.value)) {
      if (done < at) out.push_back({done, at, false});
      out.push_back({at, end, true});
      done = end;
    }
    at = end;
  }
  if (done < text.size()) out.push_back({done, text.size(), false});
}

// What becomes of matches. A stretch with match == true at the end is dropped.
template <typename Stretch>
void arrange(SplitBehavior behavior, std::vector<Stretch>& stretches) {
  const auto merge = [&stretches](auto&& joins) {
    size_t kept = 0;
    bool before = false;
    for (size_t i = 0; i < stretches.size(); ++i) {
      const Stretch now = stretches[i];
      if (kept > 0 && joins(now.match, before)) {
        stretches[kept - 1].end = now.end;
      } else {
        stretches[kept++] = now;
      }
      before = now.match;
    }
    stretches.resize(kept);
  };
  switch (behavior) {
    case SplitBehavior::removed:
      return;
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::contiguous:
      merge([](bool now, bool before) { return now == before; });
      break;
    case SplitBehavior::merged_with_previous:
      merge([](bool now, bool before) { return now && !before; });
      break;
    case SplitBehavior::merged_with_next: {
      std::reverse(stretches.begin(), stretches.end());
      size_t kept = 0;
      bool before = false;
      for (size_t i = 0; i < stretches.size(); ++i) {
        const Stretch now = stretches[i];
        if (kept > 0 && now.match && !before) {
          stretches[kept - 1].begin = now.begin;
        } else {
          stretches[kept++] = now;
        }
        before = now.match;
      }
      stretches.resize(kept);
      std::reverse(stretches.begin(), stretches.end());
      break;
    }
  }
  for (Stretch& stretch : stretches) stretch.match = false;
}

}  // namespace

Result<TextSplitter> TextSplitter::build(const TokenizerConfig& config) {
  TextSplitter out;
  for (const PreTokenizerStep& step : config.pre_tokenizers) {
    Step made{step, nullptr};
    const bool byte_level = step.kind == Kind::byte_level && step.use_regex;
    if (byte_level || (step.kind == Kind::split && step.regex)) {
      auto pattern = TokenRegex::compile(byte_level ? kByteLevelPattern : step.pattern);
      if (!pattern) {
        return std::unexpected(
            std::move(pattern).error().with_context(config.path + ": pre_tokenizer"));
      }
      made.pattern = std::make_shared<const TokenRegex>(*std::move(pattern));
    }
    out.steps_.push_back(std::move(made));
  }
  return out;
}

void TextSplitter::split(const Step& step, std::string_view text, std::vector<Stretch>& out) {
  const PreTokenizerStep& config = step.config;
  size_t done = 0;
  const auto put = [&](size_t begin, size_t end) {
    if (done < begin) out.push_back({done, begin, false});
    out.push_back({begin, end, true});
    done = end;
  };
  const auto rest = [&] {
    if (done < text.size()) out.push_back({done, text.size(), false});
  };
  switch (config.kind) {
    case Kind::bert: {
      std::vector<Stretch> words;
      split_at(text, words, [](char32_t c) { return has_flag(c, BertCharacter::kWhite); });
      for (const Stretch& word : words) {
        if (word.match) continue;
        const size_t from = out.size();
        split_at(text.substr(word.begin, word.end - word.begin), out,
                 [](char32_t c) { return has_flag(c, BertCharacter::kPunctuation); });
        for (size_t i = from; i < out.size(); ++i) {
          out[i] = {out[i].begin + word.begin, out[i].end + word.begin, false};
        }
      }
      break;
    }
    case Kind::byte_level:
    case Kind::split:
      if (step.pattern) {
        step.pattern->each_match(text, put);
        rest();
      } else if (config.kind == Kind::split) {
        each_string(text, config.pattern, put);
        rest();
      } else {
        out.push_back({0, text.size(), false});
      }
      if (config.kind == Kind::split && config.invert) {
        for (Stretch& stretch : out) stretch.match = !stretch.match;
      }
      arrange(config.kind == Kind::split ? config.behavior : SplitBehavior::isolated, out);
      break;
    case Kind::metaspace:
      if (!config.split) {
        out.push_back({0, text.size(), false});
        break;
      }
      each_string(text, config.pattern, put);
      rest();
      arrange(SplitBehavior::merged_with_next, out);
      break;
    case Kind::whitespace: {
      // \w+|[^\w\s]+ : runs of one of two kinds.
      int before = 0;
      for (size_t at = 0; at < text.size();) {
        const CodePoint point = decode_code_point(text, at);
        const size_t end = at + point.length;
        const int now = is_word_character(point.value)                 ? 1
                        : has_flag(point.value, BertCharacter::kWhite) ? 0
                                                                       : 2;
        if (now != 0 && now == before) {
          out.back().end = end;
        } else if (now != 0) {
          out.push_back({at, end, false});
        }
        before = now;
        at = end;
      }
      break;
    }
    case Kind::whitespace_split:
      split_at(text, out, [](char32_t c) { return has_flag(c, BertCharacter::kWhite); });
      arrange(SplitBehavior::removed, out);
      break;
    case Kind::digits:
      split_at(text, out,
               [](char32_t c) { return (text_character(c).flags & TextCharacter::kNumeric) != 0; });
      arrange(config.individual ? SplitBehavior::isolated : SplitBehavior::contiguous, out);
      break;
    case Kind::punctuation:
      split_at(text, out, [](char32_t c) { return has_flag(c, BertCharacter::kPunctuation); });
      arrange(config.behavior, out);
      break;
  }
}

// Metaspace's replacement of spaces, and what it and ByteLevel put before a piece.
void TextSplitter::put_spaces(const Step& step, AlignedText& text, std::vector<TextPiece>& pieces) {
  const bool metaspace = step.config.kind == Kind::metaspace;
  const std::string_view space = metaspace ? std::string_view(step.config.pattern) : " ";
  const PrependScheme scheme = metaspace ? step.config.prepend : PrependScheme::always;
  AlignedText out;
  out.origin = text.origin;
  out.text.reserve(text.text.size() + pieces.size());
  out.spans.reserve(text.text.size() + pieces.size());
  const auto put = [&out](std::string_view bytes, Span span) {
    out.text += bytes;
    out.spans.insert(out.spans.end(), bytes.size(), span);
  };
  for (TextPiece& piece : pieces) {
    const size_t begin = out.text.size();
    if (piece.id == TextPiece::kWord) {
      const std::string_view old =
          std::string_view(text.text).substr(piece.begin, piece.end - piece.begin);
      const bool spaced = old.starts_with(' ') || (metaspace && old.starts_with(space));
      const bool wanted = scheme == PrependScheme::always ||
                          (scheme == PrependScheme::first && text.spans[piece.begin].begin == 0);
      if (wanted && !spaced) put(space, text.spans[piece.begin]);
    }
    for (size_t at = piece.begin; at < piece.end; ++at) {
      const bool replace = metaspace && piece.id == TextPiece::kWord && text.text[at] == ' ';
      put(replace ? space : std::string_view(text.text).substr(at, 1), text.spans[at]);
    }
    piece.begin = begin;
    piece.end = out.text.size();
  }
  text = std::move(out);
}

void TextSplitter::apply(AlignedText& text, std::vector<TextPiece>& pieces, bool begins) const {
  std::vector<Stretch> stretches;
  std::vector<TextPiece> out;
  for (const Step& step : steps_) {
    if (step.config.kind == Kind::metaspace ||
        (step.config.kind == Kind::byte_level && step.config.add_prefix_space && begins)) {
      put_spaces(step, text, pieces);
    }
    out.clear();
    for (const TextPiece& piece : pieces) {
      if (piece.id != TextPiece::kWord) {
        out.push_back(piece);
        continue;
      }
      stretches.clear();
      split(step, std::string_view(text.text).substr(piece.begin, piece.end - piece.begin),
            stretches);
      for (const Stretch& stretch : stretches) {
        if (stretch.match || stretch.begin == stretch.end) continue;
        out.push_back({piece.begin + stretch.begin, piece.begin + stretch.end, TextPiece::kWord});
      }
    }
    pieces.swap(out);
  }
}

}  // namespace headrace
