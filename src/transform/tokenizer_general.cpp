#include "transform/tokenizer_general.h"

#include <simdjson.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <span>

#include "base/check.h"
#include "base/utf8.h"
#include "transform/tokenizer_cache.h"
#include "transform/tokenizer_sinks.h"

namespace headrace {
namespace {

constexpr size_t kTextMax = size_t{1} << 30;  // a bad byte becomes three
constexpr size_t kHeadBytes = 256;            // where the first word of a prefixed piece must end

}  // namespace

Result<std::shared_ptr<const Tokenizer>> GeneralTokenizer::build(TokenizerConfig config) {
  static std::atomic<uint64_t> last_serial = 0;
  HR_ASSIGN(AddedTokens added, raw_added_tokens(config));
  HR_ASSIGN(TextPipeline pipeline, TextPipeline::build(config));
  auto out = std::make_shared<GeneralTokenizer>(std::move(added), std::move(pipeline));
  out->serial_ = ++last_serial;
  out->choose_way(config);
  HR_TRY(out->frame(config, out->pipeline_.normalized()));
  return out;
}

void GeneralTokenizer::choose_way(const TokenizerConfig& config) {
  using Kind = PreTokenizerStep::Kind;
  spaced_ = SpacedChunks::find(config, pipeline_.normalizer());
  if (spaced_) {
    spaced_->find_plain(config, pipeline_);
    return;
  }
  const auto& steps = config.pre_tokenizers;
  if (steps.empty() || steps.back().kind != Kind::byte_level || pipeline_.has_normalized_added()) {
    return;
  }
  const bool nfc =
      config.normalizers.size() == 1 && config.normalizers[0].kind == NormalizerStep::Kind::nfc;
  if (!config.normalizers.empty() && !nfc) return;
  const PreTokenizerStep& last = steps.back();
  if (steps.size() == 1 && last.use_regex && !nfc) {
    prefix_ = last.add_prefix_space;
    bytes_ = BytePattern::known(kByteLevelPattern);
    return;
  }
  if (steps.size() != 2 || last.use_regex || last.add_prefix_space) return;
  const PreTokenizerStep& split = steps[0];
  if (split.kind != Kind::split || !split.regex) return;
  drops_gaps_ = split.behavior == SplitBehavior::removed && split.invert;
  if (!drops_gaps_ && (split.behavior != SplitBehavior::isolated || split.invert)) return;
  // The known patterns match everything, so gaps do not matter to them.
  const std::optional<BytePattern> known = BytePattern::known(split.pattern);
  if (nfc && (!known || !known->splits_lines())) return;
  nfc_ = nfc;
  bytes_ = known;
  if (bytes_) return;
  if (auto regex = TokenRegex::compile(split.pattern)) {
    regex_ = std::make_shared<const TokenRegex>(*std::move(regex));
  }
}

// Encodes one text, valid UTF-8 where a fast way is taken, into one sink.
template <typename Sink>
class GeneralTokenizer::Run {
 public:
  Run(const GeneralTokenizer& tokenizer, std::string_view text, Sink& sink)
      : tokenizer_(tokenizer),
        pipeline_(tokenizer.pipeline_),
        text_(text),
        sink_(sink),
        cache_(ChunkCache::of_thread(tokenizer.serial_)) {}

  void encode() {
    tokenizer_.added_.split(
        text_, [this](size_t begin, size_t end) { encode_piece(begin, end); },
        [this](const AddedTokens::Match& match) {
          PlacedToken token{match.id, static_cast<uint32_t>(match.begin),
                            static_cast<uint32_t>(match.end)};
          pipeline_.trim().apply(text_, text_.substr(match.begin, match.end - match.begin),
                                 sink_.empty(), token);
          sink_.put(token);
        });
  }

 private:
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
      if (end - begin >= BytePattern::kBlock && !(trims && (begin == 0 || sink_.empty()))) {
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
    Waiting waiting(*this);
    for (; starts != 0; starts &= starts - 1) {
      const auto to = static_cast<size_t>(std::countr_zero(starts));
      waiting.add(at + from, at + to);
      from = to;
    }
    waiting.flush();
    return from;
  }

  void word(size_t begin, size_t end, bool trims) {
    if (trims && (begin == 0 || sink_.empty())) [[unlikely]] {
      tokens_.clear();
      pipeline_.encode_word(text_, begin, end, sink_.empty(), tokens_);
      for (const PlacedToken& token : tokens_) sink_.put(token);
      return;
    }
    chunk(begin, end);
  }

  void encode_spaced(size_t begin, size_t end) {
    size_t from = begin;
    if (!tokenizer_.spaced_->may_begin(text_.substr(begin, end - begin), pipeline_.normalizer())) {
      return encode_slowly(begin, end, {});
    }
    Waiting waiting(*this);
    tokenizer_.spaced_->each_cut(text_, begin, end, [&](size_t at) {
      if (from == begin) {
        encode_slowly(from, at, {true, false, false});
      } else {
        waiting.add(from, at);
      }
      from = at;
    });
    waiting.flush();
    encode_slowly(from, end, {from == begin, true, false});
  }

  // A stretch whose tokens depend on nothing but its bytes.
  void chunk(size_t begin, size_t end) {
    const size_t size = end - begin;
    if (size <= SmallChunk::kBytesMax) [[likely]] {
      chunk(begin, end,
            ChunkCache::small_key(text_.data() + begin, size, text_.size() - begin >= 16));
    } else {
      long_chunk(begin, end);
    }
  }
  void chunk(size_t begin, size_t end, const WordKey& key) {
    if (const SmallChunk* known = cache_.find(key)) [[likely]] {
      sink_.put(*known, static_cast<uint32_t>(begin));
    } else {
      new_chunk(begin, end, key);
    }
  }

  [[gnu::noinline]] void new_chunk(size_t begin, size_t end, const WordKey& key) {
    const MediumKey medium = ChunkCache::medium_key(text_.data() + begin, end - begin);
    if (const MediumChunk* known = cache_.find(medium)) {
      sink_.put(*known, static_cast<uint32_t>(begin));
      return;
    }
    make(begin, end);
    if (!cache_.keep(key, tokens_)) cache_.keep(medium, tokens_);
    put_made(begin);
  }

  [[gnu::noinline]] void long_chunk(size_t begin, size_t end) {
    const std::string_view bytes = text_.substr(begin, end - begin);
    if (bytes.size() <= MediumChunk::kBytesMax) {
      const MediumKey key = ChunkCache::medium_key(bytes.data(), bytes.size());
      if (const MediumChunk* known = cache_.find(key)) {
        sink_.put(*known, static_cast<uint32_t>(begin));
        return;
      }
      make(begin, end);
      cache_.keep(key, tokens_);
    } else if (bytes.size() > ChunkCache::kLongBytesMax) {
      make(begin, end);
    } else if (std::span<const PlacedToken> known; cache_.find_long(bytes, known)) {
      tokens_.assign(known.begin(), known.end());
    } else {
      make(begin, end);
      cache_.keep_long(bytes, tokens_);
    }
    put_made(begin);
  }

  void put_made(size_t begin) {
    for (PlacedToken token : tokens_) {
      token.begin += static_cast<uint32_t>(begin);
      token.end += static_cast<uint32_t>(begin);
      sink_.put(token);
    }
  }

  // Fills tokens_, with offsets relative to the stretch.
  void make(size_t begin, size_t end) {
    tokens_.clear();
    if (tokenizer_.spaced_) {
      const size_t plain = tokenizer_.spaced_->plain_from(text_.substr(begin, end - begin));
      if (plain > 0) {
        const TextPipeline::Lead lead = tokenizer_.spaced_->lead(text_, begin + plain);
        pipeline_.encode_plain(text_, begin + plain, end, lead, tokens_);
      } else {
        pipeline_.encode(text_, begin, end, {false, false, false}, tokens_);
      }
    } else {
      pipeline_.encode_word(text_, begin, end, false, tokens_);
    }
    for (PlacedToken& token : tokens_) {
      token.begin -= static_cast<uint32_t>(begin);
      token.end -= static_cast<uint32_t>(begin);
    }
  }

  // Stretches whose places in the table are on their way to the processor's cache.
  class Waiting {
   public:
    explicit Waiting(Run& run) : run_(run) {}
    void add(size_t begin, size_t end) {
      begins_[count_] = begin;
      ends_[count_] = end;
      if (end - begin <= SmallChunk::kBytesMax) [[likely]] {
        keys_[count_] = ChunkCache::small_key(run_.text_.data() + begin, end - begin,
                                              run_.text_.size() - begin >= 16);
        run_.cache_.prefetch(keys_[count_]);
      }
      if (++count_ == kMost) flush();
    }
    void flush() {
      for (size_t i = 0; i < count_; ++i) {
        if (ends_[i] - begins_[i] <= SmallChunk::kBytesMax) [[likely]] {
          run_.chunk(begins_[i], ends_[i], keys_[i]);
        } else {
          run_.long_chunk(begins_[i], ends_[i]);
        }
      }
      count_ = 0;
    }

   private:
    static constexpr size_t kMost = 16;
    Run& run_;
    size_t count_ = 0;
    size_t begins_[kMost];
    size_t ends_[kMost];
    WordKey keys_[kMost];
  };

  const GeneralTokenizer& tokenizer_;
  const TextPipeline& pipeline_;
  std::string_view text_;
  Sink& sink_;
  ChunkCache& cache_;
  std::vector<PlacedToken> tokens_;
};

namespace {

// `text` with bad bytes as U+FFFD, and how to come back.
class Sanitized {
 public:
  explicit Sanitized(std::string_view text) {
    text_.reserve(text.size() + 64);
    for (size_t at = 0; at < text.size();) {
      const size_t good = valid_utf8_prefix(text.substr(at));
      text_.append(text.substr(at, good));
      at += good;
      if (at == text.size()) break;
      text_ += "\xEF\xBF\xBD";
      ++at;
      shifts_.push_back({static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(at)});
    }
  }
  const std::string& text() const { return text_; }

  uint32_t original(uint32_t place) const {
    const auto after =
        std::upper_bound(shifts_.begin(), shifts_.end(), place,
                         [](uint32_t value, const Shift& shift) { return value < shift.here; });
    if (after == shifts_.begin()) return place;
    return (after - 1)->there + (place - (after - 1)->here);
  }

 private:
  struct Shift {
    uint32_t here;
    uint32_t there;
  };
  std::string text_;
  std::vector<Shift> shifts_;  // the ends of bad bytes
};

}  // namespace

void GeneralTokenizer::encode(std::string_view text, Encoding& out) const {
  HR_CHECK(text.size() <= kTextMax, "offsets have 32 bits");
  const bool sound = !is_fast() || simdjson::validate_utf8(text.data(), text.size());
  const size_t first = out.ids.size();
  ChunkEncodingSink sink(out);
  if (sound) {
    Run<ChunkEncodingSink>(*this, text, sink).encode();
    sink.flush();
    return;
  }
  const Sanitized clean(text);
  Run<ChunkEncodingSink>(*this, clean.text(), sink).encode();
  sink.flush();
  for (size_t i = first; i < out.ids.size(); ++i) {
    out.begins[i] = clean.original(out.begins[i]);
    out.ends[i] = clean.original(out.ends[i]);
  }
}

size_t GeneralTokenizer::encode_ids(std::string_view text, size_t limit,
                                    std::vector<int32_t>& out) const {
  HR_CHECK(text.size() <= kTextMax, "offsets have 32 bits");
  ChunkIdSink sink(limit == 0 ? SIZE_MAX : limit, out);
  for (const int32_t id : special_before()) sink.put({id, 0, 0});
  if (!is_fast() || simdjson::validate_utf8(text.data(), text.size())) {
    Run<ChunkIdSink>(*this, text, sink).encode();
  } else {
    const Sanitized clean(text);
    Run<ChunkIdSink>(*this, clean.text(), sink).encode();
  }
  for (const int32_t id : special_after()) sink.put({id, 0, 0});
  sink.flush();
  end_cut(sink.count(), limit, out);
  return sink.count();
}

}  // namespace headrace
