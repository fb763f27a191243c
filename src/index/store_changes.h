// One committed change, as it stands in the log. Nothing in it needs a predicate evaluated.
//
// Owns: values. Threads: values. Errors: read_change: damaged.
#pragma once

#include <string>
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
using Change =
    std::variant<DocumentWrite, RemoveSource, RemoveRows, SetVectors, Space, std::string>;

// Changes ↔ log frames.
class LogWriter;
struct LogFrame;
void log_change(const Change& change, LogWriter& log);
Status read_change(const LogFrame& frame, std::vector<Change>& changes);

}  // namespace headrace::index
