#include "plan/space_search.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

index::Info info_of(uint64_t rows, std::vector<std::pair<std::string, uint64_t>> spaces) {
  index::Info info;
  info.rows = rows;
  for (const auto& [name, covered] : spaces) {
    index::SpaceInfo known;
    known.space.name = name;
    known.rows = covered;
    info.spaces.push_back(known);
  }
  return info;
}

Settings two_models() {
  Settings settings;
  settings.model = "exact";
  settings.add_space({"static", "static:exact"});
  return settings;
}

std::string chosen(const index::Info& info, const Settings& settings) {
  const SpaceChoice choice = choose_spaces(info, settings);
  return choice.main + "/" + choice.rest.value_or("-");
}

TEST(ChooseSpaces, TakesWhatCoversTheRows) {
  const Settings settings = two_models();
  EXPECT_EQ(chosen(info_of(10, {{"default", 10}, {"static", 10}}), settings), "default/-");
  EXPECT_EQ(chosen(info_of(10, {{"default", 4}, {"static", 10}}), settings), "default/static");
  EXPECT_EQ(chosen(info_of(10, {{"default", 0}, {"static", 10}}), settings), "static/-");
  EXPECT_EQ(chosen(info_of(10, {{"default", 4}, {"static", 3}}), settings), "default/-");
  EXPECT_EQ(chosen(info_of(10, {{"default", 4}}), settings), "default/-");
  EXPECT_EQ(chosen(info_of(10, {}), settings), "/-");
  EXPECT_EQ(chosen(info_of(10, {{"mine", 10}}), settings), "/-");
  EXPECT_DOUBLE_EQ(choose_spaces(info_of(10, {{"default", 4}, {"static", 10}}), settings).covered,
                   0.4);
}

TEST(SettingsOfSpaces, SurviveTheirJson) {
  Settings settings = two_models();
  settings.add_space({"new", "other"});
  settings.add_space({"new", "other"});
  auto read = Settings::from_json(settings.to_json());
  ASSERT_TRUE(read);
  ASSERT_EQ(read->model_spaces().size(), 3U);
  EXPECT_EQ(read->model_spaces()[2].model, "other");
}

TEST(SettingsOfSpaces, AnotherTakesThePlaceOfTheMainOne) {
  Settings settings = two_models();
  settings.add_space({"new", "other"});
  settings.drop_space("default");
  EXPECT_EQ(settings.main_space, "new");
  EXPECT_EQ(settings.model, "other");
  settings.drop_space("new");
  EXPECT_EQ(settings.main_space, "static");
  settings.drop_space("static");
  EXPECT_TRUE(settings.model.empty());
  EXPECT_TRUE(settings.model_spaces().empty());
  settings.add_space({"again", "exact"});
  EXPECT_EQ(settings.main_space, "again");
}

std::vector<uint32_t> order(const std::vector<index::ScoredRow>& rows) {
  std::vector<uint32_t> numbers;
  for (const index::ScoredRow& row : rows) numbers.push_back(row.row);
  return numbers;
}

TEST(JoinSpaces, ARowThatTheMainSpaceLacksIsFoundByTheOther) {
  const std::vector<index::ScoredRow> main = {{0, 1, 2.0f}, {0, 2, 1.0f}};
  const std::vector<index::ScoredRow> rest = {{0, 9, 1.8f}, {0, 2, 1.0f}, {0, 1, 0.5f}};
  const auto covered = [](const index::ScoredRow& row) { return row.row < 5; };
  EXPECT_EQ(order(join_spaces(main, rest, 0.5, false, covered, 10)),
            (std::vector<uint32_t>{9, 1, 2}));
  EXPECT_EQ(order(join_spaces(main, rest, 1.0, false, covered, 2)), (std::vector<uint32_t>{1, 9}));
}

TEST(JoinSpaces, FewVectorsDoNotPushThemselvesForward) {
  // The one covered row is the best of its space for want of others; the other space knows better.
  const std::vector<index::ScoredRow> main = {{0, 1, 3.0f}};
  const std::vector<index::ScoredRow> rest = {{0, 7, 2.0f}, {0, 8, 1.5f}, {0, 1, -1.0f}};
  const auto covered = [](const index::ScoredRow& row) { return row.row == 1; };
  EXPECT_EQ(order(join_spaces(main, rest, 0.01, false, covered, 3)),
            (std::vector<uint32_t>{7, 8, 1}));
}

TEST(JoinSpaces, ScoresOfTwoModelsAreBroughtToOneScale) {
  // One model's cosines are all near 1, the other's near 0.
  const std::vector<index::ScoredRow> main = {{0, 1, 0.99f}, {0, 2, 0.98f}, {0, 3, 0.97f}};
  const std::vector<index::ScoredRow> rest = {{0, 8, 0.3f}, {0, 1, 0.2f}, {0, 2, 0.1f}};
  const auto covered = [](const index::ScoredRow& row) { return row.row < 5; };
  EXPECT_EQ(order(join_spaces(main, rest, 0.5, true, covered, 4))[0], 8U);
  EXPECT_EQ(join_spaces(main, rest, 0.5, true, covered, 10).size(), 4U);
}

}  // namespace
}  // namespace headrace
