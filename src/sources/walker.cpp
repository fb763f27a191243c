#include "sources/walker.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "sources/glob.h"
#include "sources/source_stamp.h"

namespace headrace {

namespace {

using FileId = std::pair<dev_t, ino_t>;

DocumentError problem(std::string_view path, Error error) {
  return {displayable_path(path), "read", std::move(error)};
}

std::string_view kind_name(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "no regular file";
}

Error not_regular(std::string_view path, mode_t mode) {
  return Error(ErrorCode::unsupported,
               fmt::format("{} is {}", displayable_path(path), kind_name(mode)),
               "name a file or a folder, or exclude it with --exclude");
}

Result<std::vector<std::string>> names_in(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(opendir(folder.c_str()), closedir);
  if (!handle) return os_fail(errno, fmt::format("open folder {}", displayable_path(folder)));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(handle.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string join(const std::string& folder, const std::string& name) {
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

// The part of a glob before its first wildcard folder: where a walk for it starts.
std::string glob_root(std::string_view pattern) {
  const size_t wild = pattern.find_first_of("*?[");
  const size_t slash = pattern.rfind('/', wild);
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(pattern.substr(0, slash));
}

bool holds_manifest(const std::string& folder, const std::vector<std::string>& names) {
  constexpr std::string_view kPrefix = "manifest-";
  constexpr std::string_view kMagic = "HRMANIFS";  // docs/formats/manifest.md
  // The names are sorted.
  for (auto name = std::lower_bound(names.begin(), names.end(), kPrefix);
       name != names.end() && name->starts_with(kPrefix); ++name) {
    std::ifstream file(join(folder, *name), std::ios::binary);
    std::array<char, kMagic.size()> begin{};
    if (file.read(begin.data(), begin.size()) &&
        std::string_view(begin.data(), begin.size()) == kMagic)
      return true;
  }
  return false;
}

// What lies below the root of a glob, as the glob itself names it.
std::string as_named(const std::string& glob, const std::string& root, const std::string& below) {
  return root == "." && !glob.starts_with("./") ? below : join(root, below);
}

std::unexpected<Error> missing(const std::string& argument, int reason) {
  if (const size_t colon = argument.find("://"); colon != std::string::npos) {
    return fail(
        ErrorCode::unsupported,
        fmt::format("{}: only files and folders are read, nothing is fetched by {}",
                    displayable_path(argument), displayable_path(argument.substr(0, colon))),
        "copy it to a folder first, or give its texts from Python: hr.read([{\"id\": …, "
        "\"text\": …}])");
  }
  return fail(reason == ENOENT ? ErrorCode::not_found : ErrorCode::io,
              os_error(reason, displayable_path(argument)).message(),
              "check the path; quote globs so that the shell leaves them alone");
}

// What was given already, whatever argument named it: by where it really lies, as far as that can
// be said of the argument.
class Given {
 public:
  explicit Given(bool is_asked) : is_asked_(is_asked) {}
  void begin(const std::string& root) {
    root_bytes_ = root.size();
    real_root_ = is_asked_ ? real_place(root) : root;
  }
  bool is_first(std::string_view path) {
    if (!is_asked_) return true;
    return hashes_.insert(hash64(real_root_ + std::string(path.substr(root_bytes_)))).second;
  }

 private:
  const bool is_asked_;
  size_t root_bytes_ = 0;
  std::string real_root_;
  std::unordered_set<uint64_t> hashes_;
};

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace

std::string real_place(const std::string& path) {
  std::error_code wrong;
  std::filesystem::path place = std::filesystem::absolute(path, wrong);
  if (wrong) return displayable_path(path);
  std::filesystem::path real = std::filesystem::weakly_canonical(place, wrong);
  if (wrong) real = place.lexically_normal();
  return without_trailing_slashes(displayable_path(real.native()));
}

bool is_knowledge_base(const std::string& folder) {
  const auto names = names_in(folder);
  return names && holds_manifest(folder, *names);
}

Walker::Walker(std::vector<std::string> arguments, WalkOptions options)
    : arguments_(std::move(arguments)), options_(std::move(options)) {
  for (std::string& argument : arguments_) argument = without_trailing_slashes(std::move(argument));
}

bool Walker::wanted(const std::string& relative, bool is_folder) const {
  PatternList exclude;
  for (const std::string& pattern : options_.exclude) exclude.add(pattern);
  if (exclude.matches(relative, is_folder)) return false;
  if (is_folder || options_.include.empty()) return true;
  PatternList include;
  for (const std::string& pattern : options_.include) include.add(pattern);
  return include.matches(relative, false);
}

// One folder on the way down: its names that are still to come, its identity against loops, the
// ignore rules that hold below it.
struct Walker::Frame {
  std::string path;
  std::string relative;  // to the root of the walk; empty for the root itself
  FileId id;
  std::vector<std::string> names;
  size_t next = 0;
  PatternList ignore;
};

Status Walker::walk_folder(const std::string& root, const OnFile& on_file,
                           const OnProblem& on_problem, const OnFolder& on_folder) const {
  std::vector<Frame> stack;
  std::set<FileId> visited;
  const auto enter = [&](std::string path, std::string relative, const struct stat& info) {
    auto names = names_in(path);
    if (!names) {
      if (names.error().code() == ErrorCode::not_found) return;  // gone meanwhile
      on_problem(problem(path, std::move(names).error()));
      return;
    }
    if (on_folder) on_folder(displayable_path(path));
    // One that was named itself is meant.
    if (!relative.empty() && holds_manifest(path, *names)) return;
    Frame frame{
        std::move(path), std::move(relative), {info.st_dev, info.st_ino}, std::move(*names), 0, {}};
    std::ifstream ignore(join(frame.path, kIgnoreFile), std::ios::binary);
    if (ignore) {
      frame.ignore.add_file(std::string(std::istreambuf_iterator<char>(ignore), {}));
    }
    visited.insert(frame.id);
    stack.push_back(std::move(frame));
  };
  const auto ignored = [&](const std::string& relative, bool is_folder) {
    // The nearest file that says something of it decides.
    for (auto frame = stack.rbegin(); frame != stack.rend(); ++frame) {
      if (frame->ignore.empty()) continue;
      const std::string_view below =
          frame->relative.empty() ? std::string_view(relative)
                                  : std::string_view(relative).substr(frame->relative.size() + 1);
      const std::optional<bool> is_out = frame->ignore.decide(below, is_folder);
      if (is_out == true) return true;
      if (is_out) break;
    }
    return !wanted(relative, is_folder);
  };

  struct stat info{};
  FileId target{};
  if (!options_.target.empty() && stat(options_.target.c_str(), &info) == 0)
    target = {info.st_dev, info.st_ino};
  if (stat(root.c_str(), &info) != 0) {
    return errno == ENOENT ? Status{} : Status(os_fail(errno, displayable_path(root)));
  }
  enter(root, "", info);
  while (!stack.empty()) {
    Frame& frame = stack.back();
    if (frame.next == frame.names.size()) {
      stack.pop_back();
      continue;
    }
    const std::string name = frame.names[frame.next++];
    if (name.starts_with('.')) continue;
    const std::string path = join(frame.path, name);
    const std::string relative = frame.relative.empty() ? name : frame.relative + "/" + name;
    if (stat(path.c_str(), &info) != 0) {
      const int reason = errno;
      struct stat link{};
      const bool is_link = lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode);
      if (ignored(relative, false) || (reason == ENOENT && !is_link)) continue;  // gone meanwhile
      on_problem(problem(path, is_link && reason == ENOENT
                                   ? Error(ErrorCode::not_found,
                                           fmt::format("{} is a link to a file that is not there",
                                                       displayable_path(path)),
                                           "mend or remove the link")
                                   : os_error(reason, displayable_path(path))));
      continue;
    }
    if (S_ISDIR(info.st_mode)) {
      const FileId id{info.st_dev, info.st_ino};
      if (id == target || ignored(relative, true)) continue;
      const bool loop = std::any_of(stack.begin(), stack.end(),
                                    [&](const Frame& above) { return above.id == id; });
      if (loop) {
        on_problem(problem(path, Error(ErrorCode::unsupported,
                                       fmt::format("{} is a link back to a folder above it",
                                                   displayable_path(path)),
                                       "remove the link or exclude it with --exclude")));
      } else if (!visited.contains(id)) {
        enter(path, relative, info);
      }
    } else if (!ignored(relative, false)) {
      if (!S_ISREG(info.st_mode)) {
        on_problem(problem(path, not_regular(path, info.st_mode)));
      } else {
        HR_TRY(on_file({path, displayable_path(path), stamp_of(info)}));
      }
    }
  }
  return {};
}

Status Walker::check() const {
  struct stat target{};
  const bool has_target = !options_.target.empty() && stat(options_.target.c_str(), &target) == 0;
  for (const std::string& argument : arguments_) {
    if (argument.empty()) {
      return fail(ErrorCode::invalid_argument, "one of the paths is empty",
                  "name a file, a folder or a glob; . is this folder");
    }
    struct stat info{};
    if (stat(argument.c_str(), &info) != 0) {
      if (!has_glob(argument)) return missing(argument, errno);
    } else if (has_target && info.st_dev == target.st_dev && info.st_ino == target.st_ino) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} is read and written to at once", displayable_path(argument)),
                  S_ISDIR(info.st_mode)
                      ? fmt::format("put the knowledge base into a folder of its own, such as {}",
                                    displayable_path(join(argument, "kb")))
                      : std::string("put the knowledge base into a folder of its own"));
    }
  }
  return {};
}

Status Walker::walk(const OnFile& on_file, const OnProblem& on_problem, const OnAbsent& on_absent,
                    const OnFolder& on_folder) const {
  Given given(arguments_.size() > 1);
  for (const std::string& argument : arguments_) {
    struct stat info{};
    const bool exists = stat(argument.c_str(), &info) == 0;
    const int reason = errno;
    const bool is_glob = !exists && has_glob(argument);
    const std::string root = is_glob ? glob_root(argument) : argument;
    if (on_absent && !exists && (!is_glob || stat(root.c_str(), &info) != 0)) {
      on_absent(problem(root, missing(root, is_glob ? errno : reason).error()));
      continue;
    }
    if (!exists && !is_glob) return missing(argument, reason);
    given.begin(root);
    if (!is_glob) {
      HR_TRY(walk_path(
          argument,
          [&](const FileEntry& entry) -> Status {
            return given.is_first(entry.path) ? on_file(entry) : Status{};
          },
          on_problem, on_folder));
      continue;
    }
    bool any = false;
    HR_TRY(walk_folder(
        root,
        [&](const FileEntry& entry) -> Status {
          const std::string path = as_named(
              argument, root, entry.path.substr(root.size() + (root.ends_with('/') ? 0 : 1)));
          if (!glob_match(argument, path)) return {};
          any = true;
          if (!given.is_first(entry.path)) return {};
          return on_file({path, displayable_path(path), entry.stamp});
        },
        on_problem, on_folder));
    if (!any && !on_absent) {
      return fail(ErrorCode::not_found,
                  fmt::format("no file matches {}", displayable_path(argument)),
                  "check the pattern; ** matches across folders");
    }
  }
  return {};
}

// A path that was named.
Status Walker::walk_path(const std::string& path, const OnFile& on_file,
                         const OnProblem& on_problem, const OnFolder& on_folder) const {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return {};  // gone meanwhile
  if (S_ISDIR(info.st_mode)) return walk_folder(path, on_file, on_problem, on_folder);
  if (S_ISREG(info.st_mode)) return on_file({path, displayable_path(path), stamp_of(info)});
  on_problem(problem(path, not_regular(path, info.st_mode)));
  return {};
}

bool Walker::covers(std::string_view place) const {
  if (places_.empty()) {
    for (const std::string& root : roots()) places_.push_back({root, real_place(root)});
  }
  for (size_t i = 0; i < arguments_.size(); ++i) {
    const auto& [named, root] = places_[i];
    const bool is_glob = named != arguments_[i];
    if (!is_glob && place == root) return true;
    const size_t begin = root.ends_with('/') ? root.size() : root.size() + 1;
    if (place.size() <= begin || !place.starts_with(root) || place[begin - 1] != '/') continue;
    const std::string below = path_of_displayed(place.substr(begin));
    if (!is_glob ? selects(below)
                 : glob_match(arguments_[i], as_named(arguments_[i], named, below)))
      return true;
  }
  return false;
}

// Whether --include and --exclude select a file below a folder that was named.
bool Walker::selects(std::string_view relative) const {
  for (size_t slash = relative.find('/'); slash != std::string_view::npos;
       slash = relative.find('/', slash + 1)) {
    if (!wanted(std::string(relative.substr(0, slash)), true)) return false;
  }
  return wanted(std::string(relative), false);
}

std::vector<std::string> Walker::roots() const {
  std::vector<std::string> roots;
  for (const std::string& argument : arguments_) {
    struct stat info{};
    const bool exists = stat(argument.c_str(), &info) == 0;
    roots.push_back(!exists && has_glob(argument) ? glob_root(argument) : argument);
  }
  return roots;
}

}  // namespace headrace
