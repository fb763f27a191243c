// Making a Snapshot from held segments, and the small files beside segments.
//
// Owns: a snapshot shares the segments it shows. Threads: a snapshot is immutable. Errors: damaged.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/store_state.h"

namespace headrace::index {

std::shared_ptr<const Snapshot> make_snapshot(std::vector<HeldSegment> segments,
                                              std::vector<Space> spaces, std::string settings,
                                              const Manifest& manifest, uint64_t bytes_on_disk,
                                              uint64_t log_bytes);

Result<std::shared_ptr<const LateVectors>> open_late_vectors(FileSystem& files,
                                                             const std::string& path,
                                                             const ManifestPatch& patch);
Result<SectionFileSeal> write_deletes(SectionSink& sink, uint64_t id,
                                      std::span<const HeldSegment> segments);
Status load_deletes(FileSystem& files, const std::string& path, const Manifest& manifest,
                    std::vector<HeldSegment>& segments);

// What lies in the folder, in bytes.
uint64_t folder_bytes(FileSystem& files, const std::string& folder);

}  // namespace headrace::index
