"""Packages that some calls need and headrace does not bring."""

from __future__ import annotations

import importlib
from typing import Any


def needed(name: str) -> Any:
    """The module `name`.

    Raises:
        ModuleNotFoundError: which says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name != name:
            raise
        raise ModuleNotFoundError(
            f"this needs {name}, which is not installed here: pip install {name}", name=name
        ) from missing
