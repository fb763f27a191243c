// headrace._native: what the Python front stands on. Everything here converts types and releases
// the GIL; decisions live in plan.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

namespace headrace::python {
void bind_models(nb::module_& module);
void bind_tokenizers(nb::module_& module);
void bind_knowledge(nb::module_& module);
void bind_ingest(nb::module_& module);
}  // namespace headrace::python

NB_MODULE(_native, module) {
  module.attr("__version__") = HEADRACE_VERSION;
  headrace::python::bind_models(module);
  headrace::python::bind_tokenizers(module);
  headrace::python::bind_knowledge(module);
  headrace::python::bind_ingest(module);
}
