// Knowledge: what is given to it, texts or vectors of the caller's own.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "plan/knowledge.h"
#include "plan/space_filler.h"

namespace headrace {

namespace {

// Documents that one thread cuts into rows at a time.
constexpr size_t kDocumentsPerTask = 64;

// Rows with vectors of their own that are written between two looks at whether to stop.
constexpr size_t kRowsBetweenLooks = 16 << 10;

Error no_own_vectors(const std::string& path) {
  return Error(ErrorCode::invalid_argument, fmt::format("{} has no vectors of its own", path),
               "make it with hr.open(path, model=None, dimension=…)");
}

}  // namespace

Status Knowledge::check_is_own(const index::Writer& out) {
  if (!own_vectors_) {
    HR_ASSIGN(const Settings known, Settings::from_json(out.settings()));
    own_vectors_ = known.own_vectors;
  }
  return *own_vectors_ ? Status{} : std::unexpected(no_own_vectors(path_));
}

Status Knowledge::note_text_ids(const std::vector<GivenDocument>& documents) {
  const bool integers = std::ranges::all_of(documents, [](const GivenDocument& given) {
    int64_t whole = 0;
    const char* const end = given.id.data() + given.id.size();
    const auto [at, wrong] = std::from_chars(given.id.data(), end, whole);
    return wrong == std::errc() && at == end && whole != -1;
  });
  if (integers) return {};
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  return give_up_integer_ids(*out);
}

Status Knowledge::give_up_integer_ids(index::Writer& out) {
  if (!integer_ids_.value_or(true)) return {};
  HR_ASSIGN(Settings known, Settings::from_json(out.settings()));
  if (known.integer_ids) {
    known.integer_ids = false;
    HR_TRY(out.set_settings(known.to_json()));
  }
  integer_ids_ = false;
  return {};
}

Status Knowledge::add(std::vector<GivenDocument> documents, const CancelToken* cancel) {
  Settings known;
  {
    MutexLock lock(write_mutex_);
    HR_ASSIGN(const index::Writer* out, writer());
    HR_ASSIGN(known, Settings::from_json(out->settings()));
  }
  std::vector<std::pair<std::string, std::shared_ptr<const VectorModel>>> models;
  HR_ASSIGN(const ReadState state, read_state());
  for (const ModelSpace& space : known.model_spaces()) {
    HR_ASSIGN(auto loaded, embedder(*state.known, space.name));
    models.emplace_back(space.name, std::move(loaded));
  }
  const std::shared_ptr<const VectorModel> model = models.empty() ? nullptr : models.front().second;
  HR_ASSIGN(const Chunker chunker,
            Chunker::create(model ? model->tokenizer() : Tokenizer::without_model(),
                            known.chunk_options()));
  if (std::ranges::any_of(documents, [](const GivenDocument& given) { return given.id.empty(); }))
    return fail(ErrorCode::invalid_argument, "a document has no id", "give each an \"id\"");
  if (known.own_vectors) HR_TRY(note_text_ids(documents));
  std::vector<index::DocumentWrite> writes(documents.size());
  const auto write_some = [&](size_t part) {
    if (cancel != nullptr && cancel->requested()) return;
    const size_t end = std::min(documents.size(), (part + 1) * kDocumentsPerTask);
    for (size_t i = part * kDocumentsPerTask; i < end; ++i)
      writes[i] = write_given_document(std::move(documents[i]), chunker);
  };
  if (documents.size() <= kDocumentsPerTask) {
    if (!documents.empty()) write_some(0);
  } else {
    pool(0).parallel_for((documents.size() + kDocumentsPerTask - 1) / kDocumentsPerTask,
                         write_some);
  }
  if (cancel != nullptr) HR_TRY(cancel->check());
  std::vector<std::string> keys;
  std::vector<std::string> texts;
  for (size_t i = 0; i < writes.size() && model; ++i) {
    for (const Row& row : writes[i].rows) {
      keys.push_back(row.key);
      texts.push_back(chunker.embedded_text(row));
    }
  }
  std::vector<Embeddings> embeddings;
  for (const auto& [space, loaded] : models) {
    EmbedOptions how{EmbedPurpose::passage};
    how.cancel = cancel;
    HR_ASSIGN(embeddings.emplace_back(), loaded->embed(texts, how, pool(0)));
  }
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  for (const auto& [space, loaded] : models) {
    if (!out->space(space)) HR_TRY(add_model_space(*out, path_, space, loaded->info()));
  }
  const Status written = [&]() -> Status {
    for (index::DocumentWrite& write : writes) {
      if (cancel != nullptr) HR_TRY(cancel->check());
      HR_TRY(out->put(std::move(write)));
    }
    for (size_t i = 0; i < models.size() && !keys.empty(); ++i)
      HR_TRY(out->put_vectors(models[i].first, keys, embeddings[i].values));
    return out->commit();
  }();
  if (!written) out->discard();  // all of them or none
  return written;
}

Status Knowledge::add_vectors(std::span<const std::string> ids, bool integer_ids,
                              std::span<const float> vectors,
                              std::span<const std::string_view> texts,
                              std::span<const index::MetadataColumn> columns,
                              const CancelToken* cancel) {
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  const std::optional<index::Space> space = out->space(kDefaultSpace);
  if (!space) return std::unexpected(no_own_vectors(path_));
  HR_TRY(check_is_own(*out));
  if (vectors.size() != ids.size() * space->dimension) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} ids need vectors of shape [{}, {}], not [{}, {}]", ids.size(),
                            ids.size(), space->dimension, ids.size(),
                            vectors.size() / std::max<size_t>(1, ids.size())));
  }
  if (!integer_ids && integer_ids_.value_or(true)) {
    HR_TRY(index::check_vectors(vectors, space->dimension, space->metric));
    HR_TRY(give_up_integer_ids(*out));
  }
  // What is wrong with one is said before any is written, by its place among all.
  if (ids.size() > kRowsBetweenLooks)
    HR_TRY(index::check_vectors(vectors, space->dimension, space->metric));
  std::vector<index::MetadataColumn> columns_of_part(columns.begin(), columns.end());
  const Status written = [&]() -> Status {
    for (size_t begin = 0; begin < ids.size() || begin == 0; begin += kRowsBetweenLooks) {
      if (cancel != nullptr) HR_TRY(cancel->check());
      const size_t count = std::min(kRowsBetweenLooks, ids.size() - begin);
      const auto part = [&](auto given) {
        return given.empty() ? given : given.subspan(begin, count);
      };
      for (size_t c = 0; c < columns.size(); ++c)
        columns_of_part[c].values = columns[c].values.subspan(begin, count);
      HR_TRY(out->put_rows({part(ids), part(texts), columns_of_part, kDefaultSpace,
                            vectors.subspan(begin * space->dimension, count * space->dimension)}));
    }
    return out->commit();
  }();
  if (!written) out->discard();  // all of them or none
  return written;
}

}  // namespace headrace
