#include "index/store_model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

namespace headrace::index::testing {

std::string ModelState::text() const {
  if (!exists) return "nothing\n";
  std::string out;
  for (const auto& [name, dimension] : spaces) out += fmt::format("space {} {}\n", name, dimension);
  for (const auto& [source, document] : documents) {
    out += fmt::format("document {}{}\n", source, document.failed ? " failed" : "");
    for (const auto& [position, row] : document.rows) {
      out += fmt::format("  {} \"{}\" {}", position, row.text, row.parity);
      for (const auto& [space, mark] : row.vectors) out += fmt::format(" {}={}", space, mark);
      out += '\n';
    }
  }
  return out;
}

ModelState read_state(const Snapshot& snapshot) {
  ModelState state;
  state.exists = true;
  for (const SpaceInfo& known : snapshot.info().spaces)
    state.spaces[known.space.name] = known.space.dimension;
  const Status documents = snapshot.for_each_document([&](const DocumentState& document) -> Status {
    state.documents[document.source].failed = document.error.has_value();
    return {};
  });
  EXPECT_TRUE(documents);
  const Status rows = snapshot.for_each_row([&](const ScoredRow& at, const Row& row) -> Status {
    ModelRow& known = state.documents[row.source].rows[row.position];
    EXPECT_TRUE(known.text.empty()) << "row " << row.source << ' ' << row.position << " twice";
    EXPECT_EQ(row.key, row_key(row.source, row.position));
    known.text = row.text;
    if (const auto parity = row.metadata.find("parity"); parity != row.metadata.end()) {
      if (const auto* text = std::get_if<std::string>(&parity->second)) known.parity = *text;
    }
    for (const auto& [space, dimension] : state.spaces) {
      std::vector<float> vector(dimension);
      if (!snapshot.vector(at, space, vector)) continue;
      EXPECT_EQ(static_cast<uint32_t>(vector[1]), row.position) << "another row's vector";
      known.vectors[space] = static_cast<uint32_t>(vector[0]);
    }
    return {};
  });
  EXPECT_TRUE(rows);
  return state;
}

std::string check_searches(const Snapshot& snapshot, const ModelState& state) {
  for (const auto& [source, document] : state.documents) {
    SearchRequest request;
    request.mode = SearchMode::text;
    request.text = source;
    request.k = 100;
    const auto found = search(snapshot.segments(), request);
    if (!found) return found.error().text();
    std::set<uint32_t> positions;
    for (const ScoredRow& at : *found) {
      const Row row = snapshot.row(at);
      if (row.source != source) return fmt::format("{} found for {}", row.source, source);
      const auto expected = document.rows.find(row.position);
      if (expected == document.rows.end() || expected->second.text != row.text)
        return fmt::format("row {} of {} found with a text that is gone", row.position, source);
      positions.insert(row.position);
    }
    if (positions.size() != document.rows.size() || found->size() != positions.size())
      return fmt::format("{} of {} rows of {} found", found->size(), document.rows.size(), source);
  }
  for (const auto& [space, dimension] : state.spaces) {
    SearchRequest request;
    request.mode = SearchMode::vector;
    const std::vector<float> vector(dimension, 1.0F);
    request.vector = vector;
    request.space = space;
    request.k = 1000;
    const auto found = search(snapshot.segments(), request);
    if (!found) return found.error().text();
    size_t covered = 0;
    for (const auto& [source, document] : state.documents) {
      for (const auto& [position, row] : document.rows) covered += row.vectors.contains(space);
    }
    if (found->size() != covered)
      return fmt::format("{} of {} vectors of {} found", found->size(), covered, space);
  }
  return {};
}

StoreWorkload::StoreWorkload(SimulatedFileSystem& files, uint64_t seed, WriterOptions options)
    : files_(files), random_(seed), options_(std::move(options)), candidates_(1) {}

bool StoreWorkload::note(Status status) {
  if (status) return true;
  error_ = std::move(status).error();
  return false;
}

// Runs a call after which `after` is acknowledged, and while which it may be found. One that syncs
// makes what was acknowledged early durable.
template <typename Call>
bool StoreWorkload::durable(const ModelState& after, const Call& call, bool syncs) {
  {
    MutexLock guard(mutex_);
    candidates_.push_back(after);
  }
  if (!note(call())) return false;
  MutexLock guard(mutex_);
  acknowledged_ = after;
  if (syncs || options_.durability == Durability::sync) candidates_.assign(1, after);
  return true;
}

bool StoreWorkload::adopt_shown() {
  const ModelState shown = read_state(*writer_->snapshot());
  MutexLock guard(mutex_);
  for (const ModelState& candidate : candidates_) {
    if (candidate != shown) continue;
    acknowledged_ = pending_ = shown;
    // What a fault left on the disk is one of these until the next sync.
    candidates_.push_back(shown);
    if (options_.durability == Durability::sync) candidates_.assign(1, shown);
    return true;
  }
  ADD_FAILURE() << last_step_ << " failed and left a state that never was:\n" << shown.text();
  return false;
}

bool StoreWorkload::open_writer() {
  set_step("open");
  ModelState after = acknowledged();
  after.exists = true;
  return durable(
      after,
      [&]() -> Status {
        HR_ASSIGN(writer_, Writer::open(files_, kFolder, options_));
        pending_ = after;
        return {};
      },
      true);
}

DocumentWrite StoreWorkload::make_document(const std::string& source, bool failed) {
  DocumentWrite document;
  document.source = source;
  document.settings = "s";
  document.content_hash = hash128(source + std::to_string(++mark_));
  ModelDocument& model = pending_.documents[source];
  model.failed = failed;
  if (failed) {
    document.error = DocumentError{source, "decode", Error(ErrorCode::damaged, "no good")};
    return document;
  }
  model.rows.clear();
  const uint64_t rows = draw(5);
  for (uint32_t position = 0; position < rows; ++position) {
    ModelRow& known = model.rows[position];
    known.text = fmt::format("{} version{} row{}", source, mark_, position);
    if (draw(20) == 0) known.text += std::string(3000, 'x');
    known.parity = draw(2) == 0 ? "even" : "odd";
    Row row;
    row.key = row_key(source, position);
    row.source = source;
    row.position = position;
    row.text = known.text;
    row.metadata["parity"] = known.parity;
    document.rows.push_back(std::move(row));
  }
  return document;
}

bool StoreWorkload::put(bool failed) {
  const ModelState before = pending_;
  if (note(writer_->put(make_document(some_source(), failed)))) return true;
  pending_ = before;
  return false;
}

bool StoreWorkload::remove() {
  const std::string source = some_source();
  if (!note(writer_->remove(source))) return false;
  pending_.documents.erase(source);
  return true;
}

bool StoreWorkload::remove_where() {
  const std::string parity = draw(2) == 0 ? "even" : "odd";
  const auto filter = Filter::parse(
      draw(2) == 0 ? fmt::format("parity = '{}'", parity)
                   : fmt::format("parity = '{}' and source = '{}'", parity, some_source()));
  EXPECT_TRUE(filter);
  const bool one = filter->text().find("source") != std::string::npos;
  const std::string only = one ? filter->text().substr(filter->text().find("src"), 4) : "";
  // What was put before is committed first; the removal itself waits for the next commit.
  bool done = durable(pending_, [&]() -> Status {
    HR_TRY(writer_->remove_where(*filter));
    return {};
  });
  if (!done) return false;
  for (auto at = pending_.documents.begin(); at != pending_.documents.end();) {
    auto& [source, document] = *at;
    const size_t before = document.rows.size();
    if (!one || source == only)
      std::erase_if(document.rows, [&](const auto& row) { return row.second.parity == parity; });
    at = before > 0 && document.rows.empty() ? pending_.documents.erase(at) : std::next(at);
  }
  return true;
}

bool StoreWorkload::put_vectors() {
  if (pending_.spaces.empty()) return true;
  auto space = pending_.spaces.begin();
  std::advance(space, draw(pending_.spaces.size()));
  std::vector<std::string> keys;
  std::vector<float> vectors;
  ++mark_;
  ModelState after = pending_;
  for (auto& [source, document] : after.documents) {
    for (auto& [position, row] : document.rows) {
      if (draw(2) == 0) continue;
      keys.push_back(row_key(source, position));
      vectors.push_back(static_cast<float>(mark_));
      vectors.push_back(static_cast<float>(position));
      vectors.insert(vectors.end(), space->second - 2, 1.0F);
      row.vectors[space->first] = mark_;
    }
  }
  // A row that is gone is skipped.
  keys.push_back(row_key("nowhere", 7));
  vectors.insert(vectors.end(), space->second, 2.0F);
  if (!note(writer_->put_vectors(space->first, keys, vectors))) return false;
  pending_ = std::move(after);
  return true;
}

bool StoreWorkload::add_space() {
  const bool first = draw(2) == 0;
  Space space;
  space.name = first ? kFirstSpace : kSecondSpace;
  space.dimension = first ? 4 : 3;
  space.metric = Metric::ip;
  ModelState after = pending_;
  if (!after.spaces.emplace(space.name, space.dimension).second) return true;
  if (!durable(after, [&] { return writer_->add_space(space); })) return false;
  pending_ = after;
  return true;
}

bool StoreWorkload::step() {
  error_.reset();
  if (writer_ == nullptr) return open_writer();
  const uint64_t kind = draw(100);
  if (kind < 30) {
    set_step("put");
    return put(false);
  }
  if (kind < 34) {
    set_step("put failed");
    return put(true);
  }
  if (kind < 40) {
    set_step("remove");
    return remove();
  }
  if (kind < 44) {
    set_step("remove_where");
    return remove_where();
  }
  if (kind < 58) {
    set_step("put_vectors");
    return put_vectors();
  }
  if (kind < 64) {
    set_step("add_space");
    return add_space();
  }
  const ModelState after = pending_;
  if (kind < 86) {
    set_step("commit");
    return durable(after, [&] { return writer_->commit(); });
  }
  if (kind < 94) {
    set_step("flush");
    return durable(after, [&] { return writer_->flush(); }, true);
  }
  if (kind < 97) {
    set_step("optimize");
    return durable(after, [&] { return writer_->optimize(); }, true);
  }
  // Gone without a word: what was not committed is lost.
  close_writer();
  return open_writer();
}

TEST(StoreModel, AgreesWithTheStoreWithoutFaults) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimulatedFileSystem files(seed);
    WriterOptions options;
    options.memory_bytes_max = 4000 + seed * 1000;
    options.log_buffer_bytes_max = 2000;
    options.segments_max = 3;
    options.background = seed % 2 == 0;
    options.durability = seed % 3 == 0 ? Durability::async : Durability::sync;
    StoreWorkload work(files, seed, options);
    for (int i = 0; i < 150; ++i) {
      ASSERT_TRUE(work.step()) << work.last_step() << ": " << work.error()->text();
      ASSERT_EQ(read_state(*work.writer()->snapshot()).text(), work.acknowledged().text())
          << "seed " << seed << " step " << i << ' ' << work.last_step();
      ASSERT_EQ(check_searches(*work.writer()->snapshot(), work.acknowledged()), "")
          << "seed " << seed << " step " << i << ' ' << work.last_step();
    }
    auto reader = Reader::open(files, kFolder);
    ASSERT_TRUE(reader) << reader.error().text();
    EXPECT_EQ(read_state(**(*reader)->snapshot()).text(), work.acknowledged().text());
    const auto report = verify(files, kFolder);
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->ok()) << report->problems.front();
  }
}

}  // namespace headrace::index::testing
