#include "transform/tokenizer_regex.h"

#include <algorithm>

#include "base/unicode.h"
#include "transform/tokenizer_characters.h"

namespace headrace {
namespace {

constexpr size_t kStepsAlways = 20'000'000;  // of one search, and
constexpr size_t kStepsPerByte = 500;        // of its text
constexpr size_t kPatience = 4096;           // steps before a search remembers, and
constexpr size_t kPatiencePerByte = 16;      // of the text before the match
constexpr size_t kBitsMax = size_t{1} << 28;
constexpr size_t kChoicesKept = 65'536;
constexpr size_t kChoicesMax = size_t{1} << 22;

char32_t other_case(char32_t c) {
  const char32_t small = c | 0x20;
  return small >= 'a' && small <= 'z' && c < 0x80 ? c ^ 0x20 : c;
}

// Where the character before `at` begins.
size_t before(std::string_view text, size_t at) {
  const char* bytes = text.data();
  do {
    --at;
  } while (at > 0 && (static_cast<uint8_t>(bytes[at]) & 0xC0) == 0x80);
  return at;
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

// What is left to try, or (dead) what is known once nothing above it is left.
struct TokenRegex::Search::Choice {
  enum class Kind : uint8_t {
    other,   // `step` at `at`
    fewer,   // the same, and again with a character less, down to `least`
    more,    // lazy: with a character more, `most` times
    nowhere  // the branch `step` leads nowhere from `at` to `most`
  };
  Kind kind;
  bool buried;  // more: below it lies a choice of the kind nowhere
  uint32_t step;
  size_t at;
  size_t least;
  size_t most;
};

size_t TokenRegex::Search::most_steps() const {
  return kStepsAlways + kStepsPerByte * text_.size();
}

// Called where `used_` is beyond `limit_`.
bool TokenRegex::Search::may_go_on() {
  if (!remembers_) {
    remembers_ = true;
    limit_ = most_steps();
    remember(start_);
  }
  return used_ <= limit_;
}

// No further step, here and in all searches to come.
void TokenRegex::Search::give_up() {
  remembers_ = true;
  limit_ = most_steps();
  used_ = limit_ + 1;
}

// Makes room for what is found out from `at` on.
void TokenRegex::Search::remember(size_t at) {
  if (regex_.branches_ == 0) return;
  const size_t places = text_.size() + 1;
  const bool ends_here = window_begin_ + window_size_ < places;
  const bool past = at - window_begin_ >= window_size_ / 2;
  if (!dead_.empty() && !(ends_here && past)) return;
  window_begin_ = at;
  window_size_ = std::min(places - at, kBitsMax / regex_.branches_);
  dead_.assign(window_size_ * regex_.branches_ / 64 + 1, 0);
  alive_.clear();
}

bool TokenRegex::Search::has(const std::vector<uint64_t>& bits, const Step& step, size_t at) const {
  const size_t place = at - window_begin_;
  if (place >= window_size_ || bits.empty()) return false;
  const size_t bit = step.branch * window_size_ + place;
  return ((bits[bit / 64] >> (bit % 64)) & 1) != 0;
}

void TokenRegex::Search::put(std::vector<uint64_t>& bits, const Step& step, size_t from,
                             size_t to) const {
  from = std::max(from, window_begin_);
  for (size_t at = from; at <= to && at - window_begin_ < window_size_; ++at) {
    const size_t bit = step.branch * window_size_ + (at - window_begin_);
    bits[bit / 64] |= uint64_t{1} << (bit % 64);
  }
}

// A look-ahead whose choices are those above `floor` has found its end.
void TokenRegex::Search::keep_alive(size_t floor) {
  if (dead_.empty()) return;
  if (alive_.empty()) alive_.resize(dead_.size());
  const std::vector<Choice>& choices = *choices_;
  for (size_t i = floor; i < choices.size(); ++i) {
    const Choice& choice = choices[i];
    if (choice.kind != Choice::Kind::nowhere) continue;
    const Step& step = regex_.steps_[choice.step];
    size_t to = choice.at;
    if (step.kind == Step::Kind::repeat && step.max == kEndless) {
      // As far as it has gone, for what is above is still open; of a greedy one a little less.
      const bool follows = i + 1 < choices.size() && choices[i + 1].step == choice.step + 1 &&
                           choices[i + 1].kind != Choice::Kind::nowhere;
      if (follows) to = choices[i + 1].at;
      if (step.mode == Step::Mode::possessive) to = choice.most;
    }
    put(alive_, step, choice.at, to);
  }
}

// Moves `at` behind the characters that the repeat takes first, unless it is known where it leads.
TokenRegex::Search::Outcome TokenRegex::Search::repeat(uint32_t step, size_t& at) {
  const Step& now = regex_.steps_[step];
  const RegexSet& set = regex_.sets_[now.set];
  const bool lazy = now.mode == Step::Mode::lazy;
  const bool endless = now.max == kEndless;
  const size_t begin = at;
  if (remembers_ && !endless) {
    if (is_dead(now, begin)) return Outcome::nowhere;
    if (is_alive(now, begin)) return Outcome::match;
  }
  size_t count = 0;
  size_t least = at;  // where the smallest allowed number ends
  bool reaches_dead = false;
  const size_t wanted = lazy ? now.min : now.max;
  while (count < wanted && at < text_.size()) {
    const CodePoint point = decode_code_point(text_, at);
    if (!set.has(point.value)) break;
    const size_t next = at + point.length;
    if (remembers_ && endless && count >= now.min) {
      if (is_alive(now, next)) {
        put(alive_, now, least, at);
        return Outcome::match;
      }
      reaches_dead = is_dead(now, next);
      if (reaches_dead) break;
    }
    at = next;
    if (++count == now.min) least = at;
  }
  used_ += count;
  if (count < now.min) return Outcome::nowhere;
  std::vector<Choice>& choices = *choices_;
  if (remembers_) {
    if (endless && is_dead(now, least)) return Outcome::nowhere;
    if (endless && is_alive(now, least)) return Outcome::match;
    // A possessive repeat would have gone on from there.
    if (reaches_dead && now.mode == Step::Mode::possessive) {
      put(dead_, now, least, at);
      return Outcome::nowhere;
    }
    choices.push_back(
        {Choice::Kind::nowhere, false, step, endless ? least : begin, 0, endless ? at : begin});
  }
  if (lazy) {
    const size_t more = endless ? kNone : now.max - now.min;
    choices.push_back({Choice::Kind::more, remembers_ && endless, step + 1, at, at, more});
  } else if (now.mode == Step::Mode::greedy && at > least) {
    choices.push_back({Choice::Kind::fewer, false, step + 1, before(text_, at), least, 0});
  }
  return Outcome::open;
}

// A lazy repeat takes a character more; false: it cannot. `below` is the place of the choice.
bool TokenRegex::Search::extend(Choice& choice, size_t below) {
  const Step& step = regex_.steps_[choice.step - 1];
  if (choice.at >= text_.size() || choice.most == 0) return false;
  const CodePoint point = decode_code_point(text_, choice.at);
  if (!regex_.sets_[step.set].has(point.value)) return false;
  const size_t next = choice.at + point.length;
  if (remembers_ && step.max == kEndless && is_dead(step, next)) return false;
  choice.at = next;
  --choice.most;
  if (choice.buried) (*choices_)[below - 1].most = next;
  return true;
}

// Takes the last open choice above `floor` up again; false: there is none.
bool TokenRegex::Search::take_up(size_t floor, size_t& at, uint32_t& step) {
  std::vector<Choice>& choices = *choices_;
  while (choices.size() > floor) {
    if (++used_ > limit_ && !may_go_on()) break;
    Choice& choice = choices.back();
    step = choice.step;
    switch (choice.kind) {
      case Choice::Kind::nowhere:
        put(dead_, regex_.steps_[step], choice.at, choice.most);
        choices.pop_back();
        continue;
      case Choice::Kind::more:
        if (!extend(choice, choices.size() - 1)) {
          choices.pop_back();
          continue;
        }
        at = choice.at;
        return true;
      case Choice::Kind::fewer:
        at = choice.at;
        if (at <= choice.least) {
          choices.pop_back();
        } else {
          choice.at = before(text_, at);
        }
        return true;
      case Choice::Kind::other:
        at = choice.at;
        choices.pop_back();
        return true;
    }
  }
  choices.resize(floor);
  return false;
}

size_t TokenRegex::Search::run(size_t at, uint32_t step, bool looks) {
  std::vector<Choice>& choices = *choices_;
  const size_t floor = choices.size();
  const char* bytes = text_.data();
  while (true) {
    if (choices.size() > kChoicesMax) give_up();
    if (++used_ > limit_ && !may_go_on()) {
      choices.resize(floor);
      return kNone;
    }
    const Step& now = regex_.steps_[step];
    bool ok = true;
    switch (now.kind) {
      case Step::Kind::accept:
        if (remembers_ && looks) keep_alive(floor);
        choices.resize(floor);
        return at;
      case Step::Kind::set: {
        ok = at < text_.size();
        if (!ok) break;
        const CodePoint point = decode_code_point(text_, at);
        ok = regex_.sets_[now.set].has(point.value);
        at += point.length;
        ++step;
        break;
      }
      case Step::Kind::repeat: {
        const Outcome outcome = repeat(step, at);
        if (outcome == Outcome::match) {
          keep_alive(floor);
          choices.resize(floor);
          return at;
        }
        ok = outcome == Outcome::open;
        ++step;
        break;
      }
      case Step::Kind::split:
        if (remembers_) {
          if (is_alive(now, at)) {
            keep_alive(floor);
            choices.resize(floor);
            return at;
          }
          ok = !is_dead(now, at);
          if (!ok) break;
          choices.push_back({Choice::Kind::nowhere, false, step, at, 0, at});
        }
        choices.push_back({Choice::Kind::other, false, now.other, at, 0, 0});
        step = now.to;
        break;
      case Step::Kind::jump:
        step = now.to;
        break;
      case Step::Kind::look_ahead:
        ok = (run(at, step + 1, true) != kNone) != now.negate;
        step = now.to;
        break;
      case Step::Kind::line_begin:
        ok = at == 0 || (at < text_.size() && bytes[at - 1] == '\n');
        ++step;
        break;
      case Step::Kind::line_end:
        ok = at == text_.size() || bytes[at] == '\n';
        ++step;
        break;
    }
    if (!ok && !take_up(floor, at, step)) return kNone;
  }
}

size_t TokenRegex::Search::match(size_t at) {
  // Where there was little to do so far, remembering would cost more than it saves.
  start_ = at;
  const size_t patience = patient_ ? kPatience + kPatiencePerByte * at : 0;
  remembers_ = used_ >= patience;
  limit_ = remembers_ ? most_steps() : patience;
  if (remembers_) remember(at);
  thread_local std::vector<Choice> choices;
  choices.clear();
  choices_ = &choices;
  const size_t end = run(at, 0, false);
  if (choices.capacity() > kChoicesKept) std::vector<Choice>().swap(choices);
  return end;
}

}  // namespace headrace
