// Chunking with tokens counted, one thread: chunker_bench MODEL_FOLDER FILE… prints one JSON line.
// bench/chunk_peers.py runs it beside its peers over the same files.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/utf8.h"
#include "transform/chunker.h"

int main(int argc, char** argv) {
  using namespace headrace;
  if (argc < 3) {
    std::fputs("usage: chunker_bench MODEL_FOLDER FILE…\n", stderr);
    return 2;
  }
  const auto tokenizer = Tokenizer::load(argv[1]);
  if (!tokenizer) {
    std::fputs(tokenizer.error().text().c_str(), stderr);
    return 1;
  }
  ChunkOptions options;
  const auto chunker = Chunker::create(*tokenizer, options);
  if (!chunker) return 1;
  std::vector<Document> documents;
  size_t bytes = 0;
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    Document& document = documents.emplace_back();
    document.source = argv[i];
    document.text = to_valid_utf8(std::string((std::istreambuf_iterator<char>(file)), {}));
    bytes += document.text.size();
  }
  double best = 1e18;
  std::vector<Row> rows;
  for (int run = 0; run < 3; ++run) {
    rows.clear();
    const auto start = std::chrono::steady_clock::now();
    for (const Document& document : documents) {
      std::vector<Row> some = chunker->chunk(document);
      rows.insert(rows.end(), std::make_move_iterator(some.begin()),
                  std::make_move_iterator(some.end()));
    }
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  size_t over = 0, most = 0;
  std::vector<int32_t> ids;
  for (const Row& row : rows) {
    ids.clear();
    const size_t tokens = (*tokenizer)->encode_ids(chunker->embedded_text(row), 0, ids);
    over += tokens > options.tokens_max;
    most = std::max(most, tokens);
  }
  fmt::print(
      "{{\"bytes\":{},\"seconds\":{:.4f},\"mb_per_second\":{:.2f},\"rows\":{},\"over\":{},"
      "\"most\":{}}}\n",
      bytes, best, static_cast<double>(bytes) / 1e6 / best, rows.size(), over, most);
  return 0;
}
