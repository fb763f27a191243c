#include "docx_styles.h"

#include <cstdlib>

#include "office_blocks.h"
#include "xml_reader.h"

namespace headrace::formats {
namespace {

// What the name of a built-in style says; false when it says nothing.
bool style_of_name(const std::string& name, DocxStyle& style) {
  if (name == "title") {
    style = {BlockKind::heading, 1, true, false};
  } else if (name.starts_with("heading ") && name.size() == 9 && name[8] >= '1' && name[8] <= '9') {
    style = {BlockKind::heading, name[8] - '0', false, false};
  } else if (name.starts_with("toc ") || name == "table of figures") {
    style = {BlockKind::paragraph, 0, false, true};
  } else if (name == "caption") {
    style = {BlockKind::caption, 0, false, false};
  } else if (name == "quote" || name == "intense quote" || name == "block text") {
    style = {BlockKind::quote, 0, false, false};
  } else if (name == "html preformatted" || name == "plain text" || name == "macro" ||
             name == "macro text" || name == "code" || name == "source code" ||
             name == "code block") {
    style = {BlockKind::code, 0, false, false};
  } else if (name.starts_with("list bullet") || name.starts_with("list number")) {
    const char last = name.back();
    style = {BlockKind::list_item, last >= '2' && last <= '9' ? last - '0' : 1, false, false};
  } else {
    return false;
  }
  return true;
}

}  // namespace

Status DocxStyles::read(std::string_view xml) {
  XmlReader reader(xml);
  Entry* entry = nullptr;
  std::string id;
  while (true) {
    const auto token = reader.next();
    if (token == XmlReader::Token::done) return {};
    if (token == XmlReader::Token::failed) return reader.status();
    if (token == XmlReader::Token::end && reader.name() == "style") entry = nullptr;
    if (token != XmlReader::Token::start) continue;
    const std::string_view name = reader.name();
    if (name == "style") {
      entry = nullptr;
      if (reader.attribute_or("type", "paragraph") == "paragraph") {
        entry = &entries_[reader.attribute_or("styleId", "")];
      }
    } else if (name == "docDefaults" || name == "latentStyles") {
      reader.skip();
    } else if (!entry) {
      continue;
    } else if (name == "name") {
      entry->name = ascii_lower(reader.attribute_or("val", ""));
    } else if (name == "basedOn") {
      entry->based_on = reader.attribute_or("val", "");
    } else if (name == "outlineLvl") {
      entry->outline_level = std::atoi(reader.attribute_or("val", "-1").c_str());
    } else if (name == "numId") {
      entry->numbered = reader.attribute_or("val", "0") != "0";
    } else if (name == "ilvl") {
      entry->list_level = std::atoi(reader.attribute_or("val", "0").c_str());
    }
  }
}

DocxStyle DocxStyles::find(const std::string& id) const {
  constexpr int kAncestorsMax = 16;  // also ends a circle of styles
  DocxStyle style;
  std::string current = id;
  for (int i = 0; i < kAncestorsMax; ++i) {
    const auto found = entries_.find(current);
    if (found == entries_.end()) break;
    const Entry& entry = found->second;
    if (style_of_name(entry.name, style)) return style;
    if (entry.outline_level == 9) return style;
    if (entry.outline_level >= 0 && entry.outline_level < 9) {
      return {BlockKind::heading, entry.outline_level + 1, false, false};
    }
    if (entry.numbered) {
      return {BlockKind::list_item, std::max(entry.list_level, 0) + 1, false, false};
    }
    current = entry.based_on;
  }
  return style;
}

}  // namespace headrace::formats
