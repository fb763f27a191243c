#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_json.h"

namespace headrace::tokenizer_json {
namespace {

constexpr size_t kStepsMax = 64;
constexpr uint32_t kStripMax = 1'000'000;

using Normalizer = NormalizerStep::Kind;
using PreTokenizer = PreTokenizerStep::Kind;
using Decoder = DecoderStep::Kind;

// Calls `read` for the part under `key`, or for each member of the sequences it is made of.
template <typename Read>
Status each_step(const JsonReader& reader, const element& value, std::string_view part,
                 std::string_view members, size_t& steps, Read&& read) {
  HR_ASSIGN(const object step, reader.as_object(value, part));
  HR_ASSIGN(const std::string_view type, reader.required_string(step, "type", part));
  if (type == "Sequence") {
    const std::optional<element> list = JsonReader::find(step, members);
    if (!list) return reader.damaged(part, fmt::format("\"{}\" is missing", members));
    HR_ASSIGN(const array items, reader.as_array(*list, part));
    for (const element item : items) {
      HR_TRY(each_step(reader, item, part, members, steps, read));
    }
    return {};
  }
  if (++steps > kStepsMax) {
    return reader.unsupported(part, fmt::format("has more than {} steps", kStepsMax));
  }
  return read(step, type);
}

std::unexpected<Error> unknown_type(const JsonReader& reader, std::string_view part,
                                    std::string_view type) {
  return reader.unsupported(part, fmt::format("the type \"{}\" is not supported", type));
}

// {"String": …} or {"Regex": …}.
Status read_pattern(const JsonReader& reader, const object& step, std::string_view part,
                    std::string& pattern, bool& regex) {
  const std::string name = fmt::format("{}.pattern", part);
  const std::optional<element> value = JsonReader::find(step, "pattern");
  if (!value) return reader.damaged(part, "\"pattern\" is missing");
  HR_ASSIGN(const object fields, reader.as_object(*value, name));
  std::optional<element> text = JsonReader::find(fields, "String");
  regex = !text;
  if (!text) text = JsonReader::find(fields, "Regex");
  if (!text) return reader.damaged(name, "is no string and no regular expression");
  HR_ASSIGN(const std::string_view read, reader.as_string(*text, name));
  if (read.empty()) return reader.unsupported(name, "is empty");
  pattern = read;
  return {};
}

Result<std::string> read_character(const JsonReader& reader, const object& step,
                                   std::string_view key, std::string_view part) {
  HR_ASSIGN(const std::string_view text, reader.required_string(step, key, part));
  if (text.empty() || decode_code_point(text, 0).length != text.size()) {
    return reader.damaged(fmt::format("{}.{}", part, key), "is not one character");
  }
  return std::string(text);
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Of any length: the maps of real models have about 320 KB.
Result<std::string> decode_base64(const JsonReader& reader, std::string_view text,
                                  std::string_view part) {
  std::string out;
  while (text.ends_with('=')) text.remove_suffix(1);
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return reader.damaged(part, "is not base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 0xFF);
    }
  }
  if (held >= 6) return reader.damaged(part, "is cut base64");
  return out;
}

Status read_normalizer_step(const JsonReader& reader, const object& step, std::string_view type,
                            TokenizerConfig& config) {
  constexpr std::string_view kPart = "normalizer";
  constexpr std::array<std::pair<std::string_view, Normalizer>, 7> kPlain = {{
      {"NFC", Normalizer::nfc},
      {"NFD", Normalizer::nfd},
      {"NFKC", Normalizer::nfkc},
      {"NFKD", Normalizer::nfkd},
      {"Nmt", Normalizer::nmt},
      {"Lowercase", Normalizer::lowercase},
      {"StripAccents", Normalizer::strip_accents},
  }};
  NormalizerStep out;
  const auto plain = std::find_if(kPlain.begin(), kPlain.end(),
                                  [type](const auto& entry) { return entry.first == type; });
  if (plain != kPlain.end()) {
    out.kind = plain->second;
  } else if (type == "BertNormalizer") {
    out.kind = Normalizer::bert;
    BertOptions& bert = out.bert;
    HR_ASSIGN(bert.clean_text, reader.flag(step, "clean_text", kPart, true));
    HR_ASSIGN(bert.handle_chinese_chars, reader.flag(step, "handle_chinese_chars", kPart, true));
    HR_ASSIGN(bert.lowercase, reader.flag(step, "lowercase", kPart, true));
    HR_ASSIGN(bert.strip_accents, reader.flag(step, "strip_accents", kPart, bert.lowercase));
  } else if (type == "Strip") {
    out.kind = Normalizer::strip;
    HR_ASSIGN(out.left, reader.flag(step, "strip_left", kPart, true));
    HR_ASSIGN(out.right, reader.flag(step, "strip_right", kPart, true));
  } else if (type == "Replace") {
    out.kind = Normalizer::replace;
    HR_TRY(read_pattern(reader, step, kPart, out.pattern, out.regex));
    HR_ASSIGN(out.content, reader.required_string(step, "content", kPart));
  } else if (type == "Prepend") {
    out.kind = Normalizer::prepend;
    HR_ASSIGN(out.content, reader.required_string(step, "prepend", kPart));
  } else if (type == "Precompiled") {
    out.kind = Normalizer::precompiled;
    constexpr std::string_view kMap = "normalizer.precompiled_charsmap";
    const std::optional<element> map = JsonReader::find(step, "precompiled_charsmap");
    std::string_view text;
    if (!map || map->get(text)) return reader.damaged(kMap, "is not a string");
    HR_ASSIGN(out.content, decode_base64(reader, text, kMap));
  } else {
    return unknown_type(reader, kPart, type);
  }
  config.normalizers.push_back(std::move(out));
  return {};
}

Result<SplitBehavior> read_behavior(const JsonReader& reader, const object& step,
                                    std::string_view fallback) {
  constexpr std::string_view kPart = "pre_tokenizer.behavior";
  std::string_view name = fallback;
  if (const std::optional<element> value = JsonReader::find(step, "behavior")) {
    HR_ASSIGN(name, reader.as_string(*value, kPart));
  }
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  return reader.damaged(kPart, fmt::format("\"{}\" is none", name));
}

Status read_metaspace(const JsonReader& reader, const object& step, std::string_view part,
                      std::string& replacement, PrependScheme& prepend) {
  HR_ASSIGN(replacement, read_character(reader, step, "replacement", part));
  HR_ASSIGN(const bool add, reader.flag(step, "add_prefix_space", part, true));
  prepend = add ? PrependScheme::always : PrependScheme::never;
  const std::optional<element> scheme = JsonReader::find(step, "prepend_scheme");
  if (!scheme) return {};
  HR_ASSIGN(const std::string_view name, reader.as_string(*scheme, part));
  if (name != "always" && name != "first" && name != "never") {
    return reader.damaged(part, fmt::format("the prepend_scheme \"{}\" is none", name));
  }
  if (!add && name != "never") {
    return reader.damaged(part, "add_prefix_space and prepend_scheme contradict each other");
  }
  prepend = name == "always"  ? PrependScheme::always
            : name == "first" ? PrependScheme::first
                              : PrependScheme::never;
  return {};
}

Status read_pre_tokenizer_step(const JsonReader& reader, const object& step, std::string_view type,
                               TokenizerConfig& config) {
  constexpr std::string_view kPart = "pre_tokenizer";
  if (!config.pre_tokenizers.empty() &&
      config.pre_tokenizers.back().kind == PreTokenizer::byte_level) {
    return reader.unsupported(kPart, fmt::format("\"{}\" after \"ByteLevel\"", type));
  }
  PreTokenizerStep out;
  if (type == "BertPreTokenizer") {
    out.kind = PreTokenizer::bert;
  } else if (type == "ByteLevel") {
    out.kind = PreTokenizer::byte_level;
    HR_ASSIGN(out.add_prefix_space, reader.flag(step, "add_prefix_space", kPart, true));
    HR_ASSIGN(out.use_regex, reader.flag(step, "use_regex", kPart, true));
  } else if (type == "Split") {
    out.kind = PreTokenizer::split;
    HR_TRY(read_pattern(reader, step, kPart, out.pattern, out.regex));
    HR_ASSIGN(out.behavior, read_behavior(reader, step, ""));
    HR_ASSIGN(out.invert, reader.flag(step, "invert", kPart, false));
  } else if (type == "Metaspace") {
    out.kind = PreTokenizer::metaspace;
    HR_TRY(read_metaspace(reader, step, kPart, out.pattern, out.prepend));
    HR_ASSIGN(out.split, reader.flag(step, "split", kPart, true));
  } else if (type == "Whitespace") {
    out.kind = PreTokenizer::whitespace;
  } else if (type == "WhitespaceSplit") {
    out.kind = PreTokenizer::whitespace_split;
  } else if (type == "Digits") {
    out.kind = PreTokenizer::digits;
    HR_ASSIGN(out.individual, reader.flag(step, "individual_digits", kPart, false));
  } else if (type == "Punctuation") {
    out.kind = PreTokenizer::punctuation;
    HR_ASSIGN(out.behavior, read_behavior(reader, step, "Isolated"));
  } else {
    return unknown_type(reader, kPart, type);
  }
  config.pre_tokenizers.push_back(std::move(out));
  return {};
}

Status read_decoder_step(const JsonReader& reader, const object& step, std::string_view type,
                         TokenizerConfig& config) {
  constexpr std::string_view kPart = "decoder";
  DecoderStep out;
  if (type == "ByteLevel") {
    out.kind = Decoder::byte_level;
  } else if (type == "ByteFallback") {
    out.kind = Decoder::byte_fallback;
  } else if (type == "Fuse") {
    out.kind = Decoder::fuse;
  } else if (type == "BPEDecoder") {
    out.kind = Decoder::bpe;
    HR_ASSIGN(out.pattern, reader.required_string(step, "suffix", kPart));
  } else if (type == "WordPiece") {
    out.kind = Decoder::word_piece;
    HR_ASSIGN(out.pattern, reader.required_string(step, "prefix", kPart));
    HR_ASSIGN(out.cleanup, reader.flag(step, "cleanup", kPart, true));
  } else if (type == "Metaspace") {
    out.kind = Decoder::metaspace;
    PrependScheme prepend = PrependScheme::always;
    HR_TRY(read_metaspace(reader, step, kPart, out.pattern, prepend));
    out.prepend = prepend != PrependScheme::never;
  } else if (type == "Replace") {
    out.kind = Decoder::replace;
    HR_TRY(read_pattern(reader, step, kPart, out.pattern, out.regex));
    HR_ASSIGN(out.content, reader.required_string(step, "content", kPart));
  } else if (type == "Strip") {
    out.kind = Decoder::strip;
    HR_ASSIGN(out.pattern, read_character(reader, step, "content", kPart));
    HR_ASSIGN(out.start, reader.count(step, "start", kPart, kStripMax, 0));
    HR_ASSIGN(out.stop, reader.count(step, "stop", kPart, kStripMax, 0));
  } else {
    return unknown_type(reader, kPart, type);
  }
  config.decoders.push_back(std::move(out));
  return {};
}

}  // namespace

Status read_normalizer(const JsonReader& reader, const object& root, TokenizerConfig& config) {
  const std::optional<element> value = JsonReader::find(root, "normalizer");
  if (!value) return {};
  size_t steps = 0;
  return each_step(reader, *value, "normalizer", "normalizers", steps,
                   [&](const object& step, std::string_view type) {
                     return read_normalizer_step(reader, step, type, config);
                   });
}

Status read_pre_tokenizer(const JsonReader& reader, const object& root, TokenizerConfig& config) {
  const std::optional<element> value = JsonReader::find(root, "pre_tokenizer");
  if (!value) return {};
  size_t steps = 0;
  return each_step(reader, *value, "pre_tokenizer", "pretokenizers", steps,
                   [&](const object& step, std::string_view type) {
                     return read_pre_tokenizer_step(reader, step, type, config);
                   });
}

Status read_decoder(const JsonReader& reader, const object& root, TokenizerConfig& config) {
  const std::optional<element> value = JsonReader::find(root, "decoder");
  if (!value) return {};
  config.has_decoder = true;
  size_t steps = 0;
  return each_step(reader, *value, "decoder", "decoders", steps,
                   [&](const object& step, std::string_view type) {
                     return read_decoder_step(reader, step, type, config);
                   });
}

}  // namespace headrace::tokenizer_json
