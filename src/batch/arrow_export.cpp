#include "batch/arrow_export.h"

#include <fmt/format.h>

#include <cerrno>
#include <memory>
#include <string>

namespace headrace {

namespace {

// The C interface hands ownership over as raw pointers; each private_data below is made by
// make_unique, released into the struct and taken back by its release callback.

struct SchemaHolder {
  std::string format;
  std::string name;
  std::vector<std::unique_ptr<ArrowSchema>> children;
  std::vector<ArrowSchema*> child_pointers;
};

void release_schema(ArrowSchema* schema) {
  const std::unique_ptr<SchemaHolder> holder(static_cast<SchemaHolder*>(schema->private_data));
  for (const auto& child : holder->children) {
    if (child->release != nullptr) child->release(child.get());
  }
  schema->release = nullptr;
}

std::string format_of(const Field& field) {
  switch (field.type) {
    case ColumnType::utf8:
      return "u";
    case ColumnType::binary:
      return "z";
    case ColumnType::int32:
      return "i";
    case ColumnType::int64:
      return "l";
    case ColumnType::float32:
      return "f";
    case ColumnType::float64:
      return "g";
    case ColumnType::list:
      return "+l";
    case ColumnType::fixed_list:
      return fmt::format("+w:{}", field.list_size);
  }
  return "n";
}

void fill_schema(const std::string& format, const Field& field, ArrowSchema* out) {
  auto holder = std::make_unique<SchemaHolder>();
  holder->format = format;
  holder->name = field.name;
  for (const Field& child : field.children) {
    holder->children.push_back(std::make_unique<ArrowSchema>());
    fill_schema(format_of(child), child, holder->children.back().get());
    holder->child_pointers.push_back(holder->children.back().get());
  }
  *out = ArrowSchema{holder->format.c_str(),
                     holder->name.c_str(),
                     nullptr,
                     field.nullable ? kArrowFlagNullable : 0,
                     static_cast<int64_t>(holder->children.size()),
                     holder->child_pointers.data(),
                     nullptr,
                     release_schema,
                     nullptr};
  out->private_data = holder.release();
}

struct ArrayHolder {
  Column column;
  std::vector<const void*> buffers;
  std::vector<std::unique_ptr<ArrowArray>> children;
  std::vector<ArrowArray*> child_pointers;
};

void release_array(ArrowArray* array) {
  const std::unique_ptr<ArrayHolder> holder(static_cast<ArrayHolder*>(array->private_data));
  for (const auto& child : holder->children) {
    if (child->release != nullptr) child->release(child.get());
  }
  array->release = nullptr;
}

void finish_array(std::unique_ptr<ArrayHolder> holder, int64_t length, int64_t nulls,
                  ArrowArray* out) {
  for (const auto& child : holder->children) holder->child_pointers.push_back(child.get());
  *out = ArrowArray{length,
                    nulls,
                    0,
                    static_cast<int64_t>(holder->buffers.size()),
                    static_cast<int64_t>(holder->children.size()),
                    holder->buffers.data(),
                    holder->child_pointers.data(),
                    nullptr,
                    release_array,
                    nullptr};
  out->private_data = holder.release();
}

void fill_array(const Field& field, Column&& column, ArrowArray* out) {
  auto holder = std::make_unique<ArrayHolder>();
  holder->column = std::move(column);
  Column& held = holder->column;
  holder->buffers.push_back(held.null_count > 0 ? held.validity.data() : nullptr);
  if (!held.offsets.empty()) holder->buffers.push_back(held.offsets.data());
  if (field.type != ColumnType::list && field.type != ColumnType::fixed_list)
    holder->buffers.push_back(held.data.data());
  for (size_t i = 0; i < field.children.size(); ++i) {
    holder->children.push_back(std::make_unique<ArrowArray>());
    fill_array(field.children[i], std::move(held.children[i]), holder->children.back().get());
  }
  const int64_t length = held.length;
  const int64_t nulls = held.null_count;
  finish_array(std::move(holder), length, nulls, out);
}

struct StreamHolder {
  std::vector<Field> fields;
  BatchSource next;
  std::string last_error;
};

StreamHolder& holder_of(ArrowArrayStream* stream) {
  return *static_cast<StreamHolder*>(stream->private_data);
}

int stream_schema(ArrowArrayStream* stream, ArrowSchema* out) {
  export_schema(holder_of(stream).fields, out);
  return 0;
}

int stream_next(ArrowArrayStream* stream, ArrowArray* out) {
  StreamHolder& holder = holder_of(stream);
  auto batch = holder.next();
  if (!batch) {
    holder.last_error = batch.error().text();
    return EIO;
  }
  if (*batch) {
    export_batch(std::move(**batch), out);
  } else {
    *out = ArrowArray{};
  }
  return 0;
}

const char* stream_last_error(ArrowArrayStream* stream) {
  return holder_of(stream).last_error.c_str();
}

void release_stream(ArrowArrayStream* stream) {
  const std::unique_ptr<StreamHolder> holder(static_cast<StreamHolder*>(stream->private_data));
  stream->release = nullptr;
}

}  // namespace

void export_schema(const std::vector<Field>& fields, ArrowSchema* out) {
  Field root;
  root.children = fields;
  fill_schema("+s", root, out);
}

void export_batch(Batch&& batch, ArrowArray* out) {
  auto holder = std::make_unique<ArrayHolder>();
  holder->buffers.push_back(nullptr);
  for (size_t i = 0; i < batch.fields.size(); ++i) {
    holder->children.push_back(std::make_unique<ArrowArray>());
    fill_array(batch.fields[i], std::move(batch.columns[i]), holder->children.back().get());
  }
  finish_array(std::move(holder), batch.length, 0, out);
}

void export_stream(std::vector<Field> fields, BatchSource next, ArrowArrayStream* out) {
  auto holder = std::make_unique<StreamHolder>();
  holder->fields = std::move(fields);
  holder->next = std::move(next);
  *out = ArrowArrayStream{stream_schema, stream_next, stream_last_error, release_stream, nullptr};
  out->private_data = holder.release();
}

}  // namespace headrace
