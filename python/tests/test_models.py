"""Models in Python: text to vectors, by the engine or by a function of the user's own."""

import asyncio
import subprocess
import sys
import threading

import numpy as np
import pytest

import headrace as hr

DIMENSION = 8


def vector_of(text: str) -> np.ndarray:
    vector = np.zeros(DIMENSION, np.float32)
    for word in text.lower().split():
        vector[sum(word.encode()) % DIMENSION] += 1
    return vector if vector.any() else np.ones(DIMENSION, np.float32)


def matrix_of(texts) -> np.ndarray:
    return np.array([vector_of(text) for text in texts], np.float32)


def arrow_model(batch):
    return matrix_of(batch["text"].to_pylist())


@pytest.fixture(scope="session")
def minilm() -> hr.Model:
    try:
        return hr.Model()
    except hr.NotFound as absent:
        pytest.skip(str(absent))


def test_embed_gives_float32_in_order(minilm):
    vectors = minilm.embed(["a", "b", "a", ""])
    assert vectors.dtype == np.float32 and vectors.shape == (4, 384)
    assert np.array_equal(vectors[0], vectors[2]) and np.isfinite(vectors).all()
    assert vectors.flags.c_contiguous and not vectors.flags.owndata  # the engine's own memory
    assert np.array_equal(hr.embed("a", minilm)[0], vectors[0])
    assert minilm.embed([]).shape == (0, 384)
    assert minilm.counts()["reused"] >= 2 and minilm.counts()["texts"] >= 5


def test_a_process_that_embedded_ends_quietly(minilm):
    code = "import headrace as hr; hr.embed('a text')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_vectors_outlive_the_model(minilm):
    model = hr.Model()
    vectors = model.embed(["some text"])
    expected = vectors.copy()
    del model
    assert np.array_equal(vectors, expected)


def test_odd_texts(minilm):
    surrogate = "cut \ud83d emoji"
    vectors = minilm.embed([surrogate, "cut ? emoji", "\x00", "x" * 10_000_000])
    assert np.array_equal(vectors[0], vectors[1]) and np.isfinite(vectors).all()
    assert minilm.tokenize(surrogate) == minilm.tokenize("cut ? emoji")
    with pytest.raises(hr.InvalidArgument, match="no str"):
        minilm.embed(["a", None])


def test_long_texts(minilm):
    text = "The river carries water to the mill. " * 200
    cut, window = hr.Model(long="cut"), hr.Model(long="window")
    a, b = cut.embed([text, "short"]), window.embed([text, "short"])
    assert np.allclose(a[1], b[1], atol=1e-6) and not np.allclose(a[0], b[0], atol=1e-3)
    assert cut.counts()["cut"] == 1 and window.counts()["windowed"] == 1
    with pytest.raises(hr.InvalidArgument):
        hr.Model(long="fold")


def test_async_lets_the_loop_go_on(minilm):
    async def both():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        one, two = await asyncio.gather(minilm.embed_async("a text"), hr.embed_async(["another"], minilm))
        ticking.cancel()
        return one, two, ticks

    one, two, ticks = asyncio.run(both())
    assert one.shape == two.shape == (1, 384) and ticks > 0


def test_info(minilm):
    info = minilm.info()
    assert info["kind"] == "encoder" and info["dimension"] == 384 and info["tokens_max"] == 256
    assert info["fingerprint"] and info["precision"] and info["kernel"]


def test_function_gets_sorted_arrow_batches():
    import pyarrow as pa

    seen = []

    def fn(batch):
        assert isinstance(batch, pa.RecordBatch) and batch.schema.names == ["text"]
        seen.append(batch["text"].to_pylist())
        return arrow_model(batch)

    model = hr.Model(fn, batch=16, dimension=DIMENSION, name="test")
    texts = [f"{n} " + "x" * (n * 7 % 50) for n in range(100)] + ["", "ümläut", "\ud800"]
    assert np.array_equal(model.embed(texts), matrix_of([*texts[:-1], "?"]))
    assert all(len(batch) <= 16 for batch in seen)
    lengths = [len(text.encode()) for batch in seen for text in batch]
    assert lengths == sorted(lengths, reverse=True)
    info = model.info()
    assert info["name"] == "python:test" and info["kind"] == "python" and info["dimension"] == DIMENSION


def test_function_gets_lists_if_wished():
    model = hr.Model(lambda texts: [vector_of(t).tolist() for t in texts], as_list=True)
    assert model.info()["dimension"] == DIMENSION  # found by asking
    assert np.array_equal(model.embed(["b", "a"]), matrix_of(["b", "a"]))


@pytest.mark.parametrize("kind", ["fixed", "list", "chunked", "float64"])
def test_function_may_return_what_holds_vectors(kind):
    import pyarrow as pa

    def fn(batch):
        matrix = arrow_model(batch)
        if kind == "float64":
            return matrix.astype(np.float64)
        if kind == "list":
            return pa.array(matrix.tolist(), pa.list_(pa.float32()))
        fixed = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), DIMENSION)
        return pa.chunked_array([fixed]) if kind == "chunked" else fixed

    assert np.array_equal(hr.Model(fn).embed(["x y", "z"]), matrix_of(["x y", "z"]))


@pytest.mark.parametrize(
    "fn, words",
    [
        (lambda batch: 1 / 0, "division by zero"),
        (lambda batch: arrow_model(batch)[1:], "shape"),
        (lambda batch: arrow_model(batch)[:, 1:], "shape"),
        (lambda batch: "no vectors", "no array"),
        (lambda batch: arrow_model(batch) * np.nan, "not finite"),
    ],
)
def test_function_errors_say_what_is_wrong(fn, words):
    model = hr.Model(fn, dimension=DIMENSION, name="wrong")
    with pytest.raises(hr.InvalidArgument, match=words):
        model.embed(["a", "b"])


def test_no_model_is_no_model():
    with pytest.raises(hr.InvalidArgument, match="function"):
        hr.Model(7)
    with pytest.raises(hr.InvalidArgument, match="batch"):
        hr.Model(arrow_model, batch=0)


def test_function_for_a_knowledge_base(tmp_path):
    records = [{"id": n, "text": text} for n, text in enumerate(["rotate the keys", "backup at night", "green rivers"])]
    calls = []

    def fn(batch):
        calls.append(batch.num_rows)
        return arrow_model(batch)

    pipeline = hr.read(records).chunk(tokens=64).embed(fn, dimension=DIMENSION, name="words")
    report = pipeline.into(tmp_path / "kb")
    assert report.rows == 3 and sum(calls) == 3
    with hr.open(tmp_path / "kb", model=hr.Model(fn, dimension=DIMENSION, name="words")) as kb:
        assert kb.info()["spaces"][0]["model"] == "python:words"
        assert kb.search("backup at night", k=1, mode="vector")[0].metadata["id"] == 1
        kb.add([{"id": "3", "text": "a fourth about the moon"}])
        assert kb.search("a fourth about the moon", k=1, mode="vector")[0].metadata["id"] == "3"
    with hr.open(tmp_path / "kb", model=hr.Model(fn, dimension=DIMENSION, name="changed")) as kb:
        with pytest.raises(hr.InvalidArgument, match="python:words"):
            kb.search("backup at night", mode="vector")
    # Without the function: by words still, by meaning with a message that says what is missing.
    with hr.open(tmp_path / "kb") as kb:
        assert kb.search("rivers", mode="text")
        with pytest.raises(hr.InvalidArgument, match="hr.open"):
            kb.search("rivers", mode="vector")
    assert pipeline.into(tmp_path / "kb").documents["unchanged"] == 3
    with pytest.raises(hr.InvalidArgument):  # another function's vectors do not mix with these
        hr.read(records).embed(fn, dimension=DIMENSION, name="other").into(tmp_path / "kb")


def test_function_in_a_pipeline_without_a_knowledge_base():
    table = hr.read(["one two", "three"]).embed(arrow_model, name="words").to_arrow()
    got = table["default"].combine_chunks().flatten().to_numpy().reshape(-1, DIMENSION)
    assert np.array_equal(got, matrix_of(table["text"].to_pylist()))


def test_a_function_that_fails_ends_the_run_and_keeps_the_rows(tmp_path):
    def broken(batch):
        raise RuntimeError("the card fell off")

    pipeline = hr.read([{"id": 1, "text": "kept text"}]).embed(broken, dimension=4, name="broken")
    with pytest.raises(hr.InvalidArgument, match="the card fell off"):
        pipeline.into(tmp_path / "kb")
    with hr.open(tmp_path / "kb") as kb:
        assert len(kb.search("kept", mode="text")) == 1


def test_cache_between_models(tmp_path, minilm):
    first = hr.Model(cache=str(tmp_path / "cache"))
    vectors = first.embed(["kept between runs", "and this"])
    del first  # writes what is pending
    second = hr.Model(cache=str(tmp_path / "cache"))
    assert np.array_equal(second.embed(["and this", "kept between runs"]), vectors[::-1])
    assert second.counts()["reused"] == 2 and second.counts()["tokens"] == 0


def test_functions_are_let_go():
    # References are counted on threads of the engine: many models come and go.
    before = sys.getrefcount(arrow_model)
    for _ in range(20):
        hr.Model(arrow_model, dimension=DIMENSION).embed(["a"])
    assert sys.getrefcount(arrow_model) <= before + 1


@pytest.mark.parametrize(
    "rows, words",
    [
        (lambda pa: pa.array([[1.0, 2], [3, 4, 5, 6]]), "row 1 .* has 4 numbers"),
        (lambda pa: pa.array([None, [1.0, 2, 3, 4]]), "row 0 .* null"),
        (lambda pa: pa.array([[1.0, 2], [3, None]]), "row 1 .* null"),
        (lambda pa: pa.array([None, [1.0, 2]], pa.list_(pa.float32(), 2)), "row 0 .* null"),
        (lambda pa: pa.chunked_array([[[1.0, 2]], [[3.0]]]), "row 1 .* has 1 numbers"),
        (lambda pa: [[1.0, 2], [3.0]], "row 1 .* has 1 numbers"),
        (lambda pa: [[1.0, 2], None], "row 1 .* null"),
        (lambda pa: np.ones((2, 2), np.complex64), "complex"),
        (lambda pa: [[1j, 2], [3, 4]], "complex"),
    ],
)
def test_rows_of_a_function_do_not_move_to_other_texts(rows, words):
    pa = pytest.importorskip("pyarrow")
    model = hr.Model(lambda batch: rows(pa), dimension=2)
    with pytest.raises(hr.InvalidArgument, match=words):
        model.embed(["aaaa", "bb"])


def test_a_sliced_arrow_answer_is_its_own_rows():
    pa = pytest.importorskip("pyarrow")
    for kind in (pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2)):
        whole = pa.array([[9, 9], [1, 2], [3, 4], [9, 9]], kind)
        model = hr.Model(lambda batch: whole.slice(1, 2), dimension=2)  # noqa: B023
        assert model.embed(["aaaa", "bb"]).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("options", [{"precision": "no-such"}, {"long": "bogus"}, {"purpose": "querry"}])
@pytest.mark.parametrize("loaded", [True, False])
def test_wrong_values_are_refused_with_the_right_ones(options, loaded):
    model = hr.Model(arrow_model, dimension=DIMENSION) if loaded else arrow_model
    right = {"precision": "int16", "long": "window", "purpose": "passage"}[next(iter(options))]
    with pytest.raises(hr.InvalidArgument, match=right):
        hr.embed(["a"], model, **options)
    with pytest.raises(hr.InvalidArgument, match=right):
        asyncio.run(hr.embed_async(["a"], model, **options))
    if "purpose" not in options:
        with pytest.raises(hr.InvalidArgument, match=right):
            hr.Model(arrow_model, **options)
    elif loaded:
        with pytest.raises(hr.InvalidArgument, match=right):
            model.embed(["a"], **options)


@pytest.mark.parametrize(
    "options", [{"dimensions": 2}, {"precision": "int8"}, {"long": "window"}, {"cache": "folder"}]
)
def test_options_of_loading_are_not_ignored(options):
    model = hr.Model(arrow_model, dimension=DIMENSION)
    with pytest.raises(hr.InvalidArgument, match="hr.Model"):
        hr.embed(["a"], model, **options)
    with pytest.raises(hr.InvalidArgument, match="by name"):
        hr.Model(arrow_model, **options)
    with pytest.raises(hr.InvalidArgument, match="by name"):
        hr.embed(["a"], arrow_model, **options)


@pytest.mark.parametrize(
    "options", [{"batch": 32}, {"dimension": 384}, {"name": "mine"}, {"as_list": True}]
)
def test_options_of_functions_are_not_ignored(options):
    (option,) = options
    with pytest.raises(hr.InvalidArgument, match=f"{option} is for a function"):
        hr.Model("no-model", **options)
    for model in ("no-model", None, hr.Model(arrow_model, dimension=DIMENSION)):
        with pytest.raises(hr.InvalidArgument, match=f"{option} is for a function"):
            hr.read([{"text": "a"}]).chunk().embed(model, **options)
    assert hr.read([{"text": "a"}]).embed(arrow_model, batch=7, dimension=DIMENSION)


@pytest.mark.parametrize("options", [{"dimension": -3}, {"batch": 2.5}, {"dimension": True}])
def test_numbers_of_a_function_are_checked(options):
    with pytest.raises(hr.InvalidArgument, match=next(iter(options))):
        hr.Model(arrow_model, **options)


def test_paths_and_arrow_arrays_are_taken(tmp_path):
    pa = pytest.importorskip("pyarrow")
    vectors = hr.embed(pa.array(["a b", "c"]), arrow_model)
    assert np.array_equal(vectors, matrix_of(["a b", "c"]))
    with pytest.raises(hr.Error, match="no-model"):  # read as a folder's name
        hr.Model(tmp_path / "no-model")


def test_rerankers_are_no_endpoints():
    with pytest.raises(hr.InvalidArgument, match="cross-encoders"):
        hr.rerank("q", ["a"], "openai:http://localhost:1/v1#m")


def test_a_cancelled_task_stops_the_work():
    started, calls = threading.Event(), []

    def fn(batch):
        calls.append(batch.num_rows)
        started.set()
        assert stop.wait(60)
        return arrow_model(batch)

    async def cancelled(embedding):
        task = asyncio.create_task(embedding)
        await asyncio.to_thread(started.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stop.set()

    model = hr.Model(fn, batch=1, dimension=DIMENSION)
    for embed in (model.embed_async, lambda texts: hr.embed_async(texts, model)):
        calls.clear()
        started.clear()
        stop = threading.Event()
        asyncio.run(cancelled(embed([f"text {n}" for n in range(100)])))
        assert len(calls) == 1


def test_what_a_function_raised_is_the_cause():
    raised = RuntimeError("the card fell off")

    def fn(batch):
        if "bb" in batch["text"].to_pylist():
            raise raised
        return arrow_model(batch)

    model = hr.Model(fn, dimension=DIMENSION, batch=1)
    with pytest.raises(hr.InvalidArgument, match="batch 2 .*text 1.* RuntimeError: the card fell off") as error:
        model.embed(["aaaa", "bb", "c"])
    assert error.value.__cause__ is raised
    assert "Traceback" not in str(error.value)


def test_a_model_of_a_function_in_a_module_ends_quietly():
    code = "import headrace as hr\nm = hr.Model(lambda texts: [[1.0, 2]] * len(texts), as_list=True)\nm.embed(['a'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_windows_are_no_texts(minilm):
    model = hr.Model(long="window", cache="off")
    model.embed(["river mill " * 600])
    assert model.counts()["texts"] == 1 and model.counts()["reused"] == 0
    model.embed(["river mill " * 600] * 2)
    assert model.counts()["reused"] == 2
