#include "callable_model.h"

#include <fmt/format.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "arrow_binding.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/utf8.h"
#include "errors.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

using Answer = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
constexpr size_t kBatchBytesMax = 16UL << 20;

class CallableModel final : public VectorModel {
 public:
  CallableModel(const nb::object& call, CallableOptions options)
      : call_(std::make_unique<nb::object>(call).release(),
              [](nb::object* object) {
                const nb::gil_scoped_acquire acquire;
                const std::unique_ptr<nb::object> owned(object);
              }),
        options_(std::move(options)),
        tokenizer_(Tokenizer::without_model()) {
    info_.name = "python:" + options_.name;
    info_.kind = "python";
    info_.dimension = options_.dimension;
    info_.fingerprint =
        hash128(fmt::format("python|{}|{}", options_.name, options_.dimension)).hex();
    info_.precision = "as given";
    info_.kernel = "python";
  }

  const VectorModelInfo& info() const override { return info_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return tokenizer_; }

  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                           ThreadPool& /*pool*/) const override {
    std::vector<uint32_t> order(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](uint32_t i) { return texts[i].size(); });
    Embeddings result;
    result.values.resize(texts.size() * info_.dimension);
    const MutexLock one_at_a_time(mutex_);
    size_t number = 0;
    for (size_t begin = 0; begin < order.size();) {
      ++number;
      if (options.cancel != nullptr) HR_TRY(options.cancel->check());
      size_t end = begin;
      size_t bytes = 0;
      while (end < order.size() && end - begin < options_.batch &&
             (end == begin || bytes + texts[order[end]].size() <= kBatchBytesMax))
        bytes += texts[order[end++]].size();
      const auto chosen = std::span<const uint32_t>(order).subspan(begin, end - begin);
      HR_TRY(call(texts, chosen, number, result.values));
      begin = end;
    }
    return result;
  }

 private:
  Status call(std::span<const std::string> texts, std::span<const uint32_t> chosen, size_t number,
              std::vector<float>& out) const {
    const std::string context =
        fmt::format("{} failed on batch {} ({} texts, the first is text {})", info_.name, number,
                    chosen.size(), chosen.front());
    const nb::gil_scoped_acquire acquire;
    try {
      const nb::object given = options_.as_list ? as_list(texts, chosen) : as_stream(texts, chosen);
      const nb::object returned = (*call_)(given, chosen.size());
      const auto answer = nb::cast<Answer>(returned);
      if (answer.shape(0) != chosen.size() || answer.shape(1) != info_.dimension) {
        return fail(ErrorCode::invalid_argument,
                    fmt::format("{} gave an array of shape [{}, {}] for {} texts of {} dimensions",
                                info_.name, answer.shape(0), answer.shape(1), chosen.size(),
                                info_.dimension),
                    "it is to return one vector a text");
      }
      for (size_t i = 0; i < chosen.size(); ++i) {
        const float* row = answer.data() + i * info_.dimension;
        if (!std::all_of(row, row + info_.dimension, [](float v) { return std::isfinite(v); }))
          return fail(ErrorCode::invalid_argument,
                      info_.name + " gave a vector that is not finite");
        std::copy_n(row, info_.dimension,
                    out.begin() + static_cast<std::ptrdiff_t>(size_t{chosen[i]} * info_.dimension));
      }
      return {};
    } catch (const nb::python_error& raised) {
      const Error error = error_of(raised, context);
      if (error.message().starts_with(context)) return std::unexpected(error);
      return fail(error.code(), context + ": " + error.message(), error.hint());
    } catch (const std::exception& raised) {
      return fail(ErrorCode::invalid_argument, context + ": " + raised.what());
    }
  }

  static nb::object as_list(std::span<const std::string> texts, std::span<const uint32_t> chosen) {
    nb::list list;
    for (const uint32_t i : chosen) {
      const std::string text = to_valid_utf8(texts[i]);
      list.append(nb::str(text.data(), text.size()));
    }
    return list;
  }

  static nb::object as_stream(std::span<const std::string> texts,
                              std::span<const uint32_t> chosen) {
    Field field;
    field.name = "text";
    ColumnBuilder column(field);
    for (const uint32_t i : chosen) column.add_text(to_valid_utf8(texts[i]));
    Batch batch;
    batch.length = static_cast<int64_t>(chosen.size());
    batch.fields = {field};
    batch.columns.push_back(column.finish());
    // Given once, then the stream ends.
    auto waiting = std::make_shared<std::optional<Batch>>(std::move(batch));
    return stream_capsule({field}, [waiting]() -> Result<std::optional<Batch>> {
      return std::exchange(*waiting, std::nullopt);
    });
  }

  const std::shared_ptr<nb::object> call_;
  const CallableOptions options_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  VectorModelInfo info_;
  mutable Mutex mutex_;
};

}  // namespace

std::shared_ptr<const VectorModel> make_callable_model(const nb::object& call,
                                                       CallableOptions options) {
  return std::make_shared<const CallableModel>(call, std::move(options));
}

}  // namespace headrace::python
