// DocumentTask: what happens to one document on a pool thread: hash, compare, decode, chunk.
//
// Owns: nothing. Threads: functions, safe from any thread. Errors: become failed outcomes.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "batch/archive_request.h"
#include "decode/decoder.h"
#include "plan/document_stream.h"
#include "plan/expansion_allowance.h"

namespace headrace {

// A document from memory: what kb.add and HTTP take.
struct GivenDocument {
  std::string id;
  std::string title;
  std::string text;
  Metadata metadata;
};

// How many archives and mails may be around a document, the outermost file included.
inline constexpr int kNestingMax = 8;

// Worker processes that `threads` and the feeder may need at once: an archive keeps its own while
// its members, which may be archives again, are read. With fewer, all could wait for one another.
// They are started when they are needed.
constexpr size_t workers_needed(size_t threads) {
  return (threads + 1) * (kNestingMax + 1);
}

// What a decoder may take of a run's memory: as much as all of it, but no less than common formats
// need.
constexpr uint64_t decoder_bytes_max(uint64_t memory) {
  return std::max<uint64_t>(memory, 128ULL << 20);
}

struct DocumentContext {
  const StreamOptions& options;
  const StreamParts& parts;
  const Decoder& decoder;
};

// No more comes out than `allowance` has left, where there is one.
ArchiveRequest archive_request(const DocumentContext& context, const std::string& source,
                               Format format, const ExpansionAllowance* allowance);

// Counts what a worker unpacked of `source`.
Status count_unpacked(ExpansionAllowance& allowance, const std::string& source,
                      const UnpackedBytes& unpacked);

// OUTER!MEMBER; a member without a name is the container itself.
std::string member_source(const std::string& outer, const std::string& name);

Outcome failed_outcome(std::string source, std::string container, std::string stage, Error error,
                       const SourceStamp& stamp = {});

// The document as the knowledge base has it: neither content nor settings changed, and nothing in
// it failed.
bool is_unchanged(const DocumentContext& context, const std::string& source,
                  const Hash128& content_hash);

// A document's share in what may come out of its outermost file.
struct ExpansionShare {
  std::shared_ptr<ExpansionAllowance> allowance;  // null: one of its own
  uint64_t place = 0;
};

// Decodes and cuts `raw`; its attachments become outcomes of their own. `container` is empty for a
// file that is its own document; `depth` archives and mails are around it, and what comes out of
// `raw` counts against their allowance.
std::vector<Outcome> run_document_task(const DocumentContext& context, RawDocument raw,
                                       const std::string& container, int depth = 0,
                                       ExpansionShare share = {});
// Reads the file first, which begins as `format` does.
std::vector<Outcome> run_file_task(const DocumentContext& context, const FileEntry& entry,
                                   Format format);

// A document given as text, cut into rows; its id is its source and metadata "id".
index::DocumentWrite write_given_document(GivenDocument&& given, const Chunker& chunker);

}  // namespace headrace
