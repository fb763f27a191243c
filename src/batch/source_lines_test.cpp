#include "batch/source_lines.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace {
namespace {

TEST(SourceLines, AreCountedHoweverLongTheText) {
  for (const size_t size : {0u, 1u, 127u, 128u, 129u, 1000u}) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; i += 3) text[i] = '\n';
    EXPECT_EQ(count_line_breaks(text), (size + 2) / 3);
    EXPECT_EQ(count_line_breaks(std::string(size, '\n')), size);
  }
}

TEST(SourceLines, OnlyWhatTheTextDoesNotSayIsNoted) {
  const std::string text = "one\ntwo\nthree\nfour";
  LineNotes notes;
  notes.note(text, 0, 1);
  notes.note(text, 4, 2);   // the next line, as the text has it
  notes.note(text, 8, 12);  // further down
  notes.note(text, 14, 13);
  notes.note(text, 16, 13);
  const std::vector<LineBegin> kept = notes.take();
  EXPECT_EQ(kept, (std::vector<LineBegin>{{0, 1}, {8, 12}}));
  NotedLines lines(text, kept);
  EXPECT_EQ(lines.line_at(0), 1);
  EXPECT_EQ(lines.line_at(5), 2);
  EXPECT_EQ(lines.line_at(8), 12);
  EXPECT_EQ(lines.line_at(15), 13);
}

TEST(SourceLines, TheLastNoteOfAPlaceHolds) {
  LineNotes notes;
  notes.note("ab", 0, 1);
  notes.note("ab", 0, 7);
  notes.note("ab", 1, 8);
  EXPECT_EQ(notes.take(), (std::vector<LineBegin>{{0, 7}, {1, 8}}));
}

TEST(SourceLines, ThereAreNoneWithoutNotes) {
  NotedLines lines("a\nb", {});
  EXPECT_EQ(lines.line_at(2), 0);
}

TEST(SourceLines, OfAFileAreCountedFromItsBegin) {
  LineCounter counter("a\nb\n\nc");
  EXPECT_EQ(counter.line_at(0), 1);
  EXPECT_EQ(counter.line_at(2), 2);
  EXPECT_EQ(counter.line_at(5), 4);
}

}  // namespace
}  // namespace headrace
