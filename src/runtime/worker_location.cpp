#include "runtime/worker_location.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace headrace {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

fs::path executable_folder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : self.parent_path();
}

// The folder of the file that this code was loaded from: the Python extension, or the executable.
fs::path library_folder() {
  Dl_info info = {};
  if (dladdr(reinterpret_cast<const void*>(&find_worker_executable), &info) == 0 ||
      info.dli_fname == nullptr)
    return {};
  std::error_code error;
  const fs::path path = fs::canonical(info.dli_fname, error);
  return error ? fs::path() : path.parent_path();
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return !path.empty() && fs::is_regular_file(path, error);
}

// prefix/lib/python3*/site-packages, and Debian's dist-packages, newest Python first.
void add_prefix(const fs::path& prefix, std::vector<std::string>& folders) {
  if (prefix.empty()) return;
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator entry(prefix / "lib", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!name.starts_with("python3")) continue;
    for (const char* packages : {"site-packages", "dist-packages"})
      if (fs::is_directory(entry->path() / packages, error))
        found.push_back(entry->path() / packages);
    error.clear();
  }
  std::sort(found.rbegin(), found.rend());
  for (std::string& folder : found)
    if (std::find(folders.begin(), folders.end(), folder) == folders.end())
      folders.push_back(std::move(folder));
}

}  // namespace

Result<std::string> find_worker_executable(const std::string& given) {
  constexpr const char* kName = "headrace-worker";
  const std::string chosen = given.empty() ? variable("HEADRACE_WORKER") : given;
  std::vector<fs::path> candidates;
  if (!chosen.empty()) {
    candidates = {chosen};
  } else {
    const fs::path executable = executable_folder(), library = library_folder();
    candidates = {executable / kName, library / kName, library / "bin" / kName,
                  executable / ".." / "libexec" / "headrace" / kName};
  }
  for (const fs::path& path : candidates) {
    std::error_code error;
    const fs::path whole = fs::absolute(path, error);
    if (!error && is_file(whole) && access(whole.c_str(), X_OK) == 0) return whole.string();
  }
  return fail(
      ErrorCode::not_found,
      "the decoder executable " + (chosen.empty() ? std::string(kName) : chosen) + " is not there",
      "reinstall headrace, or set HEADRACE_WORKER to its path");
}

std::vector<std::string> python_package_folders() {
  std::vector<std::string> folders;
  add_prefix(variable("VIRTUAL_ENV"), folders);
  // Inside a wheel this code lies in site-packages/headrace/.
  const fs::path library = library_folder();
  for (const fs::path& folder : {library, library.parent_path()})
    if (folder.filename() == "site-packages" || folder.filename() == "dist-packages")
      folders.push_back(folder);
  const fs::path executable = executable_folder();
  add_prefix(executable.parent_path(), folders);
  add_prefix(executable.parent_path() / ".venv", folders);
  add_prefix(executable / ".venv", folders);
  add_prefix(fs::path(variable("CONDA_PREFIX")), folders);
  const std::string search_path = variable("PATH");
  for (size_t begin = 0; begin < search_path.size();) {
    const size_t end = std::min(search_path.find(':', begin), search_path.size());
    const fs::path folder(search_path.substr(begin, end - begin));
    if (folder.is_absolute() && is_file(folder / "python3"))
      add_prefix(folder.parent_path(), folders);
    begin = end + 1;
  }
  if (const std::string home = variable("HOME"); !home.empty())
    add_prefix(fs::path(home) / ".local", folders);
  add_prefix("/usr/local", folders);
  return folders;
}

std::string find_pdfium_library(const std::string& given) {
  if (!given.empty()) return is_file(given) ? given : std::string();
  if (const std::string path = variable("HEADRACE_PDFIUM"); !path.empty())
    return is_file(path) ? path : std::string();
  for (const std::string& folder : python_package_folders()) {
    const fs::path path = fs::path(folder) / "pypdfium2_raw" / "libpdfium.so";
    if (is_file(path)) return path;
  }
  return {};
}

}  // namespace headrace
