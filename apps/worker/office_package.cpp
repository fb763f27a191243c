#include "office_package.h"

#include "base/utf8.h"
#include "office_blocks.h"
#include "xml_reader.h"

namespace headrace::formats {
namespace {

std::string_view last_segment(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string relationships_part(std::string_view part) {
  const std::string_view file = last_segment(part);
  return std::string(part.substr(0, part.size() - file.size())) + "_rels/" + std::string(file) +
         ".rels";
}

// Titles that programs write when nobody gave one.
bool is_placeholder_title(std::string_view title) {
  return title == "PowerPoint Presentation" || title == "Word Document" ||
         title == "PowerPoint-Präsentation" || title == "Untitled";
}

}  // namespace

const Relationship* find_relationship(const std::vector<Relationship>& all, std::string_view type) {
  for (const Relationship& one : all) {
    if (one.type == type) return &one;
  }
  return nullptr;
}

std::string resolve_part(std::string_view part, std::string_view target) {
  std::string path;
  if (!target.starts_with('/')) {
    const std::string_view file = last_segment(part);
    path = std::string(part.substr(0, part.size() - file.size()));
  }
  path += target;
  std::vector<std::string_view> segments;
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
      continue;
    }
    segments.push_back(segment);
  }
  std::string out;
  for (const std::string_view segment : segments) {
    if (!out.empty()) out += '/';
    out += segment;
  }
  return out;
}

std::string primary_language(std::string_view tag) {
  const std::string language = ascii_lower(tag.substr(0, tag.find_first_of("-_")));
  if (language.size() < 2 || language.size() > 3) return {};
  for (const char c : language) {
    if (c < 'a' || c > 'z') return {};
  }
  return language == "und" || language == "zxx" ? std::string() : language;
}

Result<OfficePackage> OfficePackage::open(std::string_view bytes, std::string what,
                                          std::string_view fallback) {
  HR_ASSIGN(ZipPackage zip, ZipPackage::open(bytes, std::move(what)));
  OfficePackage package(std::move(zip));
  HR_ASSIGN(const auto root, package.relationships(""));
  if (const Relationship* main = find_relationship(root, "officeDocument")) {
    package.main_part_ = main->target;
  }
  if (const Relationship* core = find_relationship(root, "core-properties")) {
    package.core_part_ = core->target;
  }
  if (package.main_part_.empty() || !package.zip_.has(package.main_part_)) {
    package.main_part_ = std::string(fallback);
  }
  return package;
}

Result<std::vector<Relationship>> OfficePackage::relationships(std::string_view part) {
  std::vector<Relationship> found;
  const std::string name = relationships_part(part);
  if (!zip_.has(name)) return found;
  HR_ASSIGN(const std::string xml, zip_.read_xml(name));
  XmlReader reader(xml);
  while (true) {
    const auto token = reader.next();
    if (token == XmlReader::Token::done) break;
    if (token == XmlReader::Token::failed) {
      return std::unexpected<Error>(Error(reader.status().error()).with_context(name));
    }
    if (token != XmlReader::Token::start || reader.name() != "Relationship") continue;
    if (reader.attribute_or("TargetMode", "") == "External") continue;
    const std::string type = reader.attribute_or("Type", "");
    found.push_back({reader.attribute_or("Id", ""), std::string(last_segment(type)),
                     resolve_part(part, reader.attribute_or("Target", ""))});
  }
  return found;
}

std::map<std::string, std::string> OfficePackage::addresses(std::string_view part) {
  std::map<std::string, std::string> found;
  const std::string name = relationships_part(part);
  if (!zip_.has(name)) return found;
  const auto xml = zip_.read_xml(name);
  if (!xml) return found;
  XmlReader reader(*xml);
  for (auto token = reader.next();
       token != XmlReader::Token::done && token != XmlReader::Token::failed;
       token = reader.next()) {
    if (token == XmlReader::Token::start && reader.name() == "Relationship" &&
        reader.attribute_or("TargetMode", "") == "External")
      found.emplace(reader.attribute_or("Id", ""), reader.attribute_or("Target", ""));
  }
  return found;
}

void OfficePackage::read_properties(Document& document) {
  if (!zip_.has(core_part_)) return;
  const auto xml = zip_.read_xml(core_part_);
  if (!xml) return;
  XmlReader reader(*xml);
  std::string name;
  std::string value;
  for (auto token = reader.next();
       token != XmlReader::Token::done && token != XmlReader::Token::failed;
       token = reader.next()) {
    if (token == XmlReader::Token::start) {
      name = reader.name();
      value.clear();
    } else if (token == XmlReader::Token::text) {
      value += reader.text();
    } else if (name == reader.name()) {
      value = collapse_space(to_valid_utf8(value));
      if (name == "title" && !is_placeholder_title(value)) document.title = value;
      if (name == "creator") set_metadata(document, "author", value);
      if (name == "created") set_metadata(document, "date", value);
      if (name == "modified") set_metadata(document, "modified", value);
      if (name == "keywords") set_metadata(document, "keywords", value);
      if (name == "subject") set_metadata(document, "subject", value);
      if (name == "description") set_metadata(document, "description", value);
      if (name == "language") document.language = primary_language(value);
      name.clear();
    }
  }
}

}  // namespace headrace::formats
