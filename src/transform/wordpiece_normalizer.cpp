#include "transform/wordpiece_normalizer.h"

namespace headrace {
namespace {

#include "transform/wordpiece_tables.inc"

}  // namespace

const BertCharacter& bert_character(char32_t c) {
  if (c > kCodePointMax) c = kReplacementCharacter;
  return kBertCharacters[kBertStage2[size_t{kBertStage1[c / 128]} * 128 + c % 128]];
}

}  // namespace headrace
