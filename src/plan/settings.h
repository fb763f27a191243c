// Settings: what a knowledge base remembers about how it was made (stored in its manifest as JSON),
// so that later runs and searches need not be told again.
//
// Threads: a value. Errors: damaged for settings that cannot be read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "transform/chunker.h"
#include "transform/tokenizer.h"

namespace headrace {

// A space whose vectors a model of ours makes.
struct ModelSpace {
  std::string name;
  std::string model;  // as given to --model
};

// What the names of files are relative to, so that a file has one name whatever way it is named.
struct SourceRoot {
  struct Link {
    std::string name;   // as sources begin
    std::string place;  // where that lies, other than its name says
    bool operator==(const Link&) const = default;
  };
  std::string folder;          // of relative names; empty: not known
  std::string knowledge_base;  // where that lay when `folder` was noted
  std::vector<Link> links;
  bool operator==(const SourceRoot&) const = default;
};

struct Settings {
  std::string model;               // of the main space, as given to --model; empty: none
  std::string precision = "fp32";  // of that model's arithmetic; further spaces have fp32
  uint32_t dimensions = 0;         // its vectors are cut to so many; 0: all, as in further spaces
  std::string main_space = "default";
  std::vector<ModelSpace> further_spaces;  // in the order in which they were added
  uint32_t chunk_tokens = 256;
  uint32_t overlap = 32;
  bool embed_headings = false;  // a row's vector is of its heading path too
  std::string language = "en";
  bool own_vectors = false;  // made by hr.open(path, model=None, dimension=…)
  bool integer_ids = true;   // every id so far was an integer (own vectors)
  SourceRoot sources;

  // The spaces that are kept filled, the main one first.
  std::vector<ModelSpace> model_spaces() const;
  void add_space(const ModelSpace& space);  // again is fine
  // Without its main space the next one takes its place, one that is exact before a static one.
  void drop_space(const std::string& name);

  std::string to_json() const;
  static Result<Settings> from_json(const std::string& json);
  ChunkOptions chunk_options() const;
  // Changes whenever the same bytes would give other rows: stored with each document.
  std::string row_fingerprint(const std::string& tokenizer) const;
};

// A row that was added as an id and a vector is kept without what follows from these: its id, and
// where its text stands. Puts them in, as hits and exports show them.
void complete_own_row(Row& row, const Settings& settings);

// The same for tokenizers that cut texts alike, whatever model they come with: a model can be
// replaced by another of the same tokenizer without cutting everything again.
std::string tokenizer_fingerprint(const Tokenizer& tokenizer);

}  // namespace headrace
