// FramedTokenizer: what all tokenizers with a vocabulary share: special tokens around one text and
// around a pair, and the way back from ids to text. A model's own class adds encode() and
// encode_ids().
//
// Owns: its vocabulary's strings and templates. Threads: const after frame(). Errors: frame().
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_decoder.h"
#include "transform/tokenizer_index.h"

namespace headrace {

class FramedTokenizer : public Tokenizer {
 public:
  void encode_with_special(std::string_view text, Encoding& out) const final;
  void encode_pair(std::string_view first, std::string_view second, Encoding& out) const final;
  std::string decode(std::span<const int32_t> ids, bool skip_special) const final;
  size_t special_count() const final { return special_before_.size() + special_after_.size(); }
  size_t vocabulary_size() const final { return tokens_.size(); }
  std::string_view token(int32_t id) const final;
  int32_t id_of(std::string_view token) const final;

 protected:
  // Takes what it needs out of `config`. `normalized` are the added tokens that look otherwise in
  // normalized text, as (id, what they look like).
  Status frame(TokenizerConfig& config, std::vector<std::pair<int32_t, std::string>> normalized);

  std::span<const int32_t> special_before() const { return special_before_; }
  std::span<const int32_t> special_after() const { return special_after_; }
  // A text cut to `limit` of its `count` ids ends as a whole one does: the last of them give way to
  // the special tokens that come after a text.
  void end_cut(size_t count, size_t limit, std::vector<int32_t>& out) const;
  // encode_ids() where texts lose their beginning: the whole text's ids, then cut.
  size_t encode_ending(std::string_view text, size_t limit, std::vector<int32_t>& out) const;

 private:
  void put_special(const TemplatePart& part, bool typed, Encoding& out) const;
  void put_template(const std::vector<TemplatePart>& parts, std::string_view first,
                    std::string_view second, bool typed, Encoding& out) const;

  std::vector<TemplatePart> single_;
  std::vector<TemplatePart> pair_;
  std::vector<int32_t> special_before_;  // of one text
  std::vector<int32_t> special_after_;
  std::vector<VocabularyEntry> tokens_;  // by id
  TokenIndex index_;
  std::vector<std::pair<int32_t, std::string>> normalized_;  // by id
  std::vector<std::string> special_;                         // contents, sorted
  TokenDecoder decoder_;
};

}  // namespace headrace
