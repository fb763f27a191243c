// PendingDocuments: the documents of changes that are not in a StoreState yet, so that who asks for
// a document need not wait for them.
//
// Owns: their states; of documents that are one row alone, only the hash of their source. Threads:
// one at a time. Errors: none.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "index/knowledge_base.h"

namespace headrace::index {

class PendingDocuments {
 public:
  // The document as it will be; nothing: it is removed.
  void set(std::string_view source, std::optional<DocumentState> state) {
    if (!rows_.empty()) std::erase(rows_, hash64(source));
    documents_.insert_or_assign(std::string(source), std::move(state));
  }
  // One of which nothing is known but that it has a single row.
  void set_row(std::string_view source) {
    if (!documents_.empty()) {
      if (const auto known = documents_.find(source); known != documents_.end())
        documents_.erase(known);
    }
    rows_.push_back(hash64(source));
  }
  // Those of later changes.
  void add(PendingDocuments&& later) {
    for (auto& [source, state] : later.documents_) set(source, std::move(state));
    if (!documents_.empty() && !later.rows_.empty()) {
      std::erase_if(documents_, [&](const auto& known) {
        return !later.documents_.contains(known.first) &&
               std::ranges::find(later.rows_, hash64(known.first)) != later.rows_.end();
      });
    }
    rows_.insert(rows_.end(), later.rows_.begin(), later.rows_.end());
    later.clear();
  }
  // Whether these changes decide what becomes of the document.
  bool find(std::string_view source, std::optional<DocumentState>& state) const {
    if (const auto known = documents_.find(source); known != documents_.end()) {
      state = known->second;
      return true;
    }
    if (std::ranges::find(rows_, hash64(source)) == rows_.end()) return false;
    state.emplace();
    state->source = source;
    state->row_count = 1;
    return true;
  }
  void clear() {
    documents_.clear();
    rows_.clear();
  }

 private:
  std::map<std::string, std::optional<DocumentState>, std::less<>> documents_;
  std::vector<uint64_t> rows_;
};

}  // namespace headrace::index
