"""Knowledge bases: search, add, delete, inspect."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _arguments, _native
from ._escape import escape
from ._hits import Hit, Hits
from .errors import InvalidArgument
from .models import Model

if TYPE_CHECKING:
    import numpy as np

_DEFAULT_MODEL = "default"
_DIMENSION_MAX = 4096
_HITS_MAX = 100_000
_THREADS_MAX = 1024


class KnowledgeBase:
    """An open knowledge base: many readers, one writer. Use `headrace.open`."""

    def __init__(
        self,
        path: str,
        *,
        model: str | Model | Callable[[Any], Any] | None = _DEFAULT_MODEL,
        dimension: int | None = None,
        metric: str | None = None,
        create: bool = True,
        durability: str = "sync",
        at: int | str | None = None,
    ) -> None:
        if durability not in ("sync", "async"):
            raise InvalidArgument(f"durability is \"sync\" or \"async\", not {durability!r}")

        self.path = _arguments.folder(path)
        self._process = os.getpid()
        own = model is None
        if dimension is not None:
            dimension = _arguments.whole("dimension", dimension, 1, _DIMENSION_MAX)
        if metric is not None and (not isinstance(metric, str) or not metric):
            raise InvalidArgument(f"metric is \"cosine\", \"ip\" or \"l2\", not {metric!r}")
        if own and dimension is None and create and not os.path.exists(self.path):
            raise InvalidArgument(
                f"{self.path} is not there, and to make it without a model needs the dimension",
                "give dimension=…, that of your vectors",
            )
        given = None
        if model is not None and not isinstance(model, str):
            given = model if isinstance(model, Model) else Model(model, dimension=dimension)
            model = given.name
        self._opened: Any = _native.Knowledge(
            self.path,
            create and (not own or dimension is not None),
            own,
            "" if own or model == _DEFAULT_MODEL else model,
            dimension or 0,
            metric or "",
            given._native if given is not None else None,
            durability == "sync",
            "" if at is None else str(at),
        )

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets another process write. From then on this object can do nothing; closing it again is
        allowed."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @property
    def _native(self) -> Any:
        if self._opened is None:
            raise InvalidArgument(
                f"the knowledge base {self.path} is closed", "open it again with headrace.open"
            )
        return self._opened

    @property
    def _writer(self) -> Any:
        # The threads that write stay behind in the process that was forked.
        if os.getpid() != self._process:
            raise InvalidArgument(
                f"the knowledge base {self.path} was opened before this process was forked from the "
                "one that opened it",
                "close it there and open it again here with headrace.open",
            )
        return self._native

    def search(
        self,
        query: str | Any = "",
        k: int = 10,
        mode: str | None = None,
        filter: str | None = None,
        *,
        space: str | None = None,
        group_by: str | None = None,
        sort: str | None = None,
        descending: bool = False,
        facets: str | Sequence[str] | None = None,
        facet_values: int | None = None,
        cursor: str | None = None,
        explain: bool = False,
        fusion: str | None = None,
        text_weight: float | None = None,
        vector_weight: float | None = None,
        title_weight: float | None = None,
        mmr: float | None = None,
        decay: str | None = None,
        plain: bool = False,
        rerank: str | None = None,
        rerank_rows: int = 50,
        recall: float | None = None,
    ) -> Hits:
        """The `k` best rows, best first.

        Args:
            query: text, or a vector of your own (float32, shape [dimension]); "" lists newest rows.
                In a text: "exact phrase" +must -not prefix* title:word.
            mode: "hybrid", "vector" or "text"; default hybrid where there are vectors.
            filter: e.g. "lang = 'de' and year >= 2020 and source like 'docs/%'".
            group_by: a column: the best row of each of its values; "source" for documents.
            sort, descending: order by a column instead of the score (mode text).
            facets: columns whose values are counted over all rows found: `.facets` of the result.
            cursor: `.cursor` of the page before, with the same arguments otherwise.
            explain: each hit says where its score comes from.
            fusion: "standard" or "rrf"; text_weight and vector_weight weigh the two parts.
            title_weight: what a word in the title counts more.
            mmr: diversity, from 1 (the score alone) to 0.
            decay: "COLUMN:HALF-LIFE" such as "date:30d": older rows count less.
            plain: the text has no operators.
            rerank: a cross-encoder that orders the best `rerank_rows` rows anew, a folder or a name
                as in `rerank()`; the hits' scores are its own.
            recall: the least share of the nearest vectors that is found, on average; default 1 (every
                vector is compared) up to 50,000 vectors, then 0.99.

        Raises:
            InvalidArgument: for a filter that cannot be read, with the position.
        """
        k = _arguments.whole("k", k, 0, _HITS_MAX)
        text, vector = None, None
        if isinstance(query, str):
            text = _arguments.well_formed(query)
        else:
            vector = _arguments.vector(query)
        extra = {
            "group_by": group_by,
            "sort": sort,
            "descending": descending,
            "facets": [facets] if isinstance(facets, str) else facets and list(facets),
            "facet_values": facet_values,
            "cursor": cursor,
            "explain": explain,
            "fusion": fusion,
            "text_weight": text_weight,
            "vector_weight": vector_weight,
            "title_weight": title_weight,
            "mmr": mmr,
            "decay": decay,
            "plain": plain,
            "rerank": rerank,
            "rerank_rows": rerank_rows if rerank else None,
            "recall": None if recall is None else _arguments.share("recall", recall),
        }
        given = {name: value for name, value in extra.items() if value is not None}
        hits, found, next_page, warning = self._native.search(
            text, vector, k, mode, filter or "", space or "", given
        )
        if warning:
            import warnings

            warnings.warn(warning, stacklevel=2)
        return Hits(hits, found, next_page)

    def facets(
        self, columns: str | Sequence[str], query: str = "", filter: str | None = None, limit: int = 20
    ) -> dict[Any, Any]:
        """How many of the rows that `query` and `filter` find have each value of a column.

        Returns:
            {value: rows}, most rows first; for several columns {column: {value: rows}}.
        """
        found = self.search(
            query, 0, "text", filter, facets=columns, facet_values=limit
        ).facets
        return found[columns] if isinstance(columns, str) else found

    def search_batch(
        self,
        queries: Any,
        k: int = 10,
        threads: int = 0,
        filter: str | None = None,
        recall: float = 0.95,
        *,
        mode: str | None = None,
        space: str | None = None,
        plain: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answers to many queries at once, on all cores, without the GIL.

        Args:
            queries: vectors, float32 [n, dimension], or a list of texts.
            recall: the least mean recall@k the answers must have; the engine chooses the effort.

        Returns:
            (ids, scores), both [n, k]: ids int64 where all ids are integers (-1 where there is no
            hit), else strings ("" where there is none); scores float32, best first.
        """
        import numpy as np

        k = _arguments.whole("k", k, 1, _HITS_MAX)
        threads = _arguments.whole("threads", threads, 0, _THREADS_MAX)
        recall = _arguments.share("recall", recall)
        if isinstance(queries, str):
            raise InvalidArgument("queries is one text", "give a list of texts: [query]")
        if isinstance(queries, (list, tuple)) and any(isinstance(query, str) for query in queries):
            if odd := [query for query in queries if not isinstance(query, str)]:
                raise InvalidArgument(f"queries are texts or vectors, not texts and {odd[0]!r}")
            texts = [_arguments.well_formed(query) for query in queries]
            ids, scores = self._native.search_batch_texts(
                texts, k, mode, filter or "", recall, threads, space or "", {"plain": plain}
            )
        else:
            vectors = _arguments.matrix("queries", queries)
            if vectors.ndim != 2:
                raise InvalidArgument(f"vectors must have shape [n, dimension], not {list(vectors.shape)}")
            ids, scores = self._native.search_batch_vectors(
                vectors, k, filter or "", recall, threads, space or ""
            )
        if isinstance(ids, list):
            ids = np.array(ids, dtype=str).reshape(scores.shape)
        return ids, scores

    def add(
        self,
        documents: Iterable[Mapping[str, Any]] | Mapping[str, Any] | None = None,
        *,
        ids: Any = None,
        vectors: Any = None,
        text: Sequence[str] | None = None,
        **columns: Sequence[Any],
    ) -> None:
        """Adds or replaces documents; returns when they are durable and searchable.

        Either documents, as {"id", "text", "title", …metadata}, each with a text or a title; or,
        where the knowledge base was opened with model=None, `ids` (whole numbers or texts; of an id
        given twice the last counts) and `vectors` (float32 [n, dimension], or numbers that become
        it) with optional texts and further columns of metadata, each of length n.
        """
        if documents is not None:
            if ids is not None or vectors is not None:
                raise InvalidArgument("give documents, or ids and vectors, not both")
            given = [documents] if isinstance(documents, Mapping) else list(documents)
            self._writer.add([_arguments.document(number, item) for number, item in enumerate(given)])
            return
        if ids is None or vectors is None:
            raise InvalidArgument("give documents, or ids and vectors")
        self._add_vectors(ids, vectors, text, columns)

    def _add_vectors(
        self, ids: Any, vectors: Any, text: Sequence[str] | None, columns: dict[str, Sequence[Any]]
    ) -> None:
        if self._writer.add_plain(ids, vectors, text, columns):
            return
        names = _arguments.ids(ids)
        matrix = _arguments.matrix("vectors", vectors)
        if matrix.size == 0 and len(names) == 0:
            return
        if matrix.ndim != 2 or len(matrix) != len(names):
            raise InvalidArgument(
                f"{len(names)} ids need vectors of shape [{len(names)}, dimension], "
                f"not {list(matrix.shape)}"
            )
        given = {} if text is None else {"text": _arguments.texts(text)}
        given |= {name: _arguments.column(_arguments.sequence(name, cells)) for name, cells in columns.items()}
        for name, values in given.items():
            if len(values) != len(names):
                raise InvalidArgument(f"{name} has {len(values)} values for {len(names)} ids")
        self._writer.add_vectors(names, matrix, given.pop("text", None), given)

    def delete(self, filter: str) -> int:
        """Removes the rows for which `filter` is true; returns how many."""
        return self._writer.delete(filter)

    @property
    def spaces(self) -> list[dict[str, Any]]:
        """The vectors there are: name, model, dimension, metric, rows covered, and whether it is
        the main one, which answers queries where it covers a row."""
        return json.loads(self._native.spaces())["spaces"]

    def add_space(self, model: str, name: str | None = None) -> dict[str, Any]:
        """Gives every row a vector of a further model; returns when all have one.

        Searches go on meanwhile. When it is interrupted, the same call again goes on.

        Args:
            model: as in `.embed()`, also "static:all-MiniLM-L6-v2".
            name: what to call it; by default after the model.

        Returns:
            name, model, dimension, rows covered, added by this call, tokens, seconds.
        """
        return json.loads(self._writer.add_space(model, name or ""))

    def drop_space(self, name: str) -> None:
        """Removes a space with its vectors; the next one takes the main one's place.

        Raises:
            NotFound: when there is none of that name.
        """
        self._writer.drop_space(name)

    def optimize(self) -> None:
        """Brings everything into its final, fully indexed, durable form."""
        self._writer.optimize()

    def history(self) -> dict[str, Any]:
        """What of the past is kept: {"keep_states", "keep_seconds", "states": [{"number",
        "published" (seconds since 1970), "bytes"}, …]}, newest first. `headrace.open(path, at=…)`
        opens one, by its number or by a time."""
        return json.loads(self._native.history())

    def keep_history(self, states: int = 0, days: float = 0.0) -> None:
        """From now on the last `states` states before the present one are kept, and those of the
        last `days`; 0 and 0: none. Each `index` run, `optimize` and full memory gives a state."""
        self._writer.keep_history(states, days)

    def info(self) -> dict[str, Any]:
        """rows, documents, failed, segments, bytes_on_disk, spaces."""
        return json.loads(self._native.info())

    def errors(self) -> list[dict[str, str]]:
        """The documents that failed: source, stage, code, message, hint."""
        return json.loads(self._native.errors())["errors"]

    def verify(self, recall: bool | float = False) -> dict[str, Any]:
        """Reads every byte and checks it: {"ok", "checked_bytes", "problems"}.

        With `recall` (True: 0.95, or a target) it also measures what searches by vector find, space
        by space: "recall": [{"space", "target", "recall", "queries"}].
        """
        target = 0.95 if recall is True else float(recall)
        return json.loads(self._native.verify(target))

    def segments(self) -> list[dict[str, Any]]:
        """Each segment: file (0: in memory), rows, deleted_rows, documents, bytes, vectors."""
        return json.loads(self._native.segments())["segment_list"]

    def backup(self, to: str, *, copy: bool = False) -> dict[str, Any]:
        """A consistent copy in the new or empty folder `to`, also while it is written to.

        Sealed files are hard links where the file system can (quick, and takes no room); with
        `copy` every byte is copied. The backup is a knowledge base itself.
        """
        return json.loads(self._native.backup(os.fspath(to), copy))

    def export(self, path: str) -> int:
        """Writes all rows to F.jsonl or F.arrow; returns how many."""
        return self._native.export(str(path))

    def __len__(self) -> int:
        return int(self.info()["rows"])

    def __repr__(self) -> str:
        if self._opened is None:
            return f"KnowledgeBase({self.path!r}, closed)"
        known = self.info()
        return f"KnowledgeBase({self.path!r}, documents={known['documents']}, rows={known['rows']})"

    def _repr_html_(self) -> str:
        if self._opened is None:
            return f"<b>{escape(self.path)}</b>: closed"
        known = self.info()
        spaces = ", ".join(
            f"{s['name']}: {s['rows']} × {s['dimension']} ({s['model'] or 'own'})"
            for s in known["spaces"]
        )
        return (
            f"<b>{escape(self.path)}</b>: {known['documents']:,} documents, "
            f"{known['rows']:,} rows, {known['failed']:,} failed<br><small>{escape(spaces)}</small>"
        )


def repair(path: str) -> dict[str, Any]:
    """Saves what the damaged files of a knowledge base still prove.

    Returns:
        {"changed", "rows", "documents", "lost": [what could not be saved], "moved": [damaged
        files, kept under another name]}. What is lost is read again by the next `index` run.
    """
    return json.loads(_native.repair(os.fspath(path)))


def open(
    path: str,
    *,
    model: str | Model | Callable[[Any], Any] | None = _DEFAULT_MODEL,
    dimension: int | None = None,
    metric: str | None = None,
    create: bool | None = None,
    durability: str = "sync",
    at: int | str | None = None,
) -> KnowledgeBase:
    """Opens a knowledge base.

    Args:
        path: its folder.
        model: of a new one; None: bring your own vectors of `dimension`. A knowledge base whose
            vectors come from a Python function needs that function (or its `Model`) again.
        dimension, metric: of a new one with own vectors: 1 to 4,096, and "cosine" (the default),
            "ip" or "l2". One that is there must have these, where they are given.
        create: make it when it is not there; by default only with own vectors or an explicit model.
        durability: "sync": what `add` acknowledged survives everything. "async": it does not wait for
            the disk; a killed process loses nothing, a power cut at most the last second or so.
        at: a state of the past, which is read only: a number of `.history()`, or a time such as
            "2026-05-01T12:00Z" (the newest state of that time).

    Raises:
        NotFound: when it is not there and not to be made, or the past state is not kept.
    """
    if create is None:
        create = (model is None and dimension is not None) or model not in (None, _DEFAULT_MODEL)
    return KnowledgeBase(
        path, model=model, dimension=dimension, metric=metric, create=create, durability=durability,
        at=at,
    )
