#include "plan/document_stream.h"

#include <algorithm>
#include <string>

#include "base/hash.h"
#include "plan/failure_limit.h"
#include "plan/feeder.h"
#include "plan/ordered_outcomes.h"
#include "plan/render.h"

namespace headrace {

namespace {

// Paragraphs alone are what the text itself is read as.
bool is_plain(const DocumentStructure& structure) {
  return structure.links.empty() && std::ranges::all_of(structure.blocks, [](const Block& block) {
           return block.kind == BlockKind::paragraph && block.page == 0;
         });
}

}  // namespace

// Another structure makes other rows of the same text.
Hash128 record_hash(const RawDocument& record) {
  std::string parts = record.title + '\0' + record.bytes + '\0' + metadata_json(record.metadata);
  if (record.structure && !is_plain(*record.structure)) {
    for (const Block& block : record.structure->blocks) {
      for (const uint32_t number : {block.begin, block.end, static_cast<uint32_t>(block.kind),
                                    uint32_t{block.level}, static_cast<uint32_t>(block.page)})
        parts += std::to_string(number) + ' ';
    }
    for (const Link& link : record.structure->links)
      parts += std::to_string(link.at) + ' ' + link.target + '\0';
  }
  // Lines that follow those of the text are not told, as before there were any.
  if (record.structure && record.structure->lines.size() > 1) {
    for (const LineBegin& begin : record.structure->lines)
      parts += std::to_string(begin.offset) + ':' + std::to_string(begin.line) + ' ';
  }
  return hash128(parts);
}

uint64_t rows_bytes(const std::vector<Row>& rows) {
  uint64_t bytes = 0;
  for (const Row& row : rows) {
    bytes += row.text.size() + row.title.size() + row.heading.size() + sizeof(Row) +
             row.further_lines.size() * sizeof(LineBegin);
  }
  return bytes;
}

Status run_document_stream(const StreamOptions& options, const StreamParts& parts,
                           const OutcomeHandler& handler) {
  const Decoder decoder(parts.workers, DecodeOptions{options.document_bytes_max});
  const DocumentContext context{options, parts, decoder};
  OrderedOutcomes results;
  // Order of destruction matters: the feeder's thread ends first, then the tasks, then the slots.
  TaskScope tasks(parts.pool);
  Thread feeder([&] {
    Feeder feed(context, results, tasks);
    Status status = feed.run();
    parts.progress.listing_done = true;
    results.finish(std::move(status));
  });

  FailureLimit failures(parts.known, handler);
  Status handled;
  while (const auto slot = results.next()) {
    for (Outcome& outcome : slot->outcomes) {
      if (!handled || !(handled = parts.cancel.check())) break;
      parts.progress.documents_done.fetch_add(outcome.count, std::memory_order_relaxed);
      parts.progress.bytes_done.fetch_add(outcome.bytes, std::memory_order_relaxed);
      handled = failures.take(std::move(outcome));
    }
    if (!handled) {
      results.close();
      parts.budget.cancel();
    }
  }
  HR_TRY(handled);
  // What was not begun any more left empty slots.
  HR_TRY(parts.cancel.check());
  HR_TRY(failures.finish());
  return results.end_status();
}

}  // namespace headrace
