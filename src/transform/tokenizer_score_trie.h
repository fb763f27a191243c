// ScoreTrie: the tokens of a Unigram vocabulary with their scores, for "every token that the text
// begins with".
//
// A double array: the child of a node by a byte lies at the node's base XOR the byte, so a step is
// one look at one place, and a place holds the token's id and score as well: the score with half
// its digits, and how many of the smallest steps the whole is away from that, which is all of it in
// the files there are. Children of a node share a block of 256 places.
//
// Owns: its places. Threads: const after build(). Errors: none.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transform/tokenizer_config.h"

namespace headrace {

class ScoreTrie {
 public:
  static constexpr int32_t kNone = -1;

  // Token i has the id i; of equal tokens the last counts, and empty ones do not.
  void build(std::span<const VocabularyEntry> tokens, std::span<const double> scores) {
    std::vector<uint32_t> order;
    for (uint32_t i = 0; i < tokens.size(); ++i) {
      if (!tokens[i].token.empty()) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return tokens[a].token < tokens[b].token; });
    places_.clear();
    scores_.assign(scores.begin(), scores.end());
    packed_ = tokens.size() <= kPackedTokensMax &&
              std::all_of(scores.begin(), scores.end(), [](double score) {
                const int64_t away = steps_from_half(score);
                return away >= kLeastSteps && away < kLeastSteps + (1 << kStepBits);
              });
    Builder builder(places_);
    builder.add_block();
    builder.take(0);
    struct Task {
      uint32_t node;
      size_t first;
      size_t last;
      size_t depth;
    };
    std::vector<Task> tasks = {{0, 0, order.size(), 0}};
    std::vector<uint8_t> labels;
    std::vector<size_t> ends;
    while (!tasks.empty()) {
      const Task task = tasks.back();
      tasks.pop_back();
      size_t at = task.first;
      for (; at < task.last && tokens[order[at]].token.size() == task.depth; ++at) {
        const double score = scores[order[at]];
        const int64_t steps = packed_ ? steps_from_half(score) - kLeastSteps : 0;
        places_[task.node].token =
            static_cast<int32_t>(order[at] << kStepBits | static_cast<uint32_t>(steps));
        places_[task.node].score = static_cast<float>(score);
      }
      labels.clear();
      ends.clear();
      const size_t first = at;
      while (at < task.last) {
        const char label = tokens[order[at]].token[task.depth];
        labels.push_back(static_cast<uint8_t>(label));
        while (at < task.last && tokens[order[at]].token[task.depth] == label) ++at;
        ends.push_back(at);
      }
      if (labels.empty()) continue;
      const uint32_t base = builder.find_base(labels);
      places_[task.node].base = base;
      for (const uint8_t label : labels) {
        builder.take(base ^ label);
        places_[base ^ label].parent = task.node;
      }
      for (size_t i = labels.size(); i-- > 0;) {
        tasks.push_back({base ^ labels[i], i == 0 ? first : ends[i - 1], ends[i], task.depth + 1});
      }
    }
  }

  // Calls found(length, place, score) for each token that `bytes` begins with, shortest first.
  template <typename Found>
  void each_prefix(const char* bytes, size_t size, Found&& found) const {
    const Place* places = places_.data();
    uint32_t node = 0;
    for (size_t i = 0; i < size; ++i) {
      const uint32_t next = places[node].base ^ static_cast<uint8_t>(bytes[i]);
      if (places[next].parent != node) return;
      node = next;
      if (is_token(node)) found(i + 1, node, score(node));
    }
  }
  int32_t id(uint32_t place) const { return places_.data()[place].token >> kStepBits; }

  // The same step by step: where a byte leads to from a node, if it is_child() of it.
  static constexpr uint32_t kRoot = 0;
  uint32_t child(uint32_t node, char byte) const {
    return places_.data()[node].base ^ static_cast<uint8_t>(byte);
  }
  bool is_child(uint32_t place, uint32_t node) const {
    return places_.data()[place].parent == node;
  }
  void prefetch(uint32_t place) const { __builtin_prefetch(places_.data() + place); }
  bool is_token(uint32_t place) const { return places_.data()[place].token >= 0; }
  double score(uint32_t place) const {
    const Place& found = places_.data()[place];
    if (!packed_) return scores_[static_cast<size_t>(found.token >> kStepBits)];
    const int64_t steps = (found.token & ((1 << kStepBits) - 1)) + kLeastSteps;
    return std::bit_cast<double>(std::bit_cast<int64_t>(static_cast<double>(found.score)) + steps);
  }

  // The id of a token; kNone: there is none.
  int32_t find(std::string_view token) const {
    int32_t out = kNone;
    each_prefix(token.data(), token.size(), [&](size_t length, uint32_t place, double) {
      if (length == token.size()) out = id(place);
    });
    return out;
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  static constexpr int kStepBits = 2;
  static constexpr int64_t kLeastSteps = -1;
  static constexpr size_t kPackedTokensMax = size_t{1} << (31 - kStepBits);
  static int64_t steps_from_half(double score) {
    return std::bit_cast<int64_t>(score) -
           std::bit_cast<int64_t>(static_cast<double>(static_cast<float>(score)));
  }
  static constexpr size_t kBlock = 256;

  struct Place {
    uint32_t base = 0;
    uint32_t parent = kFree;
    int32_t token = kNone;  // that ends here: its id, and the steps from `score` to its score
    float score = 0;
  };

  // The free places, as a list in both directions.
  class Builder {
   public:
    explicit Builder(std::vector<Place>& places) : places_(places) {}

    void add_block() {
      const auto from = static_cast<uint32_t>(places_.size());
      places_.resize(from + kBlock);
      taken_.resize(from + kBlock, false);
      before_.resize(from + kBlock);
      after_.resize(from + kBlock);
      for (uint32_t i = from; i < from + kBlock; ++i) {
        before_[i] = last_;
        (last_ == kFree ? first_ : after_[last_]) = i;
        after_[i] = kFree;
        last_ = i;
      }
    }
    void take(uint32_t place) {
      taken_[place] = true;
      (before_[place] == kFree ? first_ : after_[before_[place]]) = after_[place];
      (after_[place] == kFree ? last_ : before_[after_[place]]) = before_[place];
    }
    uint32_t find_base(std::span<const uint8_t> labels) {
      constexpr int kTries = 64;
      uint32_t free = first_;
      for (int i = 0; i < kTries && free != kFree; ++i, free = after_[free]) {
        const uint32_t base = free ^ labels[0];
        if (std::none_of(labels.begin(), labels.end(),
                         [&](uint8_t label) { return taken_[base ^ label]; })) {
          return base;
        }
      }
      const auto from = static_cast<uint32_t>(places_.size());
      add_block();
      return from;
    }

   private:
    std::vector<Place>& places_;
    std::vector<bool> taken_;
    std::vector<uint32_t> before_;
    std::vector<uint32_t> after_;
    uint32_t first_ = kFree;
    uint32_t last_ = kFree;
  };

  std::vector<Place> places_;
  std::vector<double> scores_;  // of each id
  bool packed_ = false;         // the places' scores are as good
};

}  // namespace headrace
