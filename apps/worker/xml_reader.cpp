#include "xml_reader.h"

#include <algorithm>

#include "base/utf8.h"
#include "legacy_text.h"

namespace headrace::formats {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_name_byte(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 0x80 || (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') ||
         c == '_' || c == ':' || c == '-' || c == '.';
}

std::string_view local_part(std::string_view name) {
  const size_t colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

// The code point of a reference body such as "#38" or "#x26"; 0 when it is none.
char32_t numeric_reference(std::string_view body) {
  if (body.size() < 2 || body[0] != '#') return 0;
  const bool hex = body[1] == 'x' || body[1] == 'X';
  body.remove_prefix(hex ? 2 : 1);
  if (body.empty() || body.size() > 8) return 0;
  uint64_t value = 0;
  for (const char c : body) {
    uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint32_t>(c - '0');
    } else if (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
      digit = static_cast<uint32_t>((c | 0x20) - 'a') + 10;
    } else {
      return 0;
    }
    value = value * (hex ? 16 : 10) + digit;
  }
  return value > kCodePointMax ? kReplacementCharacter : static_cast<char32_t>(value);
}

char predefined_entity(std::string_view name) {
  if (name == "amp") return '&';
  if (name == "lt") return '<';
  if (name == "gt") return '>';
  if (name == "quot") return '"';
  if (name == "apos") return '\'';
  return 0;
}

}  // namespace

XmlReader::XmlReader(std::string_view xml) : xml_(xml) {
  if (xml_.starts_with("\xEF\xBB\xBF")) xml_.remove_prefix(3);
}

std::string_view XmlReader::name() const {
  return local_part(name_);
}

Status XmlReader::status() const {
  if (error_) return std::unexpected<Error>(*error_);
  return {};
}

size_t XmlReader::line() const {
  const auto end = xml_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, xml_.size()));
  return static_cast<size_t>(std::count(xml_.begin(), end, '\n')) + 1;
}

XmlReader::Token XmlReader::set_failed(ErrorCode code, std::string reason) {
  error_ = Error(code, "line " + std::to_string(line()) + " of the XML: " + std::move(reason));
  return token_ = Token::failed;
}

XmlReader::Token XmlReader::next() {
  if (error_) return token_ = Token::failed;
  if (end_pending_) {
    end_pending_ = false;
    open_.pop_back();
    return token_ = Token::end;
  }
  while (at_ < xml_.size()) {
    begin_ = at_;
    if (xml_[at_] == '<') {
      const Token token = read_markup();
      if (error_) return token_ = Token::failed;
      if (token != Token::done) return token_ = token;
      continue;  // a comment or the like
    }
    if (read_text() == Token::text) return token_ = Token::text;
    if (error_) return token_ = Token::failed;
  }
  if (!open_.empty()) {
    return set_failed(ErrorCode::damaged,
                      "it ends inside <" + std::string(open_.back()).substr(0, 80) + ">");
  }
  if (!root_seen_) return set_failed(ErrorCode::damaged, "there is no element in it");
  return token_ = Token::done;
}

bool XmlReader::next_inside(size_t depth) {
  const Token token = next();
  if (token == Token::done || token == Token::failed) return false;
  return open_.size() >= depth;
}

void XmlReader::skip() {
  const size_t depth = open_.size();
  while (next_inside(depth)) {
  }
}

XmlReader::Token XmlReader::read_text() {
  const size_t end = std::min(xml_.find('<', at_), xml_.size());
  const std::string_view raw = xml_.substr(at_, end - at_);
  if (open_.empty()) {
    if (!std::all_of(raw.begin(), raw.end(), is_space)) {
      return set_failed(ErrorCode::damaged, "there is text outside of the root element");
    }
    at_ = end;
    return Token::done;
  }
  text_.clear();
  if (!decode(raw, text_)) {
    return set_failed(ErrorCode::too_large, "its entities expand to more than 16 MiB");
  }
  at_ = end;
  return Token::text;
}

bool XmlReader::skip_until(std::string_view mark, size_t from, const char* what) {
  const size_t end = xml_.find(mark, from);
  if (end == std::string_view::npos) {
    set_failed(ErrorCode::damaged, std::string(what) + " has no end");
    return false;
  }
  at_ = end + mark.size();
  return true;
}

// Done means: nothing to report, go on.
XmlReader::Token XmlReader::read_markup() {
  const std::string_view rest = xml_.substr(at_);
  if (rest.starts_with("<!--")) {
    skip_until("-->", at_ + 4, "a comment");
    return Token::done;
  }
  if (rest.starts_with("<![CDATA[")) {
    const size_t begin = at_ + 9;
    if (open_.empty()) return set_failed(ErrorCode::damaged, "CDATA outside of the root element");
    if (!skip_until("]]>", begin, "a CDATA section")) return Token::failed;
    begin_ = begin;
    text_.assign(xml_.substr(begin, at_ - 3 - begin));
    return Token::text;
  }
  if (rest.starts_with("<!")) {
    read_doctype();
    return Token::done;
  }
  if (rest.starts_with("<?")) {
    skip_until("?>", at_ + 2, "a processing instruction");
    return Token::done;
  }
  return rest.starts_with("</") ? read_end() : read_start();
}

XmlReader::Token XmlReader::read_end() {
  size_t end = at_ + 2;
  while (end < xml_.size() && is_name_byte(xml_[end])) ++end;
  name_ = xml_.substr(at_ + 2, end - at_ - 2);
  while (end < xml_.size() && is_space(xml_[end])) ++end;
  if (end >= xml_.size() || xml_[end] != '>') {
    return set_failed(ErrorCode::damaged, "an end tag is not closed");
  }
  if (open_.empty() || open_.back() != name_) {
    const std::string expected = open_.empty()
                                     ? "no element is open"
                                     : "<" + std::string(open_.back()).substr(0, 80) + "> is";
    return set_failed(ErrorCode::damaged, "</" + std::string(name_).substr(0, 80) + "> where " +
                                              expected + (open_.empty() ? "" : " open"));
  }
  open_.pop_back();
  at_ = end + 1;
  return Token::end;
}

XmlReader::Token XmlReader::read_start() {
  size_t end = at_ + 1;
  while (end < xml_.size() && is_name_byte(xml_[end])) ++end;
  if (end == at_ + 1) return set_failed(ErrorCode::damaged, "a '<' that begins no tag");
  if (open_.empty() && root_seen_) {
    return set_failed(ErrorCode::damaged, "there is a second root element");
  }
  name_ = xml_.substr(at_ + 1, end - at_ - 1);
  at_ = end;
  if (!read_attributes()) return Token::failed;
  if (open_.size() >= kXmlDepthMax) {
    return set_failed(ErrorCode::too_large, "elements are nested deeper than 10,000");
  }
  open_.push_back(name_);
  root_seen_ = true;
  return Token::start;
}

// From after the name to after '>'.
bool XmlReader::read_attributes() {
  attributes_.clear();
  while (true) {
    while (at_ < xml_.size() && is_space(xml_[at_])) ++at_;
    if (at_ >= xml_.size()) {
      set_failed(ErrorCode::damaged, "it ends inside a tag");
      return false;
    }
    if (xml_[at_] == '>') {
      ++at_;
      return true;
    }
    if (xml_[at_] == '/' && at_ + 1 < xml_.size() && xml_[at_ + 1] == '>') {
      at_ += 2;
      end_pending_ = true;
      return true;
    }
    const size_t begin = at_;
    while (at_ < xml_.size() && is_name_byte(xml_[at_])) ++at_;
    const std::string_view name = xml_.substr(begin, at_ - begin);
    while (at_ < xml_.size() && is_space(xml_[at_])) ++at_;
    if (name.empty() || at_ >= xml_.size() || xml_[at_] != '=') {
      set_failed(ErrorCode::damaged, "a tag with a broken attribute");
      return false;
    }
    ++at_;
    while (at_ < xml_.size() && is_space(xml_[at_])) ++at_;
    const char quote = at_ < xml_.size() ? xml_[at_] : '\0';
    const size_t close =
        quote == '"' || quote == '\'' ? xml_.find(quote, at_ + 1) : std::string_view::npos;
    if (close == std::string_view::npos) {
      set_failed(ErrorCode::damaged, "an attribute without closed quotes");
      return false;
    }
    attributes_.push_back({name, xml_.substr(at_ + 1, close - at_ - 1)});
    at_ = close + 1;
  }
}

// <!DOCTYPE …[…]>: remembers plain internal entities, reads nothing from outside.
bool XmlReader::read_doctype() {
  size_t at = at_ + 2;
  int brackets = 0;
  while (at < xml_.size()) {
    const char c = xml_[at];
    if (c == '"' || c == '\'') {
      at = xml_.find(c, at + 1);
      if (at == std::string_view::npos) break;
    } else if (xml_.substr(at).starts_with("<!--")) {
      at = xml_.find("-->", at + 4);
      if (at == std::string_view::npos) break;
    } else if (c == '[') {
      ++brackets;
    } else if (c == ']') {
      --brackets;
    } else if (xml_.substr(at).starts_with("<!ENTITY")) {
      read_entity_declaration(xml_.substr(at + 8, 64 << 10));
    } else if (c == '>' && brackets <= 0) {
      at_ = at + 1;
      return true;
    }
    ++at;
  }
  at_ = xml_.size();
  set_failed(ErrorCode::damaged, "the document type declaration has no end");
  return false;
}

void XmlReader::read_entity_declaration(std::string_view declaration) {
  constexpr size_t kEntitiesMax = 4096;
  size_t at = 0;
  while (at < declaration.size() && is_space(declaration[at])) ++at;
  const size_t begin = at;
  while (at < declaration.size() && is_name_byte(declaration[at])) ++at;
  const std::string_view name = declaration.substr(begin, at - begin);
  while (at < declaration.size() && is_space(declaration[at])) ++at;
  if (name.empty() || at >= declaration.size() || entities_.size() >= kEntitiesMax) return;
  const char quote = declaration[at];
  if (quote != '"' && quote != '\'') return;  // external or a parameter entity: not ours
  const size_t close = declaration.find(quote, at + 1);
  if (close == std::string_view::npos) return;
  const std::string_view raw = declaration.substr(at + 1, close - at - 1);
  if (raw.find('<') != std::string_view::npos) return;
  // Only character references inside, so that no entity can multiply another.
  for (size_t i = raw.find('&'); i != std::string_view::npos; i = raw.find('&', i + 1)) {
    if (i + 1 >= raw.size() || raw[i + 1] != '#') return;
  }
  std::string value;
  if (decode(raw, value)) entities_.try_emplace(std::string(name), std::move(value));
}

// Appends `raw` with its references resolved and line ends as "\n". An unknown reference stays as
// it is written. False when entities grow past their bound.
bool XmlReader::decode(std::string_view raw, std::string& out) const {
  if (raw.find_first_of("&\r") == std::string_view::npos) {
    out += raw;
    return true;
  }
  for (size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (c == '\r') {
      out += '\n';
      if (i + 1 < raw.size() && raw[i + 1] == '\n') ++i;
      continue;
    }
    if (c != '&') {
      out += c;
      continue;
    }
    const std::string_view ahead = raw.substr(i + 1, 64);
    const size_t semicolon = ahead.find(';');
    if (semicolon == std::string_view::npos || semicolon == 0) {
      out += c;
      continue;
    }
    const std::string_view body = ahead.substr(0, semicolon);
    if (const char32_t value = numeric_reference(body)) {
      append_code_point(value, out);
    } else if (const char plain = predefined_entity(body)) {
      out += plain;
    } else if (const auto found = entities_.find(body); found != entities_.end()) {
      entity_bytes_ += found->second.size();
      if (entity_bytes_ > kXmlEntityBytesMax) return false;
      out += found->second;
    } else {
      out += c;
      continue;
    }
    i += semicolon + 1;
  }
  return true;
}

std::optional<std::string> XmlReader::attribute(std::string_view name) const {
  const Attribute* found = nullptr;
  const std::string_view local = local_part(name);
  for (const Attribute& candidate : attributes_) {
    if (candidate.name == name) {
      found = &candidate;
      break;
    }
    const bool has_prefix = candidate.name.find(':') != std::string_view::npos;
    if (!found && has_prefix && local_part(candidate.name) == local &&
        !candidate.name.starts_with("xmlns")) {
      found = &candidate;
    }
  }
  if (!found) return std::nullopt;
  std::string value;
  decode(found->raw, value);
  return value;
}

std::vector<std::pair<std::string, std::string>> XmlReader::attributes() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const Attribute& attribute : attributes_) {
    std::string value;
    decode(attribute.raw, value);
    all.emplace_back(attribute.name, std::move(value));
  }
  return all;
}

std::string XmlReader::attribute_or(std::string_view name, std::string_view fallback) const {
  auto value = attribute(name);
  return value ? std::move(*value) : std::string(fallback);
}

namespace {

// The encoding that an XML declaration names, in an ASCII-compatible encoding; empty if none.
std::string declared_encoding(std::string_view xml) {
  if (!xml.starts_with("<?xml")) return {};
  const std::string_view declaration = xml.substr(0, std::min(xml.find("?>"), size_t{512}));
  const size_t key = declaration.find("encoding");
  if (key == std::string_view::npos) return {};
  const size_t open = declaration.find_first_of("\"'", key);
  if (open == std::string_view::npos) return {};
  const size_t close = declaration.find(declaration[open], open + 1);
  if (close == std::string_view::npos) return {};
  return std::string(declaration.substr(open + 1, close - open - 1));
}

}  // namespace

Result<std::string> xml_to_utf8(std::string bytes) {
  const std::string_view view = bytes;
  if (view.starts_with("\xEF\xBB\xBF")) return bytes.substr(3);
  if (view.starts_with(std::string_view("\xFF\xFE\0\0", 4))) {
    return convert_to_utf8(view.substr(4), "utf-32le");
  }
  if (view.starts_with(std::string_view("\0\0\xFE\xFF", 4))) {
    return convert_to_utf8(view.substr(4), "utf-32be");
  }
  if (view.starts_with("\xFF\xFE")) return convert_to_utf8(view.substr(2), "utf-16le");
  if (view.starts_with("\xFE\xFF")) return convert_to_utf8(view.substr(2), "utf-16be");
  if (view.starts_with(std::string_view("<\0", 2))) return convert_to_utf8(view, "utf-16le");
  if (view.starts_with(std::string_view("\0<", 2))) return convert_to_utf8(view, "utf-16be");
  std::string encoding = declared_encoding(view);
  for (char& c : encoding) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  // A declaration that says UTF-16 in single bytes is wrong about itself.
  if (encoding.empty() || encoding == "utf-8" || encoding == "utf8" || encoding == "us-ascii" ||
      encoding.starts_with("utf-16") || encoding.starts_with("utf-32")) {
    return bytes;
  }
  return convert_to_utf8(view, encoding);
}

}  // namespace headrace::formats
