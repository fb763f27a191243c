"""Lazy pipelines: hr.read(…).chunk(…).embed(…).into(…)."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _native
from ._packages import needed
from ._records import records_from_batches, source_options
from ._report import Report
from ._row_functions import apply, changed_rows, fingerprint, native_batches, told_functions
from .errors import Error, InvalidArgument
from .models import DEFAULT_MODEL, Model, refuse_of_function

if TYPE_CHECKING:
    import pyarrow


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
        model: str | os.PathLike[str] | Model | Callable[[Any], Any] | None = None,
        *,
        precision: str | None = None,
        batch: int | None = None,
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
        if isinstance(model, os.PathLike):
            model = os.fspath(model)
        if model is None or isinstance(model, (str, Model)):
            why = "a Model is made already" if isinstance(model, Model) else f"{model or DEFAULT_MODEL} is a name"
            refuse_of_function(batch, dimension, name, as_list, why)
        else:
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
            options["on_rows"] = lambda rows: changed_rows(rows, late)
            options["function_fingerprint"] = fingerprint(self._late_stages())
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
        if reason := report["embedding"]["not_kept"]:
            warnings.warn(reason, RuntimeWarning, stacklevel=2)
        return Report(**report)

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """Arrow record batches, as they are made. A document that fails is left out, and a
        `RuntimeWarning` at the end says how many did and why."""
        raised: list[Exception] = []
        stream = _native.RowStream(self._native_options(raised, split=True))
        yield from apply(native_batches(stream, raised), self._late_stages(raised))
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
        return told_functions(self._stages[start:], raised)

    def _early_stages(self, raised: list[Exception]) -> list[Callable[..., Any]]:
        return told_functions(self._stages[: self._chunk_at()], raised)

    def _native_options(self, raised: list[Exception], split: bool = False) -> dict[str, Any]:
        """`raised` gets what the user's functions and iterables raise, as it is told to the user."""
        options = dict(self._options)
        early = self._early_stages(raised)
        if early:
            documents = Pipeline(self._source, self._options)
            stream = _native.RowStream(documents._native_options(raised, split=True))
            changed = apply(native_batches(stream, raised), early)
            options["records"] = records_from_batches(changed, stream, raised)
        else:
            options |= source_options(self._source, self._options, raised)
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
