#include "transform/tokenizer_model.h"

#include <fmt/format.h>

#include <utility>

#include "transform/tokenizer_index.h"
#include "transform/wordpiece_vocabulary.h"

namespace headrace {
namespace {

class WordPieceModel final : public TokenModel {
 public:
  explicit WordPieceModel(WordPieceVocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

  void tokenize(std::string_view word, std::vector<ModelToken>& out) const override {
    thread_local std::vector<Piece> pieces;
    vocabulary_.pieces(word, pieces);
    uint32_t begin = 0;
    for (const Piece& piece : pieces) {
      out.push_back({piece.id, begin, piece.end});
      begin = piece.end;
    }
  }

 private:
  WordPieceVocabulary vocabulary_;
};

// A word is a token or unknown.
class WordLevelModel final : public TokenModel {
 public:
  auto name() const {
    return [this](uint32_t place) -> std::string_view { return words_[place].token; };
  }

  explicit WordLevelModel(const TokenizerConfig& config) : words_(config.vocabulary) {
    index_.build(words_.size(), name());
    unknown_ = words_[index_.find(config.unknown_token, name())].id;
  }

  void tokenize(std::string_view word, std::vector<ModelToken>& out) const override {
    const uint32_t place = index_.find(word, name());
    out.push_back({place == TokenIndex::kNone ? unknown_ : words_[place].id, 0,
                   static_cast<uint32_t>(word.size())});
  }

 private:
  std::vector<VocabularyEntry> words_;
  TokenIndex index_;
  int32_t unknown_ = 0;
};

}  // namespace

std::string byte_token(uint8_t byte) {
  return fmt::format("<0x{:02X}>", byte);
}

bool is_byte_token(std::string_view token) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>') &&
         is_digit(token[3]) && is_digit(token[4]);
}

Result<std::shared_ptr<const TokenModel>> make_token_model(const TokenizerConfig& config) {
  switch (config.model) {
    case ModelKind::word_piece: {
      HR_ASSIGN(WordPieceVocabulary vocabulary, WordPieceVocabulary::build(config));
      return std::make_shared<const WordPieceModel>(std::move(vocabulary));
    }
    case ModelKind::unigram:
      return make_unigram_model(config);
    case ModelKind::bpe:
      return make_bpe_model(config);
    case ModelKind::word_level:
      return std::make_shared<const WordLevelModel>(config);
  }
  return fail(ErrorCode::internal, "no such model");
}

}  // namespace headrace
