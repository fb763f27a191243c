#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "index/analyzer.h"
#include "index/postings.h"
#include "index/postings_format.h"
#include "index/postings_writer.h"
#include "index/section_bytes.h"

namespace headrace::index {
namespace {

// Bytes in chunks that never move. Postings of a term are a chain of slices in it, each twice as
// long as the one before, so that rare terms cost little and frequent ones are written in long
// runs.
class BytePool {
 public:
  static constexpr uint64_t kChunkBytes = 1 << 16;

  // `size` bytes in a row.
  char* allocate(uint64_t size) {
    if (size > left_) {
      chunks_.push_back(std::make_unique_for_overwrite<char[]>(kChunkBytes));
      next_ = chunks_.back().get();
      left_ = kChunkBytes;
    }
    char* const bytes = next_;
    next_ += size;
    left_ -= size;
    return bytes;
  }
  uint64_t memory_bytes() const { return chunks_.size() * kChunkBytes; }

 private:
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* next_ = nullptr;
  uint64_t left_ = 0;
};

constexpr uint64_t kLinkBytes = sizeof(char*);  // at the end of a slice: where the next is
constexpr uint64_t kFirstSliceBytes = 16;
constexpr uint64_t kSliceBytesMax = 2048;

// The last occurrence waits in the record until the next comes, so that a term of a single one
// never needs a slice.
struct alignas(64) Term {
  const char* key = nullptr;
  const char* head = nullptr;
  char* write = nullptr;
  uint32_t hash = 0;
  uint32_t df = 0;
  uint32_t occurrences = 0;
  uint32_t last_row = 0;
  uint32_t last_position = 0;
  uint32_t gap =
      0;  // of the last: from the row before, or in the same row from the position before
  uint16_t key_bytes = 0;
  uint16_t slice_left = 0;
  uint16_t slice_bytes = 0;
  bool opens_row = false;  // whether the last is its row's first
};

// Not 0, and not that of a builder that lives; what an analyzer remembers of an older one of the
// same number was overwritten long before 2^32 others came.
uint32_t next_number() {
  static std::atomic<uint32_t> last = 0;
  uint32_t number = 0;
  while (number == 0) number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

}  // namespace

struct PostingsBuilder::State {
  explicit State(std::string_view language) : analyzer(language) {}

  LentAnalyzer analyzer;
  uint32_t number = next_number();  // of this builder, in the analyzer's memos
  std::string title_term;
  std::vector<Term> terms;
  std::vector<uint32_t> slots = std::vector<uint32_t>(1024, 0);  // index into terms + 1
  BytePool keys;
  BytePool slices;
  std::vector<uint8_t> length_codes;
  uint64_t last_row = 0;

  uint32_t find_or_add(std::string_view term);
  void grow();
  void append_byte(Term& term, uint8_t byte);
  void append_varint(Term& term, uint64_t value);
  void flush_last(Term& term);
  void read_list(const Term& term, ListContents& contents) const;
  void count(uint32_t term, uint32_t row, uint32_t position);
  void count_terms(std::span<const PlacedTerm> found, uint32_t row, uint32_t first);
  uint32_t add_title(uint32_t row, std::string_view title);
};

void PostingsBuilder::State::grow() {
  slots.assign(slots.size() * 2, 0);
  const size_t mask = slots.size() - 1;
  for (size_t i = 0; i < terms.size(); ++i) {
    size_t slot = terms[i].hash & mask;
    while (slots[slot] != 0) slot = (slot + 1) & mask;
    slots[slot] = static_cast<uint32_t>(i + 1);
  }
}

uint32_t PostingsBuilder::State::find_or_add(std::string_view term) {
  const auto hash = static_cast<uint32_t>(hash64(term));
  const size_t mask = slots.size() - 1;
  size_t slot = hash & mask;
  while (slots[slot] != 0) {
    const Term& known = terms[slots[slot] - 1];
    if (known.hash == hash && known.key_bytes == term.size() &&
        std::memcmp(known.key, term.data(), term.size()) == 0) {
      return slots[slot] - 1;
    }
    slot = (slot + 1) & mask;
  }
  Term& added = terms.emplace_back();
  added.hash = hash;
  char* const key = keys.allocate(term.size());
  std::memcpy(key, term.data(), term.size());
  added.key = key;
  added.key_bytes = static_cast<uint16_t>(term.size());
  slots[slot] = static_cast<uint32_t>(terms.size());
  if (terms.size() * 10 > slots.size() * 7) grow();
  return static_cast<uint32_t>(terms.size() - 1);
}

void PostingsBuilder::State::append_byte(Term& term, uint8_t byte) {
  if (term.slice_left == 0) {
    const uint64_t size = term.slice_bytes == 0
                              ? kFirstSliceBytes
                              : std::min<uint64_t>(uint64_t{term.slice_bytes} * 2, kSliceBytesMax);
    char* const slice = slices.allocate(size);
    if (term.slice_bytes == 0) {
      term.head = slice;
    } else {
      std::memcpy(term.write, &slice, kLinkBytes);
    }
    term.write = slice;
    term.slice_bytes = static_cast<uint16_t>(size);
    term.slice_left = static_cast<uint16_t>(size - kLinkBytes);
  }
  *term.write++ = static_cast<char>(byte);
  --term.slice_left;
}

inline void PostingsBuilder::State::append_varint(Term& term, uint64_t value) {
  if (value < 0x80 && term.slice_left > 0) {
    *term.write++ = static_cast<char>(value);
    --term.slice_left;
    return;
  }
  while (value >= 0x80) {
    append_byte(term, static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  append_byte(term, static_cast<uint8_t>(value));
}

// An occurrence is varint(gap · 2 + opens_row), and the position where it opens a row.
inline void PostingsBuilder::State::flush_last(Term& term) {
  append_varint(term, (uint64_t{term.gap} << 1) | (term.opens_row ? 1 : 0));
  if (term.opens_row) append_varint(term, term.last_position);
}

inline void PostingsBuilder::State::count(uint32_t index, uint32_t row, uint32_t position) {
  Term& term = terms.data()[index];
  if (term.occurrences > 0) flush_last(term);
  ++term.occurrences;
  term.opens_row = term.df == 0 || term.last_row != row;
  if (term.opens_row) {
    ++term.df;
    term.gap = row - term.last_row;
    term.last_row = row;
  } else {
    term.gap = position - term.last_position;
  }
  term.last_position = position;
}

void PostingsBuilder::State::count_terms(std::span<const PlacedTerm> found, uint32_t row,
                                         uint32_t first) {
  for (const PlacedTerm& term : found) {
    if (term.memo != nullptr && term.memo->owner == number)
      __builtin_prefetch(terms.data() + term.memo->number, 1);
  }
  for (const PlacedTerm& term : found) {
    uint32_t index = 0;
    if (term.memo == nullptr) {
      index = find_or_add(term.text());
    } else {
      if (term.memo->owner != number) *term.memo = {number, find_or_add(term.text())};
      index = term.memo->number;
    }
    count(index, row, first + term.position);
  }
}

void PostingsBuilder::State::read_list(const Term& term, ListContents& contents) const {
  contents.clear();
  const char* next = term.head;
  uint64_t slice_bytes = kFirstSliceBytes;
  uint64_t left = slice_bytes - kLinkBytes;
  const auto next_byte = [&] {
    if (left == 0) {
      std::memcpy(&next, next, kLinkBytes);
      slice_bytes = std::min(slice_bytes * 2, kSliceBytesMax);
      left = slice_bytes - kLinkBytes;
    }
    --left;
    return static_cast<uint8_t>(*next++);
  };
  const auto next_varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const uint8_t byte = next_byte();
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
  };
  uint32_t row = 0;
  const auto add = [&](uint32_t gap, bool opens_row, uint32_t position) {
    if (opens_row) {
      if (!contents.rows.empty()) contents.position_ends.push_back(contents.positions.size());
      row += gap;
      contents.rows.push_back(row);
      contents.tfs.push_back(0);
      gap = position;
    }
    ++contents.tfs.back();
    put_varint(contents.positions, gap);
  };
  for (uint32_t i = 0; i + 1 < term.occurrences; ++i) {
    const uint64_t code = next_varint();
    const bool opens_row = (code & 1) != 0;
    const auto position = opens_row ? static_cast<uint32_t>(next_varint()) : 0;
    add(static_cast<uint32_t>(code >> 1), opens_row, position);
  }
  add(term.gap, term.opens_row, term.last_position);
  contents.position_ends.push_back(contents.positions.size());
}

// The words of the title alone. Gives the position after them.
uint32_t PostingsBuilder::State::add_title(uint32_t row, std::string_view title) {
  if (title.empty()) return 0;
  return analyzer->analyze(title, [&](std::string_view term, uint32_t position) {
    title_term.assign(1, kTitleMark);
    title_term += term;
    count(find_or_add(title_term), row, position);
  });
}

PostingsBuilder::PostingsBuilder(std::string_view language)
    : state_(std::make_unique<State>(language)) {}
PostingsBuilder::~PostingsBuilder() = default;
PostingsBuilder::PostingsBuilder(PostingsBuilder&&) noexcept = default;

void PostingsBuilder::add(uint32_t row, std::string_view title, std::string_view text) {
  State& state = *state_;
  HR_CHECK(row >= state.last_row, "rows must be added in ascending order");
  state.last_row = uint64_t{row} + 1;
  uint64_t length = 0;
  uint32_t first = 0;
  const Analyzer::OnTerms count = [&](std::span<const PlacedTerm> found) {
    state.count_terms(found, row, first);
    length += found.size();
  };
  const uint32_t title_end = state.add_title(row, title);
  // Many texts begin with their own title; it is not counted twice then.
  if (title_end > 0 && !text.starts_with(title)) {
    state.analyzer->analyze_remembering(title, count);
    first = title_end + kTitleGap;
  }
  state.analyzer->analyze_remembering(text, count);
  if (length == 0) return;
  state.length_codes.resize(size_t{row} + 1);
  state.length_codes[row] =
      encode_length(static_cast<uint32_t>(std::min<uint64_t>(length, 1u << 30)));
}

uint64_t PostingsBuilder::memory_bytes() const {
  const State& state = *state_;
  return state.terms.capacity() * sizeof(Term) + state.slots.capacity() * sizeof(uint32_t) +
         state.keys.memory_bytes() + state.slices.memory_bytes() + state.length_codes.capacity();
}

Status PostingsBuilder::finish(SectionSink& out) {
  const State& state = *state_;
  const auto key = [&](const Term& term) { return std::string_view(term.key, term.key_bytes); };
  // Sorting by the first eight bytes as a number settles nearly all comparisons.
  std::vector<std::pair<uint64_t, uint32_t>> order;
  order.reserve(state.terms.size());
  for (uint32_t i = 0; i < state.terms.size(); ++i) {
    uint64_t prefix = 0;
    const std::string_view bytes = key(state.terms[i]);
    std::memcpy(&prefix, bytes.data(), std::min<size_t>(8, bytes.size()));
    order.emplace_back(__builtin_bswap64(prefix), i);
  }
  std::ranges::sort(order, [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    return key(state.terms[a.second]) < key(state.terms[b.second]);
  });
  PostingsWriter writer(out, state.analyzer.language(), state.length_codes, true);
  ListContents contents;
  for (const auto& [prefix, index] : order) {
    const Term& term = state.terms[index];
    state.read_list(term, contents);
    HR_TRY(writer.add_term(key(term), contents));
  }
  return writer.finish();
}

}  // namespace headrace::index
