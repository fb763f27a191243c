#include "plan/tiles.h"

#include <algorithm>
#include <numeric>

namespace headrace {

std::vector<std::vector<uint32_t>> make_tiles(std::span<const size_t> lengths, size_t tile_tokens) {
  std::vector<uint32_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return lengths[a] > lengths[b]; });
  std::vector<std::vector<uint32_t>> tiles;
  size_t filled = 0;
  for (const uint32_t sequence : order) {
    if (tiles.empty() || filled + lengths[sequence] > tile_tokens) {
      tiles.emplace_back();
      filled = 0;
    }
    tiles.back().push_back(sequence);
    filled += lengths[sequence];
  }
  return tiles;
}

}  // namespace headrace
