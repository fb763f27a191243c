#include "archive_streams.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>

namespace headrace::archive {
namespace {

// Memory that a decoder may take for its window, whatever the file's header says.
constexpr uint64_t kWindowBytesMax = 256ULL << 20;
constexpr int kZstdWindowLogMax = 27;

std::unexpected<Error> damaged(const char* kind) {
  return fail(ErrorCode::damaged, std::string("the ") + kind + " data is damaged", "get it anew");
}
std::unexpected<Error> truncated(const char* kind) {
  return fail(ErrorCode::damaged, std::string("the ") + kind + " data ends too early (truncated)",
              "get it anew");
}

class PlainStream : public ByteStream {
 public:
  explicit PlainStream(std::string_view bytes) : left_(bytes) {}
  Result<size_t> read(char* buffer, size_t size) override {
    const size_t take = left_.copy(buffer, size);
    left_.remove_prefix(take);
    return take;
  }

 private:
  std::string_view left_;
};

// What the four decompressors share: input left, counts, the loop that fills a buffer. `step`
// decodes once into [out, out + room) and returns what it made.
class Decompressor : public ByteStream {
 public:
  Decompressor(std::string_view bytes, const ExpansionGuard& guard)
      : left_(bytes), size_(bytes.size()), guard_(guard) {}

  Result<size_t> read(char* buffer, size_t size) override {
    size_t got = 0;
    while (got < size && !finished_) {
      HR_ASSIGN(const size_t made, step(buffer + got, size - got));
      got += made;
      out_ += made;
      HR_TRY(guard_.check(size_ - left_.size(), out_));
    }
    return got;
  }

 protected:
  virtual Result<size_t> step(char* out, size_t room) = 0;

  std::string_view left_;
  bool finished_ = false;

 private:
  const uint64_t size_;
  uint64_t out_ = 0;
  const ExpansionGuard guard_;
};

constexpr size_t kChunk = 1 << 20;
template <typename Size>
Size chunk_of(size_t bytes) {
  return static_cast<Size>(std::min(bytes, kChunk));
}

class GzipStream : public Decompressor {
 public:
  using Decompressor::Decompressor;
  ~GzipStream() override { inflateEnd(&state_); }
  Status open() {
    constexpr int kGzipOnly = 15 + 16;
    if (inflateInit2(&state_, kGzipOnly) != Z_OK) return damaged("gzip");
    return {};
  }

 protected:
  Result<size_t> step(char* out, size_t room) override {
    state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(left_.data()));
    state_.avail_in = chunk_of<uInt>(left_.size());
    state_.next_out = reinterpret_cast<Bytef*>(out);
    state_.avail_out = chunk_of<uInt>(room);
    const uInt in = state_.avail_in, space = state_.avail_out;
    const int result = inflate(&state_, Z_NO_FLUSH);
    left_.remove_prefix(in - state_.avail_in);
    const size_t made = space - state_.avail_out;
    if (result == Z_STREAM_END) {
      // Several gzip files in a row are one; anything else behind them (padding) is not ours.
      if (left_.size() < 2 || !left_.starts_with("\x1f\x8b")) {
        finished_ = true;
      } else {
        inflateReset(&state_);
      }
      return made;
    }
    if (result == Z_BUF_ERROR && left_.empty()) return truncated("gzip");
    if (result != Z_OK && result != Z_BUF_ERROR) return damaged("gzip");
    if (made == 0 && left_.empty()) return truncated("gzip");
    return made;
  }

 private:
  z_stream state_ = {};
};

class ZstdStream : public Decompressor {
 public:
  ZstdStream(std::string_view bytes, const ExpansionGuard& guard)
      : Decompressor(bytes, guard), state_(ZSTD_createDStream()) {}
  ~ZstdStream() override { ZSTD_freeDStream(state_); }
  Status open() {
    if (state_ == nullptr) return damaged("zstd");
    ZSTD_DCtx_setParameter(state_, ZSTD_d_windowLogMax, kZstdWindowLogMax);
    return {};
  }

 protected:
  Result<size_t> step(char* out, size_t room) override {
    ZSTD_inBuffer input = {left_.data(), left_.size(), 0};
    ZSTD_outBuffer output = {out, chunk_of<size_t>(room), 0};
    const size_t result = ZSTD_decompressStream(state_, &output, &input);
    if (ZSTD_isError(result)) return damaged("zstd");
    left_.remove_prefix(input.pos);
    if (left_.empty() && result == 0) finished_ = true;
    if (left_.empty() && result != 0 && output.pos == 0) return truncated("zstd");
    return output.pos;
  }

 private:
  ZSTD_DStream* state_;
};

class Bzip2Stream : public Decompressor {
 public:
  using Decompressor::Decompressor;
  ~Bzip2Stream() override { BZ2_bzDecompressEnd(&state_); }
  Status open() {
    if (BZ2_bzDecompressInit(&state_, 0, 0) != BZ_OK) return damaged("bzip2");
    return {};
  }

 protected:
  Result<size_t> step(char* out, size_t room) override {
    state_.next_in = const_cast<char*>(left_.data());
    state_.avail_in = chunk_of<unsigned>(left_.size());
    state_.next_out = out;
    state_.avail_out = chunk_of<unsigned>(room);
    const unsigned in = state_.avail_in, space = state_.avail_out;
    const int result = BZ2_bzDecompress(&state_);
    left_.remove_prefix(in - state_.avail_in);
    const size_t made = space - state_.avail_out;
    if (result == BZ_STREAM_END) {
      if (!left_.starts_with("BZh")) {
        finished_ = true;
        return made;
      }
      BZ2_bzDecompressEnd(&state_);
      state_ = {};
      HR_TRY(open());
      return made;
    }
    if (result != BZ_OK) return damaged("bzip2");
    if (made == 0 && left_.empty()) return truncated("bzip2");
    return made;
  }

 private:
  bz_stream state_ = {};
};

class XzStream : public Decompressor {
 public:
  using Decompressor::Decompressor;
  ~XzStream() override { lzma_end(&state_); }
  Status open() {
    if (lzma_stream_decoder(&state_, kWindowBytesMax, LZMA_CONCATENATED) != LZMA_OK)
      return damaged("xz");
    return {};
  }

 protected:
  Result<size_t> step(char* out, size_t room) override {
    state_.next_in = reinterpret_cast<const uint8_t*>(left_.data());
    state_.avail_in = left_.size();
    state_.next_out = reinterpret_cast<uint8_t*>(out);
    state_.avail_out = chunk_of<size_t>(room);
    const size_t space = state_.avail_out;
    const lzma_ret result = lzma_code(&state_, LZMA_FINISH);
    left_.remove_prefix(left_.size() - state_.avail_in);
    const size_t made = space - state_.avail_out;
    if (result == LZMA_STREAM_END) finished_ = true;
    if (result == LZMA_MEMLIMIT_ERROR)
      return fail(ErrorCode::too_large, "the xz data needs more than 256 MiB to be unpacked");
    if (result == LZMA_BUF_ERROR) return truncated("xz");
    if (result != LZMA_OK && result != LZMA_STREAM_END) return damaged("xz");
    return made;
  }

 private:
  lzma_stream state_ = LZMA_STREAM_INIT;
};

template <typename Stream>
Result<std::unique_ptr<ByteStream>> open_as(std::string_view bytes, const ExpansionGuard& guard) {
  auto stream = std::make_unique<Stream>(bytes, guard);
  HR_TRY(stream->open());
  return stream;
}

}  // namespace

Status ExpansionGuard::check(uint64_t in, uint64_t out) const {
  constexpr uint64_t kHarmlessBytes = 16ULL << 20;
  constexpr uint64_t kRatioMax = 1000;
  if (out > kHarmlessBytes && out / kRatioMax > in)
    return fail(ErrorCode::too_large,
                "it unpacks to more than 1000 times its size (a decompression bomb?)",
                "unpack it yourself if you trust it");
  if (out > total_max_)
    return fail(ErrorCode::too_large,
                "it unpacks to more than " + std::to_string(total_max_ >> 20) + " MiB",
                "unpack it yourself");
  return {};
}

Result<std::unique_ptr<ByteStream>> open_stream(std::string_view kind, std::string_view bytes,
                                                const ExpansionGuard& guard) {
  if (kind == "tar") return std::make_unique<PlainStream>(bytes);
  if (kind == "gzip") return open_as<GzipStream>(bytes, guard);
  if (kind == "zstd") return open_as<ZstdStream>(bytes, guard);
  if (kind == "bzip2") return open_as<Bzip2Stream>(bytes, guard);
  if (kind == "xz") return open_as<XzStream>(bytes, guard);
  return fail(ErrorCode::unsupported,
              "archives of the kind " + std::string(kind) + " are not read");
}

}  // namespace headrace::archive
