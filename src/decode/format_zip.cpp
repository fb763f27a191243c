#include "decode/format_zip.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace headrace {
namespace {

constexpr size_t kEntriesMax = 20000;
constexpr size_t kLocalHeaderBytes = 30;
constexpr size_t kCentralHeaderBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kCommentBytesMax = 65535;

uint32_t read_le(std::string_view bytes, size_t at, size_t width) {
  uint32_t value = 0;
  for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

struct Found {
  bool content_types = false;
  Format office = Format::zip;
  Format by_mimetype = Format::zip;
  bool epub_container = false;
  bool package_front = false;  // the first member is one that documents begin with

  void take_name(std::string_view name) {
    content_types = content_types || name == "[Content_Types].xml";
    epub_container = epub_container || name == "META-INF/container.xml";
    if (name.starts_with("word/document")) office = Format::docx;
    if (name.starts_with("xl/workbook")) office = Format::xlsx;
    if (name.starts_with("ppt/presentation")) office = Format::pptx;
  }
  // Only parts that a truncated look can see, weaker than the main parts above.
  void take_folder(std::string_view name) {
    if (office != Format::zip) return;
    if (name.starts_with("word/")) office = Format::docx;
    if (name.starts_with("xl/")) office = Format::xlsx;
    if (name.starts_with("ppt/")) office = Format::pptx;
  }
};

Format format_of_mimetype(std::string_view type) {
  struct Known {
    std::string_view prefix;
    Format format;
  };
  static constexpr std::array<Known, 4> kKnown = {{
      {"application/epub+zip", Format::epub},
      {"application/vnd.oasis.opendocument.text", Format::odt},
      {"application/vnd.oasis.opendocument.spreadsheet", Format::ods},
      {"application/vnd.oasis.opendocument.presentation", Format::odp},
  }};
  for (const Known& known : kKnown) {
    if (type.starts_with(known.prefix)) return known.format;
  }
  return Format::zip;
}

// The format of documents that a name promises, else Format::zip.
Format format_of_ending(std::string_view name) {
  for (const Format format : {Format::docx, Format::pptx, Format::xlsx, Format::odt, Format::ods,
                              Format::odp, Format::epub}) {
    const std::string_view ending = format_name(format);
    if (name.size() <= ending.size() || name[name.size() - ending.size() - 1] != '.') continue;
    const std::string_view given = name.substr(name.size() - ending.size());
    const bool same = std::equal(given.begin(), given.end(), ending.begin(),
                                 [](char a, char b) { return (a | 0x20) == b; });
    if (same) return format;
  }
  return Format::zip;
}

// The entries at the end of a whole file. False when there is no sound directory.
bool read_central_directory(std::string_view bytes, Found& found) {
  if (bytes.size() < kEndBytes) return false;
  const size_t searched = std::min(bytes.size(), kEndBytes + kCommentBytesMax);
  const size_t tail = bytes.substr(bytes.size() - searched).rfind("PK\x05\x06");
  if (tail == std::string_view::npos) return false;
  const size_t end = bytes.size() - searched + tail;
  if (end + kEndBytes > bytes.size()) return false;
  const size_t entries = std::min<size_t>(read_le(bytes, end + 10, 2), kEntriesMax);
  size_t at = read_le(bytes, end + 16, 4);
  for (size_t i = 0; i < entries; ++i) {
    if (at + kCentralHeaderBytes > bytes.size() || bytes.substr(at, 4) != "PK\x01\x02")
      return i > 0;
    const size_t name = read_le(bytes, at + 28, 2);
    if (at + kCentralHeaderBytes + name > bytes.size()) return i > 0;
    found.take_name(bytes.substr(at + kCentralHeaderBytes, name));
    at += kCentralHeaderBytes + name + read_le(bytes, at + 30, 2) + read_le(bytes, at + 32, 2);
  }
  return entries > 0;
}

// The entries from the front on, and the content of a "mimetype" that comes first.
void read_local_headers(std::string_view bytes, bool first_only, Found& found) {
  size_t at = 0;
  for (size_t i = 0; i < kEntriesMax; ++i) {
    if (at + kLocalHeaderBytes > bytes.size() || bytes.substr(at, 4) != "PK\x03\x04") return;
    const uint32_t flags = read_le(bytes, at + 6, 2);
    const uint32_t method = read_le(bytes, at + 8, 2);
    const uint32_t size = read_le(bytes, at + 18, 4);
    const size_t name_bytes = read_le(bytes, at + 26, 2);
    const size_t body = at + kLocalHeaderBytes + name_bytes + read_le(bytes, at + 28, 2);
    if (body > bytes.size()) return;
    const std::string_view name = bytes.substr(at + kLocalHeaderBytes, name_bytes);
    if (i == 0 && name == "mimetype" && method == 0) {
      found.by_mimetype = format_of_mimetype(bytes.substr(body, 80));
    }
    if (i == 0) {
      found.package_front =
          name == "mimetype" || name == "[Content_Types].xml" || name == "_rels/.rels";
    }
    if (first_only) return;
    found.take_name(name);
    found.take_folder(name);
    if ((flags & 8) != 0 && size == 0) {  // sizes come behind the data: look for the next header
      at = bytes.find("PK\x03\x04", body);
      if (at == std::string_view::npos) return;
    } else {
      at = body + size;
    }
  }
}

}  // namespace

Format detect_zip_format(std::string_view bytes, std::string_view name) {
  Found found;
  const bool whole = read_central_directory(bytes, found);
  const bool sure = whole && (found.office != Format::zip || !found.content_types);
  read_local_headers(bytes, sure, found);
  if (found.by_mimetype != Format::zip) return found.by_mimetype;
  if (found.content_types && found.office != Format::zip) return found.office;
  if (!whole && found.office != Format::zip) return found.office;
  // A document so damaged that its parts cannot be seen is still no archive of documents.
  return found.package_front ? format_of_ending(name) : Format::zip;
}

}  // namespace headrace
