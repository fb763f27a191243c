#include "epub.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "decode/html.h"
#include "office_package.h"
#include "xml_reader.h"
#include "zip_package.h"

namespace headrace::formats {
namespace {

using Token = XmlReader::Token;

struct ManifestItem {
  std::string path, media_type;
  bool is_navigation = false;
};

struct BookPackage {
  std::map<std::string, ManifestItem> items;  // by id
  std::vector<std::string> spine;             // ids
};

// %20 and the like, as references between files of a book have them.
std::string percent_decode(std::string_view text) {
  const auto hex = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<std::string> find_package_file(ZipPackage& zip) {
  HR_ASSIGN(const std::string xml, zip.read_xml("META-INF/container.xml"));
  XmlReader reader(xml);
  while (true) {
    const Token token = reader.next();
    if (token == Token::failed) return std::unexpected<Error>(reader.status().error());
    if (token == Token::done) break;
    if (token != Token::start || reader.name() != "rootfile") continue;
    const std::string path = reader.attribute_or("full-path", "");
    if (!path.empty()) return path;
  }
  return fail(ErrorCode::damaged, "META-INF/container.xml of the EPUB file names no package",
              "restore it from a copy");
}

// Which members are encrypted. Fonts that are only obfuscated do not matter.
std::set<std::string> encrypted_members(ZipPackage& zip) {
  std::set<std::string> members;
  if (!zip.has("META-INF/encryption.xml")) return members;
  const auto xml = zip.read_xml("META-INF/encryption.xml");
  if (!xml) return members;
  XmlReader reader(*xml);
  for (Token token = reader.next(); token != Token::done && token != Token::failed;
       token = reader.next()) {
    if (token == Token::start && reader.name() == "CipherReference") {
      members.insert(percent_decode(reader.attribute_or("URI", "")));
    }
  }
  return members;
}

void set_book_property(const std::string& name, const std::string& value, Document& document) {
  if (value.empty()) return;
  if (name == "title" && document.title.empty()) document.title = value;
  if (name == "language" && document.language.empty()) document.language = primary_language(value);
  if (name == "publisher") set_metadata(document, "publisher", value);
  if (name == "date") set_metadata(document, "date", value);
  if (name == "description") set_metadata(document, "description", value);
  if (name == "creator") {
    auto& author = document.metadata["author"];
    const auto* before = std::get_if<std::string>(&author);
    author = before ? *before + ", " + value : value;
  }
}

Result<BookPackage> read_package(std::string_view xml, const std::string& path,
                                 Document& document) {
  BookPackage package;
  XmlReader reader(xml);
  bool in_metadata = false;
  std::string name;
  std::string value;
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) return package;
    if (token == Token::failed) {
      return std::unexpected<Error>(Error(reader.status().error()).with_context(path));
    }
    if (token == Token::text) {
      if (in_metadata) value += reader.text();
      continue;
    }
    if (token == Token::end) {
      if (reader.name() == "metadata") in_metadata = false;
      if (in_metadata && name == reader.name()) {
        set_book_property(name, collapse_space(to_valid_utf8(value)), document);
      }
      name.clear();
      continue;
    }
    name = reader.name();
    value.clear();
    if (name == "metadata") {
      in_metadata = true;
    } else if (name == "item") {
      ManifestItem item;
      const std::string href = reader.attribute_or("href", "");
      item.path = resolve_part(path, percent_decode(href.substr(0, href.find('#'))));
      item.media_type = reader.attribute_or("media-type", "");
      const std::string properties = " " + reader.attribute_or("properties", "") + " ";
      item.is_navigation = properties.find(" nav ") != std::string::npos;
      package.items[reader.attribute_or("id", "")] = std::move(item);
    } else if (name == "itemref") {
      package.spine.push_back(reader.attribute_or("idref", ""));
    }
  }
}

bool is_html(const ManifestItem& item) {
  return item.media_type.find("html") != std::string::npos || item.path.ends_with(".xhtml") ||
         item.path.ends_with(".html") || item.path.ends_with(".htm");
}

// One chapter's text. An error of ours (too_large) ends the book, one of the chapter does not.
Result<Document> read_chapter(ZipPackage& zip, const std::string& path) {
  HR_ASSIGN(const std::string html, zip.read_xml(path));
  return decode_html(to_valid_utf8(html), {.whole_page = true, .is_xhtml = true});
}

}  // namespace

Result<DecodedFile> decode_epub(std::string_view bytes) {
  HR_ASSIGN(ZipPackage zip, ZipPackage::open(bytes, "EPUB"));
  HR_ASSIGN(const std::string package_path, find_package_file(zip));
  HR_ASSIGN(const std::string package_xml, zip.read_xml(package_path));
  BlockWriter writer;
  HR_ASSIGN(const BookPackage package, read_package(package_xml, package_path, writer.document()));
  if (package.spine.empty()) {
    return fail(ErrorCode::damaged, "the EPUB file lists no chapters", "restore it from a copy");
  }
  const std::set<std::string> encrypted = encrypted_members(zip);
  DecodedFile file;
  std::set<std::string> seen;
  for (const std::string& id : package.spine) {
    const auto found = package.items.find(id);
    if (found == package.items.end() || found->second.is_navigation) continue;
    const std::string& path = found->second.path;
    if (!is_html(found->second) || !seen.insert(path).second) continue;
    if (encrypted.contains(path)) {
      return fail(ErrorCode::encrypted, "the EPUB file is protected (DRM)",
                  "use a copy without protection");
    }
    auto chapter = read_chapter(zip, path);
    if (!chapter) {
      if (chapter.error().code() == ErrorCode::too_large ||
          chapter.error().code() == ErrorCode::encrypted) {
        return std::unexpected<Error>(std::move(chapter).error());
      }
      file.problems.push_back({path, std::move(chapter).error()});
      continue;
    }
    HR_TRY(writer.append(*chapter, 0));
    if (writer.document().language.empty()) writer.document().language = chapter->language;
  }
  if (writer.empty() && !file.problems.empty()) {
    return std::unexpected<Error>(std::move(file.problems.front().error));
  }
  if (writer.document().title.empty()) writer.document().title = writer.first_heading();
  file.document = std::move(writer.document());
  file.document.media_type = "application/epub+zip";
  return file;
}

}  // namespace headrace::formats
