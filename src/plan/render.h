// Hits, states and errors as JSON, in the words of the contract: one place for the command line,
// Python and HTTP.
//
// Threads: pure functions. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "batch/document.h"
#include "index/knowledge_base.h"
#include "plan/knowledge.h"
#include "plan/row_stream.h"

namespace headrace {

std::string error_json(const Error& error);  // {"error":{"code","message","hint"}}
// {"hits":[…],"took_ms"}; with `id` (a JSON value, already encoded) first when it is not empty.
std::string hits_json(const std::vector<Hit>& hits, double took_ms, const std::string& id = {});
// The same with what was asked for besides: "explain" in hits, "facets", and "cursor" where there
// is another page.
std::string page_json(const HitPage& page, double took_ms);
// {"name","model","dimension","rows","added","tokens","seconds","interrupted"}
std::string space_json(const SpaceReport& report);
// {"rows","spaces":[{"name","model","dimension","metric","rows","main"}]}
std::string spaces_json(const index::Info& info, const Settings& settings);
std::string info_json(const index::Info& info);
// With a list of its segments.
std::string info_json(const index::Info& info, const std::vector<index::SegmentInfo>& segments);
std::string backup_json(const index::BackupReport& report);
std::string history_json(const index::History& history, std::span<const index::PastState> states);
std::string repair_json(const index::RepairReport& report);
std::string errors_json(const std::vector<DocumentError>& errors);
// The same of the first, and {"count","codes":{NAME: count}} of all.
std::string failures_json(const StreamFailures& failures);
// `recall` only where it was measured.
std::string verify_json(const index::VerifyReport& report,
                        const std::vector<index::RecallReport>& recall = {});
// One exported row, one line.
std::string export_row_json(const Row& row);
std::string metadata_json(const Metadata& metadata);
// A JSON object → metadata; used for rows that come back from Python.
Result<Metadata> metadata_from_json(const std::string& json);

}  // namespace headrace
