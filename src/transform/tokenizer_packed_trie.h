// PackedTrie: strings → numbers, for "the longest known string that the text begins with", all
// strings known beforehand.
//
// A double array of four bytes a node: the child of a node by a byte lies at the node's base XOR
// the byte, and says by which byte it was reached; no two nodes have the same base, so that is
// enough. The tokens of a vocabulary of 30,000 fit half a megabyte, and a step is one look at one
// place: new words wait for the nearer cache instead of the farther one.
//
// Owns: its places. Threads: const after build(). Errors: build() says no when there is no room.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace {

class PackedTrie {
 public:
  static constexpr int32_t kNone = -1;
  struct Match {
    size_t length = 0;  // 0: nothing matched
    int32_t value = kNone;
  };
  struct Entry {
    std::string_view key;  // empty: it does not count
    int32_t value = 0;
  };

  // Of equal keys the last one counts. False: there are too many.
  [[nodiscard]] bool build(std::vector<Entry> entries) {
    std::erase_if(entries, [](const Entry& entry) { return entry.key.empty(); });
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.key < b.key; });
    root_ = 0;
    nodes_.clear();
    values_.clear();
    Builder builder(*this);
    // Nobody's children: a node without any has the base 0.
    builder.add_block();
    for (uint32_t place = 0; place < kBlock; ++place) builder.take(place);
    struct Task {
      size_t first;
      size_t last;
      size_t depth;
      uint32_t place;  // of the node; of the root: none
    };
    std::vector<Task> tasks = {{0, entries.size(), 0, 0}};
    std::vector<uint8_t> labels;
    std::vector<size_t> ends;
    while (!tasks.empty()) {
      const Task task = tasks.back();
      tasks.pop_back();
      size_t at = task.first;
      for (; at < task.last && entries[at].key.size() == task.depth; ++at) {
        nodes_[task.place] |= kTokenBit;
        values_[task.place] = entries[at].value;
      }
      labels.clear();
      ends.clear();
      const size_t first = at;
      while (at < task.last) {
        const char label = entries[at].key[task.depth];
        labels.push_back(static_cast<uint8_t>(label));
        while (at < task.last && entries[at].key[task.depth] == label) ++at;
        ends.push_back(at);
      }
      if (labels.empty()) continue;
      const uint32_t base = builder.find_base(labels);
      if (base > kBaseMax) return false;
      if (task.depth == 0) {
        root_ = base;
      } else {
        nodes_[task.place] |= base << kBaseShift;
      }
      for (size_t i = 0; i < labels.size(); ++i) {
        builder.take(base ^ labels[i]);
        nodes_[base ^ labels[i]] = labels[i];
        tasks.push_back({i == 0 ? first : ends[i - 1], ends[i], task.depth + 1, base ^ labels[i]});
      }
    }
    return true;
  }

  // The longest key that `bytes` begins with.
  Match longest(const char* bytes, size_t size) const {
    const uint32_t* nodes = nodes_.data();
    uint32_t base = root_;
    size_t length = 0;
    uint32_t found = 0;
    for (size_t i = 0; i < size; ++i) {
      const auto byte = static_cast<uint8_t>(bytes[i]);
      const uint32_t place = base ^ byte;
      const uint32_t node = nodes[place];
      // A free place is all zeros: by the byte zero it leads to where nobody's children are.
      if ((node & kLabelMask) != byte) break;
      const bool is_token = (node & kTokenBit) != 0;
      length = is_token ? i + 1 : length;
      found = is_token ? place : found;
      base = node >> kBaseShift;
    }
    return {length, length == 0 ? kNone : values_.data()[found]};
  }

 private:
  static constexpr uint32_t kBlock = 256;
  static constexpr uint32_t kLabelMask = 0xFF;
  static constexpr uint32_t kTokenBit = 0x100;
  static constexpr int kBaseShift = 9;
  static constexpr uint32_t kBaseMax = (uint32_t{1} << (32 - kBaseShift)) - 1;

  // The free places worth trying, as a list in both directions, and the bases in use.
  class Builder {
   public:
    explicit Builder(PackedTrie& trie) : trie_(trie) {}

    void add_block() {
      const auto from = static_cast<uint32_t>(trie_.nodes_.size());
      trie_.nodes_.resize(from + kBlock, 0);
      trie_.values_.resize(from + kBlock, kNone);
      taken_.resize(from + kBlock, false);
      is_listed_.resize(from + kBlock, true);
      is_base_.resize(from + kBlock, false);
      before_.resize(from + kBlock);
      after_.resize(from + kBlock);
      for (uint32_t i = from; i < from + kBlock; ++i) {
        before_[i] = last_;
        (last_ == kNoPlace ? first_ : after_[last_]) = i;
        after_[i] = kNoPlace;
        last_ = i;
      }
    }
    void take(uint32_t place) {
      taken_[place] = true;
      if (is_listed_[place]) leave(place);
    }
    void leave(uint32_t place) {
      is_listed_[place] = false;
      (before_[place] == kNoPlace ? first_ : after_[before_[place]]) = after_[place];
      (after_[place] == kNoPlace ? last_ : before_[after_[place]]) = before_[place];
    }
    uint32_t find_base(std::span<const uint8_t> labels) {
      constexpr int kTries = 64;
      uint32_t free = first_;
      for (int i = 0; i < kTries && free != kNoPlace; ++i, free = after_[free]) {
        const uint32_t base = free ^ labels[0];
        if (!is_base_[base] && std::none_of(labels.begin(), labels.end(),
                                            [&](uint8_t label) { return taken_[base ^ label]; })) {
          is_base_[base] = true;
          return base;
        }
      }
      // What fits so badly is not tried again, or the list would begin with nothing else.
      for (int i = 0; i < kTries && first_ != kNoPlace; ++i) leave(first_);
      const auto base = static_cast<uint32_t>(trie_.nodes_.size());
      add_block();
      is_base_[base] = true;
      return base;
    }

   private:
    static constexpr uint32_t kNoPlace = UINT32_MAX;
    PackedTrie& trie_;
    std::vector<bool> taken_;
    std::vector<bool> is_listed_;
    std::vector<bool> is_base_;
    std::vector<uint32_t> before_;
    std::vector<uint32_t> after_;
    uint32_t first_ = kNoPlace;
    uint32_t last_ = kNoPlace;
  };

  // The byte that leads here, whether a key ends here, and the base of the children (0: none).
  std::vector<uint32_t> nodes_ = std::vector<uint32_t>(kBlock, 0);
  std::vector<int32_t> values_;  // of each place where a key ends
  uint32_t root_ = 0;            // the base of the first bytes
};

}  // namespace headrace
