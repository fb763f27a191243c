// Feeder: the one thread that lists sources and opens containers, giving every document a place in
// the order of results and handing it to the pool.
//
// Owns: nothing beyond one run. Threads: run() on the feeding thread. Errors: only those that end
// the run; the rest become failed outcomes in their place.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plan/document_task.h"
#include "plan/ordered_outcomes.h"
#include "plan/source_names.h"
#include "sources/record_names.h"

namespace headrace {

class Feeder {
 public:
  Feeder(const DocumentContext& context, OrderedOutcomes& results, TaskScope& tasks)
      : context_(context), results_(results), tasks_(tasks) {}

  Status run();

 private:
  // A file whose documents are its members or records.
  struct Container {
    std::string source;
    SourceStamp stamp;
    Hash128 content_hash;
    // Some of its members are not known: nothing may be taken for removed.
    bool damaged = false;
    // For all that is packed in it; null where nothing is unpacked.
    std::shared_ptr<ExpansionAllowance> allowance{};
    bool is_apart = false;      // its members or records are documents of their own
    bool is_input = false;      // standard input
    bool keeps_others = false;  // and no name says that it replaces what came before
  };

  Status feed_file(const FileEntry& entry);
  // Without a name what says itself what it is (a record's id, a member's name) replaces that,
  // other records are known by their content, and a text that is not the one called "-" is
  // "-#HASH".
  Status feed_standard_input();
  void name_by_content(RawDocument& record, const Container& container) const;
  std::string input_source(const Hash128& content_hash) const;
  void name_given(RawDocument& record);
  Status feed_archive_file(const FileEntry& entry, Format format);
  Status feed_jsonl_file(const FileEntry& entry);
  Status feed_csv_file(const FileEntry& entry);
  Status feed_wide_jsonl_file(const FileEntry& entry);  // UTF-16 or UTF-32
  Status feed_whole_file(const FileEntry& entry,
                         const std::function<Status(std::string&&, Container&)>& feed);
  Status feed_records(const std::string& name, std::string bytes, Container& container);
  Status feed_table(const std::string& name, std::string bytes, Container& container);
  Result<std::string> in_utf8(const std::string& name, std::string bytes);
  Status unreadable_text(const std::string& name, Error error, Container& container);
  Status feed_member(Member&& member, const std::string& outer, Container& container, int depth);
  Status feed_record(RawDocument&& raw, Format format, const Container& container, int depth = 1);
  Status feed_given_records();
  Status deliver_exhausted(const Container& container);
  Status end_container(const Container& container);
  Status container_problem(DocumentError problem, const Container& container);

  // Waits for room for what the feeder holds itself; reading_ has it until released.
  Status reserve_reading(uint64_t bytes);
  Status submit(uint64_t bytes, Format format, std::function<std::vector<Outcome>()> task);
  Status deliver(Outcome outcome);
  Status deliver_unread(const FileEntry& entry, Error error);
  bool known_by_stamp(const FileEntry& entry, Outcome& unchanged) const;
  bool has_failed(const std::string& source) const;
  Status deliver_listed(const std::string& folder);
  bool waits_for_a_change(const SourceStamp& stamp) const;

  const DocumentContext& context_;
  OrderedOutcomes& results_;
  TaskScope& tasks_;
  RecordNames given_names_;  // of records that have none of their own
  Reservation reading_;      // for a member, a line or a table that is being taken apart
};

}  // namespace headrace
