// LaTeX as structured text: sections, lists, tables and captions become blocks, math and listings
// stay as they are, commands give way to their arguments. One line of text for each line of the
// file, and one for each block where the file has several on a line. Read in one pass, without
// recursion.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "base/unicode.h"
#include "base/utf8.h"
#include "decode/latex_symbols.h"
#include "decode/text_builder.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kGroupsMax = 2000;
constexpr size_t kArgumentBytesMax = 64 << 10;
constexpr size_t kMathBytesMax = 64 << 10;

// What a closing brace ends.
enum class Group : uint8_t { plain, heading, caption, footnote };

struct SectionCommand {
  std::string_view name;
  uint8_t level;
};
constexpr auto kSections = std::to_array<SectionCommand>({
    {"part", 1},
    {"chapter", 1},
    {"section", 2},
    {"subsection", 3},
    {"subsubsection", 4},
    {"paragraph", 5},
    {"subparagraph", 6},
    {"frametitle", 3},
});
// Commands that vanish together with this many arguments.
struct DroppedCommand {
  std::string_view name;
  int arguments;
};
constexpr auto kDropped = std::to_array<DroppedCommand>({
    {"label", 1},          {"ref", 1},
    {"eqref", 1},          {"pageref", 1},
    {"autoref", 1},        {"cref", 1},
    {"Cref", 1},           {"includegraphics", 1},
    {"usepackage", 1},     {"documentclass", 1},
    {"bibliography", 1},   {"bibliographystyle", 1},
    {"vskip", 0},          {"setlength", 2},
    {"addtolength", 2},    {"setcounter", 2},
    {"addtocounter", 2},   {"input", 1},
    {"include", 1},        {"newcommand", 2},
    {"renewcommand", 2},   {"providecommand", 2},
    {"newenvironment", 3}, {"def", 1},
    {"pagestyle", 1},      {"thispagestyle", 1},
    {"cline", 1},          {"index", 1},
    {"color", 1},          {"textcolor", 1},
    {"colorbox", 1},       {"href", 1},
    {"parbox", 1},         {"scalebox", 1},
    {"raisebox", 1},       {"resizebox", 2},
    {"multicolumn", 2},    {"multirow", 2},
    {"fontsize", 2},       {"nocite", 1},
    {"hypersetup", 1},     {"geometry", 1},
    {"pagenumbering", 1},  {"selectlanguage", 1},
    {"cmidrule", 1},       {"addcontentsline", 3},
    {"newtheorem", 2},     {"DeclareMathOperator", 2},
    {"bibitem", 1},        {"foreignlanguage", 1},
    {"linewidth", 0},      {"textwidth", 0},
    {"graphicspath", 1},   {"captionsetup", 1},
});
constexpr auto kVerbatim = std::to_array<std::string_view>(
    {"verbatim", "Verbatim", "lstlisting", "minted", "alltt", "BVerbatim"});
constexpr auto kMath = std::to_array<std::string_view>(
    {"equation", "equation*", "align", "align*", "gather", "gather*", "multline", "multline*",
     "eqnarray", "eqnarray*", "displaymath", "math", "alignat", "alignat*", "flalign", "flalign*"});
constexpr auto kDroppedBodies =
    std::to_array<std::string_view>({"comment", "tikzpicture", "filecontents"});
constexpr auto kTables = std::to_array<std::string_view>(
    {"tabular", "tabular*", "tabularx", "longtable", "tabulary", "array"});
constexpr auto kLists = std::to_array<std::string_view>(
    {"itemize", "enumerate", "description", "thebibliography", "compactitem"});

template <typename List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool is_letter(char c) {
  return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

class LatexReader {
 public:
  explicit LatexReader(std::string_view in) : in_(in), out_(in.size()) {}

  Document read() {
    skip_preamble();
    while (at_ < in_.size() && !ended_) step();
    return out_.take();
  }

 private:
  std::string& text() { return out_.document().text; }

  bool at_line_begin() const {
    const std::string& text = out_.text();
    return text.empty() || text.back() == '\n';
  }

  // Every block stands on lines of its own, whether the source has line breaks there or not.
  void begin(BlockKind kind, uint8_t level = 0) {
    end();
    if (!at_line_begin()) break_line();
    for (; lines_ahead_ < 0; ++lines_ahead_) out_.line_break();
    out_.begin(kind, level);
  }
  void end() {
    out_.end();
    while (text().ends_with(' ')) text().pop_back();
  }
  // A line break that the source does not have. It is taken back where the source has an empty
  // line.
  void break_line() {
    while (text().ends_with(' ')) text().pop_back();
    out_.line_break();
    ++lines_ahead_;
  }
  void source_line_break() {
    if (lines_ahead_ > 0 && at_line_begin()) {
      --lines_ahead_;
    } else if (out_.is_open(BlockKind::table_row)) {
      --lines_ahead_;  // a row of a table is one line
      if (!text().ends_with(' ') && !at_line_begin()) out_.write(" ");
    } else {
      out_.line_break();
    }
  }

  // Line breaks of what is left out are kept.
  void keep_lines(size_t begin, size_t end) {
    const std::string_view skipped = in_.substr(begin, end - begin);
    for (auto n = std::count(skipped.begin(), skipped.end(), '\n'); n > 0; --n) source_line_break();
  }

  void skip_preamble() {
    constexpr std::string_view kBegin = "\\begin{document}";
    const size_t begin = in_.find(kBegin);
    if (begin == std::string_view::npos) return;
    for (const std::string_view key : {"title", "author", "date"}) {
      const std::string command = "\\" + std::string(key) + "{";
      const size_t found = in_.find(command);
      if (found == std::string_view::npos || found > begin) continue;
      at_ = found + command.size() - 1;
      take_property(key);
    }
    keep_lines(0, begin);
    at_ = begin + kBegin.size();
  }

  void take_property(std::string_view key) {
    const std::string_view raw = argument();
    if (raw.size() > 2000) return;
    std::string value;
    for (const char c : decode_inline(raw)) value.push_back(c == '\n' ? ' ' : c);
    value = std::string(trimmed(value));
    if (value.empty()) return;
    if (key == "title") {
      out_.document().title = value;
    } else {
      out_.document().metadata[std::string(key)] = value;
    }
  }
  static std::string decode_inline(std::string_view raw) {
    LatexReader reader(raw);
    reader.inline_only_ = true;
    return reader.read().text;
  }

  void step() {
    const char c = in_[at_];
    switch (c) {
      case '\\':
        return command();
      case '%': {
        at_ = std::min(in_.find('\n', at_), in_.size());
        return;
      }
      case '\n':
        return line_break();
      case '$':
        return math();
      case '{':
        ++at_;
        if (groups_.size() < kGroupsMax) groups_.push_back(Group::plain);
        return;
      case '}':
        ++at_;
        return close_group();
      case '~':
        ++at_;
        return write(" ");
      case '&':
        ++at_;
        if (table_depth_ == 0) return write("&");
        while (text().ends_with(' ')) text().pop_back();
        return write(out_.is_open() ? " | " : "| ");
      case '`':
      case '\'':
      case '-':
        return typographic(c);
      case ' ':
      case '\t': {
        ++at_;
        if (!text().empty() && text().back() != '\n' && text().back() != ' ') text().push_back(' ');
        return;
      }
      default:
        break;
    }
    const size_t end = std::min(in_.find_first_of("\\%\n${}~&`'- \t", at_), in_.size());
    write(in_.substr(at_, end - at_));
    at_ = end;
  }

  void write(std::string_view piece) {
    if (!out_.is_open()) begin(table_depth_ > 0 ? BlockKind::table_row : BlockKind::paragraph);
    out_.write(piece);
  }

  void line_break() {
    ++at_;
    const size_t next = in_.find_first_not_of(" \t", at_);
    source_line_break();
    if (table_depth_ == 0 && next != std::string_view::npos && in_[next] == '\n') {
      if (!in_group(Group::heading) && !in_group(Group::caption)) end();
    }
  }

  bool in_group(Group kind) const {
    return std::find(groups_.rbegin(), groups_.rend(), kind) != groups_.rend() &&
           special_groups_ > 0;
  }

  void typographic(char c) {
    const std::string_view rest = in_.substr(at_, 3);
    const auto take = [&](size_t n, std::string_view as) {
      at_ += n;
      write(as);
    };
    if (rest.starts_with("``")) return take(2, "“");
    if (rest.starts_with("''")) return take(2, "”");
    if (rest == "---") return take(3, "—");
    if (rest.starts_with("--")) return take(2, "–");
    if (c == '`') return take(1, "‘");
    take(1, std::string_view(&c, 1));
  }

  // "$…$" and "$$…$$" with what is inside; a lone "$" is a character.
  void math() {
    const bool display = in_.substr(at_, 2) == "$$";
    const size_t begin = at_ + (display ? 2 : 1);
    size_t end = begin;
    const size_t limit = std::min(in_.size(), begin + kMathBytesMax);
    for (; end < limit; ++end) {
      if (in_[end] == '\\') {
        ++end;
      } else if (in_[end] == '$' || (in_[end] == '\n' && in_.substr(end, 2) == "\n\n")) {
        break;
      }
    }
    if (end >= limit || in_[end] != '$') {
      write("$");
      ++at_;
      return;
    }
    end = std::min(end + (display ? 2 : 1), in_.size());
    write(in_.substr(at_, end - at_));
    at_ = end;
  }

  void close_group() {
    if (groups_.empty()) return;
    const Group group = groups_.back();
    groups_.pop_back();
    if (group == Group::plain) return;
    --special_groups_;
    if (group == Group::footnote) {
      write(")");
      return;
    }
    end();
  }

  // "[…]" after a command.
  std::string_view optional_argument() {
    if (at_ >= in_.size() || in_[at_] != '[') return {};
    int depth = 0;
    const size_t limit = std::min(in_.size(), at_ + 4096);
    for (size_t i = at_; i < limit; ++i) {
      if (in_[i] == '{' || in_[i] == '[') ++depth;
      if (in_[i] == '}' || in_[i] == ']') --depth;
      if (depth == 0) {
        const std::string_view inside = in_.substr(at_ + 1, i - at_ - 1);
        keep_lines(at_, i);
        at_ = i + 1;
        return inside;
      }
    }
    return {};
  }

  // "{…}" as it stands, or one token; empty when there is none.
  std::string_view argument() {
    while (at_ < in_.size() && in_[at_] == ' ') ++at_;
    if (at_ >= in_.size() || in_[at_] != '{') return {};
    int depth = 0;
    const size_t limit = std::min(in_.size(), at_ + kArgumentBytesMax);
    for (size_t i = at_; i < limit; ++i) {
      if (in_[i] == '\\') {
        ++i;
        continue;
      }
      if (in_[i] == '{') ++depth;
      if (in_[i] == '}' && --depth == 0) {
        const std::string_view inside = in_.substr(at_ + 1, i - at_ - 1);
        at_ = i + 1;
        return inside;
      }
    }
    ++at_;
    return {};
  }
  void drop_argument() {
    const size_t begin = at_;
    argument();
    keep_lines(begin, at_);
  }

  void command() {
    ++at_;
    if (at_ >= in_.size()) return;
    size_t end_at = at_;
    while (end_at < in_.size() && is_letter(in_[end_at])) ++end_at;
    if (end_at == at_) return command_sign();
    std::string_view name = in_.substr(at_, std::min<size_t>(end_at - at_, 64));
    at_ = end_at;
    if (at_ < in_.size() && in_[at_] == '*') ++at_;
    if (name == "begin" || name == "end") return environment(name == "begin");
    for (const SectionCommand& section : kSections) {
      if (section.name == name && !inline_only_)
        return begin_special(Group::heading, section.level);
    }
    if (name == "iffalse") return skip_condition();
    if (name == "item") return item();
    if (name == "par" || name == "newline" || name == "linebreak") {
      skip_space_after(end_at);
      if (name == "par") return end();
      if (out_.is_open() && at_ < in_.size() && in_[at_] != '\n') break_line();
      return;
    }
    if (name == "caption") return begin_special(Group::caption, 0);
    if (name == "footnote") return begin_special(Group::footnote, 0);
    if (name == "title" && !inline_only_) return take_property("title");
    if (name == "hspace" || name == "vspace") {
      drop_argument();
      if (out_.is_open() && !text().ends_with(' ')) write(" ");
      return;
    }
    if (name == "verb" || name == "lstinline") return verb();
    if (name == "url" || name == "path" || name == "nolinkurl") return write(argument());
    if (name == "cite" || name == "citep" || name == "citet" || name == "parencite") {
      optional_argument();
      const std::string_view keys = argument();
      write("[");
      write(keys);
      return write("]");
    }
    if (const std::string_view symbol = latex_symbol(name); !symbol.empty()) {
      skip_space_after(end_at);
      return write(symbol);
    }
    if (const char32_t accent = latex_accent(name); accent != 0) {
      if (at_ < in_.size() && (in_[at_] == '{' || in_[at_] == ' ')) return accented(accent);
    }
    for (const DroppedCommand& dropped : kDropped) {
      if (dropped.name != name) continue;
      optional_argument();
      for (int i = 0; i < dropped.arguments; ++i) {
        optional_argument();
        drop_argument();
      }
      return;
    }
    optional_argument();  // of an unknown command; its other arguments are text
    skip_space_after(end_at);
  }

  // What stands between \iffalse and its \fi (or \else) is never set.
  void skip_condition() {
    const size_t begin = at_;
    size_t depth = 1;
    while (depth > 0) {
      const size_t sign = in_.find('\\', at_);
      if (sign == std::string_view::npos) {
        at_ = in_.size();
        break;
      }
      size_t end = sign + 1;
      while (end < in_.size() && is_letter(in_[end])) ++end;
      const std::string_view name = in_.substr(sign + 1, end - sign - 1);
      if (name == "fi" || (name == "else" && depth == 1)) {
        --depth;
      } else if (name.starts_with("if")) {
        ++depth;
      }
      at_ = name.empty() ? std::min(end + 1, in_.size()) : end;
    }
    keep_lines(begin, at_);
  }

  void skip_space_after(size_t end) {
    if (at_ == end && at_ < in_.size() && in_[at_] == ' ') ++at_;
  }

  // "\%", "\\", "\[" and the like.
  void command_sign() {
    const char c = in_[at_++];
    switch (c) {
      case '\\':
        optional_argument();
        if (table_depth_ > 0) return end();
        at_ = std::min(in_.find_first_not_of(" \t", at_), in_.size());
        if (out_.is_open() && at_ < in_.size() && in_[at_] != '\n') break_line();
        return;
      case '[':
      case '(': {
        // Where an earlier search found no end there is none.
        size_t& searched = searched_for_end_[c == '[' ? 0 : 1];
        const size_t limit = std::min(in_.size(), at_ + kMathBytesMax);
        const size_t end =
            in_.substr(0, limit).find(c == '[' ? "\\]" : "\\)", std::max(at_, searched));
        if (end == std::string_view::npos) {
          searched = std::max(limit, size_t{1}) - 1;  // half of an end may stand before the limit
          return;
        }
        write(in_.substr(at_ - 2, end + 2 - (at_ - 2)));
        at_ = end + 2;
        return;
      }
      case ',':
      case ';':
      case ':':
      case ' ':
        return write(" ");
      case '\n':
        --at_;
        return;
      case '!':
      case '-':
      case '/':
      case ']':
      case ')':
      case '@':
        return;
      default:
        break;
    }
    if (const char32_t accent = latex_accent(std::string_view(&c, 1)); accent != 0)
      return accented(accent);
    --at_;
    write(take_character());
  }

  // The whole character here, of several bytes or of one.
  std::string_view take_character() {
    const std::string_view character = in_.substr(at_, decode_code_point(in_, at_).length);
    at_ += character.size();
    return character;
  }

  void accented(char32_t accent) {
    while (at_ < in_.size() && (in_[at_] == '{' || in_[at_] == ' ')) {
      if (in_[at_] == '{' && groups_.size() < kGroupsMax) groups_.push_back(Group::plain);
      ++at_;
    }
    if (at_ < in_.size() && in_[at_] == '\\') ++at_;  // "\'\i"
    if (at_ >= in_.size() || !is_letter(in_[at_])) return;
    const char32_t base = static_cast<unsigned char>(in_[at_++]);
    std::string piece;
    if (const char32_t whole = unicode::compose(base, accent); whole != 0) {
      append_code_point(whole, piece);
    } else {
      append_code_point(base, piece);
      append_code_point(accent, piece);
    }
    write(piece);
  }

  void begin_special(Group group, uint8_t level) {
    optional_argument();
    if (at_ >= in_.size() || in_[at_] != '{' || groups_.size() >= kGroupsMax) return;
    ++at_;
    groups_.push_back(group);
    ++special_groups_;
    if (group == Group::footnote) return write(" (");
    begin(group == Group::heading ? BlockKind::heading : BlockKind::caption, level);
  }

  void item() {
    begin(BlockKind::list_item, static_cast<uint8_t>(std::clamp<size_t>(list_depth_, 1, 6)));
    while (at_ < in_.size() && in_[at_] == ' ') ++at_;
    const std::string_view label = optional_argument();
    if (!label.empty()) {
      out_.write(decode_label(label));
      out_.write(" ");
    }
  }
  std::string decode_label(std::string_view label) const {
    return inline_only_ || label.size() > 500 ? std::string() : decode_inline(label);
  }

  // Any character may part what is verbatim from the rest.
  void verb() {
    if (at_ >= in_.size()) return;
    if (in_[at_] == '[') optional_argument();
    if (at_ >= in_.size() || in_[at_] == '\n') return;
    const size_t begin = at_;
    const std::string_view mark = take_character();
    const std::string_view end_mark = mark == "{" ? "}" : mark;
    const size_t line_end = std::min(in_.find('\n', at_), in_.size());
    const size_t end = in_.substr(0, line_end).find(end_mark, at_);
    if (end == std::string_view::npos) {
      if (line_end == in_.size()) {
        at_ = begin;
        return;
      }
      write(in_.substr(at_, line_end - at_));
      at_ = line_end;
      return;
    }
    write(in_.substr(at_, end - at_));
    at_ = end + end_mark.size();
  }

  void environment(bool begins) {
    const std::string_view name = argument();
    if (name == "document") {
      ended_ = !begins;
      return;
    }
    if (!begins) {
      if (holds(kLists, name) && list_depth_ > 0) --list_depth_;
      if (holds(kTables, name) && table_depth_ > 0) --table_depth_;
      return end();
    }
    if (holds(kVerbatim, name) || holds(kDroppedBodies, name) || holds(kMath, name))
      return raw_body(name);
    end();
    if (holds(kLists, name)) {
      ++list_depth_;
      if (name == "thebibliography") drop_argument();
      optional_argument();
    } else if (holds(kTables, name)) {
      ++table_depth_;
      optional_argument();
      drop_argument();
      if (name == "tabularx" || name == "tabular*" || name == "tabulary") drop_argument();
    } else {
      optional_argument();
      if (name == "figure" || name == "table" || name == "minipage" || name == "multicols")
        drop_argument();
    }
  }

  // The body of an environment as it stands, or left out.
  void raw_body(std::string_view name) {
    const std::string end_mark = "\\end{" + std::string(name) + "}";
    if (no_end_.contains(std::string(name))) return;
    const size_t end_at = in_.find(end_mark, at_);
    if (end_at == std::string_view::npos) {
      no_end_.insert(std::string(name));
      return;
    }
    const bool code = holds(kVerbatim, name);
    if (holds(kDroppedBodies, name)) {
      keep_lines(at_, end_at);
    } else {
      if (code) {
        optional_argument();
        if (name == "minted") drop_argument();
      }
      end();
      for (; at_ < end_at && in_[at_] == '\n'; ++at_) source_line_break();
      begin(code ? BlockKind::code : BlockKind::paragraph);
      if (at_ < end_at) out_.write(in_.substr(at_, end_at - at_));
      end();
    }
    at_ = std::max(at_, end_at + end_mark.size());
  }

  std::string_view in_;
  TextBuilder out_;
  std::vector<Group> groups_;
  std::set<std::string> no_end_;  // environments that are never closed
  size_t at_ = 0;
  size_t special_groups_ = 0;
  size_t list_depth_ = 0;
  size_t table_depth_ = 0;
  int64_t lines_ahead_ = 0;  // line breaks of the text that the source did not have so far
  std::array<size_t, 2> searched_for_end_{};  // of "\[" and "\("
  bool ended_ = false;
  bool inline_only_ = false;
};

}  // namespace

Document decode_latex(std::string_view utf8) {
  return LatexReader(utf8).read();
}

}  // namespace headrace
