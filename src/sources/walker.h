// Walker: the arguments of `index` (paths, folders, globs) → files, in a stable order.
//
// Folders are walked recursively in byte order of the names. Left out: names that begin with a dot
// (unless given themselves), what `.headraceignore` files say (of several the deepest, as with
// .gitignore), what --exclude says or --include does not, and folders that are knowledge bases.
// Symbolic links are followed; one that leads back into its own folders is reported. What is
// neither file nor folder (FIFO, device, socket) is reported, never opened. What several arguments
// name is given once.
//
// Owns: its options. Threads: one walk on one thread. Errors: those of a single entry go to
// on_problem and the walk goes on; a named path that does not exist ends the walk, unless on_absent
// wants to know.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "sources/displayable_path.h"

namespace headrace {

struct WalkOptions {
  std::vector<std::string> include;  // globs; empty: all
  std::vector<std::string> exclude;  // globs
  std::string target;                // a folder that is written meanwhile: never entered
};

// The file in a folder that says what in it is no document.
inline constexpr const char* kIgnoreFile = ".headraceignore";

struct FileEntry {
  std::string path;    // to open
  std::string source;  // to show: displayable_path() of it
  SourceStamp stamp;
};

// The folder holds a knowledge base (a manifest of ours): what is in it is no source.
bool is_knowledge_base(const std::string& folder);

// Where a path lies: absolute, links resolved as far as it is there, as it is shown.
std::string real_place(const std::string& path);

class Walker {
 public:
  Walker(std::vector<std::string> arguments, WalkOptions options);

  using OnFile = std::function<Status(const FileEntry&)>;
  using OnProblem = std::function<void(DocumentError)>;
  // Calls on_file for each file in order; an error from it stops the walk and is returned.
  // `on_absent`: gets each named path, or folder of a glob, that is not there (any more).
  using OnAbsent = std::function<void(DocumentError)>;
  // `on_folder`: gets each folder that could be listed, as it is shown.
  using OnFolder = std::function<void(const std::string&)>;
  Status walk(const OnFile& on_file, const OnProblem& on_problem, const OnAbsent& on_absent = {},
              const OnFolder& on_folder = {}) const;

  // Error: a named path is not there, is no path, or is the target itself.
  Status check() const;

  // Whether what lies (or lay) at `place`, as real_place() gives it, would have come from these
  // arguments: what --prune may remove. What --include and --exclude leave out is left alone.
  bool covers(std::string_view place) const;
  // The folders to watch and the files named themselves.
  std::vector<std::string> roots() const;

 private:
  struct Frame;
  Status walk_folder(const std::string& folder, const OnFile& on_file, const OnProblem& on_problem,
                     const OnFolder& on_folder) const;
  Status walk_path(const std::string& path, const OnFile& on_file, const OnProblem& on_problem,
                   const OnFolder& on_folder) const;
  bool wanted(const std::string& relative, bool is_folder) const;
  bool selects(std::string_view relative) const;

  std::vector<std::string> arguments_;
  WalkOptions options_;
  mutable std::vector<std::pair<std::string, std::string>> places_;  // roots and where they lie
};

}  // namespace headrace
