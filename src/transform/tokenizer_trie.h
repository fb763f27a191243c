// ByteTrie: strings → numbers, for "the longest known string that the text begins with".
//
// Edges lie in one open-addressing table keyed by (node, byte), so building is linear in the
// bytes inserted, whatever they are, and a step is one probe. Nodes are numbered from 0 (the
// root).
//
// Owns: its table. Threads: const after building. Errors: insert() says no when the trie is full.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace headrace {

class ByteTrie {
 public:
  static constexpr int32_t kNone = -1;
  // Keys hold the node in 24 bits.
  static constexpr uint32_t kNodesMax = (1u << 24) - 1;

  struct Match {
    size_t length = 0;  // 0: nothing matched
    int32_t value = kNone;
  };

  ByteTrie() : values_(1, kNone), edges_(64) { first_.fill(0); }

  // `value` >= 0; a second insert of the same key replaces it. False: the trie is full.
  [[nodiscard]] bool insert(std::string_view key, int32_t value) {
    uint32_t node = 0;
    for (const char byte : key) {
      uint32_t next = child(node, static_cast<uint8_t>(byte));
      if (next == 0) {
        next = static_cast<uint32_t>(values_.size());
        if (next > kNodesMax) return false;
        values_.push_back(kNone);
        if (node == 0) {
          first_[static_cast<uint8_t>(byte)] = next;
        } else {
          add_edge(node << 8 | static_cast<uint8_t>(byte), next);
        }
      }
      node = next;
    }
    values_[node] = value;
    return true;
  }

  // The longest key that `bytes` begins with.
  Match longest(const char* bytes, size_t size) const {
    Match best;
    uint32_t node = 0;
    for (size_t i = 0; i < size; ++i) {
      node = child(node, static_cast<uint8_t>(bytes[i]));
      if (node == 0) break;
      if (const int32_t value = values_[node]; value != kNone) best = {i + 1, value};
    }
    return best;
  }

  // Calls found(length, value) for each key that `bytes` begins with, shortest first.
  template <typename Found>
  void each_prefix(const char* bytes, size_t size, Found&& found) const {
    uint32_t node = 0;
    for (size_t i = 0; i < size; ++i) {
      node = child(node, static_cast<uint8_t>(bytes[i]));
      if (node == 0) return;
      if (const int32_t value = values_[node]; value != kNone) found(i + 1, value);
    }
  }

  bool starts_with(uint8_t byte) const { return first_[byte] != 0; }

 private:
  struct Edge {
    uint32_t key = 0;  // node << 8 | byte; never 0, for the root's edges lie in first_
    uint32_t child = 0;
  };

  static size_t slot(uint32_t key, size_t mask) {
    uint64_t mixed = key * 0x9E3779B97F4A7C15ULL;
    return static_cast<size_t>(mixed >> 32) & mask;
  }

  uint32_t child(uint32_t node, uint8_t byte) const {
    if (node == 0) return first_[byte];
    const uint32_t key = node << 8 | byte;
    const Edge* edges = edges_.data();
    const size_t mask = edges_.size() - 1;
    for (size_t at = slot(key, mask);; at = (at + 1) & mask) {
      if (edges[at].key == key) return edges[at].child;
      if (edges[at].key == 0) return 0;
    }
  }

  void add_edge(uint32_t key, uint32_t target) {
    if ((used_ + 1) * 2 > edges_.size()) {
      std::vector<Edge> old(edges_.size() * 2);
      old.swap(edges_);
      for (const Edge& edge : old) {
        if (edge.key != 0) place(edge);
      }
    }
    place({key, target});
    ++used_;
  }

  void place(const Edge& edge) {
    const size_t mask = edges_.size() - 1;
    size_t at = slot(edge.key, mask);
    while (edges_[at].key != 0) at = (at + 1) & mask;
    edges_[at] = edge;
  }

  std::vector<int32_t> values_;
  std::vector<Edge> edges_;  // a power of two, at most half full
  std::array<uint32_t, 256> first_;
  size_t used_ = 0;
};

}  // namespace headrace
