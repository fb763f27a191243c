#include "decode/reference.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

std::string resolve(std::string_view base, std::string_view written) {
  return resolve_reference(base, clean_reference(written));
}

TEST(Reference, ToUrlsStandsWhereverTheDocumentIs) {
  for (const char* base : {"docs/a.html", "https://x.org/a", "m.zip!a.html", ""}) {
    EXPECT_EQ(resolve(base, "https://Example.ORG/Path?q=1#top"), "https://example.org/Path?q=1");
    EXPECT_EQ(resolve(base, " \nhttp://e.org/a b\n c\t"), "http://e.org/a%20b%20c");
    EXPECT_EQ(resolve(base, "HTTPS://Me:Secret@E.org/"), "https://Me:Secret@e.org/");
    EXPECT_EQ(resolve(base, "//e.org/a"), "https://e.org/a");
    EXPECT_EQ(resolve(base, "https://e.org/#/route"), "https://e.org/#/route");
  }
}

TEST(Reference, WhatNamesNoOtherDocumentIsLeftOut) {
  for (const char* base : {"docs/a.html", "https://x.org/a", "m.zip!a.html"}) {
    for (const char* written :
         {"", " ", "#", "#top", "javascript:void(0)", "JavaScript:go()", "java\nscript:go()",
          "mailto:a@b.c", "data:text/html,x", "tel:123", "about:blank", "http:", "x:y"})
      EXPECT_EQ(resolve(base, written), "") << base << " " << written;
    EXPECT_EQ(resolve(base, std::string(5000, 'a')), "");
    EXPECT_EQ(resolve(base, "https://e.org/" + std::string(kReferenceBytesMax, 'a')), "");
  }
  EXPECT_EQ(resolve("docs/a.html", "a.html#part"), "");
  EXPECT_EQ(resolve("https://x.org/a?b", "https://x.org/a?b#part"), "");
}

TEST(Reference, InAUrlIsResolvedAgainstIt) {
  const std::string base = "https://x.org/b/c/d.html?p=q";
  for (const auto& [written, found] : {std::pair{"e.html", "https://x.org/b/c/e.html"},
                                       {"./e", "https://x.org/b/c/e"},
                                       {"../e", "https://x.org/b/e"},
                                       {"../../../../e", "https://x.org/e"},
                                       {"..", "https://x.org/b/"},
                                       {"e/../f/./g", "https://x.org/b/c/f/g"},
                                       {"/e?x=../y", "https://x.org/e?x=../y"},
                                       {"?y", "https://x.org/b/c/d.html?y"},
                                       {"e#part", "https://x.org/b/c/e"},
                                       {"//y.org", "https://y.org"},
                                       {"é%20ü", "https://x.org/b/c/é%20ü"}})
    EXPECT_EQ(resolve(base, written), found) << written;
  EXPECT_EQ(resolve("http://x.org", "a"), "http://x.org/a");
}

TEST(Reference, InAFileIsAFileBesideIt) {
  for (const auto& [written, found] : {std::pair{"b.html", "docs/ops/b.html"},
                                       {"./b.html?v=1#part", "docs/ops/b.html"},
                                       {"../b.html", "docs/b.html"},
                                       {"../../../b.html", "../b.html"},
                                       {"/usr/b.html", "/usr/b.html"},
                                       {"my%20file.html", "docs/ops/my file.html"},
                                       {"%C3%A9.html", "docs/ops/é.html"},
                                       {"%FF%00.html", "docs/ops/%FF%00.html"}})
    EXPECT_EQ(resolve("docs/ops/a.html", written), found) << written;
  EXPECT_EQ(resolve("/a/b/c.md", "../../../d.md"), "/d.md");
  EXPECT_EQ(resolve("./a.md", "b.md"), "./b.md");
  EXPECT_EQ(resolve("./a.md", "../b.md"), "./../b.md");
  EXPECT_EQ(resolve("../a.md", "../b.md"), "../../b.md");
  EXPECT_EQ(resolve("a.html", "b.html"), "b.html");
}

TEST(Reference, InAnArchiveIsItsMember) {
  EXPECT_EQ(resolve("x/site.zip!a/b.html", "../c.html"), "x/site.zip!c.html");
  EXPECT_EQ(resolve("x/site.zip!a/b.html", "../../../c.html"), "x/site.zip!c.html");
  EXPECT_EQ(resolve("site.zip!a/b.html", "/c.html"), "site.zip!c.html");
  EXPECT_EQ(resolve("o.tar!i.zip!a.html", "b.html"), "o.tar!i.zip!b.html");
}

}  // namespace
}  // namespace headrace
