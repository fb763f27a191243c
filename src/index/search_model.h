// A naive model of search for the tests: rows in plain vectors, every question answered by looking
// at all of them. It shares the analyzer with the index and nothing else.
//
// Owns: the rows. Threads: one. Errors: none.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "index/analyzer.h"
#include "index/columns.h"
#include "index/postings.h"
#include "index/postings_format.h"
#include "index/search.h"

namespace headrace::index::model {

struct Occurrence {
  std::string term;
  uint32_t position = 0;
};

struct ModelRow {
  Row row;
  bool deleted = false;
  std::vector<Occurrence> text;   // with the title
  std::vector<Occurrence> title;  // the title alone
  uint32_t segment = 0;
  uint32_t number = 0;
};

inline std::vector<Occurrence> occurrences(Analyzer& analyzer, std::string_view text,
                                           uint32_t first, uint32_t& end) {
  std::vector<Occurrence> found;
  end = first + analyzer.analyze(text, [&](std::string_view term, uint32_t position) {
    found.push_back({std::string(term), first + position});
  });
  return found;
}

inline void analyze_row(Analyzer& analyzer, ModelRow& row) {
  uint32_t end = 0;
  row.title = occurrences(analyzer, row.row.title, 0, end);
  if (end == 0 || row.row.text.starts_with(row.row.title)) {
    row.text = occurrences(analyzer, row.row.text, 0, end);
    return;
  }
  row.text = row.title;
  for (Occurrence& found : occurrences(analyzer, row.row.text, end + kTitleGap, end)) {
    row.text.push_back(std::move(found));
  }
}

inline bool has_phrase(const std::vector<Occurrence>& row, const std::vector<Occurrence>& phrase) {
  std::set<std::pair<std::string, uint32_t>> places;
  for (const Occurrence& found : row) places.emplace(found.term, found.position);
  return std::ranges::any_of(row, [&](const Occurrence& first) {
    if (first.term != phrase[0].term || first.position < phrase[0].position) return false;
    const uint32_t begin = first.position - phrase[0].position;
    return std::ranges::all_of(phrase, [&](const Occurrence& word) {
      return places.contains({word.term, begin + word.position});
    });
  });
}

// True, false, or unknown: the logic of SQL.
using Truth = std::optional<bool>;
inline Truth truth_not(Truth a) {
  return a ? Truth(!*a) : a;
}
inline Truth truth_and(Truth a, Truth b) {
  if ((a && !*a) || (b && !*b)) return false;
  return a && b ? Truth(true) : std::nullopt;
}
inline Truth truth_or(Truth a, Truth b) {
  return truth_not(truth_and(truth_not(a), truth_not(b)));
}

// Segments over rows, as a snapshot shows them.
class Segments {
 public:
  Segments(std::vector<ModelRow>& rows, std::span<const uint32_t> sizes, bool merge_some) {
    size_t at = 0;
    for (uint32_t segment = 0; segment < sizes.size(); ++segment) {
      const size_t count = std::min<size_t>(sizes[segment], rows.size() - at);
      add(std::span(rows).subspan(at, count), segment, merge_some && segment % 2 == 0);
      at += count;
    }
    for (Part& part : parts_) {
      SegmentView view;
      view.row_count = part.rows;
      view.postings = part.postings.get();
      view.columns = part.columns.get();
      view.deleted = &part.deleted;
      views_.push_back(view);
    }
  }
  std::span<const SegmentView> views() const { return views_; }

 private:
  struct Part {
    uint32_t rows = 0;
    std::string postings_bytes, columns_bytes;
    std::unique_ptr<Postings> postings;
    std::unique_ptr<Columns> columns;
    RowBitmap deleted;
  };

  static void open(Part& part) {
    auto postings = Postings::open(part.postings_bytes);
    HR_CHECK(postings && postings->check(), "postings can be read");
    part.postings = std::make_unique<Postings>(std::move(*postings));
    auto columns = Columns::open(part.columns_bytes);
    HR_CHECK(columns && columns->check(), "columns can be read");
    part.columns = std::make_unique<Columns>(std::move(*columns));
  }

  static Part build(std::span<ModelRow> rows) {
    Part part;
    PostingsBuilder postings("en");
    ColumnsBuilder columns;
    for (const ModelRow& row : rows) {
      postings.add(part.rows, row.row.title, row.row.text);
      columns.add(part.rows++, row.row);
    }
    StringSink postings_sink, columns_sink;
    HR_CHECK(postings.finish(postings_sink) && columns.finish(columns_sink), "sections are made");
    part.postings_bytes = postings_sink.take();
    part.columns_bytes = columns_sink.take();
    open(part);
    return part;
  }

  // A merged segment is made from two halves.
  void add(std::span<ModelRow> rows, uint32_t segment, bool merged) {
    Part part;
    if (!merged || rows.size() < 2) {
      part = build(rows);
    } else {
      const size_t half = rows.size() / 2;
      const Part halves[] = {build(rows.first(half)), build(rows.subspan(half))};
      std::vector<uint32_t> maps[2];
      for (const Part& one : halves) {
        for (uint32_t i = 0; i < one.rows; ++i) maps[&one - halves].push_back(part.rows++);
      }
      const MergeInput<Postings> postings[] = {{halves[0].postings.get(), maps[0]},
                                               {halves[1].postings.get(), maps[1]}};
      const MergeInput<Columns> columns[] = {{halves[0].columns.get(), maps[0]},
                                             {halves[1].columns.get(), maps[1]}};
      StringSink postings_sink, columns_sink;
      HR_CHECK(merge_postings(postings, postings_sink) && merge_columns(columns, columns_sink),
               "sections are merged");
      part.postings_bytes = postings_sink.take();
      part.columns_bytes = columns_sink.take();
      open(part);
    }
    part.deleted = RowBitmap(part.rows);
    for (uint32_t i = 0; i < rows.size(); ++i) {
      rows[i].segment = segment;
      rows[i].number = i;
      if (rows[i].deleted) part.deleted.set(i);
    }
    parts_.push_back(std::move(part));
  }

  std::vector<Part> parts_;
  std::vector<SegmentView> views_;
};

// BM25 of rows as plain arithmetic. Deleted rows count until they are merged away.
class Scores {
 public:
  explicit Scores(std::span<const ModelRow> rows) : rows_(rows) {
    for (const ModelRow& row : rows) {
      const uint32_t length = decode_length(encode_length(static_cast<uint32_t>(row.text.size())));
      total_ += length;
      count_ += length > 0 ? 1 : 0;
      std::set<std::string> terms;
      for (const Occurrence& found : row.text) terms.insert(found.term);
      for (const Occurrence& found : row.title) terms.insert(kTitleMark + found.term);
      for (const std::string& term : terms) ++df_[term];
    }
  }
  uint64_t df(const std::string& term) const {
    const auto found = df_.find(term);
    return found == df_.end() ? 0 : found->second;
  }
  const std::map<std::string, uint64_t>& all() const { return df_; }
  double score(const ModelRow& row, const std::string& term, uint64_t df) const {
    const bool title = term.starts_with(kTitleMark);
    double tf = 0;
    for (const Occurrence& found : title ? row.title : row.text) {
      tf += found.term == (title ? term.substr(1) : term) ? 1 : 0;
    }
    if (tf == 0) return 0;
    const double n = static_cast<double>(std::max(count_, df));
    const double idf =
        std::log(1 + (n - static_cast<double>(df) + 0.5) / (static_cast<double>(df) + 0.5));
    const double length = decode_length(encode_length(static_cast<uint32_t>(row.text.size())));
    const double average = static_cast<double>(total_) / static_cast<double>(count_);
    return idf * 2.2 * tf / (tf + 1.2 * (0.25 + 0.75 * length / average));
  }

 private:
  std::span<const ModelRow> rows_;
  std::map<std::string, uint64_t> df_;
  uint64_t total_ = 0;
  uint64_t count_ = 0;
};

}  // namespace headrace::index::model
