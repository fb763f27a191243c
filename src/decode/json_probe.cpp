#include "decode/json_probe.h"

#include <algorithm>
#include <string>

namespace headrace {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_exact_number(std::string_view word) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t from = i;
    while (i < word.size() && is_digit(word[i])) ++i;
    return i - from;
  };
  if (word.starts_with('-')) ++i;
  const bool is_padded = i + 1 < word.size() && word[i] == '0' && is_digit(word[i + 1]);
  if (digits() == 0 || is_padded) return false;
  if (i < word.size() && word[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < word.size() && (word[i] == 'e' || word[i] == 'E')) {
    ++i;
    if (i < word.size() && (word[i] == '+' || word[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == word.size();
}

bool is_literal(std::string_view word) {
  return word == "true" || word == "false" || word == "null";
}

// What may go on as a number or a literal.
bool may_begin_word(std::string_view word) {
  for (const std::string_view literal : {"true", "false", "null"}) {
    if (literal.starts_with(word)) return true;
  }
  return (word[0] == '-' || is_digit(word[0])) &&
         word.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

class JsonScan {
 public:
  // A line break may have been put behind what was cut off.
  JsonScan(std::string_view text, size_t at)
      : text_(text.substr(0, text.find_last_not_of(" \n\t\r") + 1)) {
    probe_.at = at;
  }

  JsonProbe run() {
    probe_.end = read();
    probe_.open = open_.size();
    return probe_;
  }

 private:
  JsonEnd read();
  JsonEnd read_string();
  JsonEnd read_escape();
  JsonEnd read_word();
  bool skip() {
    probe_.at = skip_json_space(text_, probe_.at);
    return probe_.at < text_.size();
  }

  std::string_view text_;
  std::string open_;  // the brackets that are open
  JsonProbe probe_;
};

JsonEnd JsonScan::read() {
  size_t& at = probe_.at;
  bool is_key_next = false, is_after_comma = false;
  for (;;) {
    if (!skip()) return JsonEnd::cut;
    const char c = text_[at];
    if (is_key_next && c != '"' && c != '}') return JsonEnd::broken;
    if (c == '{' || c == '[') {
      if (open_.size() >= kJsonDepthMax) return JsonEnd::too_deep;
      open_.push_back(c);
      is_key_next = c == '{';
      is_after_comma = false;
      ++at;
      continue;
    }
    if (c == '}' || c == ']') {
      if (open_.empty() || open_.back() != (c == '}' ? '{' : '[')) return JsonEnd::broken;
      if (is_after_comma) probe_.is_exact = false;
      open_.pop_back();
      ++at;
    } else {
      const JsonEnd end = c == '"' ? read_string() : read_word();
      if (end != JsonEnd::complete) return end;
      if (is_key_next) {
        if (!skip()) return JsonEnd::cut;
        if (text_[at] != ':') return JsonEnd::broken;
        ++at;
        is_key_next = is_after_comma = false;
        continue;
      }
    }
    // A value is complete: then a comma, a closing bracket or the end.
    if (open_.empty()) return JsonEnd::complete;
    if (open_.back() == '{') ++probe_.members;
    if (!skip()) return JsonEnd::cut;
    is_after_comma = text_[at] == ',';
    is_key_next = is_after_comma && open_.back() == '{';
    if (is_after_comma) {
      ++at;
    } else if (text_[at] != '}' && text_[at] != ']') {
      return JsonEnd::broken;
    }
  }
}

JsonEnd JsonScan::read_string() {
  size_t& at = probe_.at;
  for (++at; at < text_.size(); ++at) {
    const char c = text_[at];
    if (c == '"') {
      ++at;
      return JsonEnd::complete;
    }
    if (c == '\n') return JsonEnd::broken;
    if (c == '\\') {
      if (const JsonEnd end = read_escape(); end != JsonEnd::complete) return end;
    }
  }
  return JsonEnd::cut;
}

// Moves to its last character.
JsonEnd JsonScan::read_escape() {
  size_t& at = probe_.at;
  if (++at >= text_.size()) return JsonEnd::cut;
  if (text_[at] == '\n') return JsonEnd::broken;
  if (text_[at] != 'u') {
    if (std::string_view("\"\\/bfnrt").find(text_[at]) == std::string_view::npos)
      probe_.is_exact = false;
    return JsonEnd::complete;
  }
  for (const char c : text_.substr(at + 1, 4)) {
    const bool is_hex = is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
    if (!is_hex && at + 5 <= text_.size()) probe_.is_exact = false;
  }
  return JsonEnd::complete;
}

JsonEnd JsonScan::read_word() {
  size_t& at = probe_.at;
  const size_t end = std::min(text_.find_first_not_of("0123456789+-.eEtrufalsn", at), text_.size());
  if (end == at) return JsonEnd::broken;
  const std::string_view word = text_.substr(at, end - at);
  at = end;
  if (end == text_.size() && !open_.empty()) {
    if (!may_begin_word(word)) probe_.is_exact = false;
    return JsonEnd::cut;
  }
  if (is_literal(word)) return JsonEnd::complete;
  if (word.find_first_of("0123456789") == std::string_view::npos) return JsonEnd::broken;
  if (!is_exact_number(word)) probe_.is_exact = false;
  return JsonEnd::complete;
}

}  // namespace

size_t skip_json_space(std::string_view text, size_t at) {
  return std::min(text.find_first_not_of(" \n\t\r", at), text.size());
}

JsonProbe probe_json(std::string_view text, size_t at) {
  return JsonScan(text, at).run();
}

}  // namespace headrace
