// StaticModel: one vector for each token of a vocabulary; a text's vector is the mean of its
// tokens'. No layers: hundreds of times faster than a transformer and a good deal less exact.
//
// Two origins: a folder in Model2Vec's layout (model.safetensors with "embeddings" and perhaps
// "weights" and "mapping", config.json with "normalize"), or a table distilled from an encoder
// (static_distill.h) and kept in a file (docs/formats/static.md).
//
// Owns: the table, as halves with the token weights multiplied in. Threads: const and safe from any
// thread. Errors: not_found, damaged, unsupported, naming the file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "embed/kernels.h"
#include "embed/model_store.h"
#include "env/file_system.h"

namespace headrace::embed {

// The table as it is made and as it is stored.
struct StaticTable {
  uint32_t dimension = 0;
  uint32_t rows = 0;
  bool normalize = true;
  std::vector<Half> values;   // [rows, dimension], weighted
  std::vector<uint8_t> used;  // a row that is not used says nothing: special and unknown tokens

  // `identity` says what the table was made from; decode() refuses another one's.
  std::string encode(std::string_view identity) const;
  static Result<StaticTable> decode(std::string_view bytes, std::string_view identity,
                                    std::string_view path);
};

// Whether a model folder holds a static model instead of layers.
bool is_static_folder(const std::string& directory);
Result<uint32_t> static_folder_dimension(const std::string& directory);
// Reads such a folder. `skipped` are ids without a say (the unknown token).
Result<StaticTable> read_static_folder(const ModelFiles& files, std::span<const int32_t> skipped,
                                       std::string& fingerprint);

// Tables that were distilled are kept in a folder of the user's cache: $HEADRACE_CACHE ("off":
// none), else $XDG_CACHE_HOME/headrace, else ~/.cache/headrace; empty when there is none.
std::string cache_folder();
// not_found when it is not there; damaged when it cannot be used (then it is made again).
Result<StaticTable> load_static_table(FileSystem& files, const std::string& folder,
                                      const std::string& identity);
// Whole or not at all, also when several processes write the same one.
Status save_static_table(FileSystem& files, const std::string& folder, const std::string& identity,
                         const StaticTable& table);

class StaticModel {
 public:
  explicit StaticModel(StaticTable table);
  uint32_t dimension() const { return dimension_; }
  uint32_t rows() const { return rows_; }
  bool normalized() const { return normalize_; }

  // The vector of a text from its token ids, special ones left out; ids beyond the table say
  // nothing. A text of which no token says anything gets the axis of least meaning, because a
  // vector of zeros has no direction to compare.
  void embed(std::span<const int32_t> ids, std::span<float> out) const;

 private:
  uint32_t dimension_;
  uint32_t rows_;
  bool normalize_;
  size_t stride_;
  std::vector<Half> values_;
  std::vector<uint8_t> used_;
  const Kernels& kernels_;
};

}  // namespace headrace::embed
