// KnownInWriter: what a knowledge base knows, for the document stream to skip what is unchanged.
//
// Owns: the members of each container as of the start of the run. Threads: const and safe (the
// writer takes turns). Errors: none.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "index/knowledge_base.h"
#include "plan/document_stream.h"

namespace headrace {

class KnownInWriter : public KnownDocuments {
 public:
  explicit KnownInWriter(const index::Writer& writer) : writer_(writer) {}

  Status load() {
    HR_TRY(
        writer_.snapshot()->for_each_document([this](const index::DocumentState& state) -> Status {
          if (state.container.empty()) return {};
          members_[state.container].push_back(state.source);
          if (state.error) note_failure(state);
          return {};
        }));
    for (auto& [container, members] : members_) std::sort(members.begin(), members.end());
    return {};
  }

  std::optional<index::DocumentState> document(const std::string& source) const override {
    return writer_.document(source);
  }
  const std::vector<std::string>* members(const std::string& container) const override {
    const auto found = members_.find(container);
    return found == members_.end() ? nullptr : &found->second;
  }
  std::span<const std::string> beneath(const std::string& container,
                                       const std::string& source) const override {
    const auto* all = members(container);
    if (all == nullptr) return {};
    const std::string prefix = source + "!";
    const auto first = std::lower_bound(all->begin(), all->end(), prefix);
    const auto last = std::find_if(
        first, all->end(), [&](const std::string& member) { return !member.starts_with(prefix); });
    return {first, last};
  }
  bool has_failures(const std::string& container) const override {
    return failed_.contains(container);
  }

 private:
  // What it came out of: its container, and the archives and mails inside that on the way to it.
  void note_failure(const index::DocumentState& state) {
    failed_.insert(state.container);
    for (size_t at = state.source.find('!', state.container.size() + 1); at != std::string::npos;
         at = state.source.find('!', at + 1))
      failed_.insert(state.source.substr(0, at));
  }

  const index::Writer& writer_;
  std::unordered_map<std::string, std::vector<std::string>> members_;
  std::unordered_set<std::string> failed_;
};

}  // namespace headrace
