#include "hit_binding.h"

#include <nanobind/stl/string.h>

#include "value_binding.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

nb::dict explanation_dict(const index::Explanation& explanation) {
  const auto or_none = [](const std::optional<float>& x) {
    return x ? nb::cast(*x) : nb::object(nb::none());
  };
  const auto rank = [](uint32_t place) {
    return place == 0 ? nb::object(nb::none()) : nb::cast(place);
  };
  nb::dict result;
  result["text"] = or_none(explanation.text);
  result["vector"] = or_none(explanation.vector);
  result["text_rank"] = rank(explanation.text_rank);
  result["vector_rank"] = rank(explanation.vector_rank);
  result["decay"] = or_none(explanation.decay);
  nb::list terms;
  for (const auto& term : explanation.terms) {
    nb::dict entry;
    entry["term"] = term.text;
    entry["tf"] = term.tf;
    entry["df"] = term.df;
    entry["score"] = term.score;
    terms.append(entry);
  }
  result["terms"] = terms;
  return result;
}

}  // namespace

nb::dict hit_dict(const Hit& hit) {
  const Row& row = hit.row;
  nb::dict result;
  result["key"] = row.key;
  result["score"] = hit.score;
  result["source"] = row.source;
  result["title"] = row.title;
  result["text"] = row.text;
  result["heading"] = row.heading;
  result["modality"] = row.modality;
  result["via"] = row.via.empty() ? nb::object(nb::none()) : nb::cast(row.via);
  result["start"] = row.start_s ? nb::cast(*row.start_s) : nb::object(nb::none());
  result["end"] = row.end_s ? nb::cast(*row.end_s) : nb::object(nb::none());
  result["page"] = row.page == 0 ? nb::object(nb::none()) : nb::cast(row.page);
  result["line"] = row.line == 0 ? nb::object(nb::none()) : nb::cast(row.line);
  result["span"] = nb::make_tuple(row.span_begin, row.span_end);
  result["byte_span"] =
      row.byte_begin
          ? nb::object(nb::make_tuple(*row.byte_begin, *row.byte_begin + row.text.size()))
          : nb::object(nb::none());
  result["thumbnail"] = nb::none();
  result["metadata"] = to_python(row.metadata);
  nb::list matches;
  for (const index::MatchRange& range : hit.matches)
    matches.append(nb::make_tuple(range.begin, range.end));
  result["matches"] = matches;
  if (hit.explanation) result["explain"] = explanation_dict(*hit.explanation);
  return result;
}

nb::dict facet_dict(const index::FacetCounts& facet) {
  nb::dict result;
  result["column"] = facet.column;
  result["rows"] = facet.rows;
  result["distinct"] = facet.distinct;
  nb::list values;
  for (const auto& count : facet.values) {
    values.append(nb::make_tuple(to_python(count.value), count.rows));
  }
  result["values"] = values;
  return result;
}

}  // namespace headrace::python
