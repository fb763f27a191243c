#include "batch/arrow_file.h"

#include <flatbuffers/flatbuffers.h>

#include <array>
#include <string>

#include "base/check.h"

namespace headrace {

namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using AnyTable = flatbuffers::Table;

// Numbers of the fields in Arrow's Message.fbs, Schema.fbs and File.fbs.
constexpr flatbuffers::voffset_t slot(int field) {
  return static_cast<flatbuffers::voffset_t>(4 + 2 * field);
}
constexpr int16_t kVersion5 = 4;
constexpr uint8_t kSchemaHeader = 1;
constexpr uint8_t kRecordBatchHeader = 3;

enum TypeId : uint8_t {
  kInt = 2,
  kFloat = 3,
  kBinary = 4,
  kUtf8 = 5,
  kList = 12,
  kFixedSizeList = 16
};

struct NodeStruct {
  int64_t length;
  int64_t null_count;
};
struct BufferStruct {
  int64_t offset;
  int64_t length;
};
struct BlockStruct {
  int64_t offset;
  int32_t metadata_bytes;
  int32_t padding;
  int64_t body_bytes;
};

std::pair<TypeId, flatbuffers::uoffset_t> build_type(FlatBufferBuilder& builder,
                                                     const Field& field) {
  switch (field.type) {
    case ColumnType::utf8: {
      const auto start = builder.StartTable();
      return {kUtf8, builder.EndTable(start)};
    }
    case ColumnType::binary: {
      const auto start = builder.StartTable();
      return {kBinary, builder.EndTable(start)};
    }
    case ColumnType::int32:
    case ColumnType::int64: {
      const auto start = builder.StartTable();
      builder.AddElement<int32_t>(slot(0), field.type == ColumnType::int32 ? 32 : 64, 0);
      builder.AddElement<uint8_t>(slot(1), 1, 0);
      return {kInt, builder.EndTable(start)};
    }
    case ColumnType::float32:
    case ColumnType::float64: {
      const auto start = builder.StartTable();
      builder.AddElement<int16_t>(slot(0), field.type == ColumnType::float32 ? 1 : 2, 0);
      return {kFloat, builder.EndTable(start)};
    }
    case ColumnType::list: {
      const auto start = builder.StartTable();
      return {kList, builder.EndTable(start)};
    }
    case ColumnType::fixed_list: {
      const auto start = builder.StartTable();
      builder.AddElement<int32_t>(slot(0), field.list_size, 0);
      return {kFixedSizeList, builder.EndTable(start)};
    }
  }
  HR_CHECK(false, "a column type without an Arrow type");
}

Offset<AnyTable> build_field(FlatBufferBuilder& builder, const Field& field) {
  std::vector<Offset<AnyTable>> children;
  for (const Field& child : field.children) children.push_back(build_field(builder, child));
  const auto child_vector = builder.CreateVector(children);
  const auto name = builder.CreateString(field.name);
  const auto [type_id, type] = build_type(builder, field);
  const auto start = builder.StartTable();
  builder.AddOffset(slot(0), name);
  builder.AddElement<uint8_t>(slot(1), field.nullable ? 1 : 0, 0);
  builder.AddElement<uint8_t>(slot(2), type_id, 0);
  builder.AddOffset(slot(3), Offset<void>(type));
  builder.AddOffset(slot(5), child_vector);
  return Offset<AnyTable>(builder.EndTable(start));
}

Offset<AnyTable> build_schema(FlatBufferBuilder& builder, const std::vector<Field>& fields) {
  std::vector<Offset<AnyTable>> built;
  for (const Field& field : fields) built.push_back(build_field(builder, field));
  const auto vector = builder.CreateVector(built);
  const auto start = builder.StartTable();
  builder.AddOffset(slot(1), vector);
  return Offset<AnyTable>(builder.EndTable(start));
}

std::string build_message(FlatBufferBuilder& builder, uint8_t header_type, Offset<AnyTable> header,
                          int64_t body_bytes) {
  const auto start = builder.StartTable();
  builder.AddElement<int16_t>(slot(0), kVersion5, 0);
  builder.AddElement<uint8_t>(slot(1), header_type, 0);
  builder.AddOffset(slot(2), header);
  builder.AddElement<int64_t>(slot(3), body_bytes, 0);
  builder.Finish(Offset<AnyTable>(builder.EndTable(start)));
  return std::string(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

// A vector of Arrow's structs, whose longs need 8-byte places.
template <typename Struct>
Offset<void> struct_vector(FlatBufferBuilder& builder, const std::vector<Struct>& items) {
  builder.ForceVectorAlignment(items.size(), sizeof(Struct), 8);
  builder.StartVector(items.size(), sizeof(Struct));
  builder.PushBytes(reinterpret_cast<const uint8_t*>(items.data()), items.size() * sizeof(Struct));
  return Offset<void>(builder.EndVector(items.size()));
}

// The body of a record batch: all buffers in order, each padded to 8 bytes.
struct Body {
  std::string bytes;
  std::vector<NodeStruct> nodes;
  std::vector<BufferStruct> buffers;

  void add_buffer(const void* data, size_t size) {
    buffers.push_back({static_cast<int64_t>(bytes.size()), static_cast<int64_t>(size)});
    bytes.append(static_cast<const char*>(data), size);
    bytes.resize((bytes.size() + 7) / 8 * 8, '\0');
  }

  void add_column(const Field& field, const Column& column) {
    nodes.push_back({column.length, column.null_count});
    add_buffer(column.validity.data(), column.validity.size());
    if (!column.offsets.empty())
      add_buffer(column.offsets.data(), column.offsets.size() * sizeof(int32_t));
    if (field.type != ColumnType::list && field.type != ColumnType::fixed_list)
      add_buffer(column.data.data(), column.data.size());
    for (size_t i = 0; i < field.children.size(); ++i)
      add_column(field.children[i], column.children[i]);
  }
};

constexpr std::string_view kMagic("ARROW1\0\0", 8);

}  // namespace

ArrowFileWriter::ArrowFileWriter(std::vector<Field> schema, Sink sink)
    : schema_(std::move(schema)), sink_(std::move(sink)) {}

Status ArrowFileWriter::put(std::string_view bytes) {
  position_ += static_cast<int64_t>(bytes.size());
  return sink_(bytes);
}

// A continuation mark, the size, the flatbuffer padded so that the body begins at 8 bytes.
Result<int32_t> ArrowFileWriter::put_message(std::string_view flatbuffer) {
  const auto padded = static_cast<int32_t>((flatbuffer.size() + 7) / 8 * 8);
  std::string message(8, '\xFF');
  message.replace(4, 4, reinterpret_cast<const char*>(&padded), 4);
  message.append(flatbuffer);
  message.resize(8 + static_cast<size_t>(padded), '\0');
  HR_TRY(put(message));
  return padded + 8;
}

Status ArrowFileWriter::begin() {
  HR_TRY(put(kMagic));
  FlatBufferBuilder builder;
  const auto schema = build_schema(builder, schema_);
  HR_TRY(put_message(build_message(builder, kSchemaHeader, schema, 0)));
  return {};
}

Status ArrowFileWriter::write(const Batch& batch) {
  Body body;
  for (size_t i = 0; i < batch.fields.size(); ++i)
    body.add_column(batch.fields[i], batch.columns[i]);
  FlatBufferBuilder builder;
  const auto buffers = struct_vector(builder, body.buffers);
  const auto nodes = struct_vector(builder, body.nodes);
  const auto start = builder.StartTable();
  builder.AddElement<int64_t>(slot(0), batch.length, 0);
  builder.AddOffset(slot(1), nodes);
  builder.AddOffset(slot(2), buffers);
  const auto record_batch = Offset<AnyTable>(builder.EndTable(start));
  const std::string message = build_message(builder, kRecordBatchHeader, record_batch,
                                            static_cast<int64_t>(body.bytes.size()));
  Block block{position_, 0, static_cast<int64_t>(body.bytes.size())};
  HR_ASSIGN(block.metadata_bytes, put_message(message));
  blocks_.push_back(block);
  return put(body.bytes);
}

Status ArrowFileWriter::end() {
  HR_TRY(put(std::string_view("\xFF\xFF\xFF\xFF\0\0\0\0", 8)));
  FlatBufferBuilder builder;
  std::vector<BlockStruct> blocks;
  for (const Block& block : blocks_)
    blocks.push_back({block.offset, block.metadata_bytes, 0, block.body_bytes});
  const auto places = struct_vector(builder, blocks);
  const auto schema = build_schema(builder, schema_);
  const auto start = builder.StartTable();
  builder.AddElement<int16_t>(slot(0), kVersion5, 0);
  builder.AddOffset(slot(1), schema);
  builder.AddOffset(slot(3), places);
  builder.Finish(Offset<AnyTable>(builder.EndTable(start)));
  const auto size = static_cast<int32_t>(builder.GetSize());
  HR_TRY(put({reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()}));
  HR_TRY(put({reinterpret_cast<const char*>(&size), 4}));
  return put(kMagic.substr(0, 6));
}

}  // namespace headrace
