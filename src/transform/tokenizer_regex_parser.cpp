// The parser of TokenRegex: a pattern becomes a program of steps for backtracking.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/unicode.h"
#include "transform/tokenizer_characters.h"
#include "transform/tokenizer_regex.h"

namespace headrace {
namespace {

constexpr size_t kDepthMax = 50;
constexpr size_t kStepsMax = 20'000;
constexpr size_t kRepeatMax = 1'000;
constexpr uint32_t kEndless = UINT32_MAX;

using unicode::Category;

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

// Recursive descent: alternatives, sequences, quantified atoms.
class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : pattern_(pattern) {}

  Result<TokenRegex> parse() {
    const Status done = alternatives(0);
    if (!done) return std::unexpected(done.error());
    if (at_ < pattern_.size()) return refuse("an unmatched \")\"");
    emit(Step::Kind::accept);
    for (RegexSet& set : out_.sets_) set.finish();
    find_starts();
    return std::move(out_);
  }

 private:
  using Step = TokenRegex::Step;

  std::unexpected<Error> refuse(std::string_view what) const {
    return fail(ErrorCode::unsupported,
                fmt::format("the pattern \"{}\": {} is not supported",
                            pattern_.substr(0, code_point_floor(pattern_, 200)), what),
                "use a model with another tokenizer");
  }

  bool take(std::string_view text) {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  bool next_is(char c) const { return at_ < pattern_.size() && pattern_[at_] == c; }

  uint32_t here() const { return static_cast<uint32_t>(out_.steps_.size()); }
  uint32_t emit(Step::Kind kind) {
    Step step;
    step.kind = kind;
    out_.steps_.push_back(step);
    return here() - 1;
  }

  Status alternatives(size_t depth) {
    if (depth > kDepthMax) return refuse("so deep a nesting");
    std::vector<uint32_t> ends;
    while (true) {
      const uint32_t begin = here();
      HR_TRY(sequence(depth));
      if (!take("|")) break;
      // split(begin …) jump(end): the split goes before what was emitted.
      insert_split(begin);
      ends.push_back(emit(Step::Kind::jump));
      out_.steps_[begin].other = here();
      HR_TRY(check_size());
    }
    for (const uint32_t end : ends) out_.steps_[end].to = here();
    return {};
  }

  Status check_size() const {
    if (out_.steps_.size() > kStepsMax || out_.sets_.size() > kStepsMax) {
      return refuse("so long a pattern");
    }
    return {};
  }

  // Puts a split at `begin`; what was there moves by one.
  void insert_split(uint32_t begin) {
    Step split;
    split.kind = Step::Kind::split;
    out_.steps_.insert(out_.steps_.begin() + begin, split);
    for (uint32_t i = begin + 1; i < here(); ++i) shift(out_.steps_[i], begin, 1);
    out_.steps_[begin].to = begin + 1;
  }
  static void shift(Step& step, uint32_t from, uint32_t by) {
    const bool targets = step.kind == Step::Kind::split || step.kind == Step::Kind::jump ||
                         step.kind == Step::Kind::look_ahead;
    if (!targets) return;
    if (step.to >= from) step.to += by;
    if (step.other >= from) step.other += by;
  }

  Status sequence(size_t depth) {
    const bool outer_case = ignore_case_;
    while (at_ < pattern_.size() && !next_is('|') && !next_is(')')) {
      HR_TRY(quantified(depth));
      HR_TRY(check_size());
    }
    ignore_case_ = outer_case;
    return {};
  }

  Status quantified(size_t depth) {
    const uint32_t begin = here();
    HR_TRY(atom(depth));
    uint32_t min = 0;
    uint32_t max = 0;
    bool braces = false;
    if (take("?")) {
      max = 1;
    } else if (take("*")) {
      max = kEndless;
    } else if (take("+")) {
      min = 1;
      max = kEndless;
    } else if (next_is('{')) {
      HR_TRY(counts(min, max));
      braces = true;
    } else {
      return {};
    }
    auto mode = Step::Mode::greedy;
    if (take("?")) {
      mode = Step::Mode::lazy;
    } else if (next_is('+')) {
      if (braces) return refuse("a quantifier of a quantifier");
      ++at_;
      mode = Step::Mode::possessive;
    }
    if (next_is('?') || next_is('*') || next_is('+')) return refuse("a quantifier of a quantifier");
    if (here() == begin) return refuse("a quantifier of nothing");
    Step& atom_step = out_.steps_[begin];
    if (here() == begin + 1 && atom_step.kind == Step::Kind::set) {
      atom_step.kind = Step::Kind::repeat;
      atom_step.min = min;
      atom_step.max = max;
      atom_step.mode = mode;
      return {};
    }
    if (mode == Step::Mode::possessive) return refuse("a possessive group");
    if (least_length(begin, here()) == 0) return refuse("a repeated group that can be empty");
    return repeat_group(begin, min, max, mode == Step::Mode::lazy);
  }

  Status counts(uint32_t& min, uint32_t& max) {
    ++at_;
    const std::optional<uint32_t> first = number();
    min = first.value_or(0);
    max = min;
    if (take(",")) {
      const std::optional<uint32_t> second = number();
      if (!first && !second) return refuse("\"{,}\"");
      max = second.value_or(kEndless);
    } else if (!first) {
      return refuse("a \"{\" that is no quantifier");
    }
    if (!take("}")) return refuse("a \"{\" that is no quantifier");
    if (min > max) return refuse("a quantifier from more to less");
    if (min > kRepeatMax || (max > kRepeatMax && max != kEndless)) return refuse("so many repeats");
    return {};
  }
  std::optional<uint32_t> number() {
    std::optional<uint32_t> out;
    while (at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
      out = std::min<uint32_t>(out.value_or(0) * 10 + static_cast<uint32_t>(pattern_[at_] - '0'),
                               1'000'000);
      ++at_;
    }
    return out;
  }

  // The least number of characters that steps [begin, end) match, up to 1.
  size_t least_length(uint32_t begin, uint32_t end) const {
    // Shortest path over the steps: targets inside a group only go forward.
    std::vector<uint8_t> reached(end - begin + 1, 0);
    reached[0] = 1;
    for (uint32_t i = begin; i < end; ++i) {
      if (!reached[i - begin]) continue;
      const Step& step = out_.steps_[i];
      const auto reach = [&](uint32_t to) {
        if (to > i && to <= end) reached[to - begin] = 1;
      };
      switch (step.kind) {
        case Step::Kind::set:
          break;
        case Step::Kind::repeat:
          if (step.min == 0) reach(i + 1);
          break;
        case Step::Kind::split:
          reach(step.to);
          reach(step.other);
          break;
        case Step::Kind::jump:
        case Step::Kind::look_ahead:
          reach(step.to);
          break;
        case Step::Kind::line_begin:
        case Step::Kind::line_end:
          reach(i + 1);
          break;
        case Step::Kind::accept:
          break;
      }
    }
    return reached.back() ? 0 : 1;
  }

  // The group's steps, written out as often as they must and may come.
  Status repeat_group(uint32_t begin, uint32_t min, uint32_t max, bool lazy) {
    const std::vector<Step> body(out_.steps_.begin() + begin, out_.steps_.end());
    const uint32_t copies = max == kEndless ? min + 1 : max;
    if (body.size() * copies > kStepsMax) return refuse("so long a pattern");
    out_.steps_.resize(begin);
    const auto put_body = [&] {
      const uint32_t by = here() - begin;
      for (Step step : body) {
        shift(step, begin, by);
        out_.steps_.push_back(step);
      }
    };
    for (uint32_t i = 0; i < min; ++i) put_body();
    std::vector<uint32_t> splits;
    const uint32_t optional = max == kEndless ? 1 : max - min;
    for (uint32_t i = 0; i < optional; ++i) {
      splits.push_back(emit(Step::Kind::split));
      put_body();
    }
    if (max == kEndless) {
      const uint32_t jump = emit(Step::Kind::jump);
      out_.steps_[jump].to = splits.back();
    }
    for (const uint32_t split : splits) {
      Step& step = out_.steps_[split];
      step.to = split + 1;
      step.other = here();
      if (lazy) std::swap(step.to, step.other);
    }
    return {};
  }

  Status atom(size_t depth) {
    if (next_is('(')) return group(depth);
    if (next_is('*') || next_is('+') || next_is('?')) return refuse("a quantifier of nothing");
    if (take("^")) {
      emit(Step::Kind::line_begin);
      return {};
    }
    if (take("$")) {
      emit(Step::Kind::line_end);
      return {};
    }
    RegexSet set;
    set.ignore_case = ignore_case_;
    if (take(".")) {
      set.negate = true;
      set.ranges.push_back({'\n', '\n'});
    } else if (take("[")) {
      HR_TRY(bracket(set, depth));
    } else if (take("\\")) {
      HR_TRY(escape(set, nullptr));
    } else {
      set.ranges.push_back(literal());
    }
    HR_TRY(check_case(set));
    const uint32_t step = emit(Step::Kind::set);
    out_.steps_[step].set = static_cast<uint32_t>(out_.sets_.size());
    out_.sets_.push_back(std::move(set));
    return {};
  }

  // Only cases that the fold of RegexSet knows are accepted.
  Status check_case(const RegexSet& set) const {
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

  RegexSet::Range literal() {
    const CodePoint point = decode_code_point(pattern_, at_);
    at_ += point.length;
    return {point.value, point.value};
  }

  Status group(size_t depth) {
    ++at_;
    const bool outer_case = ignore_case_;
    bool look = false;
    bool negate = false;
    if (take("?")) {
      if (take("=")) {
        look = true;
      } else if (take("!")) {
        look = negate = true;
      } else if (!take(":")) {
        if (take("i:")) {
          ignore_case_ = true;
        } else if (take("i)")) {
          // For the rest of the enclosing group, further alternatives included.
          return refuse("\"(?i)\" without a colon");
        } else {
          return refuse("this kind of group");
        }
      }
    }
    uint32_t look_step = 0;
    if (look) {
      look_step = emit(Step::Kind::look_ahead);
      out_.steps_[look_step].negate = negate;
    }
    HR_TRY(alternatives(depth + 1));
    if (!take(")")) return refuse("an unmatched \"(\"");
    ignore_case_ = outer_case;
    if (look) {
      emit(Step::Kind::accept);
      out_.steps_[look_step].to = here();
      out_.steps_[look_step].other = 0;
    }
    return {};
  }

  // Behind "[".
  Status bracket(RegexSet& set, size_t depth) {
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
        range = literal();
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
          last = literal();
        }
        range.last = last.first;
        if (range.first > range.last) return refuse("a range from more to less");
      }
      set.ranges.push_back(range);
    }
    if (!take("]") || depth > kDepthMax) return refuse("an unmatched \"[\"");
    return {};
  }

  static constexpr char32_t kNoCharacter = UINT32_MAX;

  // Behind "\\". With `range` (in a class) a single character goes there instead of into `set`;
  // its first is kNoCharacter when the escape was a class of its own.
  Status escape(RegexSet& set, RegexSet::Range* range) {
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

  static Status put_character(RegexSet& set, RegexSet::Range* range, char32_t value) {
    if (range) {
      *range = {value, value};
    } else if (value != kNoCharacter) {
      set.ranges.push_back({value, value});
    }
    return {};
  }

  // \xHH, \x{H…}, \uHHHH
  Status hexadecimal(char kind, char32_t& value) {
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

  // Behind "\\", at "p{…}" or "P{…}".
  Status property(RegexSet& set, RegexSet::Range* range, bool negate) {
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

  // Which bytes a match can begin with: all that the first characters' sets allow.
  void find_starts() {
    std::vector<uint8_t> seen(out_.steps_.size(), 0);
    std::vector<uint32_t> open = {0};
    while (!open.empty()) {
      const uint32_t at = open.back();
      open.pop_back();
      if (seen[at]) continue;
      seen[at] = 1;
      const Step& step = out_.steps_[at];
      switch (step.kind) {
        case Step::Kind::accept:
          out_.starts_.fill(true);
          return;
        case Step::Kind::set:
        case Step::Kind::repeat: {
          const RegexSet& set = out_.sets_[step.set];
          for (size_t byte = 0; byte < 256; ++byte) {
            if (byte >= 0x80 || set.has(static_cast<char32_t>(byte))) out_.starts_[byte] = true;
          }
          if (step.kind == Step::Kind::repeat && step.min == 0) open.push_back(at + 1);
          break;
        }
        case Step::Kind::split:
          open.push_back(step.to);
          open.push_back(step.other);
          break;
        case Step::Kind::jump:
        case Step::Kind::look_ahead:
          open.push_back(step.to);
          break;
        case Step::Kind::line_begin:
        case Step::Kind::line_end:
          open.push_back(at + 1);
          break;
      }
    }
  }

  std::string_view pattern_;
  size_t at_ = 0;
  bool ignore_case_ = false;
  TokenRegex out_;
};

Result<TokenRegex> TokenRegex::compile(std::string_view pattern) {
  return RegexParser(pattern).parse();
}

}  // namespace headrace
