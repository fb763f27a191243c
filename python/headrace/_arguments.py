"""Arguments as people give them, checked: what makes no sense is told by its name."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any

from .errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np

_INT64 = range(-(2**63), 2**63)


def whole(name: str, value: Any, least: int, most: int) -> int:
    """A whole number within bounds; True is none."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise InvalidArgument(f"{name} is a whole number, not {value!r}")
    if not least <= number <= most:
        raise InvalidArgument(f"{name} is {least:,} to {most:,}, not {number:,}")
    return number


def share(name: str, value: Any) -> float:
    """A part of one, more than nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise InvalidArgument(f"{name} is a share above 0 and up to 1, not {value!r}")
    return float(value)


def matrix(name: str, values: Any) -> np.ndarray:
    """Numbers of any kind and order in memory as float32, C-contiguous; their shape is the caller's."""
    import numpy as np

    try:
        given = np.asarray(values)
    except ValueError:  # rows of different lengths
        raise InvalidArgument(
            f"{name} have rows of different lengths", "give an array of shape [n, dimension]"
        ) from None
    if given.dtype.kind not in "fiubO":
        raise InvalidArgument(f"{name} are numbers, not {given.dtype}", "give float32, or what becomes it")
    try:
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, which is refused
            return np.ascontiguousarray(given, dtype=np.float32)
    except (TypeError, ValueError):
        raise InvalidArgument(
            f"{name} are numbers, not objects", "give float32, or what becomes it"
        ) from None


def sequence(name: str, values: Any) -> Any:
    """A list, a tuple, an array …: one value a row, in order. Others become a list."""
    if isinstance(values, (str, bytes, Mapping, Set)) or not isinstance(values, Iterable):
        raise InvalidArgument(
            f"{name} is {type(values).__name__}, not a list or an array",
            "give one value a row, in order",
        )
    return values if hasattr(values, "__len__") else list(values)


def column(values: Any) -> Any:
    """Arrays of numbers and booleans as the engine reads them, without an object a value; else a list."""
    import numpy as np

    if isinstance(values, np.ndarray) and values.ndim == 1:
        if values.dtype.kind == "i" or (values.dtype.kind == "u" and values.dtype.itemsize < 8):
            return np.ascontiguousarray(values, dtype=np.int64)
        if values.dtype.kind == "f":
            return np.ascontiguousarray(values, dtype=np.float64)
        if values.dtype.kind == "b":
            return np.ascontiguousarray(values)
        if values.dtype.kind in "Mm":  # a list of theirs would be of plain numbers
            return list(values)
    return values.tolist() if hasattr(values, "tolist") else list(values)


def ids(values: Any) -> Any:
    """Integers of 64 bits or texts; what stands for no hit in answers is no id."""
    import numpy as np

    given = column(sequence("ids", values))
    if isinstance(given, np.ndarray) and given.dtype == np.int64:
        wrong = np.flatnonzero(given == -1)
        if len(wrong):
            _refuse_id(int(wrong[0]), "is -1, which stands for no hit in answers")
        return given
    if _are_fine(given):
        return given
    for row, value in enumerate(given):
        if isinstance(value, str):
            if not value:
                _refuse_id(row, "is empty, which stands for no hit in answers")
        elif isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
            _refuse_id(row, f"is {value!r}, neither a whole number nor a text")
        elif value == -1:
            _refuse_id(row, "is -1, which stands for no hit in answers")
        elif operator.index(value) not in _INT64:
            _refuse_id(row, f"is {value}, beyond 64 bits")
    # numpy's integers are not Python's.
    return [value if isinstance(value, str) else operator.index(value) for value in given]


def _are_fine(given: Any) -> bool:
    """The usual case, at the speed of the interpreter's own loops."""
    kinds = set(map(type, given))
    if kinds == {int}:
        return -1 not in given and min(given) in _INT64 and max(given) in _INT64
    return kinds == {str} and "" not in given


def _refuse_id(row: int, why: str) -> None:
    raise InvalidArgument(
        f"id {row} {why}", "give whole numbers of 64 bits or texts; nothing of this call was added"
    )


def texts(values: Any) -> list[Any]:
    """A text or None a row."""
    given = column(sequence("text", values))
    if set(map(type, given)) <= {str, type(None)}:
        return given
    for row, value in enumerate(given):
        if value is not None and not isinstance(value, str):
            raise InvalidArgument(
                f"text {row} is {type(value).__name__}, neither a text nor None",
                "give one text a row; nothing of this call was added",
            )
    return given


def well_formed(text: str) -> str:
    """Half a surrogate pair, which UTF-8 cannot spell, becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def folder(path: Any) -> str:
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise InvalidArgument(f"a knowledge base is a folder, not {path!r}") from None
    if not name or "\0" in name:
        raise InvalidArgument(f"{name!r} is no path", "give the folder of a knowledge base")
    return name


def document(number: int, given: Any) -> dict[str, Any]:
    """A document that has something to be found by."""
    if not isinstance(given, Mapping):
        raise InvalidArgument(
            f"document {number} is {type(given).__name__}, not a dict",
            'give {"id": …, "text": …}; metadata are further fields',
        )
    text, title = given.get("text"), given.get("title")
    if isinstance(text, str) or (text is None and isinstance(title, str) and title):
        return dict(given)
    name = given.get("id", given.get("_id"))
    named = f"document {number}" if name is None else f"document {number} ({name})"
    why = 'no "text"' if text is None else f'{type(text).__name__} in "text", which is no text'
    raise InvalidArgument(f"{named} has {why}", "give it a str; nothing of this call was added")


def vector(values: Any) -> np.ndarray:
    import numpy as np

    if np.ndim(values) == 0:
        raise InvalidArgument(f"a query is a text or a vector, not {values!r}")
    vector = matrix("the values of a query", values)
    if vector.ndim != 1:
        raise InvalidArgument("a query vector must have shape [dimension]; use search_batch for many")
    return vector
