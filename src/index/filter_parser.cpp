#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/utf8.h"
#include "index/filter_node.h"

namespace headrace::index {
namespace {

constexpr size_t kFilterBytesMax = 1 << 20;
constexpr int kDepthMax = 200;
constexpr size_t kConditionsMax = 4096;  // each is a pass over a column

enum class Token : uint8_t { end, name, quoted_name, text, number, symbol };

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Filter::Node> parse() {
    if (text_.size() > kFilterBytesMax) {
      return fail(ErrorCode::too_large,
                  fmt::format("the filter is {} bytes long; the limit is {}", text_.size(),
                              kFilterBytesMax),
                  "split it into several searches");
    }
    HR_TRY(advance());
    if (token_ == Token::end) return expected("a condition such as lang = 'de'");
    HR_ASSIGN(Filter::Node node, any_of(0));
    if (token_ != Token::end) return expected("and, or, or the end");
    node.text = text_;
    return node;
  }

 private:
  using Node = Filter::Node;

  // In characters from 1. Counts on from where it was asked last.
  uint32_t position(size_t at) {
    if (at < counted_bytes_) counted_bytes_ = counted_ = 0;
    counted_ += count_code_points(text_.substr(counted_bytes_, at - counted_bytes_));
    counted_bytes_ = at;
    return static_cast<uint32_t>(counted_ + 1);
  }

  std::unexpected<Error> error_at(size_t at, std::string what, std::string hint = {}) {
    if (hint.empty()) hint = "an example: lang = 'de' and year >= 2020 and source like 'docs/%'";
    return fail(ErrorCode::invalid_argument,
                fmt::format("filter: {} at character {}", what, position(at)), std::move(hint));
  }

  std::unexpected<Error> expected(std::string_view what) {
    if (token_ == Token::end) {
      return error_at(text_.size(), fmt::format("expected {}, but the filter ends", what));
    }
    const size_t shown = code_point_floor(text_, std::min(begin_ + 40, end_));
    return error_at(begin_, fmt::format("expected {}, found {}{}", what,
                                        to_valid_utf8(text_.substr(begin_, shown - begin_)),
                                        shown < end_ ? "…" : ""));
  }

  Status advance() {
    size_t i = end_;
    while (i < text_.size() &&
           (text_[i] == ' ' || text_[i] == '\t' || text_[i] == '\n' || text_[i] == '\r')) {
      ++i;
    }
    begin_ = i;
    value_.clear();
    if (i == text_.size()) {
      token_ = Token::end;
      end_ = i;
      return {};
    }
    const char c = text_[i];
    if (c == '\'' || c == '"') return quoted(c);
    if (is_digit(c) || ((c == '-' || c == '+' || c == '.') && i + 1 < text_.size() &&
                        (is_digit(text_[i + 1]) || text_[i + 1] == '.'))) {
      return number();
    }
    if (is_name_byte(c)) {
      while (i < text_.size() && is_name_byte(text_[i])) ++i;
      token_ = Token::name;
      end_ = i;
      return {};
    }
    token_ = Token::symbol;
    const std::string_view two = text_.substr(i, 2);
    end_ = i + (two == "!=" || two == "<>" || two == "<=" || two == ">=" || two == "==" ? 2 : 1);
    return {};
  }

  // A doubled quote stands for one.
  Status quoted(char quote) {
    size_t i = begin_ + 1;
    for (;; ++i) {
      if (i >= text_.size()) {
        return error_at(begin_, fmt::format("a {} is never closed, which opens", quote),
                        fmt::format("write {0}{0} for a {0} inside a text", quote));
      }
      if (text_[i] == quote) {
        if (i + 1 < text_.size() && text_[i + 1] == quote) {
          ++i;
        } else {
          break;
        }
      }
      value_ += text_[i];
    }
    token_ = quote == '\'' ? Token::text : Token::quoted_name;
    end_ = i + 1;
    return {};
  }

  Status number() {
    size_t i = begin_ + (text_[begin_] == '-' || text_[begin_] == '+' ? 1 : 0);
    while (i < text_.size()) {
      const char c = text_[i];
      const bool sign_of_exponent =
          (c == '+' || c == '-') && i > begin_ && lower(text_[i - 1]) == 'e';
      if (!is_name_byte(c) && !sign_of_exponent) break;
      ++i;
    }
    end_ = i;
    token_ = Token::number;
    std::string_view digits = text_.substr(begin_, end_ - begin_);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    int64_t integer = 0;
    const char* const last = digits.data() + digits.size();
    if (const auto read = std::from_chars(digits.data(), last, integer);
        read.ec == std::errc() && read.ptr == last) {
      number_ = integer;
      return {};
    }
    double real = 0;
    const auto read = std::from_chars(digits.data(), last, real);
    if (read.ec != std::errc() || read.ptr != last || !std::isfinite(real)) {
      const std::string shown = to_valid_utf8(digits.substr(0, 40));
      return error_at(begin_, fmt::format("'{}' is not a number", shown),
                      "put texts and dates in single quotes, such as '2024-05-01'");
    }
    number_ = real;
    return {};
  }

  bool is_symbol(std::string_view symbol) const {
    return token_ == Token::symbol && text_.substr(begin_, end_ - begin_) == symbol;
  }

  bool is_word(std::string_view word) const {
    return token_ == Token::name &&
           std::ranges::equal(text_.substr(begin_, end_ - begin_), word, {}, lower);
  }

  Result<Node> any_of(int depth) { return joined(depth, Node::Kind::any_of, "or"); }

  // Conditions joined by one word lie side by side, however many they are; only parentheses and
  // "not" make the tree deeper.
  Result<Node> joined(int depth, Node::Kind kind, std::string_view word) {
    const auto part = [&] {
      return kind == Node::Kind::any_of ? joined(depth, Node::Kind::all_of, "and")
                                        : negation(depth);
    };
    HR_ASSIGN(Node first, part());
    if (!is_word(word)) return first;
    Node node;
    node.kind = kind;
    node.children.push_back(std::move(first));
    while (is_word(word)) {
      HR_TRY(advance());
      HR_ASSIGN(Node next, part());
      node.children.push_back(std::move(next));
    }
    return node;
  }

  Result<Node> negation(int depth) {
    bool negated = false;
    while (is_word("not")) {
      negated = !negated;
      HR_TRY(advance());
    }
    HR_ASSIGN(Node node, primary(depth));
    if (negated) negate(node);
    return node;
  }

  Result<Node> primary(int depth) {
    if (!is_symbol("(")) return condition();
    if (depth >= kDepthMax) {
      return error_at(begin_, fmt::format("parentheses are nested more than {} deep", kDepthMax),
                      "write the filter flatter, for example with in ('a', 'b', …)");
    }
    HR_TRY(advance());
    HR_ASSIGN(Node node, any_of(depth + 1));
    if (!is_symbol(")")) return expected("and, or, or a closing parenthesis");
    HR_TRY(advance());
    return node;
  }

  Result<Node> condition() {
    if (++conditions_ > kConditionsMax) {
      return error_at(begin_, fmt::format("there are more than {} conditions", kConditionsMax),
                      "write many values of one column as in ('a', 'b', …)");
    }
    Node node;
    Condition& made = node.condition;
    if (token_ == Token::quoted_name) {
      made.column = value_;
    } else if (token_ == Token::name && !is_keyword()) {
      made.column = text_.substr(begin_, end_ - begin_);
    } else {
      return expected("the name of a column");
    }
    made.position = position(begin_);
    HR_TRY(advance());
    if (is_word("not")) {
      made.negated = true;
      HR_TRY(advance());
      if (!is_word("like") && !is_word("in") && !is_word("between") && !is_word("contains")) {
        return expected("like, in, between or contains after not");
      }
    }
    HR_TRY(comparison(made));
    return node;
  }

  bool is_keyword() const {
    for (const std::string_view word :
         {"and", "or", "not", "in", "like", "between", "is", "null", "contains", "true", "false"}) {
      if (is_word(word)) return true;
    }
    return false;
  }

  Status comparison(Condition& made) {
    struct Symbol {
      std::string_view text;
      FilterOp op;
      bool negated;
    };
    static constexpr Symbol kSymbols[] = {
        {"=", FilterOp::equal, false},          {"==", FilterOp::equal, false},
        {"!=", FilterOp::equal, true},          {"<>", FilterOp::equal, true},
        {"<=", FilterOp::less_equal, false},    {"<", FilterOp::less, false},
        {">=", FilterOp::greater_equal, false}, {">", FilterOp::greater, false}};
    for (const Symbol& symbol : kSymbols) {
      if (!is_symbol(symbol.text)) continue;
      made.op = symbol.op;
      made.negated = symbol.negated;
      HR_TRY(advance());
      return literal(made);
    }
    if (is_word("like")) {
      made.op = FilterOp::like;
      HR_TRY(advance());
      return pattern(made);
    }
    if (is_word("contains")) {
      made.op = FilterOp::contains;
      HR_TRY(advance());
      return literal(made);
    }
    if (is_word("in")) {
      made.op = FilterOp::in;
      HR_TRY(advance());
      return list(made);
    }
    if (is_word("between")) {
      made.op = FilterOp::between;
      HR_TRY(advance());
      HR_TRY(literal(made));
      if (!is_word("and")) return expected("and between the two bounds");
      HR_TRY(advance());
      return literal(made);
    }
    if (is_word("is")) {
      made.op = FilterOp::is_null;
      HR_TRY(advance());
      if (is_word("not")) {
        made.negated = true;
        HR_TRY(advance());
      }
      if (!is_word("null")) return expected("null or not null");
      return advance();
    }
    return expected("a comparison (=, !=, <, <=, >, >=, like, in, between, contains, is null)");
  }

  Status pattern(Condition& made) {
    if (token_ != Token::text) return expected("a pattern in single quotes");
    HR_TRY(literal(made));
    if (!is_word("escape")) return {};
    HR_TRY(advance());
    if (token_ != Token::text || value_.size() != 1 ||
        static_cast<unsigned char>(value_[0]) >= 128) {
      return expected("one character in single quotes");
    }
    made.escape = value_[0];
    return advance();
  }

  Status list(Condition& made) {
    if (!is_symbol("(")) return expected("an opening parenthesis");
    do {
      HR_TRY(advance());
      HR_TRY(literal(made));
    } while (is_symbol(","));
    if (!is_symbol(")")) return expected("a comma or a closing parenthesis");
    return advance();
  }

  Status literal(Condition& made) {
    if (token_ == Token::text) {
      made.values.emplace_back(std::move(value_));
    } else if (token_ == Token::number) {
      made.values.push_back(number_);
    } else if (is_word("true") || is_word("false")) {
      made.values.emplace_back(is_word("true"));
    } else if (is_word("null")) {
      return error_at(begin_, "a comparison with null is never true",
                      "write is null or is not null");
    } else {
      return expected("a value (a text in single quotes, a number, true or false)");
    }
    return advance();
  }

  std::string_view text_;
  size_t begin_ = 0;  // of the current token
  size_t end_ = 0;
  Token token_ = Token::end;
  size_t counted_bytes_ = 0;
  size_t counted_ = 0;
  size_t conditions_ = 0;
  std::string value_;  // of a text or a quoted name
  Literal number_;
};

}  // namespace

void negate(Filter::Node& node) {
  if (node.kind == Filter::Node::Kind::condition) {
    node.condition.negated = !node.condition.negated;
    return;
  }
  node.kind = node.kind == Filter::Node::Kind::all_of ? Filter::Node::Kind::any_of
                                                      : Filter::Node::Kind::all_of;
  for (Filter::Node& child : node.children) negate(child);
}

Result<Filter::Node> parse_filter(std::string_view expression) {
  return Parser(expression).parse();
}

std::string like_prefix(std::string_view pattern, char escape, std::string_view& rest) {
  std::string prefix;
  size_t i = 0;
  for (; i < pattern.size() && pattern[i] != '%' && pattern[i] != '_'; ++i) {
    if (pattern[i] == escape && i + 1 < pattern.size()) ++i;
    prefix += pattern[i];
  }
  rest = pattern.substr(i);
  return prefix;
}

bool like_matches(std::string_view text, std::string_view pattern, char escape) {
  size_t t = 0;
  size_t p = 0;
  // Where to go on after the last % when something does not match: it takes one byte more then.
  size_t retry_text = std::string_view::npos;
  size_t retry_pattern = 0;
  for (;;) {
    if (p < pattern.size() && pattern[p] == '%' && escape != '%') {
      retry_pattern = ++p;
      retry_text = t;
      continue;
    }
    if (p == pattern.size() && t == text.size()) return true;
    if (p < pattern.size() && t < text.size()) {
      if (pattern[p] == '_' && escape != '_') {
        t += decode_code_point(text, t).length;
        ++p;
        continue;
      }
      const bool escaped = pattern[p] == escape && p + 1 < pattern.size();
      if (text[t] == pattern[escaped ? p + 1 : p]) {
        ++t;
        p += escaped ? 2 : 1;
        continue;
      }
    }
    if (retry_text == std::string_view::npos || retry_text >= text.size()) return false;
    t = ++retry_text;
    p = retry_pattern;
  }
}

}  // namespace headrace::index
