// The parser of TokenRegex: a pattern becomes a program of steps for backtracking.
#include <algorithm>
#include <optional>
#include <utility>

#include "transform/tokenizer_regex.h"
#include "transform/tokenizer_regex_source.h"

namespace headrace {
namespace {

constexpr size_t kDepthMax = 50;
constexpr size_t kStepsMax = 20'000;
constexpr size_t kRepeatMax = 1'000;
constexpr uint32_t kEndless = TokenRegex::kEndless;

}  // namespace

// Recursive descent: alternatives, sequences, quantified atoms.
class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : source_(pattern) {}

  Result<TokenRegex> parse() {
    const Status done = alternatives(0);
    if (!done) return std::unexpected(done.error());
    if (!source_.at_end()) return source_.refuse("an unmatched \")\"");
    emit(Step::Kind::accept);
    for (RegexSet& set : out_.sets_) set.finish();
    for (Step& step : out_.steps_) {
      const bool branches = step.kind == Step::Kind::split || step.kind == Step::Kind::repeat;
      if (branches) step.branch = out_.branches_++;
    }
    find_starts();
    return std::move(out_);
  }

 private:
  using Step = TokenRegex::Step;

  uint32_t here() const { return static_cast<uint32_t>(out_.steps_.size()); }
  uint32_t emit(Step::Kind kind) {
    Step step;
    step.kind = kind;
    out_.steps_.push_back(step);
    return here() - 1;
  }

  Status alternatives(size_t depth) {
    if (depth > kDepthMax) return source_.refuse("so deep a nesting");
    std::vector<uint32_t> ends;
    while (true) {
      const uint32_t begin = here();
      HR_TRY(sequence(depth));
      if (!source_.take("|")) break;
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
      return source_.refuse("so long a pattern");
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
    while (!source_.at_end() && !source_.next_is('|') && !source_.next_is(')')) {
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
    if (source_.take("?")) {
      max = 1;
    } else if (source_.take("*")) {
      max = kEndless;
    } else if (source_.take("+")) {
      min = 1;
      max = kEndless;
    } else if (source_.take("{")) {
      HR_TRY(counts(min, max));
      braces = true;
    } else {
      return {};
    }
    auto mode = Step::Mode::greedy;
    if (source_.take("?")) {
      mode = Step::Mode::lazy;
    } else if (source_.take("+")) {
      if (braces) return source_.refuse("a quantifier of a quantifier");
      mode = Step::Mode::possessive;
    }
    if (source_.next_is('?') || source_.next_is('*') || source_.next_is('+'))
      return source_.refuse("a quantifier of a quantifier");
    if (here() == begin) return source_.refuse("a quantifier of nothing");
    Step& atom_step = out_.steps_[begin];
    if (here() == begin + 1 && atom_step.kind == Step::Kind::set) {
      atom_step.kind = Step::Kind::repeat;
      atom_step.min = min;
      atom_step.max = max;
      atom_step.mode = mode;
      return {};
    }
    if (mode == Step::Mode::possessive) return source_.refuse("a possessive group");
    if (least_length(begin, here()) == 0)
      return source_.refuse("a repeated group that can be empty");
    return repeat_group(begin, min, max, mode == Step::Mode::lazy);
  }

  // Behind "{".
  Status counts(uint32_t& min, uint32_t& max) {
    const std::optional<uint32_t> first = source_.take_number();
    min = first.value_or(0);
    max = min;
    if (source_.take(",")) {
      const std::optional<uint32_t> second = source_.take_number();
      if (!first && !second) return source_.refuse("\"{,}\"");
      max = second.value_or(kEndless);
    } else if (!first) {
      return source_.refuse("a \"{\" that is no quantifier");
    }
    if (!source_.take("}")) return source_.refuse("a \"{\" that is no quantifier");
    if (min > max) return source_.refuse("a quantifier from more to less");
    if (min > kRepeatMax || (max > kRepeatMax && max != kEndless))
      return source_.refuse("so many repeats");
    return {};
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
    if (body.size() * copies > kStepsMax) return source_.refuse("so long a pattern");
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
    if (source_.take("(")) return group(depth);
    if (source_.next_is('*') || source_.next_is('+') || source_.next_is('?'))
      return source_.refuse("a quantifier of nothing");
    if (source_.take("^")) {
      emit(Step::Kind::line_begin);
      return {};
    }
    if (source_.take("$")) {
      emit(Step::Kind::line_end);
      return {};
    }
    RegexSet set;
    set.ignore_case = ignore_case_;
    if (source_.take(".")) {
      set.negate = true;
      set.ranges.push_back({'\n', '\n'});
    } else if (source_.take("[")) {
      HR_TRY(source_.take_bracket(set));
    } else if (source_.take("\\")) {
      HR_TRY(source_.take_escape(set));
    } else {
      const char32_t character = source_.take_character();
      set.ranges.push_back({character, character});
    }
    HR_TRY(source_.check_case(set));
    const uint32_t step = emit(Step::Kind::set);
    out_.steps_[step].set = static_cast<uint32_t>(out_.sets_.size());
    out_.sets_.push_back(std::move(set));
    return {};
  }

  // Behind "(".
  Status group(size_t depth) {
    const bool outer_case = ignore_case_;
    bool look = false;
    bool negate = false;
    if (source_.take("?")) {
      if (source_.take("=")) {
        look = true;
      } else if (source_.take("!")) {
        look = negate = true;
      } else if (!source_.take(":")) {
        if (source_.take("i:")) {
          ignore_case_ = true;
        } else if (source_.take("i)")) {
          // For the rest of the enclosing group, further alternatives included.
          return source_.refuse("\"(?i)\" without a colon");
        } else {
          return source_.refuse("this kind of group");
        }
      }
    }
    uint32_t look_step = 0;
    if (look) {
      look_step = emit(Step::Kind::look_ahead);
      out_.steps_[look_step].negate = negate;
    }
    HR_TRY(alternatives(depth + 1));
    if (!source_.take(")")) return source_.refuse("an unmatched \"(\"");
    ignore_case_ = outer_case;
    if (look) {
      emit(Step::Kind::accept);
      out_.steps_[look_step].to = here();
      out_.steps_[look_step].other = 0;
    }
    return {};
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

  RegexSource source_;
  bool ignore_case_ = false;
  TokenRegex out_;
};

Result<TokenRegex> TokenRegex::compile(std::string_view pattern) {
  return RegexParser(pattern).parse();
}

}  // namespace headrace
