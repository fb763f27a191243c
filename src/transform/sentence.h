// Borders inside running text: where a sentence, a clause or a word ends.
//
// Rules of our own, for all scripts at once: a terminator (. ! ? … and those of other scripts) ends
// a sentence when white space and something that can begin a sentence follow; the full-width ones
// of Chinese and Japanese need nothing behind them. Common abbreviations, initials, list numbers
// and decimal points do not end one. The searches run backwards (or forwards) only as far as the
// next border, so cutting a text costs far less than reading it.
//
// A border is the byte offset just past the last visible character of a piece; white space may
// follow it. All offsets are on code point borders when the text is valid UTF-8.
//
// Owns: nothing. Threads: pure functions. Errors: none; 0 where there is no border.
#pragma once

#include <cstddef>
#include <string_view>

namespace headrace {

// The last end of a sentence in (low, high], or 0.
size_t last_sentence_end(std::string_view text, size_t low, size_t high);
// The first end of a sentence in (low, high], or 0.
size_t first_sentence_end(std::string_view text, size_t low, size_t high);
// The last place in (low, high] after , ; : ) or a dash that stands before white space, after their
// full-width forms, or before a line break; or 0.
size_t last_clause_end(std::string_view text, size_t low, size_t high);
// The last end of a word in (low, high]: before white space, or between two characters of a script
// that writes no spaces; or 0.
size_t last_word_end(std::string_view text, size_t low, size_t high);
// The first end of a word in (low, high], or 0.
size_t first_word_end(std::string_view text, size_t low, size_t high);
// The last position in (low, high] that stands before a line break, or 0.
size_t last_line_end(std::string_view text, size_t low, size_t high);
// The last position in (low, high] that stands before an empty line, or 0.
size_t last_blank_line(std::string_view text, size_t low, size_t high);

// The first position >= `position` (or `end`) that is no white space.
size_t skip_white_space(std::string_view text, size_t position, size_t end);
// The smallest position > `begin` such that [position, end) is white space; `begin` if all is.
size_t trim_white_space(std::string_view text, size_t begin, size_t end);

}  // namespace headrace
