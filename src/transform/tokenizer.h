// Tokenizer: text → token ids with exact offsets, the same as Hugging Face `tokenizers` gives for
// the same tokenizer.json (ids and offsets; truncation and padding settings are ignored, but for
// the side on which encode_ids() cuts).
//
// Owns: its vocabulary. Threads: a loaded Tokenizer is immutable; all methods are const and safe
// from any thread. Errors: load() says which file and which part of it cannot be used.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

// The result of encoding one text. Reused between calls so that the hot path does not allocate.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<uint32_t> begins;  // byte offset of each token's first byte in the text
  std::vector<uint32_t> ends;    // byte offset past its last byte; special tokens: 0, 0
  std::vector<int32_t> types;    // token types (segment ids); filled by encode_pair() only
  void clear() {
    ids.clear();
    begins.clear();
    ends.clear();
    types.clear();
  }
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Reads `path`: a tokenizer.json, or a folder that holds one; then its tokenizer_config.json too
  // ("truncation_side").
  static Result<std::shared_ptr<const Tokenizer>> load(const std::string& path);
  // The tokenizer used when there is no model (`--model none`), or one whose tokenizer is not
  // known. A token is four small letters of a word at most (the first may be capitals), three
  // capitals, two digits, and each other visible character, with the marks on it; a syllable of
  // Hangul is as many as it has letters. So that rows are hardly ever more tokens of a usual
  // English WordPiece model. Deterministic, needs no files.
  static std::shared_ptr<const Tokenizer> without_model();

  // What is too long loses its beginning, not its end.
  bool cuts_beginning() const { return cuts_beginning_; }
  // A hash of all that load() read: same ⇒ same tokens. Empty where nothing was read.
  const std::string& digest() const { return digest_; }

  // Appends the tokens of `text` to `out`, without special tokens. `text` may hold any bytes;
  // what is not valid UTF-8 is treated as U+FFFD, one per bad byte.
  virtual void encode(std::string_view text, Encoding& out) const = 0;
  // The same with the model's special tokens around it ([CLS] … [SEP]).
  virtual void encode_with_special(std::string_view text, Encoding& out) const = 0;
  // Only ids, only as many as `limit` (0 = all), special tokens included: for embedding. What is
  // too long loses tokens at its text's end (or beginning, see cuts_beginning()), never special
  // ones (unless `limit` has no room for them). Returns the number of tokens the whole text has,
  // special ones included.
  virtual size_t encode_ids(std::string_view text, size_t limit,
                            std::vector<int32_t>& out) const = 0;

  // Whether the text certainly has at most `tokens` tokens, without special ones; false: it may
  // have more, or only encoding tells.
  virtual bool surely_fits(std::string_view text, size_t tokens) const;

  // Appends the tokens of two texts, as a cross-encoder reads a query and a passage, with the
  // model's special tokens and token types. Offsets are into the text that the token comes from.
  virtual void encode_pair(std::string_view first, std::string_view second, Encoding& out) const;

  // The text that `ids` stand for, by the model's decoder; ids that are none are left out. Without
  // a vocabulary: empty.
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special) const;

  // How many special tokens encode_with_special adds to one text (2 for BERT).
  virtual size_t special_count() const = 0;
  virtual size_t vocabulary_size() const = 0;
  // The token's string as in the vocabulary; empty for an id that is none.
  virtual std::string_view token(int32_t id) const = 0;
  // The id of a token, added ones included; -1 when there is none.
  virtual int32_t id_of(std::string_view token) const;

 protected:
  std::string digest_;
  bool cuts_beginning_ = false;
};

// Byte offsets into `text` → offsets in Unicode code points, in place. `offsets` ascend weakly
// within each of begins/ends as encode() gives them.
void offsets_to_code_points(std::string_view text, std::vector<uint32_t>& begins,
                            std::vector<uint32_t>& ends);

}  // namespace headrace
