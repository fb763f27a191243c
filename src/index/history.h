// The past of a knowledge base: manifests that stay with their files after newer ones were
// published, as many as its History says, and reading what they hold.
//
// Owns: nothing. Threads: free functions. Errors: not_found for a state that is not kept (any
// more), damaged.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/knowledge_base.h"
#include "index/manifest.h"

namespace headrace::index {

// The older manifests of the folder that `newest` says to keep, newest first. One that cannot be
// read is not among them.
std::vector<Manifest> kept_manifests(FileSystem& files, const std::string& folder,
                                     const Manifest& newest);

// Adds the names of the files that `manifest` names: segments, late vectors, deletes.
void insert_file_names(const Manifest& manifest, std::set<std::string>& names);

}  // namespace headrace::index
