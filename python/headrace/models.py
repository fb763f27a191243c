"""Embedding models: text to vectors, by the native engine, ONNX Runtime, an endpoint or a function."""

from __future__ import annotations

import atexit
import os
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import _arguments, _native
from ._packages import needed
from .errors import Error, InvalidArgument

if TYPE_CHECKING:
    import numpy as np

DEFAULT_MODEL = "all-MiniLM-L6-v2"

PRECISIONS = ("auto", "fp32", "bf16", "int16", "int8", "static")
LONG = ("cut", "window")
PURPOSES = ("plain", "query", "passage")

_loaded: dict[tuple[str, str, str, str, int], Model] = {}
# A function's globals often hold the model that holds the function: a ring through the engine that
# no garbage collector sees.
_of_functions: weakref.WeakSet[Model] = weakref.WeakSet()


def _let_go() -> None:
    """Native objects that outlive the interpreter are reported as leaked."""
    _loaded.clear()
    for model in list(_of_functions):
        del model._native


atexit.register(_let_go)


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
            headrace/vectors in the user's cache folder.
        batch: the most texts a function gets at once, by default 256; they come sorted by length,
            longest first.
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

    Beside a function precision, long, cache and dimensions are refused: it cuts its own texts and
    vectors, and what it makes is never kept. Beside a name batch, dimension, name and as_list are.

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
        batch: int | None = None,
        dimension: int | None = None,
        name: str | None = None,
        as_list: bool = False,
        dimensions: int | None = None,
    ) -> None:
        self._failures: list[Exception] = []
        self._told_of_cache = False
        _check_options(precision, long)
        self._precision, self._dimensions = precision, _checked_dimensions(dimensions)
        model = _named(model)
        if isinstance(model, str):
            refuse_of_function(batch, dimension, name, as_list, f"{model} is a name")
            self.name = model
            self._native = _native.Model(model, precision, long, str(cache or ""), self._dimensions)
            return
        if not callable(model):
            raise InvalidArgument(
                f"a model is a name or a function, not {type(model).__name__}",
                "give a str, or a function that makes vectors",
            )
        _refuse_loading(
            precision, long, cache, dimensions, "are for a model given by name", "do it in the function"
        )
        batch = _arguments.whole("batch", 256 if batch is None else batch, 1, 2**32 - 1)
        if dimension is not None:
            dimension = _arguments.whole("dimension", dimension, 1, 2**32 - 1)
        called = name or _function_name(model)
        fn = _keeping_failures(model, self._failures)
        call = _list_caller(fn) if as_list else _arrow_caller(fn)
        if dimension is None:
            probe = _matrix(model(["dimension"]) if as_list else model(_probe_batch()), 1)
            dimension = int(probe.shape[1])
        self.name = f"python:{called}"
        self._native = _native.Model(call, called, dimension, batch, as_list)
        _of_functions.add(self)

    def embed(self, texts: str | Iterable[str], *, purpose: str = "plain") -> np.ndarray:
        """Vectors of `texts`: float32, shape [n, dimension], without a copy.

        Args:
            texts: one text or many, of any length; identical ones are computed once.
            purpose: "query" or "passage" puts the model's own prompt before each text.
        """
        return self._embed(_listed(texts), purpose, None)

    async def embed_async(self, texts: str | Iterable[str], *, purpose: str = "plain") -> np.ndarray:
        """`embed` for coroutines: the event loop goes on meanwhile. Cancelling the task stops the
        work soon (a function's after its batch)."""
        given = _listed(texts)
        return await _cancellable(lambda cancel: self._embed(given, purpose, cancel))

    def _embed(self, texts: list[str], purpose: str, cancel: _native.CancelToken | None) -> np.ndarray:
        try:
            vectors = self._native.embed(texts, _one_of("purpose", purpose, PURPOSES), cancel)
            self._tell_of_cache()
            return vectors
        except Error as error:
            # The engine carries what the function raised as text; calls at the same time share the list.
            for failure in list(self._failures):
                if f"{type(failure).__name__}: {failure}" in error.message or failure is error:
                    self._failures.clear()
                    raise error from failure
            raise

    def _tell_of_cache(self) -> None:
        if not self._told_of_cache and (reason := self._native.not_kept()):
            self._told_of_cache = True
            warnings.warn(reason, RuntimeWarning, stacklevel=4)

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
    model: str | os.PathLike[str] | Model | Callable[[Any], Any] = DEFAULT_MODEL,
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
    _check_options(precision, long)
    _one_of("output", output, ("dense", "sparse", "tokens"))
    _one_of("purpose", purpose, PURPOSES)
    if output != "dense":
        return _ragged(texts, model, output, precision, purpose, long, dimensions)
    return _model(model, precision, long, cache, dimensions).embed(texts, purpose=purpose)


async def embed_async(
    texts: str | Iterable[str],
    model: str | os.PathLike[str] | Model | Callable[[Any], Any] = DEFAULT_MODEL,
    *,
    precision: str = "auto",
    long: str = "cut",
    cache: str = "",
    purpose: str = "plain",
    dimensions: int | None = None,
) -> np.ndarray:
    """`embed` for coroutines: the event loop goes on while the model is loaded and computes.
    Cancelling the task stops the computing soon; a model that is being loaded is loaded first."""
    given = _listed(texts)
    _one_of("purpose", purpose, PURPOSES)
    return await _cancellable(
        lambda cancel: _model(model, precision, long, cache, dimensions)._embed(given, purpose, cancel)
    )


async def _cancellable(work: Callable[[_native.CancelToken], Any]) -> Any:
    """Runs work on a thread; when the task is cancelled the engine is told, so that nothing waits
    for work that nobody wants."""
    import asyncio

    cancel = _native.CancelToken()

    def run() -> Any:
        try:
            return work(cancel)
        except KeyboardInterrupt:  # as the engine tells that it was stopped
            if cancel.requested():
                return None
            raise

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        cancel.request()
        raise


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
    if key[0].startswith("openai:"):
        raise InvalidArgument(
            f"{key[0]!r} is an endpoint, and rerankers are cross-encoders on this machine",
            f"give a folder or the name of one, for example {DEFAULT_RERANKER}",
        )
    if key not in _rerankers:
        _rerankers[key] = _native.Reranker(*key)
    return _rerankers[key].rerank(query, _listed(texts))


def models() -> list[dict[str, Any]]:
    """Every model found on this machine: name, directory, dimension, licence, problem."""
    return _native.models()


def _model(
    model: str | os.PathLike[str] | Model | Callable[[Any], Any],
    precision: str,
    long: str,
    cache: str,
    dimensions: int | None,
) -> Model:
    _check_options(precision, long)
    _checked_dimensions(dimensions)
    if isinstance(model, Model):
        _refuse_loading(
            precision, long, cache, dimensions, "belong to loading a model", "give them to hr.Model"
        )
        return model
    model = _named(model)
    if not isinstance(model, str):
        return Model(model, precision=precision, long=long, cache=cache, dimensions=dimensions)
    key = (model, precision, long, str(cache or ""), dimensions or 0)
    if key not in _loaded:
        _loaded[key] = Model(model, precision=precision, long=long, cache=cache, dimensions=dimensions)
    return _loaded[key]


_ragged_models: dict[tuple[str, str, str], _native.RaggedModel] = {}


def _ragged(
    texts: str | Iterable[str],
    model: str | os.PathLike[str] | Model | Callable[[Any], Any],
    output: str,
    precision: str,
    purpose: str,
    long: str,
    dimensions: int | None,
) -> list[Any]:
    model = _named(model)
    if not isinstance(model, str) or long != "cut" or dimensions is not None:
        raise InvalidArgument(
            f"output {output!r} is for a model given by name, whole vectors and texts that are cut",
            "leave out long and dimensions, and give the model's name",
        )
    key = (model, output, precision)
    if key not in _ragged_models:
        _ragged_models[key] = _native.RaggedModel(*key)
    return _ragged_models[key].embed(_listed(texts), purpose)


def _named(model: Any) -> Any:
    """A path as the text that the engine reads; anything else as it is."""
    return os.fspath(model) if isinstance(model, os.PathLike) else model


def _listed(texts: Any) -> list[str]:
    """One text or many: an Arrow array's values are no str before they are asked for."""
    if isinstance(texts, str):
        return [texts]
    return texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        raise InvalidArgument(f"{name} is none of what is known: {value!r}", f"give {', '.join(known)}")
    return value


def _check_options(precision: Any, long: Any) -> None:
    _one_of("precision", precision, PRECISIONS)
    _one_of("long", long, LONG)


def refuse_of_function(
    batch: int | None, dimension: int | None, name: str | None, as_list: bool, why: str
) -> None:
    """What only a function is given is refused beside anything else, not ignored."""
    given = {"batch": batch, "dimension": dimension, "name": name, "as_list": as_list or None}
    named = [option for option, value in given.items() if value is not None]
    if named:
        raise InvalidArgument(
            f"{' and '.join(named)} {'is' if len(named) == 1 else 'are'} for a function that makes "
            f"vectors: {why}",
            "leave it out" if len(named) == 1 else "leave them out",
        )


def _refuse_loading(
    precision: str, long: str, cache: str, dimensions: int | None, why: str, remedy: str
) -> None:
    """Options that nothing would read are refused, not ignored; defaults say nothing."""
    given = {
        "precision": precision != "auto",
        "long": long != "cut",
        "cache": str(cache or "") not in ("", "off"),
        "dimensions": dimensions is not None,
    }
    named = [name for name, is_given in given.items() if is_given]
    if named:
        raise InvalidArgument(f"{', '.join(named)}: such options {why}", remedy)


def _checked_dimensions(dimensions: int | None) -> int:
    if dimensions is None:
        return 0
    if isinstance(dimensions, bool) or not isinstance(dimensions, int) or dimensions < 0:
        raise InvalidArgument(f"{dimensions!r} dimensions are none", "give a whole number, or 0 for all")
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


def _keeping_failures(fn: Callable[[Any], Any], failures: list[Exception]) -> Callable[[Any], Any]:
    """The function, and what it raised last kept for the one who called the model."""

    def call(texts: Any) -> Any:
        try:
            return fn(texts)
        except Exception as raised:
            failures[:] = [raised]
            raise

    return call


def _list_caller(fn: Callable[[Any], Any]) -> Callable[[list[str], int], np.ndarray]:
    return lambda texts, count: _matrix(fn(texts), count)


def _matrix(answer: Any, count: int) -> np.ndarray:
    """Whatever a function returns → float32 [count, dimension]."""
    import numpy as np

    if hasattr(answer, "detach"):  # a tensor of torch, wherever it lies
        answer = answer.detach().cpu()
        answer = (answer if answer.is_complex() else answer.float()).numpy()
    elif hasattr(answer, "combine_chunks"):
        answer = answer.combine_chunks()
    if hasattr(getattr(answer, "type", None), "value_type") and hasattr(answer, "to_numpy"):
        answer = _rows_of_arrow(answer)
    try:
        given = np.asarray(answer)
    except ValueError:  # rows of different lengths
        given = None
    if given is None or given.dtype.kind == "O":
        _refuse_rows(answer)
    elif given.dtype.kind == "c":
        raise InvalidArgument(
            "the function returned complex numbers", "return a float array of shape [texts, dimension]"
        )
    try:
        matrix = np.ascontiguousarray(answer if given is None else given, dtype=np.float32)
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


def _rows_of_arrow(answer: Any) -> np.ndarray:
    """An Arrow list array as a matrix: flattened it would hide rows that are null or of another
    length, and move numbers from one text to the next."""
    import numpy as np

    if answer.null_count:
        row = answer.is_null().to_numpy(zero_copy_only=False).argmax()
        raise InvalidArgument(f"row {row} of what the function returned is null", _ROWS)
    if hasattr(answer, "value_lengths"):
        lengths = answer.value_lengths().to_numpy(zero_copy_only=False)
        _refuse_lengths(lengths)
        width = int(lengths[0]) if len(lengths) else 0
    else:
        width = getattr(answer.type, "list_size", 0)
    flat = answer.flatten()
    if flat.null_count:
        at = int(flat.is_null().to_numpy(zero_copy_only=False).argmax())
        raise InvalidArgument(f"row {at // width} of what the function returned holds a null", _ROWS)
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(answer), width)


_ROWS = "return one vector a text, all of the same length"


def _refuse_lengths(lengths: Any) -> None:
    for row, length in enumerate(lengths):
        if length != lengths[0]:
            raise InvalidArgument(
                f"row {row} of what the function returned has {length} numbers, row 0 has {lengths[0]}",
                _ROWS,
            )


def _refuse_rows(answer: Any) -> None:
    """Names the row of nested lists that makes them no matrix; what else is wrong is told later."""
    if not isinstance(answer, (list, tuple)):
        return
    for row, values in enumerate(answer):
        if values is None or (isinstance(values, (list, tuple)) and None in values):
            raise InvalidArgument(f"row {row} of what the function returned holds a null", _ROWS)
    if all(hasattr(values, "__len__") for values in answer):
        _refuse_lengths([len(values) for values in answer])
