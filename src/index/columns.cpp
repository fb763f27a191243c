#include "index/columns.h"

#include <algorithm>
#include <array>
#include <utility>

#include "index/columns_state.h"

namespace headrace::index {
namespace {

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::damaged, "the columns of a segment are damaged: " + std::string(what),
              "run verify to see what is affected");
}

constexpr std::array<std::string_view, 9> kBuiltins = {
    "end", "heading", "modality", "page", "position", "source", "start", "title", "via"};

// Whether the sizes of a column's parts are what its counts ask for. The contents are looked at
// when they are used.
bool sizes_fit(const ColumnView& column) {
  const uint64_t count = column.value_count;
  if (column.bits > 56 && column.bits != 64) return false;
  if (count > column.row_count) return false;
  const uint64_t words = (uint64_t{column.row_count} + 63) / 64;
  const uint64_t ranks = (uint64_t{column.row_count} + kRowsPerRank - 1) / kRowsPerRank;
  switch (column.presence) {
    case Presence::first_rows:
      if (!column.presence_bytes.empty() || !column.ranks.empty()) return false;
      break;
    case Presence::listed:
      if (column.presence_bytes.size() != count * 4 || !column.ranks.empty()) return false;
      break;
    case Presence::bitmap:
      if (column.presence_bytes.size() != words * 8 || column.ranks.size() != ranks * 4) {
        return false;
      }
      break;
  }
  if (is_text(column.type)) {
    if (column.dictionary_offsets.size() != (uint64_t{column.dictionary_count} + 1) * 4 ||
        column.bits > 32) {
      return false;
    }
  } else if (column.dictionary_count != 0) {
    return false;
  }
  switch (column.type) {
    case ColumnType::boolean:
      return column.bits == 1 && column.values.size() == packed_bytes_needed(count, 1);
    case ColumnType::integer:
      return column.values.size() == 8 + packed_bytes_needed(count, column.bits);
    case ColumnType::number:
      return column.values.size() == count * 8;
    case ColumnType::text:
      return column.values.size() == packed_bytes_needed(count, column.bits);
    default:
      break;
  }
  if (column.list_offsets.size() != (count + 1) * 4) return false;
  const auto items = load<uint32_t>(column.list_offsets.data() + count * 4);
  switch (column.type) {
    case ColumnType::text_list:
      return column.values.size() == packed_bytes_needed(items, column.bits);
    case ColumnType::integer_list:
      return column.values.size() == 8 + packed_bytes_needed(items, column.bits);
    case ColumnType::number_list:
      return column.values.size() == uint64_t{items} * 8;
    case ColumnType::boolean_list:
      return column.bits == 1 && column.values.size() == packed_bytes_needed(items, 1);
    default:
      return false;
  }
}

Status check_column(const ColumnView& column) {
  std::string_view before;
  uint32_t offset_before = 0;
  for (uint32_t code = 0; code < column.dictionary_count; ++code) {
    const auto offset = load<uint32_t>(column.dictionary_offsets.data() + size_t{code} * 4);
    const std::string_view text = column.text(code);
    if (offset < offset_before || (code > 0 && text <= before)) {
      return damaged("the texts of a column are not in order");
    }
    before = text;
    offset_before = offset;
  }
  if (is_text(column.type) &&
      load<uint32_t>(column.dictionary_offsets.data() + size_t{column.dictionary_count} * 4) !=
          column.dictionary.size()) {
    return damaged("the texts of a column break off");
  }
  uint64_t next_row_min = 0;
  uint64_t seen = 0;
  bool ordered = true;
  bool codes_known = true;
  column.for_each([&](uint32_t row, uint32_t i) {
    ordered = ordered && row >= next_row_min && i == seen && column.find(row) == i;
    next_row_min = uint64_t{row} + 1;
    ++seen;
    if (column.type == ColumnType::text) {
      codes_known = codes_known && column.packed(i) < column.dictionary_count;
    } else if (is_list(column.type)) {
      const auto begin = load<uint32_t>(column.list_offsets.data() + size_t{i} * 4);
      const auto [first, last] = column.list_range(i);
      codes_known = codes_known && first == begin;
      for (uint64_t at = first; at < last && column.type == ColumnType::text_list; ++at) {
        codes_known = codes_known && column.packed(at) < column.dictionary_count;
      }
    }
  });
  if (!ordered || seen != column.value_count)
    return damaged("the rows of a column are not in order");
  if (!codes_known) return damaged("a value of a column is unknown");
  return {};
}

}  // namespace

std::string_view column_type_name(ColumnType type) {
  switch (type) {
    case ColumnType::boolean:
      return "true or false";
    case ColumnType::integer:
    case ColumnType::number:
      return "numbers";
    case ColumnType::text:
      return "text";
    case ColumnType::text_list:
      return "lists of text";
    case ColumnType::integer_list:
    case ColumnType::number_list:
      return "lists of numbers";
    case ColumnType::boolean_list:
      return "lists of true and false";
  }
  return "text";
}

bool is_builtin_column(std::string_view name) {
  return name == "key" || std::ranges::find(kBuiltins, name) != kBuiltins.end();
}

std::optional<uint32_t> ColumnView::find(uint32_t row) const {
  if (row >= row_count) return std::nullopt;
  switch (presence) {
    case Presence::first_rows:
      return row < value_count ? std::optional(row) : std::nullopt;
    case Presence::listed: {
      uint32_t low = 0;
      uint32_t high = value_count;
      const auto row_at = [&](uint32_t i) {
        return load<uint32_t>(presence_bytes.data() + size_t{i} * 4);
      };
      while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (row_at(middle) < row) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low < value_count && row_at(low) == row ? std::optional(low) : std::nullopt;
    }
    case Presence::bitmap: {
      const auto word_at = [&](uint32_t word) {
        return load<uint64_t>(presence_bytes.data() + size_t{word} * 8);
      };
      const uint64_t word = word_at(row / 64);
      if (((word >> (row % 64)) & 1) == 0) return std::nullopt;
      auto rank = load<uint32_t>(ranks.data() + size_t{row / kRowsPerRank} * 4);
      for (uint32_t w = row / kRowsPerRank * (kRowsPerRank / 64); w < row / 64; ++w) {
        rank += static_cast<uint32_t>(__builtin_popcountll(word_at(w)));
      }
      rank += static_cast<uint32_t>(__builtin_popcountll(word & ((uint64_t{1} << (row % 64)) - 1)));
      return rank < value_count ? std::optional(rank) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::pair<uint64_t, uint64_t> ColumnView::list_range(uint32_t i) const {
  const auto begin = load<uint32_t>(list_offsets.data() + size_t{i} * 4);
  const auto end = load<uint32_t>(list_offsets.data() + size_t{i} * 4 + 4);
  const auto all = load<uint32_t>(list_offsets.data() + size_t{value_count} * 4);
  if (begin > end || end > all) return {0, 0};
  return {begin, end};
}

std::string_view ColumnView::text(uint64_t code) const {
  if (code >= dictionary_count) return {};
  const auto begin = load<uint32_t>(dictionary_offsets.data() + code * 4);
  const auto end = load<uint32_t>(dictionary_offsets.data() + code * 4 + 4);
  if (begin > end || end > dictionary.size()) return {};
  return dictionary.substr(begin, end - begin);
}

uint32_t ColumnView::lower_bound(std::string_view wanted) const {
  uint32_t low = 0;
  uint32_t high = dictionary_count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (text(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Value ColumnView::value(uint32_t i) const {
  switch (type) {
    case ColumnType::boolean:
      return boolean(i);
    case ColumnType::integer:
      return integer(i);
    case ColumnType::number:
      return number(i);
    case ColumnType::text:
      return std::string(text(packed(i)));
    case ColumnType::text_list: {
      std::vector<std::string> list;
      const auto [first, last] = list_range(i);
      for (uint64_t at = first; at < last; ++at) list.emplace_back(text(packed(at)));
      return list;
    }
    case ColumnType::integer_list: {
      std::vector<int64_t> list;
      const auto [first, last] = list_range(i);
      for (uint64_t at = first; at < last; ++at) list.push_back(integer(at));
      return list;
    }
    case ColumnType::number_list: {
      std::vector<double> list;
      const auto [first, last] = list_range(i);
      for (uint64_t at = first; at < last; ++at) list.push_back(number(at));
      return list;
    }
    case ColumnType::boolean_list: {
      std::vector<bool> list;
      const auto [first, last] = list_range(i);
      for (uint64_t at = first; at < last; ++at) list.push_back(boolean(at));
      return list;
    }
  }
  return {};
}

std::span<const ColumnView> Columns::State::find(ColumnKind kind, std::string_view name) const {
  const auto range = std::ranges::equal_range(
      columns, std::pair(kind, name), {},
      [](const ColumnView& column) { return std::pair(column.kind, column.name); });
  return {range.begin(), range.end()};
}

std::span<const ColumnView> Columns::State::find(std::string_view name) const {
  if (is_builtin_column(name)) return find(ColumnKind::builtin, name);
  if (const auto exact = find(ColumnKind::metadata, name); !exact.empty()) return exact;
  for (const std::string_view prefix : {"metadata.", "meta."}) {
    if (name.starts_with(prefix)) return find(ColumnKind::metadata, name.substr(prefix.size()));
  }
  return {};
}

std::string Columns::State::row_key_of(uint32_t row) const {
  const auto sources = find(ColumnKind::builtin, "source");
  const auto positions = find(ColumnKind::builtin, "position");
  if (sources.empty() || positions.empty()) return {};
  const auto source = sources[0].find(row);
  const auto position = positions[0].find(row);
  if (!source || !position || sources[0].type != ColumnType::text ||
      positions[0].type != ColumnType::integer) {
    return {};
  }
  return row_key(std::string(sources[0].text(sources[0].packed(*source))),
                 static_cast<uint32_t>(positions[0].integer(*position)));
}

Columns::Columns(std::unique_ptr<State> state) : state_(std::move(state)) {}
Columns::~Columns() = default;
Columns::Columns(Columns&&) noexcept = default;
Columns& Columns::operator=(Columns&&) noexcept = default;

Result<Columns> Columns::open(std::string_view section) {
  if (section.size() < kColumnsHeadBytes + kColumnsTrailerBytes) return damaged("too short");
  if (load<uint32_t>(section.data()) != kColumnsMagic) return damaged("no head");
  ByteReader trailer(section.substr(section.size() - kColumnsTrailerBytes));
  const auto directory_offset = trailer.number<uint64_t>();
  const auto directory_bytes = trailer.number<uint64_t>();
  auto state = std::make_unique<State>();
  state->row_count = trailer.number<uint32_t>();
  const auto column_count = trailer.number<uint32_t>();
  const auto features = trailer.number<uint32_t>();
  trailer.number<uint32_t>();
  const auto version = trailer.number<uint32_t>();
  if (trailer.number<uint32_t>() != kColumnsMagic) return damaged("no trailer");
  if (version != kColumnsVersion || (features & ~kListsOfNumbers) != 0) {
    return fail(ErrorCode::unsupported, "the columns of a segment were written by a newer version",
                "open it with that version of headrace");
  }
  const uint64_t end = section.size() - kColumnsTrailerBytes;
  if (directory_offset < kColumnsHeadBytes || directory_offset > end ||
      directory_bytes != end - directory_offset || column_count > directory_bytes) {
    return damaged("its parts do not fit together");
  }
  ByteReader data(section.substr(kColumnsHeadBytes, directory_offset - kColumnsHeadBytes));
  ByteReader directory(section.substr(directory_offset, directory_bytes));
  state->columns.reserve(column_count);
  for (uint32_t i = 0; i < column_count; ++i) {
    ColumnView column;
    const auto kind = directory.number<uint8_t>();
    const auto type = directory.number<uint8_t>();
    const auto presence = directory.number<uint8_t>();
    column.bits = directory.number<uint8_t>();
    column.name = directory.bytes(directory.varint());
    const uint64_t value_count = directory.varint();
    const uint64_t dictionary_count = directory.varint();
    for (std::string_view* part :
         {&column.presence_bytes, &column.ranks, &column.dictionary_offsets, &column.dictionary,
          &column.list_offsets, &column.values}) {
      *part = data.bytes(directory.varint());
    }
    if (directory.failed() || data.failed() || kind > 1 || type > 7 || presence > 2 ||
        value_count > UINT32_MAX || dictionary_count > UINT32_MAX) {
      return damaged("the directory makes no sense");
    }
    column.kind = static_cast<ColumnKind>(kind);
    column.type = static_cast<ColumnType>(type);
    column.presence = static_cast<Presence>(presence);
    column.value_count = static_cast<uint32_t>(value_count);
    column.dictionary_count = static_cast<uint32_t>(dictionary_count);
    column.row_count = state->row_count;
    if (!sizes_fit(column)) return damaged("a column does not fit its description");
    const auto order = [](const ColumnView& c) { return std::tuple(c.kind, c.name, c.type); };
    if (!state->columns.empty() && order(column) <= order(state->columns.back())) {
      return damaged("the columns are not in order");
    }
    state->columns.push_back(column);
  }
  if (directory.left() != 0 || data.left() != 0) return damaged("bytes are left over");
  return Columns(std::move(state));
}

uint32_t Columns::row_count() const {
  return state_->row_count;
}

std::vector<std::string> Columns::names() const {
  std::vector<std::string> names;
  for (const ColumnView& column : state_->columns) {
    std::string name(column.name);
    if (column.kind == ColumnKind::metadata && is_builtin_column(name)) name = "metadata." + name;
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
  }
  return names;
}

Value Columns::value(uint32_t row, std::string_view column) const {
  if (column == "key") {
    std::string key = state_->row_key_of(row);
    return key.empty() ? Value() : Value(std::move(key));
  }
  for (const ColumnView& view : state_->find(column)) {
    if (const auto i = view.find(row)) return view.value(*i);
  }
  return {};
}

Status Columns::check() const {
  for (const ColumnView& column : state_->columns) HR_TRY(check_column(column));
  return {};
}

}  // namespace headrace::index
