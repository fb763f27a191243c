#include "plan/vector_model.h"

#include "plan/text_embedder.h"

namespace headrace {

Result<std::shared_ptr<const VectorModel>> load_vector_model(const std::string& spec,
                                                             const ModelOptions& options) {
  for (const char* scheme : {"static:", "onnx:", "openai:"}) {
    if (spec.starts_with(scheme)) {
      return fail(ErrorCode::unsupported, "model " + spec + ": this kind is not read",
                  "give a folder or a name");
    }
  }
  return TextEmbedder::load(spec, options.precision);
}

}  // namespace headrace
