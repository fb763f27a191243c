#include "decode/text_formats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/utf8.h"
#include "decode/test_links.h"

namespace headrace {
namespace {

using std::string_literals::operator""s;

// Each block on a line, "kind level: text".
std::string outline_of(const Document& document) {
  static constexpr const char* kNames[] = {"p", "h", "li", "row", "code", "quote", "caption"};
  std::string out;
  for (const Block& block : document.blocks) {
    out += kNames[static_cast<size_t>(block.kind)];
    if (block.level > 0) out += std::to_string(block.level);
    out += ": " + document.text.substr(block.begin, block.end - block.begin) + "\n";
  }
  return out;
}

// What batch/document.h promises of every document.
void expect_sound(const Document& document) {
  ASSERT_TRUE(is_valid_utf8(document.text));
  ASSERT_EQ(document.text.find('\0'), std::string::npos);
  ASSERT_TRUE(is_valid_utf8(document.title));
  size_t place = 0;
  for (const Link& link : document.links) {
    ASSERT_LE(place, link.at);
    ASSERT_LT(link.at, document.text.size());
    ASSERT_EQ(code_point_floor(document.text, link.at), link.at);
    ASSERT_FALSE(link.target.empty());
    place = link.at;
  }
  size_t before = 0;
  for (const Block& block : document.blocks) {
    ASSERT_LE(before, block.begin);
    ASSERT_LT(block.begin, block.end);
    ASSERT_LE(block.end, document.text.size());
    ASSERT_EQ(code_point_floor(document.text, block.begin), block.begin);
    ASSERT_EQ(code_point_floor(document.text, block.end), block.end);
    before = block.end;
  }
}

ptrdiff_t line_breaks(std::string_view text) {
  return std::count(text.begin(), text.end(), '\n');
}

// The line (from 1) on which `piece` stands.
ptrdiff_t line_of(const Document& document, std::string_view piece) {
  const size_t at = document.text.find(piece);
  return at == std::string::npos ? -1
                                 : 1 + line_breaks(std::string_view(document.text).substr(0, at));
}

TEST(Encoding, IsConverted) {
  EXPECT_EQ(to_utf8("\xEF\xBB\xBF"
                    "a\r\nb\rc\n",
                    {"utf-8"}),
            "a\nb\nc\n");
  EXPECT_EQ(to_utf8("a\0b\xFF"s, {"utf-8"}),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(to_utf8("\xFF\xFE\xE9\0=\xD8\0\xDE"s, {"utf-16le"}), "é😀");
  EXPECT_EQ(to_utf8("\0\xE9\xD8=\xDE\0\xD8\0"s, {"utf-16be"}), "é😀\xEF\xBF\xBD");
  EXPECT_EQ(to_utf8("\x41\0\0\0\x00\xF6\x01\0\x09"s, {"utf-32le"}), "A\U0001F600\xEF\xBF\xBD");
  EXPECT_EQ(to_utf8("\x80 \x93x\x94 \xE4 \x81", {"windows-1252"}), "€ “x” ä \xEF\xBF\xBD");
}

TEST(PlainText, StaysAsItIs) {
  const std::string text = "Some text\nover two lines.\n\nAnother paragraph.\n";
  const Document document = decode_plain_text(text);
  EXPECT_EQ(document.text, text);
  EXPECT_EQ(outline_of(document), "p: Some text\nover two lines.\np: Another paragraph.\n");
}

TEST(PlainText, FindsHeadingsAndLists) {
  EXPECT_EQ(
      outline_of(decode_plain_text(
          "Title\n=====\nText.\n\n1.2 Scope of work\n\nMore.\n\nNAME\n    ls - list\n")),
      "h1: Title\n=====\np: Text.\nh2: 1.2 Scope of work\np: More.\nh2: NAME\np:     ls - list\n");
  EXPECT_EQ(outline_of(decode_plain_text("Things:\n- one\n  more\n- two\n")),
            "p: Things:\nli1: - one\n  more\nli1: - two\n");
  // Not headings: a sentence, a last line.
  EXPECT_EQ(outline_of(decode_plain_text("Short line\n\nText\n\nTHE END")),
            "p: Short line\np: Text\np: THE END\n");
}

TEST(Markdown, FrontMatterIsMetadata) {
  const Document document = decode_markdown(
      "---\ntitle: \"My page\"\ndate: 2024-01-02\ntags: [a, \"b\"]\nlist:\n  - x\n  - y\n---\n\n# "
      "Head\nText\n");
  EXPECT_EQ(document.title, "My page");
  EXPECT_EQ(std::get<std::string>(document.metadata.at("date")), "2024-01-02");
  EXPECT_EQ(std::get<std::vector<std::string>>(document.metadata.at("tags")),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(std::get<std::vector<std::string>>(document.metadata.at("list")),
            (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(outline_of(document), "h1: Head\np: Text\n");
  EXPECT_EQ(line_of(document, "Head"), 10);
  // A rule at the top is no front matter.
  EXPECT_EQ(outline_of(decode_markdown("---\n\ntext\n")), "p: text\n");
}

TEST(Markdown, FrontMatterHasTypes) {
  const Document document = decode_markdown(
      "---\nlang: de-AT\nyear: 2021  # of print\ndraft: true\nrating: 4.5\nzip: 00501\n"
      "version: 1.2.3\nquoted: \"12\"\ndate: 2024-01-02\nnone: null\ntags: [a, \"b, c\", 3]\n"
      "about: >\n  two\n  lines\nnegative: -7\n---\nText\n");
  const Metadata& said = document.metadata;
  EXPECT_EQ(document.language, "de");
  EXPECT_EQ(std::get<int64_t>(said.at("year")), 2021);
  EXPECT_TRUE(std::get<bool>(said.at("draft")));
  EXPECT_EQ(std::get<double>(said.at("rating")), 4.5);
  EXPECT_EQ(std::get<int64_t>(said.at("negative")), -7);
  for (const auto& [key, text] : std::map<std::string, std::string>{{"zip", "00501"},
                                                                    {"version", "1.2.3"},
                                                                    {"quoted", "12"},
                                                                    {"date", "2024-01-02"},
                                                                    {"about", "two lines"}}) {
    EXPECT_EQ(std::get<std::string>(said.at(key)), text);
  }
  EXPECT_FALSE(said.contains("none"));
  EXPECT_EQ(std::get<std::vector<std::string>>(said.at("tags")),
            (std::vector<std::string>{"a", "b, c", "3"}));
  const Metadata lists =
      decode_markdown(
          "---\nyears: [2023, 2024]\nparts:\n- 1.5\n- 2\nflags: [true, false]\n---\nx\n")
          .metadata;
  EXPECT_EQ(lists.at("years"), Value(std::vector<int64_t>{2023, 2024}));
  EXPECT_EQ(lists.at("parts"), Value(std::vector<double>{1.5, 2}));
  EXPECT_EQ(lists.at("flags"), Value(std::vector<bool>{true, false}));
  // What names no language by its code stays what it is.
  EXPECT_EQ(std::get<std::string>(decode_markdown("---\nlang: German\n---\nx\n").metadata["lang"]),
            "German");
}

TEST(Markdown, InlineMarkupOfOddKinds) {
  const auto inlined = [](std::string_view text) { return outline_of(decode_markdown(text)); };
  EXPECT_EQ(inlined("snake_case_name and 2 * 3 * 4"), "p: snake_case_name and 2 * 3 * 4\n");
  EXPECT_EQ(inlined("***both*** __b__ ~~gone~~ [[Page|wiki]] note[^1]"),
            "p: both b gone wiki note\n");
  EXPECT_EQ(inlined("[a [nested] link](u) [open <https://x.y/> a < b"),
            "p: a [nested] link [open https://x.y/ a < b\n");
  EXPECT_EQ(inlined("`` a ` b `` and ```x"), "p: a ` b and ```x\n");
}

TEST(SourceCode, IsCutAtDefinitions) {
  const std::string python =
      "import os\n\nX = 1\n\n# About f.\n@cached\ndef f(a,\n      b):\n    return a\n\n\nclass "
      "C(Base):\n    \"\"\"Doc\n    def not_one\n    \"\"\"\n    def m(self):\n        pass\n";
  Document document = decode_source_code(python, "dir/x.py");
  expect_sound(document);
  EXPECT_EQ(document.text, python);
  EXPECT_EQ(outline_of(document),
            "code: import os\ncode: X = 1\nh1: # About f.\n@cached\ndef f(a,\ncode:       b):\n    "
            "return a\n"
            "h1: class C(Base):\ncode:     \"\"\"Doc\n    def not_one\n    \"\"\"\nh3:     def "
            "m(self):\ncode:         pass\n");
  const std::string cpp =
      "#include <x>\n#define A(b) { \\\n  b }\nnamespace n {\n// Adds.\nint add(int a, int b = 2) "
      "{\n  if (a) { return \"}\"[0]; }\n  return a;\n}\n"
      "/* C */\nclass C : public B {\n public:\n  void m() const { x('{'); }\n  int a = "
      "1;\n};\nint table[] = {1, 2};\n}\n";
  document = decode_source_code(cpp, "a.cc");
  expect_sound(document);
  EXPECT_EQ(document.text, cpp);
  const std::string outline = outline_of(document);
  EXPECT_NE(outline.find("h1: // Adds.\nint add(int a, int b = 2)\n"), std::string::npos)
      << outline;
  EXPECT_NE(outline.find("h1: /* C */\nclass C : public B\n"), std::string::npos) << outline;
  EXPECT_NE(outline.find("h2:  public:\n  void m() const\n"), std::string::npos) << outline;
}

// The headings of source code, one a line.
std::string definitions_of(std::string_view code, std::string_view name) {
  const Document document = decode_source_code(code, name);
  std::string out;
  for (const Block& block : document.blocks) {
    if (block.kind == BlockKind::heading)
      out += std::to_string(block.level) + " " +
             document.text.substr(block.begin, block.end - block.begin) + "\n";
  }
  return out;
}

TEST(SourceCode, StatementsMayEndWithTheirLine) {
  EXPECT_EQ(
      definitions_of("package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nvar x = 3\n\n// Serve "
                     "answers.\nfunc (s *Server) Serve(w Writer,\n\tr *Request) error "
                     "{\n\treturn nil\n}\n\ntype Point struct {\n\tX int\n}\n\nfunc main() {\n}\n",
                     "a.go"),
      "1 // Serve answers.\nfunc (s *Server) Serve(w Writer,\n\tr *Request) error\n"
      "1 type Point struct\n1 func main()\n");
  EXPECT_EQ(
      definitions_of("import { a } from './a'\nimport b from 'b'\n\nconst limit = 5\n\nexport "
                     "class Box<T> extends Base\n  implements Thing {\n  private n = 0\n\n  "
                     "constructor(x: number) {\n    this.n = x\n  }\n  get size(): number {\n    "
                     "return 1\n  }\n}\n\nexport const add = (a: number, b: number): number => "
                     "{\n  return a\n}\n\nexport interface Shape {\n  area(): number\n}\n",
                     "a.ts"),
      "1 export class Box<T> extends Base\n  implements Thing\n2   constructor(x: number)\n2   get "
      "size(): number\n1 export const add = (a: number, b: number): number =>\n1 export "
      "interface Shape\n");
  EXPECT_EQ(
      definitions_of("package app\nimport java.io.File\n\nclass A(val x: Int) {\n  val y = 1\n  "
                     "fun f(): Int {\n    return 1\n  }\n}\n",
                     "a.kt"),
      "1 class A(val x: Int)\n2   fun f(): Int\n");
}

// Each block of code with its level, on a line.
std::string code_levels_of(std::string_view code, std::string_view name) {
  std::string out;
  const Document document = decode_source_code(code, name);
  for (const Block& block : document.blocks) {
    if (block.kind != BlockKind::code) continue;
    out += std::to_string(block.level) + " " +
           document.text.substr(block.begin, block.end - block.begin) + "\n";
  }
  return out;
}

TEST(SourceCode, DefinitionsEnd) {
  EXPECT_EQ(
      code_levels_of("class A:\n    def m(\n        self,\n    ):\n        pass\n\n    x = 1\n"
                     "\n# Later.\nmain()\n",
                     "a.py"),
      "0         self,\n    ):\n        pass\n3     x = 1\n1 # Later.\nmain()\n");
  EXPECT_EQ(
      code_levels_of("class A {\n  void m() {\n    f();\n  }\n  int x;\n}\nlater();\n", "a.ts"),
      "0  {\n0  {\n    f();\n  }\n2   int x;\n}\n1 later();\n");
  EXPECT_EQ(code_levels_of("class A {\n  void m() {\n    f();\n  }\n}\n", "A.java"),
            "0  {\n0  {\n    f();\n  }\n}\n");
}

TEST(SourceCode, HeadingsAreOfTheDefinitionAlone) {
  EXPECT_EQ(
      definitions_of("package main // the program.\nfunc main(x interface{}, y struct{}) error "
                     "{\n\treturn nil\n}\n",
                     "a.go"),
      "1 func main(x interface{}, y struct{}) error\n");
  EXPECT_EQ(definitions_of("export function f({a, b}: Props = {}): void {\n}\n"
                           "class P { constructor(x) { } }\n"
                           "it('works', () => {\n});\n",
                           "a.ts"),
            "1 export function f({a, b}: Props = {}): void\n1 class P\n2 constructor(x)\n"
            "1 it('works', () =>\n");
}

TEST(Markdown, IndentedCodeMayFollowAnyBlock) {
  EXPECT_EQ(
      outline_of(decode_markdown("| a | b |\n|---|---|\n| 1 | 2 |\n    cat x | wc\n\n- item\n\n# "
                                 "H\n    y = 1\n\n| c |\n|---|\n| 3 |\n\n    code | more\n")),
      "row: a | b\nrow: 1 | 2\ncode: cat x | wc\nli1: item\nh1: H\ncode: y = 1\nrow: c\nrow: "
      "3\ncode: code | more\n");
}

TEST(Markdown, LinksStandWhereTheirTextBegins) {
  using Links = std::vector<std::string>;
  EXPECT_EQ(links_of(decode_markdown(
                "# A [head*ing*](h.md)\n\n**Bold** and [*text* of it](b.md \"Title\"),\n"
                "![image](i.png) [![alt text](i.png)](c%20d.md#part)\n\n"
                "- *x* [item](<my file.md>)\n\n| a | [cell](d\\(1\\).md) |\n|---|---|\n"
                "| **b** | <https://E.org/?a&amp;b> |\n")),
            (Links{"head -> h.md", "text -> b.md", "alt  -> c%20d.md", "item -> my%20file.md",
                   "cell -> d(1).md", "http -> https://e.org/?a&b"}));
  EXPECT_EQ(
      links_of(decode_markdown("[top](#top) [mail](mailto:a@b.c) <a@b.c> `[no](x.md)` [](y.md)")),
      Links());
  EXPECT_EQ(links_of(decode_markdown("See <a class=x href=\"a.html\">this</a> <A HREF=b>no</A>")),
            (Links{"this -> a.html"}));
}

TEST(Markdown, DefinitionsOfLinksMayStandAnywhere) {
  using Links = std::vector<std::string>;
  const Document document = decode_markdown(
      "[first]: one.md\n[First]: other.md\n\nA [text][FIRST], [Second  Thing], [second\nthing][], "
      "[gone][x]\n"
      "and [plain].\n\n[second thing]: <two.md> 'Title'\n");
  EXPECT_EQ(links_of(document), (Links{"text -> one.md", "Seco -> two.md", "seco -> two.md"}));
  EXPECT_EQ(outline_of(document).substr(0, 41), "p: A text, [Second  Thing], second\nthing,");
}

TEST(Rst, StructureIsRead) {
  const std::string text =
      "=====\nTitle\n=====\n\nText with ``code``, *stress* and `link <http://x>`_ to :ref:`other "
      "<o>`.\n\nSection\n-------\n\n"
      "Example::\n\n    literal\n      text\n\n.. code-block:: python\n   :linenos:\n\n   x = "
      "1\n\n.. comment\n   gone\n\n"
      ".. note:: Take care\n\n   of this.\n\n.. _target:\n\n- one\n- two\n  more\n\n+---+---+\n| a "
      "| b |\n+===+===+\n| 1 | 2 |\n+---+---+\n\n"
      "===  ====\nh1   h2\n===  ====\nc1   c2\n===  ====\n\n.. function:: f(a, b)\n\n   Does it.\n";
  const Document document = decode_rst(text);
  expect_sound(document);
  EXPECT_EQ(document.title, "Title");
  EXPECT_EQ(
      outline_of(document),
      "h1: Title\np: Text with code, stress and link to other.\nh2: Section\np: Example:\ncode: "
      "literal\n  text\n"
      "code: x = 1\np: Take care\np: of this.\nli1: one\nli1: two\nmore\nrow: a | b\nrow: 1 | 2\n"
      "row: h1 | h2\nrow: c1 | c2\nh6: f(a, b)\np: Does it.\n");
  EXPECT_EQ(line_of(document, "Does it"), 1 + line_breaks(text.substr(0, text.find("Does it"))));
}

TEST(Rst, TablesOfCommaSeparatedValuesAreTables) {
  const Document document = decode_rst(
      ".. csv-table:: Prices\n   :header: \"Item\", Price\n   :widths: 1, 2\n\n   \"apple, red\", "
      "1\n"
      "   pear,\"say \"\"2\"\"\"\n   , 3\n\nAfter.\n");
  expect_sound(document);
  EXPECT_EQ(outline_of(document),
            "p: Prices\nrow: Item | Price\nrow: apple, red | 1\nrow: pear | say \"2\"\nrow: 3\n"
            "p: After.\n");
}

TEST(Rst, NumbersKeepTheirKindAndFootnoteMarksGo) {
  EXPECT_EQ(outline_of(decode_rst("As :rfc:`7159` says [#note]_, and :pep:`8`. [*]_ [1] [#x\n")),
            "p: As RFC 7159 says , and PEP 8.  [1] [#x\n");
}

TEST(Rst, ColumnsOfSimpleTablesAreCharacters) {
  const Document document = decode_rst(
      "=======  ========  =====\nGröße    Ähnlich   Überm\n=======  ========  =====\n"
      "é        ü         ö\n日本語   中文      x\nÀÉÎÕÜß   naïve     y and more\n"
      "cafe\u0301     b         z\n         goes on   too\nαβγδεζηθι  straddles w\n"
      "=======  ========  =====\n\nAfter.\n");
  expect_sound(document);
  EXPECT_EQ(outline_of(document),
            "row: Größe | Ähnlich | Überm\nrow: é | ü | ö\nrow: 日本語 | 中文 | x\n"
            "row: ÀÉÎÕÜß | naïve | y and more\nrow: cafe\u0301 | b goes on | z too\n"
            "row: αβγδεζηθι | straddles | w\np: After.\n");
  EXPECT_EQ(line_of(document, "After."), 12);
}

TEST(Rst, CellsOfSimpleTablesSpanColumns) {
  EXPECT_EQ(
      outline_of(decode_rst("=====  =====  ======\n   Inputs     Output\n------------  ------\n"
                            "  A      B    A or B\n=====  =====  ======\nFalse         False\n"
                            "\\      True   True\n=====  =====  ======\n")),
      "row: Inputs |  | Output\nrow: A | B | A or B\nrow: False |  | False\n"
      "row: | True | True\n");
  // Without a lower border it is no table.
  EXPECT_EQ(outline_of(decode_rst("=== ===\n\nText of a paragraph.\n")),
            "p: === ===\np: Text of a paragraph.\n");
}

TEST(Rst, ColumnsOfGridTablesAreCharacters) {
  const std::string text =
      "+--------+--------+\n| Größe  | 日本語 |\n+========+========+\n| é      | a|b    |\n"
      "| ü goes | x      |\n| on     |        |\n+--------+--------+\n| both of them 中  |\n"
      "+--------+--------+\n| tall   | one    |\n|        +--------+\n| 高     | two    |\n"
      "+--------+--------+\n| 日本語    | askew |\n+--------+--------+\n\nAfter.\n";
  const Document document = decode_rst(text);
  expect_sound(document);
  EXPECT_EQ(outline_of(document),
            "row: Größe | 日本語\nrow: é ü goes on | a|b x\nrow: both of them 中\n"
            "row: tall 高 | one\nrow: tall 高 | two\nrow: 日本語 | askew\np: After.\n");
  EXPECT_EQ(line_of(document, "two"), 12);
  EXPECT_EQ(line_of(document, "After."), 1 + line_breaks(text.substr(0, text.find("After."))));
}

TEST(Rst, ListTablesAreTables) {
  const Document document = decode_rst(
      ".. list-table:: Frozen\n   :widths: 15 10\n   :header-rows: 1\n\n   * - Treat\n     - "
      "Größe\n"
      "   * - *Albatross*\n     -\n     - on a stick,\n       crunchy\n   * - Ice\n     - a\n\n"
      "After.\n");
  expect_sound(document);
  EXPECT_EQ(outline_of(document),
            "p: Frozen\nrow: Treat | Größe\nrow: Albatross |  | on a stick, crunchy\nrow: Ice | a\n"
            "p: After.\n");
  EXPECT_EQ(line_of(document, "After."), 14);
}

TEST(Rst, MathOnOneLineIsKept) {
  EXPECT_EQ(outline_of(decode_rst(".. math:: E = mc^2\n   :label: e\n\n   a_1 + b\n\nAfter.\n")),
            "code: E = mc^2\ncode: a_1 + b\np: After.\n");
}

TEST(Rst, MarkupIsToldByCharacters) {
  // A quotation mark or a dash before a mark is no letter, however many bytes it has.
  EXPECT_EQ(
      outline_of(decode_rst("“*stress*” —``code``— «`link <x>`_» é*no*é 語`no`\n\n日本\n====\n")),
      "p: “stress” —code— «link» é*no*é 語`no`\nh1: 日本\n");
  // Two marks under four columns are no title; under two letters of two bytes each they are.
  EXPECT_EQ(outline_of(decode_rst("éü\n==\n")), "h1: éü\n");
}

TEST(Markdown, ReferencesAndFootnotesAreTheirText) {
  EXPECT_EQ(
      decode_markdown("&copy; &euro;5 &#169; &lt;b&gt; a&nbsp;b &frac12; AT&T &copy &nothing; &#0;")
          .text,
      "© €5 © <b> a b ½ AT&T &copy &nothing; \xEF\xBF\xBD\n");
  EXPECT_EQ(outline_of(decode_markdown("Foot[^1] note[^n].\n\n[^1]: The footnote.\n[^n]: Other\n")),
            "p: Foot note.\np: The footnote.\nOther\n");
}

TEST(Rst, ReplacementsAndMarksOfNotesAreWhatTheyShow) {
  EXPECT_EQ(
      outline_of(decode_rst("Run |Product  name| |no| as [1]_ and [CIT02]_, a|b.\n\n"
                            ".. |product name| replace:: *Headrace* 2\n\n.. [1] The note.\n")),
      "p: Run Headrace 2 |no| as [1] and [CIT02], a|b.\np: [1] The note.\n");
}

TEST(Rst, LinksAreRead) {
  using Links = std::vector<std::string>;
  const Document document = decode_rst(
      "Title\n=====\n\nSee `the policy <policy.rst>`_, `Ask  them`_, keeper_ and `this`__ one.\n"
      ":doc:`ops/keys` or :doc:`those <../more>`, not :ref:`x <y>` nor gone_.\n\n"
      "+---+------------+\n| a | keeper_    |\n+---+------------+\n\n"
      "- https://example.org/a_b(c), (http://x.org).\n\n"
      ".. _keeper: people.rst\n.. _`ask them`:\n   https://example.org/ask\n.. __: anonymous.html\n"
      ".. _inner:\n\nThe end: `again <keeper_>`_.\n");
  expect_sound(document);
  EXPECT_EQ(links_of(document),
            (Links{"the  -> policy.rst", "Ask  -> https://example.org/ask", "keep -> people.rst",
                   "this -> anonymous.html", "ops/ -> ops/keys.rst", "thos -> ../more.rst",
                   "keep -> people.rst", "http -> https://example.org/a_b(c)",
                   "http -> http://x.org", "agai -> people.rst"}));
}

TEST(Latex, CharactersOfSeveralBytesStayWhole) {
  for (const auto& [latex, text] :
       std::map<std::string, std::string>{{"\\verb§x£y§z", "x£yz"},
                                          {"\\verb€é€ü", "éü"},
                                          {"\\é\\日b", "é日b"},
                                          {"\\'é", "é"},
                                          {"\\verb語open\nb", "open\nb"}}) {
    const Document document = decode_latex(latex);
    expect_sound(document);
    EXPECT_EQ(document.text, text) << latex;
  }
}

TEST(Latex, StructureIsRead) {
  const std::string text =
      "\\documentclass{article}\n\\title{A \\emph{fine} title}\n\\author{Me}\n\\begin{document}\n"
      "\\maketitle\n\\section{First \\textbf{part}}\\label{s}\nText with $x^2$ % gone\nand "
      "50\\%.\n\n"
      "\\input{secret}\n\\subsection*{Sub}\n\\begin{itemize}\n\\item one\n\\item two "
      "\\footnote{note}\n\\end{itemize}\n\\begin{tabular}{lr}\na & b \\\\\n\\hline\n1 & 2 "
      "\\\\\n\\end{tabular}\n\\begin{verbatim}\nx % kept {\n\\end{verbatim}\n"
      "\\begin{equation}\nE = mc^2\n\\end{equation}\n\\begin{comment}\nno\n\\end{comment}\n"
      "Caf\\'e \\\"{o} --- \\ss{} ``q''\n\\end{document}\nafter\n";
  const Document document = decode_latex(text);
  expect_sound(document);
  EXPECT_EQ(document.title, "A fine title");
  EXPECT_EQ(
      outline_of(document),
      "h2: First part\np: Text with $x^2$ \nand 50%.\nh3: Sub\nli1: one\nli1: two  (note)\nrow: a "
      "| b\nrow: 1 | 2\ncode: x % kept {\np: E = mc^2\np: Café ö — ß “q”\n");
  EXPECT_EQ(line_of(document, "Café"), 30);
}

TEST(Latex, WhatIsNeverSetIsLeftOut) {
  EXPECT_EQ(decode_latex("a \\iffalse b \\ifx c \\fi\nd \\fi e").text, "a \ne");
  EXPECT_EQ(decode_latex("a \\iffalse b \\else c\\fi").text, "a c");
  EXPECT_EQ(decode_latex("a \\iffalse b").text, "a ");
}

TEST(Latex, EveryBlockStandsOnALineOfItsOwn) {
  for (const auto& [latex, text] : std::map<std::string, std::string>{
           {"\\section{Alpha}Beta", "Alpha\nBeta"},
           {"\\item one\\item two", "one\ntwo"},
           {"\\begin{tabular}{ll}a & b\\\\c & d\\end{tabular}e", "a | b\nc | d\ne"},
           {"\\begin{tabular}{ll}a &\n b\\\\\n\\hline\n & d\\end{tabular}\ne", "a | b\n\n\n| d\ne"},
           {"a\\par b\\begin{verbatim}c\\end{verbatim}d", "a\nb\nc\nd"},
           {"one\\\\two \\newline three\\\\\nfour", "one\ntwo\nthree\nfour"},
           {"a\\caption{b}c\\hspace{1cm}d", "a\nb\nc d"}}) {
    const Document document = decode_latex(latex);
    expect_sound(document);
    EXPECT_EQ(document.text, text);
  }
}

// The source written on one line, as some programs save it, says the same.
TEST(Latex, StructureDoesNotDependOnLineBreaks) {
  const std::string text =
      "\\documentclass{article}\n\\title{T}\n\\begin{document}\n\\section{First}\nIntro "
      "text.\n\\begin{itemize}\n\\item one fish\n\\item[two] fish\n\\begin{enumerate}\n\\item "
      "inner\n\\end{enumerate}\n\\end{itemize}\nThen.\n\\begin{table}\n\\caption{Sizes}\n"
      "\\begin{tabular}{ll}\n\\hline\na & b \\\\\n\\hline\nc &\nd \\\\\n\\end{tabular}\n"
      "\\end{table}\nEnd of it.\\par\nNew paragraph.\n\\subsection{Sub}\n\\paragraph{Run in}\nMore "
      "text.\n\\end{document}\n";
  const Document document = decode_latex(text);
  EXPECT_EQ(line_of(document, "New paragraph"),
            1 + line_breaks(text.substr(0, text.find("New paragraph"))));
  std::string one_line = text;
  std::replace(one_line.begin(), one_line.end(), '\n', ' ');
  const Document joined = decode_latex(one_line);
  expect_sound(joined);
  EXPECT_EQ(outline_of(joined), outline_of(document));
  EXPECT_EQ(
      joined.text,
      "First\nIntro text.\none fish\ntwo fish\ninner\nThen.\nSizes\na | b\nc | d\nEnd of it.\n"
      "New paragraph.\nSub\nRun in\nMore text. ");
  // Where lines were added, the next empty ones go, so that line numbers stay those of the file.
  const Document after = decode_latex("\\item a \\item b\n\nc\n");
  EXPECT_EQ(line_of(after, "c"), 3);
}

// What is refused has no text.
Document json(std::string_view text) {
  return decode_json(text).value_or(Document{});
}

TEST(Json, IsFlattened) {
  const Document document = json(
      R"({"title": "T \u00e9", "a": {"b": [1, 2, "x"], "c": null}, "people": [{"name": "Ann"}, {"name": "Bob"}]})");
  expect_sound(document);
  EXPECT_EQ(document.title, "T é");
  EXPECT_EQ(document.text,
            "title: T é\na.b: 1, 2, x\na.c: null\npeople.name: Ann\npeople.name: Bob\n");
  EXPECT_EQ(outline_of(json("[{\"a\":1},{\"a\":2}]")), "code: a: 1\ncode: a: 2\n");
  EXPECT_EQ(outline_of(json("{\"a\":1}\n{\"a\":2}\n")), "code: a: 1\ncode: a: 2\n");
}

TEST(Json, IsFlattenedAsPythonWritesIt) {
  EXPECT_EQ(outline_of(json("{\"a\": NaN, \"t\": \"hello\", \"b\": Infinity}")),
            "code: a: null\nt: hello\nb: Infinity\n");
}

TEST(Csv, RowsSayWhatTheyHold) {
  EXPECT_EQ(outline_of(decode_csv("name,city\nAnn,\"Paris, France\"\nBob,\n")),
            "row: name | city\nrow: name: Ann | city: Paris, France\nrow: name: Bob\n");
  EXPECT_EQ(outline_of(decode_csv("1;2\n3;4\n")), "row: 1 | 2\nrow: 3 | 4\n");
  EXPECT_EQ(outline_of(decode_csv("a\tb\n\"x\ny\"\t\"say \"\"hi\"\"\"\n")),
            "row: a | b\nrow: a: x y | b: say \"hi\"\n");
  EXPECT_EQ(outline_of(decode_csv("a,b\n\"open,1\n2,3\n")),
            "row: a | b\nrow: a: \"open | b: 1\nrow: a: 2 | b: 3\n");
}

using Decode = Document (*)(std::string_view);
Document code_cpp(std::string_view text) {
  return decode_source_code(text, "x.cpp");
}
Document code_python(std::string_view text) {
  return decode_source_code(text, "x.py");
}
Document code_rust(std::string_view text) {
  return decode_source_code(text, "x.rs");
}
Document plain(std::string_view text) {
  return decode_plain_text(std::string(text));
}
const std::vector<Decode> kAll = {plain,      decode_markdown, decode_latex, decode_rst, json,
                                  decode_csv, code_cpp,        code_python,  code_rust};

TEST(TextFormats, RandomMarkupIsSound) {
  static const std::vector<std::string> pieces = {
      "#",        "# ",       "*",       "**",      "_",       "`",      "```",        "~~~",
      "[",        "]",        "(",       ")",       "<",       ">",      "|",          "---",
      "===",      "+--+",     "\n",      "\n\n",    "\n  ",    "\n    ", " ",          "text",
      "§",        "\\verb",   "+-+-+\n", "= =\n",   "* - ",    "é",      "日本",       "😀",
      "\\",       "\\begin{", "}",       "{",       "itemize", "\\item", "\\section{", "\\end{",
      "$",        "%",        "::",      ".. ",     "note:: ", ":a:`",   "\"",         "'",
      ",",        ";",        "def f(",  "class X", "//",      "/*",     "*/",         "{\"a\":",
      "1",        "\\u12",    "- ",      "1. ",     "&amp;",   "<!--",   "-->",        "\t",
      "http://x", "!["};
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    std::string text;
    const size_t n = random() % 60;
    for (size_t i = 0; i < n; ++i) text += pieces[random() % pieces.size()];
    for (const Decode decode : kAll) {
      SCOPED_TRACE(text);
      expect_sound(decode(text));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

// Marks that nothing closes, over and over: each decoder must come back (an ill-chosen search
// would take minutes).
TEST(TextFormats, HostileRepetitionIsLinear) {
  for (const std::string piece :
       {"[",     "](",         "](a \"",   "`",         "`` ` ",
        "*a",    "_a*",        "<a",       "[^",        "[[a",
        "![",    "\\label{",   "\\[",      "\\\\[",     "\\begin{verbatim}",
        "$a ",   "\\section{", "{",        "}",         "(",
        "\"",    "\",",        "{\"a\":",  "[1,",       ":a:`",
        "``a ",  "*a ",        ".. a::\n", "- a\n",     "> ",
        "/*",    "'",          "def f(\n", "int f() {", "| ",
        "`|",    "a\n=\n",     "|\n|-|\n", "\n\n",      "    a\n",
        "<!-- ", "\\'{",       "\\item[",  "\\verb|",   "# a\n",
        "'''"}) {
    std::string text;
    while (text.size() < 100'000) text += piece;
    for (const Decode decode : kAll) {
      const Document document = decode(text);
      EXPECT_LT(document.text.size(), 20 * text.size() + 4096) << piece;
      expect_sound(document);
    }
  }
}

}  // namespace
}  // namespace headrace
