// Waiting for a descriptor that somebody else writes to, who may take his time: Ctrl-C must not
// wait for him, and a signal that comes just before a read does not end it, so it is asked for now
// and then.
//
// Threads: pure function. Errors: cancelled; what poll says.
#pragma once

#include "base/result.h"
#include "runtime/cancel.h"

namespace headrace {

// Until there is something to read, or the end. `name`: what messages call it.
Status wait_for_input(int descriptor, std::string_view name, const CancelToken& cancel);

}  // namespace headrace
