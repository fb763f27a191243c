// The header of a mail or of one of its parts: fields unfolded, encoded words and parameters
// decoded, dates understood (RFC 5322, 2045, 2047, 2231).
//
// Owns: decoded copies. Threads: values and pure functions. Errors: none; what cannot be
// understood is kept as it is written.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::formats {

class EmailHeaders {
 public:
  // Reads fields up to the blank line; returns where the body begins.
  size_t read(std::string_view message);
  // The first field of that name (lower case), unfolded but not decoded; empty when absent.
  std::string raw(std::string_view name) const;
  // The same with encoded words decoded, as UTF-8.
  std::string text(std::string_view name) const;
  bool has(std::string_view name) const { return fields_.find(name) != fields_.end(); }

 private:
  std::map<std::string, std::string, std::less<>> fields_;
};

// "text/plain; charset=utf-8" → value "text/plain" in lower case and its parameters, by names in
// lower case; pieces and character sets of RFC 2231 are put together.
struct EmailField {
  std::string value;
  std::map<std::string, std::string> parameters;
  std::string parameter(const std::string& name) const;
};
EmailField parse_email_field(std::string_view raw);

// "=?utf-8?q?Gr=C3=BC=C3=9Fe?=" → "Grüße".
std::string decode_encoded_words(std::string_view text);
std::string decode_base64(std::string_view text);
// `underscores`: "_" is a space, as in encoded words.
std::string decode_quoted_printable(std::string_view text, bool underscores);
// Bytes in `charset` as UTF-8; by guess where the charset is not known.
std::string email_text(std::string_view bytes, std::string_view charset);
// "Tue, 1 Jul 2003 10:52:37 +0200" → "2003-07-01T10:52:37+02:00"; the input when it is no date.
std::string email_date(std::string_view text);

}  // namespace headrace::formats
