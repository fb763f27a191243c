#include "sources/glob.h"

#include <algorithm>

namespace headrace {

namespace {

bool is_in(unsigned char c, unsigned char first, unsigned char last) {
  return first <= c && c <= last;
}

// Whether `c` is of the class [:name:], by ASCII; nothing where there is no such class.
std::optional<bool> is_of_class(std::string_view name, unsigned char c) {
  const bool is_lower = is_in(c, 'a', 'z'), is_upper = is_in(c, 'A', 'Z');
  const bool is_digit = is_in(c, '0', '9');
  const bool is_graph = is_in(c, 0x21, 0x7E), is_alpha = is_lower || is_upper;
  if (name == "alpha") return is_alpha;
  if (name == "digit") return is_digit;
  if (name == "alnum") return is_alpha || is_digit;
  if (name == "lower") return is_lower;
  if (name == "upper") return is_upper;
  if (name == "space") return c == ' ' || is_in(c, '\t', '\r');
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "punct") return is_graph && !is_alpha && !is_digit;
  if (name == "graph") return is_graph;
  if (name == "print") return is_graph || c == ' ';
  if (name == "cntrl") return c < 0x20 || c == 0x7F;
  if (name == "xdigit") return is_digit || is_in(c, 'a', 'f') || is_in(c, 'A', 'F');
  return std::nullopt;
}

struct ClassMatch {
  size_t end;  // behind its "]"
  bool is_match;
};

// The character class that begins at pattern[p] == '['; nothing when it is not closed or has a
// [:name:] that there is not.
std::optional<ClassMatch> match_class(std::string_view pattern, size_t p, char letter) {
  const auto c = static_cast<unsigned char>(letter);
  size_t i = p + 1;
  const bool is_negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (is_negated) ++i;
  bool is_found = false;
  // One character of the class, which a backslash may make plain; moves `i` behind it.
  const auto read = [&]() -> std::optional<unsigned char> {
    if (i < pattern.size() && pattern[i] == '\\') ++i;
    if (i >= pattern.size()) return std::nullopt;
    return static_cast<unsigned char>(pattern[i++]);
  };
  for (bool is_first = true; is_first || i >= pattern.size() || pattern[i] != ']';
       is_first = false) {
    if (pattern.substr(std::min(i, pattern.size())).starts_with("[:")) {
      const size_t close = pattern.find(']', i + 2);
      if (close == std::string_view::npos) return std::nullopt;
      if (close > i + 2 && pattern[close - 1] == ':') {
        const auto is_one = is_of_class(pattern.substr(i + 2, close - i - 3), c);
        if (!is_one) return std::nullopt;
        is_found = is_found || *is_one;
        i = close + 1;
        continue;
      }
    }
    const auto from = read();
    if (!from) return std::nullopt;
    auto to = from;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      ++i;
      to = read();
      if (!to) return std::nullopt;
    }
    is_found = is_found || is_in(c, *from, *to);
  }
  return ClassMatch{i + 1, is_found != is_negated && letter != '/'};
}

// All classes are closed and known, and the last character is no lone backslash.
bool is_well_formed(std::string_view pattern) {
  for (size_t p = 0; p < pattern.size();) {
    if (pattern[p] == '[') {
      const auto found = match_class(pattern, p, '/');
      if (!found) return false;
      p = found->end;
    } else if (pattern[p] == '\\') {
      if (p + 1 == pattern.size()) return false;
      p += 2;
    } else {
      ++p;
    }
  }
  return true;
}

// Without the spaces at its end; one behind a backslash is meant.
std::string_view without_spaces(std::string_view line) {
  size_t end = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\')
      ++i;
    else if (line[i] == ' ')
      continue;
    end = std::min(i + 1, line.size());
  }
  return line.substr(0, end);
}

// Stars that begin at pattern[p], and whether they are whole folders: two or more, alone between
// slashes or the ends of the pattern. Others beside letters stand for what one star does.
struct Stars {
  size_t end;
  bool are_folders;
};
Stars read_stars(std::string_view pattern, size_t p) {
  const size_t end = std::min(pattern.find_first_not_of('*', p), pattern.size());
  const bool are_folders = end - p >= 2 && (p == 0 || pattern[p - 1] == '/') &&
                           (end == pattern.size() || pattern[end] == '/');
  return {end, are_folders};
}

}  // namespace

// Two-level backtracking: one point for the last "*", one for the last "**", which goes on folder
// by folder. Linear in practice and never worse than the product of the lengths.
bool glob_match(std::string_view pattern, std::string_view path) {
  size_t p = 0;
  size_t s = 0;
  size_t star_p = std::string_view::npos, star_s = 0;
  size_t deep_p = std::string_view::npos, deep_s = 0;
  while (s < path.size() || p < pattern.size()) {
    if (p < pattern.size()) {
      const char c = pattern[p];
      if (c == '*') {
        const Stars stars = read_stars(pattern, p);
        p = stars.end;
        if (stars.are_folders) {
          if (p == pattern.size()) return true;
          // "**/" also matches no folder at all.
          deep_p = ++p;
          deep_s = s;
          star_p = std::string_view::npos;
          continue;
        }
        star_p = p;
        star_s = s;
        continue;
      }
      if (s < path.size()) {
        size_t next = p + 1;
        bool matched = false;
        if (c == '[') {
          const auto found = match_class(pattern, p, path[s]);
          matched = found ? found->is_match : path[s] == '[';
          if (found) next = found->end;
        } else if (c == '?') {
          matched = path[s] != '/';
        } else if (c == '\\' && p + 1 < pattern.size()) {
          matched = pattern[p + 1] == path[s];
          next = p + 2;
        } else {
          matched = c == path[s];
        }
        if (matched) {
          p = next;
          ++s;
          continue;
        }
      }
    }
    if (star_p != std::string_view::npos && star_s < path.size() && path[star_s] != '/') {
      p = star_p;
      s = ++star_s;
      continue;
    }
    if (deep_p == std::string_view::npos) return false;
    const size_t slash = path.find('/', deep_s);
    if (slash == std::string_view::npos) return false;
    p = deep_p;
    s = deep_s = slash + 1;
    star_p = std::string_view::npos;
  }
  return true;
}

bool has_glob(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

void PatternList::add(std::string_view pattern) {
  Rule rule;
  if (pattern.starts_with('!')) {
    rule.negated = true;
    pattern.remove_prefix(1);
  }
  if (pattern.ends_with('/')) {
    rule.folder_only = true;
    pattern.remove_suffix(1);
  }
  if (pattern.empty()) return;
  rule.anchored = pattern.find('/') != std::string_view::npos;
  if (pattern.starts_with('/')) pattern.remove_prefix(1);
  rule.pattern = pattern;
  rules_.push_back(std::move(rule));
}

void PatternList::add_file(std::string_view content) {
  if (content.starts_with("\xEF\xBB\xBF")) content.remove_prefix(3);
  while (!content.empty()) {
    const size_t end = content.find('\n');
    std::string_view line = content.substr(0, end);
    content = end == std::string_view::npos ? std::string_view{} : content.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = without_spaces(line);
    if (!line.starts_with('#') && is_well_formed(line)) add(line);
  }
}

std::optional<bool> PatternList::decide(std::string_view path, bool is_folder) const {
  const size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->folder_only && !is_folder) continue;
    if (glob_match(rule->pattern, rule->anchored ? path : name)) return !rule->negated;
  }
  return std::nullopt;
}

}  // namespace headrace
