#include "embed/weight_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "embed/model_json.h"

namespace headrace::embed {
namespace {

constexpr const char* kOneFile = "model.safetensors";
constexpr const char* kList = "model.safetensors.index.json";
constexpr size_t kPartsMax = 1000;

// What the list says: tensors and their files.
using WeightMap = std::vector<std::pair<std::string, std::string>>;

bool is_plain_name(std::string_view name) {
  return !name.empty() && !name.contains('/') && !name.contains('\0') && name != "." &&
         name != "..";
}

// Nothing where all weights are in one file.
Result<std::optional<WeightMap>> read_list(const std::string& directory) {
  if (::access((directory + "/" + kOneFile).c_str(), F_OK) == 0) return std::nullopt;
  HR_ASSIGN(const auto list, JsonObject::read_optional(directory + "/" + kList));
  if (!list) return std::nullopt;
  HR_ASSIGN(const auto map, list->object("weight_map"));
  if (!map || map->raw().size() == 0)
    return damaged_model(list->file(), "\"weight_map\" lists no tensors");
  WeightMap entries;
  for (const auto field : map->raw()) {
    std::string_view part;
    if (field.value.get(part) != simdjson::SUCCESS || !is_plain_name(part)) {
      return damaged_model(list->file(), fmt::format("tensor \"{}\" is in no file of the folder",
                                                     field.key.substr(0, 200)));
    }
    entries.emplace_back(field.key, part);
  }
  return entries;
}

Result<std::vector<std::string>> parts_of(const WeightMap& map, const std::string& directory) {
  std::vector<std::string> parts;
  for (const auto& entry : map) parts.push_back(entry.second);
  std::ranges::sort(parts);
  parts.erase(std::ranges::unique(parts).begin(), parts.end());
  if (parts.size() <= kPartsMax) return parts;
  return damaged_model(directory + "/" + kList,
                       fmt::format("lists {} files, more than {}", parts.size(), kPartsMax));
}

}  // namespace

Result<std::vector<std::string>> weight_files(const std::string& directory) {
  HR_ASSIGN(const auto map, read_list(directory));
  if (!map) return std::vector<std::string>{kOneFile};
  return parts_of(*map, directory);
}

Result<SafeTensors> open_weights(const std::string& directory) {
  HR_ASSIGN(const auto map, read_list(directory));
  if (!map) return SafeTensors::open(directory + "/" + kOneFile);
  HR_ASSIGN(std::vector<std::string> paths, parts_of(*map, directory));
  for (std::string& path : paths) path = directory + "/" + path;
  const std::string list = directory + "/" + kList;
  HR_ASSIGN(SafeTensors weights, SafeTensors::open_all(list, paths));
  for (const auto& [name, part] : *map) {
    const auto found = weights.tensors().find(name);
    if (found == weights.tensors().end() ||
        weights.path_of(found->second) != directory + "/" + part) {
      return damaged_model(list, fmt::format("says that {} holds tensor \"{}\", which it does not",
                                             part, name.substr(0, 200)));
    }
  }
  return weights;
}

}  // namespace headrace::embed
