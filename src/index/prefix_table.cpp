#include "index/prefix_table.h"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <utility>

namespace headrace::index {

Result<PrefixTable> PrefixTable::open(std::string_view bytes, bool packed) {
  PrefixTable table;
  if (packed) {
    HR_ASSIGN(table.packed_, PackedEntries::open(bytes, kPrefixTableFields));
    table.count_ = table.packed_->count();
    return table;
  }
  if (bytes.size() % 8 != 0 || bytes.size() / 8 >= kDroppedRow)
    return fail(ErrorCode::damaged, "a table of prefixes has the wrong length");
  table.bytes_ = bytes;
  table.count_ = static_cast<uint32_t>(bytes.size() / 8);
  return table;
}

std::string PrefixTable::encode(std::vector<uint64_t> pairs) {
  std::ranges::sort(pairs);
  FieldWriter out;
  out.bytes().reserve(pairs.size() * 8);
  for (const uint64_t pair : pairs) {
    out.u32(static_cast<uint32_t>(pair >> 32));
    out.u32(static_cast<uint32_t>(pair));
  }
  return out.take();
}

bool PrefixTable::is_sorted() const {
  for (uint32_t i = 1; i < count_; ++i) {
    if (prefix(i) < prefix(i - 1)) return false;
  }
  return true;
}

uint32_t PrefixTable::first(uint32_t wanted) const {
  // Hashes are evenly spread: guess the place, then widen around it.
  uint64_t low = 0;
  uint64_t high = count_;
  const auto at = [this](uint64_t i) { return prefix(static_cast<uint32_t>(i)); };
  while (high - low > 16) {
    const uint64_t first = at(low);
    const uint64_t last = at(high - 1);
    if (wanted <= first) return static_cast<uint32_t>(low);  // everything before `low` is smaller
    if (wanted > last) return static_cast<uint32_t>(high);
    uint64_t guess = low + (high - 1 - low) * (wanted - first) / (last - first);
    guess = std::clamp(guess, low + 1, high - 1);
    if (at(guess - 1) < wanted) {
      low = guess;
      if (guess + 8 < high && at(guess + 8) >= wanted) high = guess + 9;
    } else {
      high = guess;
      if (guess > low + 8 && at(guess - 8) < wanted) low = guess - 8;
    }
  }
  while (low < high && at(low) < wanted) ++low;
  return static_cast<uint32_t>(low);
}

Status merge_prefix_tables(std::span<const MergeInput<PrefixTable>> inputs, bool packed,
                           SectionSink& out) {
  // Each input is sorted by prefix. Ties by number, as encode() has them.
  struct Head {
    uint32_t prefix;
    uint32_t number;
    size_t input;
    bool operator>(const Head& other) const {
      return std::pair(prefix, number) > std::pair(other.prefix, other.number);
    }
  };
  std::vector<uint32_t> next(inputs.size(), 0);
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  const auto advance = [&](size_t i) {
    const PrefixTable& table = *inputs[i].part;
    const NumberMap& map = inputs[i].row_map;
    while (next[i] < table.count()) {
      const uint32_t at = next[i]++;
      const uint32_t number = table.number(at);
      if (number >= map.size() || map[number] == kDroppedRow) continue;
      heads.push({table.prefix(at), map[number], i});
      return;
    }
  };
  for (size_t i = 0; i < inputs.size(); ++i) advance(i);
  FieldWriter buffer;
  PackedEntriesWriter packer(out, kPrefixTableFields);
  while (!heads.empty()) {
    const Head head = heads.top();
    heads.pop();
    advance(head.input);
    if (packed) {
      HR_TRY(packer.add(std::array<uint64_t, kPrefixTableFields>{head.prefix, head.number}));
      continue;
    }
    buffer.u32(head.prefix);
    buffer.u32(head.number);
    if (buffer.size() >= (64 << 10)) {
      HR_TRY(out.append(buffer.view()));
      buffer.clear();
    }
  }
  return packed ? packer.finish() : out.append(buffer.view());
}

}  // namespace headrace::index
