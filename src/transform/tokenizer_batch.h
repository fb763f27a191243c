// ChunkBatch: the chunks of a text that wait for each other on their way through ChunkCache.
//
// A chunk's place in the table is asked for when it is found, and read when many others have been
// asked for: the processor fetches them meanwhile. What is in no table goes to the model in one
// call, which overlaps its waiting in the same way.
//
// Owns: its lists. Threads: one object for each thread. Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "transform/tokenizer_cache.h"
#include "transform/tokenizer_pipeline.h"

namespace headrace {

struct ChunkBatch {
  static constexpr size_t kMost = 512;
  static constexpr size_t kAtOnce = 64;       // are looked for together
  static constexpr size_t kMissingMost = 32;  // about so many words go to the model together
  struct Range {
    size_t begin = 0;
    size_t end = 0;
  };
  // A chunk that is no SmallChunk.
  struct Missing {
    uint32_t place = 0;   // in the batch
    bool made = false;    // it was not known
    bool waits = false;   // it is among the words
    bool close = false;   // its tokens could be others behind another beginning of its stretch
    bool silent = false;  // another part of its stretch puts the tokens
    MediumKey key;
    const MediumChunk* medium = nullptr;  // where it may be, then where it is
    std::span<const PlacedToken> tokens;  // when it is no MediumChunk; relative to the chunk
    size_t from = 0;                      // of those made, in the list of all
    size_t count = 0;
    Range whole;  // of the stretch, if the chunk puts all its tokens
  };

  static ChunkBatch& of_thread() {
    thread_local ChunkBatch batch;
    return batch;
  }
  // A text of megabytes must not leave a thread with its memory for ever.
  void let_go() {
    if (tokens.capacity() > kKeptTokens) std::vector<PlacedToken>().swap(tokens);
  }

  bool is_full() const { return count == kMost || missing_count >= kMissingMost; }
  void clear() { count = looked = missing_count = 0; }

  size_t count = 0;
  size_t looked = 0;         // those before have been looked for
  size_t missing_count = 0;  // of those looked for
  std::array<WordKey, kMost> keys;
  std::array<const SmallChunk*, kMost> sets;  // where each belongs, then where it is
  std::array<uint32_t, kMost> begins;
  std::array<uint32_t, kMost> sizes;
  std::array<uint32_t, kMost> firsts;  // the first part of the same stretch
  // Between two looks comes a look at whether it is full. One more is written than counts.
  std::array<Missing, kMissingMost + 2 * kAtOnce + 1> missing;
  // What the model is asked.
  std::vector<TextPipeline::Word> words;
  std::vector<PlacedToken> tokens;
  std::vector<WordEnd> ends;  // in `tokens`, of each word

 private:
  static constexpr size_t kKeptTokens = 65'536;
};

}  // namespace headrace
