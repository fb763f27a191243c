// What a tokenizer.json says, checked and in plain structs.
//
// read_tokenizer_config() is the only place that sees JSON. It accepts what our tokenizers can do
// exactly as Hugging Face `tokenizers` does, and refuses everything else by name: a tokenizer that
// is nearly right would give wrong vectors without a word. Truncation, padding and decoder
// settings are skipped: they do not change how a text is split.
//
// Owns: its strings. Threads: values. Errors: unsupported (a part we do not do, named), damaged
// (not valid JSON, wrong types, missing parts), too_large, not_found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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

struct VocabularyEntry {
  std::string token;
  int32_t id = 0;
};

struct TokenizerConfig {
  std::string path;
  // The model (WordPiece).
  std::vector<VocabularyEntry> vocabulary;
  std::string unknown_token;
  std::string continuing_prefix;
  size_t word_chars_max = 100;
  // Everything off when there is no normalizer.
  BertOptions bert;
  // Ids as `tokenizers` assigns them: the model's where it knows the content, else the next free.
  std::vector<AddedToken> added_tokens;
  // What the post-processor puts before and after a single text.
  std::vector<int32_t> special_before;
  std::vector<int32_t> special_after;
};

// Largest file read; the largest known real ones have about 35 MB.
inline constexpr size_t kTokenizerFileBytesMax = size_t{256} << 20;

// Reads `path`, a tokenizer.json or a folder that holds one.
Result<TokenizerConfig> read_tokenizer_config(const std::string& path);
// The same from the file's bytes; `path` only names it in errors.
Result<TokenizerConfig> parse_tokenizer_config(const std::string& json, const std::string& path);

}  // namespace headrace
