#include "sources/glob.h"

#include <algorithm>

namespace headrace {

namespace {

// Matches one character class starting at pattern[p] == '['; sets `next` past it. Returns -1 when
// the class is not closed.
int match_class(std::string_view pattern, size_t p, char c, size_t& next) {
  size_t i = p + 1;
  bool negated = false;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) {
    negated = true;
    ++i;
  }
  bool found = false;
  for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false, ++i) {
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      if (pattern[i] <= c && c <= pattern[i + 2]) found = true;
      i += 2;
    } else if (pattern[i] == c) {
      found = true;
    }
  }
  if (i >= pattern.size()) return -1;
  next = i + 1;
  return found != negated && c != '/' ? 1 : 0;
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
          const int result = match_class(pattern, p, path[s], next);
          matched = result < 0 ? path[s] == '[' : result == 1;
          if (result < 0) next = p + 1;
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
  while (!content.empty()) {
    const size_t end = content.find('\n');
    std::string_view line = content.substr(0, end);
    content = end == std::string_view::npos ? std::string_view{} : content.substr(end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    add(line);
  }
}

bool PatternList::matches(std::string_view path, bool is_folder) const {
  const size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->folder_only && !is_folder) continue;
    if (glob_match(rule->pattern, rule->anchored ? path : name)) return !rule->negated;
  }
  return false;
}

}  // namespace headrace
