// TokenIndex: tokens → their places in a list, by hash.
//
// Owns: slots, not the strings: every look-up is given the list it was built over. Threads: const
// after build(). Errors: none.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace headrace {

class TokenIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // `token(place)` is the string at a place below `count`. Of equal strings the last place counts.
  template <typename Token>
  void build(size_t count, Token&& token) {
    slots_.assign(std::bit_ceil(count * 2 + 2), {});
    for (uint32_t place = 0; place < count; ++place) {
      const std::string_view text = token(place);
      const uint64_t hash = hash64(text);
      const size_t mask = slots_.size() - 1;
      size_t at = hash & mask;
      const auto mark = static_cast<uint32_t>(hash >> 32);
      while (slots_[at].place != kNone &&
             (slots_[at].mark != mark || token(slots_[at].place) != text)) {
        at = (at + 1) & mask;
      }
      slots_[at] = {mark, place};
    }
  }

  template <typename Token>
  uint32_t find(std::string_view text, Token&& token) const {
    return find(text, hash64(text), token);
  }
  // The same with the text's hash64(), for which prefetch() may have been called before.
  void prefetch(uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(slots_.data() + (hash & (slots_.size() - 1)));
  }
  template <typename Token>
  uint32_t find(std::string_view text, uint64_t hash, Token&& token) const {
    if (slots_.empty()) return kNone;
    const size_t mask = slots_.size() - 1;
    const auto mark = static_cast<uint32_t>(hash >> 32);
    for (size_t at = hash & mask; slots_[at].place != kNone; at = (at + 1) & mask) {
      if (slots_[at].mark == mark && token(slots_[at].place) == text) return slots_[at].place;
    }
    return kNone;
  }

 private:
  struct Slot {
    uint32_t mark = 0;
    uint32_t place = kNone;
  };
  std::vector<Slot> slots_;
};

}  // namespace headrace
