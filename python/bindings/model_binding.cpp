#include "model_binding.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <utility>

#include "base/mutex.h"
#include "callable_model.h"
#include "errors.h"
#include "interruptible.h"
#include "plan/model_list.h"
#include "plan/ragged_embedder.h"
#include "plan/text_reranker.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

using FloatMatrix = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

// Lone surrogates (from surrogateescape, or cut emoji) are no text: they become "?".
std::string utf8_of(nb::handle text) {
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data != nullptr) return std::string(data, static_cast<size_t>(size));
  PyErr_Clear();
  const nb::object bytes = text.attr("encode")("utf-8", "replace");
  return std::string(PyBytes_AsString(bytes.ptr()), static_cast<size_t>(PyBytes_Size(bytes.ptr())));
}

// Before anybody could interrupt it: a thread of its own would cost more than the work.
bool is_over_at_once(const VectorModelInfo& model, const std::string& text) {
  constexpr size_t kShort = 8 << 10;
  return (model.kind == "encoder" || model.kind == "static") && text.size() <= kShort;
}

EmbedPurpose purpose_of(const std::string& name) {
  return name == "query"     ? EmbedPurpose::query
         : name == "passage" ? EmbedPurpose::passage
                             : EmbedPurpose::plain;
}

std::vector<std::string> texts_of(const nb::list& given) {
  std::vector<std::string> texts;
  texts.reserve(given.size());
  for (const nb::handle text : given) {
    if (!PyUnicode_Check(text.ptr())) {
      raise(Error(ErrorCode::invalid_argument, "a text is no str",
                  "give strings; None and numbers have no meaning here"));
    }
    texts.push_back(utf8_of(text));
  }
  return texts;
}

std::shared_ptr<const VectorModel> load(const std::string& spec, const std::string& precision,
                                        const std::string& long_texts, const std::string& cache,
                                        uint32_t dimensions) {
  ModelOptions options;
  unwrap(check_precision_of(spec, precision));
  options.precision = unwrap(parse_precision(precision));
  options.long_texts = unwrap(parse_long_texts(long_texts));
  options.cache = cache;
  options.dimensions = dimensions;
  CancelToken cancel;
  options.cancel = &cancel;
  return unwrap(run_interruptible_result<std::shared_ptr<const VectorModel>>(
      cancel, [&] { return load_vector_model(spec, options); }));
}

}  // namespace

struct Model::Counts {
  Mutex mutex;
  Embeddings sums HR_GUARDED_BY(mutex);  // without values
  uint64_t texts HR_GUARDED_BY(mutex) = 0;
};

Model::Model(const std::string& spec, const std::string& precision, const std::string& long_texts,
             const std::string& cache, uint32_t dimensions)
    : model_(load(spec, precision, long_texts, cache, dimensions)),
      counts_(std::make_shared<Counts>()),
      pool_(std::make_shared<ThreadPool>()) {}

Model::Model(const nb::object& call, const std::string& name, uint32_t dimension, size_t batch,
             bool as_list)
    : model_(unwrap(with_reuse(make_callable_model(call, {name, dimension, batch, as_list}), {},
                               /*persistent=*/false))),
      counts_(std::make_shared<Counts>()),
      pool_(std::make_shared<ThreadPool>()) {}

nb::object Model::embed(const nb::list& given, const std::string& purpose,
                        CancelToken* wanted_cancel) {
  const std::vector<std::string> texts = texts_of(given);
  EmbedOptions options;
  options.purpose = purpose_of(purpose);
  // One text is most likely a query that somebody waits for.
  if (purpose == "query" && texts.size() == 1) options.priority = EmbedPriority::query;
  CancelToken own_cancel;
  CancelToken& cancel = wanted_cancel != nullptr ? *wanted_cancel : own_cancel;
  options.cancel = &cancel;
  const auto work = [&] { return model_->embed(texts, options, *pool_); };
  std::optional<Result<Embeddings>> result;
  if (options.priority == EmbedPriority::query && is_over_at_once(model_->info(), texts.front())) {
    const nb::gil_scoped_release release;
    result.emplace(work());
  } else {
    result.emplace(run_interruptible_result<Embeddings>(cancel, work));
  }
  auto held = std::make_unique<Embeddings>(unwrap(std::move(*result)));
  {
    const MutexLock lock(counts_->mutex);
    counts_->sums.add_counts(*held);
    counts_->sums.cut += held->cut;
    counts_->sums.windowed += held->windowed;
    counts_->texts += texts.size();
  }
  float* values = held->values.data();
  const nb::capsule owner(held.release(), [](void* pointer) noexcept {
    const std::unique_ptr<Embeddings> owned(static_cast<Embeddings*>(pointer));
  });
  return nb::cast(FloatMatrix(values, {texts.size(), model_->info().dimension}, owner));
}

nb::dict Model::info() const {
  const VectorModelInfo& known = model_->info();
  nb::dict result;
  result["name"] = known.name;
  result["kind"] = known.kind;
  result["dimension"] = known.dimension;
  result["tokens_max"] = known.tokens_max;
  result["normalized"] = known.normalized;
  result["query_prompt"] = known.query_prompt;
  result["passage_prompt"] = known.passage_prompt;
  result["precision"] = known.precision;
  result["kernel"] = known.kernel;
  result["fingerprint"] = known.fingerprint;
  return result;
}

nb::dict Model::counts() const {
  const MutexLock lock(counts_->mutex);
  nb::dict result;
  result["texts"] = counts_->texts;
  result["tokens"] = counts_->sums.tokens;
  result["reused"] = counts_->sums.reused;
  result["cut"] = counts_->sums.cut;
  result["windowed"] = counts_->sums.windowed;
  result["requests"] = counts_->sums.requests;
  result["retries"] = counts_->sums.retries;
  result["cost"] = counts_->sums.cost;
  return result;
}

std::string Model::not_kept() const {
  const Status kept = model_->kept(/*write=*/false);
  return kept ? "" : kept.error().text();
}

nb::dict Model::tokenize(const nb::str& given) const {
  const std::string text = utf8_of(given);
  Encoding encoding;
  model_->tokenizer()->encode_with_special(text, encoding);
  offsets_to_code_points(text, encoding.begins, encoding.ends);
  nb::list offsets;
  for (size_t i = 0; i < encoding.ids.size(); ++i)
    offsets.append(nb::make_tuple(encoding.begins[i], encoding.ends[i]));
  nb::dict result;
  result["ids"] = nb::cast(encoding.ids);
  result["offsets"] = offsets;
  return result;
}

namespace {

nb::list models() {
  nb::list result;
  for (const ModelSummary& model : list_checked_models()) {
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

// A loaded cross-encoder.
class PyReranker {
 public:
  PyReranker(const std::string& model, const std::string& precision) {
    const Precision wanted = unwrap(parse_precision(precision));
    Result<std::shared_ptr<const TextReranker>> loaded;
    {
      const nb::gil_scoped_release release;
      loaded = TextReranker::load(model, wanted);
    }
    reranker_ = unwrap(std::move(loaded));
  }

  nb::object rerank(const nb::str& query, const nb::list& given) {
    const std::string asked = utf8_of(query);
    const std::vector<std::string> texts = texts_of(given);
    CancelToken cancel;
    auto result = run_interruptible_result<std::vector<float>>(
        cancel, [&] { return reranker_->rerank(asked, texts, pool_, &cancel); });
    auto held = std::make_unique<std::vector<float>>(unwrap(std::move(result)));
    float* values = held->data();
    const nb::capsule owner(held.release(), [](void* pointer) noexcept {
      const std::unique_ptr<std::vector<float>> owned(static_cast<std::vector<float>*>(pointer));
    });
    return nb::cast(nb::ndarray<nb::numpy, float, nb::ndim<1>>(values, {texts.size()}, owner));
  }

 private:
  std::shared_ptr<const TextReranker> reranker_;
  ThreadPool pool_;
};

template <typename Number>
nb::object array_of(std::vector<Number> numbers, std::initializer_list<size_t> shape) {
  auto held = std::make_unique<std::vector<Number>>(std::move(numbers));
  Number* const values = held->data();
  const nb::capsule owner(held.release(), [](void* pointer) noexcept {
    const std::unique_ptr<std::vector<Number>> owned(static_cast<std::vector<Number>*>(pointer));
  });
  return nb::cast(nb::ndarray<nb::numpy, Number>(values, shape, owner));
}

// A loaded model with rows of their own lengths.
class PyRaggedModel {
 public:
  PyRaggedModel(const std::string& model, const std::string& output, const std::string& precision)
      : sparse_(output == "sparse") {
    const Precision wanted = unwrap(parse_precision(precision));
    Result<std::shared_ptr<const RaggedEmbedder>> loaded;
    {
      const nb::gil_scoped_release release;
      loaded = RaggedEmbedder::load(model, output, wanted);
    }
    model_ = unwrap(std::move(loaded));
  }

  nb::list embed(const nb::list& given, const std::string& purpose) {
    const std::vector<std::string> texts = texts_of(given);
    CancelToken cancel;
    auto result = run_interruptible_result<RaggedRows>(
        cancel, [&] { return model_->embed(texts, purpose_of(purpose), pool_, &cancel); });
    RaggedRows rows = unwrap(std::move(result));
    nb::list out;
    for (embed::RaggedRow& row : rows.rows) {
      const size_t count = row.ids.size();
      if (!sparse_) {
        out.append(array_of(std::move(row.values), {count, model_->info().dimension}));
        continue;
      }
      nb::dict entry;
      entry["indices"] = array_of(std::move(row.ids), {count});
      entry["values"] = array_of(std::move(row.values), {count});
      out.append(entry);
    }
    return out;
  }

 private:
  const bool sparse_;
  std::shared_ptr<const RaggedEmbedder> model_;
  ThreadPool pool_;
};

}  // namespace

void bind_models(nb::module_& module) {
  nb::class_<CancelToken>(module, "CancelToken")
      .def(nb::init<>())
      .def("request", &CancelToken::request)
      .def("requested", &CancelToken::requested);
  nb::class_<PyRaggedModel>(module, "RaggedModel")
      .def(nb::init<const std::string&, const std::string&, const std::string&>(), nb::arg("model"),
           nb::arg("output"), nb::arg("precision") = "fp32")
      .def("embed", &PyRaggedModel::embed, nb::arg("texts"), nb::arg("purpose") = "plain");
  nb::class_<PyReranker>(module, "Reranker")
      .def(nb::init<const std::string&, const std::string&>(), nb::arg("model"),
           nb::arg("precision") = "fp32")
      .def("rerank", &PyReranker::rerank, nb::arg("query"), nb::arg("texts"));
  nb::class_<Model>(module, "Model")
      .def(nb::init<const std::string&, const std::string&, const std::string&, const std::string&,
                    uint32_t>(),
           nb::arg("model"), nb::arg("precision") = "auto", nb::arg("long") = "cut",
           nb::arg("cache") = "", nb::arg("dimensions") = 0)
      .def(nb::init<const nb::object&, const std::string&, uint32_t, size_t, bool>(),
           nb::arg("call"), nb::arg("name"), nb::arg("dimension"), nb::arg("batch"),
           nb::arg("as_list"))
      .def("embed", &Model::embed, nb::arg("texts"), nb::arg("purpose") = "plain",
           nb::arg("cancel").none() = nb::none())
      .def("info", &Model::info)
      .def("counts", &Model::counts)
      .def("not_kept", &Model::not_kept)
      .def("tokenize", &Model::tokenize, nb::arg("text"));
  module.def("models", &models);
  module.def("add_package_path", &add_package_path, nb::arg("folder"));
}

}  // namespace headrace::python
