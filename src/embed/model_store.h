// Where models are found: a directory, the Hugging Face cache, $HEADRACE_MODELS, and Python
// packages that carry weights. Never a download.
//
// Threads: plain functions; add_package_path before other threads start. Errors: not_found, whose
// message names every place looked at and whose hint is the command that brings the model;
// invalid_argument for a NAME that models of several organisations bear.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace headrace {

// A model that was found: a folder with config.json, tokenizer.json and weights.
struct ModelFiles {
  std::string name;       // as asked for or as the folder says, e.g. "all-MiniLM-L6-v2"
  std::string directory;  // absolute
  std::string origin;     // "directory", "huggingface cache", "HEADRACE_MODELS", "package NAME"
};

// What `headrace models` shows of each.
struct ModelSummary {
  ModelFiles files;
  uint64_t size_bytes = 0;
  uint32_t dimension = 0;
  uint32_t tokens_max = 0;   // 0: texts of any length
  std::string architecture;  // "bert", "static", "bert (reranker)", …
  std::string license;       // from the model card or the package; empty when unknown
  std::string problem;       // why it cannot be used; empty when it can
};

inline constexpr const char* kDefaultModel = "all-MiniLM-L6-v2";

// `spec`: a directory, NAME or ORG/NAME. NAME alone is also the one ORG/NAME there is of it (that
// of sentence-transformers among several); the found name is then ORG/NAME.
Result<ModelFiles> find_model(const std::string& spec);
std::vector<ModelSummary> list_models();

// A further folder of installed Python packages to search first (the Python front passes its own).
void add_package_path(const std::string& folder);
// Every folder of installed Python packages, in the order of search.
std::vector<std::string> package_paths();

}  // namespace headrace
