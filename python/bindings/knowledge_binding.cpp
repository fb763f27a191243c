#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <limits>

#include "errors.h"
#include "given_rows.h"
#include "hit_binding.h"
#include "interruptible.h"
#include "model_binding.h"
#include "plan/export.h"
#include "plan/knowledge.h"
#include "plan/render.h"
#include "value_binding.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

using FloatInput = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using FloatVector = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::optional<index::SearchMode> parse_mode(const std::optional<std::string>& mode) {
  if (!mode) return std::nullopt;
  if (*mode == "hybrid") return index::SearchMode::hybrid;
  if (*mode == "vector") return index::SearchMode::vector;
  if (*mode == "text") return index::SearchMode::text;
  raise(Error(ErrorCode::invalid_argument, "\"" + *mode + "\" is no search mode",
              "use hybrid, vector or text"));
}

SearchOptions search_options(uint32_t k, const std::optional<std::string>& mode,
                             const std::string& filter, const std::string& space) {
  SearchOptions options;
  options.k = k;
  options.mode = parse_mode(mode);
  options.filter = filter;
  options.space = space;
  return options;
}

// Options of a search that are seldom given; Python has checked the names.
void read_extra(const nb::dict& extra, SearchOptions& options) {
  for (const auto& [key, value] : extra) {
    const auto name = nb::cast<std::string>(key);
    if (name == "plain") options.plain = nb::cast<bool>(value);
    if (name == "title_weight") options.title_weight = nb::cast<float>(value);
    if (name == "fusion") {
      options.fusion.method = unwrap(index::parse_fusion(nb::cast<std::string>(value)));
    }
    if (name == "text_weight") options.fusion.text_weight = nb::cast<float>(value);
    if (name == "vector_weight") options.fusion.vector_weight = nb::cast<float>(value);
    if (name == "mmr") options.diversity = nb::cast<double>(value);
    if (name == "decay") options.decay = nb::cast<std::string>(value);
    if (name == "group_by") options.group_by = nb::cast<std::string>(value);
    if (name == "sort") options.sort = nb::cast<std::string>(value);
    if (name == "descending") options.descending = nb::cast<bool>(value);
    if (name == "facets") options.facets = nb::cast<std::vector<std::string>>(value);
    if (name == "facet_values") options.facet_values_max = nb::cast<uint32_t>(value);
    if (name == "explain") options.explain = nb::cast<bool>(value);
    if (name == "rerank") options.rerank = nb::cast<std::string>(value);
    if (name == "rerank_rows") options.rerank_rows = nb::cast<uint32_t>(value);
    if (name == "recall") options.recall = nb::cast<double>(value);
    if (name == "cursor") options.cursor = nb::cast<std::string>(value);
  }
}

template <typename T>
nb::object matrix(std::vector<T> values, size_t rows, size_t columns) {
  auto held = std::make_unique<std::vector<T>>(std::move(values));
  T* data = held->data();
  nb::capsule owner(held.release(), [](void* pointer) noexcept {
    const std::unique_ptr<std::vector<T>> owned(static_cast<std::vector<T>*>(pointer));
  });
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<2>>(data, {rows, columns}, owner));
}

// So many rows are added before anybody would press Ctrl-C.
constexpr size_t kRowsAtOnce = 2000;

class PyKnowledge {
 public:
  PyKnowledge(const std::string& path, bool create, bool own_vectors, const std::string& model,
              uint32_t dimension, const std::string& metric, const Model* given_model,
              bool durable_at_once, const std::string& at) {
    KnowledgeOptions options;
    options.create = create;
    options.own_vectors = own_vectors;
    options.model = model;
    if (given_model != nullptr) options.given_model = given_model->vector_model();
    options.dimension = dimension;
    if (!metric.empty()) options.metric = unwrap(index::parse_metric(metric));
    if (!durable_at_once) options.durability = index::Durability::async;
    options.at = at;
    knowledge_ = unwrap(Knowledge::open(path, options));
  }

  // (hits, facets, cursor, warning); `extra` holds the options that have names alone.
  nb::tuple search(const std::optional<std::string>& query, const nb::object& vector, uint32_t k,
                   const std::optional<std::string>& mode, const std::string& filter,
                   const std::string& space, const nb::dict& extra) {
    SearchOptions options = search_options(k, mode, filter, space);
    read_extra(extra, options);
    Result<HitPage> found;
    if (!vector.is_none()) {
      const auto values = nb::cast<FloatVector>(vector);
      const nb::gil_scoped_release release;
      found = knowledge_->search_by_vector({values.data(), values.size()}, options);
    } else {
      const nb::gil_scoped_release release;
      found = knowledge_->search(query.value_or(""), options);
    }
    const HitPage page = unwrap(std::move(found));
    nb::list hits, facets;
    for (const Hit& hit : page.hits) hits.append(hit_dict(hit));
    for (const index::FacetCounts& facet : page.facets) facets.append(facet_dict(facet));
    return nb::make_tuple(hits, facets, page.cursor, page.warning);
  }

  nb::tuple search_batch_vectors(const FloatInput& vectors, uint32_t k, const std::string& filter,
                                 double recall, size_t threads, const std::string& space) {
    SearchOptions options = search_options(k, std::nullopt, filter, space);
    options.recall = recall;
    const std::span<const float> values(vectors.data(), vectors.size());
    const size_t count = vectors.shape(0);
    CancelToken cancel;
    const auto search = [&] {
      return knowledge_->search_batch(values, count, options, threads, &cancel);
    };
    return answers(run_interruptible_result<BatchAnswers>(cancel, search), count);
  }

  nb::tuple search_batch_texts(const std::vector<std::string>& queries, uint32_t k,
                               const std::optional<std::string>& mode, const std::string& filter,
                               double recall, size_t threads, const std::string& space,
                               const nb::dict& extra) {
    SearchOptions options = search_options(k, mode, filter, space);
    read_extra(extra, options);
    options.recall = recall;
    CancelToken cancel;
    const auto search = [&] {
      return knowledge_->search_batch(std::span(queries), options, threads, &cancel);
    };
    return answers(run_interruptible_result<BatchAnswers>(cancel, search), queries.size());
  }

  void add(const nb::list& documents) {
    std::vector<GivenDocument> given;
    for (const nb::handle entry : documents) {
      GivenDocument document;
      Metadata all;
      try {
        all = metadata_from_python(entry);
      } catch (const UnreadableValue& wrong) {
        raise(Error(ErrorCode::invalid_argument,
                    "document " + std::to_string(given.size()) + " has " + wrong.what(),
                    "mend the value, or leave the field out"));
      }
      // "id" before "_id"; None is as if it were not there.
      const auto is_given = [&](const char* name) {
        const auto found = all.find(name);
        return found != all.end() && !std::holds_alternative<std::monostate>(found->second);
      };
      const std::string id_name = is_given("id") || !is_given("_id") ? "id" : "_id";
      for (const auto& [name, value] : all) {
        const auto* text = std::get_if<std::string>(&value);
        if (name == id_name) {
          if (!is_given(name.c_str())) continue;
          document.id = text != nullptr ? *text : nb::cast<std::string>(nb::str(to_python(value)));
        } else if (name == "text" && text != nullptr) {
          document.text = *text;
        } else if (name == "title" && text != nullptr) {
          document.title = *text;
        } else {
          document.metadata.emplace(name, value);
        }
      }
      given.push_back(std::move(document));
    }
    CancelToken cancel;
    Status status;
    run_interruptible(cancel, [&] { status = knowledge_->add(std::move(given), &cancel); });
    unwrap(std::move(status));
  }

  // `ids`: int64 array or list; `texts`: list or None; `columns`: name → array or list.
  void add_vectors(const nb::object& ids, const FloatInput& vectors, const nb::object& texts,
                   const nb::dict& columns) {
    const size_t rows = vectors.shape(0);
    const GivenIds names = ids_from_python(ids);
    check_length("ids", names.names.size(), rows);
    HeldTexts given_texts;
    if (!texts.is_none()) {
      given_texts.reserve(rows);
      for (const nb::handle text : texts) given_texts.add(text);
      check_length("text", given_texts.views().size(), rows);
    }
    const GivenColumns given_columns(columns, rows);
    Status status;
    CancelToken cancel;
    const auto add = [&] {
      status = knowledge_->add_vectors(names.names, names.integers,
                                       std::span<const float>(vectors.data(), vectors.size()),
                                       given_texts.views(), given_columns.views(), &cancel);
    };
    if (rows <= kRowsAtOnce) {  // a thread of its own would take as long
      const nb::gil_scoped_release release;
      add();
    } else {
      run_interruptible(cancel, add);
    }
    unwrap(std::move(status));
  }

  // The same of what needs no change before; false, with nothing done, of anything else.
  bool add_plain(const nb::object& ids, const nb::object& vectors, const nb::object& texts,
                 const nb::dict& columns) {
    FloatInput given;
    if (!are_plain_ids(ids) || !nb::try_cast(vectors, given, false)) return false;
    const size_t rows = nb::len(ids);
    if (given.shape(0) != rows || !are_plain_texts(texts, rows) ||
        !are_plain_columns(columns, rows))
      return false;
    add_vectors(ids, given, texts, columns);
    return true;
  }

  std::string history() {
    const auto snapshot = unwrap(knowledge_->snapshot());
    return history_json(snapshot->info().history, unwrap(knowledge_->past_states()));
  }
  void keep_history(uint32_t states, double days) {
    CancelToken cancel;
    Status status;
    run_interruptible(cancel, [&] {
      status = knowledge_->set_history({states, static_cast<uint64_t>(days * 86400)});
    });
    unwrap(std::move(status));
  }

  uint64_t remove(const std::string& filter) {
    Result<uint64_t> removed = 0;
    {
      const nb::gil_scoped_release release;
      removed = knowledge_->remove_where(filter);
    }
    return unwrap(std::move(removed));
  }

  std::string add_space(const std::string& model, const std::string& name) {
    CancelToken cancel;
    Progress progress;
    return space_json(unwrap(run_interruptible_result<SpaceReport>(
        cancel, [&] { return knowledge_->add_space(model, name, progress, cancel); })));
  }

  void drop_space(const std::string& name) {
    Status status;
    {
      const nb::gil_scoped_release release;
      status = knowledge_->drop_space(name);
    }
    unwrap(std::move(status));
  }

  std::string spaces() {
    const auto settings = unwrap(knowledge_->settings());
    return spaces_json(unwrap(knowledge_->snapshot())->info(), settings);
  }

  void optimize() {
    CancelToken cancel;
    Status status;
    run_interruptible(cancel, [&] { status = knowledge_->optimize(&cancel); });
    unwrap(std::move(status));
  }

  std::string info() { return info_json(unwrap(knowledge_->snapshot())->info()); }
  std::string segments() {
    const auto snapshot = unwrap(knowledge_->snapshot());
    return info_json(snapshot->info(), snapshot->segment_infos());
  }
  std::string backup(const std::string& target, bool copy) {
    CancelToken cancel;
    return backup_json(unwrap(run_interruptible_result<index::BackupReport>(cancel, [&] {
      return index::backup(FileSystem::real(), knowledge_->path(), target, !copy);
    })));
  }
  std::string errors() { return errors_json(unwrap(knowledge_->snapshot())->errors()); }

  std::string verify(double recall) {
    CancelToken cancel;
    const auto report = unwrap(run_interruptible_result<index::VerifyReport>(
        cancel, [&] { return index::verify(FileSystem::real(), knowledge_->path(), &cancel); }));
    if (recall <= 0 || !report.ok()) return verify_json(report);
    return verify_json(report, unwrap(run_interruptible_result<std::vector<index::RecallReport>>(
                                   cancel, [&] { return knowledge_->measure_recall(recall); })));
  }

  uint64_t export_to(const std::string& target) {
    const auto snapshot = unwrap(knowledge_->snapshot());
    CancelToken cancel;
    return unwrap(run_interruptible_result<uint64_t>(
        cancel, [&] { return export_rows(*snapshot, target, cancel); }));
  }

  void close() {
    const nb::gil_scoped_release release;
    knowledge_->close();
  }

 private:
  // (ids, scores): ids int64 with -1 where every id of the knowledge base is an integer, else a
  // flat list of strings for Python to shape.
  nb::tuple answers(Result<BatchAnswers>&& result, size_t queries) {
    BatchAnswers found = unwrap(std::move(result));
    const Settings settings = unwrap(knowledge_->settings());
    for (size_t q = 0; q < queries; ++q) {
      for (size_t i = found.counts[q]; i < found.k; ++i)
        found.scores[q * found.k + i] = -std::numeric_limits<float>::infinity();
    }
    nb::object ids;
    if (settings.own_vectors && settings.integer_ids) {
      ids = matrix(std::move(found.ids), queries, found.k);
    } else {
      nb::list names;
      for (size_t q = 0; q < queries; ++q) {
        for (size_t i = 0; i < found.k; ++i) {
          const std::string_view source = i < found.counts[q]
                                              ? found.snapshot->source(found.rows[q * found.k + i])
                                              : std::string_view();
          names.append(nb::str(source.data(), source.size()));
        }
      }
      ids = names;
    }
    return nb::make_tuple(ids, matrix(std::move(found.scores), queries, found.k));
  }

  std::unique_ptr<Knowledge> knowledge_;
};

}  // namespace

void bind_knowledge(nb::module_& module) {
  module.def("repair", [](const std::string& path) {
    CancelToken cancel;
    return repair_json(unwrap(run_interruptible_result<index::RepairReport>(
        cancel, [&] { return index::repair(FileSystem::real(), path); })));
  });
  nb::class_<PyKnowledge>(module, "Knowledge")
      .def(nb::init<const std::string&, bool, bool, const std::string&, uint32_t,
                    const std::string&, const Model*, bool, const std::string&>(),
           nb::arg("path"), nb::arg("create"), nb::arg("own_vectors"), nb::arg("model"),
           nb::arg("dimension"), nb::arg("metric"), nb::arg("given_model").none() = nb::none(),
           nb::arg("durable_at_once") = true, nb::arg("at") = "")
      .def("search", &PyKnowledge::search, nb::arg("query").none(), nb::arg("vector").none(),
           nb::arg("k"), nb::arg("mode").none(), nb::arg("filter"), nb::arg("space"),
           nb::arg("extra"))
      .def("search_batch_vectors", &PyKnowledge::search_batch_vectors)
      .def("search_batch_texts", &PyKnowledge::search_batch_texts, nb::arg("queries"), nb::arg("k"),
           nb::arg("mode").none(), nb::arg("filter"), nb::arg("recall"), nb::arg("threads"),
           nb::arg("space"), nb::arg("extra"))
      .def("add", &PyKnowledge::add)
      .def("add_vectors", &PyKnowledge::add_vectors, nb::arg("ids"), nb::arg("vectors"),
           nb::arg("texts").none(), nb::arg("columns"))
      .def("add_plain", &PyKnowledge::add_plain, nb::arg("ids"), nb::arg("vectors"),
           nb::arg("texts").none(), nb::arg("columns"))
      .def("history", &PyKnowledge::history)
      .def("keep_history", &PyKnowledge::keep_history, nb::arg("states"), nb::arg("days"))
      .def("delete", &PyKnowledge::remove)
      .def("add_space", &PyKnowledge::add_space, nb::arg("model"), nb::arg("name"))
      .def("drop_space", &PyKnowledge::drop_space, nb::arg("name"))
      .def("spaces", &PyKnowledge::spaces)
      .def("optimize", &PyKnowledge::optimize)
      .def("info", &PyKnowledge::info)
      .def("segments", &PyKnowledge::segments)
      .def("backup", &PyKnowledge::backup)
      .def("errors", &PyKnowledge::errors)
      .def("verify", &PyKnowledge::verify, nb::arg("recall") = 0.0)
      .def("export", &PyKnowledge::export_to)
      .def("close", &PyKnowledge::close);
}

}  // namespace headrace::python
