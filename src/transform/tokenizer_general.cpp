#include "transform/tokenizer_general.h"

#include <simdjson.h>

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "base/utf8.h"
#include "transform/tokenizer_run.h"
#include "transform/tokenizer_sinks.h"

namespace headrace {
namespace {

constexpr size_t kTextMax = size_t{1} << 30;  // a bad byte becomes three

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
    spaced_->find_inner_cuts(config);
    return;
  }
  const auto& steps = config.pre_tokenizers;
  if (!config.reads_bytes) return;
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
  if (cuts_beginning() && limit != 0) return encode_ending(text, limit, out);
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
