#include "index/manifest.h"

#include <fmt/format.h>

#include <algorithm>

#include "index/field_codec.h"
#include "index/log_records.h"

namespace headrace::index {
namespace {

constexpr std::string_view kMagic = "HRMANIFS";
constexpr uint64_t kManifestBytesMax = 1ULL << 30;

struct KindName {
  FileKind kind;
  std::string_view prefix;
};
constexpr KindName kKindNames[] = {
    {FileKind::manifest, "manifest-"}, {FileKind::log, "log-"},
    {FileKind::segment, "segment-"},   {FileKind::vectors, "vectors-"},
    {FileKind::deletes, "deletes-"},
};

void encode_seal(const SectionFileSeal& seal, FieldWriter& out) {
  out.u64(seal.size);
  out.u64(seal.footer_checksum);
}
SectionFileSeal decode_seal(FieldReader& in) {
  SectionFileSeal seal;
  seal.size = in.u64();
  seal.footer_checksum = in.u64();
  return seal;
}

std::unexpected<Error> damaged(std::string_view path, std::string_view what) {
  return fail(ErrorCode::damaged, fmt::format("{}: {}", path, what),
              "restore the file from a copy, or index the sources again into a new folder");
}

void decode_segments(FieldReader& in, Manifest& manifest) {
  const uint64_t segments = in.count(24);
  for (uint64_t i = 0; i < segments && in.ok(); ++i) {
    ManifestSegment segment;
    segment.file = in.u64();
    segment.seal = decode_seal(in);
    segment.row_count = in.u32();
    segment.document_count = in.u32();
    const uint64_t patches = in.count(24);
    for (uint64_t j = 0; j < patches && in.ok(); ++j) {
      ManifestPatch patch;
      patch.file = in.u64();
      patch.seal = decode_seal(in);
      patch.space = in.text();
      segment.patches.push_back(std::move(patch));
    }
    const uint64_t hidden = in.count();
    for (uint64_t j = 0; j < hidden && in.ok(); ++j) {
      segment.hidden_spaces.emplace_back(in.text());
    }
    manifest.segments.push_back(std::move(segment));
  }
}

}  // namespace

std::string Manifest::encode() const {
  FieldWriter out;
  out.raw(kMagic);
  out.u32(kManifestVersion);
  out.u32(0);
  out.u64(0);  // the file's size, below
  out.u64(number);
  out.hash(knowledge_base);
  out.text(language);
  out.text(settings);
  out.varint(spaces.size());
  for (const Space& space : spaces) encode_space(space, out);
  out.u64(first_log);
  out.u64(next_file);
  out.varint(segments.size());
  for (const ManifestSegment& segment : segments) {
    out.u64(segment.file);
    encode_seal(segment.seal, out);
    out.u32(segment.row_count);
    out.u32(segment.document_count);
    out.varint(segment.patches.size());
    for (const ManifestPatch& patch : segment.patches) {
      out.u64(patch.file);
      encode_seal(patch.seal, out);
      out.text(patch.space);
    }
    out.varint(segment.hidden_spaces.size());
    for (const std::string& space : segment.hidden_spaces) out.text(space);
  }
  out.u64(deletes_file);
  encode_seal(deletes_seal, out);
  out.u64(last_log);
  out.number(published_ms);
  out.u8(is_whole ? 1 : 0);
  out.u32(history.count);
  out.u64(history.seconds);
  out.patch(16, static_cast<uint64_t>(out.size() + 8));
  out.u64(hash64(out.view()));
  return out.take();
}

Result<Manifest> Manifest::decode(std::string_view bytes, std::string_view path) {
  if (bytes.size() < 64 || bytes.substr(0, 8) != kMagic) {
    return damaged(path, "this is no manifest of a knowledge base");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - 8);
  const auto version = load_number<uint32_t>(bytes.data() + 8);
  if (load_number<uint64_t>(bytes.data() + 16) != bytes.size() ||
      load_number<uint64_t>(bytes.data() + body.size()) != hash64(body)) {
    return damaged(path, "the manifest is cut short or does not match its checksum");
  }
  if (version > kManifestVersion) {
    return fail(ErrorCode::unsupported,
                fmt::format("{}: written in version {} of the manifest format; this program reads "
                            "up to {}",
                            path, version, kManifestVersion),
                "use a newer Headrace");
  }
  FieldReader in(body.substr(24));
  Manifest manifest;
  manifest.number = in.u64();
  manifest.knowledge_base = in.hash();
  manifest.language = in.text();
  manifest.settings = in.text();
  const uint64_t spaces = in.count(8);
  for (uint64_t i = 0; i < spaces && in.ok(); ++i) {
    Space space;
    if (!decode_space(in, space)) return damaged(path, "a space is malformed");
    manifest.spaces.push_back(std::move(space));
  }
  manifest.first_log = in.u64();
  manifest.next_file = in.u64();
  decode_segments(in, manifest);
  manifest.deletes_file = in.u64();
  manifest.deletes_seal = decode_seal(in);
  manifest.last_log = manifest.first_log;
  if (version >= 2) {
    manifest.last_log = in.u64();
    manifest.published_ms = in.number<int64_t>();
    manifest.is_whole = in.u8() != 0;
    manifest.history.count = in.u32();
    manifest.history.seconds = in.u64();
  }
  if (!in.done() || manifest.last_log < manifest.first_log)
    return damaged(path, "the manifest is malformed");
  return manifest;
}

FileName parse_file_name(std::string_view name) {
  constexpr std::string_view kTemporary = ".tmp";
  if (name.ends_with(kTemporary)) {
    const FileName base = parse_file_name(name.substr(0, name.size() - kTemporary.size()));
    if (base.kind == FileKind::other || base.kind == FileKind::temporary) return {};
    return {FileKind::temporary, base.number};
  }
  for (const KindName& known : kKindNames) {
    if (!name.starts_with(known.prefix) || name.size() != known.prefix.size() + 16) continue;
    uint64_t number = 0;
    for (const char c : name.substr(known.prefix.size())) {
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (c < 'a' || c > 'f')) return {};
      number = number << 4 | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
    }
    return {known.kind, number};
  }
  return {};
}

std::string file_name(FileKind kind, uint64_t number) {
  for (const KindName& known : kKindNames) {
    if (known.kind == kind) return fmt::format("{}{:016x}", known.prefix, number);
  }
  return {};
}

std::string file_path(const std::string& folder, FileKind kind, uint64_t number) {
  return folder + "/" + file_name(kind, number);
}

Result<Manifest> load_manifest(FileSystem& files, const std::string& folder, uint64_t number) {
  const std::string path = file_path(folder, FileKind::manifest, number);
  HR_ASSIGN(auto file, files.open(path));
  if (file->size() > kManifestBytesMax) return damaged(path, "the manifest is far too long");
  HR_ASSIGN(const std::string bytes, file->read(0, file->size()));
  HR_ASSIGN(Manifest manifest, Manifest::decode(bytes, path));
  if (manifest.number != number) return damaged(path, "it holds another manifest's content");
  return manifest;
}

Result<Manifest> load_newest_manifest(FileSystem& files, const std::string& folder) {
  constexpr int kAttempts = 100;
  for (int attempt = 0;; ++attempt) {
    HR_ASSIGN(const auto names, files.list(folder));
    std::optional<uint64_t> newest;
    bool others = false;
    for (const std::string& name : names) {
      const FileName parsed = parse_file_name(name);
      if (parsed.kind == FileKind::manifest) newest = std::max(newest.value_or(0), parsed.number);
      if (parsed.kind == FileKind::segment) others = true;
    }
    if (!newest) {
      if (others) return damaged(folder, "there are segments, but no manifest that names them");
      return fail(ErrorCode::not_found, fmt::format("{} is no knowledge base", folder),
                  "make one with `headrace index … --into`");
    }
    auto manifest = load_manifest(files, folder, *newest);
    // A newer one may have replaced it between the listing and the reading.
    if (manifest || manifest.error().code() != ErrorCode::not_found || attempt == kAttempts) {
      return manifest;
    }
  }
}

Status publish_manifest(FileSystem& files, const std::string& folder, const Manifest& manifest,
                        bool& visible) {
  const std::string path = file_path(folder, FileKind::manifest, manifest.number);
  const std::string temporary = path + ".tmp";
  const auto write = [&]() -> Status {
    HR_ASSIGN(auto file, files.create(temporary));
    HR_TRY(file->append(manifest.encode()));
    HR_TRY(file->sync());
    HR_TRY(file->close());
    return files.rename(temporary, path);
  };
  if (auto status = write(); !status) {
    static_cast<void>(files.remove(temporary));
    return status;
  }
  visible = true;
  return files.sync_folder(folder);
}

}  // namespace headrace::index
