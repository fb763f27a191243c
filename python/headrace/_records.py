"""Sources of a pipeline as the engine takes them: paths, or records with a source and a text."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from . import _native
from ._arguments import well_formed
from ._causes import tell
from .errors import InvalidArgument

_TEXT_NAMES = ("text", "contents", "content", "body")
_ID_NAMES = ("id", "_id")


def _is_path(source: Any) -> bool:
    return isinstance(source, (str, bytes, os.PathLike))


def source_options(
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
        tell(
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
        source = well_formed(str(source if source is not None else name))
        if not isinstance(text, str):
            yield _failed(source, number, *_why_no_text(column, text, text_names[0]))
            continue
        record = {
            "source": source,
            "title": well_formed(str(title or "")),
            "text": well_formed(text),
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


def records_from_batches(
    batches: Iterable[Any], stream: Any, raised: list[Exception]
) -> Iterator[dict[str, Any]]:
    """Documents that map and filter gave back, then those that failed before they came to them.
    A text that came back as it was keeps its structure; the stream knows it until its next batch."""
    own = {"key", "source", "position", "title", "text", "heading", "modality", "via"}
    own |= {"start", "end", "page", "span", "byte_span", "metadata"}
    number = -1
    for batch in batches:
        if "source" not in batch.schema.names:
            tell(
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
