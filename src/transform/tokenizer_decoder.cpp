#include "transform/tokenizer_decoder.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_bytes.h"

namespace headrace {
namespace {

using Kind = DecoderStep::Kind;
using Tokens = std::vector<std::string>;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty() || text.find(from) == std::string::npos) return;
  std::string out;
  size_t done = 0;
  for (size_t at = 0; (at = text.find(from, done)) != std::string::npos;) {
    out.append(text, done, at - done);
    out += to;
    done = at + from.size();
  }
  out.append(text, done);
  text = std::move(out);
}

// How `tokenizers` undoes the spaces that splitting put before English punctuation.
void clean_up(std::string& text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {{
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" do not", " don't"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  }};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

void word_piece(const DecoderStep& step, Tokens& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string& token = tokens[i];
    if (i > 0) {
      if (token.starts_with(step.pattern)) {
        token.erase(0, step.pattern.size());
      } else {
        token.insert(token.begin(), ' ');
      }
    }
    if (step.cleanup) clean_up(token);
  }
}

// Invalid UTF-8 becomes U+FFFD, one for each maximal part of a character that a text could begin
// with (as Rust's from_utf8_lossy does; to_valid_utf8() gives one for each byte).
std::string lossy(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const CodePoint point = decode_code_point(bytes, at);
    if (point.valid) {
      out.append(bytes.substr(at, point.length));
      at += point.length;
      continue;
    }
    out += "\xEF\xBF\xBD";
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
    const uint8_t lead = byte(at);
    ++at;
    if (lead < 0xC2 || lead > 0xF4 || at >= bytes.size()) continue;
    const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0xE0 || byte(at) < low || byte(at) > high) continue;
    ++at;
    if (lead >= 0xF0 && at < bytes.size() && (byte(at) & 0xC0) == 0x80) ++at;
  }
  return out;
}

void byte_level(Tokens& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) {
    const size_t before = bytes.size();
    if (!append_bytes_of_symbols(token, bytes)) {
      bytes.resize(before);
      bytes += token;
    }
  }
  tokens.assign(1, lossy(bytes));
}

std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  int value = 0;
  // Rust's number parser takes a sign.
  const size_t from = token[3] == '+' ? 4 : 3;
  for (size_t i = from; i < 5; ++i) {
    const char c = token[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + digit;
  }
  return static_cast<char>(value);
}

void byte_fallback(Tokens& tokens) {
  Tokens out;
  std::string bytes;
  const auto flush = [&out, &bytes] {
    if (bytes.empty()) return;
    if (is_valid_utf8(bytes)) {
      out.push_back(bytes);
    } else {
      out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
    }
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const std::optional<char> byte = fallback_byte(token)) {
      bytes += *byte;
      continue;
    }
    flush();
    out.push_back(std::move(token));
  }
  flush();
  tokens = std::move(out);
}

void strip(const DecoderStep& step, std::string& token) {
  const std::string& content = step.pattern;
  size_t begin = 0;
  for (uint32_t i = 0; i < step.start && token.compare(begin, content.size(), content) == 0; ++i) {
    begin += content.size();
  }
  size_t end = token.size();
  for (uint32_t i = 0; i < step.stop && end >= content.size(); ++i) {
    if (token.compare(end - content.size(), content.size(), content) != 0) break;
    end -= content.size();
  }
  token = begin < end ? token.substr(begin, end - begin) : std::string();
}

std::string joined(const Tokens& tokens, std::string_view between) {
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) out += between;
    out += tokens[i];
  }
  return out;
}

void replace_matches(const TokenRegex& pattern, std::string_view content, std::string& token) {
  std::string out;
  size_t done = 0;
  pattern.each_match(token, [&](size_t begin, size_t end) {
    out.append(token, done, begin - done);
    out += content;
    done = end;
  });
  out.append(token, done);
  token = std::move(out);
}

}  // namespace

Result<TokenDecoder> TokenDecoder::build(const TokenizerConfig& config) {
  TokenDecoder out;
  out.joins_by_space_ = !config.has_decoder;
  for (const DecoderStep& step : config.decoders) {
    Step made{step, nullptr};
    if (step.regex) {
      auto pattern = TokenRegex::compile(step.pattern);
      if (!pattern) {
        return std::unexpected(std::move(pattern).error().with_context(config.path + ": decoder"));
      }
      made.pattern = std::make_shared<const TokenRegex>(*std::move(pattern));
    }
    out.steps_.push_back(std::move(made));
  }
  return out;
}

std::string TokenDecoder::decode(Tokens tokens) const {
  if (joins_by_space_) return joined(tokens, " ");
  for (const Step& step : steps_) {
    switch (step.config.kind) {
      case Kind::byte_level:
        byte_level(tokens);
        break;
      case Kind::byte_fallback:
        byte_fallback(tokens);
        break;
      case Kind::fuse:
        tokens.assign(1, joined(tokens, ""));
        break;
      case Kind::word_piece:
        word_piece(step.config, tokens);
        break;
      case Kind::bpe:
        for (size_t i = 0; i < tokens.size(); ++i) {
          replace_all(tokens[i], step.config.pattern, i + 1 == tokens.size() ? "" : " ");
        }
        break;
      case Kind::metaspace:
        for (size_t i = 0; i < tokens.size(); ++i) {
          replace_all(tokens[i], step.config.pattern, i == 0 && step.config.prepend ? "" : " ");
        }
        break;
      case Kind::replace:
        for (std::string& token : tokens) {
          if (step.pattern) {
            replace_matches(*step.pattern, step.config.content, token);
          } else {
            replace_all(token, step.config.pattern, step.config.content);
          }
        }
        break;
      case Kind::strip:
        for (std::string& token : tokens) strip(step.config, token);
        break;
    }
  }
  return joined(tokens, "");
}

}  // namespace headrace
