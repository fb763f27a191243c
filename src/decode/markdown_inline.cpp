#include "decode/markdown_inline.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/utf8.h"
#include "decode/html_entities.h"
#include "decode/reference.h"

namespace headrace {
namespace {

constexpr size_t kTagBytesMax = 1024;
constexpr size_t kTicksMax = 16;
constexpr size_t kOpenMarksMax = 64;
constexpr size_t kRemovedMarksMax = 4096;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t';
}
bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_punctuation(char c) {
  return c > ' ' && c < 0x7F && !is_alphanumeric(c);
}

class InlineReader {
 public:
  InlineReader(std::string_view in, std::string& out, std::vector<MarkdownLink>& links)
      : in_(in), out_(out), links_(links), base_(out.size()), settled_(links.size()) {}

  void read() {
    while (at_ < in_.size()) {
      step();
      if (removed_.size() > kRemovedMarksMax) {  // bounds the memory for hostile text
        open_.clear();
        brackets_.clear();
        remove_marks();
      }
    }
    remove_marks();
    const auto breaks = [](std::string_view text) {
      return std::count(text.begin(), text.end(), '\n');
    };
    const auto lost = breaks(in_) - breaks(std::string_view(out_).substr(base_));
    if (lost > 0) out_.append(static_cast<size_t>(lost), '\n');
  }

 private:
  struct Mark {  // an emphasis run as it stands in out_
    size_t position;
    size_t length;
    char character;
  };
  struct Bracket {
    size_t position;  // where its text begins in out_
    size_t source;    // and in in_
    bool image;
  };

  void step() {
    const char c = in_[at_];
    switch (c) {
      case '\\':
        return escape();
      case '`':
        return code_span();
      case '*':
      case '_':
      case '~':
        return emphasis(c);
      case '!':
        if (next_is('[') && brackets_.size() < kOpenMarksMax) {
          brackets_.push_back({out_.size(), at_ + 2, true});
          at_ += 2;
          return;
        }
        break;
      case '[':
        return open_bracket();
      case ']':
        return close_bracket();
      case '<':
        return tag();
      case '&':
        return entity();
      default:
        break;
    }
    out_.push_back(c);
    ++at_;
  }

  bool next_is(char c) const { return at_ + 1 < in_.size() && in_[at_ + 1] == c; }

  void escape() {
    if (at_ + 1 < in_.size() && is_punctuation(in_[at_ + 1])) {
      out_.push_back(in_[at_ + 1]);
      at_ += 2;
      return;
    }
    if (!next_is('\n')) out_.push_back('\\');
    ++at_;
  }

  size_t run_length(size_t position) const {
    size_t end = position;
    while (end < in_.size() && in_[end] == in_[position]) ++end;
    return end - position;
  }

  void code_span() {
    const size_t ticks = run_length(at_);
    const size_t begin = at_ + ticks;
    if (ticks <= kTicksMax && begin < no_closing_ticks_[ticks]) {
      for (size_t i = in_.find('`', begin); i != std::string_view::npos; i = in_.find('`', i)) {
        const size_t run = run_length(i);
        if (run == ticks) {
          std::string_view code = in_.substr(begin, i - begin);
          if (code.size() > 2 && code.front() == ' ' && code.back() == ' ') {
            code = code.substr(1, code.size() - 2);
          }
          out_ += code;
          at_ = i + run;
          return;
        }
        i += run;
      }
      no_closing_ticks_[ticks] = begin;  // nor is there one for any later run of this length
    }
    out_.append(ticks, '`');
    at_ = begin;
  }

  void emphasis(char c) {
    const size_t length = run_length(at_);
    const size_t end = at_ + length;
    const char before = at_ == 0 ? ' ' : in_[at_ - 1];
    const char after = end >= in_.size() ? ' ' : in_[end];
    bool opens =
        !is_space(after) && (!is_punctuation(after) || is_space(before) || is_punctuation(before));
    bool closes =
        !is_space(before) && (!is_punctuation(before) || is_space(after) || is_punctuation(after));
    if (c == '_') {
      opens = opens && !is_alphanumeric(before);
      closes = closes && !is_alphanumeric(after);
    }
    if ((c == '~' && length != 2) || length > 3) opens = closes = false;
    at_ = end;
    if (closes) {
      for (size_t i = open_.size(); i-- > 0;) {
        if (open_[i].character != c || open_[i].length != length) continue;
        removed_.push_back(open_[i]);
        removed_.push_back({out_.size(), length, c});
        open_.resize(i);
        opens = false;
        break;
      }
    }
    if (opens && open_.size() < kOpenMarksMax) open_.push_back({out_.size(), length, c});
    out_.append(length, c);
  }

  void remove_marks() {
    std::stable_sort(links_.begin() + static_cast<ptrdiff_t>(settled_), links_.end(),
                     [](const MarkdownLink& a, const MarkdownLink& b) { return a.at < b.at; });
    if (removed_.empty()) {
      settled_ = links_.size();
      return;
    }
    std::sort(removed_.begin(), removed_.end(),
              [](const Mark& a, const Mark& b) { return a.position < b.position; });
    // Links move with their text.
    size_t gone = 0;
    for (size_t mark = 0; settled_ < links_.size(); ++settled_) {
      MarkdownLink& link = links_[settled_];
      for (; mark < removed_.size() && removed_[mark].position < link.at; ++mark)
        gone += removed_[mark].length;
      link.at -= gone;
    }
    size_t to = removed_.front().position;
    for (size_t i = 0; i < removed_.size(); ++i) {
      const size_t from = removed_[i].position + removed_[i].length;
      const size_t end = i + 1 < removed_.size() ? removed_[i + 1].position : out_.size();
      if (from >= end) continue;
      std::copy(out_.begin() + static_cast<ptrdiff_t>(from),
                out_.begin() + static_cast<ptrdiff_t>(end),
                out_.begin() + static_cast<ptrdiff_t>(to));
      to += end - from;
    }
    out_.resize(to);
    removed_.clear();
  }

  void open_bracket() {
    if (next_is('^')) {  // a footnote's reference: "[^1]"
      const size_t end = in_.find_first_of("]\n [", at_ + 1);
      if (end != std::string_view::npos && in_[end] == ']') {
        const bool at_begin = at_ == 0 || in_[at_ - 1] == '\n';
        at_ = end + 1;
        if (at_begin && at_ < in_.size() && in_[at_] == ':')  // its text: "[^1]: …"
          at_ = std::min(in_.find_first_not_of(' ', at_ + 1), in_.size());
        return;
      }
    }
    if (next_is('[')) {  // a wiki's link: "[[Page|text]]"
      const size_t end = in_.find_first_of("]\n[", at_ + 2);
      if (end != std::string_view::npos && in_[end] == ']' && end + 1 < in_.size() &&
          in_[end + 1] == ']') {
        std::string_view text = in_.substr(at_ + 2, end - at_ - 2);
        const size_t bar = text.find('|');
        out_ += bar == std::string_view::npos ? text : text.substr(bar + 1);
        at_ = end + 2;
        return;
      }
    }
    if (brackets_.size() < kOpenMarksMax) brackets_.push_back({out_.size(), at_ + 1, false});
    out_.push_back('[');
    ++at_;
  }

  void close_bracket() {
    ++at_;
    if (brackets_.empty()) {
      out_.push_back(']');
      return;
    }
    const Bracket open = brackets_.back();
    brackets_.pop_back();
    const size_t end = link_target_end();
    if (!open.image && out_.size() > open.position + 1) {
      // "[label]" and "[label][]" name their own text.
      const std::string_view label = in_.substr(open.source, at_ - 1 - open.source);
      if (end == 0) {
        add_link(open.position + 1, label, true);
      } else if (in_[at_] == '(') {
        add_link(open.position + 1, address_in(in_.substr(at_ + 1, end - at_ - 2)), false);
      } else {
        const std::string_view named = in_.substr(at_ + 1, end - at_ - 2);
        add_link(open.position + 1, named.empty() ? label : named, true);
      }
    }
    if (end == 0) {
      if (!open.image) {
        out_.push_back(']');
      }
      return;
    }
    // The "[" of the text is removed with the emphasis marks, so that positions stay.
    if (!open.image) removed_.push_back({open.position, 1, '['});
    at_ = end;
  }

  void add_link(size_t position, std::string_view target, bool is_reference) {
    constexpr size_t kLabelBytesMax = 1000;  // as CommonMark has it
    if (target.empty() || target.size() > (is_reference ? kLabelBytesMax : 2 * kReferenceBytesMax))
      return;
    if (links_.size() < kDocumentLinksMax)
      links_.push_back({position, std::string(target), is_reference});
  }

  // The address of `url "title"` or `<url> "title"`.
  static std::string_view address_in(std::string_view inside) {
    while (!inside.empty() && is_space(inside[0])) inside.remove_prefix(1);
    if (inside.starts_with('<')) return inside.substr(1, inside.find('>', 1) - 1);
    return inside.substr(0, inside.find_first_of(" \t\n"));
  }

  // The address in `a href="url"`, as Markdown may have it too.
  static std::string_view address_in_tag(std::string_view inside) {
    if (inside.size() < 8 || (inside[0] | 0x20) != 'a' || !is_space(inside[1])) return {};
    const size_t href = inside.find("href=");
    if (href == std::string_view::npos || !is_space(inside[href - 1])) return {};
    inside.remove_prefix(href + 5);
    if (inside.empty()) return {};
    if (inside[0] != '"' && inside[0] != '\'')
      return inside.substr(0, inside.find_first_of(" \t\n"));
    return inside.substr(1, inside.find(inside[0], 1) - 1);
  }

  // Where "(url "title")" or "[reference]" ends that stands at at_; 0 if none does. Does not look
  // beyond the next "]" of another link, so all calls together are linear.
  size_t link_target_end() const {
    if (at_ >= in_.size()) return 0;
    if (in_[at_] == '[') {
      const size_t end = in_.find_first_of("[]", at_ + 1);
      return end != std::string_view::npos && in_[end] == ']' ? end + 1 : 0;
    }
    if (in_[at_] != '(') return 0;
    int depth = 0;
    char quote = 0;
    for (size_t i = at_; i < in_.size(); ++i) {
      const char c = in_[i];
      if (c == '\\') {
        ++i;
      } else if (quote != 0) {
        if (c == ']' && i + 1 < in_.size() && in_[i + 1] == '(') return 0;
        if (c == quote && i + 1 < in_.size() && (in_[i + 1] == ')' || is_space(in_[i + 1])))
          quote = 0;
      } else if ((c == '"' || c == '\'') && is_space(in_[i - 1])) {
        quote = c;
      } else if (c == '(') {
        ++depth;
      } else if (c == ')') {
        if (--depth == 0) return i + 1;
      } else if (c == ']') {
        return 0;
      }
    }
    return 0;
  }

  void tag() {
    const char after = at_ + 1 < in_.size() ? in_[at_ + 1] : ' ';
    const bool may_be =
        (after | 0x20) >= 'a' ? (after | 0x20) <= 'z' : after == '/' || after == '!';
    if (may_be) {
      const size_t end =
          in_.substr(0, std::min(in_.size(), at_ + kTagBytesMax)).find_first_of("<>", at_ + 1);
      if (end != std::string_view::npos && in_[end] == '>') {
        const std::string_view inside = in_.substr(at_ + 1, end - at_ - 1);
        const bool address = inside.find_first_of(" \n") == std::string_view::npos &&
                             (inside.find("://") != std::string_view::npos ||
                              inside.find('@') != std::string_view::npos);
        if (address) {
          if (has_host(inside)) add_link(out_.size(), inside, false);
          out_ += inside;
        }
        add_link(out_.size(), address_in_tag(inside), false);
        at_ = end + 1;
        return;
      }
    }
    out_.push_back('<');
    ++at_;
  }

  // "&copy;", "&#169;": all names of HTML, with their semicolon.
  void entity() {
    constexpr size_t kEntityBytesMax = 40;
    const HtmlReference reference = read_html_reference(in_.substr(at_, kEntityBytesMax));
    if (reference.length == 0 || in_[at_ + reference.length - 1] != ';') {
      out_.push_back(in_[at_++]);
      return;
    }
    constexpr char32_t kNoBreakSpace = 0xA0;
    const bool blank = reference.first <= ' ' || reference.first == kNoBreakSpace;
    append_utf8(blank ? U' ' : reference.first, out_);
    if (reference.second != 0) append_utf8(reference.second, out_);
    at_ += reference.length;
  }

  std::string_view in_;
  std::string& out_;
  std::vector<MarkdownLink>& links_;
  size_t base_;
  size_t settled_;  // links before it have their place in the text without marks
  size_t at_ = 0;
  std::vector<Mark> open_;
  std::vector<Mark> removed_;
  std::vector<Bracket> brackets_;
  // From here on no run of so many ticks closes a code span.
  std::array<size_t, kTicksMax + 1> no_closing_ticks_ = filled();
  static constexpr std::array<size_t, kTicksMax + 1> filled() {
    std::array<size_t, kTicksMax + 1> values{};
    values.fill(SIZE_MAX);
    return values;
  }
};

}  // namespace

void append_markdown_inline(std::string_view markdown, std::string& out,
                            std::vector<MarkdownLink>& links) {
  InlineReader(markdown, out, links).read();
}

}  // namespace headrace
