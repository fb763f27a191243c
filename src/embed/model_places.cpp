#include "embed/model_places.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

#include "embed/model_json.h"
#include "embed/weight_files.h"

namespace headrace::embed {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHubPrefix = "models--";
constexpr size_t kFoldersMax = 20000;  // of one packages folder: a bound, not a limit anyone meets

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// The folders inside `folder`, sorted; nothing when it cannot be read.
std::vector<std::string> subfolders(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) names.push_back(entry->path().filename().string());
    if (names.size() == kFoldersMax) break;
  }
  std::ranges::sort(names);
  return names;
}

bool is_folder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// PREFIX/lib/python3*/site-packages and dist-packages.
void add_prefix(const std::string& prefix, std::vector<std::string>& out) {
  for (const std::string& name : subfolders(prefix + "/lib")) {
    if (!name.starts_with("python3")) continue;
    for (const char* kind : {"/site-packages", "/dist-packages"}) {
      out.push_back(prefix + "/lib/" + name + kind);
    }
  }
}

void add_around_executable(std::vector<std::string>& out) {
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  if (error) return;
  const fs::path folder = executable.parent_path();
  add_prefix((folder.parent_path() / ".venv").string(), out);
  add_prefix(folder.parent_path().string(), out);
  for (fs::path up = folder; up.has_relative_path(); up = up.parent_path()) {
    if (up.filename() == "site-packages" || up.filename() == "dist-packages")
      out.push_back(up.string());
  }
}

void add_of_python_on_path(std::vector<std::string>& out) {
  for (const std::string& folder : split(variable("PATH"), ':')) {
    const fs::path python = fs::path(folder) / "python3";
    if (::access(python.c_str(), X_OK) != 0) continue;
    // A virtual environment's python3 is a link out of it: the environment counts first.
    add_prefix(fs::path(folder).parent_path().string(), out);
    std::error_code error;
    const fs::path real = fs::canonical(python, error);
    if (!error) add_prefix(real.parent_path().parent_path().string(), out);
    return;
  }
}

// Model folders at `folder` or at most `depth` levels below.
void collect(const std::string& package, const std::string& folder, int depth,
             std::vector<PackagedModel>& out) {
  if (::access((folder + "/config.json").c_str(), F_OK) == 0 && missing_files(folder).empty()) {
    out.push_back({package, folder});
    return;
  }
  if (depth == 0) return;
  for (const std::string& name : subfolders(folder)) {
    if (name != "__pycache__") collect(package, folder + "/" + name, depth - 1, out);
  }
}

// How far a package's name is from the wanted one; nothing when neither contains the other.
std::optional<size_t> name_distance(const std::string& package, const std::string& wanted) {
  constexpr size_t kShortest = 4;  // shorter names are in everything
  if (package.contains(wanted)) return package.size() - wanted.size();
  if (package.size() >= kShortest && wanted.contains(package))
    return wanted.size() - package.size() + 1000;
  return std::nullopt;
}

}  // namespace

std::vector<std::string> missing_files(const std::string& folder) {
  const auto there = [&](const std::string& name) {
    return ::access((folder + "/" + name).c_str(), F_OK) == 0;
  };
  std::vector<std::string> wanted{"config.json"};
  // A list that cannot be read is no missing file: whoever loads the model says what is wrong.
  if (const auto weights = weight_files(folder))
    wanted.insert(wanted.end(), weights->begin(), weights->end());
  wanted.emplace_back("tokenizer.json");
  std::erase_if(wanted, there);
  return wanted;
}

std::string normalized_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_' || c == '.') c = '-';
  }
  return out;
}

std::vector<std::string> model_folders() {
  return split(variable("HEADRACE_MODELS"), ':');
}

std::vector<std::string> hub_folders() {
  std::vector<std::string> folders;
  const auto add = [&](const std::string& base, const char* below) {
    if (base.empty()) return;
    std::string folder = base + below;
    if (std::ranges::find(folders, folder) == folders.end()) folders.push_back(std::move(folder));
  };
  add(variable("HF_HUB_CACHE"), "");
  add(variable("HF_HOME"), "/hub");
  add(variable("XDG_CACHE_HOME"), "/huggingface/hub");
  add(variable("HOME"), "/.cache/huggingface/hub");
  return folders;
}

std::optional<std::string> hub_snapshot(const std::string& hub, std::string_view repository) {
  std::string name = "models--";
  for (const char c : repository) name += c == '/' ? std::string("--") : std::string(1, c);
  const std::string base = hub + "/" + name;
  if (!is_folder(base + "/snapshots")) return std::nullopt;
  if (auto revision = read_small_file(base + "/refs/main")) {
    while (!revision->empty() && static_cast<unsigned char>(revision->back()) <= ' ')
      revision->pop_back();
    const std::string folder = base + "/snapshots/" + *revision;
    if (!revision->empty() && !revision->contains('/') && is_folder(folder)) return folder;
  }
  std::optional<std::pair<fs::file_time_type, std::string>> newest;
  for (const std::string& revision : subfolders(base + "/snapshots")) {
    std::string folder = base + "/snapshots/" + revision;
    std::error_code error;
    const auto time = fs::last_write_time(folder, error);
    if (!error && (!newest || time > newest->first)) newest = {time, std::move(folder)};
  }
  if (!newest) return std::nullopt;
  return newest->second;
}

std::string repository_name(std::string_view folder) {
  if (!folder.starts_with(kHubPrefix)) return {};
  folder.remove_prefix(kHubPrefix.size());
  const size_t at = folder.find("--");
  if (at == std::string_view::npos) return std::string(folder);
  std::string name(folder.substr(0, at));
  name += '/';
  name += folder.substr(at + 2);
  return name;
}

std::vector<std::string> hub_repositories(const std::string& hub) {
  std::vector<std::string> names;
  for (const std::string& folder : subfolders(hub)) {
    if (!folder.starts_with(kHubPrefix)) continue;
    names.push_back(repository_name(folder));
  }
  return names;
}

std::vector<OrganisationModel> organisation_models(const std::string& folder,
                                                   std::string_view name) {
  std::vector<OrganisationModel> found;
  const auto add = [&](std::string named, std::string at) {
    if (missing_files(at).empty()) found.push_back({std::move(named), std::move(at)});
  };
  for (const std::string& entry : subfolders(folder)) {
    if (entry.starts_with(kHubPrefix)) {
      const std::string repository = repository_name(entry);
      if (!repository.ends_with(fmt::format("/{}", name))) continue;
      if (auto snapshot = hub_snapshot(folder, repository)) add(repository, std::move(*snapshot));
      continue;
    }
    add(fmt::format("{}/{}", entry, name), fmt::format("{}/{}/{}", folder, entry, name));
    const std::string dashed = fmt::format("--{}", name);
    if (entry.size() > dashed.size() && entry.ends_with(dashed)) {
      add(fmt::format("{}/{}", entry.substr(0, entry.size() - dashed.size()), name),
          fmt::format("{}/{}", folder, entry));
    }
  }
  std::ranges::stable_sort(found, {}, &OrganisationModel::name);
  return found;
}

std::vector<std::string> package_folders(const std::vector<std::string>& extra) {
  std::vector<std::string> all = extra;
  if (const std::string environment = variable("VIRTUAL_ENV"); !environment.empty())
    add_prefix(environment, all);
  add_around_executable(all);
  add_of_python_on_path(all);
  if (const std::string home = variable("HOME"); !home.empty()) add_prefix(home + "/.local", all);
  add_prefix("/usr/local", all);
  all.emplace_back("/usr/lib/python3/dist-packages");
  std::vector<std::string> folders;
  for (const std::string& folder : all) {
    std::error_code error;
    const std::string real = fs::canonical(folder, error).string();
    if (error || !is_folder(real)) continue;
    if (std::ranges::find(folders, real) == folders.end()) folders.push_back(real);
  }
  return folders;
}

std::vector<PackagedModel> packaged_models(const std::string& packages,
                                           const std::optional<std::string>& name) {
  constexpr int kDepth = 2;
  std::vector<std::tuple<size_t, std::string>> candidates;
  const std::string wanted = name ? normalized_name(*name) : std::string();
  for (const std::string& package : subfolders(packages)) {
    if (package.ends_with(".dist-info") || package == "__pycache__") continue;
    const auto distance =
        name ? name_distance(normalized_name(package), wanted) : std::optional<size_t>(0);
    if (distance) candidates.emplace_back(*distance, package);
  }
  std::ranges::sort(candidates);
  std::vector<PackagedModel> found;
  for (const auto& [distance, package] : candidates)
    collect(package, packages + "/" + package, kDepth, found);
  return found;
}

}  // namespace headrace::embed
