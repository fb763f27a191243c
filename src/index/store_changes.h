// One committed change, as it stands in the log. Nothing in it needs a predicate evaluated.
//
// Owns: values. Threads: values. Errors: read_change: damaged.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "index/knowledge_base.h"

namespace headrace::index {

struct RemoveSource {
  std::string source;
};
struct RemoveRows {
  std::vector<Hash128> keys;
};
struct SetVectors {
  std::string space;
  std::vector<Hash128> keys;
  std::vector<float> values;
};
// A document as it stands in a log frame, whose bytes must outlive it.
struct LoggedDocument {
  std::string_view payload;
  std::string_view source;
  size_t rows_at = 0;  // in the payload
  uint32_t rows = 0;
  bool has_error = false;
};
// The same of vectors: as many keys as vectors, one after the other.
struct LoggedVectors {
  std::string_view space;
  std::string_view keys;    // Hash128
  std::string_view values;  // float
};
using Change = std::variant<DocumentWrite, RemoveSource, RemoveRows, SetVectors, Space, std::string,
                            LoggedDocument, LoggedVectors>;

// Changes ↔ log frames.
class LogWriter;
struct LogFrame;
void log_change(const Change& change, LogWriter& log);
void log_vectors(std::string_view space, std::span<const Hash128> keys,
                 std::span<const float> values, LogWriter& log);
Status read_change(const LogFrame& frame, std::vector<Change>& changes);
// The same, but documents and vectors stay in the frame.
Status view_change(const LogFrame& frame, std::vector<Change>& changes);

// Fills all of `head` but its rows, of which visit(RowRecord) is given one after the other.
struct RowRecord;
Status read_logged_document(const LoggedDocument& document, DocumentWrite& head,
                            const std::function<Status(const RowRecord&)>& visit);
// Only the keys of its rows, at the end of `keys`.
Status read_logged_keys(const LoggedDocument& document, std::vector<Hash128>& keys);

}  // namespace headrace::index
