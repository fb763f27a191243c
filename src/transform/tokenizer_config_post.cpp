#include "transform/tokenizer_json.h"

namespace headrace::tokenizer_json {
namespace {

using Part = TemplatePart::Kind;

constexpr size_t kSpecialMax = 64;  // tokens that a template adds
constexpr size_t kStepsMax = 16;

// Reads one post-processor file part into templates and trims. A template must be the last step.
class PostReader {
 public:
  PostReader(const JsonReader& reader, TokenizerConfig& config)
      : reader_(reader), config_(config) {}

  Status read(const element& value) {
    constexpr std::string_view kPart = "post_processor";
    HR_ASSIGN(const object post, reader_.as_object(value, kPart));
    HR_ASSIGN(const std::string_view type, reader_.required_string(post, "type", kPart));
    if (type == "Sequence") {
      const std::optional<element> list = JsonReader::find(post, "processors");
      if (!list) return reader_.damaged(kPart, "\"processors\" is missing");
      HR_ASSIGN(const array items, reader_.as_array(*list, kPart));
      for (const element item : items) HR_TRY(read(item));
      return {};
    }
    if (++steps_ > kStepsMax || templated_) {
      return reader_.unsupported(kPart, fmt::format("\"{}\" after other steps", type));
    }
    if (type == "ByteLevel") return read_trim(post);
    templated_ = true;
    if (type == "TemplateProcessing") return read_template_processing(post);
    if (type == "BertProcessing") return read_pairs(post, false);
    if (type == "RobertaProcessing") return read_pairs(post, true);
    return reader_.unsupported(kPart, fmt::format("the type \"{}\" is not supported", type));
  }

 private:
  Status read_trim(const object& post) {
    HR_ASSIGN(const bool trim, reader_.flag(post, "trim_offsets", "post_processor", true));
    HR_ASSIGN(const bool prefix, reader_.flag(post, "add_prefix_space", "post_processor", true));
    if (trim) config_.trims.push_back(prefix);
    return {};
  }

  // "cls" and "sep": ["[CLS]", 101].
  Result<int32_t> read_token(const object& post, std::string_view key) const {
    const std::optional<element> value = JsonReader::find(post, key);
    if (!value) return reader_.damaged("post_processor", fmt::format("\"{}\" is missing", key));
    HR_ASSIGN(const array pair, reader_.as_array(*value, "post_processor"));
    element id;
    if (pair.at(1).get(id)) return reader_.damaged("post_processor", "a token lacks its id");
    return reader_.as_id(id, "post_processor");
  }

  // BertProcessing and RobertaProcessing.
  Status read_pairs(const object& post, bool roberta) {
    HR_ASSIGN(const int32_t cls, read_token(post, "cls"));
    HR_ASSIGN(const int32_t sep, read_token(post, "sep"));
    if (roberta) HR_TRY(read_trim(post));
    const int32_t other = roberta ? 0 : 1;  // RoBERTa knows one token type
    config_.single = {{Part::special, 0, {cls}}, {Part::first, 0, {}}, {Part::special, 0, {sep}}};
    config_.pair = config_.single;
    if (roberta) config_.pair.push_back({Part::special, 0, {sep}});
    config_.pair.push_back({Part::second, other, {}});
    config_.pair.push_back({Part::special, other, {sep}});
    return {};
  }

  Status read_special(const object& fields, std::string_view part,
                      const std::optional<element>& special_tokens, TemplatePart& out) const {
    constexpr std::string_view kTokens = "post_processor.special_tokens";
    HR_ASSIGN(const std::string_view id, reader_.required_string(fields, "id", part));
    if (!special_tokens) return reader_.damaged("post_processor", "\"special_tokens\" is missing");
    HR_ASSIGN(const object known, reader_.as_object(*special_tokens, kTokens));
    const std::optional<element> entry = JsonReader::find(known, id);
    if (!entry) return reader_.damaged(kTokens, fmt::format("lacks \"{}\"", id));
    HR_ASSIGN(const object token, reader_.as_object(*entry, kTokens));
    const std::optional<element> ids = JsonReader::find(token, "ids");
    if (!ids) return reader_.damaged(kTokens, "\"ids\" is missing");
    HR_ASSIGN(const array list, reader_.as_array(*ids, kTokens));
    for (const element value : list) {
      HR_ASSIGN(const int32_t number, reader_.as_id(value, kTokens));
      if (out.ids.size() >= kSpecialMax) {
        return reader_.unsupported(kTokens, fmt::format("\"{}\" has too many ids", id));
      }
      out.ids.push_back(number);
    }
    return {};
  }

  // "single" or "pair".
  Status read_template(const object& post, std::string_view key, std::vector<TemplatePart>& out) {
    const std::string part = fmt::format("post_processor.{}", key);
    const std::optional<element> value = JsonReader::find(post, key);
    HR_ASSIGN(const array items, reader_.as_array(*value, part));
    const std::optional<element> special_tokens = JsonReader::find(post, "special_tokens");
    out.clear();
    size_t first = 0;
    size_t second = 0;
    size_t special = 0;
    for (const element item : items) {
      HR_ASSIGN(const object entry, reader_.as_object(item, part));
      TemplatePart made;
      std::optional<element> body = JsonReader::find(entry, "Sequence");
      const bool sequence = body.has_value();
      if (!sequence) body = JsonReader::find(entry, "SpecialToken");
      if (!body) return reader_.damaged(part, "has an entry that is no token and no sequence");
      HR_ASSIGN(const object fields, reader_.as_object(*body, part));
      HR_ASSIGN(const uint32_t type, reader_.count(fields, "type_id", part, 1'000'000, 0));
      made.type = static_cast<int32_t>(type);
      if (sequence) {
        HR_ASSIGN(const std::string_view id, reader_.required_string(fields, "id", part));
        if (id != "A" && id != "B") {
          return reader_.damaged(part, fmt::format("the sequence \"{}\" is none", id));
        }
        made.kind = id == "A" ? Part::first : Part::second;
        ++(id == "A" ? first : second);
      } else {
        made.kind = Part::special;
        HR_TRY(read_special(fields, part, special_tokens, made));
        special += made.ids.size();
      }
      if (special > kSpecialMax) {
        return reader_.unsupported(part,
                                   fmt::format("adds more than {} special tokens", kSpecialMax));
      }
      out.push_back(std::move(made));
    }
    if (first != 1) return reader_.unsupported(part, "needs the sequence A exactly once");
    if (second != (key == "pair" ? 1u : 0u)) {
      return reader_.unsupported(
          part, key == "pair" ? "needs the sequence B exactly once" : "holds the sequence B");
    }
    return {};
  }

  Status read_template_processing(const object& post) {
    if (!JsonReader::find(post, "single")) {
      return reader_.damaged("post_processor", "\"single\" is missing");
    }
    HR_TRY(read_template(post, "single", config_.single));
    if (JsonReader::find(post, "pair")) HR_TRY(read_template(post, "pair", config_.pair));
    return {};
  }

  const JsonReader& reader_;
  TokenizerConfig& config_;
  size_t steps_ = 0;
  bool templated_ = false;
};

}  // namespace

Status read_post_processor(const JsonReader& reader, const object& root, TokenizerConfig& config) {
  config.single = {{Part::first, 0, {}}};
  config.pair = {{Part::first, 0, {}}, {Part::second, 1, {}}};
  const std::optional<element> value = JsonReader::find(root, "post_processor");
  if (!value) return {};
  return PostReader(reader, config).read(*value);
}

}  // namespace headrace::tokenizer_json
