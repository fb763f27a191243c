// SourceNames: what a file is called in a knowledge base, whatever way it is named now: one
// document a file.
//
// A new file is called as it was named ("./docs/a.txt" is "docs/a.txt"); a relative name counts
// from the folder that the knowledge base notes when it first gets one. From another folder a file
// below that one gets its name from there, any other its absolute path. A file that the knowledge
// base has by another of its names keeps that.
//
// Owns: copies of what it needs. Threads: const and safe. Errors: none.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/document_stream.h"
#include "plan/settings.h"

namespace headrace {

class SourceNames {
 public:
  // Without a knowledge base: names are as given.
  SourceNames();
  // `roots`: what is walked (Walker::roots).
  SourceNames(SourceRoot known, const std::vector<std::string>& roots);

  // Of what a walk gives as `path` (as it is shown).
  std::string name(const std::string& path, const KnownDocuments* known) const;
  // Where what is called `name` lies; empty where that is not known.
  std::string place(std::string_view name) const;

 private:
  std::string place_of_path(std::string_view path) const;
  std::string first_name(const std::string& path, const std::string& place) const;

  SourceRoot known_;
  bool is_lasting_ = false;  // there is a knowledge base
  std::string here_;
  std::vector<std::pair<std::string, std::string>> roots_;  // as given, and where they lie
};

// Whether a folder has any of the files by their relative names (`same`: these files, not others of
// those names); nothing where there are no such names.
using HoldsNames = std::function<std::optional<bool>(const std::string& folder, bool same)>;

// What a knowledge base that lies at `kb` notes before `roots` are indexed into it from this
// folder. When folder and knowledge base were moved together, or its files lie here and no more
// where they lay, the folder of relative names is the new one.
SourceRoot note_sources(SourceRoot known, const std::string& kb,
                        const std::vector<std::string>& roots, const HoldsNames& holds);

}  // namespace headrace
