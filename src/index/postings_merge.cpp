#include <algorithm>
#include <queue>

#include "index/postings.h"
#include "index/postings_state.h"
#include "index/postings_writer.h"

namespace headrace::index {
namespace {

struct Input {
  const Postings::State* state = nullptr;
  NumberMap row_map;
  TermWalker walker;
  bool keeps_all = false;  // every row is kept, in a row: lists are taken over whole
};

// Appends a list of an input that keeps all rows.
void append_whole(const ListContents& from, uint32_t first_row, ListContents& to) {
  for (const uint32_t row : from.rows) to.rows.push_back(row + first_row);
  to.tfs.insert(to.tfs.end(), from.tfs.begin(), from.tfs.end());
  const uint64_t before = to.positions.size();
  to.positions += from.positions;
  for (const uint64_t end : from.position_ends) to.position_ends.push_back(before + end);
}

Result<std::vector<uint8_t>> merged_lengths(std::span<const MergeInput<Postings>> inputs) {
  std::vector<uint8_t> lengths;
  for (const auto& input : inputs) {
    const std::string_view codes = input.part->state().length_codes;
    if (codes.size() > input.row_map.size()) {
      return std::unexpected<Error>(damaged_postings("it has more rows than its segment"));
    }
    for (size_t row = 0; row < codes.size(); ++row) {
      const uint32_t target = input.row_map[row];
      if (target == kDroppedRow || codes[row] == 0) continue;
      if (lengths.size() <= target) lengths.resize(size_t{target} + 1);
      lengths[target] = static_cast<uint8_t>(codes[row]);
    }
  }
  return lengths;
}

}  // namespace

// Term by term over all inputs in order; one term's list is in memory at a time, besides one byte
// for each row and the writer's block index.
Status merge_postings(std::span<const MergeInput<Postings>> inputs, SectionSink& out) {
  HR_ASSIGN(const std::vector<uint8_t> lengths, merged_lengths(inputs));
  std::vector<Input> walks;
  std::string language = "none";
  bool has_positions = true;
  for (const auto& input : inputs) {
    if (input.part->row_count() > 0 || walks.empty()) language = input.part->language();
    has_positions = has_positions && (input.part->has_positions() || input.part->row_count() == 0);
    walks.push_back({&input.part->state(), input.row_map, TermWalker(input.part->state()),
                     input.row_map.keeps_all()});
  }
  const auto after = [&](size_t a, size_t b) {
    const int order = walks[a].walker.term().compare(walks[b].walker.term());
    return order != 0 ? order > 0 : a > b;
  };
  std::priority_queue<size_t, std::vector<size_t>, decltype(after)> queue(after);
  for (size_t i = 0; i < walks.size(); ++i) {
    HR_ASSIGN(const bool more, walks[i].walker.next());
    if (more) queue.push(i);
  }
  PostingsWriter writer(out, language, lengths, has_positions);
  ListContents contents, merged;
  std::vector<size_t> same;  // inputs that have the term, in order
  while (!queue.empty()) {
    const std::string term = walks[queue.top()].walker.term();
    same.clear();
    uint64_t postings = 0;
    while (!queue.empty() && walks[queue.top()].walker.term() == term) {
      const Input& input = walks[queue.top()];
      postings += std::min(input.walker.list().df, input.state->row_limit);
      same.push_back(queue.top());
      queue.pop();
    }
    merged.clear();
    merged.reserve(postings);  // at once: growing would hold what is there twice
    for (const size_t i : same) {
      Input& input = walks[i];
      HR_TRY(read_list(input.walker.list(), input.state->row_limit, has_positions, contents));
      if (input.keeps_all && !contents.rows.empty()) {
        if (contents.rows.back() >= input.row_map.size() ||
            input.row_map[contents.rows.back()] >= lengths.size())
          return std::unexpected<Error>(damaged_postings("a row with terms has no length"));
        append_whole(contents, input.row_map[0], merged);
        contents.clear();
      }
      for (size_t at = 0; at < contents.rows.size(); ++at) {
        const uint32_t target = input.row_map[contents.rows[at]];
        if (target == kDroppedRow) continue;
        if (target >= lengths.size()) {
          return std::unexpected<Error>(damaged_postings("a row with terms has no length"));
        }
        merged.rows.push_back(target);
        merged.tfs.push_back(contents.tfs[at]);
        if (!has_positions) continue;
        const uint64_t begin = at == 0 ? 0 : contents.position_ends[at - 1];
        merged.positions.append(contents.positions, begin, contents.position_ends[at] - begin);
        merged.position_ends.push_back(merged.positions.size());
      }
      HR_ASSIGN(const bool more, input.walker.next());
      if (more) queue.push(i);
    }
    if (!std::ranges::is_sorted(merged.rows)) {
      return fail(ErrorCode::internal, "rows of a merge are not in ascending order");
    }
    // Words of titles are of no use without positions, and a section without has none.
    if (!has_positions && term.starts_with(kTitleMark)) continue;
    HR_TRY(writer.add_term(term, merged));
  }
  return writer.finish();
}

}  // namespace headrace::index
