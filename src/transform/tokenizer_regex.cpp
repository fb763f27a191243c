#include "transform/tokenizer_regex.h"

#include <algorithm>

#include "base/unicode.h"
#include "transform/tokenizer_characters.h"

namespace headrace {
namespace {

constexpr size_t kStepsBudget = 20'000'000;  // of one match

char32_t other_case(char32_t c) {
  const char32_t small = c | 0x20;
  return small >= 'a' && small <= 'z' && c < 0x80 ? c ^ 0x20 : c;
}

}  // namespace

bool RegexSet::lists(char32_t c) const {
  for (const Range& range : ranges) {
    if (c >= range.first && c <= range.last) return true;
  }
  if (categories == 0 && flags == 0 && not_flags == 0) return false;
  const TextCharacter& known = text_character(c);
  return ((categories >> static_cast<unsigned>(known.category)) & 1) != 0 ||
         (known.flags & flags) != 0 || (~known.flags & not_flags) != 0;
}

bool RegexSet::has_slow(char32_t c) const {
  bool in = lists(c);
  if (ignore_case && !in) {
    in = lists(other_case(c));
    // The two characters beyond ASCII that fold to ASCII letters, and back.
    if (c == 0x17F) in = in || lists('s') || lists('S');
    if (c == 0x212A) in = in || lists('k') || lists('K');
  }
  return in != negate;
}

void RegexSet::finish() {
  ascii = {};
  for (char32_t c = 0; c < 0x80; ++c) {
    if (has_slow(c)) ascii[c >> 6] |= uint64_t{1} << (c & 63);
  }
}

struct TokenRegex::Run {
  struct Choice {
    uint32_t step;
    size_t at;
    size_t least;  // repeat: may be shortened down to here
    size_t most;   // lazy repeat: how many characters more it may take
    bool lazy;
  };
  std::vector<Choice> choices;
  size_t budget = kStepsBudget;
};

size_t TokenRegex::run(std::string_view text, size_t at, uint32_t step, Run& state) const {
  const size_t floor = state.choices.size();
  const char* bytes = text.data();
  const auto fail_back = [&]() {
    // Takes the last open choice up again; false when there is none.
    while (state.choices.size() > floor) {
      Run::Choice& choice = state.choices.back();
      if (state.budget == 0) break;
      --state.budget;
      step = choice.step;
      if (choice.lazy) {
        const RegexSet& set = sets_[steps_[step - 1].set];
        at = choice.at;
        if (at >= text.size() || choice.most == 0) {
          state.choices.pop_back();
          continue;
        }
        const CodePoint point = decode_code_point(text, at);
        if (!set.has(point.value)) {
          state.choices.pop_back();
          continue;
        }
        at += point.length;
        choice.at = at;
        --choice.most;
        return true;
      }
      if (choice.at <= choice.least) {
        at = choice.at;
        state.choices.pop_back();
        return true;
      }
      at = choice.at;
      // Shorter by one character, from the next time on.
      size_t before = choice.at - 1;
      while (before > choice.least && (static_cast<uint8_t>(bytes[before]) & 0xC0) == 0x80) {
        --before;
      }
      choice.at = before;
      return true;
    }
    state.choices.resize(floor);
    return false;
  };
  while (true) {
    if (state.budget == 0) {
      state.choices.resize(floor);
      return kNone;
    }
    --state.budget;
    const Step& now = steps_[step];
    bool ok = true;
    switch (now.kind) {
      case Step::Kind::accept:
        state.choices.resize(floor);
        return at;
      case Step::Kind::set: {
        ok = at < text.size();
        if (!ok) break;
        const CodePoint point = decode_code_point(text, at);
        ok = sets_[now.set].has(point.value);
        at += point.length;
        ++step;
        break;
      }
      case Step::Kind::repeat: {
        const RegexSet& set = sets_[now.set];
        size_t count = 0;
        size_t least = at;  // where the smallest allowed number ends
        const size_t wanted = now.mode == Step::Mode::lazy ? now.min : now.max;
        while (count < wanted && at < text.size()) {
          const CodePoint point = decode_code_point(text, at);
          if (!set.has(point.value)) break;
          at += point.length;
          if (++count == now.min) least = at;
        }
        ok = count >= now.min;
        ++step;
        if (!ok) break;
        if (now.mode == Step::Mode::lazy) {
          state.choices.push_back({step, at, at, now.max - now.min, true});
        } else if (now.mode == Step::Mode::greedy && at > least) {
          size_t before = at - 1;
          while (before > least && (static_cast<uint8_t>(bytes[before]) & 0xC0) == 0x80) --before;
          state.choices.push_back({step, before, least, 0, false});
        }
        break;
      }
      case Step::Kind::split:
        state.choices.push_back({now.other, at, at, 0, false});
        step = now.to;
        break;
      case Step::Kind::jump:
        step = now.to;
        break;
      case Step::Kind::look_ahead:
        ok = (run(text, at, step + 1, state) != kNone) != now.negate;
        step = now.to;
        break;
      case Step::Kind::line_begin:
        ok = at == 0 || (at < text.size() && bytes[at - 1] == '\n');
        ++step;
        break;
      case Step::Kind::line_end:
        ok = at == text.size() || bytes[at] == '\n';
        ++step;
        break;
    }
    if (!ok && !fail_back()) return kNone;
  }
}

size_t TokenRegex::match(std::string_view text, size_t at) const {
  thread_local Run state;
  state.choices.clear();
  state.budget = kStepsBudget;
  return run(text, at, 0, state);
}

}  // namespace headrace
