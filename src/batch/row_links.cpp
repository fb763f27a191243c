#include "batch/row_links.h"

#include <algorithm>
#include <utility>

namespace headrace {

void set_row_links(const Document& document, size_t begin, size_t end, Metadata& metadata) {
  auto link = std::lower_bound(document.links.begin(), document.links.end(), begin,
                               [](const Link& one, size_t place) { return one.at < place; });
  if (link == document.links.end() || link->at >= end || metadata.contains("links")) return;
  std::vector<std::string> targets;
  size_t bytes = 0;
  for (; link != document.links.end() && link->at < end && targets.size() < kRowLinksMax; ++link) {
    if (bytes + link->target.size() > kRowLinkBytesMax) continue;
    if (std::find(targets.begin(), targets.end(), link->target) != targets.end()) continue;
    bytes += link->target.size();
    targets.push_back(link->target);
  }
  if (!targets.empty()) metadata.emplace("links", std::move(targets));
}

}  // namespace headrace
