// Settings: what a knowledge base remembers about how it was made (stored in its manifest as JSON),
// so that later runs and searches need not be told again.
//
// Threads: a value. Errors: damaged for settings that cannot be read.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace headrace {

struct Settings {
  std::string model;               // as given to --model; empty: none
  std::string precision = "fp32";  // of the model's arithmetic
  uint32_t chunk_tokens = 256;
  uint32_t overlap = 32;
  std::string language = "en";
  bool own_vectors = false;  // made by hr.open(path, model=None, dimension=…)
  bool integer_ids = true;   // every id so far was an integer (own vectors)

  std::string to_json() const;
  static Result<Settings> from_json(const std::string& json);
  // Changes whenever the same bytes would give other rows: stored with each document.
  std::string row_fingerprint(const std::string& tokenizer) const;
};

}  // namespace headrace
