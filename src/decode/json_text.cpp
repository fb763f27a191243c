// JSON and JSON lines as text: one "path: value" line for each value, the paths without indices, so
// that a line says what it is about. Reads with a reader of its own, in one pass without a tree:
// what is no JSON stays as the text it is, what is JSON and damaged is refused.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/lenient_json.h"
#include "base/utf8.h"
#include "decode/json_probe.h"
#include "decode/text_builder.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kFlatDepthMax = 256;
constexpr size_t kPathBytesMax = 256;

class JsonFlattener {
 public:
  explicit JsonFlattener(std::string_view in) : in_(in), out_(in.size()), lines_(in) {}

  // False when the text is no JSON.
  bool read() {
    skip_space();
    while (at_ < in_.size()) {
      if (!read_document()) return false;
      skip_space();
      if (at_ < in_.size() && in_[at_] == ',') {  // tolerated between the values of lines
        ++at_;
        skip_space();
      }
    }
    return true;
  }
  Document take() { return out_.take(); }

 private:
  // One value at the top: each member of an object and each element of an array is a block.
  bool read_document() {
    const char open = in_[at_];
    ++values_;
    if (open != '{' && open != '[') {
      begin_block();
      return read_value(0);
    }
    ++at_;
    const char close = open == '{' ? '}' : ']';
    skip_space();
    bool joined = false;  // small members of an object share a block
    while (at_ < in_.size() && in_[at_] != close) {
      if (open == '[' || !joined) begin_block();
      joined = open == '{';
      if (open == '{') {
        path_.clear();
        if (!read_key()) return false;
      }
      const size_t before = out_.document().text.size();
      if (!read_value(1)) return false;
      path_.clear();
      if (open == '{' && out_.document().text.size() - before > 400) joined = false;
      skip_space();
      if (at_ < in_.size() && in_[at_] == ',') ++at_;
      skip_space();
    }
    if (at_ >= in_.size()) return false;
    ++at_;
    return true;
  }

  void begin_block() {
    out_.end();
    if (!out_.document().text.empty()) out_.line_break();
    out_.begin(BlockKind::code);
  }

  bool read_value(size_t depth) {
    if (at_ >= in_.size() || depth > kFlatDepthMax) return false;
    switch (in_[at_]) {
      case '{':
        return read_object(depth);
      case '[':
        return read_array(depth);
      default:
        break;
    }
    std::string value;
    const size_t begin = at_;
    if (!read_scalar(value)) return false;
    write_line(value, begin);
    return true;
  }

  bool read_object(size_t depth) {
    ++at_;
    for (;;) {
      skip_space();
      if (at_ >= in_.size()) return false;
      if (in_[at_] == '}') {
        ++at_;
        return true;
      }
      const size_t length = path_.size();
      if (!read_key() || !read_value(depth + 1)) return false;
      path_.resize(length);
      skip_space();
      if (at_ < in_.size() && in_[at_] == ',') ++at_;
    }
  }

  // The scalars of an array stand in one line.
  bool read_array(size_t depth) {
    ++at_;
    std::string list;
    size_t begin = at_;  // of the scalars in hand
    for (;;) {
      skip_space();
      if (at_ >= in_.size()) return false;
      const char c = in_[at_];
      if (c == ']') {
        ++at_;
        if (!list.empty()) write_line(list, begin);
        return true;
      }
      if (c == '{' || c == '[') {
        if (!list.empty()) write_line(list, begin);
        list.clear();
        if (!read_value(depth + 1)) return false;
      } else {
        if (list.empty()) begin = at_;
        if (!list.empty()) list += ", ";
        if (!read_scalar(list)) return false;
      }
      skip_space();
      if (at_ < in_.size() && in_[at_] == ',') ++at_;
    }
  }

  bool read_key() {
    std::string key;
    if (at_ >= in_.size() || in_[at_] != '"' || !read_string(key)) return false;
    skip_space();
    if (at_ >= in_.size() || in_[at_] != ':') return false;
    ++at_;
    skip_space();
    if (path_.size() + key.size() < kPathBytesMax) {
      if (!path_.empty()) path_.push_back('.');
      path_ += key;
    }
    return true;
  }

  bool read_scalar(std::string& value) {
    if (in_[at_] == '"') return read_string(value);
    const size_t end = std::min(in_.find_first_of(",]} \t\n:\"[{", at_), in_.size());
    const std::string_view word = in_.substr(at_, end - at_);
    const bool number = !word.empty() && (word[0] == '-' || (word[0] >= '0' && word[0] <= '9')) &&
                        word.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
    if (!number && word != "true" && word != "false" && word != "null") return false;
    value += word;
    at_ = end;
    return true;
  }

  bool read_string(std::string& value) {
    for (++at_; at_ < in_.size();) {
      const size_t end = in_.find_first_of("\"\\", at_);
      if (end == std::string_view::npos) return false;
      value += in_.substr(at_, end - at_);
      at_ = end + 1;
      if (in_[end] == '"') return true;
      if (!read_escape(value)) return false;
    }
    return false;
  }

  bool read_escape(std::string& value) {
    if (at_ >= in_.size()) return false;
    const char c = in_[at_++];
    switch (c) {
      case 'n':
        value.push_back('\n');
        return true;
      case 't':
        value.push_back('\t');
        return true;
      case 'r':
      case 'b':
      case 'f':
        value.push_back(' ');
        return true;
      case '"':
      case '\\':
      case '/':
        value.push_back(c);
        return true;
      case 'u':
        break;
      default:
        return false;
    }
    int32_t unit = read_hex();
    if (unit < 0) return false;
    char32_t point = static_cast<char32_t>(unit);
    if (unit >= 0xD800 && unit < 0xDC00 && in_.substr(at_, 2) == "\\u") {
      const size_t back = at_;
      at_ += 2;
      const int32_t low = read_hex();
      if (low >= 0xDC00 && low < 0xE000) {
        point = 0x10000 + ((point - 0xD800) << 10) + static_cast<char32_t>(low - 0xDC00);
      } else {
        at_ = back;
      }
    }
    append_code_point(point == 0 ? kReplacementCharacter : point, value);
    return true;
  }

  int32_t read_hex() {
    if (at_ + 4 > in_.size()) return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = in_[at_++];
      const int digit = c >= '0' && c <= '9'                     ? c - '0'
                        : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                 : -1;
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }

  // A value that stands at byte `begin`.
  void write_line(std::string_view value, size_t begin) {
    if (trimmed(value).empty()) return;
    const int32_t line = lines_.line_at(begin);
    out_.at_line(line);
    if (path_ == "title" && out_.document().title.empty() && value.size() < 500 && values_ == 1) {
      out_.document().title = std::string(trimmed(value));
    }
    // Many tiny values under a long path may not make the text many times the file.
    if (!path_.empty() && out_.document().text.size() < 4 * in_.size() + kPathBytesMax) {
      out_.write(path_);
      out_.write(": ");
    }
    // Its line breaks are escapes, all on one line of the file.
    for (size_t end = value.find('\n'); end != std::string_view::npos; end = value.find('\n')) {
      out_.write(value.substr(0, end + 1));
      out_.at_line(line);
      value.remove_prefix(end + 1);
    }
    out_.write(value);
    out_.line_break();
  }

  void skip_space() {
    while (at_ < in_.size() && (in_[at_] == ' ' || in_[at_] == '\n' || in_[at_] == '\t')) ++at_;
  }

  std::string_view in_;
  TextBuilder out_;
  LineCounter lines_;
  std::string path_;
  size_t at_ = 0;
  size_t values_ = 0;  // at the top
};

// Why a text that cannot be flattened is refused; nothing where it is no JSON, or whole.
std::optional<Error> json_damage(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(" \n\t\r") + 1);
  bool is_first = true;
  for (size_t at = skip_json_space(text, 0); at < text.size(); is_first = false) {
    const JsonProbe probe = probe_json(text, at);
    if (!probe.is_exact || probe.end == JsonEnd::broken) return std::nullopt;
    if (probe.end == JsonEnd::too_deep) {
      return Error(ErrorCode::too_large, "the JSON is nested deeper than 10,000",
                   "leave it out with --exclude, or save it with less depth");
    }
    // Of several values the last may still be written.
    if (probe.end == JsonEnd::cut && (!is_first || probe.open == 0)) return std::nullopt;
    if (probe.end == JsonEnd::cut) {
      return Error(ErrorCode::damaged,
                   fmt::format("the JSON is cut off: it ends on line {} inside {} open brackets",
                               std::count(text.begin(), text.end(), '\n') + 1, probe.open),
                   "restore it from a copy, or get it anew");
    }
    at = skip_json_space(text, probe.at);
  }
  return std::nullopt;
}

}  // namespace

namespace {

std::optional<Document> flattened(std::string_view utf8) {
  JsonFlattener flattener(utf8);
  if (!flattener.read()) return std::nullopt;
  Document document = flattener.take();
  // "title" names a document only when it is one object, not a row of them.
  if (document.title.find('\n') != std::string::npos) document.title.clear();
  return document;
}

}  // namespace

Result<Document> decode_json(std::string_view utf8) {
  if (auto document = flattened(utf8)) return std::move(*document);
  if (const auto mended = lenient_json(utf8)) {
    if (auto document = flattened(*mended)) return std::move(*document);
  }
  if (auto damage = json_damage(utf8)) return std::unexpected(std::move(*damage));
  return decode_plain_text(std::string(utf8));
}

}  // namespace headrace
