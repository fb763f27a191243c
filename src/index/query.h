// The query language of a search text: "exact phrase", +must, -not, prefix*, title:word, and plain
// words beside them. Nothing is ever wrong in it: what is no operator is a plain word, so that
// questions as people write them mean what they say.
//
//   "exact phrase"   a row must hold these words side by side. The quotes stand outside words:
//                    5'10" and a quote that is never closed are plain
//   +word            a row must hold it; +"a phrase" is the phrase
//   -word -"a b"     no row may hold it. Plain are: a dash within a word, two dashes (--help), a
//                    dash before a single letter (-l) or before a number (-5)
//   word*            all words that begin so, at least two characters; "A*" is plain
//   title:word       in the title alone; also title:"a phrase", +title:word, -title:word,
//   title:pre*
//
// A word that the analyzer parts (+foo-bar) counts as a phrase. Plain words raise a row's score; a
// row must hold at least one of them, unless something else is asked of it.
//
// Owns: values. Threads: pure. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::index {

enum class QueryNeed : uint8_t { wanted, required, excluded };

struct QueryClause {
  enum class Kind : uint8_t { words, prefix };
  Kind kind = Kind::words;
  QueryNeed need = QueryNeed::wanted;
  bool title = false;  // in the title alone
  std::string text;    // words: of one phrase, where it is required or excluded
};

struct Query {
  std::string words;                 // all plain words, as they stand
  std::string meaning;               // these and the texts of clauses, but of excluded ones
  std::vector<QueryClause> clauses;  // the rest, in order

  // Whether rows are asked for, or only kept out.
  bool only_excludes() const;
  bool restricts() const;
};

Query parse_query(std::string_view text);
// The same with no operators at all.
Query plain_query(std::string_view text);
// What the text is about, for a model: its words without operators, excluded ones left out.
std::string query_meaning(std::string_view text);

}  // namespace headrace::index
