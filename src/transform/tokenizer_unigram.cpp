// The Unigram model: the segmentation of a word with the best sum of scores (Viterbi), as Hugging
// Face `tokenizers` finds it, sums and ties included.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_model.h"
#include "transform/tokenizer_score_trie.h"

namespace headrace {
namespace {

constexpr double kUnknownPenalty = 10.0;
constexpr size_t kShortBytes = 255;
constexpr size_t kGroupBytes = 512;
// Sums of 256 scores up to 1,000 are rounded by less than a hundredth of this.
constexpr double kCloseSums = 1e-6;
constexpr char kEnd = '\xFF';  // no token has it
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
    Scratch& scratch = thread_scratch();
    if (word.size() > kShortBytes) return put_long(word, scratch, out);
    tokenize_group({&word, 1}, scratch, out, nullptr);
  }

  void tokenize_words(std::span<const std::string_view> words, std::vector<ModelToken>& out,
                      std::vector<WordEnd>& ends) const override {
    Scratch& scratch = thread_scratch();
    size_t first = 0;
    size_t bytes = 0;
    const auto finish = [&](size_t last) {
      tokenize_group(words.subspan(first, last - first), scratch, out, &ends);
      first = last;
      bytes = 0;
    };
    for (size_t i = 0; i < words.size(); ++i) {
      const size_t size = words[i].size() + 1;
      const bool is_long = words[i].size() > kShortBytes;
      if (is_long || bytes + size > kGroupBytes) finish(i);
      bytes += size;
      if (!is_long) continue;
      put_long(words[i], scratch, out);
      ends.push_back({static_cast<uint32_t>(out.size()), true});
      first = i + 1;
      bytes = 0;
    }
    finish(words.size());
  }

 private:
  // The best way to a place in the word.
  struct Node {
    double score = 0;
    int64_t from = -1;  // -1: no way yet
    int32_t id = 0;
  };

  // The tokens that some text begins with.
  struct alignas(64) Starts {
    static constexpr size_t kMost = 11;
    uint32_t count = 0;               // kMost: there may be more
    uint32_t places[kMost + 1] = {};  // of each token, in the trie; one more is written than counts
    uint8_t lengths[kMost + 1] = {};
  };

  // On its way through the trie from the byte at `at`: the last node, and the place that is the
  // next if it is a child.
  struct Walk {
    uint32_t at;
    uint32_t node;
    uint32_t next;
  };

  // Not on the stack: the compiler would clear it for every word.
  struct Scratch {
    std::array<char, kGroupBytes + 1> bytes;  // of several words, with kEnd behind each
    std::array<Starts, kGroupBytes> starts;   // at each byte
    std::array<Walk, kGroupBytes> walks;
    // Of the word in hand, the best way to each byte: its sum, its last token and where that
    // begins.
    std::array<double, kShortBytes + 1> sums;
    std::array<double, kShortBytes + 1> seconds;  // the second best sums
    std::array<uint32_t, kShortBytes + 1> places;
    std::array<uint8_t, kShortBytes + 1> froms;
    std::vector<ModelToken> path;
  };
  static Scratch& thread_scratch() {
    thread_local const auto scratch = std::make_unique<Scratch>();
    return *scratch;
  }

  // Short words that fill kGroupBytes at most.
  void tokenize_group(std::span<const std::string_view> words, Scratch& scratch,
                      std::vector<ModelToken>& out, std::vector<WordEnd>* ends) const {
    find_starts(words, scratch);
    size_t first = 0;
    for (const std::string_view word : words) {
      scratch.path.clear();
      bool close = false;
      if (!find_short_path(word, first, scratch, close)) {
        close = true;
        find_path(word, scratch.path);
      }
      put_path(word, scratch.path, out);
      if (ends) ends->push_back({static_cast<uint32_t>(out.size()), close});
      first += word.size() + 1;
    }
  }

  // Finds the tokens at each character of the words, all of them in step: what one waits for
  // overlaps with the others.
  void find_starts(std::span<const std::string_view> words, Scratch& scratch) const {
    char* bytes = scratch.bytes.data();
    Starts* starts = scratch.starts.data();
    Walk* walks = scratch.walks.data();
    size_t size = 0;
    size_t count = 0;
    for (const std::string_view word : words) {
      for (size_t i = 0; i < word.size(); ++i, ++size) {
        bytes[size] = word[i];
        starts[size].count = 0;
        walks[count] = {static_cast<uint32_t>(size), ScoreTrie::kRoot,
                        trie_.child(ScoreTrie::kRoot, word[i])};
        count += (static_cast<uint8_t>(word[i]) & 0xC0) != 0x80 ? 1 : 0;
      }
      bytes[size++] = kEnd;
    }
    bytes[size] = kEnd;  // read, but never followed
    for (uint8_t length = 1; count > 0; ++length) {
      size_t kept = 0;
      for (size_t i = 0; i < count; ++i) {
        const auto [at, node, next] = walks[i];
        const bool goes_on = trie_.is_child(next, node);
        Starts& found = starts[at];
        found.places[found.count] = next;
        found.lengths[found.count] = length;
        const bool is_token = goes_on & trie_.is_token(next) & (found.count < Starts::kMost);
        found.count += is_token ? 1 : 0;
        const uint32_t after = trie_.child(next, bytes[at + length]);
        trie_.prefetch(after);
        walks[kept] = {at, next, after};
        kept += goes_on ? 1 : 0;
      }
      count = kept;
    }
  }

  // The best path of a word whose bytes are scratch.bytes[first …]; false: too many tokens begin at
  // one place.
  bool find_short_path(std::string_view word, size_t first, Scratch& scratch, bool& close) const {
    constexpr double kNoWay = -std::numeric_limits<double>::infinity();
    double* sums = scratch.sums.data();
    double* seconds = scratch.seconds.data();
    uint32_t* places = scratch.places.data();
    uint8_t* froms = scratch.froms.data();
    std::fill(sums, sums + word.size() + 1, kNoWay);
    std::fill(seconds, seconds + word.size() + 1, kNoWay);
    sums[0] = 0;
    for (size_t at = 0; at < word.size();) {
      const double sum = sums[at];
      const size_t length = character_size(word[at]);
      const auto offer = [&](size_t end, uint32_t place, double offered) {
        const bool better = offered > sums[end];
        seconds[end] = std::max(seconds[end], better ? sums[end] : offered);
        sums[end] = better ? offered : sums[end];
        places[end] = better ? place : places[end];
        froms[end] = better ? static_cast<uint8_t>(at) : froms[end];
      };
      const Starts& found = scratch.starts.data()[first + at];
      if (found.count == Starts::kMost) return false;
      bool single = false;
      for (size_t i = 0; i < found.count; ++i) {
        offer(at + found.lengths[i], found.places[i], trie_.score(found.places[i]) + sum);
        single |= found.lengths[i] == length;
      }
      if (!single) offer(at + length, kUnknownPlace, unknown_score_ + sum);
      at += length;
    }
    for (size_t at = word.size(); at > 0; at = froms[at]) {
      close = close || sums[at] - seconds[at] < kCloseSums;
      const int32_t id = places[at] == kUnknownPlace ? unknown_ : trie_.id(places[at]);
      scratch.path.push_back({id, froms[at], static_cast<uint32_t>(at)});
    }
    std::reverse(scratch.path.begin(), scratch.path.end());
    fuse_unknown(0, scratch.path);
    return true;
  }

  void put_long(std::string_view word, Scratch& scratch, std::vector<ModelToken>& out) const {
    scratch.path.clear();
    find_path(word, scratch.path);
    put_path(word, scratch.path, out);
  }
  void put_path(std::string_view word, const std::vector<ModelToken>& path,
                std::vector<ModelToken>& out) const {
    for (const ModelToken& token : path) {
      if (token.id == unknown_) {
        put_unknown(word, token, out);
      } else {
        out.push_back(token);
      }
    }
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
