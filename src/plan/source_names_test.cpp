#include "plan/source_names.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "sources/test_tree.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

// Knows documents by their names alone.
class NamedDocuments : public KnownDocuments {
 public:
  explicit NamedDocuments(std::set<std::string> names) : names_(std::move(names)) {}
  std::optional<index::DocumentState> document(const std::string& source) const override {
    if (!names_.contains(source)) return std::nullopt;
    index::DocumentState state;
    state.source = source;
    return state;
  }
  uint64_t member_count(const std::string&) const override { return 0; }
  std::vector<std::string> beneath(const std::string&, const std::string&) const override {
    return {};
  }
  bool has_failures(const std::string&) const override { return false; }

 private:
  const std::set<std::string> names_;
};

class SourceNamesTest : public TestTree {
 protected:
  void SetUp() override {
    TestTree::SetUp();
    write("one/docs/a.txt");
    write("two/docs/a.txt");
    root_ = fs::canonical(root_);
    go("one");
  }
  void TearDown() override {
    fs::current_path(before_);
    TestTree::TearDown();
  }
  void go(const std::string& folder) { fs::current_path(root_ / folder); }
  std::string at(const std::string& path) const { return (root_ / path).string(); }

  // What `path` is called where `folder` is noted and `names` are known.
  std::string name(const std::string& path, const std::string& folder,
                   std::set<std::string> names = {}) const {
    SourceRoot known;
    known.folder = folder;
    const NamedDocuments documents(std::move(names));
    return SourceNames(known, {path}).name(path, &documents);
  }

 private:
  const fs::path before_ = fs::current_path();
};

TEST_F(SourceNamesTest, NewFilesAreCalledAsGiven) {
  EXPECT_EQ(name("docs/a.txt", at("one")), "docs/a.txt");
  EXPECT_EQ(name("./docs//a.txt", at("one")), "docs/a.txt");
  EXPECT_EQ(name("../two/docs/a.txt", at("one")), "../two/docs/a.txt");
  EXPECT_EQ(name(at("one/docs/a.txt"), at("one")), at("one/docs/a.txt"));
  EXPECT_EQ(SourceNames().name("./docs/a.txt", nullptr), "docs/a.txt");
}

TEST_F(SourceNamesTest, FromAnotherFolderNamesAreNotAmbiguous) {
  EXPECT_EQ(name("docs/a.txt", at("two")), at("one/docs/a.txt"));
  EXPECT_EQ(name("docs/a.txt", root_.string()), "one/docs/a.txt");
  EXPECT_EQ(name("docs/a.txt", ""), at("one/docs/a.txt"));
}

TEST_F(SourceNamesTest, WhatIsKnownKeepsItsName) {
  EXPECT_EQ(name("docs/a.txt", at("one"), {at("one/docs/a.txt")}), at("one/docs/a.txt"));
  EXPECT_EQ(name(at("one/docs/a.txt"), at("one"), {"docs/a.txt"}), "docs/a.txt");
  EXPECT_EQ(name("docs/a.txt", at("two"), {"../one/docs/a.txt"}), "../one/docs/a.txt");
  // As names were before they were made normal.
  EXPECT_EQ(name("docs/a.txt", at("one"), {"./docs/a.txt"}), "./docs/a.txt");
  EXPECT_EQ(name("docs/../docs/a.txt", at("one"), {"docs/../docs/a.txt"}), "docs/../docs/a.txt");
  // The name of another file is not this one's.
  EXPECT_EQ(name("docs/a.txt", at("two"), {"docs/a.txt"}), at("one/docs/a.txt"));
}

TEST_F(SourceNamesTest, PlacesFollowNames) {
  SourceRoot known;
  known.folder = "/home/me";
  known.links = {{"/l", "/real"}, {"/l/in", "/other"}, {"way", "/far"}};
  const SourceNames names(known, {});
  EXPECT_EQ(names.place("docs/a.txt"), "/home/me/docs/a.txt");
  EXPECT_EQ(names.place("./docs/../a.txt"), "/home/me/a.txt");
  EXPECT_EQ(names.place("/abs/a.txt"), "/abs/a.txt");
  EXPECT_EQ(names.place("/l/a.txt"), "/real/a.txt");
  EXPECT_EQ(names.place("/l/in/a.txt"), "/other/a.txt");
  EXPECT_EQ(names.place("way/a.txt"), "/far/a.txt");
  EXPECT_EQ(names.place("wayside"), "/home/me/wayside");
  EXPECT_EQ(SourceNames({}, {}).place("docs/a.txt"), "");
}

TEST_F(SourceNamesTest, TheFolderIsNotedWhenARelativePathIsGiven) {
  const auto nothing = [](const std::string&, bool) { return std::optional<bool>(); };
  EXPECT_EQ(note_sources({}, at("kb"), {at("one/docs")}, nothing).folder, "");
  EXPECT_EQ(note_sources({}, at("kb"), {"docs"}, nothing).folder, at("one"));
  SourceRoot known;
  known.folder = at("one");
  known.knowledge_base = at("kb");
  go("two");
  EXPECT_EQ(note_sources(known, at("kb"), {"docs"}, nothing).folder, at("one"));
}

// One from before there was a folder noted, whose names are those of another folder.
TEST_F(SourceNamesTest, OlderKnowledgeBasesNoteTheFolderThatHasTheirFiles) {
  const auto holds = [&](const std::string& folder, bool) {
    return std::optional(folder == at("one"));
  };
  EXPECT_EQ(note_sources({}, at("kb"), {"docs"}, holds).folder, at("one"));
  go("two");
  EXPECT_EQ(note_sources({}, at("kb"), {"docs"}, holds).folder, "");
}

TEST_F(SourceNamesTest, WhatMovesIsFollowed) {
  SourceRoot known;
  known.folder = "/gone/project";
  known.knowledge_base = "/gone/project/kb";
  // The files lie here now, seen from the knowledge base as before; where they lay is another's.
  const auto here_too = [&](const std::string& folder, bool) {
    return std::optional(folder == at("one") || folder == "/gone/project");
  };
  EXPECT_EQ(note_sources(known, at("one/kb"), {at("one/docs")}, here_too).folder, at("one"));
  // Only the knowledge base moved.
  EXPECT_EQ(note_sources(known, at("elsewhere/kb"), {"docs"}, here_too).folder, "/gone/project");
  // Only the files moved.
  const auto here = [&](const std::string& folder, bool) {
    return std::optional(folder == at("one"));
  };
  EXPECT_EQ(note_sources(known, "/gone/project/kb", {"docs"}, here).folder, at("one"));
}

TEST_F(SourceNamesTest, LinksAreNotedOnce) {
  fs::create_directory_symlink(root_ / "one", root_ / "link");
  const auto nothing = [](const std::string&, bool) { return std::optional<bool>(); };
  const std::string linked = at("link/docs");
  SourceRoot known = note_sources({}, at("kb"), {linked}, nothing);
  ASSERT_EQ(known.links.size(), 1u);
  EXPECT_EQ(known.links[0], (SourceRoot::Link{linked, at("one/docs")}));
  known = note_sources(known, at("kb"), {linked, linked + "/a.txt"}, nothing);
  EXPECT_EQ(known.links.size(), 1u);
  const NamedDocuments documents({linked + "/a.txt"});
  const SourceNames names(known, {at("one/docs")});
  EXPECT_EQ(names.name(at("one/docs/a.txt"), &documents), linked + "/a.txt");
}

}  // namespace
}  // namespace headrace
