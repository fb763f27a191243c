#include "plan/long_texts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

namespace headrace {

namespace {

// How much of a text is tokenised at once. A window that would end at the end of a piece is left
// to the next one, so pieces do not show in the result unless a window is longer than a piece.
constexpr size_t kPieceBytes = 256UL << 10;

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// The last token index in (begin, limit] before which a word ends, looked for in the last quarter.
size_t cut_before(const Encoding& tokens, size_t begin, size_t limit) {
  const size_t earliest = begin + (limit - begin) * 3 / 4;
  for (size_t i = limit; i > earliest; --i) {
    if (tokens.begins[i] > tokens.ends[i - 1]) return i;
  }
  return limit;
}

class WindowedModel final : public VectorModel {
 public:
  explicit WindowedModel(std::shared_ptr<const VectorModel> model) : model_(std::move(model)) {}

  const VectorModelInfo& info() const override { return model_->info(); }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return model_->tokenizer(); }

  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                           ThreadPool& pool) const override;

 private:
  size_t window_tokens(EmbedPurpose purpose) const;

  std::shared_ptr<const VectorModel> model_;
};

// What is left for text beside special tokens and the prompt.
size_t WindowedModel::window_tokens(EmbedPurpose purpose) const {
  const VectorModelInfo& known = info();
  const std::string& prompt = prompt_for(known, purpose);
  size_t taken = tokenizer()->special_count();
  if (!prompt.empty()) {
    Encoding encoded;
    tokenizer()->encode(prompt, encoded);
    taken += encoded.ids.size();
  }
  return known.tokens_max > taken + 1 ? known.tokens_max - taken : 1;
}

// The weighted average of `windows` rows of `vectors`, over the row of the first.
void average(std::span<const float> vectors, std::span<const TextWindow> windows, bool normalized,
             std::span<float> out) {
  std::vector<double> sum(out.size(), 0.0);
  double weights = 0;
  for (size_t w = 0; w < windows.size(); ++w) {
    const auto weight = static_cast<double>(std::max<size_t>(windows[w].tokens, 1));
    weights += weight;
    for (size_t i = 0; i < out.size(); ++i) sum[i] += weight * vectors[w * out.size() + i];
  }
  double scale = weights;
  if (normalized) {
    double square = 0;
    for (const double value : sum) square += value * value;
    scale = std::sqrt(square);
  }
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = scale > 0 ? static_cast<float>(sum[i] / scale) : 0.0F;
}

Result<Embeddings> WindowedModel::embed(std::span<const std::string> texts,
                                        const EmbedOptions& options, ThreadPool& pool) const {
  const size_t limit = window_tokens(options.purpose);
  std::vector<std::vector<TextWindow>> windows(texts.size());
  pool.parallel_for(texts.size(), [&](size_t i) {
    // A token is at least a byte, so most texts need no look.
    if (texts[i].size() <= limit) {
      windows[i] = {{0, texts[i].size(), 1}};
    } else {
      windows[i] = text_windows(*tokenizer(), texts[i], limit);
    }
  });
  const size_t dimension = info().dimension;
  Embeddings result;
  result.values.resize(texts.size() * dimension);
  EmbedOptions of_windows = options;
  of_windows.keep = nullptr;        // a window is no text
  std::map<size_t, Error> refused;  // windows of the group
  if (options.refuse) {
    of_windows.refuse = [&](size_t window, const Error& why) { refused.try_emplace(window, why); };
  }
  // A long text has many windows: they are embedded in groups, so that memory follows the texts.
  constexpr size_t kGroupWindows = 4096;
  size_t first = 0;
  while (first < texts.size()) {
    std::vector<std::string> pieces;
    size_t last = first;
    while (last < texts.size() &&
           (last == first || pieces.size() + windows[last].size() <= kGroupWindows)) {
      for (const TextWindow& window : windows[last])
        pieces.push_back(texts[last].substr(window.begin, window.end - window.begin));
      ++last;
    }
    refused.clear();
    HR_ASSIGN(const Embeddings part, model_->embed(pieces, of_windows, pool));
    result.add_counts(part);
    // Windows that are alike are no texts that were known: whoever calls counts those.
    result.reused = 0;
    size_t row = 0;
    for (size_t i = first; i < last; ++i) {
      const std::span<float> out = std::span(result.values).subspan(i * dimension, dimension);
      const std::span<const float> rows =
          std::span(part.values).subspan(row * dimension, windows[i].size() * dimension);
      if (windows[i].size() == 1) {
        std::ranges::copy(rows, out.begin());
      } else {
        average(rows, windows[i], info().normalized, out);
      }
      const auto found = refused.lower_bound(row);
      row += windows[i].size();
      if (found != refused.end() && found->first < row) {
        std::ranges::fill(out, 0.0F);
        options.refuse(i, found->second);
      } else if (windows[i].size() > 1) {
        result.longer.push_back(static_cast<uint32_t>(i));
      }
    }
    first = last;
  }
  result.windowed = result.longer.size();
  return result;
}

}  // namespace

std::vector<TextWindow> text_windows(const Tokenizer& tokenizer, std::string_view text,
                                     size_t tokens_max) {
  std::vector<TextWindow> windows;
  tokens_max = std::max<size_t>(tokens_max, 1);
  Encoding tokens;
  size_t at = 0;  // where the next window begins
  while (at < text.size()) {
    size_t piece = std::min(text.size() - at, std::max(kPieceBytes, tokens_max * 16));
    while (at + piece < text.size() && is_continuation(text[at + piece])) --piece;
    const bool is_last = at + piece == text.size();
    tokens.clear();
    tokenizer.encode(text.substr(at, piece), tokens);
    size_t begin = 0;
    size_t begin_byte = 0;
    while (tokens.ids.size() - begin > tokens_max) {
      const size_t cut = cut_before(tokens, begin, begin + tokens_max);
      // A token may share its bytes with the next (an unknown word's pieces): never go back.
      const size_t cut_byte = std::max<size_t>(tokens.begins[cut], begin_byte + 1);
      windows.push_back({at + begin_byte, at + cut_byte, cut - begin});
      begin = cut;
      begin_byte = cut_byte;
    }
    if (is_last || begin == 0) {
      windows.push_back({at + begin_byte, at + piece, tokens.ids.size() - begin});
      begin_byte = piece;
    }
    at += begin_byte;
  }
  if (windows.empty()) windows.push_back({0, 0, 0});
  return windows;
}

std::shared_ptr<const VectorModel> with_windows(std::shared_ptr<const VectorModel> model) {
  if (model->info().tokens_max == 0) return model;
  return std::make_shared<const WindowedModel>(std::move(model));
}

}  // namespace headrace
