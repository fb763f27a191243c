#include "plan/vector_model.h"

#include "embed/model_store.h"
#include "embed/static_model.h"
#include "plan/static_embedder.h"
#include "plan/text_embedder.h"

namespace headrace {

Result<std::shared_ptr<const VectorModel>> load_vector_model(const std::string& spec,
                                                             const ModelOptions& options) {
  constexpr std::string_view kStatic = "static:";
  if (spec.starts_with(kStatic)) return StaticEmbedder::load(spec.substr(kStatic.size()));
  for (const char* scheme : {"onnx:", "openai:"}) {
    if (spec.starts_with(scheme)) {
      return fail(ErrorCode::unsupported, "model " + spec + ": this kind is not read",
                  "give a folder or a name");
    }
  }
  if (const auto files = find_model(spec); files && embed::is_static_folder(files->directory))
    return StaticEmbedder::load(spec);
  return TextEmbedder::load(spec, options.precision);
}

}  // namespace headrace
