// Tiles: sequences of tokens packed so that a model's work on one tile fits the cache and no
// padding is computed.
//
// Threads: pure. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headrace {

// Numbers of sequences by their lengths, longest first, in tiles of about `tile_tokens`.
std::vector<std::vector<uint32_t>> make_tiles(std::span<const size_t> lengths, size_t tile_tokens);

}  // namespace headrace
