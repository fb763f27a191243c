#include "decode/html_content.h"

#include <algorithm>
#include <array>
#include <utility>

#include "decode/html_hints.h"

namespace headrace {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

struct TextShape {
  uint32_t bytes = 0;       // without white space
  uint32_t link_bytes = 0;  // of these within links
  uint32_t marks = 0;       // sentence punctuation
};

// 0 white space, 1 a byte of a word, 2 punctuation that ends or parts sentences.
constexpr std::array<uint8_t, 256> kShape = [] {
  std::array<uint8_t, 256> table{};
  for (size_t c = 0x21; c < 0x100; ++c) table[c] = 1;
  for (char c : {'.', ',', ';', '!', '?', ':'}) table[static_cast<uint8_t>(c)] = 2;
  return table;
}();

class ContentFinder {
 public:
  ContentFinder(const HtmlTree& tree, const HtmlContentOptions& options)
      : tree_(tree), options_(options), count_(static_cast<uint32_t>(tree.nodes.size())) {}

  std::vector<HtmlFate> find();

 private:
  bool is_unseen(const HtmlNode& node) const;
  void measure();
  void end_run();
  float run_value(const TextShape& shape, HtmlTag container) const;
  void sum_up();
  bool should_drop(uint32_t i, float total) const;
  void prune();
  uint32_t densest() const;
  uint32_t choose();

  const HtmlTree& tree_;
  HtmlContentOptions options_;
  uint32_t count_;
  std::vector<float> value_;     // of the blocks directly in it, later of the subtree
  std::vector<float> positive_;  // the same, counting only blocks of positive value
  std::vector<uint32_t> bytes_;
  std::vector<uint32_t> links_;    // bytes within links
  std::vector<float> cluster_;     // of the blocks that are its children
  std::vector<uint32_t> block_;  // the nearest block element, itself included
  std::vector<HtmlFate> fates_;
  TextShape run_;
  uint32_t run_block_ = kNone;
};

bool ContentFinder::is_unseen(const HtmlNode& node) const {
  if ((node.flags & kNodeInvisible) != 0) return true;
  if (options_.keep_hidden) return false;
  return (node.flags & (kNodeHidden | kNodeAriaHidden)) != 0 || (node.hints & kHintUnseen) != 0;
}

float ContentFinder::run_value(const TextShape& shape, HtmlTag container) const {
  const auto bytes = static_cast<float>(shape.bytes);
  const auto linked = static_cast<float>(shape.link_bytes);
  const float plain = bytes - linked;
  if (container == HtmlTag::pre) return plain;
  if (linked > 0.5f * bytes) return -20.0f - 0.3f * linked;
  if (is_html_heading(container)) return 0.0f;
  if (bytes < 25) return -3.0f;
  if (bytes < 80 && shape.marks == 0) return 0.1f * plain;
  return plain - linked;
}

void ContentFinder::end_run() {
  if (run_block_ != kNone && run_.bytes > 0) {
    const float value = run_value(run_, tree_.nodes[run_block_].tag);
    value_[run_block_] += value;
    if (value > 0) positive_[run_block_] += value;
    bytes_[run_block_] += run_.bytes;
    links_[run_block_] += run_.link_bytes;
    if (value > 0) {
      cluster_[run_block_] += value;
      if (run_block_ != 0) cluster_[tree_.nodes[run_block_].parent] += value;
    }
  }
  run_ = {};
  run_block_ = kNone;
}

void ContentFinder::measure() {
  value_.assign(count_, 0.0f);
  positive_.assign(count_, 0.0f);
  cluster_.assign(count_, 0.0f);
  bytes_.assign(count_, 0);
  links_.assign(count_, 0);
  block_.assign(count_, 0);
  uint32_t last_block = 0;  // a block begun since the run's last text parts it
  for (uint32_t i = 0; i < count_;) {
    const HtmlNode& node = tree_.nodes[i];
    if (is_unseen(node) || has_property(node.tag, kTagForm) || fates_[i] == HtmlFate::drop) {
      i = node.end;
      continue;
    }
    if (node.tag != HtmlTag::text) {
      const bool is_block = has_property(node.tag, kTagBlock);
      block_[i] = is_block || i == 0 ? i : block_[node.parent];
      if (is_block) last_block = i;
      ++i;
      continue;
    }
    const uint32_t block = block_[node.parent];
    if (block != run_block_ || last_block > block) {
      end_run();
      run_block_ = block;
      last_block = block;
    }
    uint32_t bytes = 0, marks = 0;
    for (char c : tree_.text_of(node)) {
      const uint8_t shape = kShape[static_cast<uint8_t>(c)];
      bytes += shape != 0;
      marks += shape >> 1;
    }
    run_.bytes += bytes;
    run_.marks += marks;
    if ((node.flags & kNodeInLink) != 0) run_.link_bytes += bytes;
    ++i;
  }
  end_run();
  sum_up();
}

void ContentFinder::sum_up() {
  for (uint32_t i = count_; i-- > 1;) {
    const uint32_t parent = tree_.nodes[i].parent;
    value_[parent] += value_[i];
    positive_[parent] += positive_[i];
    bytes_[parent] += bytes_[i];
    links_[parent] += links_[i];
  }
}

// `total`: the value of all good text on the page. An element named as something else goes, unless
// it holds so much of the text that the name must mean something different.
bool ContentFinder::should_drop(uint32_t i, float total) const {
  const HtmlNode& node = tree_.nodes[i];
  const uint32_t hints = node.hints;
  const float share = total > 0 ? positive_[i] / total : 0.0f;
  if ((hints & (kHintNav | kHintShare | kHintTool | kHintAd)) != 0) return share < 0.3f;
  if ((hints & (kHintFooter | kHintAside | kHintRelated | kHintForm)) != 0) return share < 0.3f;
  if ((hints & kHintComment) != 0) return share < 0.8f;
  if ((hints & (kHintByline)) != 0) return share < 0.1f;
  return false;
}

void ContentFinder::prune() {
  const float total = positive_[0];
  for (uint32_t i = 1; i < count_;) {
    const HtmlNode& node = tree_.nodes[i];
    if (is_unseen(node) || (node.tag != HtmlTag::text && should_drop(i, total))) {
      fates_[i] = HtmlFate::drop;
      i = node.end;
    } else {
      ++i;
    }
  }
}

// Where most sentences lie side by side: the element whose own blocks are worth most.
uint32_t ContentFinder::densest() const {
  uint32_t best = 0;
  float most = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    if (cluster_[i] > most) {
      most = cluster_[i];
      best = i;
    }
  }
  return best;
}

uint32_t ContentFinder::choose() {
  uint32_t root = densest();
  if (root == 0) return 0;
  for (uint32_t up = root; up != 0;) {
    up = tree_.nodes[up].parent;
    const float gain = positive_[up] - positive_[root];
    const float bytes = static_cast<float>(bytes_[up] - bytes_[root]);
    const float linked = static_cast<float>(links_[up] - links_[root]);
    if (gain < 0.1f * positive_[root] && gain < 150) continue;
    if (linked > 0.3f * bytes) continue;
    root = up;
  }
  // A named body of the article or page that has nearly all of it is what the author meant.
  uint32_t named = root;
  for (uint32_t i = root; i < tree_.nodes[root].end; ++i) {
    const HtmlNode& node = tree_.nodes[i];
    const bool is_named = (node.hints & (kHintArticleBody | kHintMain)) != 0 ||
                          node.tag == HtmlTag::article;
    if (is_named && positive_[i] >= 0.7f * positive_[root]) named = i;
  }
  return named;
}

std::vector<HtmlFate> ContentFinder::find() {
  fates_.assign(count_, HtmlFate::keep);
  measure();
  prune();
  measure();
  const uint32_t root = choose();
  for (uint32_t i = 0; i < count_; ++i) {
    const bool inside = i >= root && i < tree_.nodes[root].end;
    const bool above = i < root && tree_.nodes[i].end > root;
    if (!inside && !above) fates_[i] = HtmlFate::drop;
  }
  return std::move(fates_);
}

}  // namespace

std::vector<HtmlFate> find_html_content(const HtmlTree& tree, const HtmlContentOptions& options) {
  return ContentFinder(tree, options).find();
}

std::vector<HtmlFate> find_visible_html(const HtmlTree& tree) {
  std::vector<HtmlFate> fates(tree.nodes.size(), HtmlFate::keep);
  for (size_t i = 0; i < fates.size(); ++i) {
    if ((tree.nodes[i].flags & kNodeHidden) != 0) fates[i] = HtmlFate::drop;
  }
  return fates;
}

}  // namespace headrace
