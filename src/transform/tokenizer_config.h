// What a tokenizer.json says, checked and in plain structs.
//
// read_tokenizer_config() is the only place that sees JSON. It accepts what our tokenizers can do
// exactly as Hugging Face `tokenizers` does, and refuses everything else by name: a tokenizer that
// is nearly right would give wrong vectors without a word. Truncation and padding settings are
// skipped: they do not change how a text is split. Sequences are flattened.
//
// Owns: its strings. Threads: values. Errors: unsupported (a part we do not do, named), damaged
// (not valid JSON, wrong types, missing parts), too_large, not_found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace headrace {

// A token that is matched in the text before the model sees it.
struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;
  bool single_word = false;  // only between characters that make no words
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool normalized = false;   // matched in the normalized text instead of the text as given
};

// BertNormalizer, with strip_accents resolved (null follows lowercase).
struct BertOptions {
  bool clean_text = false;
  bool handle_chinese_chars = false;
  bool strip_accents = false;
  bool lowercase = false;
};

struct NormalizerStep {
  enum class Kind : uint8_t {
    bert,
    nfc,
    nfd,
    nfkc,
    nfkd,
    nmt,
    lowercase,
    strip,
    strip_accents,
    replace,
    prepend,
    precompiled,
  };
  Kind kind = Kind::nfc;
  BertOptions bert;
  bool left = false;    // strip
  bool right = false;   // strip
  bool regex = false;   // replace: `pattern` is a regular expression, else a string
  std::string pattern;  // replace
  std::string content;  // replace: the new text; prepend: what; precompiled: the decoded map
};

// What becomes of the matches of a pattern that splits.
enum class SplitBehavior : uint8_t {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous,
};

enum class PrependScheme : uint8_t { always, first, never };

struct PreTokenizerStep {
  enum class Kind : uint8_t {
    bert,
    byte_level,
    split,
    metaspace,
    whitespace,
    whitespace_split,
    digits,
    punctuation,
  };
  Kind kind = Kind::bert;
  bool add_prefix_space = false;  // byte_level
  bool use_regex = false;         // byte_level
  bool regex = false;             // split: `pattern` is a regular expression, else a string
  bool invert = false;            // split
  bool individual = false;        // digits
  bool split = true;              // metaspace
  std::string pattern;            // split; metaspace: the replacement (one character)
  SplitBehavior behavior = SplitBehavior::isolated;
  PrependScheme prepend = PrependScheme::always;
};

// A part of what a text, or a pair of texts, becomes: special tokens, or one of the texts.
struct TemplatePart {
  enum class Kind : uint8_t { special, first, second };
  Kind kind = Kind::first;
  int32_t type = 0;
  std::vector<int32_t> ids;  // special
};

struct DecoderStep {
  enum class Kind : uint8_t {
    byte_level,
    byte_fallback,
    bpe,
    fuse,
    metaspace,
    replace,
    strip,
    word_piece,
  };
  Kind kind = Kind::fuse;
  bool cleanup = false;  // word_piece
  bool regex = false;    // replace
  bool prepend = false;  // metaspace: a leading replacement was added by the encoder
  uint32_t start = 0;    // strip
  uint32_t stop = 0;     // strip
  std::string pattern;   // replace; word_piece: prefix; bpe: suffix; metaspace, strip: a character
  std::string content;   // replace
};

struct VocabularyEntry {
  std::string token;
  int32_t id = 0;
};

enum class ModelKind : uint8_t { word_piece, unigram, bpe, word_level };

struct TokenizerConfig {
  std::string path;
  std::string digest;  // of what was read
  bool cuts_beginning = false;
  ModelKind model = ModelKind::word_piece;
  std::vector<VocabularyEntry> vocabulary;  // Unigram: by id from 0
  std::string unknown_token;                // BPE: may be empty, then there is none
  // WordPiece; BPE: in merges and all symbols but a word's first.
  std::string continuing_prefix;
  size_t word_chars_max = 100;  // WordPiece
  // Unigram.
  std::vector<double> scores;  // for each entry of the vocabulary
  int32_t unknown_id = 0;
  // BPE: pairs of places in `vocabulary`, best first.
  std::vector<std::pair<uint32_t, uint32_t>> merges;
  std::string word_suffix;
  bool fuse_unknown = false;
  bool ignore_merges = false;
  bool byte_fallback = false;  // and Unigram
  // BPE behind ByteLevel that knows all bytes of valid UTF-8, so that nothing is ever unknown: it
  // can work on the bytes themselves. Others are shown the symbols that stand for them.
  bool reads_bytes = false;

  std::vector<NormalizerStep> normalizers;
  std::vector<PreTokenizerStep> pre_tokenizers;
  // Ids as `tokenizers` assigns them: the model's where it knows the content, else the next free.
  std::vector<AddedToken> added_tokens;

  // What becomes of one text and of two.
  std::vector<TemplatePart> single;
  std::vector<TemplatePart> pair;
  // Byte-level post-processors: offsets leave white space out; each entry is one pass and says
  // whether a first space is one that the encoder added.
  std::vector<bool> trims;

  bool has_decoder = false;
  std::vector<DecoderStep> decoders;
};

// Largest file read; the largest known real ones have about 35 MB.
inline constexpr size_t kTokenizerFileBytesMax = size_t{256} << 20;

// Reads `path`, a tokenizer.json or a folder that holds one; in a folder "truncation_side" of
// tokenizer_config.json wins over what tokenizer.json says, as in transformers.
Result<TokenizerConfig> read_tokenizer_config(const std::string& path);
// The same from the file's bytes; `path` only names it in errors.
Result<TokenizerConfig> parse_tokenizer_config(const std::string& json, const std::string& path);

}  // namespace headrace
