"""What the user's own code raised, kept while the engine ends the run."""

from __future__ import annotations

from typing import NoReturn

from .errors import Error, InvalidArgument


def tell(message: str, hint: str, wrong: Exception, raised: list[Exception]) -> NoReturn:
    """Raises and keeps an Error whose cause is `wrong`; an Error is raised as it is."""
    if isinstance(wrong, Error):
        raised.append(wrong)
        raise wrong
    told = InvalidArgument(message, hint)
    told.__cause__ = wrong
    raised.append(told)
    raise told
