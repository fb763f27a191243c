#include "batch/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace headrace {

namespace {

template <typename Item>
bool all_are(std::span<const Value> items) {
  return std::ranges::all_of(items, [](const Value& item) {
    return std::holds_alternative<Item>(item) || std::holds_alternative<std::monostate>(item);
  });
}

// A whole number that a double holds as it is, or a double.
bool is_exact_double(const Value& value) {
  if (std::holds_alternative<double>(value)) return true;
  const auto* whole = std::get_if<int64_t>(&value);
  constexpr int64_t kExact = int64_t{1} << 53;
  return whole != nullptr && *whole >= -kExact && *whole <= kExact;
}

template <typename Item>
Value list_of(std::span<const Value> items) {
  std::vector<Item> list;
  for (const Value& item : items) {
    if (const auto* held = std::get_if<Item>(&item)) list.push_back(*held);
  }
  return list;
}

}  // namespace

Value list_value(std::span<const Value> items) {
  const auto is_null = [](const Value& item) {
    return std::holds_alternative<std::monostate>(item);
  };
  if (std::ranges::all_of(items, is_null)) return std::vector<std::string>();
  if (all_are<bool>(items)) return list_of<bool>(items);
  if (all_are<int64_t>(items)) return list_of<int64_t>(items);
  if (std::ranges::all_of(
          items, [&](const Value& item) { return is_null(item) || is_exact_double(item); })) {
    std::vector<double> list;
    for (const Value& item : items) {
      if (const auto* whole = std::get_if<int64_t>(&item))
        list.push_back(static_cast<double>(*whole));
      if (const auto* real = std::get_if<double>(&item)) list.push_back(*real);
    }
    return list;
  }
  std::vector<std::string> list;
  for (const Value& item : items) {
    if (!is_null(item)) list.push_back(item_text(item));
  }
  return list;
}

Value number_value(double number) {
  return std::isnan(number) ? Value() : Value(number);
}

std::string item_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  return {};
}

uint64_t value_bytes(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  if (const auto* list = std::get_if<std::vector<int64_t>>(&value)) return list->size() * 8;
  if (const auto* list = std::get_if<std::vector<double>>(&value)) return list->size() * 8;
  if (const auto* list = std::get_if<std::vector<bool>>(&value)) return list->size();
  uint64_t bytes = 0;
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& item : *list) bytes += item.size() + 8;
  }
  return bytes;
}

Hash128 row_hash(const std::string& source, uint32_t position) {
  std::string identity = source;
  identity.push_back('\0');
  identity += std::to_string(position);
  return hash128(identity);
}

std::string row_key(const std::string& source, uint32_t position) {
  return row_hash(source, position).hex();
}

}  // namespace headrace
