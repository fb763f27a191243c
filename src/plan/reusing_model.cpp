#include "plan/reusing_model.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <unordered_map>
#include <utility>

namespace headrace {

namespace {

// How often a waiting call looks whether it was cancelled.
constexpr auto kLook = std::chrono::milliseconds(50);

struct KeyHash {
  size_t operator()(const Hash128& key) const { return key.low; }
};

}  // namespace

// One call: its distinct texts and what became of each.
struct ReusingModel::Plan {
  std::span<const std::string> texts;
  std::vector<Hash128> keys;    // of the distinct texts
  std::vector<uint32_t> first;  // the text each stands for
  std::vector<uint32_t> distinct_of_text;
  std::vector<std::optional<CachedVector>> vectors;
  std::vector<uint32_t> to_compute;
  std::vector<uint32_t> elsewhere;  // being computed by another call
  Embeddings counts;
  std::unordered_map<uint32_t, Error> refused;  // of the distinct texts
};

ReusingModel::ReusingModel(std::shared_ptr<const VectorModel> model, std::string mode,
                           std::unique_ptr<VectorCache> cache)
    : model_(std::move(model)),
      mode_(std::move(mode)),
      cache_(std::move(cache)),
      recent_max_(std::max<size_t>(
          kRecentBytesMax / (model_->info().dimension * sizeof(float) + 128), 16)) {}

Hash128 ReusingModel::key_of(std::string_view text, const std::string& prompt) const {
  Hasher128 hasher;
  for (const std::string_view part : {std::string_view(mode_), std::string_view(prompt)}) {
    hasher.update(part);
    hasher.update(std::string_view("\0", 1));
  }
  hasher.update(text);
  return hasher.digest();
}

bool ReusingModel::recall(const Hash128& key, bool persistent, CachedVector& out) const {
  {
    const MutexLock lock(mutex_);
    if (const auto known = recent_.find(key); known != recent_.end()) {
      out = known->second;
      return true;
    }
  }
  return persistent && cache_ && cache_->find(key, out);
}

void ReusingModel::remember(const Hash128& key, const CachedVector& vector) const {
  const MutexLock lock(mutex_);
  if (!recent_.try_emplace(key, vector).second) return;
  recent_order_.push_back(key);
  if (recent_order_.size() > recent_max_) {
    recent_.erase(recent_order_.front());
    recent_order_.pop_front();
  }
}

bool ReusingModel::take_off(const Hash128& key) const {
  const MutexLock lock(mutex_);
  return flying_.try_emplace(key, 0).second;
}

void ReusingModel::land(std::span<const Hash128> keys) const {
  const MutexLock lock(mutex_);
  for (const Hash128& key : keys) flying_.erase(key);
  landed_.notify_all();
}

Status ReusingModel::wait_for(const Hash128& key, const CancelToken* cancel) const {
  const MutexLock lock(mutex_);
  while (flying_.contains(key)) {
    if (cancel != nullptr) HR_TRY(cancel->check());
    landed_.wait_until(mutex_, std::chrono::steady_clock::now() + kLook);
  }
  return {};
}

Status ReusingModel::compute(Plan& plan, const EmbedOptions& options, ThreadPool& pool) const {
  if (plan.to_compute.empty()) return {};
  const bool all_in_order = plan.to_compute.size() == plan.texts.size();
  std::vector<std::string> chosen;
  if (!all_in_order) {
    chosen.reserve(plan.to_compute.size());
    for (const uint32_t i : plan.to_compute) chosen.push_back(plan.texts[plan.first[i]]);
  }
  const size_t dimension = info().dimension;
  const bool persistent = cache_ && options.priority == EmbedPriority::bulk;
  EmbedOptions own = options;
  own.keep = [&](size_t c, std::span<const float> values) {
    const Hash128& key = plan.keys[plan.to_compute[c]];
    remember(key, {{values.begin(), values.end()}, false});
    if (persistent) cache_->put(key, values, false);
  };
  std::unordered_map<size_t, Error> refused;
  if (options.refuse) {
    own.refuse = [&](size_t c, const Error& why) { refused.try_emplace(c, why); };
  }
  HR_ASSIGN(
      Embeddings computed,
      model_->embed(all_in_order ? plan.texts : std::span<const std::string>(chosen), own, pool));
  auto longer = computed.longer.begin();
  for (size_t c = 0; c < plan.to_compute.size(); ++c) {
    CachedVector vector;
    const std::span<const float> row = std::span(computed.values).subspan(c * dimension, dimension);
    vector.values.assign(row.begin(), row.end());
    if (longer != computed.longer.end() && *longer == c) {
      vector.was_long = true;
      ++longer;
    }
    const uint32_t place = plan.to_compute[c];
    if (const auto found = refused.find(c); found != refused.end()) {
      plan.refused.try_emplace(place, found->second);
    } else {
      remember(plan.keys[place], vector);
      if (persistent) cache_->put(plan.keys[place], vector.values, vector.was_long);
    }
    plan.vectors[place] = std::move(vector);
  }
  plan.counts.add_counts(computed);
  plan.to_compute.clear();
  return {};
}

Status ReusingModel::kept(bool write) const {
  if (!cache_) return {};
  if (write) cache_->flush();
  return cache_->kept();
}

Result<Embeddings> ReusingModel::embed(std::span<const std::string> texts,
                                       const EmbedOptions& options, ThreadPool& pool) const {
  const std::string& prompt = prompt_for(info(), options.purpose);
  const bool bulk = options.priority == EmbedPriority::bulk;
  Plan plan;
  plan.texts = texts;
  plan.distinct_of_text.resize(texts.size());
  std::unordered_map<Hash128, uint32_t, KeyHash> seen;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Hash128 key = key_of(texts[i], prompt);
    const auto [place, fresh] = seen.try_emplace(key, plan.keys.size());
    plan.distinct_of_text[i] = place->second;
    if (!fresh) continue;
    plan.keys.push_back(key);
    plan.first.push_back(static_cast<uint32_t>(i));
  }
  plan.vectors.resize(plan.keys.size());
  std::vector<Hash128> taken;
  size_t found = 0;
  for (uint32_t i = 0; i < plan.keys.size(); ++i) {
    CachedVector known;
    if (recall(plan.keys[i], bulk, known)) {
      plan.vectors[i] = std::move(known);
      ++found;
    } else if (!bulk) {
      plan.to_compute.push_back(i);
    } else if (take_off(plan.keys[i])) {
      taken.push_back(plan.keys[i]);
      plan.to_compute.push_back(i);
    } else {
      plan.elsewhere.push_back(i);
    }
  }
  Status status = compute(plan, options, pool);
  land(taken);
  HR_TRY(std::move(status));
  // Own texts are done and announced before any is waited for, so two calls never wait for each
  // other. What the other call could not do is done here.
  for (const uint32_t i : plan.elsewhere) {
    HR_TRY(wait_for(plan.keys[i], options.cancel));
    CachedVector known;
    if (recall(plan.keys[i], bulk, known)) {
      plan.vectors[i] = std::move(known);
      ++found;
    } else {
      plan.to_compute.push_back(i);
    }
  }
  HR_TRY(compute(plan, options, pool));

  const size_t dimension = info().dimension;
  Embeddings result = std::move(plan.counts);
  result.reused += found + (texts.size() - plan.keys.size());
  result.values.resize(texts.size() * dimension);
  for (size_t i = 0; i < texts.size(); ++i) {
    const CachedVector& vector = *plan.vectors[plan.distinct_of_text[i]];
    std::ranges::copy(vector.values,
                      result.values.begin() + static_cast<std::ptrdiff_t>(i * dimension));
    if (vector.was_long) result.longer.push_back(static_cast<uint32_t>(i));
    const auto refused = plan.refused.find(plan.distinct_of_text[i]);
    if (refused == plan.refused.end()) continue;
    options.refuse(i, refused->second);
    if (plan.first[plan.distinct_of_text[i]] != i) --result.reused;
  }
  const bool windows = mode_ == "window";
  result.windowed = windows ? result.longer.size() : 0;
  result.cut = windows ? 0 : result.longer.size();
  return result;
}

}  // namespace headrace
