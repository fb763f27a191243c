#include "plan/model_list.h"

#include "transform/tokenizer.h"

namespace headrace {

std::vector<ModelSummary> list_checked_models() {
  std::vector<ModelSummary> models = list_models();
  for (ModelSummary& model : models) {
    if (!model.problem.empty()) continue;
    if (const auto tokenizer = Tokenizer::load(model.files.directory); !tokenizer)
      model.problem = tokenizer.error().message();
  }
  return models;
}

}  // namespace headrace
