// OfficePackage: the conventions that DOCX, XLSX and PPTX share (Open Packaging): parts that find
// one another through relationships, and the properties of the document.
//
// Owns: the zip container; the bytes given to open() must outlive it. Threads: one thread.
// Errors: those of ZipPackage and XmlReader.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "zip_package.h"

namespace headrace::formats {

struct Relationship {
  std::string id;
  std::string type;    // the last part of the type's URI: "styles", "slide", …
  std::string target;  // a part's name in the container, without a leading '/'
};

class OfficePackage {
 public:
  // Opens the container and finds its main part. `fallback`: where that lies by custom.
  static Result<OfficePackage> open(std::string_view bytes, std::string what,
                                    std::string_view fallback);

  ZipPackage& zip() { return zip_; }
  const std::string& main_part() const { return main_part_; }
  // Of a part; empty when it has none. Targets outside of the container are left out.
  Result<std::vector<Relationship>> relationships(std::string_view part);
  // Of a part: the addresses outside of the container that it names, by their id.
  std::map<std::string, std::string> addresses(std::string_view part);
  // docProps/core.xml → title, language, metadata. What is damaged there is left out.
  void read_properties(Document& document);

 private:
  explicit OfficePackage(ZipPackage zip) : zip_(std::move(zip)) {}

  ZipPackage zip_;
  std::string main_part_;
  std::string core_part_ = "docProps/core.xml";
};

// The first relationship of `type`, or nullptr.
const Relationship* find_relationship(const std::vector<Relationship>& all, std::string_view type);
// `target`, relative to the folder of `part`, with "." and ".." resolved.
std::string resolve_part(std::string_view part, std::string_view target);
// "de" of "de-DE"; empty when it is no language tag.
std::string primary_language(std::string_view tag);

}  // namespace headrace::formats
