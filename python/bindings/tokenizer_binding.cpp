#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <string_view>
#include <vector>

#include "embed/model_store.h"
#include "errors.h"
#include "transform/tokenizer.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

template <typename T>
using Vector = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
using Offsets = nb::ndarray<nb::numpy, uint32_t, nb::ndim<2>>;

// The vector's memory becomes the array's.
template <typename T>
Vector<T> array(std::vector<T>&& values) {
  auto held = std::make_unique<std::vector<T>>(std::move(values));
  T* data = held->data();
  const size_t size = held->size();
  nb::capsule owner(held.release(), [](void* pointer) noexcept {
    const std::unique_ptr<std::vector<T>> owned(static_cast<std::vector<T>*>(pointer));
  });
  return Vector<T>(data, {size}, owner);
}

Offsets offsets_array(const Encoding& encoding) {
  auto held = std::make_unique<std::vector<uint32_t>>();
  held->reserve(encoding.begins.size() * 2);
  for (size_t i = 0; i < encoding.begins.size(); ++i) {
    held->push_back(encoding.begins[i]);
    held->push_back(encoding.ends[i]);
  }
  uint32_t* data = held->data();
  nb::capsule owner(held.release(), [](void* pointer) noexcept {
    const std::unique_ptr<std::vector<uint32_t>> owned(
        static_cast<std::vector<uint32_t>*>(pointer));
  });
  return Offsets(data, {encoding.begins.size(), 2}, owner);
}

// The bytes of a str, which stay where they are while the str lives.
std::string_view view(nb::handle text) {
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (!bytes) throw nb::python_error();
  return {bytes, static_cast<size_t>(size)};
}

class PyTokenizer {
 public:
  // A tokenizer.json or a folder that holds one, or a model by name.
  explicit PyTokenizer(const std::string& spec) {
    auto direct = Tokenizer::load(spec);
    if (!direct && direct.error().code() == ErrorCode::not_found) {
      tokenizer_ = unwrap(Tokenizer::load(unwrap(find_model(spec)).directory));
    } else {
      tokenizer_ = unwrap(std::move(direct));
    }
  }

  nb::tuple encode(nb::str text, bool special) const {
    const std::string_view bytes = view(text);
    Encoding encoding;
    {
      const nb::gil_scoped_release release;
      if (special) {
        tokenizer_->encode_with_special(bytes, encoding);
      } else {
        tokenizer_->encode(bytes, encoding);
      }
      offsets_to_code_points(bytes, encoding.begins, encoding.ends);
    }
    nb::object offsets = nb::cast(offsets_array(encoding));
    return nb::make_tuple(array(std::move(encoding.ids)), offsets);
  }

  nb::tuple encode_pair(nb::str first, nb::str second) const {
    const std::string_view a = view(first);
    const std::string_view b = view(second);
    Encoding encoding;
    {
      const nb::gil_scoped_release release;
      tokenizer_->encode_pair(a, b, encoding);
    }
    return nb::make_tuple(array(std::move(encoding.ids)), array(std::move(encoding.types)));
  }

  nb::tuple encode_batch(nb::list texts, bool special) const {
    std::vector<std::string_view> views;
    views.reserve(texts.size());
    for (const nb::handle text : texts) views.push_back(view(text));
    std::vector<int32_t> ids;
    std::vector<int64_t> rows = {0};
    {
      const nb::gil_scoped_release release;
      Encoding encoding;
      for (const std::string_view text : views) {
        if (special) {
          tokenizer_->encode_ids(text, 0, ids);
        } else {
          encoding.clear();
          tokenizer_->encode(text, encoding);
          ids.insert(ids.end(), encoding.ids.begin(), encoding.ids.end());
        }
        rows.push_back(static_cast<int64_t>(ids.size()));
      }
    }
    return nb::make_tuple(array(std::move(ids)), array(std::move(rows)));
  }

  std::string decode(nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> ids,
                     bool skip_special) const {
    const std::span<const int32_t> span(ids.data(), ids.size());
    const nb::gil_scoped_release release;
    return tokenizer_->decode(span, skip_special);
  }

  nb::object token(int32_t id) const {
    const std::string_view text = tokenizer_->token(id);
    if (text.data() == nullptr) return nb::none();
    return nb::str(text.data(), text.size());
  }

  int32_t id_of(nb::str token) const { return tokenizer_->id_of(view(token)); }
  size_t size() const { return tokenizer_->vocabulary_size(); }
  size_t special_count() const { return tokenizer_->special_count(); }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace

void bind_tokenizers(nb::module_& module) {
  nb::class_<PyTokenizer>(module, "Tokenizer")
      .def(nb::init<const std::string&>(), nb::arg("model"))
      .def("encode", &PyTokenizer::encode, nb::arg("text"), nb::arg("special"))
      .def("encode_pair", &PyTokenizer::encode_pair, nb::arg("first"), nb::arg("second"))
      .def("encode_batch", &PyTokenizer::encode_batch, nb::arg("texts"), nb::arg("special"))
      .def("decode", &PyTokenizer::decode, nb::arg("ids"), nb::arg("skip_special"))
      .def("token", &PyTokenizer::token, nb::arg("id"))
      .def("id_of", &PyTokenizer::id_of, nb::arg("token"))
      .def("size", &PyTokenizer::size)
      .def("special_count", &PyTokenizer::special_count);
}

}  // namespace headrace::python
