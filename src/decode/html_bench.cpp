// Speed of parse and extraction; also the driver of tools/evaluate_articles.py:
//   html_bench --extract FILE…      one JSON line a file: {"file", "title", "text"}
//   html_bench --measure FILE…      pages/s and MB/s of CPU time over these files
//   html_bench [benchmark options]  synthetic pages
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decode/html.h"
#include "decode/html_content.h"
#include "decode/html_head.h"
#include "decode/html_tree.h"

namespace headrace {
namespace {

std::string read_file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<uint8_t>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec) * 1e-6;
}

int extract(std::span<char*> paths) {
  for (const char* path : paths) {
    const auto document = decode_html(read_file(path));
    if (!document) {
      fmt::print(stderr, "{}: {}\n", path, document.error().text());
      return 1;
    }
    fmt::print("{{\"file\":{},\"title\":{},\"text\":{}}}\n", json_string(path),
               json_string(document->title), json_string(document->text));
  }
  return 0;
}

template <typename Work>
double median_seconds(const std::vector<std::string>& pages, Work work) {
  constexpr int kRounds = 7;
  std::vector<double> seconds;
  for (int round = 0; round < kRounds; ++round) {
    const double start = cpu_seconds();
    for (const std::string& page : pages) work(page);
    seconds.push_back(cpu_seconds() - start);
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRounds / 2, seconds.end());
  return seconds[kRounds / 2];
}

int measure(std::span<char*> paths) {
  std::vector<std::string> pages;
  size_t bytes = 0;
  for (const char* path : paths) {
    pages.push_back(read_file(path));
    bytes += pages.back().size();
  }
  const auto report = [&](const char* what, double seconds) {
    fmt::print("{:<8} {:8.0f} pages/s {:8.1f} MB/s\n", what,
               static_cast<double>(pages.size()) / seconds,
               static_cast<double>(bytes) / 1e6 / seconds);
  };
  report("parse", median_seconds(pages, [](const std::string& page) {
           benchmark::DoNotOptimize(parse_html(page).nodes.size());
         }));
  report("decode", median_seconds(pages, [](const std::string& page) {
           benchmark::DoNotOptimize(decode_html(page)->text.size());
         }));
  return 0;
}

void decode_article(benchmark::State& state) {
  std::string page =
      "<html><head><title>A page</title><script>var x = 1 < 2;</script></head><body>"
      "<nav><ul><li><a href=/a>Home</a><li><a href=/b>News</a></ul></nav><article>";
  for (int i = 0; i < 200; ++i) {
    page +=
        "<p class=\"paragraph text\">A sentence with <b>bold</b> words &amp; a <a href=\"/x\">"
        "link</a>, and then another sentence that goes on for a while.</p>\n";
  }
  page += "</article><footer><a href=/c>Imprint</a></footer></body></html>";
  for (auto _ : state) benchmark::DoNotOptimize(decode_html(page)->text.size());
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * page.size()));
}
BENCHMARK(decode_article);

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<size_t>(argc));
  if (argc > 2 && std::string_view(argv[1]) == "--extract") {
    return headrace::extract(arguments.subspan(2));
  }
  if (argc > 2 && std::string_view(argv[1]) == "--measure") {
    return headrace::measure(arguments.subspan(2));
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
