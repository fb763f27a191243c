#include "transform/tokenizer_regex_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/unicode.h"
#include "base/utf8.h"
#include "transform/tokenizer_characters.h"

namespace headrace {
namespace {

using unicode::Category;

// What an escape that is a class of its own gives as a character.
constexpr char32_t kNoCharacter = UINT32_MAX;

constexpr uint32_t bit(Category category) {
  return uint32_t{1} << static_cast<unsigned>(category);
}
constexpr uint32_t bits(Category first, Category last) {
  uint32_t out = 0;
  for (auto k = static_cast<unsigned>(first); k <= static_cast<unsigned>(last); ++k) {
    out |= uint32_t{1} << k;
  }
  return out;
}
constexpr uint32_t kAll = bits(Category::Lu, Category::Cn);

// The bits of a category's name; 0: unknown.
uint32_t categories_of(std::string_view name) {
  constexpr std::string_view kNames =
      "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn";
  uint32_t out = 0;
  for (unsigned k = 0; k * 3 < kNames.size(); ++k) {
    const std::string_view known = kNames.substr(size_t{k} * 3, 2);
    if (name == known || (name.size() == 1 && known[0] == name[0])) out |= uint32_t{1} << k;
  }
  return out;
}

}  // namespace

std::unexpected<Error> RegexSource::refuse(std::string_view what) const {
  return fail(ErrorCode::unsupported,
              fmt::format("the pattern \"{}\": {} is not supported",
                          pattern_.substr(0, code_point_floor(pattern_, 200)), what),
              "use a model with another tokenizer");
}

bool RegexSource::take(std::string_view text) {
  if (!pattern_.substr(at_).starts_with(text)) return false;
  at_ += text.size();
  return true;
}

std::optional<uint32_t> RegexSource::take_number() {
  std::optional<uint32_t> out;
  while (at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
    out = std::min<uint32_t>(out.value_or(0) * 10 + static_cast<uint32_t>(pattern_[at_] - '0'),
                             1'000'000);
    ++at_;
  }
  return out;
}

char32_t RegexSource::take_character() {
  const CodePoint point = decode_code_point(pattern_, at_);
  at_ += point.length;
  return point.value;
}

Status RegexSource::take_bracket(RegexSet& set) {
  set.negate = take("^");
  bool first = true;
  while (at_ < pattern_.size() && (first || !next_is(']'))) {
    first = false;
    if (next_is('[')) return refuse("a class in a class");
    if (pattern_.substr(at_).starts_with("&&")) return refuse("\"&&\" in a class");
    RegexSet::Range range{};
    bool single = true;
    if (take("\\")) {
      HR_TRY(escape(set, &range));
      single = range.first != kNoCharacter;
    } else {
      const char32_t character = take_character();
      range = {character, character};
    }
    if (!single) continue;
    if (next_is('-') && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
      ++at_;
      RegexSet::Range last{};
      if (next_is('[')) return refuse("a class in a class");
      if (take("\\")) {
        HR_TRY(escape(set, &last));
        if (last.first == kNoCharacter) return refuse("a range up to a class");
      } else {
        last.first = take_character();
      }
      range.last = last.first;
      if (range.first > range.last) return refuse("a range from more to less");
    }
    set.ranges.push_back(range);
  }
  if (!take("]")) return refuse("an unmatched \"[\"");
  return {};
}

Status RegexSource::escape(RegexSet& set, RegexSet::Range* range) {
  if (at_ >= pattern_.size()) return refuse("a \"\\\" at the end");
  const char c = pattern_[at_];
  char32_t value = kNoCharacter;
  switch (c) {
    case 's':
      set.flags |= TextCharacter::kSpace;
      break;
    case 'S':
      set.not_flags |= TextCharacter::kSpace;
      break;
    case 'w':
      set.flags |= TextCharacter::kWord;
      break;
    case 'W':
      set.not_flags |= TextCharacter::kWord;
      break;
    case 'd':
      set.categories |= bit(Category::Nd);
      break;
    case 'D':
      set.categories |= kAll & ~bit(Category::Nd);
      break;
    case 'p':
    case 'P':
      return property(set, range, c == 'P');
    case 'n':
      value = '\n';
      break;
    case 'r':
      value = '\r';
      break;
    case 't':
      value = '\t';
      break;
    case 'f':
      value = '\f';
      break;
    case 'v':
      value = '\v';
      break;
    case 'x':
    case 'u':
      ++at_;
      HR_TRY(hexadecimal(c, value));
      --at_;
      break;
    default:
      if (static_cast<uint8_t>(c) >= 0x80) return refuse("an escaped character beyond ASCII");
      if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        return refuse(fmt::format("\"\\{}\"", c));
      }
      value = static_cast<char32_t>(c);
  }
  ++at_;
  return put_character(set, range, value);
}

Status RegexSource::put_character(RegexSet& set, RegexSet::Range* range, char32_t value) {
  if (range) {
    *range = {value, value};
  } else if (value != kNoCharacter) {
    set.ranges.push_back({value, value});
  }
  return {};
}

Status RegexSource::hexadecimal(char kind, char32_t& value) {
  const bool braces = kind == 'x' && take("{");
  const size_t most = braces ? 8 : kind == 'x' ? 2 : 4;
  value = 0;
  size_t digits = 0;
  while (digits < most && at_ < pattern_.size()) {
    const char c = pattern_[at_];
    const char small = static_cast<char>(c | 0x20);
    const bool decimal = c >= '0' && c <= '9';
    if (!decimal && (small < 'a' || small > 'f')) break;
    value = value * 16 + static_cast<char32_t>(decimal ? c - '0' : small - 'a' + 10);
    ++digits;
    ++at_;
  }
  if (digits == 0 || (kind == 'u' && digits != 4) || (braces && !take("}")) ||
      value > kCodePointMax) {
    return refuse("this number of a character");
  }
  return {};
}

Status RegexSource::property(RegexSet& set, RegexSet::Range* range, bool negate) {
  ++at_;
  if (!take("{")) return refuse("\"\\p\" without braces");
  if (take("^")) negate = !negate;
  const size_t end = pattern_.find('}', at_);
  if (end == std::string_view::npos) return refuse("an unmatched \"{\"");
  const std::string_view name = pattern_.substr(at_, end - at_);
  at_ = end + 1;
  if (name == "Han") {
    (negate ? set.not_flags : set.flags) |= TextCharacter::kHan;
  } else {
    const uint32_t found = categories_of(name);
    if (found == 0) return refuse(fmt::format("\"\\p{{{}}}\"", name));
    set.categories |= negate ? kAll & ~found : found;
  }
  return put_character(set, range, kNoCharacter);
}

Status RegexSource::check_case(const RegexSet& set) const {
  if (!set.ignore_case) return {};
  const uint32_t cased = bit(Category::Lu) | bit(Category::Ll) | bit(Category::Lt);
  const uint32_t some = set.categories & cased;
  if (some != 0 && some != cased) return refuse("a letter case without regard to case");
  for (const RegexSet::Range& range : set.ranges) {
    if (range.last < 0x80) continue;
    if (range.first != range.last || (text_character(range.first).category <= Category::Lt)) {
      return refuse("letters beyond ASCII without regard to case");
    }
  }
  return {};
}

}  // namespace headrace
