// Glob patterns and ignore files.
//
// Pattern syntax, as in .gitignore: * (not across /), ? , [a-z], [!a-z], [[:alpha:]], ** (any
// folders, where it stands for whole ones; beside other letters it is one *), a trailing / for
// folders only, a leading / to anchor at the root, a leading ! to take back. A pattern without a
// slash matches the name at any depth.
//
// Threads: values. Errors: none: an unclosed [ matches itself, but in an ignore file a pattern that
// is not well-formed matches nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

// Whole-path match of `path` (relative, with /) against a glob.
bool glob_match(std::string_view pattern, std::string_view path);
// Has any of * ? [ in it.
bool has_glob(std::string_view text);

// An ordered list of patterns with .gitignore semantics; the last that matches decides.
class PatternList {
 public:
  void add(std::string_view pattern);
  // One pattern a line, # comments; spaces at the end of a line count after a backslash only.
  void add_file(std::string_view content);
  bool empty() const { return rules_.empty(); }
  // `path` relative to the folder of the list: what the last pattern that matches says of it;
  // nothing where none does.
  std::optional<bool> decide(std::string_view path, bool is_folder) const;
  bool matches(std::string_view path, bool is_folder) const {
    return decide(path, is_folder).value_or(false);
  }

 private:
  struct Rule {
    std::string pattern;
    bool negated = false;
    bool folder_only = false;
    bool anchored = false;
  };
  std::vector<Rule> rules_;
};

}  // namespace headrace
