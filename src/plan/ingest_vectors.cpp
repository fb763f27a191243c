#include "plan/ingest_vectors.h"
#include "plan/space_search.h"

#include <utility>

#include "embed/model_store.h"

namespace headrace {

namespace {

constexpr const char* kInstantSpace = "static";

// The model that a static one is distilled from: the main one where its weights are at hand.
std::string instant_model(const std::string& model, bool given) {
  if (model.starts_with("static:")) return model;
  const bool elsewhere = given || model.starts_with("onnx:") || model.starts_with("openai:");
  return "static:" + (elsewhere ? std::string(kDefaultModel) : model);
}

}  // namespace

Status IngestVectors::open(Settings& settings, std::shared_ptr<const VectorModel> main) {
  if (options_.instant && main->info().kind != "static") {
    settings.add_space(
        {kInstantSpace, instant_model(settings.model, options_.given_model != nullptr)});
    deferred_ = true;
  }
  ModelOptions further = options_.model_options;
  further.cancel = &cancel_;
  for (const ModelSpace& space : settings.model_spaces()) {
    std::shared_ptr<const VectorModel> model = main;
    if (space.name == kInstantSpace && deferred_) {
      // A dry run says nothing of vectors.
      if (!options_.dry_run) instant_ = std::make_unique<ModelBeside>(space.model, further);
      continue;
    }
    if (space.name != settings.main_space) {
      const index::Info info = writer_.snapshot()->info();
      const index::SpaceInfo* const there = find_space(info, space.name);
      further.space_dimension = there != nullptr ? there->space.dimension : 0;
      HR_ASSIGN(model, load_vector_model(space.model, further));
    }
    HR_TRY(open_space(space.name, std::move(model)));
  }
  return {};
}

Status IngestVectors::open_space(const std::string& name,
                                 std::shared_ptr<const VectorModel> model) {
  HR_TRY(check_model_space(writer_.snapshot()->info(), options_.kb, name, model->info()));
  if (!options_.dry_run) HR_TRY(add_model_space(writer_, options_.kb, name, model->info()));
  filler_.add(name, std::move(model));
  return {};
}

void IngestVectors::start() {
  if (!options_.dry_run) filler_.start();
}

Status IngestVectors::catch_up() {
  if (options_.dry_run) return {};
  HR_TRY(filler_.catch_up_at_once(chunker_));
  return deferred_ ? Status{} : catch_up_lanes();
}

Status IngestVectors::catch_up_lanes() {
  if (!options_.watch) return filler_.catch_up(chunker_);
  filler_.fall_behind();
  return filler_.catch_up_behind(chunker_);
}

EmbeddedTexts IngestVectors::texts_of(const std::vector<index::DocumentWrite>& group) const {
  EmbeddedTexts out;
  for (const index::DocumentWrite& document : group) {
    for (const Row& row : document.rows) {
      out.keys.push_back(row.key);
      out.texts.push_back(chunker_.embedded_text(row));
    }
  }
  return out;
}

Status IngestVectors::put(const EmbeddedTexts& group) {
  return filler_.put_at_once(group.keys, group.texts);
}

Status IngestVectors::follow(const EmbeddedTexts& group) {
  if (deferred_) return {};
  for (size_t i = 0; i < group.keys.size(); ++i) {
    // Who watches must see the next change: vectors follow when there is room for them.
    HR_TRY(options_.watch ? filler_.offer(group.keys[i], group.texts[i])
                          : filler_.follow(group.keys[i], group.texts[i]));
  }
  return options_.watch ? filler_.catch_up_behind(chunker_) : Status{};
}

Status IngestVectors::take_instant(bool waits) {
  if (!instant_ || (!waits && !instant_->ready())) return {};
  const std::unique_ptr<ModelBeside> beside = std::move(instant_);
  HR_ASSIGN(auto model, beside->take());
  HR_TRY(open_space(kInstantSpace, std::move(model)));
  return options_.dry_run ? Status{} : filler_.catch_up_at_once(chunker_);
}

Status IngestVectors::take_deferred() {
  if (!std::exchange(deferred_, false)) return {};
  return options_.dry_run ? Status{} : catch_up_lanes();
}

Status IngestVectors::report_refused(IngestReport& report) const {
  return filler_.for_each_refused([&](const std::string& source, const Error& why) {
    ++report.refused;
    const DocumentError refused{source, "embed", why};
    if (report.failures.size() < IngestReport::kFailuresMax) report.failures.push_back(refused);
    if (options_.on_error) options_.on_error(refused);
  });
}

Status IngestVectors::go_on() {
  HR_TRY(take_instant(false));
  return filler_.behind() ? filler_.catch_up_behind(chunker_) : Status{};
}

void IngestVectors::stop() {
  instant_.reset();
  filler_.stop();
  deferred_ = true;  // the lanes are gone
}

}  // namespace headrace
