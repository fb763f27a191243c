// What a search found, as the dicts of which headrace.Hits is made.
//
// Threads: with the GIL held. Errors: those of Python.
#pragma once

#include <nanobind/nanobind.h>

#include "plan/knowledge.h"

namespace headrace::python {

// The fields of headrace.Hit.
nanobind::dict hit_dict(const Hit& hit);
// {"column", "rows", "distinct", "values": [(value, rows), …]}
nanobind::dict facet_dict(const index::FacetCounts& facet);

}  // namespace headrace::python
