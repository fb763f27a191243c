"""Embedding models: text to vectors by the native engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    import numpy as np

DEFAULT_MODEL = "all-MiniLM-L6-v2"

_loaded: dict[tuple[str, str], Model] = {}


class Model:
    """A loaded model. Cheap to call from several threads.

    Args:
        model: a folder, NAME or ORG/NAME (see `headrace models`).
        precision: of the arithmetic: "fp32", "bf16" or "int8" (faster, near).

    Raises:
        NotFound: with every place that was looked at and the command that brings the model.
    """

    def __init__(self, model: str = DEFAULT_MODEL, *, precision: str = "fp32") -> None:
        self.name = model
        self._native = _native.Model(model, precision)

    def embed(self, texts: str | Iterable[str], *, purpose: str = "plain") -> np.ndarray:
        """Vectors of `texts`: float32, shape [n, dimension].

        Args:
            texts: one text or many; longer than the model reads: embedded by their beginning.
            purpose: "query" or "passage" puts the model's own prompt before each text.
        """
        return self._native.embed(_texts(texts), purpose)

    def tokenize(self, text: str) -> dict[str, Any]:
        """{"ids": [...], "offsets": [(start, end), ...]}, special tokens included; code points."""
        return self._native.tokenize(text)

    def info(self) -> dict[str, Any]:
        """Name, dimension, tokens_max, normalized, fingerprint, precision, kernel."""
        return self._native.info()

    def __repr__(self) -> str:
        known = self.info()
        return f"Model({self.name!r}, dimension={known['dimension']}, kernel={known['kernel']!r})"


def _texts(texts: str | Iterable[str]) -> Sequence[str]:
    given = [texts] if isinstance(texts, str) else list(texts)
    # Lone surrogates (from surrogateescape) are no text; they become "?".
    return [t.encode("utf-8", "replace").decode("utf-8") for t in given]


def embed(texts: str | Iterable[str], model: str = DEFAULT_MODEL, *, precision: str = "fp32") -> np.ndarray:
    """Vectors of `texts`: float32, shape [n, dimension]; the model stays loaded."""
    key = (model, precision)
    if key not in _loaded:
        _loaded[key] = Model(model, precision=precision)
    return _loaded[key].embed(texts)


def models() -> list[dict[str, Any]]:
    """Every model found on this machine: name, directory, dimension, licence, problem."""
    return _native.models()
