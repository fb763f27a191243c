"""What people give by mistake is told by its name, or is right all the same."""

import re

import pytest

import headrace as hr

np = pytest.importorskip("numpy")

EYE = np.eye(4, dtype=np.float32)


@pytest.fixture
def kb(tmp_path):
    with hr.open(tmp_path / "own", model=None, dimension=4) as opened:
        yield opened


def refused(words):
    return pytest.raises(hr.InvalidArgument, match=re.escape(words))


@pytest.mark.parametrize("dimension", [0, -1, 4097, 2**33, 2.5, "4", True])
def test_dimensions_that_cannot_be(tmp_path, dimension):
    with refused("dimension is"):
        hr.open(tmp_path / "kb", model=None, dimension=dimension)
    assert not (tmp_path / "kb").exists()


def test_a_new_one_without_model_needs_its_dimension(tmp_path):
    with refused("needs the dimension"):
        hr.open(tmp_path / "kb", model=None, create=True)


@pytest.mark.parametrize("metric", ["", "foo", "COSINE", 5])
def test_metrics_that_are_none(tmp_path, metric):
    with refused("metric"):
        hr.open(tmp_path / "kb", model=None, dimension=4, metric=metric)
    assert not (tmp_path / "kb").exists()


def test_one_that_is_there_keeps_what_it_was_made_with(tmp_path):
    hr.open(tmp_path / "kb", model=None, dimension=4, metric="l2").close()
    with refused("dimension 4, not 5"):
        hr.open(tmp_path / "kb", model=None, dimension=5)
    with refused("metric l2, not cosine"):
        hr.open(tmp_path / "kb", model=None, dimension=4, metric="cosine")
    for given in ({}, {"dimension": 4}, {"dimension": np.int64(4), "metric": "l2"}):
        with hr.open(tmp_path / "kb", model=None, **given) as kb:
            assert kb.info()["spaces"][0]["metric"] == "l2"


@pytest.mark.parametrize("path", ["", "a\0b", None, 5])
def test_paths_that_are_none(path):
    with pytest.raises(hr.InvalidArgument):
        hr.open(path, model=None, dimension=4)


def test_vectors_are_not_added_to_those_of_a_model(tmp_path):
    hr.read(["an otter"]).into(tmp_path / "kb", model="none")
    with hr.open(tmp_path / "kb", model=None) as kb, refused("no vectors of its own"):
        kb.add(ids=[1], vectors=EYE[:1])


@pytest.mark.parametrize(
    "ids",
    [[1.5, 2], np.array([1.0, 2.0]), [None, 1], [True, 2], ["", "a"], [b"a", 1], [2**63, 1],
     np.array([2**63, 1], dtype=np.uint64), [-1, 1], np.array([1, -1]), [[1], [2]], {1, 2}, "ab", 7],
    ids=repr,
)
def test_ids_that_are_none(kb, ids):
    with refused("id"):
        kb.add(ids=ids, vectors=EYE[:2])
    assert len(kb) == 0


@pytest.mark.parametrize(
    "ids",
    [[1, 2], (1, 2), range(1, 3), np.array([1, 2], dtype=np.uint8), [np.int16(1), 2], (i for i in (1, 2)),
     [-5, 2**63 - 1], np.array([-(2**63), 7])],
    ids=repr,
)
def test_ids_that_are_integers_come_back_as_such(kb, ids):
    given = list(ids)
    kb.add(ids=ids if hasattr(ids, "__len__") else iter(given), vectors=EYE[:2])
    found, _ = kb.search_batch(EYE[:2], k=3)
    assert found.dtype == np.int64 and [list(row[:1]) for row in found] == [[i] for i in given]
    assert (found[:, 2] == -1).all()


def test_integers_and_texts_mixed_are_texts(kb):
    kb.add(ids=[1, "a"], vectors=EYE[:2])
    found, _ = kb.search_batch(EYE[:2], k=3)
    assert found[:, 0].tolist() == ["1", "a"] and (found[:, 2] == "").all()


def test_documents_with_text_ids_make_ids_texts(kb):
    kb.add(ids=[1, 2], vectors=EYE[:2])
    kb.add([{"id": 3, "text": "an otter"}])
    assert kb.search_batch(["otter"], k=1)[0].tolist() == [[3]]
    kb.add([{"id": "x", "text": "a badger"}])
    assert kb.search_batch(["badger"], k=1)[0].tolist() == [["x"]]
    assert kb.search_batch(EYE[:1], k=1)[0].tolist() == [["1"]]


@pytest.mark.parametrize("ids", [[5, -7, 2**63 - 1], ["a", "β", "c"]])
def test_lists_and_whatever_becomes_them_are_added_alike(tmp_path, ids):
    vectors = np.eye(3, 2, dtype=np.float32) + 1
    texts = ["one", None, "drei ß"]
    columns = {"n": [1, None, 3], "tag": ["x", "y", ["z"]]}
    found = []
    for name, change in (("plain", lambda values: values), ("other", tuple)):
        with hr.open(tmp_path / name, model=None, dimension=2) as kb:
            kb.add(ids=change(ids), vectors=change(vectors), text=change(texts),
                   **{column: change(values) for column, values in columns.items()})
            found.append([dict(hit) for hit in kb.search("", k=5)])
    assert found[0] == found[1]
    rows = {hit["source"]: (hit["text"], hit["metadata"]["n"], hit["metadata"]["tag"]) for hit in found[0]}
    assert rows == {
        str(ids[0]): ("one", 1, "x"), str(ids[1]): ("", None, "y"), str(ids[2]): ("drei ß", 3, ["z"]),
    }


def test_the_last_of_an_id_counts(kb):
    kb.add(ids=[7, 7], vectors=EYE[:2])
    assert len(kb) == 1
    assert kb.search_batch(EYE[1:2], k=1)[1][0, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([[1, np.nan, 0, 0]], "finite"),
        ([[1, np.inf, 0, 0]], "finite"),
        (np.full((1, 4), 1e300), "finite"),
        (np.array([[1, None, 2, 3]], dtype=object), "finite"),
        (np.zeros((1, 4)), "zero"),
        (np.ones(4), "shape [1, dimension], not [4]"),
        (np.ones((1, 5)), "shape [1, 4], not [1, 5]"),
        (np.ones((2, 4)), "shape [1, dimension], not [2, 4]"),
        (np.ones((1, 1, 4)), "shape"),
        (np.ones((1, 4), complex), "complex"),
        ([["a", "b", "c", "d"]], "numbers"),
        ([[1, 2, 3, {}]], "numbers"),
        ([[1, 2, 3, 4], [1, 2]], "different lengths"),
        (None, "ids and vectors"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_vectors_that_are_none(kb, vectors, said):
    with refused(said):
        kb.add(ids=[1], vectors=vectors)
    assert len(kb) == 0


@pytest.mark.parametrize(
    "vectors",
    [EYE[:2].astype(np.float64), EYE[:2].astype(np.int8), EYE[:2].astype(np.float16), EYE[:2].astype(">f4"),
     EYE[:2].astype(bool), EYE[:2].tolist(), np.asfortranarray(EYE[:2]), np.repeat(EYE[:2], 2, axis=1)[:, ::2],
     EYE[1::-1][::-1], np.repeat(EYE, 2, axis=0)[:4:2], EYE[:2].astype(object)],
    ids=lambda v: f"{type(v).__name__} {getattr(v, 'dtype', '')}",
)
def test_vectors_of_any_kind_and_order(kb, vectors):
    kb.add(ids=[1, 2], vectors=vectors)
    assert kb.search_batch(EYE[:2], k=1)[0].tolist() == [[1], [2]]
    assert kb.search_batch(vectors, k=1)[0].tolist() == [[1], [2]]


def test_adding_nothing_is_nothing(kb):
    kb.add(ids=[], vectors=[])
    kb.add(ids=[], vectors=np.zeros((0, 4), np.float32), text=[], lang=[])
    kb.add([])
    assert len(kb) == 0
    with refused("not both"):
        kb.add([{"id": "a", "text": "an otter"}], ids=[1], vectors=EYE[:1])
    with refused("no id"):
        kb.add([{"id": None, "text": "an otter"}])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"text": ["a"]}, "text has 1 values for 2 ids"),
        ({"text": "ab"}, "text is str"),
        ({"text": ["a", 1]}, "text 1 is int"),
        ({"lang": ["de"]}, "lang has 1 values for 2 ids"),
        ({"lang": "de"}, "lang is str"),
        ({"lang": 5}, "lang is int"),
    ],
)
def test_columns_that_do_not_fit(kb, more, said):
    with refused(said):
        kb.add(ids=[1, 2], vectors=EYE[:2], **more)
    assert len(kb) == 0


@pytest.mark.parametrize(
    "queries",
    [np.ones((1, 5)), np.ones((2, 8)), np.ones((4, 2)), np.zeros((1, 4)), [[]], [], np.ones(4), 5, "otter",
     ["otter", 1], [1, "otter"], np.full((1, 4), np.nan), [["a"]]],
    ids=repr,
)
def test_queries_that_are_none(kb, queries):
    kb.add(ids=[1, 2], vectors=EYE[:2])
    with pytest.raises(hr.InvalidArgument):
        kb.search_batch(queries)
    assert kb.search_batch(np.zeros((0, 4)), k=5)[0].shape == (0, 5)


@pytest.mark.parametrize(
    "given",
    [{"k": 0}, {"k": -1}, {"k": 100_001}, {"k": 2**40}, {"k": 2.5}, {"k": "3"}, {"threads": -1}, {"threads": 10**6},
     {"recall": 0}, {"recall": 1.1}, {"recall": float("nan")}, {"recall": "all"}, {"filter": "x ="}],
    ids=repr,
)
def test_numbers_that_cannot_be(kb, given):
    with pytest.raises(hr.InvalidArgument):
        kb.search_batch(EYE, **given)


@pytest.mark.parametrize("query", [None, 5, [[1, 2]], np.ones(3), [np.nan] * 4])
def test_a_query_is_a_text_or_a_vector(kb, query):
    kb.add(ids=[1], vectors=EYE[:1])
    with pytest.raises(hr.InvalidArgument):
        kb.search(query)
