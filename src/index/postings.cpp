#include "index/postings.h"

#include "index/postings_cursor.h"
#include "index/postings_state.h"
#include "index/section_bytes.h"

namespace headrace::index {

Error damaged_postings(std::string_view what) {
  return Error(ErrorCode::damaged,
               "the full-text part of a segment is damaged: " + std::string(what),
               "run verify to see what is affected");
}

namespace {
std::unexpected<Error> damaged(std::string_view what) {
  return std::unexpected<Error>(damaged_postings(what));
}
}  // namespace

Postings::Postings(std::unique_ptr<State> state) : state_(std::move(state)) {}
Postings::~Postings() = default;
Postings::Postings(Postings&&) noexcept = default;
Postings& Postings::operator=(Postings&&) noexcept = default;

Result<Postings> Postings::open(std::string_view section) {
  if (section.size() < kPostingsHeadBytes + kPostingsTrailerBytes) return damaged("too short");
  ByteReader head(section);
  if (head.number<uint32_t>() != kPostingsMagic) return damaged("no head");
  const auto head_version = head.number<uint32_t>();
  ByteReader trailer(section.substr(section.size() - kPostingsTrailerBytes));
  auto state = std::make_unique<State>();
  state->section = section;
  state->row_count = trailer.number<uint64_t>();
  state->total_terms = trailer.number<uint64_t>();
  state->term_count = trailer.number<uint64_t>();
  state->lengths_offset = trailer.number<uint64_t>();
  const auto index_offset = trailer.number<uint64_t>();
  const auto keys_offset = trailer.number<uint64_t>();
  const auto keys_bytes = trailer.number<uint64_t>();
  state->row_limit = trailer.number<uint32_t>();
  state->block_count = trailer.number<uint32_t>();
  const std::string_view language = trailer.bytes(kLanguageBytes);
  state->language = std::string(language.substr(0, language.find('\0')));
  const auto analyzer_version = trailer.number<uint32_t>();
  const auto features = trailer.number<uint32_t>();
  const auto version = trailer.number<uint32_t>();
  if (trailer.number<uint32_t>() != kPostingsMagic) return damaged("no trailer");
  const bool known = version >= kPostingsVersionMin && version <= kPostingsVersion &&
                     analyzer_version == kAnalyzerVersion &&
                     (features & ~(version == 1 ? 0 : kFeaturePositions)) == 0;
  if (!known) {
    return fail(ErrorCode::unsupported,
                "the full-text part of a segment was written by a newer version",
                "open it with that version of headrace");
  }
  if (head_version != version) return damaged("head and trailer disagree about the version");
  state->version = version;
  state->has_positions = (features & kFeaturePositions) != 0;
  const uint64_t size = section.size() - kPostingsTrailerBytes;
  if (state->lengths_offset < kPostingsHeadBytes || state->lengths_offset > index_offset ||
      index_offset > keys_offset || keys_offset > size || keys_bytes != size - keys_offset ||
      index_offset - state->lengths_offset != state->row_limit ||
      keys_offset - index_offset != uint64_t{state->block_count} * kBlockIndexBytes) {
    return damaged("its parts do not fit together");
  }
  if (state->row_count > state->row_limit ||
      state->term_count > uint64_t{state->block_count} * kTermsPerBlock) {
    return damaged("its counts do not fit together");
  }
  state->length_codes = section.substr(state->lengths_offset, state->row_limit);
  state->block_index = section.substr(index_offset, keys_offset - index_offset);
  state->keys = section.substr(keys_offset, keys_bytes);
  return Postings(std::move(state));
}

uint64_t Postings::row_count() const {
  return state_->row_count;
}
uint64_t Postings::total_terms() const {
  return state_->total_terms;
}
bool Postings::has_positions() const {
  return state_->has_positions;
}
std::string_view Postings::language() const {
  return state_->language;
}

uint32_t Postings::document_frequency(std::string_view term) const {
  const auto list = state_->find(term);
  return list && *list ? (*list)->df : 0;
}

Result<Postings::State::Block> Postings::State::block(uint32_t i) const {
  ByteReader record(block_index.substr(size_t{i} * kBlockIndexBytes, kBlockIndexBytes));
  Block block;
  block.lists_offset = record.number<uint64_t>();
  const auto entries_bytes = record.number<uint32_t>();
  const auto key_offset = record.number<uint32_t>();
  const auto key_bytes = record.number<uint32_t>();
  const uint64_t end = i + 1 < block_count
                           ? load<uint64_t>(block_index.data() + (size_t{i} + 1) * kBlockIndexBytes)
                           : lengths_offset;
  if (end > lengths_offset || block.lists_offset > end || block.lists_offset < kPostingsHeadBytes ||
      entries_bytes > end - block.lists_offset) {
    return damaged("a term block lies outside");
  }
  if (key_offset > keys.size() || key_bytes > keys.size() - key_offset) {
    return damaged("a term lies outside");
  }
  block.entries_offset = end - entries_bytes;
  block.entries = section.substr(block.entries_offset, entries_bytes);
  block.first_key = keys.substr(key_offset, key_bytes);
  return block;
}

Result<uint32_t> Postings::State::blocks_not_after(std::string_view term) const {
  uint32_t low = 0;
  uint32_t high = block_count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    HR_ASSIGN(const Block candidate, block(middle));
    if (candidate.first_key <= term) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Result<std::vector<std::string>> Postings::State::expand(std::string_view prefix,
                                                         size_t most) const {
  std::vector<std::string> terms;
  HR_ASSIGN(TermWalker walker, TermWalker::near(*this, prefix));
  for (;;) {
    HR_ASSIGN(const bool more, walker.next());
    if (!more) return terms;
    if (walker.term().starts_with(prefix)) {
      if (terms.size() == most) {
        return fail(
            ErrorCode::invalid_argument,
            "more than " + std::to_string(most) + " words begin with '" + std::string(prefix) + "'",
            "write more letters before the *");
      }
      terms.push_back(walker.term());
    } else if (walker.term() > prefix) {
      return terms;
    }
  }
}

Result<TermWalker> TermWalker::near(const Postings::State& state, std::string_view term) {
  TermWalker walker(state);
  HR_ASSIGN(const uint32_t blocks, state.blocks_not_after(term));
  walker.next_block_ = blocks == 0 ? 0 : blocks - 1;
  return walker;
}

Result<std::optional<PostingList>> Postings::State::find(std::string_view term) const {
  HR_ASSIGN(const uint32_t low, blocks_not_after(term));
  if (low == 0) return std::nullopt;
  HR_ASSIGN(const Block found, block(low - 1));
  ByteReader entries(found.entries);
  uint64_t at = found.lists_offset;
  // How many leading bytes the entry before has in common with `term`: an entry that shares fewer
  // is past it, one that shares more differs from it where the entry before did.
  size_t matched = 0;
  while (entries.left() > 0) {
    const uint64_t shared = entries.varint();
    const std::string_view suffix = entries.bytes(entries.varint());
    const uint64_t df = entries.varint();
    const uint64_t list_bytes = entries.varint();
    const uint64_t position_bytes = version == 1 ? 0 : entries.varint();
    if (entries.failed() || list_bytes > found.entries_offset - at ||
        position_bytes > found.entries_offset - at - list_bytes || df == 0 || df > row_limit) {
      return damaged("a term's entry makes no sense");
    }
    if (shared < matched) return std::nullopt;
    if (shared == matched) {
      const std::string_view rest = term.substr(matched);
      size_t equal = 0;
      while (equal < suffix.size() && equal < rest.size() && suffix[equal] == rest[equal]) ++equal;
      if (equal == suffix.size() && equal == rest.size()) {
        return PostingList{static_cast<uint32_t>(df), section.substr(at, list_bytes),
                           section.substr(at + list_bytes, position_bytes)};
      }
      if (equal < suffix.size() &&
          (equal == rest.size() ||
           static_cast<unsigned char>(suffix[equal]) > static_cast<unsigned char>(rest[equal]))) {
        return std::nullopt;
      }
      matched += equal;
    }
    at += list_bytes + position_bytes;
  }
  return std::nullopt;
}

Result<bool> TermWalker::next() {
  while (entries_.empty()) {
    if (next_block_ == state_.block_count) return false;
    HR_ASSIGN(const Postings::State::Block block, state_.block(next_block_));
    ++next_block_;
    entries_ = block.entries;
    lists_at_ = block.lists_offset;
    lists_end_ = block.entries_offset;
    first_in_block_ = true;
  }
  ByteReader entry(entries_);
  const uint64_t shared = entry.varint();
  const std::string_view suffix = entry.bytes(entry.varint());
  const uint64_t df = entry.varint();
  const uint64_t list_bytes = entry.varint();
  const uint64_t position_bytes = state_.version == 1 ? 0 : entry.varint();
  if (entry.failed() || shared > (first_in_block_ ? 0 : term_.size()) ||
      list_bytes > lists_end_ - lists_at_ || position_bytes > lists_end_ - lists_at_ - list_bytes ||
      df == 0 || df > state_.row_limit || shared + suffix.size() > 4096) {
    return damaged("a term's entry makes no sense");
  }
  std::string term = term_.substr(0, shared);
  term += suffix;
  if (began_ && term <= term_) return damaged("terms are not in order");
  term_ = std::move(term);
  began_ = true;
  first_in_block_ = false;
  list_ = {static_cast<uint32_t>(df), state_.section.substr(lists_at_, list_bytes),
           state_.section.substr(lists_at_ + list_bytes, position_bytes)};
  lists_at_ += list_bytes + position_bytes;
  entries_.remove_prefix(entries_.size() - entry.left());
  return true;
}

namespace {

// Where the positions of each posting end; every posting has its own, none descend.
Status read_positions(const PostingList& list, ListContents& contents) {
  contents.positions = list.positions;
  ByteReader reader(list.positions);
  for (const uint32_t tf : contents.tfs) {
    uint64_t position = 0;
    for (uint32_t i = 0; i < tf; ++i) {
      const uint64_t gap = reader.varint();
      position += gap;
      if (reader.failed() || (i > 0 && gap == 0) || position > UINT32_MAX) {
        return damaged("positions are not in order");
      }
    }
    contents.position_ends.push_back(list.positions.size() - reader.left());
  }
  if (reader.left() != 0) return damaged("positions are left over");
  return {};
}

}  // namespace

Status read_list(const PostingList& list, uint32_t row_limit, bool has_positions,
                 ListContents& contents) {
  contents.clear();
  auto& [rows, tfs, positions, position_ends] = contents;
  HR_ASSIGN(ListCursor cursor, ListCursor::open(list, row_limit));
  uint64_t next_row_min = 0;
  while (cursor.load_block()) {
    for (uint32_t i = 0; i < cursor.block_size(); ++i) {
      const uint32_t row = cursor.block_rows()[i];
      const uint32_t tf = cursor.block_tfs()[i];
      if (row < next_row_min || row >= row_limit || tf == 0)
        return damaged("rows are not in order");
      next_row_min = uint64_t{row} + 1;
      rows.push_back(row);
      tfs.push_back(tf);
    }
    cursor.next_block();
  }
  if (cursor.damaged() || rows.size() != list.df) return damaged("a list breaks off");
  return has_positions ? read_positions(list, contents) : Status();
}

Status Postings::check() const {
  const State& state = *state_;
  uint64_t row_count = 0;
  uint64_t total_terms = 0;
  for (const char code : state.length_codes) {
    row_count += code != 0 ? 1 : 0;
    total_terms += decode_length(static_cast<uint8_t>(code));
  }
  if (row_count != state.row_count || total_terms != state.total_terms) {
    return damaged("the row lengths do not add up");
  }
  TermWalker walker(state);
  uint64_t terms = 0;
  ListContents contents;
  for (;;) {
    HR_ASSIGN(const bool more, walker.next());
    if (!more) break;
    ++terms;
    HR_TRY(read_list(walker.list(), state.row_limit, state.has_positions, contents));
    HR_TRY(check_impacts(walker.list(), state.row_limit, state.length_codes));
  }
  if (terms != state.term_count) return damaged("terms are missing");
  return {};
}

}  // namespace headrace::index
