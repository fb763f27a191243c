// The columns that a filter names, against those that there are.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "index/columns_state.h"
#include "index/filter_node.h"

namespace headrace::index {

namespace {

constexpr size_t kNamesShown = 20;

void collect(const Filter::Node& node, std::set<std::string>& names) {
  if (node.kind == Filter::Node::Kind::condition) names.insert(node.condition.column);
  for (const Filter::Node& child : node.children) collect(child, names);
}

}  // namespace

std::string Filter::unknown_columns(std::span<const Columns* const> segments) const {
  std::set<std::string> named;
  collect(*root_, named);
  std::erase_if(named, [&](const std::string& name) {
    return is_builtin_column(name) || std::ranges::any_of(segments, [&](const Columns* segment) {
             return !segment->state().find(name).empty();
           });
  });
  if (named.empty()) return {};
  std::set<std::string> known;
  for (const Columns* segment : segments) {
    for (const ColumnView& column : segment->state().columns) known.emplace(column.name);
  }
  std::vector<std::string> shown(known.begin(), known.end());
  if (shown.size() > kNamesShown) {
    shown.resize(kNamesShown);
    shown.emplace_back("…");
  }
  return fmt::format("no row has a column '{}'; there are: {}", fmt::join(named, "', '"),
                     fmt::join(shown, ", "));
}

}  // namespace headrace::index
