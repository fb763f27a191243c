// OnnxRuntime: the shared library of the installed `onnxruntime` package, loaded when the first
// ONNX model is. Only the few functions of its C interface that are needed are declared, by their
// places in its table, which never change from one version to the next.
//
// Owns: one environment for the process; sessions own their graphs. Threads: everything is safe
// from any thread. Errors: unsupported when the library is absent or too old, with the command that
// brings it; damaged or unsupported with the library's own words for a model it refuses.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace headrace::embed {

// The types of elements met in text models.
enum class OnnxType : int32_t { float32 = 1, int32 = 6, int64 = 7, float16 = 10 };

// One input or output of a graph. A size of -1 is not fixed.
struct OnnxPort {
  std::string name;
  OnnxType type = OnnxType::float32;
  std::vector<int64_t> shape;
};

// What a run gives for one output, as float32.
struct OnnxTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

class OnnxSession {
 public:
  virtual ~OnnxSession() = default;
  virtual const std::vector<OnnxPort>& inputs() const = 0;
  virtual const std::vector<OnnxPort>& outputs() const = 0;
  // Runs the graph on the calling thread: `inputs` are [rows, columns] integers in the order of
  // inputs(), `output` names the one wanted.
  virtual Result<OnnxTensor> run(std::span<const std::vector<int64_t>> inputs, int64_t rows,
                                 int64_t columns, const std::string& output) const = 0;
};

class OnnxRuntime {
 public:
  // The library is looked for in $HEADRACE_ONNXRUNTIME (a file), then in onnxruntime/capi below
  // each of `packages`.
  static Result<std::shared_ptr<const OnnxRuntime>> load(const std::vector<std::string>& packages);
  virtual ~OnnxRuntime() = default;
  virtual const std::string& version() const = 0;
  virtual Result<std::unique_ptr<const OnnxSession>> open(const std::string& model) const = 0;
};

}  // namespace headrace::embed
