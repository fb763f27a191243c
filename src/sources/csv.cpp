#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "base/utf8.h"
#include "sources/records.h"

namespace headrace {

namespace {

// Reads one record from `bytes` at `position` (RFC 4180: quotes doubled inside quotes, line ends
// inside quotes kept). Empty at the end of the input.
std::optional<std::vector<std::string>> next_record(std::string_view bytes, char delimiter,
                                                    size_t& position, uint64_t& line) {
  if (position >= bytes.size()) return std::nullopt;
  std::vector<std::string> cells(1);
  bool quoted = false;
  ++line;
  for (; position < bytes.size(); ++position) {
    const char c = bytes[position];
    if (quoted) {
      if (c == '"' && position + 1 < bytes.size() && bytes[position + 1] == '"') {
        cells.back() += '"';
        ++position;
      } else if (c == '"') {
        quoted = false;
      } else {
        if (c == '\n') ++line;
        cells.back() += c;
      }
    } else if (c == '"' && cells.back().empty()) {
      quoted = true;
    } else if (c == delimiter) {
      cells.emplace_back();
    } else if (c == '\n') {
      ++position;
      break;
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

char find_delimiter(std::string_view bytes) {
  const std::string_view header = bytes.substr(0, bytes.find('\n'));
  char best = ',';
  std::ptrdiff_t most = 0;
  for (const char candidate : {',', ';', '\t', '|'}) {
    const auto count = std::count(header.begin(), header.end(), candidate);
    if (count > most) {
      most = count;
      best = candidate;
    }
  }
  return best;
}

bool is_whole(std::string_view cell) {
  return cell.find_first_not_of("0123456789", cell[0] == '-' ? 1 : 0) == std::string_view::npos;
}

// What no number can hold as it is stays text: identifiers of many digits, "nan", "inf".
Value typed(const std::string& cell) {
  if (cell.empty()) return std::monostate{};
  const char* begin = cell.data();
  const char* end = begin + cell.size();
  int64_t whole = 0;
  // A leading zero ("007") is an identifier, not a number.
  const bool plain = cell[0] != '0' || cell.size() == 1 || cell[1] == '.';
  if (const auto r = std::from_chars(begin, end, whole);
      plain && r.ec == std::errc{} && r.ptr == end)
    return whole;
  double real = 0;
  if (const auto r = std::from_chars(begin, end, real);
      plain && r.ec == std::errc{} && r.ptr == end && std::isfinite(real) && !is_whole(cell))
    return real;
  if (cell == "true") return true;
  if (cell == "false") return false;
  return cell;
}

std::optional<size_t> column(const std::vector<std::string>& header, const std::string& chosen,
                             std::initializer_list<std::string_view> usual) {
  for (size_t i = 0; i < header.size(); ++i) {
    if (!chosen.empty() ? header[i] == chosen
                        : std::find(usual.begin(), usual.end(), header[i]) != usual.end())
      return i;
  }
  return std::nullopt;
}

}  // namespace

Status read_csv_records(const std::string& file, std::string_view bytes,
                        const RecordColumns& columns, const RecordHandlers& handlers) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const char delimiter = find_delimiter(bytes);
  size_t position = 0;
  uint64_t line = 0;
  const auto header = next_record(bytes, delimiter, position, line);
  if (!header) return {};
  const auto text = column(*header, columns.text, {"text", "contents", "content", "body"});
  if (!text) {
    constexpr size_t kNamesShown = 300;  // bytes
    std::string names = to_valid_utf8(fmt::format("{}", fmt::join(*header, ", ")));
    if (names.size() > kNamesShown)
      names = names.substr(0, code_point_floor(names, kNamesShown)) + " …";
    return handlers.on_problem(
        {file, "read",
         Error(ErrorCode::damaged,
               columns.text.empty() ? fmt::format("{} has no column \"text\"", file)
                                    : fmt::format("{} has no column \"{}\"", file, columns.text),
               fmt::format("name the column with --text-column; there are: {}", names))});
  }
  auto id = column(*header, columns.id, {"id"});
  if (!id && columns.id.empty()) id = column(*header, "_id", {});
  const auto title = column(*header, columns.title, {"title"});
  while (position < bytes.size()) {
    const size_t begin = position;
    const uint64_t first_line = line + 1;
    auto cells = next_record(bytes, delimiter, position, line);
    if (!cells) break;
    if (cells->size() == 1 && (*cells)[0].empty()) continue;
    if (cells->size() != header->size()) {
      HR_TRY(handlers.on_problem(
          {fmt::format("{}:{}", file, first_line), "read",
           Error(ErrorCode::damaged,
                 fmt::format("{}:{}: {} cells where the header has {}", file, first_line,
                             cells->size(), header->size()),
                 "mend the quotes or remove the line; the other lines are indexed")}));
      continue;
    }
    RawDocument record;
    record.is_text = true;
    std::string name = numbered_id(first_line);
    record.is_numbered = !id || (*cells)[*id].empty();
    if (!record.is_numbered) name = to_valid_utf8((*cells)[*id]);
    for (size_t i = 0; i < header->size(); ++i) {
      std::string cell = to_valid_utf8((*cells)[i]);
      if (i == *text) {
        record.bytes = std::move(cell);
      } else if (title && i == *title) {
        record.title = std::move(cell);
      } else if (!id || i != *id) {
        const std::string named = to_valid_utf8((*header)[i]);
        record.metadata[named == "id" ? "_id" : named] = typed(cell);
      }
    }
    record.metadata["id"] = name;
    record.source = fmt::format("{}#{}", file, name);
    record.stamp.size_bytes = position - begin;
    record.content_hash = hash128(bytes.substr(begin, position - begin));
    HR_TRY(handlers.on_record(std::move(record)));
  }
  return {};
}

}  // namespace headrace
