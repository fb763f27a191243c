#include "transform/tokenizer_frame.h"

#include <algorithm>
#include <unordered_set>

namespace headrace {
namespace {

using Part = TemplatePart::Kind;

bool by_id(const VocabularyEntry& a, const VocabularyEntry& b) {
  return a.id < b.id;
}

}  // namespace

Status FramedTokenizer::frame(TokenizerConfig& config,
                              std::vector<std::pair<int32_t, std::string>> normalized) {
  HR_ASSIGN(decoder_, TokenDecoder::build(config));
  digest_ = std::move(config.digest);
  cuts_beginning_ = config.cuts_beginning;
  normalized_ = std::move(normalized);
  std::sort(normalized_.begin(), normalized_.end());
  single_ = std::move(config.single);
  pair_ = std::move(config.pair);
  bool after = false;
  for (const TemplatePart& part : single_) {
    if (part.kind != Part::special) {
      after = true;
      continue;
    }
    std::vector<int32_t>& side = after ? special_after_ : special_before_;
    side.insert(side.end(), part.ids.begin(), part.ids.end());
  }
  tokens_ = std::move(config.vocabulary);
  std::sort(tokens_.begin(), tokens_.end(), by_id);
  // An added token's string counts before the model's for the same id.
  std::vector<VocabularyEntry> added;
  for (const AddedToken& token : config.added_tokens) {
    if (token.special) special_.push_back(token.content);
    const auto known =
        std::lower_bound(tokens_.begin(), tokens_.end(), VocabularyEntry{{}, token.id}, by_id);
    if (known != tokens_.end() && known->id == token.id) {
      known->token = token.content;
    } else {
      added.push_back({token.content, token.id});
    }
  }
  tokens_.insert(tokens_.end(), added.begin(), added.end());
  std::stable_sort(tokens_.begin(), tokens_.end(), by_id);
  std::sort(special_.begin(), special_.end());
  index_.build(tokens_.size(),
               [this](uint32_t place) -> std::string_view { return tokens_[place].token; });
  return {};
}

void FramedTokenizer::put_special(const TemplatePart& part, bool typed, Encoding& out) const {
  out.ids.insert(out.ids.end(), part.ids.begin(), part.ids.end());
  out.begins.insert(out.begins.end(), part.ids.size(), 0);
  out.ends.insert(out.ends.end(), part.ids.size(), 0);
  if (typed) out.types.insert(out.types.end(), part.ids.size(), part.type);
}

void FramedTokenizer::put_template(const std::vector<TemplatePart>& parts, std::string_view first,
                                   std::string_view second, bool typed, Encoding& out) const {
  for (const TemplatePart& part : parts) {
    if (part.kind == Part::special) {
      put_special(part, typed, out);
      continue;
    }
    encode(part.kind == Part::first ? first : second, out);
    if (typed) out.types.resize(out.ids.size(), part.type);
  }
}

void FramedTokenizer::encode_with_special(std::string_view text, Encoding& out) const {
  put_template(single_, text, {}, false, out);
}

void FramedTokenizer::encode_pair(std::string_view first, std::string_view second,
                                  Encoding& out) const {
  put_template(pair_, first, second, true, out);
}

void FramedTokenizer::end_cut(size_t count, size_t limit, std::vector<int32_t>& out) const {
  if (limit == 0 || count <= limit || limit < special_count()) return;
  std::ranges::copy_backward(special_after_, out.end());
}

size_t FramedTokenizer::encode_ending(std::string_view text, size_t limit,
                                      std::vector<int32_t>& out) const {
  const size_t start = out.size();
  const size_t all = encode_ids(text, 0, out);
  if (all <= limit) return all;
  // Without room for more than special tokens there is no end to keep.
  const size_t kept = limit < special_count() ? limit : special_before_.size();
  const auto from = out.begin() + static_cast<std::ptrdiff_t>(start + kept);
  out.erase(from, from + static_cast<std::ptrdiff_t>(all - limit));
  return all;
}

std::string FramedTokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    std::string_view text = token(id);
    const auto other =
        std::lower_bound(normalized_.begin(), normalized_.end(), id,
                         [](const auto& entry, int32_t wanted) { return entry.first < wanted; });
    if (other != normalized_.end() && other->first == id) text = other->second;
    if (text.data() == nullptr) continue;
    if (skip_special && std::binary_search(special_.begin(), special_.end(), text)) continue;
    tokens.emplace_back(text);
  }
  return decoder_.decode(std::move(tokens));
}

std::string_view FramedTokenizer::token(int32_t id) const {
  const auto found =
      std::lower_bound(tokens_.begin(), tokens_.end(), VocabularyEntry{{}, id}, by_id);
  return found != tokens_.end() && found->id == id ? std::string_view(found->token)
                                                   : std::string_view();
}

int32_t FramedTokenizer::id_of(std::string_view token) const {
  const uint32_t place =
      index_.find(token, [this](uint32_t at) -> std::string_view { return tokens_[at].token; });
  return place == TokenIndex::kNone ? -1 : tokens_[place].id;
}

}  // namespace headrace
