#include "row_function.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "arrow_binding.h"
#include "batch/row_batch.h"
#include "errors.h"
#include "plan/render.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

// What stands in a column of the answer.
enum class Part { key, text, title, heading, metadata, fixed, extra };

Part part_of(const std::string& name) {
  if (name == "key") return Part::key;
  if (name == "text") return Part::text;
  if (name == "title") return Part::title;
  if (name == "heading") return Part::heading;
  if (name == "metadata") return Part::metadata;
  for (const Field& field : row_schema({})) {
    if (field.name == name) return Part::fixed;
  }
  return Part::extra;
}

nb::capsule rows_stream(const std::vector<index::DocumentWrite>& group) {
  RowBatchBuilder builder({});
  for (const index::DocumentWrite& document : group) {
    for (const Row& row : document.rows) builder.add(row, metadata_json(row.metadata));
  }
  auto batch = std::make_shared<std::optional<Batch>>(builder.finish());
  return stream_capsule(row_schema({}), [batch]() -> Result<std::optional<Batch>> {
    return std::exchange(*batch, std::nullopt);
  });
}

using Rows = std::unordered_map<std::string, Row>;

Status change_row(Row& row, const std::string& name, Part part, Value value) {
  const auto set_text = [&](std::string& target) {
    if (auto* text = std::get_if<std::string>(&value)) target = std::move(*text);
  };
  switch (part) {
    case Part::text:
      set_text(row.text);
      return {};
    case Part::title:
      set_text(row.title);
      return {};
    case Part::heading:
      set_text(row.heading);
      return {};
    case Part::metadata: {
      const auto* json = std::get_if<std::string>(&value);
      if (json == nullptr) return {};
      HR_ASSIGN(row.metadata, metadata_from_json(*json));
      return {};
    }
    case Part::extra:
      if (!std::holds_alternative<std::monostate>(value)) row.metadata[name] = std::move(value);
      return {};
    case Part::key:
    case Part::fixed:
      return {};
  }
  return {};
}

// Takes from `rows` what the answer still has, changed as it says.
Result<Rows> read_answer(ArrowReader& answer, Rows rows) {
  const std::vector<std::string>& names = answer.names();
  const auto key = std::find(names.begin(), names.end(), "key");
  if (key == names.end()) {
    return fail(ErrorCode::invalid_argument, "map after chunk() gave rows without a \"key\" column",
                "keep the key column: it says which row is which");
  }
  std::vector<std::pair<size_t, Part>> order;
  for (size_t column = 0; column < names.size(); ++column)
    order.emplace_back(column, part_of(names[column]));
  // The row's own metadata first, columns that add to it after.
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second < b.second; });
  Rows kept;
  while (true) {
    HR_ASSIGN(const bool more, answer.next());
    if (!more) return kept;
    for (int64_t at = 0; at < answer.rows(); ++at) {
      HR_ASSIGN(const Value name, answer.value(static_cast<size_t>(key - names.begin()), at));
      const auto* text = std::get_if<std::string>(&name);
      auto found = text == nullptr ? rows.end() : rows.find(*text);
      if (found == rows.end()) {
        return fail(ErrorCode::invalid_argument,
                    "map after chunk() gave a row whose key was not among its input, or twice",
                    "return rows of the batch that was given, each once");
      }
      Row row = std::move(found->second);
      rows.erase(found);
      for (const auto& [column, part] : order) {
        if (answer.is_map(column)) {
          HR_ASSIGN(Metadata entries, answer.entries(column, at));
          for (auto& [name, value] : entries)
            row.metadata.insert_or_assign(names[column] + "." + name, std::move(value));
          continue;
        }
        auto value = answer.value(column, at);
        if (!value) {
          return fail(value.error().code(),
                      "map after chunk() gave a row that " + value.error().message(),
                      value.error().hint());
        }
        HR_TRY(change_row(row, names[column], part, *std::move(value)));
      }
      kept.emplace(row.key, std::move(row));
    }
  }
}

Status call(const nb::object& function, std::vector<index::DocumentWrite>& group) {
  const nb::gil_scoped_acquire acquire;
  try {
    const nb::object answer = function(rows_stream(group));
    Rows rows;
    std::vector<std::vector<std::string>> order;
    for (index::DocumentWrite& document : group) {
      auto& keys = order.emplace_back();
      for (Row& row : document.rows) {
        keys.push_back(row.key);
        rows.emplace(row.key, std::move(row));
      }
      document.rows.clear();
    }
    Rows kept;
    if (!answer.is_none()) {
      const std::unique_ptr<ArrowReader> reader = open_stream(answer);
      HR_ASSIGN(kept, read_answer(*reader, std::move(rows)));
    }
    for (size_t i = 0; i < group.size(); ++i) {
      for (const std::string& key : order[i]) {
        if (auto row = kept.find(key); row != kept.end())
          group[i].rows.push_back(std::move(row->second));
      }
    }
    return {};
  } catch (const nb::python_error& wrong) {
    return std::unexpected(error_of(wrong, "a function given to map or filter failed"));
  } catch (const std::exception& wrong) {
    return fail(ErrorCode::invalid_argument,
                std::string("a function given to map or filter failed: ") + wrong.what());
  }
}

}  // namespace

std::function<Status(std::vector<index::DocumentWrite>&)> row_function(const nb::object& function) {
  // Destroyed on a thread that may not hold the GIL.
  const std::shared_ptr<nb::object> held(std::make_unique<nb::object>(function).release(),
                                         [](nb::object* object) {
                                           const nb::gil_scoped_acquire acquire;
                                           const std::unique_ptr<nb::object> owned(object);
                                         });
  return [held](std::vector<index::DocumentWrite>& group) { return call(*held, group); };
}

}  // namespace headrace::python
