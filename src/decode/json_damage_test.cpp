// JSON that is cut off or too deep is refused; what only begins like JSON is the text that it is.
#include <gtest/gtest.h>

#include <string>

#include "decode/decoder.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

std::string nested(std::string_view open, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += open;
  return text;
}

Result<Decoded> decode(const std::string& text, std::string_view name) {
  RawDocument raw;
  raw.source = name;
  raw.bytes = text;
  return Decoder(nullptr, {}).decode(std::move(raw), detect_format(text, name));
}

ErrorCode failure(const std::string& text, std::string_view name) {
  const auto decoded = decode(text, name);
  if (decoded) return ErrorCode::internal;
  EXPECT_FALSE(decoded.error().hint().empty()) << decoded.error().text();
  return decoded.error().code();
}

TEST(JsonDamage, WhatIsCutOffIsRefusedWhereverItEnds) {
  const std::string whole =
      R"({"nbformat": 4, "a": [1, -2.5e+3, true, null], "cells": [{"source": ["x \u00e9\n\"", "y"]}, {}]})";
  ASSERT_TRUE(decode(whole, "a.json"));
  for (size_t size = 1; size < whole.size(); ++size) {
    for (const char* name : {"a.json", "a.ipynb"})
      EXPECT_EQ(failure(whole.substr(0, size), name), ErrorCode::damaged) << whole.substr(0, size);
    // Elsewhere one member that is whole is the proof.
    if (size > whole.find(',')) {
      EXPECT_EQ(failure(whole.substr(0, size) + "\n", "a"), ErrorCode::damaged) << size;
    }
  }
  EXPECT_EQ(failure("[{\"a\": 1},\n {\"a\": 2},\n", "a.json"), ErrorCode::damaged);
  std::string large = "[";
  while (large.size() < 100'000) large += "{\"key\": \"some words\"}, ";
  EXPECT_EQ(failure(large, "data.txt"), ErrorCode::damaged);
  const auto cut = decode("{\"a\":\n[1,\n2", "a.json");
  ASSERT_FALSE(cut);
  EXPECT_NE(cut.error().message().find("line 3"), std::string::npos) << cut.error().text();
}

TEST(JsonDamage, WhatIsTooDeepIsRefused) {
  const size_t deep = 60'000;
  EXPECT_EQ(failure(nested("[", deep) + nested("]", deep), "a.json"), ErrorCode::too_large);
  EXPECT_EQ(failure(nested("[", deep) + "1" + nested("]", deep), "a"), ErrorCode::too_large);
  EXPECT_EQ(failure(nested("{\"a\":", deep) + "1" + nested("}", deep), "a.json"),
            ErrorCode::too_large);
  EXPECT_EQ(failure(R"({"nbformat": 4, "cells": )" + nested("[", deep) + nested("]", deep) + "}",
                    "a.ipynb"),
            ErrorCode::too_large);
  EXPECT_EQ(failure("{\"a\": 1}\n" + nested("[", deep), "a.json"), ErrorCode::too_large);
  // Deep, but no deeper than a tree may be: its text.
  EXPECT_TRUE(decode(nested("[", 2000) + "1" + nested("]", 2000), "a.json"));
}

TEST(JsonDamage, WhatOnlyBeginsLikeJsonIsText) {
  for (const std::string text : {"[a link](http://x.org) and words",
                                 "[section]\nkey = 1\n",
                                 "{{ template }}\n{% if a %}",
                                 "[[wiki link]] words",
                                 "[2024-05-06 07:08:09] INFO started",
                                 "[1] A footnote",
                                 "[",
                                 "{",
                                 "[1, 2",
                                 "[x] done\n[ ] to do",
                                 "{\\rm text}",
                                 "{\"a\": oops",
                                 "{a: 1, b: [2",
                                 "{'a': 1,",
                                 "{\"a\": NaN, \"b\": [1,",
                                 "{\"a\": 1, ...",
                                 "{\"a\": \"\\q\", \"b\": ",
                                 "{\"a\": 01, \"b\": ",
                                 "{\"a\": \"line\nbreak\", \"b\": ",
                                 "{\"a\": 1,, \"b\": ",
                                 "[\"quoted\"] = {\"a\": 1,"}) {
    for (const char* name : {"a", "a.txt", "a.md", "a.json"}) {
      const bool is_lone = text == "[" || text == "{" || text == "[1, 2";
      if (is_lone && std::string_view(name) == "a.json") continue;
      const auto decoded = decode(text, name);
      ASSERT_TRUE(decoded) << name << ": " << text << "\n" << decoded.error().text();
      EXPECT_FALSE(decoded->document.text.empty()) << text;
    }
  }
  // Some values one after another are lines; the last may be unfinished.
  EXPECT_TRUE(decode("{\"a\": 1}\n{\"a\": 2}\n{\"a\": ", "a.log"));
  EXPECT_TRUE(decode("{\"a\": \"\\ud800\"}", "a.json"));
  EXPECT_TRUE(decode("{\"a\": NaN}", "a.json"));
}

TEST(JsonDamage, DeepXmlIsXml) {
  // Needs the worker to be read: here it is enough that it is not taken for text.
  const std::string deep = nested("<a>", 50'000);
  EXPECT_EQ(detect_format(deep, "a.xml"), Format::xml);
  EXPECT_EQ(detect_format(nested("<a b='c'>\n", 50'000), "a"), Format::xml);
  EXPECT_EQ(detect_format("<a> <b> words", "a"), Format::text);
  EXPECT_EQ(detect_format(nested("<name> is a word ", 500), "a"), Format::text);
}

}  // namespace
}  // namespace headrace
