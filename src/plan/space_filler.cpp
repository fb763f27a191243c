#include "plan/space_filler.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "plan/space_search.h"

namespace headrace {

namespace {
// A group of rows that keep step: an fsync is shared, little is done twice after a kill.
constexpr size_t kGroupRows = 4096;
}  // namespace

Status check_model_space(const index::Info& info, const std::string& knowledge_base,
                         const std::string& name, const VectorModelInfo& model) {
  const index::SpaceInfo* const known = find_space(info, name);
  if (known == nullptr || known->space.fingerprint == model.fingerprint) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} has other vectors named \"{}\", of {}: not of {} in {} with {} "
                          "dimensions",
                          knowledge_base, name, known->space.model, model.name, model.precision,
                          model.dimension),
              fmt::format("give --model {} with the --precision and the --dimensions of its "
                          "first run; or keep both: "
                          "headrace space add {} --model {}; int8 of an earlier version is "
                          "another: index anew",
                          known->space.model, knowledge_base, model.name));
}

Status add_model_space(index::Writer& writer, const std::string& knowledge_base,
                       const std::string& name, const VectorModelInfo& model) {
  HR_TRY(check_model_space(writer.snapshot()->info(), knowledge_base, name, model));
  index::Space space;
  space.name = name;
  space.model = model.name;
  space.fingerprint = model.fingerprint;
  space.dimension = model.dimension;
  return writer.add_space(space);
}

void SpaceFiller::add(const std::string& space, std::shared_ptr<const VectorModel> model) {
  const bool at_once = model->info().kind == "static";
  spaces_.push_back({space, std::move(model), at_once, nullptr, false});
}

void SpaceFiller::start() {
  for (Filled& filled : spaces_) {
    if (filled.at_once) continue;
    filled.lane = std::make_unique<EmbedLane>(*filled.model, writer_, filled.space, pool_,
                                              waiting_bytes_max_, progress_, cancel_);
  }
}

Status SpaceFiller::put_at_once(std::span<const std::string> keys,
                                std::span<const std::string> texts) {
  if (keys.empty()) return {};
  for (const Filled& filled : spaces_) {
    if (!filled.at_once) continue;
    // Not cancelled: it is quick, and rows that were taken are written whole.
    HR_ASSIGN(const Embeddings embeddings,
              filled.model->embed(texts, {.purpose = EmbedPurpose::passage}, pool_));
    HR_TRY(writer_.put_vectors(filled.space, keys, embeddings.values));
  }
  return {};
}

Status SpaceFiller::follow(const std::string& key, const std::string& text) {
  for (Filled& filled : spaces_) {
    if (filled.lane) HR_TRY(filled.lane->add(key, text));
  }
  return {};
}

Status SpaceFiller::offer(const std::string& key, const std::string& text) {
  for (Filled& filled : spaces_) {
    if (!filled.lane || filled.behind) continue;
    HR_ASSIGN(const bool taken, filled.lane->offer(key, text));
    filled.behind = !taken;
  }
  return {};
}

Status SpaceFiller::catch_up_behind(const Chunker& chunker) {
  for (Filled& filled : spaces_) {
    if (filled.lane) HR_TRY(filled.lane->status());
    // Only what nobody has: rows that it was given and has not done yet are uncovered as well.
    if (!filled.lane || !filled.behind || !filled.lane->idle()) continue;
    filled.behind = false;
    const Status all = writer_.snapshot()->for_each_uncovered(
        filled.space, [&](const index::ScoredRow&, const Row& row) -> Status {
          HR_ASSIGN(const bool taken, filled.lane->offer(row.key, chunker.embedded_text(row)));
          if (taken) return {};
          filled.behind = true;
          return fail(ErrorCode::cancelled, "the rest has no room");  // ends the visit
        });
    if (!filled.behind) HR_TRY(all);
  }
  return {};
}

void SpaceFiller::fall_behind() {
  for (Filled& filled : spaces_) filled.behind = filled.lane != nullptr;
}

bool SpaceFiller::behind() const {
  return std::any_of(spaces_.begin(), spaces_.end(),
                     [](const Filled& filled) { return filled.behind; });
}

Status SpaceFiller::catch_up_at_once(const Chunker& chunker) {
  for (const Filled& filled : spaces_) {
    if (!filled.at_once) continue;
    std::vector<std::string> keys;
    std::vector<std::string> texts;
    const auto write = [&]() -> Status {
      if (keys.empty()) return {};
      HR_ASSIGN(const Embeddings embeddings,
                filled.model->embed(texts, {.purpose = EmbedPurpose::passage, .cancel = &cancel_},
                                    pool_));
      HR_TRY(writer_.put_vectors(filled.space, keys, embeddings.values));
      keys.clear();
      texts.clear();
      return writer_.commit();
    };
    HR_TRY(writer_.snapshot()->for_each_uncovered(
        filled.space, [&](const index::ScoredRow&, const Row& row) -> Status {
          keys.push_back(row.key);
          texts.push_back(chunker.embedded_text(row));
          return keys.size() < kGroupRows ? Status{} : write();
        }));
    HR_TRY(write());
  }
  return {};
}

Status SpaceFiller::catch_up(const Chunker& chunker) {
  for (Filled& filled : spaces_) {
    if (!filled.lane) continue;
    HR_TRY(writer_.snapshot()->for_each_uncovered(
        filled.space, [&](const index::ScoredRow&, const Row& row) {
          return filled.lane->add(row.key, chunker.embedded_text(row));
        }));
  }
  return {};
}

Status SpaceFiller::finish() {
  for (Filled& filled : spaces_) {
    if (filled.lane) HR_TRY(filled.lane->finish());
  }
  return {};
}

void SpaceFiller::stop() {
  for (Filled& filled : spaces_) filled.lane.reset();
}

Status SpaceFiller::for_each_refused(
    const std::function<void(const std::string& source, const Error& why)>& visit) const {
  std::set<std::string> visited;  // a row may lack several vectors
  for (const Filled& filled : spaces_) {
    if (!filled.lane) continue;
    const std::map<std::string, Error> refused = filled.lane->refused();
    if (refused.empty()) continue;
    HR_TRY(writer_.snapshot()->for_each_uncovered(
        filled.space, [&](const index::ScoredRow&, const Row& row) -> Status {
          const auto found = refused.find(row.key);
          if (found != refused.end() && visited.insert(row.key).second)
            visit(row.source, found->second);
          return {};
        }));
  }
  return {};
}

Status SpaceFiller::kept() const {
  for (const Filled& filled : spaces_) HR_TRY(filled.model->kept(/*write=*/true));
  return {};
}

Embeddings SpaceFiller::counts() const {
  Embeddings sum;
  for (const Filled& filled : spaces_) {
    if (filled.lane) sum.add_counts(filled.lane->counts());
  }
  return sum;
}

}  // namespace headrace
