#include "transform/tokenizer_cache.h"

#include <algorithm>

#include "base/hash.h"

namespace headrace {

ChunkCache& ChunkCache::of_thread(uint64_t serial) {
  thread_local ChunkCache cache;
  if (cache.serial_ != serial) [[unlikely]] {
    cache.clear();
    cache.serial_ = serial;
  }
  return cache;
}

void ChunkCache::clear() {
  small_.clear();
  medium_.clear();
  long_.assign(kLongSlotsFirst, {});
  long_count_ = 0;
  bytes_.clear();
  tokens_.clear();
}

namespace {

template <typename Chunk>
Chunk made_of(const auto& key, std::span<const PlacedToken> tokens) {
  Chunk out;
  out.key = key;
  for (size_t i = 0; i < tokens.size(); ++i) out.ids[i] = tokens[i].id;
  out.set_places(tokens);
  return out;
}

}  // namespace

void ChunkCache::keep(std::string_view chunk, std::span<const PlacedToken> tokens) {
  const bool few = tokens.size() <= SmallChunk::kTokensMax;
  if (few && chunk.size() <= SmallChunk::kBytesMax) {
    const WordKey key = small_key_at_end(chunk.data(), chunk.size());
    small_.keep(made_of<SmallChunk>(key, tokens));
    return;
  }
  if (chunk.size() <= MediumChunk::kBytesMax) {
    const MediumKey key = medium_key_at_end(chunk.data(), chunk.size());
    if (tokens.size() <= MediumChunk::kTokensMax) {
      medium_.keep(made_of<MediumChunk>(key, tokens));
      return;
    }
    MediumChunk elsewhere;
    elsewhere.key = key;
    elsewhere.places = MediumChunk::kElsewhere;
    medium_.keep(elsewhere);
  }
  keep_long(chunk, tokens);
}

bool ChunkCache::find_long(std::string_view chunk, std::span<const PlacedToken>& tokens) const {
  const uint64_t hash = hash64(chunk);
  const size_t mask = long_.size() - 1;
  for (size_t at = hash & mask; long_[at].size != 0; at = (at + 1) & mask) {
    const LongChunk& known = long_[at];
    if (known.hash == hash &&
        std::string_view(bytes_).substr(known.bytes_at, known.size) == chunk) {
      tokens = std::span(tokens_).subspan(known.tokens_at, known.count);
      return true;
    }
  }
  return false;
}

void ChunkCache::keep_long(std::string_view chunk, std::span<const PlacedToken> tokens) {
  if (chunk.size() > kLongBytesMax || tokens.size() > kLongBytesMax) return;
  const bool crowded = (long_count_ + 1) * 2 > long_.size();
  if (crowded && long_.size() < kLongSlots) {
    grow_long();
  } else if (crowded || bytes_.size() + chunk.size() > kLongBytes ||
             tokens_.size() + tokens.size() > kLongTokens) {
    std::fill(long_.begin(), long_.end(), LongChunk{});
    long_count_ = 0;
    bytes_.clear();
    tokens_.clear();
  }
  const uint64_t hash = hash64(chunk);
  const size_t mask = long_.size() - 1;
  size_t at = hash & mask;
  while (long_[at].size != 0) at = (at + 1) & mask;
  long_[at] = {hash, static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(chunk.size()),
               static_cast<uint32_t>(tokens_.size()), static_cast<uint32_t>(tokens.size())};
  ++long_count_;
  bytes_ += chunk;
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

void ChunkCache::grow_long() {
  std::vector<LongChunk> old(long_.size() * 2);
  old.swap(long_);
  const size_t mask = long_.size() - 1;
  for (const LongChunk& chunk : old) {
    if (chunk.size == 0) continue;
    size_t at = chunk.hash & mask;
    while (long_[at].size != 0) at = (at + 1) & mask;
    long_[at] = chunk;
  }
}

}  // namespace headrace
