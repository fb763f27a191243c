"""Lazy pipelines: hr.read(…).chunk(…).embed(…).into(…)."""

from __future__ import annotations

import glob
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from . import _native
from ._escape import escape
from ._packages import needed
from .errors import Error, InvalidArgument
from .models import Model

if TYPE_CHECKING:
    import pyarrow

_TEXT_NAMES = ("text", "contents", "content", "body")
_ID_NAMES = ("id", "_id")


class Report(NamedTuple):
    """What a run did. `documents` counts added, updated, unchanged, removed and failed; `empty`
    documents without any text, of which nothing can be found; `tokens` those embedded in this run;
    `embedding` reused texts and, of a remote endpoint, requests, retries and cost; `without_vectors`
    rows that a run without the model left to be found by words only; `failures` the first documents
    that failed: {"source", "stage", "code", "message"}."""

    documents: dict[str, int]
    rows: int
    tokens: int
    bytes_in: int
    seconds: float
    peak_rss_bytes: int
    searchable_seconds: float
    without_vectors: int = 0
    failures: list[dict[str, str]] = []
    embedding: dict[str, Any] = {}
    empty: int = 0

    def __repr__(self) -> str:
        counted = self.documents | {"empty": self.empty}
        counts = ", ".join(f"{count:,} {name}" for name, count in counted.items() if count)
        reused = self.embedding.get("reused", 0)
        known = f" and {reused:,} known vector{'' if reused == 1 else 's'}" if reused else ""
        return (
            f"Report({counts or 'nothing'}; {self.rows:,} rows, {self.tokens:,} tokens"
            f"{known} in "
            f"{self.seconds:.2f} s, peak {self.peak_rss_bytes / 2**20:.0f} MiB)"
        )

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td style='text-align:left'>{escape(name)}</td><td>{value}</td></tr>"
            for name, value in [
                *((f"documents {name}", f"{count:,}") for name, count in self.documents.items()),
                ("documents empty", f"{self.empty:,}"),
                ("rows", f"{self.rows:,}"),
                ("tokens embedded", f"{self.tokens:,}"),
                ("vectors known before", f"{self.embedding.get('reused', 0):,}"),
                ("bytes read", f"{self.bytes_in:,}"),
                ("seconds", f"{self.seconds:.2f}"),
                ("searchable after, s", f"{self.searchable_seconds:.2f}"),
                ("peak memory, MiB", f"{self.peak_rss_bytes / 2**20:.0f}"),
            ]
        )
        failed = "".join(f"<li>{escape(failure['message'])}</li>" for failure in self.failures)
        more = self.documents.get("failed", 0) - len(self.failures)
        if more > 0:
            failed += f"<li>and {more:,} more: headrace errors lists them</li>"
        return f"<table>{cells}</table>" + (f"<p>Failed:</p><ul>{failed}</ul>" if failed else "")


class Pipeline:
    """A plan that runs when it is consumed: `.into()`, `.to_arrow()`, `.batches()`.

    Immutable: every method returns a new pipeline. Its repr is its plan.
    """

    def __init__(self, source: Any, options: dict[str, Any], stages: tuple[tuple[str, Any], ...] = ()) -> None:
        self._source = source
        self._options = options
        self._stages = stages

    def _with(self, name: str, argument: Any) -> Pipeline:
        return Pipeline(self._source, self._options, (*self._stages, (name, argument)))

    def chunk(
        self, tokens: int = 256, overlap: int | None = None, *, embed_headings: bool | None = None
    ) -> Pipeline:
        """Cuts documents into rows of at most `tokens` tokens, special ones included.

        Tokens are those of the model that `.embed()` names. Without one, and for models whose
        tokenizer is not known (remote ones, functions), a token is four small letters of a word at
        most, three capitals, two digits, or one other visible character; see the guide.

        Args:
            overlap: tokens repeated between rows of a section; by default 32, at most a quarter.
            embed_headings: whether a row's vector is of its `heading` path too ("Chapter > Section",
                cut to a quarter of the tokens); by default what the knowledge base has, else not.
        """
        for name, value in (("tokens", tokens), ("overlap", overlap)):
            if value is not None and not isinstance(value, int):
                raise InvalidArgument(f"{name} is a number of tokens, not {value!r}")
        if overlap is None:
            overlap = min(32, tokens // 4)
        options: dict[str, Any] = {"chunk_tokens": tokens, "overlap": overlap}
        if embed_headings is not None:
            options["embed_headings"] = bool(embed_headings)
        return self._with("chunk", options)

    def embed(
        self,
        model: str | Model | Callable[[Any], Any] | None = None,
        *,
        precision: str | None = None,
        batch: int = 256,
        dimension: int | None = None,
        name: str | None = None,
        as_list: bool = False,
        dimensions: int | None = None,
    ) -> Pipeline:
        """Gives each row a vector; default model all-MiniLM-L6-v2.

        Args:
            model: a name, a `Model`, or a function that gets Arrow record batches of texts (never
                rows), sorted by length, and returns one vector a text.
            precision: of our own encoders: "auto" (default: "int16" where it is faster than "fp32"),
                "fp32", "bf16", "int16", "int8" (faster, near) or "static" (the static model
                distilled from it).
            batch, dimension, name, as_list: of a function; see `Model`.
            dimensions: cut the model's vectors to so many; see `Model`. The knowledge base
                remembers it, so that queries are cut alike.
        """
        if model is not None and not isinstance(model, (str, Model)):
            model = Model(model, batch=batch, dimension=dimension, name=name, as_list=as_list)
        embedded = self._with("embed", model)
        if precision is not None:
            embedded = embedded._with("precision", precision)
        if dimensions is not None:
            embedded = embedded._with("dimensions", dimensions)
        return embedded

    def map(self, fn: Callable[[pyarrow.RecordBatch], Any]) -> Pipeline:
        """Calls fn(batch) with Arrow record batches; it returns a batch or table of any length.

        Before `.chunk()` a batch holds documents, after it rows; columns that fn adds become
        metadata. A document whose text comes back as it was, in the answer to its own batch, keeps
        its structure (headings, pages, lines, links); another text is cut by its paragraphs. After `.chunk()` fn keeps the "key" column, may drop rows and change text, title
        and heading; another function redoes documents that did not change themselves.
        """
        return self._with("map", fn)

    def filter(self, condition: Callable[[pyarrow.RecordBatch], Any]) -> Pipeline:
        """Keeps the rows for which condition(batch), a boolean array, is true."""

        def keep(batch: pyarrow.RecordBatch) -> Any:
            pa = needed("pyarrow")

            mask = condition(batch)
            return batch.filter(mask if isinstance(mask, (pa.Array, pa.ChunkedArray)) else pa.array(mask, pa.bool_()))

        return self._with("filter", keep)

    def into(
        self,
        kb: str,
        *,
        model: str | None = None,
        precision: str | None = None,
        dimensions: int | None = None,
        memory: int | str | None = None,
        threads: int = 0,
        instant: bool = False,
        prune: bool = False,
        dry_run: bool = False,
        watch: bool = False,
        language: str | None = None,
        cache: str | None = None,
        progress: bool | None = None,
    ) -> Report:
        """Runs the pipeline into a knowledge base, incrementally and durably.

        Args:
            kb: its folder, made when it is not there.
            model: as in `.embed()`; "none" for no vectors.
            precision, dimensions: as in `.embed()`.
            memory: budget of the whole process, bytes or "1GiB".
            instant: rows are searchable at once, by words and by a static model distilled from
                `model`; the model's own vectors follow. Killed at any time, the next run goes on.
            prune: remove documents that vanished from the sources; where the source is records
                (an iterable, a table), every other document that came as a record.
            cache: a folder for vectors to keep between runs, or "off"; see `Model`.
            progress: show a bar; by default in terminals and notebooks.

        Raises:
            Busy: another process writes to it. NoSpace: the disk is full; what was acknowledged
            is kept. KeyboardInterrupt: on Ctrl-C; the same call goes on where it stopped.
        """
        raised: list[Exception] = []
        options = self._native_options(raised)
        if late := self._late_stages(raised):
            options["on_rows"] = lambda rows: _changed_rows(rows, late)
            options["function_fingerprint"] = _fingerprint(self._late_stages())
        options |= {
            "kb": os.fspath(kb),
            "memory": _bytes(memory),
            "threads": threads,
            "instant": instant,
            "prune": prune,
            "dry_run": dry_run,
            "watch": watch,
            "language": language or "",
            "cache": os.fspath(cache) if cache is not None else "",
        }
        if model is not None:
            options["model"] = model
        elif "model" not in options and self._stages and not self._has("embed"):
            options["model"] = ""
        if precision is not None:
            options["precision"] = precision
        if dimensions is not None:
            options["dimensions"] = dimensions
        if progress is None:
            progress = sys.stderr.isatty() or "ipykernel" in sys.modules
        if progress:
            options["progress"] = _print_progress
        try:
            report = json.loads(_native.ingest(options))
        except Error:
            if raised:
                raise raised[0] from raised[0].__cause__
            raise
        finally:
            if progress:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        return Report(**report)

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """Arrow record batches, as they are made. A document that fails is left out, and a
        `RuntimeWarning` at the end says how many did and why."""
        raised: list[Exception] = []
        stream = _native.RowStream(self._native_options(raised, split=True))
        yield from self._apply(_batches(stream, raised), self._late_stages(raised))
        _warn_of_failures(json.loads(stream.errors()))

    def to_arrow(self) -> pyarrow.Table:
        """Everything as one pyarrow.Table."""
        pa = needed("pyarrow")

        batches = list(self.batches())
        if not batches:
            reader = pa.RecordBatchReader.from_stream(
                _native.RowStream({**self._native_options([], split=True), "paths": [], "records": iter(())})
            )
            return pa.Table.from_batches([], reader.schema)
        return pa.Table.from_batches(batches)

    def to_pandas(self) -> Any:
        needed("pandas")
        return self.to_arrow().to_pandas()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self._late_stages():
            return self.to_arrow().__arrow_c_stream__(requested_schema)
        return _native.RowStream(self._native_options([], split=True)).__arrow_c_stream__()

    def __repr__(self) -> str:
        lines = [f"read({_short(self._source)})"]
        for name, argument in self._stages:
            if name in ("precision", "dimensions"):  # of embed()
                lines[-1] = f"{lines[-1][:-1]}, {name}={argument!r})".replace("(, ", "(")
                continue
            shown = "" if argument is None else getattr(argument, "__name__", repr(argument))
            if isinstance(argument, dict):
                shown = ", ".join(f"{key.removeprefix('chunk_')}={value}" for key, value in argument.items())
            elif isinstance(argument, Model):
                shown = repr(argument.name)
            lines.append(f"  .{name}({shown})")
        return "\n".join(lines)

    # -- from plan to native options ------------------------------------------------------------

    def _has(self, stage: str) -> bool:
        return any(name == stage for name, _ in self._stages)

    def _chunk_at(self) -> int:
        for place, (name, _) in enumerate(self._stages):
            if name in ("chunk", "embed"):
                return place
        return len(self._stages)

    def _late_stages(self, raised: list[Exception] | None = None) -> list[Callable[..., Any]]:
        """Python functions after chunking (or all, when nothing is chunked)."""
        start = self._chunk_at() if self._has("chunk") else len(self._stages)
        return _functions(self._stages[start:], raised)

    def _early_stages(self, raised: list[Exception]) -> list[Callable[..., Any]]:
        return _functions(self._stages[: self._chunk_at()], raised)

    @staticmethod
    def _apply(batches: Iterable[Any], functions: list[Callable[..., Any]]) -> Iterator[Any]:
        pa = needed("pyarrow")

        for batch in batches:
            results = [batch]
            for fn in functions:
                results = [part for one in results for part in _record_batches(fn(one), pa)]
            yield from (part for part in results if part.num_rows)

    def _native_options(self, raised: list[Exception], split: bool = False) -> dict[str, Any]:
        """`raised` gets what the user's functions and iterables raise, as it is told to the user."""
        options = dict(self._options)
        early = self._early_stages(raised)
        if early:
            documents = Pipeline(self._source, self._options)
            stream = _native.RowStream(documents._native_options(raised, split=True))
            changed = self._apply(_batches(stream, raised), early)
            options["records"] = _records_from_batches(changed, stream, raised)
        else:
            options |= _source_options(self._source, self._options, raised)
        for name, argument in self._stages:
            if name == "chunk":
                options |= argument
            elif name == "embed":
                if isinstance(argument, Model):
                    options["given_model"] = argument._native
                    options["precision"] = argument._precision
                    options["dimensions"] = argument._dimensions
                    argument = argument.name
                options["model"] = argument or "all-MiniLM-L6-v2"
                options["embed"] = True
            elif name in ("precision", "dimensions"):
                options[name] = argument
        if split:
            options["chunk"] = self._has("chunk") or self._has("embed")
        return options


def _warn_of_failures(failed: dict[str, Any]) -> None:
    """`failed` as RowStream.errors() tells: the first of them in full, all by number."""
    number = failed["count"]
    if not number:
        return
    first = failed["errors"][:3]
    shown = "\n".join(f"  {error['message']}" for error in first)
    more = f"\n  and {number - len(first):,} more" if number > len(first) else ""
    if more and len(failed["codes"]) > 1:
        by_code = sorted(failed["codes"].items(), key=lambda code: -code[1])
        more += " (" + ", ".join(f"{count:,} {code}" for code, count in by_code) + ")"
    count = "1 document" if number == 1 else f"{number:,} documents"
    warnings.warn(f"{count} could not be read:\n{shown}{more}", RuntimeWarning, stacklevel=4)


def _functions(
    stages: Iterable[tuple[str, Any]], raised: list[Exception] | None
) -> list[Callable[..., Any]]:
    """The functions of map and filter; with `raised`, what they raise is kept there."""
    functions = [(name, fn) for name, fn in stages if name in ("map", "filter")]
    return [fn if raised is None else _telling(name, fn, raised) for name, fn in functions]


def _telling(stage: str, fn: Callable[..., Any], raised: list[Exception]) -> Callable[..., Any]:
    """`fn`, whose exception becomes an Error that names it and has it as its cause."""

    def call(batch: Any) -> Any:
        try:
            return fn(batch)
        except Exception as wrong:
            _tell(
                f"the function given to {stage} raised {type(wrong).__name__}: {wrong}",
                "mend the function and run it again; what was acknowledged is kept",
                wrong,
                raised,
            )

    return call


def _tell(message: str, hint: str, wrong: Exception, raised: list[Exception]) -> NoReturn:
    """Raises and keeps an Error whose cause is `wrong`; an Error is raised as it is."""
    if isinstance(wrong, Error):
        raised.append(wrong)
        raise wrong
    told = InvalidArgument(message, hint)
    told.__cause__ = wrong
    raised.append(told)
    raise told


def _batches(stream: Any, raised: list[Exception]) -> Iterator[pyarrow.RecordBatch]:
    """What a native stream gives; its errors as ours, which Arrow would make OSErrors."""
    pa = needed("pyarrow")

    try:
        yield from pa.RecordBatchReader.from_stream(stream)
    except (OSError, pa.ArrowException):
        if raised:
            raise raised[0] from raised[0].__cause__
        stream.check()
        raise
    stream.check()  # Ctrl-C looks like an end to Arrow


class _Stream:
    """A capsule as an object that pyarrow reads."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._capsule


def _changed_rows(rows: object, functions: list[Callable[..., Any]]) -> Any:
    """What the functions make of a group of rows; None where nothing is left."""
    pa = needed("pyarrow")

    batches = list(Pipeline._apply(pa.RecordBatchReader.from_stream(_Stream(rows)), functions))
    return pa.Table.from_batches(batches) if batches else None


def _fingerprint(functions: list[Callable[..., Any]]) -> str:
    """Changes with the code of the functions (not with what they reach from outside)."""
    import hashlib

    digest = hashlib.sha256()
    for fn in functions:
        code = getattr(fn, "__code__", None)
        parts = (getattr(fn, "__qualname__", type(fn).__qualname__),)
        if code is not None:
            inner = [c.co_code for c in code.co_consts if hasattr(c, "co_code")]
            constants = [repr(c) for c in code.co_consts if not hasattr(c, "co_code")]
            parts += (code.co_code, code.co_names, constants, inner)
        digest.update(repr(parts).encode())
        for cell in getattr(fn, "__closure__", None) or ():
            if callable(cell.cell_contents):
                digest.update(_fingerprint([cell.cell_contents]).encode())
    return digest.hexdigest()[:16]


def read(
    source: Any,
    *,
    include: Iterable[str] | str = (),
    exclude: Iterable[str] | str = (),
    text: str | None = None,
    id: str | None = None,
    title: str | None = None,
) -> Pipeline:
    """Documents from anywhere.

    Args:
        source: a path, folder or glob; a list of them; an iterable of strings or of dicts with
            "text" (and "id", "title", metadata); any object with `__arrow_c_stream__` (pyarrow,
            Polars, DuckDB, pandas).
        include, exclude: globs for folders.
        text, id, title: which columns or fields hold what; by default the usual names.
    """
    options: dict[str, Any] = {
        "include": [include] if isinstance(include, str) else list(include),
        "exclude": [exclude] if isinstance(exclude, str) else list(exclude),
    }
    if text is not None:
        options["text_column"] = text
    if id is not None:
        options["id_column"] = id
    if title is not None:
        options["title_column"] = title
    return Pipeline(source, options)


def watch(source: Any, **options: Any) -> _Watch:
    """Like `read`, for sources that are followed: `.into(kb)` returns only on Ctrl-C."""
    return _Watch(read(source, **options))


class _Watch(NamedTuple):
    pipeline: Pipeline

    def into(self, kb: str, **options: Any) -> Report:
        """Runs, then follows the source until Ctrl-C; changes are searchable within a second."""
        return self.pipeline.into(kb, watch=True, **options)


def _is_path(source: Any) -> bool:
    return isinstance(source, (str, bytes, os.PathLike))


def _source_options(
    source: Any, options: dict[str, Any], raised: list[Exception]
) -> dict[str, Any]:
    if _is_path(source):
        return {"paths": [os.fspath(source)]}
    if hasattr(source, "__arrow_c_stream__"):
        return {"records": _records(_arrow_rows(source), options)}
    if isinstance(source, Mapping):
        return {"records": _records(iter([source]), options)}
    if isinstance(source, (list, tuple)):
        if _are_paths(source):
            return {"paths": [os.fspath(item) for item in source]}
        return {"records": _records(iter(source), options)}
    if isinstance(source, Iterable):
        return {"records": _records(_told(source, raised), options)}
    raise InvalidArgument(
        f"cannot read from {type(source).__name__}",
        "give a path, an iterable of strings or dicts, or an Arrow table",
    )


def _are_paths(items: list[Any] | tuple[Any, ...]) -> bool:
    """A list of strings may be texts or paths. It is paths when one of them is there and the others
    could be (a missing one is then said to be missing), or when all are written like files."""
    if not items or not all(_is_path(item) for item in items):
        return False
    if all(not isinstance(item, str) for item in items):
        return True
    texts = [os.fspath(item) for item in items if isinstance(item, str)]
    return all(_is_there(text) or _is_written_like_a_file(text) for text in texts)


def _is_there(path: str) -> bool:
    if len(path) >= 4096 or "\n" in path or "\0" in path:
        return False
    if os.path.exists(path):
        return True
    return glob.has_magic(path) and next(glob.iglob(path, recursive=True), None) is not None


def _is_written_like_a_file(text: str) -> bool:
    """"docs/a.txt", "*.md": no spaces, and an ending or a folder."""
    name = os.path.basename(text)
    return not any(c.isspace() for c in text) and len(text) < 4096 and (
        os.sep in text[:-1] or (0 < name.rfind(".") < len(name) - 1)
    )


class _Unreadable(NamedTuple):
    """A row of a table that cannot be read."""

    why: str
    hint: str


def _arrow_rows(producer: Any) -> Iterator[dict[str, Any] | _Unreadable]:
    """What is wrong with the table itself is said at once."""
    reader = _native.ArrowRecords(producer)

    def rows() -> Iterator[dict[str, Any] | _Unreadable]:
        while (batch := reader.next_batch()) is not None:
            for row in batch:
                yield _Unreadable(*row) if isinstance(row, tuple) else row

    return rows()


def _told(items: Iterable[Any], raised: list[Exception]) -> Iterator[Any]:
    """The items; what the user's iterable raises is kept in `raised`."""
    try:
        yield from items
    except Exception as wrong:
        _tell(
            f"the records given to read() ended with {type(wrong).__name__}: {wrong}",
            "mend the iterable and run it again; what was acknowledged is kept",
            wrong,
            raised,
        )


def _records(items: Iterator[Any], options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Strings and dicts → records of the engine. Without an id a record is known by its content.

    One without text is given as a failed document: the others go on.
    """
    text_names, id_names, title_names = (
        (options[f"{part}_column"],) if options.get(f"{part}_column") else usual
        for part, usual in (("text", _TEXT_NAMES), ("id", _ID_NAMES), ("title", ("title",)))
    )
    for number, item in enumerate(items):
        if isinstance(item, str):
            item = {text_names[0]: item}
        if isinstance(item, _Unreadable):
            yield _failed(f"record-{number}", number, *item)
            continue
        if not isinstance(item, Mapping):
            why = f"is {type(item).__name__}, neither text nor dict"
            yield _failed(f"record-{number}", number, why, "give a str, or a dict with \"text\"")
            continue
        metadata = dict(item)
        column = next((name for name in text_names if name in metadata), None)
        text = None if column is None else metadata.pop(column)
        title = next((metadata.pop(name) for name in title_names if name in metadata), None)
        source = metadata.pop("source", None)
        id_name = next((i for i in id_names if metadata.get(i) is not None), None)
        name = metadata[id_name] if id_name is not None else None
        if id_name == "_id":
            del metadata["_id"]
        is_numbered = name is None and source is None
        if name is None:
            name = source if source is not None else f"record-{number}"
        if metadata.get("id") is not None and id_name != "id":
            _keep_aside(metadata)
        metadata["id"] = name
        source = _clean(str(source if source is not None else name))
        if not isinstance(text, str):
            yield _failed(source, number, *_why_no_text(column, text, text_names[0]))
            continue
        record = {
            "source": source,
            "title": _clean(str(title or "")),
            "text": _clean(text),
            "metadata": metadata,
        }
        yield record | {"is_numbered": True} if is_numbered else record


def _keep_aside(metadata: dict[str, Any]) -> None:
    """A field "id" that is not the record's id."""
    name = "_id"
    while name in metadata:
        name = "_" + name
    metadata[name] = metadata["id"]


def _why_no_text(column: str | None, text: Any, usual: str) -> tuple[str, str]:
    if column is None:
        return f'has no "{usual}"', "give it one, or name the column: read(…, text=…)"
    if text is None:
        return f'has nothing in "{column}"', "give it a text, or leave the record out"
    kind = type(text).__name__
    return f'has {kind} in "{column}", which is no text', "give it a str, or leave the record out"


def _failed(source: str, number: int, why: str, hint: str) -> dict[str, Any]:
    """A record that could not be read, as the engine takes it; records count from 0."""
    named = "" if source == f"record-{number}" else f" ({source})"
    return {
        "source": source,
        "stage": "read",
        "code": InvalidArgument.code,
        "message": f"record {number}{named} {why}",
        "hint": hint,
    }


def _records_from_batches(
    batches: Iterable[Any], stream: Any, raised: list[Exception]
) -> Iterator[dict[str, Any]]:
    """Documents that map and filter gave back, then those that failed before they came to them.
    A text that came back as it was keeps its structure; the stream knows it until its next batch."""
    own = {"key", "source", "position", "title", "text", "heading", "modality", "via"}
    own |= {"start", "end", "page", "span", "byte_span", "metadata"}
    number = -1
    for batch in batches:
        if "source" not in batch.schema.names:
            _tell(
                'map before chunk() gave rows without a "source" column',
                "keep the source column: it says which document a row is",
                KeyError("source"),
                raised,
            )
        for row in batch.to_pylist():
            number += 1
            if not isinstance(row.get("text"), str):
                why, hint = _why_no_text("text" if "text" in row else None, row.get("text"), "text")
                yield _failed(row.get("source") or f"record-{number}", number, why, hint)
                continue
            metadata = json.loads(row.get("metadata") or "{}")
            metadata |= {name: value for name, value in row.items() if name not in own}
            yield {
                "source": row["source"],
                "title": row.get("title") or "",
                "text": row["text"],
                "metadata": metadata,
                "structure": stream.structure(row.get("source") or "", row["text"]),
            }
    failed = json.loads(stream.errors())
    yield from failed["errors"]
    if more := failed["count"] - len(failed["errors"]):
        message = f"records:more: {more:,} failures more, beside those that are listed"
        hint = "mend those that are listed and run it again"
        yield {"source": "records:more", "stage": "read", "code": "damaged", "message": message, "hint": hint, "count": more}


def _record_batches(result: Any, pa: Any) -> list[Any]:
    if isinstance(result, pa.RecordBatch):
        return [result]
    if isinstance(result, pa.Table):
        return result.to_batches()
    if hasattr(result, "__arrow_c_stream__"):
        return pa.table(result).to_batches()
    raise InvalidArgument(
        f"a map function returned {type(result).__name__}", "return a record batch or a table"
    )


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _bytes(size: int | str | None) -> int:
    if size is None:
        return 0
    if isinstance(size, int):
        return size
    units = {"k": 10, "m": 20, "g": 30, "t": 40}
    text = size.strip().lower().removesuffix("b").removesuffix("i")
    factor = 1 << units[text[-1]] if text and text[-1] in units else 1
    try:
        return int(float(text.rstrip("kmgt")) * factor)
    except ValueError:
        raise InvalidArgument(f"{size!r} is no size", "write it like 512MiB or 2GiB") from None


def _print_progress(done: int, found: int, rows: int, embedded: int, to_embed: int, failed: int) -> None:
    # Attachments and members are done without having been found in a listing.
    line = f"{done:,}/{max(done, found):,} documents, {rows:,} rows"
    if to_embed:
        line += f", {embedded:,}/{to_embed:,} embedded"
    if failed:
        line += f", {failed:,} failed"
    print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _short(source: Any) -> str:
    text = repr(source)
    return text if len(text) <= 80 else text[:77] + "..."
