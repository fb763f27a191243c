// GeneralTokenizer::Run: one text on its way through GeneralTokenizer, into one sink.
//
// Owns: nothing; it borrows the tokenizer, the text and the sink for one call, and the calling
// thread's cache and batch. Threads: one object, one thread. Errors: none.
#pragma once

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "transform/tokenizer_batch.h"
#include "transform/tokenizer_cache.h"
#include "transform/tokenizer_general.h"

namespace headrace {

// `text` is valid UTF-8 where a fast way is taken.
template <typename Sink>
class GeneralTokenizer::Run {
 public:
  Run(const GeneralTokenizer& tokenizer, std::string_view text, Sink& sink)
      : tokenizer_(tokenizer),
        pipeline_(tokenizer.pipeline_),
        text_(text),
        sink_(sink),
        cache_(ChunkCache::of_thread(tokenizer.serial_)),
        batch_(ChunkBatch::of_thread()) {
    batch_.clear();
  }

  void encode() {
    tokenizer_.added_.split(
        text_, [this](size_t begin, size_t end) { encode_piece(begin, end); },
        [this](const AddedTokens::Match& match) {
          flush();
          PlacedToken token{match.id, static_cast<uint32_t>(match.begin),
                            static_cast<uint32_t>(match.end)};
          pipeline_.trim().apply(text_, text_.substr(match.begin, match.end - match.begin),
                                 sink_.empty(), token);
          sink_.put(token);
        });
    flush();
  }

 private:
  static constexpr size_t kBlock = BytePattern::kBlock;
  static_assert(kBlock == SpacedChunks::kBlock);
  static constexpr size_t kKeyBytes = 16;    // that making a key reads
  static constexpr size_t kHeadBytes = 256;  // where the first word of a prefixed piece must end

  void encode_piece(size_t begin, size_t end) {
    if (tokenizer_.spaced_) return encode_spaced(begin, end);
    if (!tokenizer_.bytes_ && !tokenizer_.regex_) return encode_slowly(begin, end, {});
    if (tokenizer_.prefix_ && text_[begin] != ' ') {
      const size_t head = head_end(begin, end);
      encode_slowly(begin, head, {});
      begin = head;
    }
    if (tokenizer_.nfc_) return encode_lines(begin, end);
    encode_words(begin, end);
  }

  void encode_slowly(size_t begin, size_t end, TextPipeline::Place place) {
    flush();
    place.first = sink_.empty();
    tokens_.clear();
    pipeline_.encode(text_, begin, end, place, tokens_);
    for (const PlacedToken& token : tokens_) sink_.put(token);
  }

  // Where the first word of a piece ends that gets a space before it; all of a piece whose first
  // word is very long.
  size_t head_end(size_t begin, size_t end) const {
    std::string head = " ";
    head += text_.substr(begin, code_point_floor(text_.substr(begin, end - begin),
                                                 std::min(end - begin, kHeadBytes)));
    const size_t word = tokenizer_.bytes_->next(head, 0);
    // The pattern looks one character ahead. A word of the added space alone leaves the rest.
    if (head.size() < end - begin + 1 && word + 8 > head.size()) return end;
    return word <= 1 ? end : begin + word - 1;
  }

  void encode_lines(size_t begin, size_t end) {
    const std::string_view piece = text_.substr(begin, end - begin);
    if (is_surely_nfc(piece)) return encode_words(begin, end);
    while (begin < end) {
      size_t line = begin;
      do {
        line = text_.find('\n', line);
        line = line == std::string_view::npos ? end : std::min(line + 1, end);
      } while (line < end && !is_visible_ascii(text_[line]));
      if (is_surely_nfc(text_.substr(begin, line - begin))) {
        encode_words(begin, line);
      } else {
        encode_slowly(begin, line, {false, false, false});
      }
      begin = line;
    }
  }
  static bool is_visible_ascii(char c) { return c > ' ' && c < 0x7F; }

  void encode_words(size_t begin, size_t end) {
    const std::string_view text = text_.substr(0, end);
    // Trimming judges the first token otherwise than all that follow.
    const bool trims = !pipeline_.trim().empty();
    if (tokenizer_.regex_) {
      size_t done = begin;
      const std::string_view piece = text.substr(begin);
      tokenizer_.regex_->each_match(piece, [&](size_t from, size_t to) {
        if (done < begin + from && !tokenizer_.drops_gaps_) word(done, begin + from, trims);
        if (from < to) word(begin + from, begin + to, trims);
        done = begin + to;
      });
      if (done < end && !tokenizer_.drops_gaps_) word(done, end, trims);
      return;
    }
    const BytePattern pattern = *tokenizer_.bytes_;
    while (begin < end) {
      if (end - begin >= kBlock && !(trims && may_be_first(begin))) {
        if (const size_t done = encode_block(pattern, begin)) {
          begin += done;
          continue;
        }
      }
      const size_t next = pattern.next(text, begin);
      word(begin, next, trims);
      begin = next;
    }
  }

  // Encodes the words in the block at `at` whose ends are certain, and returns how many bytes that
  // were.
  size_t encode_block(const BytePattern& pattern, size_t at) {
    const char* block = text_.data() + at;
    if (static_cast<uint8_t>(block[1]) >= 0x80) return 0;
    uint64_t starts = pattern.starts(block);
    starts &= starts - 1;  // the first is `at` itself
    size_t from = 0;
    if (text_.size() - at >= kBlock + kKeyBytes) [[likely]]
      return put_block<false>(at, starts, 0);
    for (; starts != 0; starts &= starts - 1) {
      const auto to = static_cast<size_t>(std::countr_zero(starts));
      chunk(at + from, at + to);
      from = to;
    }
    return from;
  }

  bool may_be_first(size_t begin) {
    if (begin == 0) return true;
    if (!sink_.empty()) return false;
    flush();
    return sink_.empty();
  }

  void word(size_t begin, size_t end, bool trims) {
    if (trims && may_be_first(begin)) [[unlikely]] {
      flush();
      tokens_.clear();
      pipeline_.encode_word(text_, {begin, end}, sink_.empty(), tokens_);
      for (const PlacedToken& token : tokens_) sink_.put(token);
      return;
    }
    chunk(begin, end);
  }

  void encode_spaced(size_t begin, size_t end) {
    const SpacedChunks& spaced = *tokenizer_.spaced_;
    if (!spaced.may_begin(text_.substr(begin, end - begin), pipeline_.normalizer())) {
      return encode_slowly(begin, end, {});
    }
    SpacedChunks::Stretch found;
    spaced.find_stretch(text_, begin, end, found);
    size_t at = found.end;
    encode_slowly(begin, at, {true, at == end, false});
    while (at < end) {
      if (end - at > kBlock && text_.size() - at >= kBlock + kKeyBytes) {
        const SpacedChunks::Cuts cuts = spaced.cuts_of_block(text_, at);
        if (cuts.all != 0) {
          at += put_block<true>(at, cuts.all, cuts.stretches);
          continue;
        }
      }
      spaced.find_stretch(text_, at, end, found);
      if (found.end == end) return encode_slowly(at, end, {false, true, false});
      stretch(at, found.end, found.cuts());
      at = found.end;
    }
  }

  // The chunks that end at the bits of `ends`, of the block at `at`, wait for others. With kParts:
  // each is part of a stretch, and a bit of `stretches` is where the next of these begins. Returns
  // where the last one ends.
  template <bool kParts>
  size_t put_block(size_t at, uint64_t ends, uint64_t stretches) {
    if (batch_.count + kBlock > ChunkBatch::kMost) flush();
    const char* block = text_.data() + at;
    size_t count = batch_.count;
    size_t first = count;
    size_t from = 0;
    for (; ends != 0; ends &= ends - 1) {
      const auto to = static_cast<size_t>(std::countr_zero(ends));
      if constexpr (kParts) batch_.firsts.data()[count] = static_cast<uint32_t>(first);
      set(count++, at + from, to - from, ChunkCache::small_key(block + from, to - from));
      if constexpr (kParts) first = ((stretches >> to) & 1) != 0 ? count : first;
      from = to;
    }
    batch_.count = count;
    if (count - batch_.looked >= ChunkBatch::kAtOnce) {
      look();
      if (batch_.is_full()) flush();
    }
    return from;
  }

  // The stretch between two cuts, in parts when it may be cut inside.
  void stretch(size_t begin, size_t end, std::span<const size_t> inner) {
    if (inner.empty() || end - begin > ChunkCache::kLongBytesMax) return chunk(begin, end);
    // The parts wait together: it may turn out that they must be one.
    if (batch_.count + inner.size() >= ChunkBatch::kMost) flush();
    const size_t first = batch_.count;
    for (const size_t at : inner) {
      add(begin, at, first);
      begin = at;
    }
    add(begin, end, first);
    if (batch_.is_full()) [[unlikely]]
      flush();
  }

  // A stretch whose tokens depend on nothing but its bytes: it waits for others.
  void chunk(size_t begin, size_t end) {
    add(begin, end, batch_.count);
    if (batch_.is_full()) [[unlikely]]
      flush();
  }
  // The same for a part of a stretch whose first part is the batch's `first`.
  void add(size_t begin, size_t end, size_t first) {
    const char* p = text_.data() + begin;
    const size_t size = end - begin;
    batch_.firsts.data()[batch_.count] = static_cast<uint32_t>(first);
    set(batch_.count++, begin, size,
        text_.size() - begin >= kKeyBytes ? ChunkCache::small_key(p, size)
                                          : ChunkCache::small_key_at_end(p, size));
    if (batch_.count - batch_.looked >= ChunkBatch::kAtOnce) look();
  }
  // Where a chunk waits.
  void set(size_t i, size_t begin, size_t size, const WordKey& key) {
    batch_.begins.data()[i] = static_cast<uint32_t>(begin);
    batch_.sizes.data()[i] = static_cast<uint32_t>(size);
    batch_.keys.data()[i] = key;
    batch_.sets.data()[i] = cache_.set_of(key);
  }

  // Looks for the chunks whose places in the table have been on their way for a while.
  void look() {
    const SmallChunk** sets = batch_.sets.data();
    ChunkBatch::Missing* missing = batch_.missing.data();
    size_t count = batch_.missing_count;
    for (size_t i = batch_.looked; i < batch_.count; ++i) {
      sets[i] = ChunkCache::find(sets[i], batch_.keys.data()[i]);
      missing[count].place = static_cast<uint32_t>(i);
      count += sets[i] == nullptr ? 1 : 0;
    }
    batch_.missing_count = count;
    batch_.looked = batch_.count;
  }

  // Puts the tokens of all chunks that wait.
  [[gnu::noinline]] void flush() {
    look();
    const SmallChunk** sets = batch_.sets.data();
    const std::span<ChunkBatch::Missing> all(batch_.missing.data(), batch_.missing_count);
    if (!all.empty()) find_missing(all);
    const ChunkBatch::Missing* next = all.data();
    for (size_t i = 0; i < batch_.count; ++i) {
      if (sets[i]) [[likely]] {
        sink_.put(*sets[i], batch_.begins.data()[i]);
      } else {
        put_missing(*next++);
      }
    }
    if (!all.empty()) keep_made(all);
    batch_.clear();
  }

  size_t begin_of(const ChunkBatch::Missing& chunk) const { return batch_.begins[chunk.place]; }
  std::string_view bytes_of(const ChunkBatch::Missing& chunk) const {
    return text_.substr(begin_of(chunk), batch_.sizes[chunk.place]);
  }

  // Looks for what is no small chunk among the others, and makes the rest.
  [[gnu::noinline]] void find_missing(std::span<ChunkBatch::Missing> all) {
    for (ChunkBatch::Missing& chunk : all) {
      const std::string_view bytes = bytes_of(chunk);
      chunk.medium = nullptr;
      if (bytes.size() > MediumChunk::kBytesMax) continue;
      chunk.key = text_.size() - begin_of(chunk) >= sizeof(MediumKey)
                      ? ChunkCache::medium_key(bytes.data(), bytes.size())
                      : ChunkCache::medium_key_at_end(bytes.data(), bytes.size());
      chunk.medium = cache_.set_of(chunk.key);
    }
    batch_.tokens.clear();
    batch_.words.clear();
    batch_.ends.clear();
    for (ChunkBatch::Missing& chunk : all) {
      chunk.made = !find(chunk);
      chunk.close = chunk.silent = false;
      chunk.whole = {};
      if (chunk.made) make(chunk);
    }
    size_t from = batch_.tokens.size();
    pipeline_.encode_words(text_, batch_.words, batch_.tokens, batch_.ends);
    size_t word = 0;
    for (ChunkBatch::Missing& chunk : all) {
      if (!chunk.made) continue;
      if (chunk.waits) {
        const WordEnd& end = batch_.ends[word++];
        chunk.from = std::exchange(from, end.tokens);
        chunk.count = end.tokens - chunk.from;
        chunk.close = end.close;
      }
      // Only now the list of tokens stays where it is.
      const std::span<PlacedToken> tokens =
          std::span(batch_.tokens).subspan(chunk.from, chunk.count);
      const auto begin = static_cast<uint32_t>(begin_of(chunk));
      for (PlacedToken& token : tokens) {
        token.begin -= begin;
        token.end -= begin;
      }
      chunk.tokens = tokens;
      chunk.close = chunk.close && tokenizer_.spaced_ && batch_.firsts[chunk.place] != chunk.place;
      if (chunk.close) join(all, chunk);
    }
  }

  // Lets `chunk`, a part that depends on those before it, put the tokens of its whole stretch.
  void join(std::span<ChunkBatch::Missing> all, ChunkBatch::Missing& chunk) {
    static constexpr SmallChunk kNothing;
    if (chunk.silent) return;
    const uint32_t first = batch_.firsts[chunk.place];
    for (ChunkBatch::Missing& other : all) {
      if (batch_.firsts[other.place] == first) other.silent = true;
    }
    chunk.silent = false;
    chunk.whole = {batch_.begins[first], batch_.begins[first]};
    for (size_t i = first; i < batch_.count && batch_.firsts[i] == first; ++i) {
      chunk.whole.end += batch_.sizes[i];
      if (batch_.sets[i]) batch_.sets[i] = &kNothing;
    }
  }

  // Whether the chunk is known.
  bool find(ChunkBatch::Missing& chunk) const {
    const std::string_view bytes = bytes_of(chunk);
    if (bytes.size() > ChunkCache::kLongBytesMax) return false;
    if (bytes.size() > MediumChunk::kBytesMax) return cache_.find_long(bytes, chunk.tokens);
    chunk.medium = ChunkCache::find(chunk.medium, chunk.key);
    if (!chunk.medium) return false;
    if (!chunk.medium->is_elsewhere()) return true;
    chunk.medium = nullptr;
    return cache_.find_long(bytes, chunk.tokens);
  }

  // Makes the chunk's tokens, or lets it wait for the model's turn.
  void make(ChunkBatch::Missing& chunk) {
    const size_t size = batch_.sizes[chunk.place];
    const ChunkBatch::Range place{begin_of(chunk), begin_of(chunk) + size};
    const std::optional<TextPipeline::Word> word = word_of(place);
    chunk.waits = word && size <= ChunkCache::kLongBytesMax;
    if (chunk.waits) return batch_.words.push_back(*word);
    chunk.close = true;
    chunk.from = batch_.tokens.size();
    make_slowly(place, word, batch_.tokens);
    chunk.count = batch_.tokens.size() - chunk.from;
  }
  // What of the text goes to the model without more steps, if it can.
  std::optional<TextPipeline::Word> word_of(const ChunkBatch::Range& place) const {
    if (!tokenizer_.spaced_) return TextPipeline::Word{place.begin, place.end};
    return tokenizer_.spaced_->plain_word(text_, place.begin, place.end);
  }
  void make_slowly(const ChunkBatch::Range& place, const std::optional<TextPipeline::Word>& word,
                   std::vector<PlacedToken>& out) const {
    if (word) {
      pipeline_.encode_word(text_, *word, false, out);
    } else {
      pipeline_.encode(text_, place.begin, place.end, {false, false, false}, out);
    }
  }

  void put_missing(const ChunkBatch::Missing& chunk) {
    const auto begin = static_cast<uint32_t>(begin_of(chunk));
    if (chunk.silent) return;
    if (chunk.whole.end > 0) {
      tokens_.clear();
      make_slowly(chunk.whole, word_of(chunk.whole), tokens_);
      for (const PlacedToken& token : tokens_) sink_.put(token);
      return;
    }
    if (chunk.medium) return sink_.put(*chunk.medium, begin);
    for (PlacedToken token : chunk.tokens) {
      token.begin += begin;
      token.end += begin;
      sink_.put(token);
    }
  }

  void keep_made(std::span<const ChunkBatch::Missing> all) {
    for (const ChunkBatch::Missing& chunk : all) {
      if (chunk.made && !chunk.close) cache_.keep(bytes_of(chunk), chunk.tokens);
    }
    cache_.grow();
    batch_.let_go();
  }

  const GeneralTokenizer& tokenizer_;
  const TextPipeline& pipeline_;
  std::string_view text_;
  Sink& sink_;
  ChunkCache& cache_;
  ChunkBatch& batch_;
  std::vector<PlacedToken> tokens_;
};

}  // namespace headrace
