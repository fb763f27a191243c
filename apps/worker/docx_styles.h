// The styles of a DOCX file, as far as they tell what a paragraph is.
//
// Owns: the table of styles. Threads: a value once read. Errors: damaged XML.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace::formats {

// What a paragraph style says, its ancestors included.
struct DocxStyle {
  BlockKind kind = BlockKind::paragraph;
  int level = 0;             // of a heading or a list item
  bool is_title = false;     // the document's own title
  bool is_contents = false;  // a line of a table of contents
};

class DocxStyles {
 public:
  Status read(std::string_view xml);
  DocxStyle find(const std::string& id) const;

 private:
  struct Entry {
    std::string name;  // in English for built-in styles, whatever the language of Word
    std::string based_on;
    int outline_level = -1;  // from 0; 9 is body text
    int list_level = -1;
    bool numbered = false;
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace headrace::formats
