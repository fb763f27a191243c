#include "decode/front_matter.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "decode/text_builder.h"

namespace headrace {
namespace {

constexpr size_t kIntegerDigitsMax = 18;

bool is_quoted(std::string_view text) {
  return text.size() >= 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0];
}

std::string unquoted(std::string_view text) {
  text = trimmed(text);
  return std::string(is_quoted(text) ? text.substr(1, text.size() - 2) : text);
}

// Without a " # comment" behind it.
std::string_view without_comment(std::string_view value) {
  if (value.empty() || value[0] == '"' || value[0] == '\'') {
    const size_t close = value.empty() ? std::string_view::npos : value.find(value[0], 1);
    const std::string_view rest =
        close == std::string_view::npos ? std::string_view() : trimmed(value.substr(close + 1));
    return rest.starts_with('#') ? value.substr(0, close + 1) : value;
  }
  if (value[0] == '#') return {};
  const size_t comment = value.find(" #");
  return comment == std::string_view::npos ? value : trimmed(value.substr(0, comment));
}

// "-12", not "007" or "+49 30": those are names.
std::optional<int64_t> whole_number(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.size() > kIntegerDigitsMax) return std::nullopt;
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "4.5" or "-1.2e3".
std::optional<double> fraction(std::string_view text) {
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  const size_t point = digits.find('.');
  if (point == 0 || point == std::string_view::npos) return std::nullopt;
  if (digits[0] == '0' && point > 1) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}

Value typed(std::string_view text) {
  if (is_quoted(text)) return unquoted(text);
  if (text.empty() || text == "~" || text == "null") return std::monostate{};
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False") return false;
  if (const auto number = whole_number(text)) return *number;
  if (const auto number = fraction(text)) return *number;
  return std::string(text);
}

// What stands between the commas that are not in quotes.
std::vector<Value> list_of(std::string_view inside) {
  std::vector<Value> list;
  char quote = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= inside.size(); ++i) {
    const char c = i < inside.size() ? inside[i] : ',';
    if (i < inside.size() && quote != 0) {
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') && trimmed(inside.substr(begin, i - begin)).empty()) {
      quote = c;
    } else if (c == ',') {
      const std::string_view item = trimmed(inside.substr(begin, i - begin));
      if (!item.empty()) list.push_back(typed(item));
      begin = i + 1;
    }
  }
  return list;
}

// "de-AT" → "de"; empty where `tag` names no language by its code.
std::string primary_language(std::string_view tag) {
  std::string primary;
  for (const char c : tag.substr(0, tag.find_first_of("-_"))) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    if (lower < 'a' || lower > 'z') return {};
    primary.push_back(lower);
  }
  return primary.size() == 2 || primary.size() == 3 ? primary : std::string();
}

class PropertyReader {
 public:
  PropertyReader(const std::vector<std::string_view>& lines, char separator, Document& document)
      : lines_(lines), separator_(separator), document_(document) {}

  void read() {
    while (next_ < lines_.size()) take(lines_[next_++]);
  }

 private:
  void take(std::string_view line) {
    const size_t split = line.find(separator_);
    if (split == std::string_view::npos || split == 0 || line[0] == ' ' || line[0] == '#') return;
    const std::string key = unquoted(line.substr(0, split));
    const std::string_view value = without_comment(trimmed(line.substr(split + 1)));
    if (value.empty()) {
      if (const std::vector<Value> items = items_below(); !items.empty())
        document_.metadata[key] = list_value(items);
    } else if (value == "|" || value == ">" || value == "|-" || value == ">-") {
      set(key, text_below(value[0] == '|' ? '\n' : ' '));
    } else if (value.starts_with('[') && value.ends_with(']')) {
      if (auto list = list_of(value.substr(1, value.size() - 2)); !list.empty())
        document_.metadata[key] = list_value(list);
    } else if (key == "title") {
      document_.title = unquoted(value);
    } else {
      set(key, typed(value));
    }
  }

  void set(const std::string& key, Value value) {
    if (std::holds_alternative<std::monostate>(value)) return;
    if (const auto* text = std::get_if<std::string>(&value)) {
      if (key == "title") {
        document_.title = *text;
        return;
      }
      if (key == "lang" || key == "language") {
        if (std::string language = primary_language(*text); !language.empty()) {
          document_.language = std::move(language);
          if (key == "lang") return;  // every document's language is its "lang"
        }
      }
    }
    document_.metadata[key] = std::move(value);
  }

  // The "- item" lines that follow.
  std::vector<Value> items_below() {
    std::vector<Value> items;
    for (; next_ < lines_.size(); ++next_) {
      const std::string_view line = trimmed(lines_[next_]);
      if (!line.starts_with("- ")) break;
      items.push_back(typed(without_comment(trimmed(line.substr(2)))));
    }
    return items;
  }

  // The indented lines that follow.
  std::string text_below(char between) {
    std::string text;
    for (; next_ < lines_.size() && lines_[next_].starts_with(' '); ++next_) {
      if (!text.empty()) text.push_back(between);
      text += trimmed(lines_[next_]);
    }
    return text;
  }

  const std::vector<std::string_view>& lines_;
  const char separator_;
  Document& document_;
  size_t next_ = 0;
};

}  // namespace

void read_properties(const std::vector<std::string_view>& lines, char separator,
                     Document& document) {
  PropertyReader(lines, separator, document).read();
}

}  // namespace headrace
