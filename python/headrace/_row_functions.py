"""The functions of map and filter: called with Arrow batches, and named where they raise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ._causes import tell
from ._packages import needed
from .errors import InvalidArgument

if TYPE_CHECKING:
    import pyarrow


def told_functions(
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
            tell(
                f"the function given to {stage} raised {type(wrong).__name__}: {wrong}",
                "mend the function and run it again; what was acknowledged is kept",
                wrong,
                raised,
            )

    return call


def apply(batches: Iterable[Any], functions: list[Callable[..., Any]]) -> Iterator[Any]:
    """What the functions make of the batches, one after the other; without empty ones."""
    pa = needed("pyarrow")

    for batch in batches:
        results = [batch]
        for fn in functions:
            results = [part for one in results for part in _record_batches(fn(one), pa)]
        yield from (part for part in results if part.num_rows)


def native_batches(stream: Any, raised: list[Exception]) -> Iterator[pyarrow.RecordBatch]:
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


def changed_rows(rows: object, functions: list[Callable[..., Any]]) -> Any:
    """What the functions make of a group of rows; None where nothing is left."""
    pa = needed("pyarrow")

    batches = list(apply(pa.RecordBatchReader.from_stream(_Stream(rows)), functions))
    return pa.Table.from_batches(batches) if batches else None


def fingerprint(functions: list[Callable[..., Any]]) -> str:
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
                digest.update(fingerprint([cell.cell_contents]).encode())
    return digest.hexdigest()[:16]


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
