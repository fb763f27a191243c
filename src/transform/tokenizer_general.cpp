#include "transform/tokenizer_general.h"

#include <algorithm>

#include "base/check.h"

namespace headrace {
namespace {

struct PlacedSink {
  Encoding& out;
  void put(const PlacedToken& token) {
    out.ids.push_back(token.id);
    out.begins.push_back(token.begin);
    out.ends.push_back(token.end);
    ++count;
  }
  size_t count = 0;
};

struct CountingSink {
  std::vector<int32_t>& out;
  size_t limit;
  void put(const PlacedToken& token) { put(token.id); }
  void put(int32_t id) {
    if (count < limit) out.push_back(id);
    ++count;
  }
  size_t count = 0;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> GeneralTokenizer::build(TokenizerConfig config) {
  HR_ASSIGN(AddedTokens added, raw_added_tokens(config));
  HR_ASSIGN(TextPipeline pipeline, TextPipeline::build(config));
  auto out = std::make_shared<GeneralTokenizer>(std::move(added), std::move(pipeline));
  HR_TRY(out->frame(config, out->pipeline_.normalized()));
  return out;
}

template <typename Sink>
void GeneralTokenizer::encode_into(std::string_view text, Sink& sink) const {
  HR_CHECK(text.size() <= UINT32_MAX, "offsets have 32 bits");
  std::vector<PlacedToken> tokens;
  added_.split(
      text,
      [&](size_t begin, size_t end) {
        tokens.clear();
        pipeline_.encode(text, begin, end, TextPipeline::Place::begins, sink.count == 0, tokens);
        for (const PlacedToken& token : tokens) sink.put(token);
      },
      [&](const AddedTokens::Match& match) {
        PlacedToken token{match.id, static_cast<uint32_t>(match.begin),
                          static_cast<uint32_t>(match.end)};
        pipeline_.trim().apply(text, text.substr(match.begin, match.end - match.begin),
                               sink.count == 0, token);
        sink.put(token);
      });
}

void GeneralTokenizer::encode(std::string_view text, Encoding& out) const {
  PlacedSink sink{out};
  encode_into(text, sink);
}

size_t GeneralTokenizer::encode_ids(std::string_view text, size_t limit,
                                    std::vector<int32_t>& out) const {
  CountingSink sink{out, limit == 0 ? SIZE_MAX : limit};
  for (const int32_t id : special_before()) sink.put(id);
  // Trimming asks whether a token is the first of its text, but ids do not depend on it.
  encode_into(text, sink);
  for (const int32_t id : special_after()) sink.put(id);
  return sink.count;
}

}  // namespace headrace
