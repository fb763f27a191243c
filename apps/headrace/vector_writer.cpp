#include "vector_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "batch/arrow_file.h"
#include "commands.h"

namespace headrace::cli {

namespace {

Status put(std::FILE* file, const void* data, size_t bytes) {
  if (std::fwrite(data, 1, bytes, file) != bytes) return os_fail(errno, "write to standard output");
  return {};
}

// A file without a name in the folder for such files ($TMPDIR, else /tmp), written first and then
// read. Errors name the folder.
class Waiting {
 public:
  Waiting() = default;
  ~Waiting() {
    if (file_ != nullptr) std::fclose(file_);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  Status open() {
    const char* const given = std::getenv("TMPDIR");
    folder_ = given != nullptr && *given != '\0' ? given : "/tmp";
    std::string path = folder_ + "/headrace-XXXXXX";
    const int descriptor = ::mkstemp(path.data());
    if (descriptor < 0) return failed(errno);
    ::unlink(path.c_str());
    file_ = ::fdopen(descriptor, "w+b");
    return file_ != nullptr ? Status{} : failed(errno);
  }
  bool is_open() const { return file_ != nullptr; }
  Status write(const void* data, size_t bytes) {
    return std::fwrite(data, 1, bytes, file_) == bytes ? Status{} : failed(errno);
  }
  // Writes all of it to standard output.
  Status give() {
    if (std::fflush(file_) != 0) return failed(errno);
    std::rewind(file_);
    std::vector<char> part(1UL << 20);
    while (const size_t got = std::fread(part.data(), 1, part.size(), file_))
      HR_TRY(put(stdout, part.data(), got));
    return std::ferror(file_) == 0 ? Status{} : failed(errno);
  }

 private:
  Status failed(int error) const {
    const Error why = os_error(error, "keep the vectors in " + folder_);
    return fail(why.code(), why.message(),
                "they wait there until their number is known: make room there, give another folder "
                "in TMPDIR, or write to a file (> vectors.npy)");
  }

  std::string folder_;
  std::FILE* file_ = nullptr;
};

class JsonLines : public VectorWriter {
 public:
  explicit JsonLines(uint32_t dimension) : dimension_(dimension) {}
  Status write(std::span<const float> vectors) override {
    for (size_t row = 0; row + dimension_ <= vectors.size(); row += dimension_) {
      std::string line = "{\"embedding\":[";
      for (size_t i = 0; i < dimension_; ++i) {
        if (i > 0) line += ',';
        fmt::format_to(std::back_inserter(line), "{}", vectors[row + i]);
      }
      HR_TRY(print_line(line + "]}"));
    }
    return {};
  }
  Status finish() override { return {}; }
  bool streams() const override { return true; }

 private:
  const size_t dimension_;
};

// NumPy's .npy, version 1.0: a header with the shape, then float32 little-endian. The number of
// rows is only known at the end: into a file the header is written again, for a pipe the vectors
// wait in a file without a name.
class Npy : public VectorWriter {
 public:
  explicit Npy(uint32_t dimension) : dimension_(dimension) {}

  Status start() {
    struct stat about{};
    const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
    const bool in_place =
        ::fstat(STDOUT_FILENO, &about) == 0 && S_ISREG(about.st_mode) && (flags & O_APPEND) == 0;
    if (in_place) {
      begin_ = ::lseek(STDOUT_FILENO, 0, SEEK_CUR);
      if (begin_ >= 0) {
        const std::string first = header();
        return put(stdout, first.data(), first.size());
      }
    }
    begin_ = -1;
    return waiting_.open();
  }

  Status write(std::span<const float> vectors) override {
    rows_ += vectors.size() / dimension_;
    if (waiting_.is_open()) return waiting_.write(vectors.data(), vectors.size_bytes());
    return put(stdout, vectors.data(), vectors.size_bytes());
  }

  Status finish() override {
    const std::string last = header();
    if (!waiting_.is_open()) {
      if (std::fflush(stdout) != 0) return os_fail(errno, "write to standard output");
      const ssize_t written = ::pwrite(STDOUT_FILENO, last.data(), last.size(), begin_);
      if (written != static_cast<ssize_t>(last.size()))
        return os_fail(errno, "write to standard output");
      return {};
    }
    HR_TRY(put(stdout, last.data(), last.size()));
    return waiting_.give();
  }
  bool streams() const override { return false; }

 private:
  std::string header() const {
    std::string dict = fmt::format(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows_, dimension_);
    constexpr size_t kHeaderBytes = 128;
    dict.resize(kHeaderBytes - 10 - 1, ' ');
    dict += '\n';
    std::string bytes("\x93NUMPY\x01\x00", 8);
    bytes += static_cast<char>(dict.size() & 0xFF);
    bytes += static_cast<char>(dict.size() >> 8);
    return bytes + dict;
  }

  const uint32_t dimension_;
  uint64_t rows_ = 0;
  off_t begin_ = -1;  // where the header lies in standard output
  Waiting waiting_;
};

class ArrowFile : public VectorWriter {
 public:
  explicit ArrowFile(uint32_t dimension)
      : field_(field_of(dimension)), writer_({field_}, [](std::string_view bytes) {
          return put(stdout, bytes.data(), bytes.size());
        }) {}
  Status start() { return writer_.begin(); }
  Status write(std::span<const float> vectors) override {
    Column values;
    values.length = static_cast<int64_t>(vectors.size());
    const auto* bytes = reinterpret_cast<const uint8_t*>(vectors.data());
    values.data.assign(bytes, bytes + vectors.size_bytes());
    Column rows;
    rows.length = values.length / field_.list_size;
    rows.children.push_back(std::move(values));
    Batch batch;
    batch.length = rows.length;
    batch.fields = {field_};
    batch.columns.push_back(std::move(rows));
    return writer_.write(batch);
  }
  Status finish() override { return writer_.end(); }
  bool streams() const override { return false; }

 private:
  static Field field_of(uint32_t dimension) {
    Field item;
    item.name = "item";
    item.type = ColumnType::float32;
    Field list;
    list.name = "embedding";
    list.type = ColumnType::fixed_list;
    list.list_size = static_cast<int32_t>(dimension);
    list.children.push_back(item);
    return list;
  }
  const Field field_;
  ArrowFileWriter writer_;
};

template <typename Writer>
Result<std::unique_ptr<VectorWriter>> started(uint32_t dimension) {
  auto writer = std::make_unique<Writer>(dimension);
  HR_TRY(writer->start());
  return writer;
}

}  // namespace

Result<std::unique_ptr<VectorWriter>> VectorWriter::create(const std::string& format,
                                                           uint32_t dimension) {
  if (format == "npy") return started<Npy>(dimension);
  if (format == "arrow") return started<ArrowFile>(dimension);
  return std::make_unique<JsonLines>(dimension);
}

}  // namespace headrace::cli
