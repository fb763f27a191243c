#include "index/columns_writer.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/check.h"
#include "base/hash.h"

namespace headrace::index {
Presence presence_for(uint32_t value_count, uint32_t last_row, uint32_t row_count) {
  if (last_row + uint64_t{1} == value_count) return Presence::first_rows;
  return uint64_t{value_count} * 32 <= row_count ? Presence::listed : Presence::bitmap;
}

uint8_t bits_for(uint64_t greatest) {
  const auto bits = static_cast<uint8_t>(std::bit_width(greatest));
  return bits > 56 ? 64 : bits;
}

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

// The head of the section goes out before the first column.
ColumnsWriter::ColumnsWriter(SectionSink& out, uint32_t row_count)
    : out_(out), row_count_(row_count) {
  put(buffer_, kColumnsMagic);
  put(buffer_, kColumnsVersion);
  part_begin_ = buffer_.size();
}

void ColumnsWriter::flush() {
  if (status_) status_ = out_.append(buffer_);
  flushed_ += buffer_.size();
  buffer_.clear();
}

void ColumnsWriter::packed(uint64_t value, uint32_t bits) {
  if (bits == 64) return number(value);
  packing_ |= value << packing_bits_;
  packing_bits_ += bits;
  for (; packing_bits_ >= 8; packing_bits_ -= 8) {
    buffer_ += static_cast<char>(packing_);
    packing_ >>= 8;
  }
  flush_if_full();
}

void ColumnsWriter::end_packed() {
  if (packing_bits_ > 0) packed(0, 8 - packing_bits_);
  buffer_.append(kPackedPadding, '\0');
}

void ColumnsWriter::presence(const std::vector<uint64_t>& words) {
  for (const uint64_t word : words) number(word);
  end_part();
  uint32_t before = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i % (kRowsPerRank / 64) == 0) number(before);
    before += static_cast<uint32_t>(std::popcount(words[i]));
  }
  end_part();
}

void ColumnsWriter::end_part() {
  part_bytes_.push_back(flushed_ + buffer_.size() - part_begin_);
  part_begin_ += part_bytes_.back();
}

Status ColumnsWriter::end_column(const ColumnHead& head) {
  HR_CHECK(part_bytes_.size() == kColumnParts, "a column has six parts");
  if (part_bytes_[kDictionaryPart] > UINT32_MAX) {
    return fail(
        ErrorCode::too_large,
        "the column '" + std::string(head.name) + "' has more than 4 GiB of different texts",
        "use smaller segments or shorter values");
  }
  directory_ += static_cast<char>(head.kind);
  directory_ += static_cast<char>(head.type);
  directory_ += static_cast<char>(head.presence);
  directory_ += static_cast<char>(head.bits);
  put_varint(directory_, head.name.size());
  directory_ += head.name;
  put_varint(directory_, head.value_count);
  put_varint(directory_, head.dictionary_count);
  for (const uint64_t bytes : part_bytes_) put_varint(directory_, bytes);
  part_bytes_.clear();
  ++column_count_;
  if (is_list_of_numbers(head.type)) features_ |= kListsOfNumbers;
  return status_;
}

Status ColumnsWriter::add(const ColumnValues& column) {
  if (column.rows.empty()) return {};
  ColumnHead head;
  head.kind = column.kind;
  head.type = column.type;
  head.name = column.name;
  head.value_count = static_cast<uint32_t>(column.rows.size());
  head.presence = presence_for(head.value_count, column.rows.back(), row_count_);
  if (head.presence == Presence::bitmap) {
    std::vector<uint64_t> words((uint64_t{row_count_} + 63) / 64);
    for (const uint32_t row : column.rows) words[row / 64] |= uint64_t{1} << (row % 64);
    presence(words);
  } else {
    for (size_t i = 0; head.presence == Presence::listed && i < column.rows.size(); ++i)
      number(column.rows[i]);
    end_part();
    end_part();
  }
  if (is_text(column.type)) {
    add_texts(column, head);
  } else {
    add_numbers(column, head);
  }
  return end_column(head);
}

void ColumnsWriter::add_texts(const ColumnValues& column, ColumnHead& head) {
  const TextInterner& texts = column.texts;
  std::vector<uint32_t> order(texts.count());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) { return texts.text(a) < texts.text(b); });
  std::vector<uint32_t> code_of(order.size());
  uint64_t bytes = 0;
  for (uint32_t code = 0; code < order.size(); ++code) {
    code_of[order[code]] = code;
    number(static_cast<uint32_t>(bytes));
    bytes += texts.text(order[code]).size();
  }
  number(static_cast<uint32_t>(bytes));
  end_part();
  for (const uint32_t id : order) text(texts.text(id));
  end_part();
  if (column.type == ColumnType::text_list) {
    number(uint32_t{0});
    for (const uint32_t end : column.list_ends) number(end);
  }
  end_part();
  head.dictionary_count = texts.count();
  head.bits = order.empty() ? 0 : bits_for(order.size() - 1);
  for (const uint32_t code : column.codes) packed(code_of[code], head.bits);
  end_packed();
  end_part();
}

void ColumnsWriter::add_numbers(const ColumnValues& column, ColumnHead& head) {
  for (int part = 0; part < 2; ++part) end_part();
  if (is_list(column.type)) {
    number(uint32_t{0});
    for (const uint32_t end : column.list_ends) number(end);
  }
  end_part();
  const std::vector<uint64_t>& numbers = column.numbers;
  const ColumnType type = item_type(column.type);
  if (type == ColumnType::number) {
    head.bits = 64;
    for (const uint64_t bits : numbers) number(bits);
    return end_part();
  }
  uint64_t least = 0;
  head.bits = 1;
  if (type == ColumnType::integer) {
    const auto as_integer = [](uint64_t bits) { return static_cast<int64_t>(bits); };
    head.bits = 0;
    if (!numbers.empty()) {
      least = *std::ranges::min_element(numbers, {}, as_integer);
      head.bits = bits_for(*std::ranges::max_element(numbers, {}, as_integer) - least);
    }
    number(least);
  }
  for (const uint64_t bits : numbers) packed(bits - least, head.bits);
  end_packed();
  end_part();
}

Status ColumnsWriter::finish() {
  const uint64_t offset = flushed_ + buffer_.size();
  buffer_ += directory_;
  number(offset);
  number(static_cast<uint64_t>(directory_.size()));
  number(row_count_);
  number(column_count_);
  number(features_);
  number(uint32_t{0});
  number(kColumnsVersion);
  number(kColumnsMagic);
  flush();
  return status_;
}

}  // namespace headrace::index
