#include "index/section_file.h"

#include <fmt/format.h>

#include "base/check.h"
#include "index/field_codec.h"

namespace headrace::index {
namespace {

constexpr std::string_view kMagic = "HRSECTS1";
constexpr std::string_view kEndMagic = "HRSECEND";
constexpr uint64_t kHeaderBytes = 64;
constexpr uint64_t kTailBytes = 32;  // footer length, footer checksum, file size, end magic
constexpr size_t kSinkBufferBytes = 256 << 10;

std::unexpected<Error> damaged(std::string_view name, std::string_view what) {
  return fail(ErrorCode::damaged, fmt::format("{}: {}", name, what),
              "restore the file from a copy, or index the sources again into a new folder");
}

}  // namespace

std::string_view section_kind_name(SectionKind kind) {
  switch (kind) {
    case SectionKind::documents:
      return "documents";
    case SectionKind::document_text:
      return "document text";
    case SectionKind::rows:
      return "rows";
    case SectionKind::keys:
      return "keys";
    case SectionKind::blobs:
      return "blobs";
    case SectionKind::blob_blocks:
      return "blob blocks";
    case SectionKind::columns:
      return "columns";
    case SectionKind::postings:
      return "postings";
    case SectionKind::vectors:
      return "vectors";
    case SectionKind::deletes:
      return "deletes";
    case SectionKind::sources:
      return "sources";
  }
  return "unknown section";
}

Result<std::unique_ptr<FileSink>> FileSink::create(FileSystem& files, const std::string& path) {
  HR_ASSIGN(auto file, files.create(path));
  return std::unique_ptr<FileSink>(new FileSink(std::move(file)));
}

Status FileSink::append(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > kSinkBufferBytes) {
    HR_TRY(file_->append(buffer_));
    buffer_.clear();
    if (bytes.size() >= kSinkBufferBytes) return file_->append(bytes);
  }
  buffer_.append(bytes);
  return {};
}

Status FileSink::finish() {
  HR_TRY(file_->append(buffer_));
  buffer_.clear();
  HR_TRY(file_->sync());
  return file_->close();
}

void SectionFileWriter::HashingSink::start() {
  hasher_ = std::make_unique<Hasher128>();
  length_ = 0;
}

Status SectionFileWriter::HashingSink::append(std::string_view bytes) {
  hasher_->update(bytes);
  length_ += bytes.size();
  return target_.append(bytes);
}

SectionFileWriter::SectionFileWriter(SectionSink& target, SectionFileType type, uint64_t id,
                                     uint32_t version)
    : target_(target), hashing_(target), type_(type), id_(id), version_(version) {}

Status SectionFileWriter::write_header() {
  started_ = true;
  FieldWriter header;
  header.raw(kMagic);
  header.u32(version_);
  header.u32(static_cast<uint32_t>(type_));
  header.u64(id_);
  header.bytes().resize(kHeaderBytes - 8);
  header.u64(hash64(header.view()));
  position_ = kHeaderBytes;
  return target_.append(header.view());
}

Status SectionFileWriter::pad() {
  static constexpr char kZeros[kSectionAlignment] = {};
  const uint64_t gap = (kSectionAlignment - position_ % kSectionAlignment) % kSectionAlignment;
  position_ += gap;
  return target_.append(std::string_view(kZeros, gap));
}

Status SectionFileWriter::end_section() {
  if (!in_section_) return {};
  in_section_ = false;
  Entry& entry = entries_.back();
  entry.length = hashing_.length();
  entry.checksum = hashing_.digest();
  position_ += entry.length;
  return pad();
}

Result<SectionSink*> SectionFileWriter::begin(SectionKind kind, std::string_view name) {
  if (!started_) HR_TRY(write_header());
  HR_TRY(end_section());
  entries_.push_back({kind, std::string(name), position_, 0, {}});
  hashing_.start();
  in_section_ = true;
  return static_cast<SectionSink*>(&hashing_);
}

Result<SectionFileSeal> SectionFileWriter::finish(uint32_t row_count, uint32_t document_count) {
  if (!started_) HR_TRY(write_header());
  HR_TRY(end_section());
  FieldWriter footer;
  footer.u32(row_count);
  footer.u32(document_count);
  footer.u32(static_cast<uint32_t>(entries_.size()));
  for (const Entry& entry : entries_) {
    footer.u32(static_cast<uint32_t>(entry.kind));
    footer.u64(entry.offset);
    footer.u64(entry.length);
    footer.hash(entry.checksum);
    footer.text(entry.name);
  }
  const uint64_t footer_bytes = footer.size();
  SectionFileSeal seal;
  seal.size = position_ + footer_bytes + kTailBytes;
  footer.u64(footer_bytes);
  footer.u64(seal.size);
  seal.footer_checksum = hash64(footer.view());
  footer.u64(seal.footer_checksum);
  footer.raw(kEndMagic);
  HR_TRY(target_.append(footer.view()));
  return seal;
}

Result<SectionFile> SectionFile::open(std::string_view bytes, std::string name,
                                      SectionFileType type, uint64_t check_bytes_max) {
  if (bytes.size() < kHeaderBytes + kTailBytes || bytes.substr(0, 8) != kMagic) {
    return damaged(name, bytes.size() < kHeaderBytes ? "the file is cut short"
                                                     : "this is no section file of Headrace");
  }
  SectionFile file;
  file.bytes_ = bytes;
  file.name_ = std::move(name);
  FieldReader header(bytes.substr(8, kHeaderBytes - 8));
  const uint32_t version = header.u32();
  file.version_ = version;
  const uint32_t found_type = header.u32();
  file.id_ = header.u64();
  if (load_number<uint64_t>(bytes.data() + kHeaderBytes - 8) !=
      hash64(bytes.substr(0, kHeaderBytes - 8))) {
    return damaged(file.name_, "the header does not match its checksum");
  }
  if (version > kSectionFilePacked) {
    return fail(ErrorCode::unsupported,
                fmt::format("{}: written in version {} of its format; this program reads up to {}",
                            file.name_, version, kSectionFilePacked),
                "use a newer Headrace");
  }
  if (found_type != static_cast<uint32_t>(type)) {
    return damaged(file.name_, "a file of another type stands in its place");
  }
  const char* tail = bytes.data() + bytes.size() - kTailBytes;
  const uint64_t footer_bytes = load_number<uint64_t>(tail);
  file.seal_ = {load_number<uint64_t>(tail + 8), load_number<uint64_t>(tail + 16)};
  if (std::string_view(tail + 24, 8) != kEndMagic || file.seal_.size != bytes.size() ||
      footer_bytes > bytes.size() - kHeaderBytes - kTailBytes) {
    return damaged(file.name_, "the end of the file is missing or damaged");
  }
  const uint64_t footer_at = bytes.size() - kTailBytes - footer_bytes;
  if (hash64(bytes.substr(footer_at, footer_bytes + 16)) != file.seal_.footer_checksum) {
    return damaged(file.name_, "the footer does not match its checksum");
  }
  FieldReader footer(bytes.substr(footer_at, footer_bytes));
  file.row_count_ = footer.u32();
  file.document_count_ = footer.u32();
  const uint32_t count = footer.u32();
  uint64_t end = kHeaderBytes;
  for (uint32_t i = 0; i < count && footer.ok(); ++i) {
    Section section;
    section.kind = static_cast<SectionKind>(footer.u32());
    section.offset = footer.u64();
    const uint64_t length = footer.u64();
    section.checksum = footer.hash();
    section.name = footer.text();
    if (section.offset < end || section.offset - end >= kSectionAlignment ||
        section.offset > footer_at || length > footer_at - section.offset) {
      return damaged(file.name_, "a section lies outside of the file");
    }
    end = section.offset + length;
    section.bytes = bytes.substr(section.offset, length);
    file.sections_.push_back(std::move(section));
  }
  if (!footer.done() || footer_at - end >= kSectionAlignment) {
    return damaged(file.name_, "the footer is malformed");
  }
  for (const Section& section : file.sections_) {
    if (section.bytes.size() <= check_bytes_max) HR_TRY(file.check_section(section));
  }
  return file;
}

const SectionFile::Section* SectionFile::find(SectionKind kind, std::string_view name) const {
  for (const Section& section : sections_) {
    if (section.kind == kind && section.name == name) return &section;
  }
  return nullptr;
}

Result<const SectionFile::Section*> SectionFile::require(SectionKind kind) const {
  const Section* section = find(kind);
  if (section == nullptr) {
    return damaged(name_, fmt::format("the section '{}' is missing", section_kind_name(kind)));
  }
  return section;
}

Status SectionFile::check_section(const Section& section) const {
  if (hash128(section.bytes) == section.checksum) return {};
  return damaged(
      name_, fmt::format("the section '{}'{}{} at byte {} does not match its checksum",
                         section_kind_name(section.kind), section.name.empty() ? "" : " of space ",
                         section.name, section.offset));
}

Status SectionFile::check_all(const CancelToken* cancel) const {
  uint64_t end = kHeaderBytes;
  const auto zero = [&](uint64_t begin, uint64_t stop) {
    return bytes_.substr(begin, stop - begin).find_first_not_of('\0') == std::string_view::npos;
  };
  for (const Section& section : sections_) {
    if (!zero(end, section.offset)) return damaged(name_, "bytes between sections are not zero");
    if (cancel != nullptr) HR_TRY(cancel->check());
    HR_TRY(check_section(section));
    end = section.offset + section.bytes.size();
  }
  const uint64_t footer_bytes = load_number<uint64_t>(bytes_.data() + bytes_.size() - kTailBytes);
  if (!zero(end, bytes_.size() - kTailBytes - footer_bytes)) {
    return damaged(name_, "bytes before the footer are not zero");
  }
  return {};
}

}  // namespace headrace::index
