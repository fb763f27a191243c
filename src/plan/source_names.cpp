#include "plan/source_names.h"

#include <algorithm>
#include <filesystem>
#include <optional>

namespace headrace {

namespace {

namespace fs = std::filesystem;

constexpr size_t kLinksMax = 64;

bool is_absolute(std::string_view path) {
  return path.starts_with('/');
}

std::string normal(const std::string& path) {
  std::string made = fs::path(path).lexically_normal().native();
  while (made.size() > 1 && made.ends_with('/')) made.pop_back();
  return made;
}

// What of `path` lies below `folder`; nothing where it does not, "" where it is the folder.
std::optional<std::string_view> below(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder)) return std::nullopt;
  path.remove_prefix(folder.size());
  if (path.empty() || folder.ends_with('/')) return path;
  if (!path.starts_with('/')) return std::nullopt;
  return path.substr(1);
}

std::string joined(std::string_view folder, std::string_view rest) {
  if (rest.empty()) return std::string(folder);
  if (folder.empty()) return std::string(rest);
  return std::string(folder) + (folder.ends_with('/') ? "" : "/") + std::string(rest);
}

// The links first: a name that begins with one lies where that leads.
std::string place_of_name(const SourceRoot& known, std::string_view name) {
  const SourceRoot::Link* leads = nullptr;
  for (const SourceRoot::Link& link : known.links) {
    if (below(name, link.name) && (leads == nullptr || link.name.size() > leads->name.size()))
      leads = &link;
  }
  if (leads != nullptr) return joined(leads->place, *below(name, leads->name));
  if (is_absolute(name)) return std::string(name);
  return known.folder.empty() ? std::string() : normal(joined(known.folder, name));
}

}  // namespace

SourceNames::SourceNames() = default;

SourceNames::SourceNames(SourceRoot known, const std::vector<std::string>& roots)
    : known_(std::move(known)), is_lasting_(true), here_(real_place(".")) {
  for (const std::string& root : roots)
    roots_.emplace_back(displayable_path(root), real_place(root));
  // Of roots within one another the inner one says where a file lies.
  std::ranges::stable_sort(
      roots_, [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

std::string SourceNames::place(std::string_view name) const {
  return place_of_name(known_, name);
}

std::string SourceNames::place_of_path(std::string_view path) const {
  for (const auto& [root, place] : roots_) {
    if (const auto rest = below(path, root)) return joined(place, *rest);
  }
  return normal(is_absolute(path) ? std::string(path) : joined(here_, path));
}

std::string SourceNames::first_name(const std::string& path, const std::string& place) const {
  if (is_absolute(path) || !is_lasting_) return normal(path);
  if (here_ == known_.folder) {
    std::string name = normal(path);
    // "../here/a.txt" is "a.txt".
    if (name.starts_with("../") && normal(joined(here_, path)) == place)
      name = fs::path(place).lexically_relative(here_).native();
    return name;
  }
  const auto rest = known_.folder.empty() ? std::nullopt : below(place, known_.folder);
  if (!rest) return place;
  return rest->empty() ? "." : std::string(*rest);
}

std::string SourceNames::name(const std::string& path, const KnownDocuments* known) const {
  if (!is_lasting_) return normal(path);
  const std::string place = place_of_path(path);
  std::string first = first_name(path, place);
  const auto is_known = [&](const std::string& name) {
    return !name.empty() && known->document(name).has_value();
  };
  if (known == nullptr || is_known(first)) return first;
  if (is_known(place)) return place;
  if (!known_.folder.empty()) {
    std::string relative = fs::path(place).lexically_relative(known_.folder).native();
    if (is_known(relative)) return relative;
    // As names were before they were made normal.
    if (std::string dotted = "./" + relative; is_known(dotted)) return dotted;
    if (here_ == known_.folder && is_known(path)) return path;
  }
  for (const SourceRoot::Link& link : known_.links) {
    const auto rest = below(place, link.place);
    if (!rest) continue;
    if (std::string linked = joined(link.name, *rest); is_known(linked)) return linked;
  }
  return first;
}

SourceRoot note_sources(SourceRoot known, const std::string& kb,
                        const std::vector<std::string>& roots, const HoldsNames& holds) {
  const std::string here = real_place(".");
  const std::string kb_place = real_place(kb);
  const bool is_relative =
      std::ranges::any_of(roots, [](const std::string& root) { return !is_absolute(root); });
  if (known.folder.empty()) {
    if (is_relative && holds(here, false).value_or(true)) known.folder = here;
  } else {
    if (known.knowledge_base != kb_place) {
      // Both moved: the one lies where it lay, seen from the other.
      const fs::path way = fs::path(known.folder).lexically_relative(known.knowledge_base);
      const std::string moved = normal((fs::path(kb_place) / way).native());
      if (moved != known.folder && holds(moved, false).value_or(false)) known.folder = moved;
    }
    std::error_code ignored;
    if (is_relative && here != known.folder && !holds(known.folder, false).value_or(true) &&
        holds(here, fs::exists(known.folder, ignored)).value_or(false))
      known.folder = here;
  }
  if (!known.folder.empty()) known.knowledge_base = kb_place;
  const SourceNames names(known, roots);
  for (const std::string& root : roots) {
    const std::string name = names.name(displayable_path(root), nullptr);
    const std::string place = real_place(root);
    if (place_of_name(known, name) == place) continue;
    std::erase_if(known.links, [&](const SourceRoot::Link& link) { return link.name == name; });
    if (known.links.size() >= kLinksMax) known.links.erase(known.links.begin());
    known.links.push_back({name, place});
  }
  return known;
}

}  // namespace headrace
