// Batch → the Arrow C data interface: the receiver owns the buffers and releases them.
//
// Threads: pure functions. Errors: none.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/result.h"
#include "batch/arrow_c.h"
#include "batch/column.h"

namespace headrace {

void export_schema(const std::vector<Field>& fields, ArrowSchema* out);
// Moves the batch's buffers behind `out`; no copy.
void export_batch(Batch&& batch, ArrowArray* out);

// A stream that calls `next` for each batch until it gives nothing. `next` runs on the consumer's
// thread.
using BatchSource = std::function<Result<std::optional<Batch>>()>;
void export_stream(std::vector<Field> fields, BatchSource next, ArrowArrayStream* out);

}  // namespace headrace
