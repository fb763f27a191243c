// Small tokenizer.json files for tests and fuzzing, one for each way through GeneralTokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace headrace::samples {

// The symbol of a byte in byte-level vocabularies, as in a JSON string.
inline std::string symbol_of_byte(int byte) {
  const auto stands_for_itself = [](int value) {
    return (value >= '!' && value <= '~') || (value >= 0xA1 && value <= 0xAC) || value >= 0xAE;
  };
  int symbol = byte;
  if (!stands_for_itself(byte)) {
    symbol = 256;
    for (int i = 0; i < byte; ++i) symbol += stands_for_itself(i) ? 0 : 1;
  }
  if (symbol == '"' || symbol == '\\') return {'\\', static_cast<char>(symbol)};
  if (symbol < 0x80) return {static_cast<char>(symbol)};
  return {static_cast<char>(0xC0 | symbol >> 6), static_cast<char>(0x80 | (symbol & 0x3F))};
}

// Byte-level BPE: the 256 bytes, and merges of a few English words. `split` replaces the
// pre-tokenizer, `normalizer` the normalizer.
inline std::string byte_level(const std::string& split, const std::string& normalizer = "null",
                              const std::string& post = "null", bool ignore_merges = false) {
  std::string vocabulary;
  int id = 0;
  const auto add = [&](const std::string& token) {
    vocabulary += (id ? ",\"" : "\"") + token + "\":" + std::to_string(id);
    ++id;
  };
  for (int byte = 0; byte < 256; ++byte) add(symbol_of_byte(byte));
  std::string merges;
  for (const char* merge : {"t h", "th e", "Ġ the", "Ġ t", "Ġt h", "Ġth e", "a b", "ab ab", "Ġ Ġ",
                            "Ã ©", "c a", "ca f", "caf Ã©", "1 2", "12 3", "' s"}) {
    const std::string pair = merge;
    const size_t space = pair.find(' ');
    const std::string made = pair.substr(0, space) + pair.substr(space + 1);
    merges += (merges.empty() ? "\"" : ",\"") + pair + "\"";
    if (vocabulary.find("\"" + made + "\":") == std::string::npos) add(made);
  }
  return R"({"version":"1.0","added_tokens":[{"id":999,"content":"<x>","special":true,)"
         R"("normalized":false,"lstrip":true}],"normalizer":)" +
         normalizer + R"(,"pre_tokenizer":)" + split + R"(,"post_processor":)" + post +
         R"(,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true},)"
         R"("model":{"type":"BPE","dropout":null,"unk_token":null,"fuse_unk":false,)"
         R"("byte_fallback":false,"ignore_merges":)" +
         (ignore_merges ? "true" : "false") + R"(,"vocab":{)" + vocabulary + R"(},"merges":[)" +
         merges + "]}}";
}

// Of parts that are JSON themselves.
inline std::string plain(const std::string& model, const std::string& split,
                         const std::string& normalizer = "null", const std::string& post = "null",
                         const std::string& added = "[]") {
  return R"({"version":"1.0","added_tokens":)" + added + R"(,"normalizer":)" + normalizer +
         R"(,"pre_tokenizer":)" + split + R"(,"post_processor":)" + post +
         R"(,"decoder":null,"model":)" + model + "}";
}

inline const std::string kGpt2 =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
inline const std::string kGpt2Prefix =
    R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";

// Splits by a regular expression (as JSON text, escaped), then bytes.
inline std::string split_by(const std::string& regex) {
  return R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":")" + regex +
         R"("},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":)"
         R"(false,"trim_offsets":false,"use_regex":false}]})";
}
inline const std::string kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| )"
    R"(?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";

// Unigram with Metaspace.
inline std::string unigram(const std::string& normalizer, const std::string& split,
                           bool bytes = false) {
  std::string vocabulary = R"(["<unk>",0.0],["▁",-2.5],["a",-3.25],["b",-3.5],["ab",-4.0],)"
                           R"(["▁a",-3.0],["▁the",-2.0],["the",-4.5],["e",-3.0],["s",-2.75],)"
                           R"(["é",-5.0],["文",-6.0],["▁cafe",-7.0],["ca",-6.0],["fe",-6.5],)"
                           R"(["1",-4.0],["xy",-9.0])";
  if (bytes) {
    constexpr const char* kDigits = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; ++byte) {
      vocabulary +=
          std::string(R"(,["<0x)") + kDigits[byte >> 4] + kDigits[byte & 15] + R"(>",-20.0])";
    }
  }
  return R"({"version":"1.0","added_tokens":[{"id":0,"content":"<unk>","special":true,)"
         R"("normalized":false},{"id":999,"content":"<x>","special":true,"normalized":false,)"
         R"("lstrip":true}],"normalizer":)" +
         normalizer + R"(,"pre_tokenizer":)" + split +
         R"(,"post_processor":null,"decoder":{"type":"Metaspace","replacement":"▁",)"
         R"("prepend_scheme":"always"},"model":{"type":"Unigram","unk_id":0,"byte_fallback":)" +
         (bytes ? "true" : "false") + R"(,"vocab":[)" + vocabulary + "]}}";
}

inline const std::string kMetaspace =
    R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})";
inline const std::string kWordsMetaspace =
    R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},)" + kMetaspace + "]}";
inline const std::string kOneSpace =
    R"({"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace",)"
    R"("pattern":{"Regex":" {2,}"},"content":" "}]})";

// A precompiled map that removes U+0001.
inline constexpr const char* kRemovingMap = "IAAAAAAIAACqAAAAqgAAAAERAACqAAAAqgAAAKoAAAAAAACAAA==";

// SentencePiece's BPE, as Llama 2 has it.
inline std::string sentence_bpe() {
  return R"({"version":"1.0","added_tokens":[{"id":0,"content":"<unk>","special":true,)"
         R"("normalized":false}],"normalizer":{"type":"Sequence","normalizers":[)"
         R"({"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},)"
         R"("content":"▁"}]},"pre_tokenizer":null,"post_processor":{"type":)"
         R"("TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},)"
         R"({"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},)"
         R"({"SpecialToken":{"id":"<s>","type_id":1}},{"Sequence":{"id":"B","type_id":1}}],)"
         R"("special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},)"
         R"("decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},)"
         R"("content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ",)"
         R"("start":1,"stop":0}]},"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,)"
         R"("byte_fallback":true,"vocab":{"<unk>":0,"<s>":1,"▁":2,"a":3,"b":4,"t":5,"h":6,"e":7,)"
         R"("th":8,"the":9,"▁the":10,"ab":11,"▁▁":12,"▁a":13,"<0xC3>":14,"<0xA9>":15,"e▁":16,)"
         R"("s":17},"merges":["t h","th e","▁ the","a b","▁ ▁","▁ a",["e","▁"]]}})";
}

// Settings that no sample has together; each number gives others. Some are refused.
inline constexpr uint32_t kCombinations = 4 * 6 * 3 * 2 * 2 * 2 * 2 * 3 * 3;
inline std::string combination(uint32_t number) {
  const auto draw = [&number](uint32_t among) {
    const uint32_t drawn = number % among;
    number /= among;
    return drawn;
  };
  const uint32_t model = draw(4);
  const std::string splits[] = {
      "null",
      kGpt2,
      kGpt2Prefix,
      kMetaspace,
      R"({"type":"WhitespaceSplit"})",
      R"({"type":"Split","pattern":{"Regex":" ?\\p{L}+"},"behavior":"Isolated","invert":false})"};
  const std::string posts[] = {"null", kGpt2, kGpt2Prefix};
  const std::string split = splits[draw(6)];
  const std::string post = posts[draw(3)];
  const bool prefix = draw(2) != 0;
  const bool suffix = draw(2) != 0;
  const bool unknown = draw(2) != 0;
  const bool fuses = draw(2) != 0;
  const uint32_t fallback = draw(3);  // none, with gaps, of every byte
  const uint32_t symbols = draw(3);   // the same
  std::vector<std::string> tokens = {
      "<unk>", "a",  "b", "t",  "h",   "e",       "ab",    "th",    "é",   "the", "Ġ",    "Ġt",
      "▁",     "▁a", " ", " a", "##b", "##b</w>", "b</w>", "a</w>", "##a", "1",   "é</w>"};
  const size_t words = tokens.size();
  for (int byte = 0; byte < 256; ++byte) {
    constexpr const char* kDigits = "0123456789ABCDEF";
    const bool gap = byte % 5 == 2;
    if (fallback == 2 || (fallback == 1 && !gap)) {
      tokens.push_back(std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">");
    }
    const std::string symbol = symbol_of_byte(byte);
    const bool known =
        std::find(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(words), symbol) !=
        tokens.begin() + static_cast<std::ptrdiff_t>(words);
    if (!known && (symbols == 2 || (symbols == 1 && !gap))) tokens.push_back(symbol);
  }
  std::string vocabulary;
  for (size_t i = 0; i < tokens.size(); ++i) {
    vocabulary += i == 0 ? "" : ",";
    vocabulary += model == 1 ? "[\"" + tokens[i] + "\",-" + std::to_string(1 + i % 7) + ".25]"
                             : "\"" + tokens[i] + "\":" + std::to_string(i);
  }
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  const std::string bytes = std::string(R"("byte_fallback":)") + flag(fallback != 0);
  const std::string kinds[] = {
      R"({"type":"BPE","unk_token":)" + std::string(unknown ? "\"<unk>\"" : "null") +
          R"(,"continuing_subword_prefix":)" + (prefix ? "\"##\"" : "null") +
          R"(,"end_of_word_suffix":)" + (suffix ? "\"</w>\"" : "null") + R"(,"fuse_unk":)" +
          flag(fuses) + "," + bytes + R"(,"vocab":{)" + vocabulary + R"(},"merges":)" +
          (prefix ? R"([["a","##b"]])" : R"([["a","b"],["t","h"],["th","e"],[" ","a"]])") + "}",
      R"({"type":"Unigram","unk_id":0,)" + bytes + R"(,"vocab":[)" + vocabulary + "]}",
      R"({"type":"WordPiece","unk_token":"<unk>","continuing_subword_prefix":"##",)"
      R"("max_input_chars_per_word":100,"vocab":{)" +
          vocabulary + "}}",
      R"({"type":"WordLevel","unk_token":"<unk>","vocab":{)" + vocabulary + "}}"};
  return plain(kinds[model], split, "null", post);
}

// Each sample with a name.
struct Sample {
  const char* name;
  std::string json;
};
inline std::vector<Sample> all() {
  const std::string trim =
      R"({"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0],"trim_offsets":true,)"
      R"("add_prefix_space":true})";
  return {
      {"gpt2", byte_level(kGpt2)},
      {"roberta", byte_level(kGpt2Prefix, "null", trim)},
      {"llama3", byte_level(split_by(kLlama3), "null", "null", true)},
      {"qwen", byte_level(split_by(kLlama3), R"({"type":"NFC"})")},
      {"regex", byte_level(split_by(R"(\\p{L}+|\\p{N}| ?[^\\s\\p{L}]+)"))},
      {"e5", unigram(kOneSpace, kMetaspace)},
      {"xlmr", unigram("null", kWordsMetaspace, true)},
      {"llama2", sentence_bpe()},
  };
}

}  // namespace headrace::samples
