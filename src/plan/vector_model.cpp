#include "plan/vector_model.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "embed/model_store.h"
#include "embed/static_model.h"
#include "embed/vector_cache.h"
#include "plan/long_texts.h"
#include "plan/onnx_model.h"
#include "plan/remote_model.h"
#include "plan/reusing_model.h"
#include "plan/shorter_vectors.h"
#include "plan/static_embedder.h"
#include "plan/text_embedder.h"

namespace headrace {

namespace {

// What follows `scheme` in `spec`, if it begins so.
bool has_scheme(const std::string& spec, std::string_view scheme, std::string& rest) {
  if (!spec.starts_with(scheme)) return false;
  rest = spec.substr(scheme.size());
  return true;
}

Result<std::shared_ptr<const VectorModel>> load_by_kind(const std::string& spec,
                                                        const ModelOptions& options) {
  std::string rest;
  const bool as_table = options.precision == Precision::table;
  if (as_table && (spec.starts_with("onnx:") || spec.starts_with("openai:"))) {
    return fail(ErrorCode::invalid_argument,
                spec + " has no weights here to distil a static model from",
                "give a model of ours with --precision static, or another precision");
  }
  if (has_scheme(spec, "onnx:", rest)) return load_onnx_model(rest);
  if (has_scheme(spec, "openai:", rest)) return load_remote_model(rest, options.cancel);
  if (has_scheme(spec, "static:", rest)) {
    for (const std::string_view scheme : {"static:", "onnx:", "openai:", "python:"}) {
      if (!rest.starts_with(scheme)) continue;
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: a static model is not made of a model that begins with {}", spec,
                              scheme),
                  "give static: and the folder, NAME or ORG/NAME of a model of ours");
    }
    return StaticEmbedder::load(rest, options.cancel);
  }
  if (has_scheme(spec, "python:", rest)) {
    return fail(
        ErrorCode::invalid_argument,
        "the vectors come from the Python function " + rest + ", which only Python can call",
        "open it in Python with that function: hr.open(kb, model=function); or search with "
        "mode text");
  }
  const auto files = find_model(spec);
  std::error_code error;
  if (!files && std::filesystem::is_directory(spec, error) &&
      !std::filesystem::exists(spec + "/config.json", error)) {
    return fail(ErrorCode::not_found,
                fmt::format("model {}: the folder holds no config.json", spec),
                "a model is a folder with config.json, tokenizer.json and model.safetensors");
  }
  if (files && embed::is_static_folder(files->directory)) return StaticEmbedder::load(spec);
  if (as_table) return StaticEmbedder::load(spec, options.cancel);
  return TextEmbedder::load(spec, options.precision);
}

// Part of a cache's name: counts how often our own vectors have changed (2: texts that are cut keep
// the special tokens at their end; 3: words in 8 bits). What was kept before is not looked at.
constexpr const char* kVectorsVersion = "|3";

// Under what vectors are kept. The fingerprint says what the weights are; which ids a text becomes
// is the tokenizer's, and is here and not in the fingerprint, because the spaces of knowledge bases
// were made under that. A model without a tokenizer of its own (remote) keeps its name.
std::string cache_space(const VectorModel& model) {
  const VectorModelInfo& info = model.info();
  std::string space = info.fingerprint + "|" + info.precision + kVectorsVersion;
  const std::string& tokenizer = model.tokenizer()->digest();
  return tokenizer.empty() ? space : space + "|" + tokenizer;
}

}  // namespace

std::string lasting_spec(const std::string& spec, const VectorModel& model) {
  std::string rest;
  if (has_scheme(spec, "onnx:", rest)) return model.info().name;
  if (has_scheme(spec, "openai:", rest) || has_scheme(spec, "python:", rest)) return spec;
  if (has_scheme(spec, "static:", rest)) return "static:" + lasting_spec(rest, model);
  const auto files = find_model(spec);
  if (!files) return spec;
  // With its organisation, which a NAME alone may need later.
  return files->origin == "directory" ? files->directory : files->name;
}

void Embeddings::add_counts(const Embeddings& other) {
  tokens += other.tokens;
  reused += other.reused;
  requests += other.requests;
  retries += other.retries;
  cost += other.cost;
}

Status check_precision_of(const std::string& spec, const std::string& precision) {
  if (precision.empty() || precision == "auto" || precision == precision_name(Precision::table))
    return {};  // of the last load_vector_model() says more
  if (!spec.starts_with("onnx:") && !spec.starts_with("openai:")) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("--precision {} is for our own models: {} computes as it was made",
                          precision, spec),
              "leave it out");
}

Result<LongTexts> parse_long_texts(const std::string& name) {
  if (name == "cut") return LongTexts::cut;
  if (name == "window") return LongTexts::window;
  return fail(ErrorCode::invalid_argument, "\"" + name + "\" is no way to take long texts",
              "give cut or window");
}

Result<std::shared_ptr<const VectorModel>> with_reuse(std::shared_ptr<const VectorModel> model,
                                                      const ModelOptions& options,
                                                      bool persistent) {
  const bool windows = options.long_texts == LongTexts::window;
  if (windows) model = with_windows(std::move(model));
  HR_ASSIGN(model, with_dimensions(std::move(model), options.dimensions, options.space_dimension));
  std::unique_ptr<VectorCache> cache;
  const std::string folder = options.cache.empty() ? default_cache_folder() : options.cache;
  if (persistent && !folder.empty() && folder != "off") {
    cache = std::make_unique<VectorCache>(FileSystem::real(), folder, cache_space(*model),
                                          model->info().dimension);
  }
  return std::make_shared<const ReusingModel>(std::move(model), windows ? "window" : "cut",
                                              std::move(cache));
}

Result<std::shared_ptr<const VectorModel>> load_vector_model(const std::string& spec,
                                                             const ModelOptions& options) {
  HR_ASSIGN(auto model, load_by_kind(spec, options));
  // Looking a static model's vector up would take longer than computing it.
  if (model->info().kind == "static") {
    if (options.long_texts == LongTexts::window) model = with_windows(std::move(model));
    return with_dimensions(std::move(model), options.dimensions);
  }
  return with_reuse(std::move(model), options, /*persistent=*/true);
}

}  // namespace headrace
