// JsonObject: one of a model's JSON files with typed, checked access.
//
// Owns: the parsed document. Threads: a value; const functions from any thread. Errors: damaged
// (not JSON, a key of the wrong type or size), each naming file and key.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace headrace::embed {

// A small file, whole. Errors: not_found, too_large beyond 16 MiB.
Result<std::string> read_small_file(const std::string& path);

// A model's file that cannot be what its author wrote, and one that asks for what we cannot run.
std::unexpected<Error> damaged_model(std::string_view file, std::string_view what);
std::unexpected<Error> refused_model(std::string_view file, std::string_view what);

class JsonObject {
 public:
  static Result<JsonObject> parse(std::string_view text, std::string_view file);
  // Nothing where there is no such file.
  static Result<std::optional<JsonObject>> read_optional(const std::string& path);

  const std::string& file() const { return file_; }
  // Neither absent nor null.
  bool has(std::string_view key) const;
  // Absent or null: the fallback; of another type: damaged.
  Result<std::string> text(std::string_view key, std::string_view fallback) const;
  // A string, or a list of strings. Absent or null: none.
  Result<std::vector<std::string>> texts(std::string_view key) const;
  Result<bool> flag(std::string_view key, bool fallback) const;
  Result<double> number(std::string_view key, double fallback) const;
  // A size that must be there, from 1 to `most`.
  Result<uint32_t> size(std::string_view key, uint32_t most) const;
  Result<uint32_t> size_or(std::string_view key, uint32_t fallback, uint32_t least,
                           uint32_t most) const;
  // The object at `key`; nothing where it is absent or null.
  Result<std::optional<JsonObject>> object(std::string_view key) const;
  const simdjson::dom::object& raw() const { return object_; }

 private:
  JsonObject(std::string file, std::shared_ptr<simdjson::dom::parser> parser)
      : file_(std::move(file)), parser_(std::move(parser)) {}

  template <class Json, class Value>
  Result<Value> get(std::string_view key, Value fallback, std::string_view kind) const;

  std::string file_;
  std::shared_ptr<simdjson::dom::parser> parser_;  // owns what object_ shows
  simdjson::dom::object object_;
};

}  // namespace headrace::embed
