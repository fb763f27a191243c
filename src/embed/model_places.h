// ModelPlaces: the folders in which models may lie on this machine, in the order of search.
//
// Reads environment variables and lists folders; opens no model and starts no process.
//
// Owns: strings. Threads: plain functions. Errors: none; what cannot be read is not there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::embed {

// A folder that holds what an encoder needs: config.json, tokenizer.json and its weights
// (embed/weight_files.h).
// Returns the names of those that are missing; empty means usable.
std::vector<std::string> missing_files(const std::string& folder);

// Lower case, with '-', '_' and '.' alike: "all-MiniLM-L6-v2" and "all_minilm_l6_v2" are equal.
std::string normalized_name(std::string_view name);

// $HEADRACE_MODELS, split at colons.
std::vector<std::string> model_folders();
// The hub folders of Hugging Face's cache, whether they exist or not.
std::vector<std::string> hub_folders();
// The snapshot of `repository` ("ORG/NAME") in a hub folder: refs/main, else the newest.
std::optional<std::string> hub_snapshot(const std::string& hub, std::string_view repository);
// "ORG/NAME" of a hub folder's entry "models--ORG--NAME"; empty when it is none.
std::string repository_name(std::string_view folder);
// The repositories in a hub folder, as "ORG/NAME".
std::vector<std::string> hub_repositories(const std::string& hub);

// Models of the organisations that have one called `name`, in a folder of models or a hub folder:
// ORG/NAME, ORG--NAME and models--ORG--NAME/snapshots/…. Sorted by their names.
struct OrganisationModel {
  std::string name;  // "ORG/NAME"
  std::string folder;
};
std::vector<OrganisationModel> organisation_models(const std::string& folder,
                                                   std::string_view name);

// Folders of installed Python packages that exist, those of `extra` first, without repeats.
std::vector<std::string> package_folders(const std::vector<std::string>& extra);

// A model inside an installed package.
struct PackagedModel {
  std::string package;  // the package's folder name
  std::string folder;
};
// Models in the packages of `packages`. With a name: only packages whose normalised name contains
// it or is contained in it, the closest first. Looks at most two levels below the package.
std::vector<PackagedModel> packaged_models(const std::string& packages,
                                           const std::optional<std::string>& name);

}  // namespace headrace::embed
