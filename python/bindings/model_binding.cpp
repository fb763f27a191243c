#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>

#include "base/mutex.h"
#include "embed/model_store.h"
#include "errors.h"
#include "interruptible.h"
#include "plan/vector_model.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

using FloatMatrix = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

// A loaded model, its tokenizer and a pool of threads.
class Model {
 public:
  Model(const std::string& spec, const std::string& precision)
      : embedder_(
            unwrap(load_vector_model(spec, {.precision = unwrap(parse_precision(precision))}))) {}

  FloatMatrix embed(const std::vector<std::string>& texts, const std::string& purpose) {
    const EmbedPurpose kind = purpose == "query"     ? EmbedPurpose::query
                              : purpose == "passage" ? EmbedPurpose::passage
                                                     : EmbedPurpose::plain;
    const EmbedPriority priority =
        kind == EmbedPurpose::query ? EmbedPriority::query : EmbedPriority::bulk;
    CancelToken cancel;
    auto result = run_interruptible_result<Embeddings>(
        cancel, [&] { return embedder_->embed(texts, {kind, priority, &cancel}, pool_); });
    auto held = std::make_unique<Embeddings>(unwrap(std::move(result)));
    float* values = held->values.data();
    nb::capsule owner(held.release(), [](void* pointer) noexcept {
      const std::unique_ptr<Embeddings> owned(static_cast<Embeddings*>(pointer));
    });
    return FloatMatrix(values, {texts.size(), embedder_->info().dimension}, owner);
  }

  nb::dict info() const {
    const VectorModelInfo& known = embedder_->info();
    nb::dict result;
    result["name"] = known.name;
    result["dimension"] = known.dimension;
    result["tokens_max"] = known.tokens_max;
    result["normalized"] = known.normalized;
    result["fingerprint"] = known.fingerprint;
    result["precision"] = known.precision;
    result["kernel"] = known.kernel;
    return result;
  }

  nb::dict tokenize(const std::string& text) const {
    Encoding encoding;
    embedder_->tokenizer()->encode_with_special(text, encoding);
    offsets_to_code_points(text, encoding.begins, encoding.ends);
    nb::list offsets;
    for (size_t i = 0; i < encoding.ids.size(); ++i)
      offsets.append(nb::make_tuple(encoding.begins[i], encoding.ends[i]));
    nb::dict result;
    result["ids"] = nb::cast(encoding.ids);
    result["offsets"] = offsets;
    return result;
  }

 private:
  std::shared_ptr<const VectorModel> embedder_;
  ThreadPool pool_;
};

nb::list models() {
  nb::list result;
  for (const ModelSummary& model : list_models()) {
    nb::dict entry;
    entry["name"] = model.files.name;
    entry["directory"] = model.files.directory;
    entry["origin"] = model.files.origin;
    entry["architecture"] = model.architecture;
    entry["dimension"] = model.dimension;
    entry["tokens_max"] = model.tokens_max;
    entry["size_bytes"] = model.size_bytes;
    entry["license"] = model.license;
    entry["problem"] = model.problem;
    result.append(entry);
  }
  return result;
}

}  // namespace

void bind_models(nb::module_& module) {
  nb::class_<Model>(module, "Model")
      .def(nb::init<const std::string&, const std::string&>(), nb::arg("model"),
           nb::arg("precision") = "fp32")
      .def("embed", &Model::embed, nb::arg("texts"), nb::arg("purpose") = "plain")
      .def("info", &Model::info)
      .def("tokenize", &Model::tokenize, nb::arg("text"));
  module.def("models", &models);
  module.def("add_package_path", &add_package_path, nb::arg("folder"));
}

}  // namespace headrace::python
