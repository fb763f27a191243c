#include "transform/tokenizer_cache.h"

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
  small_.assign(size_t{2} << kSmallBits, {});
  medium_.assign(size_t{2} << kMediumBits, {});
  long_.assign(kLongSlots, {});
  long_count_ = 0;
  bytes_.clear();
  tokens_.clear();
}

bool ChunkCache::find_long(std::string_view chunk, std::span<const PlacedToken>& tokens) const {
  const uint64_t hash = hash64(chunk);
  for (size_t at = hash % kLongSlots; long_[at].size != 0; at = (at + 1) % kLongSlots) {
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
  if ((long_count_ + 1) * 2 > kLongSlots || bytes_.size() + chunk.size() > kLongBytes ||
      tokens_.size() + tokens.size() > kLongTokens) {
    long_.assign(kLongSlots, {});
    long_count_ = 0;
    bytes_.clear();
    tokens_.clear();
  }
  const uint64_t hash = hash64(chunk);
  size_t at = hash % kLongSlots;
  while (long_[at].size != 0) at = (at + 1) % kLongSlots;
  long_[at] = {hash, static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(chunk.size()),
               static_cast<uint32_t>(tokens_.size()), static_cast<uint32_t>(tokens.size())};
  ++long_count_;
  bytes_ += chunk;
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

}  // namespace headrace
