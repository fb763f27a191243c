// The BPE model: a word's symbols (bytes or characters), merged pair by pair, best rank first, and
// the leftmost of equal ranks, as Hugging Face `tokenizers` merges them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_bytes.h"
#include "transform/tokenizer_index.h"
#include "transform/tokenizer_model.h"

namespace headrace {
namespace {

// Pairs of tokens → rank and merged token: open addressing, at most half full.
class MergeTable {
 public:
  struct Merge {
    uint64_t pair = kEmpty;
    uint32_t rank = 0;
    int32_t id = 0;
  };

  static uint64_t pair(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }

  void reserve(size_t count) {
    slots_.assign(std::bit_ceil(count * 2 + 2), Merge{});
    shift_ = 64 - std::countr_zero(slots_.size());
  }
  // The last merge of a pair counts.
  void insert(const Merge& merge) {
    size_t at = slot(merge.pair);
    while (slots_[at].pair != kEmpty && slots_[at].pair != merge.pair) {
      at = (at + 1) & (slots_.size() - 1);
    }
    slots_[at] = merge;
  }
  const Merge* find(int32_t left, int32_t right) const {
    const uint64_t wanted = pair(left, right);
    const Merge* slots = slots_.data();
    const size_t mask = slots_.size() - 1;
    for (size_t at = slot(wanted);; at = (at + 1) & mask) {
      if (slots[at].pair == wanted) return slots + at;
      if (slots[at].pair == kEmpty) return nullptr;
    }
  }

 private:
  static constexpr uint64_t kEmpty = UINT64_MAX;  // ids are not negative
  size_t slot(uint64_t pair) const {
    const uint64_t mixed = pair * 0x9E3779B97F4A7C15ULL;
    return static_cast<size_t>((mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93ULL >> shift_);
  }

  std::vector<Merge> slots_;
  int shift_ = 0;
};

constexpr size_t kKeptSymbols = 65'536;

struct Symbol {
  int32_t id = 0;
  uint32_t length = 0;  // bytes of the word; 0: merged into the one before
  int32_t before = -1;
  int32_t after = -1;
};

// A merge that was possible when it was found.
struct Candidate {
  uint32_t rank = 0;
  uint32_t place = 0;
  int32_t id = 0;
  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : place > other.place;
  }
};

class BpeModel final : public TokenModel {
 public:
  static Result<std::shared_ptr<const TokenModel>> build(const TokenizerConfig& config) {
    auto out = std::make_shared<BpeModel>();
    HR_TRY(out->fill(config));
    return out;
  }

  void tokenize(std::string_view word, std::vector<ModelToken>& out) const override {
    if (ignore_merges_) {
      if (const int32_t id = find(word); id >= 0) {
        out.push_back({id, 0, static_cast<uint32_t>(word.size())});
        return;
      }
    }
    thread_local std::vector<Symbol> symbols;
    symbols.clear();
    if (byte_level_) {
      for (size_t i = 0; i < word.size(); ++i) {
        const auto byte = static_cast<uint8_t>(word[i]);
        const int32_t id = i + 1 == word.size() ? last_ids_[byte] : byte_ids_[byte];
        if (id >= 0) add(symbols, id, 1);
      }
    } else {
      add_characters(word, symbols);
    }
    merge_all(symbols);
    uint32_t at = 0;
    for (const Symbol& symbol : symbols) {
      if (symbol.length == 0) continue;
      out.push_back({symbol.id, at, at + symbol.length});
      at += symbol.length;
    }
    // A word of megabytes must not leave a thread with its memory for ever.
    if (symbols.capacity() > kKeptSymbols) std::vector<Symbol>().swap(symbols);
  }

 private:
  auto name() const {
    return [this](uint32_t place) -> std::string_view { return texts_[place]; };
  }
  int32_t find(std::string_view text) const {
    const uint32_t place = index_.find(text, name());
    return place == TokenIndex::kNone ? -1 : ids_[place];
  }

  Status fill(const TokenizerConfig& config) {
    byte_level_ = std::any_of(
        config.pre_tokenizers.begin(), config.pre_tokenizers.end(),
        [](const auto& step) { return step.kind == PreTokenizerStep::Kind::byte_level; });
    ignore_merges_ = config.ignore_merges;
    fuse_unknown_ = config.fuse_unknown;
    prefix_ = config.continuing_prefix;
    suffix_ = config.word_suffix;
    texts_.reserve(config.vocabulary.size());
    ids_.reserve(config.vocabulary.size());
    for (const VocabularyEntry& entry : config.vocabulary) {
      std::string text;
      // What no bytes stand for is never met in a text: a byte that no text holds keeps it apart.
      if (!byte_level_) {
        text = entry.token;
      } else if (!append_bytes_of_symbols(entry.token, text)) {
        text = "\xFF" + entry.token;
      }
      texts_.push_back(std::move(text));
      ids_.push_back(entry.id);
    }
    index_.build(texts_.size(), name());
    if (!config.unknown_token.empty()) {
      unknown_ = find(config.unknown_token);
    }
    for (size_t byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      byte_ids_[byte] = byte_level_            ? find({&c, 1})
                        : config.byte_fallback ? find(byte_token(static_cast<uint8_t>(byte)))
                                               : -1;
    }
    for (size_t byte = 0; byte < 256; ++byte) {
      last_ids_[byte] = byte_ids_[byte];
      if (byte_level_ && !suffix_.empty()) {
        last_ids_[byte] = find(static_cast<char>(byte) + suffix_);
      }
    }
    merges_.reserve(config.merges.size());
    uint32_t rank = 0;
    for (const auto& [left, right] : config.merges) {
      std::string text = texts_[left];
      text +=
          std::string_view(texts_[right]).substr(std::min(prefix_.size(), texts_[right].size()));
      const int32_t id = find(text);
      if (id < 0) {
        return fail(
            ErrorCode::damaged,
            fmt::format("{}: model.merges: \"{}\" and \"{}\" make no token of the "
                        "vocabulary",
                        config.path, config.vocabulary[left].token, config.vocabulary[right].token),
            "get the tokenizer.json of the model again");
      }
      merges_.insert({MergeTable::pair(ids_[left], ids_[right]), rank++, id});
    }
    return {};
  }

  static void add(std::vector<Symbol>& symbols, int32_t id, uint32_t length) {
    const auto place = static_cast<int32_t>(symbols.size());
    if (place > 0) symbols.back().after = place;
    symbols.push_back({id, length, place - 1, -1});
  }

  void add_characters(std::string_view word, std::vector<Symbol>& symbols) const {
    // Unknown characters wait: those that follow may be fused with them.
    uint32_t unknown_length = 0;
    std::string decorated;
    for (size_t at = 0; at < word.size();) {
      const uint32_t length = decode_code_point(word, at).length;
      std::string_view text = word.substr(at, length);
      const bool first = at == 0;
      at += length;
      const bool last = at == word.size();
      if ((!first && !prefix_.empty()) || (last && !suffix_.empty())) {
        decorated = first ? "" : prefix_;
        decorated += text;
        if (last) decorated += suffix_;
        text = decorated;
      }
      if (const int32_t id = find(text); id >= 0) {
        if (unknown_length > 0) add(symbols, unknown_, unknown_length);
        unknown_length = 0;
        add(symbols, id, length);
        continue;
      }
      // Bytes are put at once, even when an unknown character waits: so does the original.
      const bool bytes = std::all_of(text.begin(), text.end(), [this](char c) {
        return byte_ids_[static_cast<uint8_t>(c)] >= 0;
      });
      if (bytes) {
        for (const char c : text) add(symbols, byte_ids_[static_cast<uint8_t>(c)], 1);
        continue;
      }
      if (unknown_ < 0) continue;
      if (unknown_length > 0 && !fuse_unknown_) {
        add(symbols, unknown_, unknown_length);
        unknown_length = 0;
      }
      unknown_length += length;
    }
    if (unknown_length > 0) add(symbols, unknown_, unknown_length);
  }

  void merge_all(std::vector<Symbol>& symbols) const {
    thread_local std::vector<Candidate> heap;
    heap.clear();
    const auto found = [&](int32_t place, int32_t next) {
      const MergeTable::Merge* merge = merges_.find(symbols[static_cast<size_t>(place)].id,
                                                    symbols[static_cast<size_t>(next)].id);
      if (!merge) return;
      heap.push_back({merge->rank, static_cast<uint32_t>(place), merge->id});
    };
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      found(static_cast<int32_t>(i), static_cast<int32_t>(i + 1));
    }
    std::make_heap(heap.begin(), heap.end(), std::greater<>());
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end(), std::greater<>());
      const Candidate top = heap.back();
      heap.pop_back();
      Symbol& left = symbols[top.place];
      if (left.length == 0 || left.after < 0) continue;
      Symbol& right = symbols[static_cast<size_t>(left.after)];
      // It may have been overtaken by another merge.
      const MergeTable::Merge* merge = merges_.find(left.id, right.id);
      if (!merge || merge->id != top.id) continue;
      left.id = top.id;
      left.length += right.length;
      left.after = right.after;
      right.length = 0;
      if (left.after >= 0) {
        symbols[static_cast<size_t>(left.after)].before = static_cast<int32_t>(top.place);
      }
      const size_t known = heap.size();
      if (left.before >= 0) found(left.before, static_cast<int32_t>(top.place));
      if (heap.size() > known) std::push_heap(heap.begin(), heap.end(), std::greater<>());
      const size_t more = heap.size();
      if (left.after >= 0) found(static_cast<int32_t>(top.place), left.after);
      if (heap.size() > more) std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
    if (heap.capacity() > kKeptSymbols) std::vector<Candidate>().swap(heap);
  }

  std::vector<std::string> texts_;  // bytes, of byte-level vocabularies
  std::vector<int32_t> ids_;
  TokenIndex index_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_ids_{};
  std::array<int32_t, 256> last_ids_{};  // byte-level: of a word's last byte, with the suffix
  int32_t unknown_ = -1;
  bool byte_level_ = false;
  bool ignore_merges_ = false;
  bool fuse_unknown_ = false;
  std::string prefix_;
  std::string suffix_;
};

}  // namespace

Result<std::shared_ptr<const TokenModel>> make_bpe_model(const TokenizerConfig& config) {
  return BpeModel::build(config);
}

}  // namespace headrace
