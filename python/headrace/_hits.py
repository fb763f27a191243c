"""What a search found: hits as objects, as a table, as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from ._escape import escape
from ._packages import needed

if TYPE_CHECKING:
    import pandas
    import pyarrow


class Hit(Mapping[str, Any]):
    """One row that was found: fields as attributes and as keys.

    key, score, source, title, text, heading, modality, via, start, end (seconds or None), page and
    line (of the passage in the file that holds most of the query's words; None where it has none), span
    and byte_span (of the decoded text, [begin, end) in code points and in bytes of UTF-8), thumbnail, metadata, matches (byte ranges of the query's words in the text); with explain=True also
    explain: the score of each part and of each term.
    """

    __slots__ = ("_fields",)

    key: str
    score: float
    source: str
    title: str
    text: str
    heading: str
    modality: str
    via: str
    start: float | None
    end: float | None
    page: int | None
    line: int | None
    span: list[int]
    byte_span: list[int] | None
    thumbnail: str | None
    metadata: dict[str, Any]
    matches: list[list[int]]

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        try:
            return self._fields[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._fields})

    def __reduce__(self) -> tuple[type[Hit], tuple[dict[str, Any]]]:
        return Hit, (self._fields,)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Hit({self.score:.3f}, {self.source!r}, {self.text[:60]!r})"

    def _marked(self) -> str:
        data, at, parts = self.text.encode(), 0, []
        for begin, end in self.matches:
            parts.append(escape(data[at:begin].decode("utf-8", "replace")))
            parts.append(f"<mark>{escape(data[begin:end].decode('utf-8', 'replace'))}</mark>")
            at = end
        parts.append(escape(data[at:].decode("utf-8", "replace")))
        return "".join(parts)


class Hits(Sequence[Hit]):
    """Hits, best first: a sequence, and a table by `.arrow()`, `.to_pandas()`, `.to_polars()`.

    `.facets` has {column: {value: rows}} for the facets asked for; `.cursor` leads to the next page
    and is None on the last.
    """

    def __init__(
        self,
        rows: list[dict[str, Any]],
        facets: Iterable[dict[str, Any]] = (),
        cursor: str | None = None,
    ) -> None:
        self._hits = [Hit(row) for row in rows]
        self.facets: dict[str, dict[Any, int]] = {f["column"]: dict(f["values"]) for f in facets}
        self.cursor = cursor or None

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> list[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | list[Hit]:
        return self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    def __repr__(self) -> str:
        return "\n".join(f"{n}. {hit!r}" for n, hit in enumerate(self._hits, 1)) or "no hits"

    def arrow(self) -> pyarrow.Table:
        """A pyarrow.Table; metadata is a column of JSON."""
        pa = needed("pyarrow")

        columns = ["key", "score", "source", "title", "text", "heading", "modality", "via"]
        columns += ["start", "end", "page", "line"]
        table = {name: [hit[name] for hit in self._hits] for name in columns}
        table["metadata"] = [json.dumps(hit.metadata, ensure_ascii=False) for hit in self._hits]
        kinds = {"score": pa.float32(), "start": pa.float64(), "end": pa.float64()}
        kinds |= {"page": pa.int32(), "line": pa.int32()}
        return pa.table(
            {name: pa.array(values, kinds.get(name, pa.string())) for name, values in table.items()}
        )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow().__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> pandas.DataFrame:
        needed("pandas")
        return self.arrow().to_pandas()

    def to_polars(self) -> Any:
        return needed("polars").from_arrow(self.arrow())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{hit.score:.3f}</td><td><b>{escape(hit.title or '')}</b><br>"
            f"<small>{escape(hit.source)}{f' page {hit.page}' if hit.page else ''}</small></td>"
            f"<td style='text-align:left;white-space:pre-line'>{hit._marked()}</td></tr>"
            for hit in self._hits
        )
        return f"<table><tr><th>score</th><th>source</th><th>text</th></tr>{rows}</table>"
