// The Unigram model: the segmentation of a word with the best sum of scores (Viterbi), as Hugging
// Face `tokenizers` finds it, sums and ties included.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_model.h"
#include "transform/tokenizer_score_trie.h"

namespace headrace {
namespace {

constexpr double kUnknownPenalty = 10.0;
constexpr size_t kShortBytes = 255;
constexpr uint32_t kUnknownPlace = UINT32_MAX;

class UnigramModel final : public TokenModel {
 public:
  static Result<std::shared_ptr<const TokenModel>> build(const TokenizerConfig& config) {
    auto out = std::make_shared<UnigramModel>();
    double least = std::numeric_limits<double>::infinity();
    for (size_t id = 0; id < config.vocabulary.size(); ++id) {
      least = std::min(least, config.scores[id]);
      out->longest_ = std::max(out->longest_, config.vocabulary[id].token.size());
    }
    out->trie_.build(config.vocabulary, config.scores);
    out->unknown_ = config.unknown_id;
    out->unknown_score_ = least - kUnknownPenalty;
    out->bytes_.fill(-1);
    if (config.byte_fallback) {
      for (size_t byte = 0; byte < 256; ++byte) {
        out->bytes_[byte] = out->trie_.find(byte_token(static_cast<uint8_t>(byte)));
      }
    }
    return out;
  }

  void tokenize(std::string_view word, std::vector<ModelToken>& out) const override {
    thread_local std::vector<ModelToken> path;
    path.clear();
    if (word.size() <= kShortBytes) {
      find_short_path(word, path);
    } else {
      find_path(word, path);
    }
    for (const ModelToken& token : path) {
      if (token.id == unknown_) {
        put_unknown(word, token, out);
      } else {
        out.push_back(token);
      }
    }
  }

 private:
  // The best way to a place in the word.
  struct Node {
    double score = 0;
    int64_t from = -1;  // -1: no way yet
    int32_t id = 0;
  };

  // The same as find_path(), without a thought for memory.
  void find_short_path(std::string_view word, std::vector<ModelToken>& path) const {
    constexpr double kNoWay = -std::numeric_limits<double>::infinity();
    double scores[kShortBytes + 1];
    uint32_t places[kShortBytes + 1];  // of the last token, in the trie
    uint8_t froms[kShortBytes + 1];    // where it begins
    scores[0] = 0;
    std::fill(scores + 1, scores + word.size() + 1, kNoWay);
    for (size_t at = 0; at < word.size();) {
      const double score = scores[at];
      const size_t length = character_size(word[at]);
      bool single = false;
      const auto offer = [&](size_t end, uint32_t place, double sum) {
        if (sum > scores[end]) {
          scores[end] = sum;
          places[end] = place;
          froms[end] = static_cast<uint8_t>(at);
        }
      };
      trie_.each_prefix(word.data() + at, word.size() - at,
                        [&](size_t size, uint32_t place, double own) {
                          offer(at + size, place, own + score);
                          single = single || size == length;
                        });
      if (!single) offer(at + length, kUnknownPlace, unknown_score_ + score);
      at += length;
    }
    for (size_t at = word.size(); at > 0; at = froms[at]) {
      const int32_t id = places[at] == kUnknownPlace ? unknown_ : trie_.id(places[at]);
      path.push_back({id, froms[at], static_cast<uint32_t>(at)});
    }
    std::reverse(path.begin(), path.end());
    fuse_unknown(0, path);
  }

  // The words of models are valid UTF-8.
  static size_t character_size(char first) {
    const auto byte = static_cast<uint8_t>(first);
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
  }

  // Nodes live in a ring: no token reaches further than the longest.
  void find_path(std::string_view word, std::vector<ModelToken>& path) const {
    thread_local std::vector<Node> nodes;
    // `base` is a place that every way passes; nodes[i] belongs to base + i.
    size_t base = 0;
    nodes.assign(1, Node{});
    size_t furthest = 0;  // where the furthest token so far ends
    size_t at = 0;
    const auto node = [&](size_t place) -> Node& {
      if (place - base >= nodes.size()) nodes.resize(place - base + 1);
      return nodes[place - base];
    };
    const auto offer = [&](size_t begin, size_t end, double score, int32_t id) {
      Node& target = node(end);
      if (target.from < 0 || score > target.score) {
        target = {score, static_cast<int64_t>(begin), id};
      }
      furthest = std::max(furthest, end);
    };
    while (at < word.size()) {
      if (furthest == at && at > base) {
        const double score = node(at).score;
        trace(base, at, nodes, path);
        base = at;
        nodes.assign(1, Node{score, -1, 0});
      }
      const double score = node(at).score;
      const size_t length = decode_code_point(word, at).length;
      bool single = false;
      trie_.each_prefix(word.data() + at, word.size() - at,
                        [&](size_t size, uint32_t place, double own) {
                          offer(at, at + size, own + score, trie_.id(place));
                          single = single || size == length;
                        });
      if (!single) offer(at, at + length, unknown_score_ + score, unknown_);
      at += length;
    }
    trace(base, word.size(), nodes, path);
  }

  // Appends the best way from `base` to `end`; unknown tokens side by side become one.
  void trace(size_t base, size_t end, const std::vector<Node>& nodes,
             std::vector<ModelToken>& path) const {
    const size_t first = path.size();
    for (size_t at = end; at > base;) {
      const Node& node = nodes[at - base];
      const auto from = static_cast<size_t>(node.from);
      path.push_back({node.id, static_cast<uint32_t>(from), static_cast<uint32_t>(at)});
      at = from;
    }
    std::reverse(path.begin() + static_cast<std::ptrdiff_t>(first), path.end());
    fuse_unknown(first, path);
  }

  // Of path[first] and what follows.
  void fuse_unknown(size_t first, std::vector<ModelToken>& path) const {
    size_t kept = first;
    for (size_t i = first; i < path.size(); ++i) {
      if (kept > 0 && path[i].id == unknown_ && path[kept - 1].id == unknown_) {
        path[kept - 1].end = path[i].end;
      } else {
        path[kept++] = path[i];
      }
    }
    path.resize(kept);
  }

  void put_unknown(std::string_view word, const ModelToken& token,
                   std::vector<ModelToken>& out) const {
    const std::string_view text = word.substr(token.begin, token.end - token.begin);
    // Several unknown characters may be a token together.
    if (text.size() <= longest_) {
      if (const int32_t id = trie_.find(text); id != ScoreTrie::kNone) {
        out.push_back({id, token.begin, token.end});
        return;
      }
    }
    const bool known = std::all_of(text.begin(), text.end(),
                                   [this](char c) { return bytes_[static_cast<uint8_t>(c)] >= 0; });
    if (!known) {
      out.push_back(token);
      return;
    }
    for (const char c : text) {
      out.push_back({bytes_[static_cast<uint8_t>(c)], token.begin, token.end});
    }
  }

  ScoreTrie trie_;
  std::array<int32_t, 256> bytes_{};
  size_t longest_ = 0;
  int32_t unknown_ = 0;
  double unknown_score_ = 0;
};

}  // namespace

Result<std::shared_ptr<const TokenModel>> make_unigram_model(const TokenizerConfig& config) {
  return UnigramModel::build(config);
}

}  // namespace headrace
