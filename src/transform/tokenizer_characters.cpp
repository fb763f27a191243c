#include "transform/tokenizer_characters.h"

#include <cstddef>

#include "base/utf8.h"

namespace headrace {
namespace {

#include "transform/tokenizer_tables.inc"

}  // namespace

const TextCharacter& text_character(char32_t c) {
  if (c > kCodePointMax) c = kReplacementCharacter;
  return kTextCharacters[kTextStage2[size_t{kTextStage1[c / 128]} * 128 + c % 128]];
}

}  // namespace headrace
