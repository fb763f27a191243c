#include "decode/html_content.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "decode/html_entities.h"
#include "decode/html_hints.h"

namespace headrace {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// Hints that say "not the text of this page".
// Comments are judged apart.
constexpr uint32_t kForeign = kHintNav | kHintFooter | kHintAside | kHintAd | kHintShare |
                              kHintRelated | kHintForm | kHintTool;

// Manuals name their sections after what they are about; only these words can be trusted there.
constexpr uint32_t kForeignInManual = kHintNav | kHintTool | kHintFooter | kHintNoPrint;

struct TextShape {
  uint32_t bytes = 0;       // without white space
  uint32_t link_bytes = 0;  // of these within links
  uint32_t marks = 0;       // sentence punctuation
};

// 0 white space, 1 a byte of a word, 2 punctuation that ends or parts sentences.
constexpr std::array<uint8_t, 256> kShape = [] {
  std::array<uint8_t, 256> table{};
  for (size_t c = 0x21; c < 0x100; ++c) table[c] = 1;
  for (char c : {'.', ',', ';', '!', '?', ':'}) table[static_cast<uint8_t>(c)] = 3;
  return table;
}();

// What is known of a subtree (or, before summing up, of the blocks directly in an element).
struct Measure {
  float positive = 0;  // value of its good blocks
  float named = 0;     // the part of `positive` inside elements named as an article's body
  float cluster = 0;   // value of the blocks that are its children: not summed up
  uint32_t bytes = 0;
  uint32_t link_bytes = 0;
};

// Never a part of the main text where the page says which that is.
constexpr uint32_t kNeverDeclared = kHintNav | kHintFooter | kHintAside;

// Which elements the page declares as its main text; empty for none.
std::vector<bool> declared_elements(const HtmlTree& tree) {
  std::vector<bool> mains(tree.nodes.size()), articles(tree.nodes.size());
  size_t main_count = 0, article_count = 0;
  for (size_t i = 1; i < tree.nodes.size(); ++i) {
    const HtmlNode& node = tree.nodes[i];
    const bool is_element = node.tag != HtmlTag::text && node.tag != HtmlTag::body;
    if (is_element && (node.hints & kHintMain) != 0) {
      mains[i] = true;
      ++main_count;
    } else if (node.tag == HtmlTag::article) {
      articles[i] = true;
      ++article_count;
    }
  }
  if (main_count > 0) return mains;
  return article_count == 1 ? articles : std::vector<bool>();
}

class ContentFinder {
 public:
  ContentFinder(const HtmlTree& tree, const HtmlContentOptions& options)
      : tree_(tree), options_(options), count_(static_cast<uint32_t>(tree.nodes.size())) {
    if (!options.has_declared) return;
    declared_before_.assign(1, 0);
    for (const bool declared : declared_elements(tree)) {
      declared_before_.push_back(declared_before_.back() + (declared ? 1 : 0));
    }
  }

  std::vector<HtmlFate> find();

 private:
  bool is_unseen(const HtmlNode& node) const;
  bool is_named(uint32_t i) const;
  bool contains(uint32_t outer, uint32_t inner) const {
    return inner >= outer && inner < tree_.nodes[outer].end;
  }
  void measure();
  void end_run();
  float run_value(const TextShape& shape, HtmlTag container) const;
  uint32_t find_cluster() const;
  bool should_drop(uint32_t i, uint32_t cluster) const;
  bool is_discussion() const;
  void prune(uint32_t cluster);
  uint32_t climb(uint32_t cluster) const;
  uint32_t narrow(uint32_t root) const;
  void trim_article(uint32_t root, uint32_t cluster);
  bool repeats_title(uint32_t i) const;

  const HtmlTree& tree_;
  HtmlContentOptions options_;
  uint32_t count_;
  std::vector<uint32_t> declared_before_;  // how many; only where it is asked for
  std::vector<Measure> measures_;
  std::vector<uint32_t> block_;  // the nearest block element, itself included
  std::vector<HtmlFate> fates_;
  TextShape run_;
  uint32_t run_block_ = kNone;
  bool is_discussion_ = false;  // the comments are the content: a forum
  bool in_article_ = false;     // the main text lies in an <article>
};

bool ContentFinder::is_unseen(const HtmlNode& node) const {
  if ((node.flags & kNodeInvisible) != 0) return true;
  if (options_.keep_hidden) return false;
  return (node.flags & (kNodeHidden | kNodeAriaHidden)) != 0 || (node.hints & kHintUnseen) != 0;
}

bool ContentFinder::is_named(uint32_t i) const {
  const HtmlNode& node = tree_.nodes[i];
  return node.tag != HtmlTag::body &&
         ((node.hints & kHintArticleBody) != 0 || node.tag == HtmlTag::article);
}

float ContentFinder::run_value(const TextShape& shape, HtmlTag container) const {
  const auto bytes = static_cast<float>(shape.bytes);
  const auto linked = static_cast<float>(shape.link_bytes);
  const float plain = bytes - linked;
  if (container == HtmlTag::pre) return plain;
  if (linked > 0.5f * bytes || is_html_heading(container) || bytes < 25) return 0;
  if (bytes < 80 && shape.marks == 0) return 0.1f * plain;
  return plain - linked;
}

void ContentFinder::end_run() {
  if (run_block_ != kNone && run_.bytes > 0) {
    Measure& block = measures_[run_block_];
    const float value = run_value(run_, tree_.nodes[run_block_].tag);
    block.positive += value;
    block.bytes += run_.bytes;
    block.link_bytes += run_.link_bytes;
    block.cluster += value;
    if (run_block_ != 0) measures_[tree_.nodes[run_block_].parent].cluster += value;
  }
  run_ = {};
  run_block_ = kNone;
}

void ContentFinder::measure() {
  measures_.assign(count_, {});
  block_.assign(count_, 0);
  uint32_t last_block = 0;  // a block begun since the run's last text parts it
  for (uint32_t i = 0; i < count_;) {
    const HtmlNode& node = tree_.nodes[i];
    if (fates_[i] == HtmlFate::drop || has_property(node.tag, kTagForm)) {
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
      bytes += shape & 1;
      marks += shape >> 1;
    }
    run_.bytes += bytes;
    run_.marks += marks;
    if ((node.flags & kNodeInLink) != 0) run_.link_bytes += bytes;
    ++i;
  }
  end_run();
  for (uint32_t i = count_; i-- > 1;) {
    Measure& inner = measures_[i];
    if (is_named(i)) inner.named = inner.positive;
    Measure& outer = measures_[tree_.nodes[i].parent];
    outer.positive += inner.positive;
    outer.named += inner.named;
    outer.bytes += inner.bytes;
    outer.link_bytes += inner.link_bytes;
  }
}

// Where most sentences lie side by side: the element whose own blocks are worth most. What is named
// as something else counts little, what is named as the article's body more.
uint32_t ContentFinder::find_cluster() const {
  std::vector<float> weight(count_, 1.0f);
  uint32_t best = 0;
  float most = 0;
  for (uint32_t i = 1; i < count_; ++i) {
    const HtmlNode& node = tree_.nodes[i];
    if (node.tag == HtmlTag::text) continue;
    float own = weight[node.parent];
    if (node.tag != HtmlTag::body) {
      if ((node.hints & (kForeign | kHintComment)) != 0) own = std::min(own, 0.25f);
      if (is_named(i)) own = std::min(own * 1.5f, 2.0f);
    }
    weight[i] = own;
    if (measures_[i].cluster * own > most) {
      most = measures_[i].cluster * own;
      best = i;
    }
  }
  return best;
}

// An element named as something else goes, unless the main text is in it or it holds so much text
// that the name must mean something different.
bool ContentFinder::should_drop(uint32_t i, uint32_t cluster) const {
  const HtmlNode& node = tree_.nodes[i];
  const float total = measures_[0].positive;
  const float share = total > 0 ? measures_[i].positive / total : 0.0f;
  if (options_.has_declared && node.tag != HtmlTag::body && (node.hints & kForeign) != 0 &&
      !declared_before_.empty()) {
    return declared_before_[i] == declared_before_[node.end];
  }
  if (contains(i, cluster) || node.tag == HtmlTag::body) return false;
  if (options_.is_manual && (node.hints & kHintHeader) == 0) {
    return (node.hints & kForeignInManual) != 0 && share < 0.5f;
  }
  if ((node.hints & kHintComment) != 0 && !is_discussion_) return true;
  if ((node.hints & kForeign & ~kHintShare) != 0) return share < 0.7f;
  if ((node.hints & kHintShare) != 0) return measures_[i].positive < 80;
  if ((node.hints & kHintByline) != 0) return share < 0.1f;
  if ((node.hints & kHintHeader) != 0) {
    return share < 0.05f && measures_[i].link_bytes * 2 > measures_[i].bytes;
  }
  if ((node.hints & kHintWidget) != 0) {
    return measures_[i].positive < 80 || measures_[i].link_bytes * 3 > measures_[i].bytes;
  }
  // Beside the article that we read, other articles are teasers.
  if (options_.is_article && node.tag == HtmlTag::article) return in_article_;
  return false;
}

// Not an article, and the better part of it in what is called comments or replies.
bool ContentFinder::is_discussion() const {
  if (options_.is_article) return false;
  float comments = 0;
  for (uint32_t i = 1; i < count_;) {
    const HtmlNode& node = tree_.nodes[i];
    const bool is_comment = node.tag != HtmlTag::body && (node.hints & kHintComment) != 0;
    if (is_comment) comments += measures_[i].positive;
    i = is_comment ? node.end : i + 1;
  }
  return comments > 0.4f * measures_[0].positive;
}

void ContentFinder::prune(uint32_t cluster) {
  is_discussion_ = is_discussion();
  for (uint32_t up = cluster; up != 0; up = tree_.nodes[up].parent) {
    in_article_ = in_article_ || tree_.nodes[up].tag == HtmlTag::article;
  }
  for (uint32_t i = 1; i < count_;) {
    const HtmlNode& node = tree_.nodes[i];
    if (fates_[i] == HtmlFate::drop || (node.tag != HtmlTag::text && should_drop(i, cluster))) {
      fates_[i] = HtmlFate::drop;
      i = node.end;
    } else {
      ++i;
    }
  }
}

// From the densest place up to the element that has all of the content: as long as what comes in
// addition is much, and text rather than links.
uint32_t ContentFinder::climb(uint32_t cluster) const {
  uint32_t root = cluster;
  bool inside_named = is_named(root);
  for (uint32_t up = root; up != 0;) {
    up = tree_.nodes[up].parent;
    const Measure& outer = measures_[up];
    const Measure& inner = measures_[root];
    const float gain = outer.positive - inner.positive;
    const auto bytes = static_cast<float>(outer.bytes - inner.bytes);
    const auto linked = static_cast<float>(outer.link_bytes - inner.link_bytes);
    if (options_.is_article && gain < 0.1f * inner.positive && gain < 150) continue;
    if (gain <= 0 && linked > 0.1f * bytes) continue;
    if (linked > 0.3f * bytes) continue;
    // Out of an article's body only into another one beside it.
    if (inside_named && outer.named - inner.positive < 0.5f * gain) continue;
    root = up;
    inside_named = inside_named || is_named(up);
  }
  return root;
}

// A named body of the article or page that has nearly all of it is what the author meant.
uint32_t ContentFinder::narrow(uint32_t root) const {
  uint32_t named = root;
  for (uint32_t i = root; i < tree_.nodes[root].end; ++i) {
    const bool fits = is_named(i) || (tree_.nodes[i].hints & kHintMain) != 0;
    if (fits && measures_[i].positive >= 0.85f * measures_[root].positive) named = i;
  }
  return named;
}

bool ContentFinder::repeats_title(uint32_t i) const {
  constexpr size_t kLongest = 500;
  if (options_.title.empty() || measures_[i].bytes > kLongest) return false;
  std::string raw;
  for (uint32_t j = i; j < tree_.nodes[i].end; ++j) {
    if (tree_.nodes[j].tag != HtmlTag::text || fates_[j] == HtmlFate::drop) continue;
    if ((tree_.nodes[j].flags & kNodeSpaceBefore) != 0) raw += ' ';
    raw += tree_.text_of(tree_.nodes[j]);
  }
  return html_plain_text(raw, false) == options_.title;
}

// Articles: captions, links to other articles, the headline (it is the title).
void ContentFinder::trim_article(uint32_t root, uint32_t cluster) {
  const Measure& all = measures_[root];
  // What stands before the headline is not the article.
  for (uint32_t i = cluster; i > root; --i) {
    if (tree_.nodes[i].tag != HtmlTag::h1 || fates_[i] == HtmlFate::drop || !repeats_title(i)) {
      continue;
    }
    for (uint32_t j = root + 1; j < i; ++j) {
      if (!contains(j, i)) fates_[j] = HtmlFate::drop;
    }
    break;
  }
  for (uint32_t i = root + 1; i < tree_.nodes[root].end;) {
    const HtmlNode& node = tree_.nodes[i];
    const Measure& own = measures_[i];
    bool drop = fates_[i] == HtmlFate::drop;
    if (!drop && node.tag != HtmlTag::text) {
      const bool is_small = own.bytes * 5 < all.bytes;
      drop = (node.hints & kHintCaption) != 0 && is_small;
      if (has_property(node.tag, kTagBlock) && own.bytes > 0 && is_small) {
        drop = drop || own.link_bytes * 4 > own.bytes * 3;
      }
      if (is_html_heading(node.tag)) drop = drop || repeats_title(i);
    }
    if (drop) fates_[i] = HtmlFate::drop;
    i = drop ? node.end : i + 1;
  }
}

std::vector<HtmlFate> ContentFinder::find() {
  fates_.assign(count_, HtmlFate::keep);
  for (uint32_t i = 1; i < count_;) {
    const bool unseen = is_unseen(tree_.nodes[i]);
    if (unseen) fates_[i] = HtmlFate::drop;
    i = unseen ? tree_.nodes[i].end : i + 1;
  }
  measure();
  prune(find_cluster());
  measure();
  const uint32_t cluster = find_cluster();
  const uint32_t root = options_.is_manual ? 0 : narrow(climb(cluster));
  if (options_.is_article && !options_.is_manual) trim_article(root, cluster);
  for (uint32_t i = 0; i < count_; ++i) {
    const bool above = i < root && tree_.nodes[i].end > root;
    if (!contains(root, i) && !above) fates_[i] = HtmlFate::drop;
  }
  return std::move(fates_);
}

}  // namespace

std::vector<HtmlFate> find_html_content(const HtmlTree& tree, const HtmlContentOptions& options) {
  return ContentFinder(tree, options).find();
}

std::vector<HtmlFate> find_declared_html(const HtmlTree& tree) {
  const std::vector<bool> declared = declared_elements(tree);
  if (declared.empty()) return {};
  std::vector<HtmlFate> fates(tree.nodes.size(), HtmlFate::drop);
  for (uint32_t i = 0; i < fates.size(); ++i) {
    if (!declared[i]) continue;
    for (uint32_t up = i; up != 0; up = tree.nodes[up].parent) fates[up] = HtmlFate::keep;
    fates[0] = HtmlFate::keep;
    const uint32_t end = tree.nodes[i].end;
    while (i < end) {
      const HtmlNode& node = tree.nodes[i];
      const bool foreign = !declared[i] && (node.hints & kNeverDeclared) != 0;
      const bool unseen = (node.flags & (kNodeInvisible | kNodeHidden | kNodeAriaHidden)) != 0;
      if (node.tag != HtmlTag::text && (foreign || unseen)) {
        i = node.end;
      } else {
        fates[i++] = HtmlFate::keep;
      }
    }
    --i;
  }
  return fates;
}

std::vector<HtmlFate> find_visible_html(const HtmlTree& tree) {
  std::vector<HtmlFate> fates(tree.nodes.size(), HtmlFate::keep);
  for (size_t i = 0; i < fates.size(); ++i) {
    if ((tree.nodes[i].flags & kNodeHidden) != 0) fates[i] = HtmlFate::drop;
  }
  return fates;
}

}  // namespace headrace
