// KnownInWriter: what a knowledge base knows, for the document stream to skip what is unchanged.
//
// Owns: where the members of each container lie in the snapshot of the start of the run, which it
// holds as long as there are any; names only of what is beneath a member. Threads: const and safe
// (the writer takes turns). Errors: none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "index/knowledge_base.h"
#include "plan/document_stream.h"

namespace headrace {

class KnownInWriter : public KnownDocuments {
 public:
  explicit KnownInWriter(const index::Writer& writer);

  std::optional<index::DocumentState> document(const std::string& source) const override {
    return writer_.document(source);
  }
  uint64_t member_count(const std::string& container) const override;
  std::vector<std::string> beneath(const std::string& container,
                                   const std::string& source) const override;
  bool has_failures(const std::string& container) const override {
    return failed_.contains(container);
  }
  // Every member of the container, in no particular order.
  Status for_each_member(const std::string& container,
                         const std::function<Status(std::string_view source)>& visit) const;

 private:
  struct Members {
    std::vector<index::DocumentRange> places;  // may hold others, which are not members, as well
    uint64_t count = 0;
    std::vector<std::string> beneath;  // those that came out of members, in order
  };
  void note(const index::DocumentName& document);
  void note_failure(const index::DocumentName& document);

  const index::Writer& writer_;
  std::shared_ptr<const index::Snapshot> before_;  // null: nothing has members
  std::unordered_map<std::string, Members> members_;
  std::unordered_set<std::string> failed_;
};

}  // namespace headrace
