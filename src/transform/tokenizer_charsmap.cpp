#include "transform/tokenizer_charsmap.h"

#include <cstring>

#include "base/utf8.h"
#include "transform/tokenizer_characters.h"
#include "transform/tokenizer_graphemes.h"

namespace headrace {
namespace {

constexpr char32_t kTableSize = 0x10000;

bool has_bit(const std::vector<uint64_t>& bits, char32_t c) {
  return c < kTableSize && ((bits[c / 64] >> (c % 64)) & 1) != 0;
}

constexpr size_t kClusterBytes = 6;  // clusters from this size on are mapped by character

// `before` becomes `after` at the end of `out`.
void put_change(std::string_view before, std::string_view after, std::vector<Rewritten>& out) {
  const auto old_count = static_cast<int32_t>(count_code_points(before));
  int32_t new_count = 0;
  for (size_t at = 0; at < after.size(); ++new_count) {
    const CodePoint point = decode_code_point(after, at);
    out.push_back({point.value, new_count < old_count ? 0 : 1});
    at += point.length;
  }
  if (new_count < old_count && !out.empty()) out.back().change += new_count - old_count;
}

}  // namespace

Result<CharsMap> CharsMap::build(std::string_view bytes) {
  const auto damaged = [](const char* what) {
    return fail(ErrorCode::damaged, what, "get the tokenizer.json of the model again");
  };
  uint32_t size = 0;
  if (bytes.size() < sizeof size) return damaged("precompiled_charsmap is cut");
  std::memcpy(&size, bytes.data(), sizeof size);
  bytes.remove_prefix(sizeof size);
  const size_t units = size / sizeof(uint32_t);
  if (units == 0 || units * sizeof(uint32_t) > bytes.size()) {
    return damaged("precompiled_charsmap is cut");
  }
  CharsMap out;
  out.units_.resize(units);
  std::memcpy(out.units_.data(), bytes.data(), units * sizeof(uint32_t));
  out.strings_ = bytes.substr(units * sizeof(uint32_t));
  if (!is_valid_utf8(out.strings_)) {
    return damaged("precompiled_charsmap: its strings are not valid UTF-8");
  }
  for (size_t c = 0; c < out.changes_.size(); ++c) {
    const char byte = static_cast<char>(c);
    out.changes_[c] = out.find({&byte, 1}).has_value();
  }
  out.alone_.assign(kTableSize / 64, 0);
  out.known_.assign(kTableSize / 64, 0);
  for (char32_t c = 0; c < kTableSize; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    char text[4];
    const uint64_t bit = uint64_t{1} << (c % 64);
    if (text_character(c).cluster == Cluster::kOther) out.alone_[c / 64] |= bit;
    if (out.find({text, encode_code_point(c, text)})) out.known_[c / 64] |= bit;
  }
  return out;
}

std::optional<std::string_view> CharsMap::find(std::string_view chunk) const {
  const auto offset = [](uint32_t unit) { return size_t{unit >> 10} << ((unit & (1u << 9)) >> 6); };
  size_t node = offset(units_[0]);
  for (const char c : chunk) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte == 0) break;
    node ^= byte;
    if (node >= units_.size()) return std::nullopt;
    const uint32_t unit = units_[node];
    if ((unit & (1u << 31 | 0xFF)) != byte) return std::nullopt;
    node ^= offset(unit);
    if (!((unit >> 8) & 1)) continue;
    if (node >= units_.size()) return std::nullopt;
    const size_t begin = units_[node] & ~(1u << 31);
    if (begin > strings_.size() || code_point_floor(strings_, begin) != begin) return std::nullopt;
    const size_t end = strings_.find('\0', begin);
    return std::string_view(strings_).substr(begin, end == std::string::npos ? end : end - begin);
  }
  return std::nullopt;
}

void CharsMap::apply(AlignedText& text) const {
  std::vector<Rewritten> out;
  out.reserve(text.text.size());
  bool changed = false;
  const std::string_view all = text.text;
  for (size_t at = 0; at < all.size();) {
    // An ASCII character before another ASCII character is a cluster, but for CR LF.
    const auto byte = static_cast<uint8_t>(all[at]);
    if (byte < 0x80 && byte != '\r' && !changes_[byte] &&
        (at + 1 == all.size() || static_cast<uint8_t>(all[at + 1]) < 0x80)) {
      out.push_back({byte, 0});
      ++at;
      continue;
    }
    const CodePoint first = decode_code_point(all, at);
    const size_t behind = at + first.length;
    const bool single =
        has_bit(alone_, first.value) &&
        (behind == all.size() || has_bit(alone_, decode_code_point(all, behind).value));
    if (single && !has_bit(known_, first.value)) {
      out.push_back({first.value, 0});
      at = behind;
      continue;
    }
    const size_t end = single ? behind : grapheme_end(all, at);
    const std::string_view cluster = all.substr(at, end - at);
    if (cluster.size() < kClusterBytes) {
      if (const auto mapped = find(cluster)) {
        put_change(cluster, *mapped, out);
        changed = true;
        at = end;
        continue;
      }
    }
    while (at < end) {
      const CodePoint point = decode_code_point(all, at);
      const std::string_view part = all.substr(at, point.length);
      if (const auto mapped = find(part)) {
        put_change(part, *mapped, out);
        changed = true;
      } else {
        out.push_back({point.value, 0});
      }
      at += point.length;
    }
  }
  if (changed) text.rewrite(out, 0);
}

}  // namespace headrace
