// Source code, cut at its definitions. The text stays as it is; a definition's comment, attributes
// and signature are a heading (its last line names it), its body is code.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "decode/source_code_languages.h"
#include "decode/text_builder.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

// Longer "signatures" are none (macros, tables).
constexpr size_t kSignatureBytesMax = 1000;
// Comment lines before a definition that belong to its heading; longer ones stay code before it.
constexpr size_t kCommentBytesMax = 1200;
constexpr size_t kDepthMax = 64;

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '@';
}

bool holds_word(std::string_view list, std::string_view word) {
  for (size_t at = list.find(word); at != std::string_view::npos; at = list.find(word, at + 1)) {
    if (at > 0 && list[at - 1] == ' ' && at + word.size() < list.size() &&
        list[at + word.size()] == ' ') {
      return true;
    }
  }
  return false;
}

// The first of `words` that stands in `text` outside of brackets, or empty.
std::string_view find_word(std::string_view text, std::string_view words) {
  if (words.size() < 3) return {};
  int depth = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '(' || text[i] == '<') ++depth;
    if (text[i] == ')' || text[i] == '>') --depth;
    if (!is_word_character(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_word_character(text[end])) ++end;
    if (depth <= 0 && holds_word(words, text.substr(i, end - i))) return text.substr(i, end - i);
    i = end;
  }
  return {};
}

// A definition: where its first line and its body begin, how deep it stands, where it ends (npos
// where that is not known: then it goes on to the next one).
struct Definition {
  size_t begin = 0;
  size_t body = 0;
  uint8_t level = 1;
  size_t end = std::string_view::npos;
};
constexpr size_t kNoDefinition = std::string_view::npos;

// Finds the definitions of languages with braces in one pass over the text.
class BraceScanner {
 public:
  BraceScanner(std::string_view text, const CodeLanguage& language)
      : text_(text), language_(language) {}

  std::vector<Definition> scan() {
    while (at_ < text_.size()) step();
    return std::move(found_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (c == '"' || (c == '\'' && is_quote()) || (c == '`' && language_.backtick_strings)) {
      return skip_string(c);
    }
    if (c == '/' && at_ + 1 < text_.size() && (text_[at_ + 1] == '/' || text_[at_ + 1] == '*')) {
      return skip_comment();
    }
    if (c == '#' && at_line_begin_) {
      if (language_.line_comments.find('#') != std::string_view::npos || language_.name == "c" ||
          language_.name == "cpp" || language_.name == "objective-c") {
        return skip_directive();
      }
    }
    if (c == '\n') {
      at_line_begin_ = true;
      if (language_.lines_end_statements && line_ends_statement()) {
        statement_ = std::string_view::npos;
        brackets_ = 0;
      }
    } else if (c != ' ' && c != '\t') {
      at_line_begin_ = false;
      if (statement_ == std::string_view::npos) statement_ = at_;
    }
    if (code_depth_ == 0 && value_braces_ == 0) {
      if (c == '(' || c == '[') ++brackets_;
      if ((c == ')' || c == ']') && brackets_ > 0) --brackets_;
    }
    if (c == '{' && (value_braces_ > 0 || opens_value())) {
      ++value_braces_;
    } else if (c == '}' && value_braces_ > 0) {
      --value_braces_;
    } else if (c == '{') {
      brackets_ = 0;
      open_brace();
    } else if (c == '}') {
      close_brace();
    } else if (c == ';' && code_depth_ == 0 && value_braces_ == 0) {
      statement_ = std::string_view::npos;
    }
    ++at_;
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') code_end_ = at_;
  }

  // Whether the brace here belongs to a parameter, "f({a, b})" or "f(x interface{})", not to a
  // body.
  bool opens_value() const {
    if (code_depth_ > 0 || brackets_ == 0 || statement_ == std::string_view::npos) return false;
    const std::string_view before = trimmed(text_.substr(statement_, at_ - statement_));
    return before.ends_with('(') || before.ends_with(',') || before.ends_with(':') ||
           before.ends_with('=') || before.ends_with('[') || before.ends_with("interface") ||
           before.ends_with("struct");
  }

  // Whether the line break here is the end of a statement: not within brackets, nor where the lines
  // around it show that it goes on.
  bool line_ends_statement() const {
    if (code_depth_ > 0 || brackets_ > 0 || statement_ == std::string_view::npos) return false;
    if (code_end_ > statement_ &&
        std::string_view(",=+-|&:.<").find(text_[code_end_ - 1]) != std::string_view::npos) {
      return false;
    }
    const size_t next = text_.find_first_not_of(" \t\r\n", at_);
    for (const std::string_view word : {"implements ", "extends ", "where ", "with ", "throws "}) {
      if (next != std::string_view::npos && text_.substr(next).starts_with(word)) return false;
    }
    return next == std::string_view::npos ||
           std::string_view("{.:,&|=?)]<").find(text_[next]) == std::string_view::npos;
  }

  bool is_quote() const {
    if (language_.single_quote_strings) return !(at_ > 0 && is_word_character(text_[at_ - 1]));
    // Rust: 'a' and '\n' are characters, 'a alone is a lifetime.
    return at_ + 2 < text_.size() && (text_[at_ + 1] == '\\' || text_[at_ + 2] == '\'');
  }

  void skip_string(char quote) {
    if (statement_ == std::string_view::npos) statement_ = at_;
    at_line_begin_ = false;
    const bool may_span_lines = quote == '`';
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == quote) {
        ++at_;
        break;
      } else if (text_[at_] == '\n' && !may_span_lines) {
        break;  // an apostrophe, or text we do not understand
      }
    }
    at_ = std::min(at_, text_.size());
    code_end_ = at_;
  }

  void skip_comment() {
    const bool line = text_[at_ + 1] == '/';
    const size_t end = text_.find(line ? "\n" : "*/", at_ + 2);
    at_ = end == std::string_view::npos ? text_.size() : end + (line ? 0 : 2);
  }

  void skip_directive() {
    for (;;) {
      const size_t end = text_.find('\n', at_);
      at_ = end == std::string_view::npos ? text_.size() : end;
      if (at_ >= text_.size() || text_[at_ - 1] != '\\') return;
      ++at_;
    }
  }

  void open_brace() {
    if (code_depth_ > 0) {
      ++code_depth_;
      return;
    }
    const size_t begin = statement_ == std::string_view::npos ? at_ : statement_;
    const std::string_view signature = text_.substr(begin, at_ - begin);
    const bool short_enough = !trimmed(signature).empty() && signature.size() <= kSignatureBytesMax;
    const std::string_view container = short_enough && containers_ < kDepthMax
                                           ? find_word(signature, language_.containers)
                                           : std::string_view();
    const bool is_call = signature.find('(') != std::string_view::npos;
    const bool is_value = signature.find(" = ") < signature.find('(') &&
                          signature.find("=>") == std::string_view::npos &&
                          signature.find("function") == std::string_view::npos;
    const bool is_container = !container.empty() && !(is_call && container == "struct");
    const bool is_definition =
        short_enough &&
        (is_container || (is_call && !is_value) ||
         !find_word(signature, language_.definitions).empty() || language_.name == "css");
    const bool is_namespace = container == "namespace" || container == "extern" ||
                              container == "package" || container == "mod";
    size_t place = kNoDefinition;
    if (is_definition && !is_namespace) {
      place = found_.size();
      found_.push_back({begin, at_, static_cast<uint8_t>(std::min<size_t>(levels_ + 1, 6))});
    }
    open_.push_back(place);
    if (is_container) {
      ++containers_;
      level_steps_.push_back(!is_namespace);
      levels_ += !is_namespace;
    } else {
      code_depth_ = 1;
    }
    statement_ = std::string_view::npos;
  }

  void close_brace() {
    if (code_depth_ > 0) {
      if (--code_depth_ == 0) end_definition();
    } else if (containers_ > 0) {
      end_definition();
      --containers_;
      levels_ -= level_steps_.back();
      level_steps_.pop_back();
    }
    if (code_depth_ == 0) statement_ = std::string_view::npos;
  }

  void end_definition() {
    if (open_.back() != kNoDefinition) found_[open_.back()].end = at_ + 1;
    open_.pop_back();
  }

  std::string_view text_;
  const CodeLanguage& language_;
  std::vector<Definition> found_;
  std::vector<size_t> open_;  // what each open container and body is of: a place in found_
  size_t code_end_ = 0;       // behind the last character that is neither space nor comment
  size_t value_braces_ = 0;   // braces open inside of brackets
  size_t at_ = 0;
  size_t statement_ = std::string_view::npos;  // where the statement that is being read begins
  size_t code_depth_ = 0;                      // braces open inside a body
  size_t brackets_ = 0;                        // "(" and "[" open in the statement
  size_t containers_ = 0;                      // braces open that hold definitions
  size_t levels_ = 0;                          // those of them that have a name of their own
  std::vector<bool> level_steps_;
  bool at_line_begin_ = true;
};

// Definitions that a keyword in front of a line begins.
std::vector<Definition> scan_keywords(std::string_view text, const CodeLanguage& language) {
  std::vector<Definition> found;
  LineReader lines(text);
  std::string_view line;
  bool in_docstring = false;
  std::vector<std::pair<size_t, size_t>> open;  // places in `found` and their indentation
  size_t comments = std::string_view::npos;  // where comment lines directly before this one begin
  // Python's definitions end where a line stands no deeper than they do.
  const auto end_at = [&](size_t at, size_t width) {
    while (!open.empty() && width <= open.back().second) {
      found[open.back().first].end = at;
      open.pop_back();
    }
  };
  for (size_t at = 0; lines.next(line); at = lines.position()) {
    if (language.family == CodeFamily::indentation) {
      const bool was_in = in_docstring;
      for (const std::string_view mark : {"\"\"\"", "'''"}) {
        for (size_t i = line.find(mark); i != std::string_view::npos; i = line.find(mark, i + 3)) {
          in_docstring = !in_docstring;
        }
      }
      if (was_in) continue;
      const std::string_view code = trimmed(line);
      if (code.empty()) continue;
      if (code[0] == '#') {
        comments = std::min(comments, at);
        continue;
      }
      if (code[0] != ')' && code[0] != ']' && code[0] != '}')
        end_at(std::min(comments, at), indentation(line));
      comments = std::string_view::npos;
    }
    const size_t indent = line.find_first_not_of(" \t");
    if (indent == std::string_view::npos || indent > 12) continue;
    size_t end = indent;
    while (end < line.size() && is_word_character(line[end])) ++end;
    const std::string_view word = line.substr(indent, end - indent);
    bool defines = !word.empty() && holds_word(language.definitions, word);
    if (defines && word == "async") defines = line.find(" def ") != std::string_view::npos;
    if (defines && word == "local") defines = line.find(" function ") != std::string_view::npos;
    if (language.name == "shell" && !defines) {
      defines = indent == 0 && !word.empty() && line.substr(end).starts_with("()");
    }
    if (language.name == "r") {
      defines = indent == 0 && (line.find("<- function(") != std::string_view::npos ||
                                line.find("= function(") != std::string_view::npos);
    }
    if (!defines) continue;
    const auto level = static_cast<uint8_t>(std::min<size_t>(1 + indentation(line) / 2, 6));
    if (language.family == CodeFamily::indentation)
      open.emplace_back(found.size(), indentation(line));
    found.push_back({at + indent, at + line.size(), level});
  }
  return found;
}

// Comments, decorators and attributes in the lines directly above a definition belong to it.
size_t with_lines_above(std::string_view text, size_t begin, size_t least,
                        const CodeLanguage& language) {
  size_t first = text.rfind('\n', begin == 0 ? 0 : begin - 1);
  first = first == std::string_view::npos || begin == 0 ? 0 : first + 1;
  first = std::max(first, least);
  if (!is_blank(text.substr(first, begin - first))) return begin;  // not the first in its line
  const size_t definition = first;
  while (first > least + 1) {
    const size_t line_end = first - 1;
    size_t line_begin = text.rfind('\n', line_end - 1);
    line_begin = line_begin == std::string_view::npos ? 0 : line_begin + 1;
    if (line_begin < least || definition - line_begin > kCommentBytesMax) break;
    const std::string_view line = trimmed(text.substr(line_begin, line_end - line_begin));
    if (line.empty()) break;
    bool belongs = line[0] == '@' || line.starts_with("#[") || line.starts_with("/*") ||
                   line[0] == '*' || line.ends_with("*/") || line.starts_with("template");
    const std::string_view marks = language.line_comments;
    for (size_t i = 0; i < marks.size();) {
      const size_t stop = std::min(marks.find(' ', i), marks.size());
      belongs = belongs || line.starts_with(marks.substr(i, stop - i));
      i = stop + 1;
    }
    if (!belongs) break;
    first = line_begin;
  }
  return first;
}

// Code between definitions, cut where an empty line stands before one that is not indented.
void add_code(std::string_view text, size_t begin, size_t end, uint8_t level,
              std::vector<Block>& blocks) {
  LineReader lines(text.substr(0, end));
  lines.seek(begin);
  size_t block = begin;
  size_t last = begin;  // the end of the last visible line
  bool blank = false;
  const auto push = [&] {
    while (block < last && text[block] == '\n') ++block;
    if (last > block) {
      blocks.push_back(
          {static_cast<uint32_t>(block), static_cast<uint32_t>(last), BlockKind::code, level, 0});
    }
  };
  std::string_view line;
  for (size_t at = begin; lines.next(line); at = lines.position()) {
    if (is_blank(line)) {
      blank = true;
      continue;
    }
    const bool indented = line[0] == ' ' || line[0] == '\t' || line[0] == '}' || line[0] == ')';
    if (blank && !indented) {
      push();
      block = at;
    }
    blank = false;
    last = at + line.size();
  }
  push();
}

bool has_words(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return is_word_character(c) || static_cast<unsigned char>(c) >= 0x80;
  });
}

// The code between headings: what stands behind the end of a definition has that one's level.
class CodeWriter {
 public:
  CodeWriter(std::string_view text, std::vector<Block>& blocks) : text_(text), blocks_(blocks) {}

  void open(const Definition& definition) {
    if (definition.end != std::string_view::npos)
      ends_.emplace_back(definition.end, definition.level);
  }

  void write(size_t begin, size_t end) {
    // Those that end here, the inner ones first.
    std::vector<std::pair<size_t, uint8_t>> here;
    while (!ends_.empty() && ends_.back().first < end) {
      here.push_back(ends_.back());
      ends_.pop_back();
    }
    uint8_t level = 0;
    for (size_t i = 0; i < here.size(); ++i) {
      const size_t next = i + 1 < here.size() ? here[i + 1].first : end;
      // A closing brace alone stays with what it closes.
      if (here[i].first <= begin || !has_words(text_.substr(here[i].first, next - here[i].first)))
        continue;
      add_code(text_, begin, here[i].first, level, blocks_);
      begin = here[i].first;
      level = here[i].second;
    }
    add_code(text_, begin, end, level, blocks_);
  }

 private:
  std::string_view text_;
  std::vector<Block>& blocks_;
  std::vector<std::pair<size_t, uint8_t>> ends_;  // of open definitions, the innermost last
};

}  // namespace

Document decode_source_code(std::string_view utf8, std::string_view name) {
  Document document;
  document.text = std::string(utf8);
  document.lines = {{0, 1}};
  const std::string_view text = document.text;
  const CodeLanguage* language = code_language_by_name(name);
  if (language == nullptr) language = code_language_by_first_line(text);
  std::vector<Definition> definitions;
  if (language != nullptr) {
    document.metadata["code_language"] = std::string(language->name);
    if (language->family == CodeFamily::braces) {
      definitions = BraceScanner(text, *language).scan();
    } else if (language->family != CodeFamily::plain) {
      definitions = scan_keywords(text, *language);
    }
  }
  CodeWriter code(text, document.blocks);
  size_t done = 0;
  for (const Definition& definition : definitions) {
    if (definition.begin < done) continue;
    const size_t begin = with_lines_above(text, definition.begin, done, *language);
    code.write(done, begin);
    const size_t end =
        begin + trimmed(text.substr(begin, definition.body - begin)).size() +
        (text.substr(begin, definition.body - begin).find_first_not_of(" \t\n\r\f\v"));
    document.blocks.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end),
                               BlockKind::heading, definition.level, 0});
    done = end;
    code.open(definition);
  }
  code.write(done, text.size());
  return document;
}

}  // namespace headrace
