// The BPE model: a word's symbols (bytes or characters), merged pair by pair, best rank first, and
// the leftmost of equal ranks, as Hugging Face `tokenizers` merges them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "base/hash.h"
#include "base/utf8.h"
#include "transform/tokenizer_bytes.h"
#include "transform/tokenizer_index.h"
#include "transform/tokenizer_merges.h"
#include "transform/tokenizer_model.h"

namespace headrace {
namespace {

constexpr size_t kKeptSymbols = 65'536;
constexpr uint32_t kNoSymbol = UINT32_MAX;
constexpr std::string_view kBlank = "\u2581";

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
    Scratch& scratch = thread_scratch();
    if (ignore_merges_ ? prepare(word, hash64(word), scratch, 0)
                       : prepare_merges(word, scratch, 0)) {
      scratch.words[0].merge(merges_);
      return put(scratch.words[0], out);
    }
    std::vector<Symbol>& symbols = scratch.symbols;
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

  void tokenize_words(std::span<const std::string_view> words, std::vector<ModelToken>& out,
                      std::vector<WordEnd>& ends) const override {
    Scratch& scratch = thread_scratch();
    size_t waiting = 0;
    const auto finish = [&] {
      merge_words({scratch.words.data(), waiting}, merges_);
      for (size_t i = 0; i < waiting; ++i) {
        put(scratch.words[i], out);
        ends.push_back({static_cast<uint32_t>(out.size()), false});
      }
      waiting = 0;
    };
    if (ignore_merges_) {
      scratch.hashes.clear();
      for (const std::string_view word : words) {
        scratch.hashes.push_back(hash64(word));
        index_.prefetch(scratch.hashes.back());
      }
    }
    for (size_t i = 0; i < words.size(); ++i) {
      const std::string_view word = words[i];
      const bool is_short = ignore_merges_ ? prepare(word, scratch.hashes[i], scratch, waiting)
                                           : prepare_merges(word, scratch, waiting);
      if (is_short) {
        if (++waiting == scratch.words.size()) finish();
        continue;
      }
      finish();
      tokenize(word, out);
      ends.push_back({static_cast<uint32_t>(out.size()), false});
    }
    finish();
  }

 private:
  struct Scratch {
    std::array<ShortWord, 16> words;
    std::vector<Symbol> symbols;
    std::vector<uint64_t> hashes;  // of the words in hand, where whole ones are looked up
  };
  // Not on the stack: the compiler would clear it for every word.
  static Scratch& thread_scratch() {
    thread_local Scratch scratch;
    return scratch;
  }

  auto name() const {
    return [this](uint32_t place) -> std::string_view { return texts_[place]; };
  }

  // Makes scratch.words[place] of `word`; false: it is long, and its symbols are in
  // scratch.symbols.
  bool prepare(std::string_view word, uint64_t hash, Scratch& scratch, size_t place) const {
    const uint32_t whole = index_.find(word, hash, name());
    if (whole == TokenIndex::kNone) return prepare_merges(word, scratch, place);
    ShortWord& made = scratch.words[place];
    made.clear();
    made.add(symbols_[whole], 0, static_cast<uint32_t>(word.size()));
    return true;
  }
  // The same of a word that is not looked up as a whole.
  bool prepare_merges(std::string_view word, Scratch& scratch, size_t place) const {
    ShortWord& made = scratch.words[place];
    made.clear();
    if (!pairs_.empty() && word.size() <= ShortWord::kSymbolsMax) {
      if (byte_level_ ? add_bytes(word, made) : add_plain(word, made)) return true;
    }
    std::vector<Symbol>& symbols = scratch.symbols;
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
    if (symbols.size() > ShortWord::kSymbolsMax) return false;
    made.clear();
    for (size_t i = 0; i < symbols.size(); ++i) {
      made.add(symbols[i].value, i == 0 ? 0 : merges_.rank(symbols[i - 1].value, symbols[i].value),
               symbols[i].length);
    }
    return true;
  }

  // A word of a vocabulary that knows all bytes.
  bool add_bytes(std::string_view word, ShortWord& made) const {
    const uint32_t* pairs = pairs_.data();
    uint8_t before = 0;
    for (const char c : word) {
      const auto byte = static_cast<uint8_t>(c);
      made.add(bytes_[byte], pairs[size_t{before} << 8 | byte], 1);
      before = byte;
    }
    return true;
  }

  // A word of known ASCII characters that may begin with SentencePiece's blank, which has the place
  // of NUL in the tables; false: it is no such word.
  bool add_plain(std::string_view word, ShortWord& made) const {
    const uint32_t* pairs = pairs_.data();
    uint8_t before = 0;
    size_t at = 0;
    if (word.starts_with(kBlank) && characters_[0] != kNoSymbol) {
      made.add(characters_[0], 0, static_cast<uint32_t>(kBlank.size()));
      at = kBlank.size();
    }
    for (; at < word.size(); ++at) {
      const auto byte = static_cast<uint8_t>(word[at]);
      if (byte == 0 || byte >= 0x80 || characters_[byte] == kNoSymbol) return false;
      made.add(characters_[byte], pairs[size_t{before} << 7 | byte], 1);
      before = byte;
    }
    return true;
  }

  void put(const ShortWord& word, std::vector<ModelToken>& out) const {
    const int32_t* ids = ids_.data();
    word.each([&](uint32_t symbol, uint32_t from, uint32_t to) {
      out.push_back({ids[symbol], from, to});
    });
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
    byte_level_ = config.reads_bytes;
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
    if (byte_level_ && all_bytes && suffix_.empty()) fill_pairs(8, bytes_);
    if (!byte_level_ && prefix_.empty() && suffix_.empty()) {
      characters_[0] = find(kBlank);
      fill_pairs(7, characters_);
    }
    return {};
  }

  void fill_pairs(int bits, std::span<const uint32_t> symbols) {
    pairs_.resize(symbols.size() << bits);
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const uint32_t left = symbols[i >> bits];
      const uint32_t right = symbols[i & ((size_t{1} << bits) - 1)];
      const bool known = left != kNoSymbol && right != kNoSymbol;
      pairs_[i] = known ? merges_.rank(left, right) : MergeTable::kNoRank;
    }
  }

  Status fill_merges(const TokenizerConfig& config) {
    if (!merges_.reserve(ids_.size(), config.merges.size())) {
      return fail(ErrorCode::too_large,
                  fmt::format("{}: model has more than {} tokens or {} merges", config.path,
                              MergeTable::kSymbolsMax, MergeTable::kMergesMax));
    }
    for (const auto& [left, right] : config.merges) {
      // Of these at least one is in no text.
      if (byte_level_ && (texts_[left].starts_with('\xFF') || texts_[right].starts_with('\xFF'))) {
        continue;
      }
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
      const bool plain = text.size() == 1 && byte > 0 && byte < 0x80;
      const uint32_t known = plain ? characters_[byte] : find(text);
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
  // Ranks of two bytes, or of two of characters_; empty: bytes are unknown, or words are decorated.
  std::vector<uint32_t> pairs_;
  std::array<uint32_t, 256> bytes_{};
  std::array<uint32_t, 256> last_bytes_{};  // byte-level: of a word's last byte, with the suffix
  std::array<uint32_t, 128> characters_{};  // of one ASCII character; of NUL: see add_plain()
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
