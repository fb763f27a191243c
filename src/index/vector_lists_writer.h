// Writes a section of vectors in lists, as they were made: docs/formats/vectors.md.
//
// Owns: MadeLists, all of a section but its planes. Threads: uses the pool given. Errors: those of
// the sink.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/section.h"
#include "index/vector_epoch.h"
#include "index/vector_lists.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

struct MadeLists {
  struct Efforts {
    float near_distance = 0;
    std::vector<ListEffort> near, far;
  };
  VectorEpoch epoch;               // its centroids as a reader has them
  std::vector<float> centroids;    // in the space of the vectors, rows of the padded dimension
  std::vector<uint32_t> begins;    // first place of each list, and the end
  std::vector<float> residuals;    // mean squared length, of each list
  std::vector<uint8_t> codes;      // blocks, list after list
  std::vector<uint32_t> order;     // the row's number at each place
  std::vector<uint32_t> place_of;  // of each row
  std::vector<Efforts> efforts;    // for each depth
};

// The planes are made on the way, from the vectors.
Status write_lists_section(const MadeLists& made, std::span<const uint32_t> rows,
                           const VectorSource& vector, Metric metric, ThreadPool& pool,
                           SectionSink& out);

}  // namespace headrace::index
