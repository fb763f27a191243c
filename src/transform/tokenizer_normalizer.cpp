#include "transform/tokenizer_normalizer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "base/unicode.h"
#include "base/utf8.h"
#include "transform/tokenizer_characters.h"
#include "transform/wordpiece_normalizer.h"

namespace headrace {
namespace {

using Kind = NormalizerStep::Kind;

bool is_white(char32_t c) {
  return (bert_character(c).flags & BertCharacter::kWhite) != 0;
}

// Combining classes and forms as the crate behind NFC … NFKD knows them: those of Unicode 9.
uint8_t class_of(char32_t c) {
  return bert_character(c).flags & BertCharacter::kClassZero ? uint8_t{0}
                                                             : unicode::combining_class(c);
}

size_t decompose(char32_t c, bool compatibility, char32_t* out) {
  if (bert_character(c).flags & BertCharacter::kNoDecomposition) {
    out[0] = c;
    return 1;
  }
  const bool known = !(text_character(c).flags & TextCharacter::kNoCompatibility);
  return unicode::decompose(c, compatibility && known, out);
}

char32_t compose(char32_t first, char32_t second) {
  const char32_t out = unicode::compose(first, second);
  return out != 0 && (bert_character(out).flags & BertCharacter::kNoDecomposition) ? 0 : out;
}

// Calls use(code point) for each of `text`.
template <typename Use>
void each_character(std::string_view text, Use&& use) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_code_point(text, at);
    use(point.value);
    at += point.length;
  }
}

std::vector<Rewritten> decomposed(std::string_view text, bool compatibility) {
  std::vector<Rewritten> out;
  out.reserve(text.size());
  size_t pending = 0;  // from here marks wait for being sorted
  const auto sort_pending = [&out, &pending] {
    const auto before = [](const Rewritten& a, const Rewritten& b) {
      return class_of(a.value) < class_of(b.value);
    };
    const auto from = out.begin() + static_cast<std::ptrdiff_t>(pending);
    if (!std::is_sorted(from, out.end(), before)) std::stable_sort(from, out.end(), before);
    pending = out.size();
  };
  each_character(text, [&](char32_t c) {
    if (c < 0x80) {
      sort_pending();
      out.push_back({c, 0});
      return;
    }
    char32_t parts[unicode::kDecompositionMax];
    const size_t count = decompose(c, compatibility, parts);
    for (size_t i = 0; i < count; ++i) {
      if (class_of(parts[i]) == 0) sort_pending();
      out.push_back({parts[i], i == 0 ? 0 : 1});
    }
  });
  sort_pending();
  return out;
}

// Canonical composition, with the changes summed up as `tokenizers` does.
std::vector<Rewritten> composed(const std::vector<Rewritten>& characters) {
  std::vector<Rewritten> out;
  out.reserve(characters.size());
  std::optional<Rewritten> starter;
  std::vector<Rewritten> marks;  // behind the starter, not composed with it
  std::optional<uint8_t> last_class;
  const auto flush = [&] {
    if (starter) out.push_back(*starter);
    out.insert(out.end(), marks.begin(), marks.end());
    marks.clear();
    last_class.reset();
    starter.reset();
  };
  for (const Rewritten& c : characters) {
    const uint8_t klass = class_of(c.value);
    if (!starter) {
      if (klass == 0) {
        starter = c;
      } else {
        out.push_back(c);
      }
      continue;
    }
    const bool blocked = last_class && *last_class >= klass;
    const char32_t made = blocked ? 0 : compose(starter->value, c.value);
    if (made != 0) {
      *starter = {made, starter->change + c.change - 1};
    } else if (klass == 0 && (blocked || !last_class)) {
      flush();
      starter = c;
    } else {
      marks.push_back(c);
      last_class = klass;
    }
  }
  flush();
  return out;
}

void normal_form(AlignedText& text, bool compatibility, bool compose_again) {
  if (is_ascii(text.text)) return;
  std::vector<Rewritten> characters = decomposed(text.text, compatibility);
  if (compose_again) characters = composed(characters);
  text.rewrite(characters, 0);
}

template <typename Keep>
void keep_only(AlignedText& text, Keep&& keep) {
  std::vector<Rewritten> out;
  size_t removed_first = 0;
  int32_t removed = 0;
  each_character(text.text, [&](char32_t c) {
    if (!keep(c)) {
      ++removed;
      return;
    }
    if (out.empty()) {
      removed_first = static_cast<size_t>(removed);
    } else {
      out.back().change = -removed;
    }
    removed = 0;
    out.push_back({c, 0});
  });
  if (!out.empty()) out.back().change = -removed;
  text.rewrite(out, removed_first);
}

bool is_nmt_removed(char32_t c) {
  return (c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}

bool is_nmt_space(char32_t c) {
  return c == 9 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

void lower(AlignedText& text) {
  std::vector<Rewritten> out;
  out.reserve(text.text.size());
  each_character(text.text, [&out](char32_t c) {
    out.push_back(
        {static_cast<char32_t>(static_cast<int32_t>(c) + bert_character(c).lower_delta), 0});
    if (c == 0x130) out.push_back({0x307, 1});
  });
  text.rewrite(out, 0);
}

void strip(AlignedText& text, bool left, bool right) {
  size_t begin = 0;
  size_t end = text.text.size();
  while (left && begin < end) {
    const CodePoint point = decode_code_point(text.text, begin);
    if (!is_white(point.value)) break;
    begin += point.length;
  }
  while (right && end > begin) {
    const size_t before = code_point_floor(text.text, end - 1);
    if (!is_white(decode_code_point(text.text, before).value)) break;
    end = before;
  }
  text.text = text.text.substr(begin, end - begin);
  text.spans.erase(text.spans.begin() + static_cast<std::ptrdiff_t>(end), text.spans.end());
  text.spans.erase(text.spans.begin(), text.spans.begin() + static_cast<std::ptrdiff_t>(begin));
}

// New characters stand where the match's last byte stood.
class Replacer {
 public:
  Replacer(AlignedText& text, std::string_view content) : text_(text), content_(content) {}

  void operator()(size_t begin, size_t end) {
    any_ = true;
    copy(begin);
    const Span span = end == 0 ? Span{text_.origin, text_.origin} : text_.spans[end - 1];
    out_.text += content_;
    out_.spans.insert(out_.spans.end(), content_.size(), span);
    done_ = end;
  }

  void finish() {
    if (!any_) return;
    copy(text_.text.size());
    out_.origin = text_.origin;
    text_ = std::move(out_);
  }

 private:
  void copy(size_t to) {
    out_.text.append(text_.text, done_, to - done_);
    out_.spans.insert(out_.spans.end(), text_.spans.begin() + static_cast<std::ptrdiff_t>(done_),
                      text_.spans.begin() + static_cast<std::ptrdiff_t>(to));
  }

  AlignedText& text_;
  std::string_view content_;
  AlignedText out_;
  size_t done_ = 0;
  bool any_ = false;
};

// The new characters, and the first old one, stand where that stood.
void prepend(AlignedText& text, std::string_view content) {
  if (text.text.empty()) return;
  text.spans.insert(text.spans.begin(), content.size(), text.spans.front());
  text.text.insert(0, content);
}

void bert(AlignedText& text, const BertOptions& options) {
  AlignedText out;
  out.origin = text.origin;
  auto collect = [&out](const PlacedCharacter& c) { out.append(c.value, {c.begin, c.end}); };
  BertStream stream(options, collect);
  for (size_t at = 0; at < text.text.size();) {
    const CodePoint point = decode_code_point(text.text, at);
    stream.feed({point.value, text.spans[at].begin, text.spans[at].end});
    at += point.length;
  }
  stream.finish();
  text = std::move(out);
}

}  // namespace

Result<TextNormalizer> TextNormalizer::build(const TokenizerConfig& config) {
  TextNormalizer out;
  for (const NormalizerStep& step : config.normalizers) {
    Step made{step, nullptr, nullptr};
    if (step.kind == Kind::precompiled) {
      auto map = CharsMap::build(step.content);
      if (!map) {
        return std::unexpected(std::move(map).error().with_context(config.path + ": normalizer"));
      }
      made.map = std::make_shared<const CharsMap>(*std::move(map));
      made.config.content.clear();
    } else if (step.kind == Kind::replace && step.regex) {
      auto pattern = TokenRegex::compile(step.pattern);
      if (!pattern) {
        return std::unexpected(
            std::move(pattern).error().with_context(config.path + ": normalizer"));
      }
      made.pattern = std::make_shared<const TokenRegex>(*std::move(pattern));
    }
    out.steps_.push_back(std::move(made));
  }
  return out;
}

void TextNormalizer::apply(AlignedText& text, bool begins, bool ends) const {
  for (const Step& step : steps_) {
    const NormalizerStep& config = step.config;
    switch (config.kind) {
      case Kind::bert:
        bert(text, config.bert);
        break;
      case Kind::nfc:
        normal_form(text, false, true);
        break;
      case Kind::nfd:
        normal_form(text, false, false);
        break;
      case Kind::nfkc:
        normal_form(text, true, true);
        break;
      case Kind::nfkd:
        normal_form(text, true, false);
        break;
      case Kind::nmt:
        keep_only(text, [](char32_t c) { return !is_nmt_removed(c); });
        {
          std::vector<Rewritten> out;
          each_character(text.text,
                         [&out](char32_t c) { out.push_back({is_nmt_space(c) ? U' ' : c, 0}); });
          text.rewrite(out, 0);
        }
        break;
      case Kind::lowercase:
        lower(text);
        break;
      case Kind::strip:
        strip(text, config.left && begins, config.right && ends);
        break;
      case Kind::strip_accents:
        if (is_ascii(text.text)) break;
        keep_only(text,
                  [](char32_t c) { return !(text_character(c).flags & TextCharacter::kMark); });
        break;
      case Kind::replace: {
        Replacer replace(text, config.content);
        if (step.pattern) {
          step.pattern->each_match(text.text, replace);
        } else {
          each_string(text.text, config.pattern, replace);
        }
        replace.finish();
        break;
      }
      case Kind::prepend:
        if (begins) prepend(text, config.content);
        break;
      case Kind::precompiled:
        step.map->apply(text);
        break;
    }
  }
}

std::string TextNormalizer::apply(std::string_view text) const {
  AlignedText aligned;
  aligned.assign(text, 0, text.size());
  apply(aligned, true, true);
  return aligned.text;
}

namespace {

// What NFC may do to a character.
enum class Composing : uint8_t {
  nothing,  // whatever stands before it
  sorts,    // it is a mark that must stand in order among others
  look,     // it may be composed or decomposed
};

Composing look_up_composing(char32_t c, const std::vector<char32_t>& seconds) {
  // Hangul syllables and ideographs of the unified block stand for themselves; Hangul letters may
  // compose.
  if ((c >= 0x3400 && c < 0xA000) || (c >= 0xAC00 && c <= 0xD7A3)) return Composing::nothing;
  if (c >= 0x1100 && c < 0x1200) return Composing::look;
  if (std::binary_search(seconds.begin(), seconds.end(), c)) return Composing::look;
  char32_t parts[unicode::kDecompositionMax];
  const size_t count = decompose(c, false, parts);
  const bool same = count == 1 && parts[0] == c;
  if (class_of(c) != 0) return same ? Composing::sorts : Composing::look;
  if (same || (count == 2 && compose(parts[0], parts[1]) == c)) return Composing::nothing;
  return Composing::look;
}

constexpr char32_t kTableEnd = 0x20000;
constexpr char32_t kDecomposedEnd = 0x30000;  // nothing behind it decomposes

// The same of the code points that most texts are made of; the others: look.
const Composing* composing_table() {
  static const std::vector<Composing> table = [] {
    // What some character ends with when it is decomposed, and could end with when composed.
    std::vector<char32_t> seconds;
    for (char32_t c = 0x80; c < kDecomposedEnd; ++c) {
      if (c == 0xAC00) c = 0xD7A4;
      char32_t parts[unicode::kDecompositionMax];
      const size_t count = decompose(c, false, parts);
      if (count > 1) seconds.push_back(parts[count - 1]);
    }
    std::sort(seconds.begin(), seconds.end());
    std::vector<Composing> out(kTableEnd);
    for (char32_t c = 0; c < kTableEnd; ++c) out[c] = look_up_composing(c, seconds);
    return out;
  }();
  return table.data();
}

// Whether NFC leaves `text` as it is, its places included.
bool is_nfc(std::string_view text) {
  size_t at = 0;
  for (const Rewritten& made : composed(decomposed(text, false))) {
    if (at == text.size()) return false;
    const CodePoint point = decode_code_point(text, at);
    if (made.value != point.value || made.change != 0) return false;
    at += point.length;
  }
  return at == text.size();
}

}  // namespace

bool is_surely_nfc(std::string_view text) {
  constexpr uint64_t kBeyondAscii = 0x8080808080808080;
  const Composing* table = composing_table();
  uint64_t words[4];
  size_t before = 0;  // where the character begins that marks would compose with
  uint8_t last_class = 0;
  for (size_t at = 0; at < text.size();) {
    if (text.size() - at >= sizeof(words)) {
      std::memcpy(words, text.data() + at, sizeof(words));
      if (((words[0] | words[1] | words[2] | words[3]) & kBeyondAscii) == 0) {
        at += sizeof(words);
        before = at - 1;
        last_class = 0;
        continue;
      }
    }
    const auto byte = static_cast<uint8_t>(text[at]);
    // Up to U+02FF nothing composes with what stands before it, and nothing decomposes for good.
    if (byte < 0xCC) {
      before = at;
      at += byte < 0x80 ? 1 : 2;
      last_class = 0;
      continue;
    }
    const CodePoint point = decode_code_point(text, at);
    const auto composing = [table](char32_t c) {
      return c < kTableEnd ? table[c] : Composing::look;
    };
    const Composing found = composing(point.value);
    if (found == Composing::nothing) {
      before = at;
      last_class = 0;
    } else if (const uint8_t klass = class_of(point.value);
               found == Composing::sorts && klass >= last_class) {
      last_class = klass;
    } else {
      // All up to the next character that keeps out of it.
      size_t end = at + point.length;
      while (end < text.size()) {
        const CodePoint next = decode_code_point(text, end);
        if (composing(next.value) == Composing::nothing) break;
        end += next.length;
      }
      if (!is_nfc(text.substr(before, end - before))) return false;
      at = end;
      last_class = 0;
      continue;
    }
    at += point.length;
  }
  return true;
}

}  // namespace headrace
