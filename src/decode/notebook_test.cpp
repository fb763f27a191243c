#include <gtest/gtest.h>

#include <string>

#include "decode/decoder.h"
#include "decode/test_links.h"
#include "decode/test_worker.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr std::string_view kNotebook = R"json({"cells": [
{"cell_type": "markdown", "metadata": {}, "source": ["# Otters\n", "\n", "As the [survey](data.md) *says*:"]},
{"cell_type": "code", "execution_count": 1, "metadata": {}, "source": ["def count(rivers):\n", "    return len(rivers)\n", "\n", "count([1, 2])"],
 "outputs": [{"output_type": "stream", "name": "stdout", "text": ["10%\r50%\r100%\n", "\u001b[31mred\u001b[0m\n"]},
  {"output_type": "execute_result", "data": {"text/plain": ["2"], "text/html": ["<b>2</b>"]}, "execution_count": 1},
  {"output_type": "display_data", "data": {"image/png": "aGVsbG8=", "text/plain": ["<Figure size 640x480>"]}},
  {"output_type": "error", "ename": "ValueError", "evalue": "no river", "traceback": ["\u001b[0;31mTraceback"]}]},
{"cell_type": "markdown", "source": "---\nfirst: rule\n---\n## Rivers"},
{"cell_type": "raw", "source": "As it is."},
{"cell_type": "code", "source": "", "outputs": []}],
"metadata": {"kernelspec": {"language": "python", "name": "python3"}}, "nbformat": 4, "nbformat_minor": 5})json";

Document decoded(std::string_view bytes, const std::string& name) {
  RawDocument raw;
  raw.source = name;
  raw.bytes = bytes;
  const Format format = detect_format(raw.bytes, name);
  return Decoder(nullptr).decode(std::move(raw), format).value().document;
}

TEST(Notebook, CellsAreReadAsWhatTheyAre) {
  for (const char* name : {"docs/a.ipynb", "docs/notebook", "docs/a.json"}) {
    const Document document = decoded(kNotebook, name);
    EXPECT_EQ(document.title, "Otters");
    EXPECT_EQ(document.media_type, "application/x-ipynb+json");
    EXPECT_EQ(metadata_of(document, "code_language"), "python");
    EXPECT_EQ(
        outline(document),
        "h1: Otters\np: As the survey says:\ncode: def count(rivers):\n    return len(rivers)\n\n"
        "count([1, 2])\ncode: 100%\nred\n2\nValueError: no river\nh2: first: rule\nh2: Rivers\n"
        "p: As it is.\n");
    EXPECT_EQ(links_of(document), std::vector<std::string>{"surv -> docs/data.md"});
  }
}

TEST(Notebook, OldOnesAreReadToo) {
  const auto document = decode_notebook(
      R"({"nbformat": 3, "metadata": {"name": "x"}, "worksheets": [{"cells": [
{"cell_type": "heading", "level": 2, "source": ["Head"]},
{"cell_type": "code", "input": ["x = 1"], "language": "python", "outputs": [{"output_type": "pyout", "text": ["1"]}]}]}]})");
  ASSERT_TRUE(document);
  EXPECT_EQ(outline(*document), "h2: Head\ncode: x = 1\ncode: 1\n");
}

// As Python's json module writes numbers of plots and halves of characters.
TEST(Notebook, NumbersThatAreNoneAndHalfCharactersDoNotHideIt) {
  const auto document = decode_notebook(
      R"json({"cells": [{"cell_type": "markdown", "source": ["# Head \udc9f"]}, {"cell_type": "code", "source": ["show()"],
"outputs": [{"output_type": "display_data", "data": {"application/vnd.plotly.v1+json": {"y": [1.0, NaN, -Infinity]}}}]}],
"nbformat": 4, "nbformat_minor": 5
})json");
  ASSERT_TRUE(document);
  EXPECT_EQ(outline(*document), "h1: Head \uFFFD\ncode: show()\n");
}

TEST(Notebook, OtherJsonStaysJson) {
  for (const char* json : {R"({"nbformat": 4})", R"({"nbformat": "x", "cells": []})",
                           R"({"a": "\"nbformat\""})", R"({"nbformat": 4, "cells": )"})
    EXPECT_FALSE(decode_notebook(json)) << json;
  EXPECT_EQ(decoded(R"({"nbformat": 4, "rows": [1]})", "a.json").text, "nbformat: 4\nrows: 1\n");
  const auto odd =
      decode_notebook(R"({"nbformat": 4, "cells": [7, {"cell_type": 3}, {"source": ["a", 1]}]})");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->text, "a");
}

}  // namespace
}  // namespace headrace
