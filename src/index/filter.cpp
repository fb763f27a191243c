#include "index/filter.h"

#include "index/filter_evaluate.h"
#include "index/filter_node.h"

namespace headrace::index {

Filter::Filter(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
Filter::~Filter() = default;
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::Filter(const Filter&) = default;

Result<Filter> Filter::parse(std::string_view expression) {
  HR_ASSIGN(Node root, parse_filter(expression));
  return Filter(std::make_shared<const Node>(std::move(root)));
}

Result<RowBitmap> Filter::evaluate(const Columns& columns) const {
  const Columns* const segments[] = {&columns};
  HR_ASSIGN(std::vector<RowBitmap> rows, evaluate(segments));
  return std::move(rows[0]);
}

Result<std::vector<RowBitmap>> Filter::evaluate(std::span<const Columns* const> segments) const {
  return evaluate_filter(*root_, segments);
}

std::string Filter::text() const {
  return root_->text;
}

}  // namespace headrace::index
