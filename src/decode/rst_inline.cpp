#include "decode/rst_inline.h"

#include <algorithm>

#include "base/unicode.h"
#include "base/utf8.h"
#include "decode/reference.h"
#include "decode/text_builder.h"

namespace headrace {
namespace {

// Of the name of a role.
bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Whether the character before `at` belongs to a word.
bool is_after_word(std::string_view text, size_t at) {
  if (at == 0) return false;
  const auto last = static_cast<unsigned char>(text[at - 1]);
  if (last < 0x80) return is_name_character(static_cast<char>(last));
  return unicode::is_word_character(decode_code_point(text, code_point_floor(text, at - 1)).value);
}

void add_link(std::vector<RstLink>& links, size_t at, RstLink::Kind kind, std::string_view target) {
  if (links.size() < kDocumentLinksMax && target.size() <= kReferenceBytesMax)
    links.push_back({at, kind, std::string(target)});
}

// `text` stands at `at` in the output; `target` is what it says itself ("text <target>") or empty,
// `behind` begins with the underscores that make it a link.
void add_reference(std::vector<RstLink>& links, size_t at, std::string_view text,
                   std::string_view target, std::string_view behind) {
  if (text.empty() || !behind.starts_with('_')) return;
  if (!target.empty()) {
    const bool named = target.ends_with('_') && !target.ends_with("\\_");
    if (named) target.remove_suffix(1);
    return named ? add_link(links, at, RstLink::Kind::name, rst_target_name(target))
                 : add_link(links, at, RstLink::Kind::address, target);
  }
  if (behind.starts_with("__")) return add_link(links, at, RstLink::Kind::anonymous, {});
  add_link(links, at, RstLink::Kind::name, rst_target_name(text));
}

// Of the word that `out` ends with ("target_").
void add_word_link(const std::string& out, std::vector<RstLink>& links) {
  constexpr size_t kNameBytesMax = 200;
  size_t begin = out.size();
  const auto in_name = [&](char c) {
    return is_name_character(c) || c == '-' || c == '_' || c == '.' || c == '+';
  };
  while (begin > 0 && out.size() - begin < kNameBytesMax && in_name(out[begin - 1])) --begin;
  begin = code_point_floor(out, begin);
  add_link(links, begin, RstLink::Kind::name, rst_target_name(std::string_view(out).substr(begin)));
}

// How long a URL is that begins here; 0 where none does.
size_t url_length(std::string_view in) {
  if (!in.starts_with("http://") && !in.starts_with("https://")) return 0;
  size_t end = std::min(in.find_first_of(" \t\n<>\"`|\\"), in.size());
  while (end > 0 && std::string_view(".,;:!?'*").find(in[end - 1]) != std::string_view::npos) --end;
  const std::string_view url = in.substr(0, end);
  if (url.ends_with(')') && url.find('(') == std::string_view::npos) --end;
  return end > in.find("//") + 2 ? end : 0;
}

}  // namespace

std::string rst_target_name(std::string_view written) {
  std::string name;
  for (const char c : trimmed(written)) {
    const bool space = c == ' ' || c == '\t' || c == '\n';
    if (space && name.ends_with(' ')) continue;
    name.push_back(space ? ' ' : c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
  }
  return name;
}

void append_rst_inline(std::string_view in, std::string& out, std::vector<RstLink>& links) {
  const auto ends_at = [&](size_t begin, std::string_view mark, size_t& known) -> size_t {
    if (known == std::string_view::npos || begin >= known) return std::string_view::npos;
    const size_t end = in.find(mark, begin);
    if (end == std::string_view::npos) known = begin;  // nor further on
    return end;
  };
  size_t no_code = in.size() + 1, no_strong = in.size() + 1, no_tick = in.size() + 1,
         no_star = in.size() + 1, no_note = in.size() + 1;
  std::string_view role;  // of what comes next
  for (size_t i = 0; i < in.size();) {
    const char c = in[i];
    if (c != '`') role = {};
    const auto may_open = [&] {
      return i + 1 < in.size() && in[i + 1] != ' ' && in[i + 1] != '\n' && !is_after_word(in, i);
    };
    size_t end = std::string_view::npos;
    if (c == '\\' && i + 1 < in.size()) {
      if (in[i + 1] != ' ' && in[i + 1] != '\n') out.push_back(in[i + 1]);
      if (in[i + 1] == '\n') out.push_back('\n');
      i += 2;
    } else if (c == '`' && in.substr(i, 2) == "``" &&
               (end = ends_at(i + 2, "``", no_code)) != std::string_view::npos) {
      out += in.substr(i + 2, end - i - 2);
      i = end + 2;
    } else if (c == '*' && may_open() && in.substr(i, 2) == "**" &&
               (end = ends_at(i + 2, "**", no_strong)) != std::string_view::npos) {
      out += in.substr(i + 2, end - i - 2);
      i = end + 2;
    } else if (c == '*' && may_open() &&
               (end = ends_at(i + 1, "*", no_star)) != std::string_view::npos) {
      out += in.substr(i + 1, end - i - 1);
      i = end + 1;
    } else if (c == '`' && may_open() &&
               (end = ends_at(i + 1, "`", no_tick)) != std::string_view::npos) {
      std::string_view text = in.substr(i + 1, end - i - 1);
      std::string_view target;
      const size_t angle = text.rfind('<');
      if (angle != std::string_view::npos && text.ends_with('>') && angle > 0) {
        target = text.substr(angle + 1, text.size() - angle - 2);
        text = trimmed(text.substr(0, angle));
      }
      if (text.starts_with('~') || text.starts_with('!')) text.remove_prefix(1);
      if (role == "doc") {
        const std::string_view path = target.empty() ? text : target;
        if (!text.empty() && !path.starts_with('/'))
          add_link(links, out.size(), RstLink::Kind::address, std::string(path) + ".rst");
      } else if (role.empty()) {
        add_reference(links, out.size(), text, target, in.substr(end + 1, 2));
      }
      role = {};
      out += text;
      if (in.substr(i, end - i).find('\n') != std::string_view::npos &&
          text.find('\n') == std::string_view::npos)
        out.push_back('\n');
      i = end + 1;
      while (i < in.size() && in[i] == '_') ++i;
    } else if (c == ':' && may_open() && is_name_character(in[i + 1])) {
      // ":role:`text`": the role goes.
      size_t k = i + 1;
      while (k < in.size() &&
             (is_name_character(in[k]) || in[k] == '-' || in[k] == '_' || in[k] == '.' ||
              (in[k] == ':' && k + 1 < in.size() && in[k + 1] != '`')))
        ++k;
      if (k + 1 < in.size() && in[k] == ':' && in[k + 1] == '`') {
        // These two say what the number behind them is.
        role = in.substr(i + 1, k - i - 1);
        if (role == "rfc") out += "RFC ";
        if (role == "pep") out += "PEP ";
        i = k + 1;
      } else {
        out += in.substr(i, k - i);
        i = k;
      }
    } else if (c == '[' && i + 1 < in.size() && (in[i + 1] == '#' || in[i + 1] == '*') &&
               (end = ends_at(i + 1, "]_", no_note)) != std::string_view::npos && end - i < 80 &&
               in.substr(i, end - i).find('\n') == std::string_view::npos) {
      i = end + 2;  // the mark of a footnote
    } else if (c == '_' && i > 0 && in[i - 1] == ']' && out.ends_with(']') &&
               (i + 1 >= in.size() || !is_name_character(in[i + 1]))) {
      ++i;  // "[1]_", "[Name]_": what it shows stays
    } else if (c == '_' && is_after_word(in, i) &&
               (i + 1 >= in.size() ||
                std::string_view(" \n.,;:!?)").find(in[i + 1]) != std::string_view::npos)) {
      ++i;  // "target_"
      add_word_link(out, links);
    } else if (const size_t url = c == 'h' && !is_after_word(in, i) ? url_length(in.substr(i)) : 0;
               url > 0) {
      add_link(links, out.size(), RstLink::Kind::address, in.substr(i, url));
      out += in.substr(i, url);
      i += url;
    } else {
      out.push_back(c);
      ++i;
    }
  }
}

}  // namespace headrace
