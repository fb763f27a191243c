// XmlReader: a pull parser for the XML inside office files and books. One pass, no tree, no
// recursion: memory is the text itself and a stack of open element names, however deep the nesting
// or large the sheet.
//
// Accepts well-formed XML 1.0 in UTF-8 (xml_to_utf8 makes it so). Namespaces are not resolved:
// names are compared by their local part, since the prefixes of office formats never collide where
// we look. External entities are never read; internal ones only when their value is plain text.
//
// Owns: a stack of views into the text it was given, which must outlive it. Threads: one reader,
// one thread. Errors: damaged (not well-formed, with the line), too_large (deeper than
// kXmlDepthMax, entities that grow without end).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace headrace::formats {

inline constexpr size_t kXmlDepthMax = 10'000;
inline constexpr uint64_t kXmlEntityBytesMax = 16ULL << 20;

class XmlReader {
 public:
  enum class Token : uint8_t { start, end, text, done, failed };

  explicit XmlReader(std::string_view xml);

  // Moves on. An empty element (<a/>) gives start and then end. After done or failed: the same.
  Token next();
  // next(), until the element at depth `depth` (the value of depth() at its start) has ended:
  // false then, and when the document is done or failed.
  bool next_inside(size_t depth);
  // After start: leaves out everything up to and including the end of this element.
  void skip();

  Token token() const { return token_; }
  // Of start and end: the name without its prefix, and with it.
  std::string_view name() const;
  std::string_view qualified_name() const { return name_; }
  // Of start: the value of an attribute, by its full name or else by its local part; a name with
  // a prefix never finds one without.
  std::optional<std::string> attribute(std::string_view name) const;
  // Of start: all attributes, by their full names, in order.
  std::vector<std::pair<std::string, std::string>> attributes() const;
  std::string attribute_or(std::string_view name, std::string_view fallback) const;
  // Of text: the characters, references resolved.
  const std::string& text() const { return text_; }
  // Of start and text: the byte of the XML where it begins.
  size_t position() const { return begin_; }
  // How many elements are open: at start with this one, at end without it.
  size_t depth() const { return open_.size(); }

  // Why next() gave failed; ok otherwise.
  Status status() const;

 private:
  struct Attribute {
    std::string_view name, raw;
  };

  Token set_failed(ErrorCode code, std::string reason);
  Token read_markup();
  Token read_start();
  Token read_end();
  Token read_text();
  bool skip_until(std::string_view mark, size_t from, const char* what);
  bool read_doctype();
  void read_entity_declaration(std::string_view declaration);
  bool read_attributes();
  bool decode(std::string_view raw, std::string& out) const;
  size_t line() const;

  std::string_view xml_;
  size_t at_ = 0;
  size_t begin_ = 0;  // of the token
  Token token_ = Token::done;
  bool end_pending_ = false;
  bool root_seen_ = false;
  std::string_view name_;
  std::vector<Attribute> attributes_;
  std::vector<std::string_view> open_;
  std::string text_;
  std::map<std::string, std::string, std::less<>> entities_;
  mutable uint64_t entity_bytes_ = 0;
  std::optional<Error> error_;
};

// XML bytes in whatever encoding the byte order mark or the declaration names, as UTF-8 without
// the mark. Unknown encodings are an error `unsupported`.
Result<std::string> xml_to_utf8(std::string bytes);

}  // namespace headrace::formats
