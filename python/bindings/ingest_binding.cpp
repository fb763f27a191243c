#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <memory>
#include <optional>

#include "arrow_binding.h"
#include "errors.h"
#include "interruptible.h"
#include "model_binding.h"
#include "plan/ingest.h"
#include "plan/render.h"
#include "plan/row_stream.h"
#include "row_function.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

template <typename T>
T option(const nb::dict& options, const char* name, T otherwise) {
  if (!options.contains(name) || nb::object(options[name]).is_none()) return otherwise;
  return nb::cast<T>(options[name]);
}

// What was given instead of a record: {"source","stage","code","message","hint"}, and the "count"
// of documents that it stands for.
GivenRecord failed_record(const nb::object& entry) {
  const auto field = [&](const char* name) { return nb::cast<std::string>(entry[name]); };
  Error error(error_code_by_name(field("code")), field("message"), field("hint"));
  return std::unexpected(GivenFailure{{field("source"), field("stage"), std::move(error)},
                                      nb::cast<uint64_t>(entry.attr("get")("count", 1))});
}

// Carried by Python from a stream of documents to the records that are made of them.
struct PyStructure {
  std::shared_ptr<const DocumentStructure> structure;
};

GivenRecord given_record(const nb::object& entry) {
  RawDocument record;
  record.is_text = true;
  record.source = nb::cast<std::string>(entry["source"]);
  record.is_numbered = nb::cast<bool>(entry.attr("__contains__")("is_numbered"));
  record.title = nb::cast<std::string>(entry["title"]);
  record.bytes = nb::cast<std::string>(entry["text"]);
  try {
    record.metadata = metadata_from_python(entry["metadata"]);
  } catch (const UnreadableValue& wrong) {
    Error error(ErrorCode::invalid_argument, "record " + record.source + " has " + wrong.what(),
                "mend the value, or leave the field out");
    return std::unexpected(GivenFailure{{record.source, "read", std::move(error)}});
  }
  record.stamp.size_bytes = record.bytes.size();
  if (nb::cast<bool>(entry.attr("__contains__")("structure"))) {
    const nb::object structure = entry["structure"];
    if (!structure.is_none()) record.structure = nb::cast<const PyStructure&>(structure).structure;
  }
  record.content_hash = record_hash(record);
  return record;
}

// A Python iterator of dicts → records: {"source","title","text","metadata"}, or what
// failed_record takes, recognised by its "code".
std::function<Result<std::optional<GivenRecord>>()> record_source(const nb::object& iterator) {
  // Copied and destroyed on threads that do not hold the GIL: only the last owner takes it.
  const std::shared_ptr<nb::object> held(std::make_unique<nb::object>(iterator).release(),
                                         [](nb::object* object) {
                                           const nb::gil_scoped_acquire acquire;
                                           const std::unique_ptr<nb::object> owned(object);
                                         });
  return [held]() -> Result<std::optional<GivenRecord>> {
    const nb::gil_scoped_acquire acquire;
    try {
      const nb::object entry = nb::steal(PyIter_Next(held->ptr()));
      if (!entry.is_valid()) {
        if (PyErr_Occurred() != nullptr) throw nb::python_error();
        return std::optional<GivenRecord>();
      }
      const bool failed = nb::cast<bool>(entry.attr("__contains__")("code"));
      return std::optional(failed ? failed_record(entry) : given_record(entry));
    } catch (const nb::python_error& wrong) {
      return std::unexpected(error_of(wrong, "the records could not be read"));
    } catch (const std::exception& wrong) {
      return fail(ErrorCode::invalid_argument,
                  std::string("the records could not be read: ") + wrong.what());
    }
  };
}

// A Model that Python made, instead of one looked up by name.
std::shared_ptr<const VectorModel> given_model(const nb::dict& options) {
  if (!options.contains("given_model")) return nullptr;
  return nb::cast<const Model&>(options["given_model"]).vector_model();
}

// Paths are bytes to the system, whatever their encoding.
std::vector<std::string> paths_of(const nb::dict& options) {
  std::vector<std::string> paths;
  if (!options.contains("paths")) return paths;
  for (const nb::handle path : nb::iter(options["paths"])) {
    const nb::object bytes =
        nb::steal(PyUnicode_Check(path.ptr()) ? PyUnicode_EncodeFSDefault(path.ptr())
                                              : PyObject_Bytes(path.ptr()));
    if (!bytes.is_valid()) throw nb::python_error();
    paths.emplace_back(PyBytes_AS_STRING(bytes.ptr()),
                       static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  }
  return paths;
}

StreamOptions stream_options(const nb::dict& options) {
  StreamOptions stream;
  stream.paths = paths_of(options);
  stream.walk.include = option<std::vector<std::string>>(options, "include", {});
  stream.walk.exclude = option<std::vector<std::string>>(options, "exclude", {});
  stream.input_name = option<std::string>(options, "input_name", "");
  stream.columns.text = option<std::string>(options, "text_column", "");
  stream.columns.id = option<std::string>(options, "id_column", "");
  stream.columns.title = option<std::string>(options, "title_column", "");
  if (options.contains("records") && !nb::object(options["records"]).is_none())
    stream.next_record = record_source(options["records"]);
  return stream;
}

std::string run_ingest(const nb::dict& options) {
  IngestOptions ingest_options;
  ingest_options.stream = stream_options(options);
  ingest_options.kb = option<std::string>(options, "kb", "");
  ingest_options.model = option<std::string>(options, "model", "");
  ingest_options.precision = option<std::string>(options, "precision", "");
  ingest_options.dimensions = option<uint32_t>(options, "dimensions", 0);
  ingest_options.model_options.cache = option<std::string>(options, "cache", "");
  ingest_options.given_model = given_model(options);
  ingest_options.chunk_tokens = option<uint32_t>(options, "chunk_tokens", 0);
  ingest_options.overlap = option<int64_t>(options, "overlap", -1);
  if (options.contains("embed_headings"))
    ingest_options.embed_headings = option<bool>(options, "embed_headings", false);
  ingest_options.language = option<std::string>(options, "language", "");
  ingest_options.memory_bytes = option<uint64_t>(options, "memory", 0);
  ingest_options.threads = option<size_t>(options, "threads", 0);
  ingest_options.prune = option<bool>(options, "prune", false);
  ingest_options.instant = option<bool>(options, "instant", false);
  ingest_options.dry_run = option<bool>(options, "dry_run", false);
  ingest_options.watch = option<bool>(options, "watch", false);
  ingest_options.function_fingerprint = option<std::string>(options, "function_fingerprint", "");
  if (options.contains("on_rows"))
    ingest_options.on_documents = row_function(nb::object(options["on_rows"]));
  const nb::object on_progress =
      options.contains("progress") ? nb::object(options["progress"]) : nb::object(nb::none());

  Progress progress;
  CancelToken cancel;
  Result<IngestReport> report;
  run_interruptible(
      cancel, [&] { report = ingest(ingest_options, progress, cancel); },
      [&] {
        if (on_progress.is_none()) return;
        on_progress(progress.documents_done.load(), progress.documents_found.load(),
                    progress.rows.load(), progress.rows_embedded.load(),
                    progress.rows_to_embed.load(), progress.failed.load());
      });
  return unwrap(std::move(report)).to_json();
}

// Gives the GIL away, where this thread has it.
class Unlocked {
 public:
  Unlocked() {
    if (PyGILState_Check() != 0) release_.emplace();
  }

 private:
  std::optional<nb::gil_scoped_release> release_;
};

// While the main thread waits for a batch it looks so often whether a signal came.
constexpr auto kBetweenLooks = std::chrono::milliseconds(50);

// An iterator's other half: batches as Arrow capsules, pulled by pyarrow and others.
class PyRowStream {
 public:
  explicit PyRowStream(const nb::dict& options) {
    RowStreamOptions stream;
    stream.stream = stream_options(options);
    stream.chunk = option<bool>(options, "chunk", true);
    stream.embed = option<bool>(options, "embed", false);
    stream.model = option<std::string>(options, "model", "");
    stream.precision = option<std::string>(options, "precision", "");
    stream.dimensions = option<uint32_t>(options, "dimensions", 0);
    stream.model_options.cache = option<std::string>(options, "cache", "");
    stream.given_model = given_model(options);
    stream.chunk_tokens = option<uint32_t>(options, "chunk_tokens", 256);
    stream.overlap = option<uint32_t>(options, "overlap", 32);
    stream.embed_headings = option<bool>(options, "embed_headings", false);
    stream.memory_bytes = option<uint64_t>(options, "memory", 0);
    stream.threads = option<size_t>(options, "threads", 0);
    // Whoever is the last owner: the stream's threads may be waiting for the GIL (records from
    // Python), so it is not held while they end.
    stream_ = std::shared_ptr<RowStream>(unwrap(RowStream::open(std::move(stream))).release(),
                                         [](RowStream* last) {
                                           const Unlocked unlocked;
                                           const std::unique_ptr<RowStream> owned(last);
                                         });
  }

  nb::capsule arrow_stream(const nb::object& /*requested_schema*/) {
    return stream_capsule(stream_->schema(),
                          [stream = stream_, signal = signal_] { return pull(*stream, signal); });
  }

  std::string errors() const { return failures_json(stream_->failures()); }

  // Null where the text is not one that the last batch had.
  std::optional<PyStructure> structure(const std::string& source, const std::string& text) const {
    auto found = stream_->structure(source, text);
    if (!found) return std::nullopt;
    return PyStructure{std::move(found)};
  }

  // Arrow's streams carry an error as a text alone, and no signal: raises what ended this stream.
  void check() const {
    signal_->raise_if_kept();
    unwrap(stream_->end());
  }

 private:
  // Called by the consumer, with or without the GIL. Ctrl-C ends the stream, and its exception is
  // raised before Python sees that: first comes a batch without rows, because a loop that were at
  // its end would go on to what stands behind it.
  static Result<std::optional<Batch>> pull(RowStream& stream,
                                           const std::shared_ptr<KeptSignal>& signal) {
    const Unlocked unlocked;
    if (!signal->is_main_thread()) return stream.next();
    do {
      const nb::gil_scoped_acquire acquire;
      if (signal->has_raised()) return std::optional<Batch>();
      if (!signal->look()) continue;
      stream.cancel();
      if (!KeptSignal::raise_soon(signal)) return fail(ErrorCode::cancelled, "interrupted");
      return std::optional<Batch>(stream.empty_batch());
    } while (!stream.wait_until(std::chrono::steady_clock::now() + kBetweenLooks));
    return stream.next();
  }

  std::shared_ptr<KeptSignal> signal_ = std::make_shared<KeptSignal>();
  std::shared_ptr<RowStream> stream_;
};

// Any Arrow stream → dicts, a batch at a time, for hr.read(table).
class PyArrowRecords {
 public:
  explicit PyArrowRecords(const nb::object& producer) : reader_(open_stream(producer)) {}

  std::vector<std::string> names() const { return reader_->names(); }

  // A dict for each row; for one that cannot be read (why, what to do).
  nb::object next_batch() {
    if (!unwrap(reader_->next())) return nb::none();
    nb::list rows;
    for (int64_t row = 0; row < reader_->rows(); ++row) {
      nb::dict entry;
      const Status read = read_row(row, entry);
      if (read) {
        rows.append(entry);
      } else {
        rows.append(nb::make_tuple(read.error().message(), read.error().hint()));
      }
    }
    return rows;
  }

 private:
  Status read_row(int64_t row, nb::dict& entry) const {
    const auto& names = reader_->names();
    for (size_t column = 0; column < names.size(); ++column) {
      const nb::str name(names[column].c_str(), names[column].size());
      if (reader_->is_map(column)) {
        HR_ASSIGN(const Metadata entries, reader_->entries(column, row));
        entry[name] = to_python(entries);
      } else {
        HR_ASSIGN(const Value value, reader_->value(column, row));
        entry[name] = to_python(value);
      }
    }
    return {};
  }

  std::unique_ptr<ArrowReader> reader_;
};

}  // namespace

void bind_ingest(nb::module_& module) {
  module.def("ingest", &run_ingest, nb::arg("options"));
  nb::class_<PyStructure>(module, "Structure");
  nb::class_<PyRowStream>(module, "RowStream")
      .def(nb::init<const nb::dict&>(), nb::arg("options"))
      .def("__arrow_c_stream__", &PyRowStream::arrow_stream,
           nb::arg("requested_schema") = nb::none())
      .def("structure", &PyRowStream::structure, nb::arg("source"), nb::arg("text"))
      .def("errors", &PyRowStream::errors)
      .def("check", &PyRowStream::check);
  nb::class_<PyArrowRecords>(module, "ArrowRecords")
      .def(nb::init<const nb::object&>(), nb::arg("producer"))
      .def("names", &PyArrowRecords::names)
      .def("next_batch", &PyArrowRecords::next_batch);
}

}  // namespace headrace::python
