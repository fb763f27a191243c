#include "index/columns_writer.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/hash.h"

namespace headrace::index {
namespace {

// Appends `value(i)` for i < count in `bits` bits each, and the padding.
template <typename Value>
void pack(uint64_t count, uint32_t bits, std::string& out, Value&& value) {
  const size_t begin = out.size();
  out.resize(begin + packed_bytes_needed(count, bits));
  char* const base = out.data() + begin;
  for (uint64_t i = 0; i < count && bits > 0; ++i) {
    const uint64_t bit = i * bits;
    const uint64_t word = load<uint64_t>(base + bit / 8) | (value(i) << (bit % 8));
    std::memcpy(base + bit / 8, &word, sizeof(word));
  }
}

uint32_t usable_bits(uint64_t greatest) {
  const auto bits = static_cast<uint32_t>(std::bit_width(greatest));
  return bits > 56 ? 64 : bits;
}

struct Parts {
  Presence presence = Presence::first_rows;
  uint32_t bits = 0;
  std::string presence_bytes, ranks, dictionary_offsets, dictionary, list_offsets, values;
};

void write_presence(const std::vector<uint32_t>& rows, uint32_t row_count, Parts& parts) {
  if (rows.back() == rows.size() - 1) return;
  if (uint64_t{rows.size()} * 32 <= row_count) {
    parts.presence = Presence::listed;
    parts.presence_bytes.assign(reinterpret_cast<const char*>(rows.data()), rows.size() * 4);
    return;
  }
  parts.presence = Presence::bitmap;
  std::vector<uint64_t> words((uint64_t{row_count} + 63) / 64);
  for (const uint32_t row : rows) words[row / 64] |= uint64_t{1} << (row % 64);
  parts.presence_bytes.assign(reinterpret_cast<const char*>(words.data()), words.size() * 8);
  uint32_t before = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i % (kRowsPerRank / 64) == 0) put(parts.ranks, before);
    before += static_cast<uint32_t>(std::popcount(words[i]));
  }
}

void write_texts(const ColumnValues& column, Parts& parts) {
  std::vector<uint32_t> order(column.texts.count());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(
      order, [&](uint32_t a, uint32_t b) { return column.texts.text(a) < column.texts.text(b); });
  std::vector<uint32_t> code_of(order.size());
  for (uint32_t code = 0; code < order.size(); ++code) {
    code_of[order[code]] = code;
    put(parts.dictionary_offsets, static_cast<uint32_t>(parts.dictionary.size()));
    parts.dictionary += column.texts.text(order[code]);
  }
  put(parts.dictionary_offsets, static_cast<uint32_t>(parts.dictionary.size()));
  parts.bits = order.empty() ? 0 : usable_bits(order.size() - 1);
  pack(column.codes.size(), parts.bits, parts.values,
       [&](uint64_t i) { return uint64_t{code_of[column.codes[i]]}; });
  if (column.type == ColumnType::text_list) {
    put(parts.list_offsets, uint32_t{0});
    for (const uint32_t end : column.list_ends) put(parts.list_offsets, end);
  }
}

void write_numbers(const ColumnValues& column, Parts& parts) {
  const std::vector<uint64_t>& numbers = column.numbers;
  if (column.type == ColumnType::boolean) {
    parts.bits = 1;
    pack(numbers.size(), 1, parts.values, [&](uint64_t i) { return numbers[i]; });
  } else if (column.type == ColumnType::number) {
    parts.bits = 64;
    for (const uint64_t bits : numbers) put(parts.values, bits);
  } else {
    const auto as_integer = [](uint64_t bits) { return static_cast<int64_t>(bits); };
    const uint64_t least = *std::ranges::min_element(numbers, {}, as_integer);
    const uint64_t greatest = *std::ranges::max_element(numbers, {}, as_integer);
    parts.bits = usable_bits(greatest - least);
    put(parts.values, least);
    pack(numbers.size(), parts.bits, parts.values, [&](uint64_t i) { return numbers[i] - least; });
  }
}

}  // namespace

uint32_t TextInterner::intern(std::string_view text) {
  if (count() > 0 && this->text(last_) == text) return last_;
  if ((count() + 1) * uint64_t{10} > slots_.size() * uint64_t{7}) grow();
  const size_t mask = slots_.size() - 1;
  size_t slot = hash64(text) & mask;
  while (slots_[slot] != 0) {
    if (this->text(slots_[slot] - 1) == text) return last_ = slots_[slot] - 1;
    slot = (slot + 1) & mask;
  }
  last_ = count();
  slots_[slot] = last_ + 1;
  bytes_ += text;
  offsets_.push_back(bytes_.size());
  return last_;
}

void TextInterner::grow() {
  slots_.assign(std::max<size_t>(16, slots_.size() * 2), 0);
  const size_t mask = slots_.size() - 1;
  for (uint32_t id = 0; id < count(); ++id) {
    size_t slot = hash64(text(id)) & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = id + 1;
  }
}

uint64_t TextInterner::memory_bytes() const {
  return bytes_.capacity() + offsets_.capacity() * sizeof(uint64_t) +
         slots_.capacity() * sizeof(uint32_t);
}

uint64_t ColumnValues::memory_bytes() const {
  return sizeof(ColumnValues) + rows.capacity() * sizeof(uint32_t) +
         numbers.capacity() * sizeof(uint64_t) +
         (codes.capacity() + list_ends.capacity()) * sizeof(uint32_t) + texts.memory_bytes();
}

Status ColumnsWriter::begin() {
  if (offset_ != 0) return {};
  std::string head;
  put(head, kColumnsMagic);
  put(head, kColumnsVersion);
  offset_ = head.size();
  return out_.append(head);
}

Status ColumnsWriter::add(const ColumnValues& column) {
  if (column.rows.empty()) return {};
  HR_TRY(begin());
  Parts parts;
  write_presence(column.rows, row_count_, parts);
  if (column.type == ColumnType::text || column.type == ColumnType::text_list) {
    write_texts(column, parts);
  } else {
    write_numbers(column, parts);
  }
  if (parts.dictionary.size() > UINT32_MAX) {
    return fail(ErrorCode::too_large,
                "the column '" + column.name + "' has more than 4 GiB of different texts",
                "use smaller segments or shorter values");
  }
  directory_ += static_cast<char>(column.kind);
  directory_ += static_cast<char>(column.type);
  directory_ += static_cast<char>(parts.presence);
  directory_ += static_cast<char>(parts.bits);
  put_varint(directory_, column.name.size());
  directory_ += column.name;
  put_varint(directory_, column.rows.size());
  put_varint(directory_, column.texts.count());
  for (const std::string* part : {&parts.presence_bytes, &parts.ranks, &parts.dictionary_offsets,
                                  &parts.dictionary, &parts.list_offsets, &parts.values}) {
    put_varint(directory_, part->size());
    HR_TRY(out_.append(*part));
    offset_ += part->size();
  }
  ++column_count_;
  return {};
}

Status ColumnsWriter::finish() {
  HR_TRY(begin());
  std::string trailer;
  put(trailer, offset_);
  put(trailer, static_cast<uint64_t>(directory_.size()));
  put(trailer, row_count_);
  put(trailer, column_count_);
  put(trailer, uint32_t{0});
  put(trailer, uint32_t{0});
  put(trailer, kColumnsVersion);
  put(trailer, kColumnsMagic);
  HR_TRY(out_.append(directory_));
  return out_.append(trailer);
}

}  // namespace headrace::index
