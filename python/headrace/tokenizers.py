"""Tokenizers: text to token ids and back, the same as Hugging Face `tokenizers` gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from . import _native

if TYPE_CHECKING:
    import numpy as np


class Tokens(NamedTuple):
    """The tokens of one text. Unpacks as (ids, offsets)."""

    ids: np.ndarray  #: int32 [n]
    offsets: np.ndarray  #: uint32 [n, 2]: begin and end in code points; special tokens: 0, 0


class Pair(NamedTuple):
    """The tokens of two texts, as a cross-encoder reads them. Unpacks as (ids, types)."""

    ids: np.ndarray  #: int32 [n]
    types: np.ndarray  #: int32 [n]: which of the two texts a token belongs to (model's choice)


class TokenBatch(NamedTuple):
    """The tokens of many texts one after another. Unpacks as (ids, rows)."""

    ids: np.ndarray  #: int32: all ids
    rows: np.ndarray  #: int64 [texts + 1]: text i has ids[rows[i]:rows[i + 1]]

    def split(self) -> Iterator[np.ndarray]:
        """The ids of each text, as views."""
        for begin, end in zip(self.rows[:-1], self.rows[1:]):
            yield self.ids[begin:end]


class Tokenizer:
    """A model's tokenizer. Immutable; may be used from several threads at once.

    Args:
        model: a tokenizer.json, a folder that holds one, or a model's name (see
            `headrace models`).

    Raises:
        NotFound: there is no such file and no such model.
        Unsupported: the file asks for something that cannot be done exactly; the message names it.
        Damaged: the file breaks its own format.

    Nothing is ever cut or padded: those settings of the file are ignored. Lone surrogates in a text
    (from `surrogateescape`) are no characters; they are read as U+FFFD.
    """

    def __init__(self, model: str) -> None:
        # The arrays need it; loaded here, it does not slow the first text down.
        import numpy  # noqa: F401

        self.name = str(model)
        self._native = _native.Tokenizer(self.name)

    def encode(self, text: str, *, special: bool = True) -> Tokens:
        """Ids and offsets of one text.

        Args:
            special: put the model's special tokens around it.
        """
        return Tokens(*self._native.encode(text, special))

    def encode_pair(self, first: str, second: str) -> Pair:
        """Ids and token types of two texts with the model's special tokens (query, passage)."""
        return Pair(*self._native.encode_pair(first, second))

    def encode_batch(self, texts: Iterable[str], *, special: bool = True) -> TokenBatch:
        """Ids of many texts, in two arrays. The fastest way; the GIL is released."""
        return TokenBatch(*self._native.encode_batch(list(texts), special))

    def decode(self, ids: Sequence[int] | np.ndarray, *, skip_special: bool = True) -> str:
        """The text that ids stand for. Ids that are no tokens are left out."""
        import numpy as np

        return self._native.decode(np.ascontiguousarray(ids, dtype=np.int32), skip_special)

    def token(self, id: int) -> str | None:
        """The token with this id as it stands in the vocabulary."""
        return self._native.token(id)

    def id_of(self, token: str) -> int | None:
        """The id of a token, added ones included."""
        found = self._native.id_of(token)
        return None if found < 0 else found

    def __len__(self) -> int:
        """How many tokens there are, added ones included."""
        return self._native.size()

    @property
    def special_count(self) -> int:
        """How many special tokens `encode` puts around one text."""
        return self._native.special_count()

    def __repr__(self) -> str:
        return f"Tokenizer({self.name!r}, {len(self)} tokens)"


_loaded: dict[str, Tokenizer] = {}


def tokenize(texts: str | Iterable[str], model: str = "all-MiniLM-L6-v2") -> Tokens | TokenBatch:
    """Token ids: `Tokens` of one text, a `TokenBatch` of many; the tokenizer stays loaded."""
    if model not in _loaded:
        _loaded[model] = Tokenizer(model)
    tokenizer = _loaded[model]
    return tokenizer.encode(texts) if isinstance(texts, str) else tokenizer.encode_batch(texts)

