#include "sources/displayable_path.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace headrace {
namespace {

TEST(DisplayablePath, EscapesWhatIsNotUtf8) {
  EXPECT_EQ(displayable_path("caf\xc3\xa9.txt"), "caf\xc3\xa9.txt");
  EXPECT_EQ(displayable_path("bad\xff\xfe.txt"), "bad\\xff\\xfe.txt");
}

TEST(DisplayablePath, LeavesBackslashesAloneThatBeginNoEscape) {
  for (const char* name : {"a\\b.txt", "\\", "\\x", "\\xf", "\\xfg", "\\xFF", "\\\\x4", "\\u0041"})
    EXPECT_EQ(displayable_path(name), name);
  EXPECT_EQ(displayable_path("a\\b\xff"), "a\\b\\xff");
  EXPECT_EQ(displayable_path("n\\xff.txt"), "n\\x5cxff.txt");
}

TEST(DisplayablePath, TwoNamesAreNeverShownAsOne) {
  // All names of up to seven of these letters.
  constexpr std::string_view kLetters = "\\x5cf\xff";
  std::set<std::string> shown;
  size_t names = 0;
  std::string name;
  const auto add_all = [&](auto& add_longer) -> void {
    ++names;
    const std::string display = displayable_path(name);
    EXPECT_EQ(path_of_displayed(display), name);
    shown.insert(display);
    if (name.size() == 7) return;
    for (const char c : kLetters) {
      name.push_back(c);
      add_longer(add_longer);
      name.pop_back();
    }
  };
  add_all(add_all);
  EXPECT_EQ(shown.size(), names);
}

}  // namespace
}  // namespace headrace
