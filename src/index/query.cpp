#include "index/query.h"

#include <algorithm>
#include <optional>

#include "base/unicode.h"
#include "base/utf8.h"

namespace headrace::index {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Whether a word goes on at `at`.
bool is_word_at(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  const char c = text[at];
  if (is_ascii_letter(c) || is_digit(c) || c == '_') return true;
  if (static_cast<unsigned char>(c) < 0x80) return false;
  const CodePoint point = decode_code_point(text, at);
  return point.valid && unicode::is_word_character(point.value);
}

constexpr std::string_view kOpenQuote = "\u201C";
constexpr std::string_view kCloseQuote = "\u201D";

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Query parse() {
    while (at_ < text_.size()) {
      if (token_begins() && operation()) continue;
      query_.words += text_[at_];
      query_.meaning += text_[at_++];
    }
    return std::move(query_);
  }

 private:
  // Operators stand at the beginning, after white space and after an opening bracket.
  bool token_begins() const {
    return at_ == 0 || is_space(text_[at_ - 1]) || text_[at_ - 1] == '(' || text_[at_ - 1] == '[';
  }

  // Takes an operator and what belongs to it; false where there is none.
  bool operation() {
    QueryClause clause;
    size_t at = at_;
    if (text_[at] == '+' || text_[at] == '-') {
      clause.need = text_[at] == '+' ? QueryNeed::required : QueryNeed::excluded;
      ++at;
    }
    if (text_.substr(at).starts_with("title:")) {
      clause.title = true;
      at += 6;
    }
    if (const auto quoted = phrase(at)) {
      clause.text = quoted->first;
      if (clause.need == QueryNeed::wanted) clause.need = QueryNeed::required;
      return take(std::move(clause), quoted->second);
    }
    if (!is_word_at(text_, at)) return false;
    size_t end = at;
    while (end < text_.size() && !is_space(text_[end])) ++end;
    const std::string_view token = text_.substr(at, end - at);
    if (clause.need == QueryNeed::excluded && !clause.title && is_option(token)) return false;
    if (const size_t size = prefix_size(token); size > 0) {
      clause.kind = QueryClause::Kind::prefix;
      clause.text = token.substr(0, size);
      return take(std::move(clause), at + size + 1);
    }
    if (clause.need == QueryNeed::wanted && !clause.title) return false;
    clause.text = token;
    return take(std::move(clause), end);
  }

  bool take(QueryClause clause, size_t end) {
    if (clause.need != QueryNeed::excluded) query_.meaning += clause.text;
    query_.clauses.push_back(std::move(clause));
    query_.words += ' ';
    query_.meaning += ' ';
    at_ = end;
    return true;
  }

  // The text between quotes that open at `at`, and where it ends.
  std::optional<std::pair<std::string_view, size_t>> phrase(size_t at) {
    const bool curly = text_.substr(at).starts_with(kOpenQuote);
    if (!curly && (at >= text_.size() || text_[at] != '"')) return std::nullopt;
    const std::string_view close = curly ? kCloseQuote : std::string_view("\"");
    const size_t begin = at + (curly ? kOpenQuote.size() : 1);
    // Text full of quotes that never close is looked through once, not once for each.
    size_t& end = next_close_[curly ? 1 : 0];
    if (end < begin) {
      end = text_.find(close, begin);
      while (end != std::string_view::npos && is_word_at(text_, end + close.size()))
        end = text_.find(close, end + close.size());
    }
    if (end == std::string_view::npos) return std::nullopt;
    if (next_word_ < begin) {
      next_word_ = begin;
      while (next_word_ < text_.size() && !is_word_at(text_, next_word_)) ++next_word_;
    }
    if (next_word_ >= end) return std::nullopt;
    return std::pair(text_.substr(begin, end - begin), end + close.size());
  }

  // What follows a dash and is an option of a command or a negative number.
  static bool is_option(std::string_view token) {
    const size_t size = std::min(token.find_first_of("=,;:.!?)]"), token.size());
    if (size == 1 && is_ascii_letter(token[0])) return true;
    return is_digit(token[0]) && std::ranges::all_of(token, [](char c) {
             return is_digit(c) || c == '.' || c == ',' || c == '%' || c == '?';
           });
  }

  // Characters before a star that ends the word; 0 where it is no prefix.
  static size_t prefix_size(std::string_view token) {
    const size_t star = token.find('*');
    if (star == std::string_view::npos || token.find_last_not_of(".,;:!?)]") != star) return 0;
    if (count_code_points(token.substr(0, star)) < 2) return 0;
    for (size_t i = 0; i < star; ++i) {
      const bool inner_byte = (static_cast<unsigned char>(token[i]) & 0xC0) == 0x80;
      if (!inner_byte && !is_word_at(token, i)) return 0;
    }
    return star;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t next_close_[2] = {0, 0};  // the next quote that closes, straight or curly, if not behind
  size_t next_word_ = 0;           // where a word stands next, if not behind
  Query query_;
};

bool is_blank(std::string_view text) {
  return std::ranges::all_of(text, is_space);
}

}  // namespace

bool Query::only_excludes() const {
  return is_blank(words) && !clauses.empty() &&
         std::ranges::all_of(clauses,
                             [](const auto& clause) { return clause.need == QueryNeed::excluded; });
}

bool Query::restricts() const {
  return std::ranges::any_of(clauses,
                             [](const auto& clause) { return clause.need != QueryNeed::wanted; });
}

Query parse_query(std::string_view text) {
  return Parser(text).parse();
}

Query plain_query(std::string_view text) {
  Query query;
  query.words = text;
  query.meaning = text;
  return query;
}

std::string query_meaning(std::string_view text) {
  const Query query = parse_query(text);
  if (query.clauses.empty()) return std::string(text);
  std::string words;  // white space that operators left behind is no part of it
  for (const char c : query.meaning) {
    if (!is_space(c)) {
      words += c;
    } else if (!words.empty() && words.back() != ' ') {
      words += ' ';
    }
  }
  while (words.ends_with(' ')) words.pop_back();
  return words.empty() ? std::string(text) : words;
}

}  // namespace headrace::index
