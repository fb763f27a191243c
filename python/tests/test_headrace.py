"""The Python front: pipelines, knowledge bases, models, Arrow in and out."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import headrace as hr


@pytest.fixture
def docs(tmp_path) -> pathlib.Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "keys.md").write_text("# Keys\n\nRotate keys every ninety days.\n")
    (folder / "backup.txt").write_text("Backups run nightly and are kept for a year.\n")
    return folder


def test_import_is_light():
    code = "import sys, headrace; print(int('numpy' in sys.modules), int('pyarrow' in sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["0", "0"]


def test_read_into_search(docs, tmp_path):
    pipeline = hr.read(str(docs)).chunk(tokens=128, overlap=16)
    assert "read(" in repr(pipeline) and ".chunk(" in repr(pipeline)
    report = pipeline.into(tmp_path / "kb", model="none")
    assert report.documents["added"] == 2 and report.rows == 2
    assert "2" in repr(report) and "<table>" in report._repr_html_()
    with hr.open(tmp_path / "kb") as kb:
        hits = kb.search("rotate keys", k=1)
        assert len(hits) == 1
        assert hits[0].source.endswith("keys.md") and hits[0]["source"] == hits[0].source
        assert hits[0].modality == "text" and hits[0].page is None
        assert "<mark>" in hits._repr_html_()
        assert kb.info()["documents"] == 2
        assert kb.verify()["ok"] and kb.errors() == []


def test_records_and_incremental(tmp_path):
    records = [{"id": n, "text": f"record number{n}", "lang": "de" if n % 2 else "en"} for n in range(6)]
    kb_path = tmp_path / "kb"
    assert hr.read(records).into(kb_path, model="none").documents["added"] == 6
    assert hr.read(records).into(kb_path, model="none").documents["unchanged"] == 6
    kb = hr.open(kb_path)
    hits = kb.search("record", filter="lang = 'de'")
    assert {hit.metadata["id"] for hit in hits} == {1, 3, 5}
    assert hits[0].source == str(hits[0].metadata["id"])


def test_arrow_in_and_out(docs, tmp_path):
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    table = pa.table({"id": ["a", "b"], "text": ["alpha apples", "beta bananas"], "year": [2019, 2021]})
    for number, source in enumerate((table, pl.from_arrow(table), table.to_pandas())):
        kb_path = tmp_path / f"kb{number}"
        hr.read(source).into(kb_path, model="none")
        hits = hr.open(kb_path).search("bananas", filter="year > 2020")
        assert hits[0].source == "b" and hits[0].metadata["year"] == 2021
    assert isinstance(hits.to_pandas(), pd.DataFrame)
    assert hits.to_polars().shape[0] == 1
    rows = hr.read(str(docs)).chunk(tokens=64).to_arrow()
    assert rows.num_rows == 2 and "span" in rows.column_names
    assert pl.from_arrow(pa.table(hr.read(str(docs)).chunk(tokens=64))).shape[0] == 2


def test_map_and_filter_get_batches(docs, tmp_path):
    import pyarrow as pa
    import pyarrow.compute as pc

    seen = []

    def tag(batch):
        seen.append(type(batch))
        return batch.append_column("loud", pc.utf8_upper(batch["text"]))

    hr.read(str(docs)).map(tag).filter(lambda b: pc.match_substring(b["text"], "nightly")).into(
        tmp_path / "kb", model="none"
    )
    assert seen and all(kind is pa.RecordBatch for kind in seen)
    hits = hr.open(tmp_path / "kb").search("backups")
    assert len(hits) == 1 and "NIGHTLY" in hits[0].metadata["loud"]
    late = hr.read(str(docs)).chunk(tokens=64).map(lambda b: b.slice(0, 1)).to_arrow()
    assert late.num_rows == 1


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_own_vectors(tmp_path, metric):
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((500, 32)).astype(np.float32)
    queries = rng.standard_normal((20, 32)).astype(np.float32)
    kb = hr.open(tmp_path / "v", model=None, dimension=32, metric=metric)
    kb.add(ids=np.arange(500), vectors=vectors, text=[f"text {n}" for n in range(500)], group=[n % 3 for n in range(500)])
    kb.optimize()
    ids, scores = kb.search_batch(queries, k=10, recall=0.99)
    assert ids.shape == scores.shape == (20, 10) and ids.dtype == np.int64
    assert np.all(np.diff(scores, axis=1) <= 0)
    if metric == "cosine":
        unit = lambda m: m / np.linalg.norm(m, axis=1, keepdims=True)  # noqa: E731
        exact = unit(queries) @ unit(vectors).T
    elif metric == "ip":
        exact = queries @ vectors.T
    else:
        exact = -((queries[:, None] - vectors[None]) ** 2).sum(-1)
    best = np.argsort(-exact, axis=1)[:, :10]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, best)])
    assert recall >= 0.99
    filtered, _ = kb.search_batch(queries, k=10, filter="group = 1")
    assert np.all(filtered % 3 == 1)
    few, _ = kb.search_batch(queries, k=10, filter="id_that_is_not_there = 1")
    assert np.all(few == -1)
    assert kb.search("text 42", k=1)[0].source == "42"
    kb.delete("group = 2")
    assert np.all(kb.search_batch(queries, k=10)[0] % 3 != 2)


def test_string_ids_and_padding(tmp_path):
    kb = hr.open(tmp_path / "v", model=None, dimension=4)
    kb.add(ids=["x", "y"], vectors=np.eye(4, dtype=np.float32)[:2])
    ids, _ = kb.search_batch(np.eye(4, dtype=np.float32)[:1], k=3)
    assert ids.tolist() == [["x", "y", ""]]


def test_bad_vectors_are_refused(tmp_path):
    kb = hr.open(tmp_path / "v", model=None, dimension=4)
    for bad in (np.full((1, 4), np.nan), np.zeros((1, 4)), np.ones((1, 5))):
        with pytest.raises(hr.InvalidArgument):
            kb.add(ids=[1], vectors=bad)
    with pytest.raises(hr.InvalidArgument):
        hr.open(tmp_path / "v", model=None, dimension=5)
    assert kb.info()["rows"] == 0


def test_errors_have_codes_and_hints(tmp_path):
    with pytest.raises(hr.NotFound) as caught:
        hr.open(tmp_path / "nowhere")
    assert caught.value.code == "not_found" and "nowhere" in str(caught.value)
    kb = hr.open(tmp_path / "v", model=None, dimension=2)
    kb.add(ids=[1], vectors=[[1, 0]])
    with pytest.raises(hr.InvalidArgument):
        kb.search("x", filter="a = ")


def test_second_writer_is_refused(tmp_path):
    kb = hr.open(tmp_path / "v", model=None, dimension=2)
    kb.add(ids=[1], vectors=[[1, 0]])
    code = (
        "import headrace as hr, sys\n"
        f"kb = hr.open({str(tmp_path / 'v')!r}, model=None, dimension=2)\n"
        "assert kb.search_batch([[1.0, 0.0]], k=1)[0].tolist() == [[1]]\n"
        "try:\n    kb.add(ids=[2], vectors=[[0, 1]])\nexcept hr.Busy as e:\n    print(e)\n"
    )
    import os

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(os.getpid()) in done.stdout
    kb.close()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_export(docs, tmp_path):
    import pyarrow.ipc

    hr.read(str(docs)).into(tmp_path / "kb", model="none")
    kb = hr.open(tmp_path / "kb")
    assert kb.export(tmp_path / "rows.jsonl") == 2
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {line["source"] for line in lines} == {str(docs / "keys.md"), str(docs / "backup.txt")}
    kb.export(tmp_path / "rows.arrow")
    table = pyarrow.ipc.open_file(str(tmp_path / "rows.arrow")).read_all()
    table.validate(full=True)
    assert table.num_rows == 2


needs_model = pytest.mark.skipif(
    not any(m["name"].lower().endswith("all-minilm-l6-v2") or "minilm" in m["directory"] for m in hr.models()),
    reason="the default model's package is not installed",
)


@needs_model
def test_embed_and_hybrid(docs, tmp_path):
    vectors = hr.embed(["rotate keys", "rotate keys", "backups"])
    assert vectors.shape == (3, 384) and vectors.dtype == np.float32
    assert np.array_equal(vectors[0], vectors[1])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    report = hr.read(str(docs)).chunk(tokens=256).embed().into(tmp_path / "kb")
    assert report.tokens > 0
    kb = hr.open(tmp_path / "kb")
    assert kb.info()["spaces"][0]["rows"] == 2
    assert kb.search("changing credentials regularly", mode="vector")[0].source.endswith("keys.md")
    kb.add([{"id": "n1", "title": "Zebras", "text": "striped animals", "lang": "en"}])
    assert kb.search("zebras")[0].metadata["id"] == "n1"
    assert kb.search("animals with stripes", mode="vector")[0].metadata["lang"] == "en"
    rows = hr.read(str(docs)).chunk().embed().to_arrow()
    assert rows.schema.field("default").type.list_size == 384


def test_closed_is_closed(tmp_path):
    with hr.open(tmp_path / "v", model=None, dimension=2) as kb:
        kb.add(ids=[1], vectors=[[1, 0]])
    kb.close()  # again is allowed
    for use in (
        lambda: kb.add(ids=[2], vectors=[[1, 0]]),
        lambda: kb.search([1.0, 0.0]),
        lambda: kb.delete("id = 1"),
        kb.optimize,
        kb.info,
    ):
        with pytest.raises(hr.Error) as caught:
            use()
        assert caught.value.code == "invalid_argument" and "headrace.open" in caught.value.hint
    assert "closed" in repr(kb) and "closed" in kb._repr_html_()
    with hr.open(tmp_path / "v", model=None) as again:
        again.add(ids=[2], vectors=[[0, 1]])
        assert len(again) == 2
