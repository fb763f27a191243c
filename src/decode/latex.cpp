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
#include "decode/latex_commands.h"
#include "decode/latex_scan.h"
#include "decode/latex_symbols.h"
#include "decode/latex_text.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kGroupsMax = 2000;

// What a closing brace ends.
enum class Group : uint8_t { plain, heading, caption, footnote };

class LatexReader {
 public:
  explicit LatexReader(std::string_view in) : in_(in), out_(in.size()) {}

  Document read() {
    skip_preamble();
    while (at_ < in_.size() && !ended_) step();
    return out_.take();
  }

 private:
  // Line breaks of what is left out are kept.
  void keep_lines(size_t begin, size_t end) { out_.keep_lines(in_.substr(begin, end - begin)); }

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
        out_.drop_spaces();
        return write(out_.is_open() ? " | " : "| ");
      case '`':
      case '\'':
      case '-':
        return typographic(c);
      case ' ':
      case '\t': {
        ++at_;
        return out_.write_space();
      }
      default:
        break;
    }
    const size_t end = std::min(in_.find_first_of("\\%\n${}~&`'- \t", at_), in_.size());
    write(in_.substr(at_, end - at_));
    at_ = end;
  }

  void write(std::string_view piece) {
    if (!out_.is_open()) out_.begin(table_depth_ > 0 ? BlockKind::table_row : BlockKind::paragraph);
    out_.write(piece);
  }

  void line_break() {
    ++at_;
    const size_t next = in_.find_first_not_of(" \t", at_);
    out_.source_line_break();
    if (table_depth_ == 0 && next != std::string_view::npos && in_[next] == '\n') {
      if (!in_group(Group::heading) && !in_group(Group::caption)) out_.end();
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

  void math() {
    if (const auto taken = take_latex_math(in_, at_)) return write(*taken);
    write("$");
    ++at_;
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
    out_.end();
  }

  std::string_view optional_argument() {
    const size_t begin = at_;
    const std::string_view inside = take_latex_option(in_, at_);
    keep_lines(begin, at_);
    return inside;
  }
  std::string_view argument() { return take_latex_argument(in_, at_); }
  void drop_argument() {
    const size_t begin = at_;
    argument();
    keep_lines(begin, at_);
  }

  void command() {
    ++at_;
    if (at_ >= in_.size()) return;
    size_t end_at = at_;
    while (end_at < in_.size() && is_latex_letter(in_[end_at])) ++end_at;
    if (end_at == at_) return command_sign();
    std::string_view name = in_.substr(at_, std::min<size_t>(end_at - at_, 64));
    at_ = end_at;
    if (at_ < in_.size() && in_[at_] == '*') ++at_;
    if (name == "begin" || name == "end") return environment(name == "begin");
    if (const uint8_t level = latex_heading_level(name); level != 0 && !inline_only_)
      return begin_special(Group::heading, level);
    if (name == "iffalse") return skip_condition();
    if (name == "item") return item();
    if (name == "par" || name == "newline" || name == "linebreak") {
      skip_space_after(end_at);
      if (name == "par") return out_.end();
      if (out_.is_open() && at_ < in_.size() && in_[at_] != '\n') out_.break_line();
      return;
    }
    if (name == "caption") return begin_special(Group::caption, 0);
    if (name == "footnote") return begin_special(Group::footnote, 0);
    if (name == "title" && !inline_only_) return take_property("title");
    if (name == "hspace" || name == "vspace") {
      drop_argument();
      if (out_.is_open() && !out_.ends_with_space()) write(" ");
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
    if (const auto arguments = latex_dropped_arguments(name)) {
      optional_argument();
      for (int i = 0; i < *arguments; ++i) {
        optional_argument();
        drop_argument();
      }
      return;
    }
    optional_argument();  // of an unknown command; its other arguments are text
    skip_space_after(end_at);
  }

  void skip_condition() {
    const size_t begin = at_;
    skip_latex_condition(in_, at_);
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
        if (table_depth_ > 0) return out_.end();
        at_ = std::min(in_.find_first_not_of(" \t", at_), in_.size());
        if (out_.is_open() && at_ < in_.size() && in_[at_] != '\n') out_.break_line();
        return;
      case '[':
      case '(': {
        // Where an earlier search found no end there is none.
        size_t& searched = searched_for_end_[c == '[' ? 0 : 1];
        const size_t limit = std::min(in_.size(), at_ + kLatexMathBytesMax);
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
    write(take_latex_character(in_, at_));
  }

  void accented(char32_t accent) {
    while (at_ < in_.size() && (in_[at_] == '{' || in_[at_] == ' ')) {
      if (in_[at_] == '{' && groups_.size() < kGroupsMax) groups_.push_back(Group::plain);
      ++at_;
    }
    if (at_ < in_.size() && in_[at_] == '\\') ++at_;  // "\'\i"
    if (at_ >= in_.size() || !is_latex_letter(in_[at_])) return;
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
    out_.begin(group == Group::heading ? BlockKind::heading : BlockKind::caption, level);
  }

  void item() {
    out_.begin(BlockKind::list_item, static_cast<uint8_t>(std::clamp<size_t>(list_depth_, 1, 6)));
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

  void verb() {
    optional_argument();
    if (const auto taken = take_latex_verbatim(in_, at_)) write(*taken);
  }

  void environment(bool begins) {
    const std::string_view name = argument();
    if (name == "document") {
      ended_ = !begins;
      return;
    }
    const LatexBody body = latex_body(name);
    if (!begins) {
      if (body == LatexBody::list && list_depth_ > 0) --list_depth_;
      if (body == LatexBody::table && table_depth_ > 0) --table_depth_;
      return out_.end();
    }
    if (body == LatexBody::verbatim || body == LatexBody::dropped || body == LatexBody::math)
      return raw_body(name, body);
    out_.end();
    if (body == LatexBody::list) {
      ++list_depth_;
      if (name == "thebibliography") drop_argument();
      optional_argument();
    } else if (body == LatexBody::table) {
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
  void raw_body(std::string_view name, LatexBody body) {
    const std::string end_mark = "\\end{" + std::string(name) + "}";
    if (no_end_.contains(std::string(name))) return;
    const size_t end_at = in_.find(end_mark, at_);
    if (end_at == std::string_view::npos) {
      no_end_.insert(std::string(name));
      return;
    }
    const bool code = body == LatexBody::verbatim;
    if (body == LatexBody::dropped) {
      keep_lines(at_, end_at);
    } else {
      if (code) {
        optional_argument();
        if (name == "minted") drop_argument();
      }
      out_.end();
      for (; at_ < end_at && in_[at_] == '\n'; ++at_) out_.source_line_break();
      out_.begin(code ? BlockKind::code : BlockKind::paragraph);
      if (at_ < end_at) out_.write(in_.substr(at_, end_at - at_));
      out_.end();
    }
    at_ = std::max(at_, end_at + end_mark.size());
  }

  std::string_view in_;
  LatexText out_;
  std::vector<Group> groups_;
  std::set<std::string> no_end_;  // environments that are never closed
  size_t at_ = 0;
  size_t special_groups_ = 0;
  size_t list_depth_ = 0;
  size_t table_depth_ = 0;
  std::array<size_t, 2> searched_for_end_{};  // of "\[" and "\("
  bool ended_ = false;
  bool inline_only_ = false;
};

}  // namespace

Document decode_latex(std::string_view utf8) {
  return LatexReader(utf8).read();
}

}  // namespace headrace
