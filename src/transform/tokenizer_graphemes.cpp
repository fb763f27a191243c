#include "transform/tokenizer_graphemes.h"

#include "base/utf8.h"
#include "transform/tokenizer_characters.h"

namespace headrace {
namespace {

bool is_control(Cluster c) {
  return c == Cluster::kControl || c == Cluster::kCR || c == Cluster::kLF;
}

bool joins_hangul(Cluster before, Cluster after) {
  if (before == Cluster::kL) {
    return after == Cluster::kL || after == Cluster::kV || after == Cluster::kLV ||
           after == Cluster::kLVT;
  }
  if (before == Cluster::kLV || before == Cluster::kV) {
    return after == Cluster::kV || after == Cluster::kT;
  }
  return (before == Cluster::kLVT || before == Cluster::kT) && after == Cluster::kT;
}

// What the rules that look back further than one character need.
struct Memory {
  bool odd_regional = false;  // an odd number of regional indicators
  bool pictograph = false;    // a pictograph and extenders
  bool joined = false;        // … and then a zero width joiner
  bool consonant = false;     // a consonant, and extenders or linkers
  bool linked = false;        // … with a linker among them

  void see(const TextCharacter& c) {
    odd_regional = c.cluster == Cluster::kRegionalIndicator && !odd_regional;
    joined = pictograph && c.cluster == Cluster::kZWJ;
    if (c.flags & TextCharacter::kPictograph) {
      pictograph = true;
    } else if (c.cluster != Cluster::kExtend) {
      pictograph = false;
    }
    if (c.conjunct == Conjunct::kConsonant) {
      consonant = true;
      linked = false;
    } else if (c.conjunct == Conjunct::kLinker) {
      linked = consonant;
    } else if (c.conjunct != Conjunct::kExtend) {
      consonant = linked = false;
    }
  }
};

bool joins(const TextCharacter& before, const TextCharacter& after, const Memory& memory) {
  if (before.cluster == Cluster::kCR && after.cluster == Cluster::kLF) return true;
  if (is_control(before.cluster) || is_control(after.cluster)) return false;
  if (joins_hangul(before.cluster, after.cluster)) return true;
  if (after.cluster == Cluster::kExtend || after.cluster == Cluster::kZWJ ||
      after.cluster == Cluster::kSpacingMark || before.cluster == Cluster::kPrepend) {
    return true;
  }
  if (memory.linked && after.conjunct == Conjunct::kConsonant) return true;
  if (memory.joined && (after.flags & TextCharacter::kPictograph)) return true;
  return memory.odd_regional && after.cluster == Cluster::kRegionalIndicator;
}

}  // namespace

size_t grapheme_end(std::string_view text, size_t at) {
  CodePoint point = decode_code_point(text, at);
  at += point.length;
  const TextCharacter* before = &text_character(point.value);
  Memory memory;
  memory.see(*before);
  while (at < text.size()) {
    point = decode_code_point(text, at);
    const TextCharacter& after = text_character(point.value);
    if (!joins(*before, after, memory)) break;
    memory.see(after);
    before = &after;
    at += point.length;
  }
  return at;
}

}  // namespace headrace
