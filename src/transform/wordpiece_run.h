// WordPieceTokenizer::Run: one text on its way through the three paths (see wordpiece.h).
//
// Owns: nothing; it borrows the tokenizer, the text and the sink for one call, and the calling
// thread's scratch memory and cache. Threads: one object, one thread. Errors: none.
#pragma once

#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "transform/tokenizer_cache.h"
#include "transform/wordpiece.h"
#include "transform/wordpiece_normalizer.h"
#include "transform/wordpiece_scan.h"

namespace headrace {

// The normalized form of a word and where each of its bytes comes from. Grows to the longest word
// the model looks at and is reused by all texts of a thread.
struct WordScratch {
  std::string word;
  std::vector<uint32_t> begins;  // for each byte of word
  std::vector<uint32_t> ends;
  std::vector<Piece> pieces;

  // The words of a block, on their way to the processor's cache.
  struct Waiting {
    WordKey key;
    const CachedWord* places = nullptr;
    uint32_t offset = 0;
    uint32_t size = 0;
  };
  std::array<Waiting, kScanBlockBytes> waiting;
  // ASCII words of 17 to 31 bytes and up to 6 tokens, as they are once normalized. What is shorter
  // and too many tokens for the vocabulary's cache is cut as fast as it would be found.
  ChunkSets<MediumChunk> longer;
  uint64_t serial = 0;  // of the vocabulary whose words `longer` has
};

inline WordScratch& thread_scratch() {
  thread_local WordScratch scratch;
  return scratch;
}

// Encodes one text into one sink. A "piece" is a stretch between added tokens.
template <typename Sink>
class WordPieceTokenizer::Run {
 public:
  Run(const WordPieceTokenizer& tokenizer, std::string_view text, Sink& sink)
      : tokenizer_(tokenizer),
        text_(text),
        base_(text.data()),
        sink_(sink),
        scratch_(thread_scratch()),
        cache_(tokenizer.vocabulary_.thread_cache()),
        masks_(tokenizer.masks_),
        case_bit_(tokenizer.bert_.lowercase ? 0x20 : 0) {
    if (scratch_.serial == tokenizer.vocabulary_.serial()) return;
    scratch_.longer.clear();
    scratch_.serial = tokenizer.vocabulary_.serial();
  }

  void encode() {
    tokenizer_.added_.split(
        text_, [this](size_t begin, size_t end) { encode_piece(begin, end); },
        [this](const AddedTokens::Match& match) {
          sink_.put(match.id, place(match.begin), place(match.end));
        });
  }

 private:
  // A code point of an uncased or cased model, out of context.
  struct Mapped {
    UncasedClass kind;
    char32_t value;
  };

  static uint32_t place(size_t offset) { return static_cast<uint32_t>(offset); }

  void encode_piece(size_t begin, size_t end) {
    if (!tokenizer_.added_normalized_.empty()) return encode_normalized(begin, end);
    if (!tokenizer_.fast_) {
      stream_words(begin, end, false);
      return;
    }
    encode_fast(begin, end);
  }

  Mapped map(char32_t c) const {
    const BertCharacter& known = bert_character(c);
    if (tokenizer_.bert_.lowercase) {
      return {known.uncased, static_cast<char32_t>(static_cast<int32_t>(c) + known.uncased_delta)};
    }
    UncasedClass kind = UncasedClass::kWord;
    if (known.flags & BertCharacter::kOther) {
      kind = UncasedClass::kDrop;
    } else if (known.flags & BertCharacter::kWhite) {
      kind = UncasedClass::kSpace;
    } else if (known.flags & BertCharacter::kIdeograph) {
      kind = UncasedClass::kIdeograph;
    } else if (known.flags & BertCharacter::kPunctuation) {
      kind = UncasedClass::kPunctuation;
    }
    return {kind, c};
  }

  // Ways 1 and 2.
  void encode_fast(size_t begin, size_t end) {
    size_t at = begin;
    while (at < end) {
      // A key is made from 16 bytes, wherever in the block its word begins.
      if (end - at >= kScanBlockBytes && text_.size() - at >= kScanBlockBytes + kWordKeyBytes) {
        if (const size_t done = encode_block(at)) {
          at += done;
          continue;
        }
      }
      at = encode_one(at, end);
      // Where scripts other than Latin go on, blocks do not pay.
      while (at < end && static_cast<uint8_t>(base_[at]) >= 0x80) at = encode_beyond_ascii(at, end);
    }
  }

  // Encodes the words in the 64 bytes at `at` and returns how many bytes that were: up to a word
  // that leaves the block or touches something that is no plain ASCII. 0: that is the first one.
  size_t encode_block(size_t at) {
    const char* block = base_ + at;
    cache_.grow();
    const ScanBlock found = classify_block(block);
    const int first_other = std::countr_zero(found.other);  // 64: none
    size_t stop = static_cast<size_t>(first_other);
    if (stop == 0) return 0;
    stop -= static_cast<size_t>(std::countl_one(found.word << (64 - first_other)));
    if (stop == 0) return 0;
    const uint64_t kept = ~uint64_t{0} >> (64 - stop);
    const uint64_t words = found.word & kept;
    uint64_t begins = (words & ~(words << 1)) | (~(found.word | found.space) & kept);
    // All of them are asked for before the first is read.
    WordScratch::Waiting* waiting = scratch_.waiting.data();
    size_t count = 0;
    for (; begins != 0; begins &= begins - 1) {
      const auto offset = static_cast<size_t>(std::countr_zero(begins));
      const uint64_t rest = words >> offset;
      const bool is_word = rest & 1;
      // No word fills the block: the complement has a bit.
      const size_t size = static_cast<size_t>(std::countr_zero(~rest)) | (is_word ? 0 : 1);
      WordScratch::Waiting& word = waiting[count++];
      word.key = size <= kWordKeyBytes ? masks_.key(block + offset, size, is_word) : kLongKey;
      word.places = cache_.set_of(word.key);
      word.offset = static_cast<uint32_t>(offset);
      word.size = static_cast<uint32_t>(size);
    }
    for (size_t i = 0; i < count; ++i) {
      const WordScratch::Waiting& word = waiting[i];
      const CachedWord* known = WordPieceVocabulary::Cache::find(word.places, word.key);
      if (known) [[likely]] {
        sink_.put(*known, place(at + word.offset));
      } else {
        new_word(word, at + word.offset);
      }
    }
    return stop;
  }

  // No word's key: what is too long for one is looked for elsewhere.
  static constexpr WordKey kLongKey{~uint64_t{0}, ~uint64_t{0}};

  // A word of a block that the vocabulary's cache does not know.
  [[gnu::noinline]] void new_word(const WordScratch::Waiting& word, size_t at) {
    char bytes[kScanBlockBytes];
    const size_t size = word.size;
    std::memcpy(bytes, base_ + at, size);
    // A mark alone is one token, and always fits. Letters become small, digits stay.
    if (size > 1) {
      for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(bytes[i] | case_bit_);
    }
    MediumKey key;
    const bool is_longer = size > kWordKeyBytes && size <= MediumChunk::kBytesMax;
    if (is_longer) {
      key = ChunkCache::medium_key_at_end(bytes, size);
      if (const auto* known = ChunkSets<MediumChunk>::find(scratch_.longer.set_of(key), key)) {
        for (size_t i = 0; i < known->count(); ++i) {
          sink_.put(known->ids[i], place(at + known->begin(i)), place(at + known->end(i)));
        }
        return;
      }
    }
    std::vector<Piece>& pieces = scratch_.pieces;
    if (size <= kWordKeyBytes) {
      if (const auto* made = tokenizer_.vocabulary_.make(cache_, word.key, size, pieces)) {
        return sink_.put(*made, place(at));
      }
    } else {
      tokenizer_.vocabulary_.pieces({bytes, size}, pieces);
    }
    uint32_t from = 0;
    for (const Piece& piece : pieces) {
      sink_.put(piece.id, place(at) + from, place(at) + piece.end);
      from = piece.end;
    }
    if (is_longer && pieces.size() <= MediumChunk::kTokensMax) keep_longer(key, pieces);
  }
  void keep_longer(const MediumKey& key, const std::vector<Piece>& pieces) {
    PlacedToken tokens[MediumChunk::kTokensMax];
    MediumChunk chunk;
    chunk.key = key;
    uint32_t from = 0;
    for (size_t i = 0; i < pieces.size(); ++i) {
      chunk.ids[i] = pieces[i].id;
      tokens[i] = {pieces[i].id, from, pieces[i].end};
      from = pieces[i].end;
    }
    chunk.set_places({tokens, pieces.size()});
    scratch_.longer.keep(chunk);
    scratch_.longer.grow();
  }

  // One space, punctuation mark, ideograph or word at `at`. Returns where it ends.
  size_t encode_one(size_t at, size_t end) {
    const auto byte = static_cast<uint8_t>(base_[at]);
    switch (tokenizer_.kinds_.data()[byte]) {
      case Kind::kWord:
        return mapped_word(at, end);
      case Kind::kPunctuation:
        sink_.put(tokenizer_.punctuation_ids_.data()[byte], place(at), place(at + 1));
        return at + 1;
      case Kind::kBeyond:
        return encode_beyond_ascii(at, end);
      default:  // space, or a control character that clean_text removes
        return at + 1;
    }
  }

  static bool is_boundary(UncasedClass kind) {
    return kind == UncasedClass::kSpace || kind == UncasedClass::kPunctuation ||
           kind == UncasedClass::kIdeograph;
  }

  CodePoint decode(size_t at, size_t end) const { return decode_code_point({base_, end}, at); }

  // The same, where the byte at `at` is not ASCII.
  size_t encode_beyond_ascii(size_t at, size_t end) {
    const CodePoint point = decode(at, end);
    const Mapped mapped = map(point.value);
    switch (mapped.kind) {
      case UncasedClass::kSpace:
        return at + point.length;
      case UncasedClass::kPunctuation:
      case UncasedClass::kIdeograph:
        clear_word();
        append({mapped.value, place(at), place(at + point.length)});
        end_word();
        return at + point.length;
      default:
        return mapped_word(at, end);
    }
  }

  // Way 2: a word of any characters that map one by one. Returns where it ends.
  size_t mapped_word(size_t begin, size_t end) {
    clear_word();
    size_t at = begin;
    while (at < end) {
      const auto byte = static_cast<uint8_t>(base_[at]);
      if (byte < 0x80) {
        const Kind kind = tokenizer_.kinds_[byte];
        if (kind == Kind::kSpace || kind == Kind::kPunctuation) break;
        if (kind == Kind::kWord) {
          const bool upper = byte >= 'A' && byte <= 'Z';
          append({char32_t{byte} | (upper ? case_bit_ : 0u), place(at), place(at + 1)});
        }
        ++at;
        continue;
      }
      const CodePoint point = decode(at, end);
      const Mapped mapped = map(point.value);
      if (mapped.kind == UncasedClass::kComplex) return stream_words(begin, end, true);
      if (mapped.kind == UncasedClass::kWord) {
        append({mapped.value, place(at), place(at + point.length)});
      } else if (mapped.kind != UncasedClass::kDrop) {
        break;
      }
      at += point.length;
    }
    end_word();
    return at;
  }

  // Way 3 over [begin, end), or, when `one_word`, up to the first plain boundary. Returns where it
  // stopped.
  size_t stream_words(size_t begin, size_t end, bool one_word) {
    auto to_words = [this](const PlacedCharacter& c) { add_character(c); };
    BertStream stream(tokenizer_.bert_, to_words);
    clear_word();
    size_t at = begin;
    while (at < end) {
      const CodePoint point = decode(at, end);
      if (one_word && at > begin && is_boundary(map(point.value).kind)) break;
      stream.feed({point.value, place(at), place(at + point.length)});
      at += point.length;
    }
    stream.finish();
    end_word();
    return at;
  }

  // A character of the normalized text: the pre-tokenizer's splitting.
  void add_character(const PlacedCharacter& c) {
    const uint8_t flags = bert_character(c.value).flags;
    if (flags & BertCharacter::kWhite) {
      end_word();
    } else if (flags & BertCharacter::kPunctuation) {
      end_word();
      append(c);
      end_word();
    } else {
      append(c);
    }
  }

  // Added tokens that match in the normalized text need that text as a whole.
  void encode_normalized(size_t begin, size_t end) {
    std::string text;
    std::vector<PlacedCharacter> characters;  // one for each byte of `text`
    auto collect = [&text, &characters](const PlacedCharacter& c) {
      append_code_point(c.value, text);
      characters.resize(text.size(), c);
    };
    BertStream stream(tokenizer_.bert_, collect);
    for (size_t at = begin; at < end;) {
      const CodePoint point = decode(at, end);
      stream.feed({point.value, place(at), place(at + point.length)});
      at += point.length;
    }
    stream.finish();
    tokenizer_.added_normalized_.split(
        text,
        [this, &text, &characters](size_t from, size_t to) {
          clear_word();
          for (size_t i = from; i < to; i += decode_code_point(text, i).length) {
            add_character(characters[i]);
          }
          end_word();
        },
        [this, &characters](const AddedTokens::Match& match) {
          sink_.put(match.id, characters[match.begin].begin, characters[match.end - 1].end);
        });
  }

  void clear_word() {
    scratch_.word.clear();
    scratch_.begins.clear();
    scratch_.ends.clear();
    word_chars_ = 0;
  }

  void append(const PlacedCharacter& c) {
    if (word_chars_ == 0) word_begin_ = c.begin;
    word_end_ = c.end;
    // A word past the limit is unknown as a whole: no need to remember more of it.
    if (++word_chars_ > tokenizer_.vocabulary_.word_chars_max()) return;
    char bytes[4];
    const size_t size = encode_code_point(c.value, bytes);
    scratch_.word.append(bytes, size);
    if constexpr (Sink::kOffsets) {
      scratch_.begins.insert(scratch_.begins.end(), size, c.begin);
      scratch_.ends.insert(scratch_.ends.end(), size, c.end);
    }
  }

  // Emits the tokens of the word collected so far, if any, and begins a new one.
  void end_word() {
    if (word_chars_ == 0) return;
    const std::string& word = scratch_.word;
    if (word_chars_ > tokenizer_.vocabulary_.word_chars_max()) {
      sink_.put(tokenizer_.vocabulary_.unknown_id(), word_begin_, word_end_);
      return clear_word();
    }
    if (word.size() <= kWordKeyBytes && word.find('\0') == std::string::npos) {
      char bytes[kWordKeyBytes] = {};
      std::memcpy(bytes, word.data(), word.size());
      WordKey key;
      std::memcpy(&key.low, bytes, 8);
      std::memcpy(&key.high, bytes + 8, 8);
      const CachedWord* found = WordPieceVocabulary::Cache::find(cache_.set_of(key), key);
      if (!found) found = tokenizer_.vocabulary_.make(cache_, key, word.size(), scratch_.pieces);
      if (found) {
        uint32_t from = 0;
        for (size_t i = 0; i < found->count; ++i) {
          put_piece(found->ids[i], from, found->ends[i]);
          from = found->ends[i];
        }
        return clear_word();
      }
    }
    tokenizer_.vocabulary_.pieces(word, scratch_.pieces);
    uint32_t from = 0;
    for (const Piece& piece : scratch_.pieces) {
      put_piece(piece.id, from, piece.end);
      from = piece.end;
    }
    clear_word();
  }

  void put_piece(int32_t id, uint32_t from, uint32_t to) {
    if constexpr (Sink::kOffsets) {
      sink_.put(id, scratch_.begins[from], scratch_.ends[to - 1]);
    } else {
      sink_.put(id, 0, 0);
    }
  }

  const WordPieceTokenizer& tokenizer_;
  std::string_view text_;
  const char* base_;
  Sink& sink_;
  WordScratch& scratch_;
  WordPieceVocabulary::Cache& cache_;
  const ScanMasks& masks_;
  const uint8_t case_bit_;
  size_t word_chars_ = 0;
  uint32_t word_begin_ = 0;
  uint32_t word_end_ = 0;
};

}  // namespace headrace
