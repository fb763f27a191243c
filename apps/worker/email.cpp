#include "email.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/unicode.h"
#include "base/utf8.h"
#include "decode/html.h"
#include "email_headers.h"

namespace headrace::formats {
namespace {

constexpr int kPartDepthMax = 64;
constexpr size_t kPartsMax = 10'000;

// One piece of the mail's text in the forms it comes in, before it is decided which one is shown.
struct Section {
  std::string plain;  // UTF-8
  std::string html;
  bool flowed = false;
};
using Body = std::vector<Section>;

class EmailReader {
 public:
  Status read(std::string_view message);
  DecodedFile take() && {
    file_.document = std::move(writer_.document());
    return std::move(file_);
  }

 private:
  Status read_part(const EmailHeaders& headers, std::string_view body, int depth, Body& out);
  Status read_multipart(const EmailField& type, std::string_view body, int depth, Body& out);
  Status write_section(const Section& section);
  Status write_plain(const std::string& text, bool flowed);
  void add_member(std::string name, std::string_view fallback, std::string bytes);

  BlockWriter writer_;
  DecodedFile file_;
  std::map<std::string, int> member_names_;  // how often each came
  size_t parts_ = 0;
  bool encrypted_ = false;
};

std::string decode_transfer(const EmailHeaders& headers, std::string_view body) {
  const std::string encoding =
      ascii_lower(collapse_space(headers.raw("content-transfer-encoding")));
  if (encoding.starts_with("base64")) return decode_base64(body);
  if (encoding.starts_with("quoted-printable")) return decode_quoted_printable(body, false);
  return std::string(body);
}

// Splits a multipart body at its boundary lines. Without an end boundary the rest is the last part.
std::vector<std::string_view> split_parts(std::string_view body, const std::string& boundary) {
  std::vector<std::string_view> parts;
  const std::string mark = "--" + boundary;
  size_t at = 0;
  size_t part_begin = std::string_view::npos;
  while (at < body.size() && parts.size() < kPartsMax) {
    const size_t newline = std::min(body.find('\n', at), body.size());
    std::string_view line = body.substr(at, newline - at);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
      line.remove_suffix(1);
    }
    const bool last = line.size() == mark.size() + 2 && line.ends_with("--");
    if (line.starts_with(mark) && (line.size() == mark.size() || last)) {
      if (part_begin != std::string_view::npos) {
        size_t end = at;
        if (end > part_begin && body[end - 1] == '\n') --end;
        if (end > part_begin && body[end - 1] == '\r') --end;
        parts.push_back(body.substr(part_begin, end - part_begin));
      }
      part_begin = last ? std::string_view::npos : std::min(newline + 1, body.size());
      if (last) break;
    }
    at = newline + 1;
  }
  if (part_begin != std::string_view::npos && part_begin < body.size()) {
    parts.push_back(body.substr(part_begin));
  }
  return parts;
}

void EmailReader::add_member(std::string name, std::string_view fallback, std::string bytes) {
  name = collapse_space(to_valid_utf8(name));
  const size_t slash = name.find_last_of("/\\");
  if (slash != std::string::npos) name.erase(0, slash + 1);
  std::erase(name, '\0');
  if (name.empty() || name == "." || name == "..") name = fallback;
  constexpr size_t kNameBytesMax = 200;
  if (name.size() > kNameBytesMax) {
    name.erase(0, name.size() - kNameBytesMax);
    name = to_valid_utf8(name);
  }
  const size_t dot = std::min(name.rfind('.'), name.size());
  std::string unique = name;
  // The count stands with the name, so that the next need not try them all again.
  int& count = member_names_[name];
  while (++count > 1) {
    unique = fmt::format("{} ({}){}", name.substr(0, dot), count, name.substr(dot));
    if (member_names_.try_emplace(unique, 1).second) break;
  }
  file_.members.push_back({std::move(unique), std::move(bytes), 0});
}

Status EmailReader::read_multipart(const EmailField& type, std::string_view body, int depth,
                                   Body& out) {
  const std::string boundary = type.parameter("boundary");
  if (boundary.empty()) {
    return fail(ErrorCode::damaged, "a multipart section of the mail names no boundary",
                "export the mail again");
  }
  const bool alternative = type.value == "multipart/alternative";
  Section merged;
  for (const std::string_view part : split_parts(body, boundary)) {
    EmailHeaders headers;
    const size_t begin = headers.read(part);
    Body own;
    HR_TRY(read_part(headers, part.substr(begin), depth + 1, own));
    for (Section& section : own) {
      if (!alternative) {
        out.push_back(std::move(section));
        continue;
      }
      if (merged.plain.empty() && !section.plain.empty()) {
        merged.plain = std::move(section.plain);
        merged.flowed = section.flowed;
      }
      merged.html += section.html;
    }
  }
  if (alternative && (!merged.plain.empty() || !merged.html.empty())) {
    out.push_back(std::move(merged));
  }
  return {};
}

Status EmailReader::read_part(const EmailHeaders& headers, std::string_view body, int depth,
                              Body& out) {
  if (++parts_ > kPartsMax || depth > kPartDepthMax) {
    return fail(ErrorCode::too_large,
                fmt::format("the mail has more than {} parts, or they nest deeper than {}",
                            kPartsMax, kPartDepthMax));
  }
  EmailField type = parse_email_field(headers.raw("content-type"));
  if (type.value.find('/') == std::string::npos) type.value = "text/plain";
  const EmailField disposition = parse_email_field(headers.raw("content-disposition"));
  std::string name = disposition.parameter("filename");
  if (name.empty()) name = type.parameter("name");
  name = decode_encoded_words(name);
  if (type.value == "multipart/encrypted" ||
      (type.value.ends_with("pkcs7-mime") && type.parameter("smime-type") != "signed-data")) {
    encrypted_ = true;
    return {};
  }
  if (type.value.starts_with("multipart/")) return read_multipart(type, body, depth, out);
  if (type.value.ends_with("pgp-signature") || type.value.ends_with("pkcs7-signature")) return {};
  const bool attached = disposition.value == "attachment" || !name.empty();
  if (type.value == "message/rfc822") {
    add_member(name, "message.eml", decode_transfer(headers, body));
    return {};
  }
  const bool is_text = type.value == "text/plain" || type.value == "text/html" ||
                       type.value == "text/enriched" || type.value == "message/delivery-status";
  if (is_text && !attached) {
    const std::string bytes = decode_transfer(headers, body);
    std::string text = email_text(bytes, type.parameter("charset"));
    if (is_blank(text)) return {};
    Section& section = out.emplace_back();
    if (type.value == "text/html") {
      section.html = std::move(text);
    } else {
      section.plain = std::move(text);
      section.flowed = ascii_lower(type.parameter("format")) == "flowed";
    }
    return {};
  }
  // Pictures inside of the text (logos, trackers) without a name are no documents.
  if (!attached && type.value.starts_with("image/")) return {};
  const std::string ending = type.value.starts_with("text/") ? ".txt" : ".bin";
  add_member(name, type.value == "text/calendar" ? "invite.ics" : "attachment" + ending,
             decode_transfer(headers, body));
  return {};
}

// Paragraphs at blank lines; lines that begin with ">" are quotes; soft line ends of flowed text
// are joined.
Status EmailReader::write_plain(const std::string& text, bool flowed) {
  std::string block;
  BlockKind kind = BlockKind::paragraph;
  bool soft = false;
  const auto flush = [&]() -> Status {
    Status status = writer_.add(kind, 0, 0, block);
    block.clear();
    soft = false;
    return status;
  };
  size_t at = 0;
  while (at <= text.size()) {
    const size_t newline = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, newline - at);
    at = newline + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    BlockKind line_kind = BlockKind::paragraph;
    while (line.starts_with('>')) {
      line_kind = BlockKind::quote;
      line.remove_prefix(1);
      if (line.starts_with(' ')) line.remove_prefix(1);
    }
    if (is_blank(line) || line_kind != kind) HR_TRY(flush());
    kind = line_kind;
    if (is_blank(line)) continue;
    if (!block.empty()) block += soft ? "" : "\n";
    block += line;
    soft = flowed && line.ends_with(' ') && line != "-- ";
  }
  return flush();
}

// Letters and digits that stand together, in lower case.
std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_code_point(text, at);
    at += c.length;
    if (unicode::is_letter(c.value) || (c.value >= '0' && c.value <= '9')) {
      append_code_point(unicode::to_lower(c.value), word);
    } else if (!word.empty()) {
      words.insert(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.insert(std::move(word));
  return words;
}

// Whether the plain form of a text stands in for the HTML one and does not say what it says: it is
// short beside it, or short, of other words, and of not many more.
bool is_stub(std::string_view plain, std::string_view html) {
  constexpr size_t kStubBytesMax = 600;
  if (plain.size() * 4 < html.size()) return true;
  if (plain.size() > kStubBytesMax) return false;
  const std::set<std::string> said = words_of(plain);
  const std::set<std::string> words = words_of(html);
  const auto common =
      std::ranges::count_if(words, [&](const std::string& word) { return said.contains(word); });
  return said.size() < 3 * words.size() && static_cast<size_t>(common) * 4 < words.size();
}

Status EmailReader::write_section(const Section& section) {
  if (!is_blank(section.html)) {
    auto html = decode_html(section.html, {.whole_page = true});
    // The plain form is the cleaner one, unless it only says "see the HTML".
    if (html && !html->blocks.empty() &&
        (is_blank(section.plain) || is_stub(section.plain, html->text))) {
      return writer_.append(*html, 0);
    }
    if (!html && is_blank(section.plain)) return std::unexpected<Error>(std::move(html).error());
  }
  return write_plain(section.plain, section.flowed);
}

Status EmailReader::read(std::string_view message) {
  EmailHeaders headers;
  const size_t begin = headers.read(message);
  if (!headers.has("from") && !headers.has("subject") && !headers.has("date") &&
      !headers.has("to") && !headers.has("content-type") && !headers.has("received") &&
      !headers.has("message-id")) {
    return fail(ErrorCode::damaged, "the content is not a mail: it has no header fields",
                "check that the file is what its name says");
  }
  Document& document = writer_.document();
  document.title = headers.text("subject");
  document.media_type = "message/rfc822";
  for (const char* key : {"from", "to", "cc"}) set_metadata(document, key, headers.text(key));
  set_metadata(document, "author", headers.text("from"));
  set_metadata(document, "message_id", headers.raw("message-id"));
  if (headers.has("date")) set_metadata(document, "date", email_date(headers.raw("date")));
  HR_TRY(writer_.add(BlockKind::heading, 1, 0, document.title));
  Body body;
  HR_TRY(read_part(headers, message.substr(begin), 0, body));
  if (encrypted_ && body.empty() && file_.members.empty()) {
    return fail(ErrorCode::encrypted, "the mail is encrypted", "save it decrypted");
  }
  for (const Section& section : body) HR_TRY(write_section(section));
  return {};
}

// Where the messages of an mbox file begin: "From " lines at the start or after a blank line that
// are followed by a header field.
std::vector<size_t> mbox_starts(std::string_view bytes) {
  std::vector<size_t> starts;
  for (size_t at = 0; at != std::string_view::npos;) {
    const bool begins = at == 0 || (at >= 2 && bytes[at - 1] == '\n' &&
                                    (bytes[at - 2] == '\n' || bytes[at - 2] == '\r'));
    if (begins && bytes.substr(at).starts_with("From ")) {
      const size_t line_end = bytes.find('\n', at);
      const std::string_view next =
          line_end == std::string_view::npos ? "" : bytes.substr(line_end + 1, 80);
      const size_t colon = next.find(':');
      const size_t space = next.find_first_of(" \t\r\n");
      if (colon != std::string_view::npos && colon > 0 && colon < space) starts.push_back(at);
    }
    at = bytes.find("\nFrom ", at);
    if (at != std::string_view::npos) ++at;
  }
  return starts;
}

}  // namespace

Result<DecodedFile> decode_email(std::string_view bytes) {
  if (is_blank(bytes)) return fail(ErrorCode::damaged, "the mail is empty", "export it again");
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const std::vector<size_t> starts = mbox_starts(bytes);
  if (starts.size() > 1) {
    DecodedFile file;
    file.document.media_type = "application/mbox";
    for (size_t i = 0; i < starts.size(); ++i) {
      const size_t end = i + 1 < starts.size() ? starts[i + 1] : bytes.size();
      std::string_view message = bytes.substr(starts[i], end - starts[i]);
      message.remove_prefix(std::min(message.find('\n') + 1, message.size()));
      file.members.push_back({fmt::format("{:06}.eml", i + 1), std::string(message), 0});
    }
    return file;
  }
  EmailReader reader;
  HR_TRY(reader.read(bytes));
  return std::move(reader).take();
}

}  // namespace headrace::formats
