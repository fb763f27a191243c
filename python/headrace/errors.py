"""Exceptions: one tree, the same codes and hints as the command line and HTTP."""

from __future__ import annotations


class Error(Exception):
    """Something Headrace could not do.

    Attributes:
        code: stable name of the kind of failure, e.g. "not_found".
        message: what happened, to which thing.
        hint: what to do about it; may be empty.
    """

    code: str = "internal"

    def __init__(self, message: str, hint: str = "", code: str | None = None) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class InvalidArgument(Error, ValueError):
    """The call makes no sense as it stands."""

    code = "invalid_argument"


class NotFound(Error, FileNotFoundError):
    """A file, model or knowledge base that is not there."""

    code = "not_found"


class Damaged(Error):
    """Bytes that break their own format's rules."""

    code = "damaged"


class Unsupported(Error):
    """Understood, but not something Headrace reads or does."""

    code = "unsupported"


class Busy(Error):
    """Another process writes to the knowledge base; the message names it."""

    code = "busy"


class NoSpace(Error, OSError):
    """The disk is full; what was acknowledged is kept."""

    code = "no_space"


class PermissionDenied(Error, PermissionError):
    """The system refused access."""

    code = "permission"


class OutOfBudget(Error, MemoryError):
    """The memory budget cannot hold even this one thing."""

    code = "out_of_budget"


_BY_CODE: dict[str, type[Error]] = {
    kind.code: kind
    for kind in (
        InvalidArgument,
        NotFound,
        Damaged,
        Unsupported,
        Busy,
        NoSpace,
        PermissionDenied,
        OutOfBudget,
    )
}


def make_error(code: str, message: str, hint: str) -> BaseException:
    """The exception for an error of the engine (called by the extension)."""
    if code == "cancelled":
        return KeyboardInterrupt(message)
    return _BY_CODE.get(code, Error)(message, hint, code)
