"""Embedding models: text to vectors, by the native engine, ONNX Runtime, an endpoint or a function."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import _arguments, _native
from ._packages import needed
from .errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_PURPOSES = ("plain", "query", "passage")

_loaded: dict[tuple[str, str, str, str, int], Model] = {}
# Native objects that outlive the interpreter are reported as leaked.
atexit.register(_loaded.clear)


class Model:
    """A loaded model. Cheap to call from several threads.

    Args:
        model: a folder, NAME or ORG/NAME (see `headrace models`), `onnx:FILE`,
            `openai:URL#NAME`; or a function that makes vectors (sentence-transformers, torch on a
            GPU, anything). A function gets an Arrow record batch with the column "text" and returns
            one vector a row: a NumPy array, a tensor, an Arrow list array or nested lists.
        long: what becomes of texts longer than the model reads: "cut" (their beginning is
            embedded) or "window" (windows are embedded and their vectors averaged).
        cache: a folder for vectors to keep between runs, or "off"; by default $HEADRACE_CACHE, else
            headrace/vectors in the user's cache folder. What a function makes is never kept.
        batch: the most texts a function gets at once; they come sorted by length, longest first.
        dimension: of a function's vectors; found out by calling it when it is not given.
        name: of a function, by which a knowledge base knows its vectors; give one that changes
            with the weights. By default the function's own name.
        as_list: give the function a list of str instead of an Arrow record batch (for
            `SentenceTransformer(...).encode`).
        precision: of our own encoders: "auto" ("int16" where the CPU is faster with it than with
            floats, cosine 0.99999; else "fp32"), "fp32", "bf16", "int16", "int8" (faster, near) or
            "static" (the static model distilled from it, as `static:NAME`).
        dimensions: cut the vectors of a named model to so many dimensions and bring them to length
            1, for models trained for it (Matryoshka); by default all.

    Raises:
        NotFound: with every place that was looked at and the command that brings the model.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Callable[[Any], Any] = DEFAULT_MODEL,
        *,
        precision: str = "auto",
        long: str = "cut",
        cache: str = "",
        batch: int = 256,
        dimension: int | None = None,
        name: str | None = None,
        as_list: bool = False,
        dimensions: int | None = None,
    ) -> None:
        self._precision, self._dimensions = precision, _checked_dimensions(dimensions)
        if isinstance(model, os.PathLike):
            model = os.fspath(model)
        if isinstance(model, str):
            self.name = model
            self._native = _native.Model(model, precision, long, str(cache or ""), self._dimensions)
            return
        if not callable(model):
            raise InvalidArgument(
                f"a model is a name or a function, not {type(model).__name__}",
                "give a str, or a function that makes vectors",
            )
        _refuse_options("a function", precision=precision, long=long, cache=cache, dimensions=dimensions)
        batch = _arguments.whole("batch", batch, 1, 2**31)
        if dimension is not None:
            dimension = _arguments.whole("dimension", dimension, 1, 65_536)
        called = name or _function_name(model)
        call = _list_caller(model) if as_list else _arrow_caller(model)
        if dimension is None:
            probe = _matrix(model(["dimension"]) if as_list else model(_probe_batch()), 1)
            dimension = int(probe.shape[1])
        self.name = f"python:{called}"
        self._native = _native.Model(call, called, dimension, batch, as_list)

    def embed(self, texts: str | Iterable[str], *, purpose: str = "plain") -> np.ndarray:
        """Vectors of `texts`: float32, shape [n, dimension], without a copy.

        Args:
            texts: one text or many, of any length; identical ones are computed once.
            purpose: "query" or "passage" puts the model's own prompt before each text.
        """
        _arguments.one_of("purpose", purpose, _PURPOSES)
        return self._native.embed(_listed(texts), purpose)

    async def embed_async(self, texts: str | Iterable[str], *, purpose: str = "plain") -> np.ndarray:
        """`embed` for coroutines: the event loop goes on meanwhile."""
        import asyncio

        given = _listed(texts)
        return await asyncio.to_thread(self.embed, given, purpose=purpose)

    def tokenize(self, text: str) -> dict[str, Any]:
        """{"ids": [...], "offsets": [(start, end), ...]}, special tokens included; code points."""
        return self._native.tokenize(text)

    def info(self) -> dict[str, Any]:
        """What is known of it: name, kind, dimension, tokens_max (0: any length), normalized,
        query_prompt, passage_prompt, precision, kernel, fingerprint."""
        return self._native.info()

    def counts(self) -> dict[str, Any]:
        """Of all calls so far: texts, tokens computed, reused texts, texts cut and windowed, and of
        an endpoint: requests, retries, cost."""
        return self._native.counts()

    def __repr__(self) -> str:
        known = self.info()
        return f"Model({self.name!r}, dimension={known['dimension']}, kernel={known['kernel']!r})"


def embed(
    texts: str | Iterable[str],
    model: str | Model | Callable[[Any], Any] = DEFAULT_MODEL,
    *,
    precision: str = "auto",
    long: str = "cut",
    cache: str = "",
    purpose: str = "plain",
    dimensions: int | None = None,
    output: str = "dense",
) -> Any:
    """Vectors of `texts`: float32, shape [n, dimension]; a model given by name stays loaded.

    Args:
        texts, purpose: as in `Model.embed`.
        model, precision, long, cache, dimensions: as in `Model`.
        output: "dense"; or, of a model given by name, "sparse" (a SPLADE model: for each text
            {"indices", "values"}, uint32 words of the vocabulary and their float32 weights) or
            "tokens" (a ColBERT model: for each text float32 [tokens, dimension], rows of length 1).
            These texts are cut to what the model reads, and nothing is kept in the cache.
    """
    if output != "dense":
        return _ragged(texts, model, output, precision, purpose, long, dimensions)
    return _model(model, precision, long, cache, dimensions).embed(texts, purpose=purpose)


async def embed_async(
    texts: str | Iterable[str],
    model: str | Model | Callable[[Any], Any] = DEFAULT_MODEL,
    *,
    precision: str = "auto",
    long: str = "cut",
    cache: str = "",
    purpose: str = "plain",
    dimensions: int | None = None,
) -> np.ndarray:
    """`embed` for coroutines: the event loop goes on while the model is loaded and computes."""
    import asyncio

    given = _listed(texts)
    return await asyncio.to_thread(
        embed,
        given,
        model,
        precision=precision,
        long=long,
        cache=cache,
        purpose=purpose,
        dimensions=dimensions,
    )


DEFAULT_RERANKER = "cross-encoder/ms-marco-MiniLM-L6-v2"

_rerankers: dict[tuple[str, str], _native.Reranker] = {}


def rerank(
    query: str,
    texts: Iterable[str],
    model: str = DEFAULT_RERANKER,
    *,
    precision: str = "fp32",
) -> np.ndarray:
    """How well each text answers the query, by a cross-encoder: float32, shape [n], in the order
    of `texts`; the higher the better. A text too long for the model is read from its beginning.

    Args:
        model: a folder, NAME or ORG/NAME of a model with one score (BERT, RoBERTa, XLM-R,
            DistilBERT, MPNet, ModernBERT, NomicBERT, GTE); it stays loaded.
        precision: "fp32", "bf16" or "int8" (faster, near).

    Raises:
        NotFound: with every place that was looked at. Unsupported: the model is no reranker.
    """
    key = (str(model), precision)
    if key not in _rerankers:
        _rerankers[key] = _native.Reranker(*key)
    return _rerankers[key].rerank(query, _listed(texts))


def models() -> list[dict[str, Any]]:
    """Every model found on this machine: name, directory, dimension, licence, problem."""
    return _native.models()


def _model(
    model: str | Model | Callable[[Any], Any],
    precision: str,
    long: str,
    cache: str,
    dimensions: int | None,
) -> Model:
    if isinstance(model, Model):
        _refuse_options("a loaded model", precision=precision, long=long, cache=cache, dimensions=dimensions)
        return model
    if isinstance(model, os.PathLike):
        model = os.fspath(model)
    if not isinstance(model, str):
        return Model(model, precision=precision, long=long, cache=cache, dimensions=dimensions)
    key = (model, precision, long, str(cache or ""), dimensions or 0)
    if key not in _loaded:
        _loaded[key] = Model(model, precision=precision, long=long, cache=cache, dimensions=dimensions)
    return _loaded[key]


def _refuse_options(what: str, **given: Any) -> None:
    """Options of loading, where nothing is loaded: never left aside without a word."""
    usual = {"precision": "auto", "long": "cut", "cache": "", "dimensions": None}
    for name, value in given.items():
        if value != usual[name]:
            raise InvalidArgument(
                f"{name}={value!r} has no meaning for {what}",
                f"leave {name} out, or give it where a model is loaded by name: hr.Model(name, {name}=…)",
            )


_ragged_models: dict[tuple[str, str, str], _native.RaggedModel] = {}


def _ragged(
    texts: str | Iterable[str],
    model: str | Model | Callable[[Any], Any],
    output: str,
    precision: str,
    purpose: str,
    long: str,
    dimensions: int | None,
) -> list[Any]:
    if not isinstance(model, str) or long != "cut" or dimensions is not None:
        raise InvalidArgument(
            f"output {output!r} is for a model given by name, whole vectors and texts that are cut",
            "leave out long and dimensions, and give the model's name",
        )
    _arguments.one_of("purpose", purpose, _PURPOSES)
    key = (model, output, precision)
    if key not in _ragged_models:
        _ragged_models[key] = _native.RaggedModel(*key)
    return _ragged_models[key].embed(_listed(texts), purpose)


def _listed(texts: str | Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        return [texts]
    return texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)  # of Arrow


def _checked_dimensions(dimensions: int | None) -> int:
    if dimensions is None:
        return 0
    if isinstance(dimensions, bool) or not isinstance(dimensions, int) or dimensions < 1:
        raise InvalidArgument(f"{dimensions!r} dimensions are none", "give a whole number from 1")
    return dimensions


def _function_name(fn: Callable[..., Any]) -> str:
    name = getattr(fn, "__qualname__", type(fn).__qualname__)
    module = getattr(fn, "__module__", None) or type(fn).__module__
    return f"{module}.{name}"


class _Texts:
    """An Arrow stream of one batch, as the extension hands it over."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._capsule


def _probe_batch() -> Any:
    pa = needed("pyarrow")

    return pa.record_batch({"text": pa.array(["dimension"], pa.utf8())})


def _arrow_caller(fn: Callable[[Any], Any]) -> Callable[[object, int], np.ndarray]:
    def call(capsule: object, count: int) -> np.ndarray:
        pa = needed("pyarrow")

        batch = pa.RecordBatchReader.from_stream(_Texts(capsule)).read_next_batch()
        return _matrix(fn(batch), count)

    return call


def _list_caller(fn: Callable[[Any], Any]) -> Callable[[list[str], int], np.ndarray]:
    return lambda texts, count: _matrix(fn(texts), count)


def _rows_of_lists(answer: Any) -> np.ndarray:
    """An Arrow array of lists, one a text and all of one length."""
    values = answer.flatten()
    if answer.null_count or values.null_count:
        missing = next((row for row, value in enumerate(answer) if not value.is_valid), None)
        what = "a null among its numbers" if missing is None else f"no vector for text {missing}"
        raise InvalidArgument(f"the function returned {what}", "return one vector a text")
    if hasattr(answer, "value_lengths"):
        lengths = answer.value_lengths().to_numpy(zero_copy_only=False)
        odd = (lengths != lengths[0]).nonzero()[0] if len(lengths) else []
        if len(odd):
            raise InvalidArgument(
                f"the function returned {lengths[odd[0]]} numbers for text {odd[0]} and {lengths[0]} for text 0",
                "return vectors of one dimension",
            )
    return values.to_numpy(zero_copy_only=False).reshape(len(answer), -1)


def _matrix(answer: Any, count: int) -> np.ndarray:
    """Whatever a function returns → float32 [count, dimension]."""
    import numpy as np

    if hasattr(answer, "detach"):  # a tensor of torch, wherever it lies
        answer = answer.detach().float().cpu().numpy()
    elif hasattr(answer, "combine_chunks"):
        answer = answer.combine_chunks()
    if hasattr(answer, "flatten") and hasattr(answer, "null_count"):  # an Arrow list array
        answer = _rows_of_lists(answer)
    if np.iscomplexobj(answer):
        raise InvalidArgument(
            "the function returned complex numbers", "return a float array of shape [texts, dimension]"
        )
    try:
        matrix = np.ascontiguousarray(answer, dtype=np.float32)
    except (TypeError, ValueError) as wrong:
        raise InvalidArgument(
            f"the function returned {type(answer).__name__}, which is no array of vectors: {wrong}",
            "return a float array of shape [texts, dimension]",
        ) from None
    if matrix.ndim != 2 or matrix.shape[0] != count or matrix.shape[1] == 0:
        raise InvalidArgument(
            f"the function returned shape {list(matrix.shape)} for {count} texts",
            "return one vector a text, in the order of the texts",
        )
    return matrix
