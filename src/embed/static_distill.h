// Distillation: a static model from an encoder. Every token of the vocabulary goes through the
// encoder alone; the vectors are turned to their principal axes, of which the strongest stay, and
// weighted down by how common the token is (vocabularies are ordered by frequency, and frequencies
// follow Zipf's law).
//
// Threads: uses the pool given; the result does not depend on how many threads it has. Errors:
// those of the encoder; cancelled.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/encoder.h"
#include "embed/static_model.h"
#include "runtime/cancel.h"
#include "runtime/thread_pool.h"

namespace headrace::embed {

inline constexpr uint32_t kStaticDimension = 256;

// What distillation needs to know of the tokenizer.
struct DistillVocabulary {
  std::vector<int32_t> before;  // special ids before a text and after it
  std::vector<int32_t> after;
  std::vector<uint8_t> used;  // by id; 0: never part of a text (special, unknown, unused tokens)
};

Result<StaticTable> distill_static(const Encoder& encoder, const DistillVocabulary& vocabulary,
                                   ThreadPool& pool, const CancelToken* cancel);

// What a distilled table depends on: the recipe and the bytes of the model's files. Cheap beside
// loading the model: one pass over them.
Result<std::string> distill_identity(const ModelFiles& files);

}  // namespace headrace::embed
