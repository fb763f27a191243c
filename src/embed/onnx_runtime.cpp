#include "embed/onnx_runtime.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/mutex.h"

namespace headrace::embed {

namespace {

namespace fs = std::filesystem;

// The first version whose table has all that is used here is far older; older libraries than this
// were not tried.
constexpr uint32_t kInterfaceVersion = 14;
constexpr const char* kBring = "run: pip install onnxruntime";

// Objects of the library that are only ever pointed to.
struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtTypeInfo;
struct OrtShape;

// The library's two entry points and the places of its functions in the table. Verified against
// the public header: the table only grows at its end.
struct OrtTable {
  void* at[101];
};
struct OrtBase {
  const OrtTable* (*get_table)(uint32_t version);
  const char* (*get_version)();
};
enum Place : size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kDisableTelemetry = 6,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kDisableMemPattern = 17,
  kDisableCpuMemArena = 19,
  kSetLogSeverity = 22,
  kSetOptimization = 23,
  kSetIntraOpThreads = 24,
  kSetInterOpThreads = 25,
  kInputCount = 30,
  kOutputCount = 31,
  kInputTypeInfo = 33,
  kOutputTypeInfo = 34,
  kInputName = 36,
  kOutputName = 37,
  kCreateTensorWithData = 49,
  kTensorData = 51,
  kCastToTensorInfo = 55,
  kElementType = 60,
  kDimensionsCount = 61,
  kDimensions = 62,
  kTensorTypeAndShape = 65,
  kCreateCpuMemoryInfo = 69,
  kAllocatorFree = 76,
  kDefaultAllocator = 78,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseTypeInfo = 98,
  kReleaseShape = 99,
  kReleaseSessionOptions = 100,
};

// Calls into the table; turns the library's status into ours.
class Library {
 public:
  explicit Library(const OrtTable* table) : table_(table) {}

  template <typename... Arguments>
  Status call(Place place, Arguments... arguments) const {
    auto* const function = reinterpret_cast<OrtStatus* (*)(Arguments...)>(table_->at[place]);
    OrtStatus* const status = function(arguments...);
    if (status == nullptr) return {};
    auto* const message =
        reinterpret_cast<const char* (*)(const OrtStatus*)>(table_->at[kGetErrorMessage]);
    std::string text = message(status);
    release(kReleaseStatus, status);
    std::ranges::replace(text, '\n', ' ');
    constexpr size_t kMessageMax = 500;
    if (text.size() > kMessageMax) text.resize(kMessageMax);
    return fail(ErrorCode::unsupported, "ONNX Runtime: " + text);
  }

  template <typename Object>
  void release(Place place, Object* object) const {
    if (object != nullptr) reinterpret_cast<void (*)(Object*)>(table_->at[place])(object);
  }

 private:
  const OrtTable* table_;
};

// An object of the library, released at the end of its scope.
template <typename Object>
class Owned {
 public:
  Owned(const Library& library, Place release) : library_(library), release_(release) {}
  ~Owned() { library_.release(release_, object_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Object* get() const { return object_; }
  Object** out() { return &object_; }

 private:
  const Library& library_;
  const Place release_;
  Object* object_ = nullptr;
};

float from_half(uint16_t half) {
  const float sign = (half & 0x8000U) != 0 ? -1.0F : 1.0F;
  const int exponent = (half >> 10) & 0x1F;
  const auto fraction = static_cast<float>(half & 0x3FF);
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  if (exponent == 31) return fraction == 0 ? sign * HUGE_VALF : NAN;
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

class Session final : public OnnxSession {
 public:
  explicit Session(const Library& library)
      : library_(library),
        session_(library, kReleaseSession),
        memory_(library, kReleaseMemoryInfo) {}

  Status open(OrtEnv* env, const std::string& model);
  const std::vector<OnnxPort>& inputs() const override { return inputs_; }
  const std::vector<OnnxPort>& outputs() const override { return outputs_; }
  Result<OnnxTensor> run(std::span<const std::vector<int64_t>> inputs, int64_t rows,
                         int64_t columns, const std::string& output) const override;

 private:
  Result<std::vector<OnnxPort>> ports(Place count, Place name, Place type) const;
  Result<OnnxTensor> read(OrtValue* value) const;
  Status read_shape(const OrtShape* shape, OnnxType& type, std::vector<int64_t>& sizes) const;

  const Library& library_;
  Owned<OrtSession> session_;
  Owned<OrtMemoryInfo> memory_;
  std::vector<OnnxPort> inputs_;
  std::vector<OnnxPort> outputs_;
};

Status Session::open(OrtEnv* env, const std::string& model) {
  Owned<OrtSessionOptions> options(library_, kReleaseSessionOptions);
  HR_TRY(library_.call(kCreateSessionOptions, options.out()));
  // The arena and the memory plans per shape grow to the largest batch ever seen and stay there.
  HR_TRY(library_.call(kDisableCpuMemArena, options.get()));
  HR_TRY(library_.call(kDisableMemPattern, options.get()));
  // One thread a run: batches run beside one another on our own pool.
  HR_TRY(library_.call(kSetIntraOpThreads, options.get(), 1));
  HR_TRY(library_.call(kSetInterOpThreads, options.get(), 1));
  constexpr int kErrorsOnly = 3;
  HR_TRY(library_.call(kSetLogSeverity, options.get(), kErrorsOnly));
  constexpr int kAllOptimizations = 99;
  HR_TRY(library_.call(kSetOptimization, options.get(), kAllOptimizations));
  HR_TRY(library_.call(kCreateSession, static_cast<const OrtEnv*>(env), model.c_str(),
                       static_cast<const OrtSessionOptions*>(options.get()), session_.out()));
  constexpr int kDeviceAllocator = 0;
  constexpr int kDefaultMemory = 0;
  HR_TRY(library_.call(kCreateCpuMemoryInfo, kDeviceAllocator, kDefaultMemory, memory_.out()));
  HR_ASSIGN(inputs_, ports(kInputCount, kInputName, kInputTypeInfo));
  HR_ASSIGN(outputs_, ports(kOutputCount, kOutputName, kOutputTypeInfo));
  return {};
}

Status Session::read_shape(const OrtShape* shape, OnnxType& type,
                           std::vector<int64_t>& sizes) const {
  int32_t element = 0;
  size_t count = 0;
  HR_TRY(library_.call(kElementType, shape, &element));
  HR_TRY(library_.call(kDimensionsCount, shape, &count));
  sizes.assign(count, 0);
  HR_TRY(library_.call(kDimensions, shape, sizes.data(), count));
  type = static_cast<OnnxType>(element);
  return {};
}

Result<std::vector<OnnxPort>> Session::ports(Place count_at, Place name_at, Place type_at) const {
  const auto* session = static_cast<const OrtSession*>(session_.get());
  size_t count = 0;
  HR_TRY(library_.call(count_at, session, &count));
  OrtAllocator* allocator = nullptr;
  HR_TRY(library_.call(kDefaultAllocator, &allocator));
  std::vector<OnnxPort> found(count);
  for (size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    HR_TRY(library_.call(name_at, session, i, allocator, &name));
    found[i].name = name;
    HR_TRY(library_.call(kAllocatorFree, allocator, static_cast<void*>(name)));
    Owned<OrtTypeInfo> type(library_, kReleaseTypeInfo);
    HR_TRY(library_.call(type_at, session, i, type.out()));
    const OrtShape* shape = nullptr;  // belongs to `type`
    HR_TRY(library_.call(kCastToTensorInfo, static_cast<const OrtTypeInfo*>(type.get()), &shape));
    if (shape == nullptr)
      return fail(ErrorCode::unsupported, found[i].name + " of the graph is no tensor");
    HR_TRY(read_shape(shape, found[i].type, found[i].shape));
  }
  return found;
}

Result<OnnxTensor> Session::read(OrtValue* value) const {
  Owned<OrtShape> shape(library_, kReleaseShape);
  HR_TRY(library_.call(kTensorTypeAndShape, static_cast<const OrtValue*>(value), shape.out()));
  OnnxTensor tensor;
  OnnxType type = OnnxType::float32;
  HR_TRY(read_shape(shape.get(), type, tensor.shape));
  size_t count = 1;
  for (const int64_t size : tensor.shape) count *= static_cast<size_t>(std::max<int64_t>(size, 0));
  void* data = nullptr;
  HR_TRY(library_.call(kTensorData, value, &data));
  tensor.values.resize(count);
  if (type == OnnxType::float32) {
    std::copy_n(static_cast<const float*>(data), count, tensor.values.begin());
  } else if (type == OnnxType::float16) {
    std::transform(static_cast<const uint16_t*>(data), static_cast<const uint16_t*>(data) + count,
                   tensor.values.begin(), from_half);
  } else {
    return fail(ErrorCode::unsupported, "the graph answers neither float32 nor float16");
  }
  return tensor;
}

Result<OnnxTensor> Session::run(std::span<const std::vector<int64_t>> inputs, int64_t rows,
                                int64_t columns, const std::string& output) const {
  const std::array<int64_t, 2> sizes{rows, columns};
  std::vector<std::vector<int32_t>> narrow(inputs.size());  // for graphs that take int32
  std::vector<std::unique_ptr<Owned<OrtValue>>> values;
  std::vector<const OrtValue*> given;
  std::vector<const char*> names;
  for (size_t i = 0; i < inputs.size(); ++i) {
    void* data = const_cast<int64_t*>(inputs[i].data());  // only read by the library
    size_t bytes = inputs[i].size() * sizeof(int64_t);
    if (inputs_[i].type == OnnxType::int32) {
      narrow[i].assign(inputs[i].begin(), inputs[i].end());
      data = narrow[i].data();
      bytes = narrow[i].size() * sizeof(int32_t);
    }
    auto value = std::make_unique<Owned<OrtValue>>(library_, kReleaseValue);
    HR_TRY(library_.call(kCreateTensorWithData, static_cast<const OrtMemoryInfo*>(memory_.get()),
                         data, bytes, sizes.data(), sizes.size(),
                         static_cast<int32_t>(inputs_[i].type), value->out()));
    given.push_back(value->get());
    values.push_back(std::move(value));
    names.push_back(inputs_[i].name.c_str());
  }
  const char* wanted = output.c_str();
  Owned<OrtValue> answer(library_, kReleaseValue);
  HR_TRY(library_.call(kRun, session_.get(), static_cast<const void*>(nullptr), names.data(),
                       given.data(), given.size(), &wanted, size_t{1}, answer.out()));
  return read(answer.get());
}

class LoadedRuntime final : public OnnxRuntime {
 public:
  LoadedRuntime(const OrtTable* table, std::string version)
      : library_(table), version_(std::move(version)), env_(library_, kReleaseEnv) {}

  Status start() {
    constexpr int kErrorsOnly = 3;
    HR_TRY(library_.call(kCreateEnv, kErrorsOnly, "headrace", env_.out()));
    return library_.call(kDisableTelemetry, static_cast<const OrtEnv*>(env_.get()));
  }
  const std::string& version() const override { return version_; }
  Result<std::unique_ptr<const OnnxSession>> open(const std::string& model) const override {
    auto session = std::make_unique<Session>(library_);
    HR_TRY(session->open(env_.get(), model));
    return session;
  }

 private:
  const Library library_;
  const std::string version_;
  Owned<OrtEnv> env_;
};

std::vector<std::string> libraries_in(const std::string& packages) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator entry(packages + "/onnxruntime/capi", error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("libonnxruntime.so")) found.push_back(entry->path().string());
  }
  std::ranges::sort(found);
  return found;
}

Result<std::shared_ptr<const OnnxRuntime>> load_library(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return fail(ErrorCode::unsupported,
                fmt::format("{} cannot be loaded: {}", path, why == nullptr ? "" : why), kBring);
  }
  auto* const entry = reinterpret_cast<const OrtBase* (*)()>(dlsym(library, "OrtGetApiBase"));
  if (entry == nullptr)
    return fail(ErrorCode::unsupported, path + " is not ONNX Runtime's library", kBring);
  const OrtBase* base = entry();
  const std::string version = base->get_version();
  // "1.23.0": the second number says which tables the library has.
  uint32_t minor = 0;
  const size_t dot = version.find('.');
  if (dot != std::string::npos)
    std::from_chars(version.data() + dot + 1, version.data() + version.size(), minor);
  const OrtTable* table = nullptr;
  if (version.starts_with("1.") && minor >= kInterfaceVersion)
    table = base->get_table(kInterfaceVersion);
  if (table == nullptr) {
    return fail(ErrorCode::unsupported,
                fmt::format("ONNX Runtime {} ({}) is not one that can be used", version, path),
                fmt::format("needed is 1.{} or a later 1.x; {}", kInterfaceVersion, kBring));
  }
  auto runtime = std::make_shared<LoadedRuntime>(table, version);
  HR_TRY(runtime->start());
  return runtime;
}

}  // namespace

Result<std::shared_ptr<const OnnxRuntime>> OnnxRuntime::load(
    const std::vector<std::string>& packages) {
  // Loaded once and never unloaded: its threads and our sessions may live to the end.
  static Mutex mutex;
  static std::shared_ptr<const OnnxRuntime> loaded;
  const MutexLock lock(mutex);
  if (loaded) return loaded;
  const char* chosen = std::getenv("HEADRACE_ONNXRUNTIME");
  if (chosen != nullptr && *chosen != '\0') {
    HR_ASSIGN(loaded, load_library(chosen));
    return loaded;
  }
  for (const std::string& folder : packages) {
    for (const std::string& path : libraries_in(folder)) {
      HR_ASSIGN(loaded, load_library(path));
      return loaded;
    }
  }
  return fail(ErrorCode::unsupported,
              fmt::format("ONNX models need the package onnxruntime, which was not found; looked "
                          "in: {}",
                          fmt::join(packages, ", ")),
              kBring);
}

}  // namespace headrace::embed
