#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <sys/mman.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "embed/model_store.h"
#include "errors.h"
#include "text_bytes.h"
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

// Asks for memory that will be written, if it is much, in pages of 2 MiB: had one by one, the small
// ones cost a tenth of a fast tokenizer's time.
void ask_for_huge_pages([[maybe_unused]] const void* memory, [[maybe_unused]] size_t bytes) {
#if defined(MADV_HUGEPAGE)
  constexpr uintptr_t kPage = uintptr_t{2} << 20;
  const auto from = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t begin = (from + kPage - 1) / kPage * kPage;
  const uintptr_t end = (from + bytes) / kPage * kPage;
  // Only advice: where it is refused, the pages stay small.
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

template <typename T>
void reserve(std::vector<T>& values, size_t count) {
  values.reserve(count);
  ask_for_huge_pages(values.data(), values.capacity() * sizeof(T));
}

Offsets offsets_array(const Encoding& encoding) {
  auto held = std::make_unique_for_overwrite<uint32_t[]>(encoding.begins.size() * 2);
  uint32_t* const data = held.get();
  ask_for_huge_pages(data, encoding.begins.size() * 2 * sizeof(uint32_t));
  for (size_t i = 0; i < encoding.begins.size(); ++i) {
    data[2 * i] = encoding.begins[i];
    data[2 * i + 1] = encoding.ends[i];
  }
  nb::capsule owner(held.release(), [](void* pointer) noexcept {
    const std::unique_ptr<uint32_t[]> owned(static_cast<uint32_t*>(pointer));
  });
  return Offsets(data, {encoding.begins.size(), 2}, owner);
}

// So much room at first for the ids of `characters` characters of text: more than most tokenizers
// make of most texts. What is not used is not touched, and so costs no memory.
size_t likely_most_ids(size_t characters) {
  return characters / 2 + 16;
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
    Encoding encoding;
    {
      const nb::gil_scoped_release release;
      TextBytes held;
      const std::string_view bytes = held.of(text.ptr());
      const size_t most = likely_most_ids(static_cast<size_t>(PyUnicode_GET_LENGTH(text.ptr())));
      reserve(encoding.ids, most);
      reserve(encoding.begins, most);
      reserve(encoding.ends, most);
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
    Encoding encoding;
    {
      const nb::gil_scoped_release release;
      TextBytes a;
      TextBytes b;
      tokenizer_->encode_pair(a.of(first.ptr()), b.of(second.ptr()), encoding);
    }
    return nb::make_tuple(array(std::move(encoding.ids)), array(std::move(encoding.types)));
  }

  // Nobody may change the list meanwhile.
  nb::tuple encode_batch(nb::list texts, bool special) const {
    std::vector<PyObject*> held;
    held.reserve(texts.size());
    size_t characters = 0;
    for (const nb::handle text : texts) {
      if (!PyUnicode_Check(text.ptr())) {
        raise(Error(ErrorCode::invalid_argument, "a text is no str",
                    "give strings; None and numbers have no meaning here"));
      }
      held.push_back(text.ptr());
      characters += static_cast<size_t>(PyUnicode_GET_LENGTH(text.ptr()));
    }
    std::vector<int32_t> ids;
    std::vector<int64_t> rows;
    {
      const nb::gil_scoped_release release;
      reserve(ids, likely_most_ids(characters));
      rows.reserve(held.size() + 1);
      rows.push_back(0);
      TextBytes bytes;
      Encoding encoding;
      for (PyObject* const text : held) {
        if (special) {
          tokenizer_->encode_ids(bytes.of(text), 0, ids);
        } else {
          encoding.clear();
          tokenizer_->encode(bytes.of(text), encoding);
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

  int32_t id_of(nb::str token) const {
    TextBytes held;
    return tokenizer_->id_of(held.of(token.ptr()));
  }
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
