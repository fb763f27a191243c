// The BPE model: a word's symbols (bytes or characters), merged pair by pair, best rank first, and
// the leftmost of equal ranks, as Hugging Face `tokenizers` merges them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "transform/tokenizer_bytes.h"
#include "transform/tokenizer_index.h"
#include "transform/tokenizer_merges.h"
#include "transform/tokenizer_model.h"

namespace headrace {
namespace {

constexpr size_t kKeptSymbols = 65'536;
constexpr uint32_t kNoSymbol = UINT32_MAX;

struct Symbol {
  uint32_t value = 0;
  uint32_t length = 0;  // bytes of the word; 0: merged into the one before
  int32_t before = -1;
  int32_t after = -1;
};

// A merge that was possible when it was found.
struct Candidate {
  uint32_t rank = 0;
  uint32_t place = 0;
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
      if (const uint32_t symbol = find(word); symbol != kNoSymbol) {
        out.push_back({ids_[symbol], 0, static_cast<uint32_t>(word.size())});
        return;
      }
    }
    if (!pairs_.empty() && word.size() <= ShortWord::kSymbolsMax) return merge_bytes(word, out);
    thread_local std::vector<Symbol> symbols;
    symbols.clear();
    if (byte_level_) {
      for (size_t i = 0; i < word.size(); ++i) {
        const auto byte = static_cast<uint8_t>(word[i]);
        const uint32_t symbol = i + 1 == word.size() ? last_bytes_[byte] : bytes_[byte];
        if (symbol != kNoSymbol) add(symbols, symbol, 1);
      }
    } else {
      add_characters(word, symbols);
    }
    if (symbols.size() <= ShortWord::kSymbolsMax) return merge_few(symbols, out);
    merge_all(symbols);
    uint32_t at = 0;
    for (const Symbol& symbol : symbols) {
      if (symbol.length == 0) continue;
      out.push_back({ids_[symbol.value], at, at + symbol.length});
      at += symbol.length;
    }
    // A word of megabytes must not leave a thread with its memory for ever.
    if (symbols.capacity() > kKeptSymbols) std::vector<Symbol>().swap(symbols);
  }

 private:
  auto name() const {
    return [this](uint32_t place) -> std::string_view { return texts_[place]; };
  }
  uint32_t find(std::string_view text) const {
    const uint32_t place = index_.find(text, name());
    return place == TokenIndex::kNone ? kNoSymbol : symbols_[place];
  }

  // Numbers the ids that there are.
  void fill_symbols(const TokenizerConfig& config) {
    ids_.reserve(config.vocabulary.size());
    for (const VocabularyEntry& entry : config.vocabulary) ids_.push_back(entry.id);
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    symbols_.reserve(config.vocabulary.size());
    for (const VocabularyEntry& entry : config.vocabulary) {
      const auto at = std::lower_bound(ids_.begin(), ids_.end(), entry.id);
      symbols_.push_back(static_cast<uint32_t>(at - ids_.begin()));
    }
  }

  Status fill(const TokenizerConfig& config) {
    byte_level_ = std::any_of(
        config.pre_tokenizers.begin(), config.pre_tokenizers.end(),
        [](const auto& step) { return step.kind == PreTokenizerStep::Kind::byte_level; });
    ignore_merges_ = config.ignore_merges;
    fuse_unknown_ = config.fuse_unknown;
    prefix_ = config.continuing_prefix;
    suffix_ = config.word_suffix;
    fill_symbols(config);
    texts_.reserve(config.vocabulary.size());
    for (const VocabularyEntry& entry : config.vocabulary) {
      std::string text;
      // What no bytes stand for is never met in a text: a byte that no text holds keeps it apart.
      if (!byte_level_) {
        text = entry.token;
      } else if (!append_bytes_of_symbols(entry.token, text)) {
        text = "\xFF" + entry.token;
      }
      texts_.push_back(std::move(text));
    }
    index_.build(texts_.size(), name());
    if (!config.unknown_token.empty()) unknown_ = find(config.unknown_token);
    for (size_t byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      bytes_[byte] = byte_level_            ? find({&c, 1})
                     : config.byte_fallback ? find(byte_token(static_cast<uint8_t>(byte)))
                                            : kNoSymbol;
      last_bytes_[byte] = byte_level_ && !suffix_.empty() ? find(c + suffix_) : bytes_[byte];
      if (byte < characters_.size()) characters_[byte] = find({&c, 1});
    }
    HR_TRY(fill_merges(config));
    const bool all_bytes = std::all_of(bytes_.begin(), bytes_.end(),
                                       [](uint32_t symbol) { return symbol != kNoSymbol; });
    if (byte_level_ && all_bytes && suffix_.empty()) {
      pairs_.resize(size_t{256} * 256);
      for (size_t i = 0; i < pairs_.size(); ++i) {
        pairs_[i] = merges_.rank(bytes_[i >> 8], bytes_[i & 255]);
      }
    }
    return {};
  }

  Status fill_merges(const TokenizerConfig& config) {
    if (!merges_.reserve(ids_.size(), config.merges.size())) {
      return fail(ErrorCode::too_large,
                  fmt::format("{}: model has more than {} tokens or {} merges", config.path,
                              MergeTable::kSymbolsMax, MergeTable::kMergesMax));
    }
    for (const auto& [left, right] : config.merges) {
      std::string text = texts_[left];
      text +=
          std::string_view(texts_[right]).substr(std::min(prefix_.size(), texts_[right].size()));
      const uint32_t result = find(text);
      if (result == kNoSymbol) {
        return fail(
            ErrorCode::damaged,
            fmt::format("{}: model.merges: \"{}\" and \"{}\" make no token of the "
                        "vocabulary",
                        config.path, config.vocabulary[left].token, config.vocabulary[right].token),
            "get the tokenizer.json of the model again");
      }
      merges_.insert(symbols_[left], symbols_[right], result);
    }
    return {};
  }

  // A short word of a vocabulary that knows all bytes.
  void merge_bytes(std::string_view word, std::vector<ModelToken>& out) const {
    ShortWord symbols;
    const uint32_t* pairs = pairs_.data();
    uint8_t before = 0;
    for (const char c : word) {
      const auto byte = static_cast<uint8_t>(c);
      symbols.add(bytes_[byte], pairs[size_t{before} << 8 | byte]);
      before = byte;
    }
    symbols.merge(merges_);
    symbols.each([&](uint32_t symbol, size_t from, size_t to) {
      out.push_back({ids_[symbol], static_cast<uint32_t>(from), static_cast<uint32_t>(to)});
    });
  }

  void merge_few(const std::vector<Symbol>& found, std::vector<ModelToken>& out) const {
    ShortWord symbols;
    for (size_t i = 0; i < found.size(); ++i) {
      symbols.add(found[i].value, i == 0 ? 0 : merges_.rank(found[i - 1].value, found[i].value));
    }
    symbols.merge(merges_);
    uint32_t begin = 0;
    symbols.each([&](uint32_t symbol, size_t from, size_t to) {
      uint32_t end = begin;
      for (size_t i = from; i < to; ++i) end += found[i].length;
      out.push_back({ids_[symbol], begin, end});
      begin = end;
    });
  }

  static void add(std::vector<Symbol>& symbols, uint32_t value, uint32_t length) {
    const auto place = static_cast<int32_t>(symbols.size());
    if (place > 0) symbols.back().after = place;
    symbols.push_back({value, length, place - 1, -1});
  }

  void add_characters(std::string_view word, std::vector<Symbol>& symbols) const {
    // Unknown characters wait: those that follow may be fused with them.
    uint32_t unknown_length = 0;
    const bool decorates = !prefix_.empty() || !suffix_.empty();
    std::string decorated;
    for (size_t at = 0; at < word.size();) {
      const uint32_t length = decode_code_point(word, at).length;
      std::string_view text = word.substr(at, length);
      const bool first = at == 0;
      at += length;
      const bool last = at == word.size();
      if (decorates && ((!first && !prefix_.empty()) || (last && !suffix_.empty()))) {
        decorated = first ? "" : prefix_;
        decorated += text;
        if (last) decorated += suffix_;
        text = decorated;
      }
      const auto byte = static_cast<uint8_t>(text[0]);
      const uint32_t known = text.size() == 1 && byte < 0x80 ? characters_[byte] : find(text);
      if (known != kNoSymbol) {
        if (unknown_length > 0) add(symbols, unknown_, unknown_length);
        unknown_length = 0;
        add(symbols, known, length);
        continue;
      }
      // Bytes are put at once, even when an unknown character waits: so does the original.
      const bool bytes = std::all_of(text.begin(), text.end(), [this](char c) {
        return bytes_[static_cast<uint8_t>(c)] != kNoSymbol;
      });
      if (bytes) {
        for (const char c : text) add(symbols, bytes_[static_cast<uint8_t>(c)], 1);
        continue;
      }
      if (unknown_ == kNoSymbol) continue;
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
      const uint32_t rank = merges_.rank(symbols[static_cast<size_t>(place)].value,
                                         symbols[static_cast<size_t>(next)].value);
      if (rank != MergeTable::kNoRank) heap.push_back({rank, static_cast<uint32_t>(place)});
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
      if (merges_.rank(left.value, right.value) != top.rank) continue;
      left.value = merges_.result(top.rank);
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
  std::vector<uint32_t> symbols_;   // of each text
  std::vector<int32_t> ids_;        // of each symbol
  TokenIndex index_;
  MergeTable merges_;
  std::vector<uint32_t> pairs_;  // ranks of two bytes; empty: not byte-level, or bytes are unknown
  std::array<uint32_t, 256> bytes_{};
  std::array<uint32_t, 256> last_bytes_{};  // byte-level: of a word's last byte, with the suffix
  std::array<uint32_t, 128> characters_{};  // of one ASCII character
  uint32_t unknown_ = kNoSymbol;
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
